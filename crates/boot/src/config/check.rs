//! From what was written down to what can be worked with: every problem is found in one pass.

use super::{
    Config, DATABASE_FILE, Database, Http, Limits, Listen, Logging, MasterKeySource, Merged, Problems, Quota,
    Synchronous, Worker, strangers,
};
use crypto::Secret;
use crypto::password::{Params, PoolOptions};
use ipnet::IpNet;
use outbound::{Sender, SmtpSettings, SmtpTls};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing_subscriber::EnvFilter;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    public_url: String,
    trusted_proxies: Vec<String>,
    data_dir: PathBuf,
    master_key: Secret<String>,
    master_key_file: PathBuf,
    shutdown_timeout_seconds: u64,
    database: RawDatabase,
    http: RawHttp,
    fapi: Listen,
    bapi: Listen,
    worker: Worker,
    smtp: RawSmtp,
    sms: strangers::RawSms,
    outbound: strangers::RawOutbound,
    breached_passwords: strangers::RawBreached,
    passwords: RawPasswords,
    limits: RawLimits,
    logging: Logging,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    workers: usize,
    keep_alive_seconds: u64,
    client_timeout_seconds: u64,
    ops_listen: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDatabase {
    url: Secret<String>,
    url_file: PathBuf,
    max_connections: u32,
    synchronous: Synchronous,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSmtp {
    host: String,
    port: u16,
    username: String,
    password: Secret<String>,
    password_file: PathBuf,
    tls: SmtpTls,
    from: String,
    timeout_seconds: u64,
}

// Which groups and verbs there are is known from the defaults: others are refused before this is read.
#[derive(Deserialize)]
struct RawLimits {
    relaxed_factor: u32,
    #[serde(flatten)]
    groups: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPasswords {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
    slots: usize,
    waiting_per_slot: usize,
}

pub(super) fn check(raw: Raw, merged: toml::Table) -> Result<Config, Problems> {
    let mut problems = Problems(Vec::new());
    let found = &mut problems;
    let public_url = public_url(&raw.public_url, found);
    let trusted_proxies = trusted_proxies(&raw.trusted_proxies, found);
    let master_key = master_key(raw.master_key, &raw.master_key_file, &raw.data_dir, found);
    let database = database(raw.database, &raw.data_dir, found);
    listeners(&raw.fapi, &raw.bapi, found);
    between("shutdown_timeout_seconds", raw.shutdown_timeout_seconds, 0..=3600, found);
    between("http.workers", raw.http.workers, 0..=1024, found);
    between("http.keep_alive_seconds", raw.http.keep_alive_seconds, 0..=3600, found);
    between("http.client_timeout_seconds", raw.http.client_timeout_seconds, 1..=600, found);
    let ops_listen = ops_listen(&raw.http.ops_listen, found);
    between("worker.poll_milliseconds", raw.worker.poll_milliseconds, 10..=60_000, found);
    between("worker.batch", raw.worker.batch, 1..=1000, found);
    let mail_from = raw.smtp.from.clone();
    let smtp = smtp(raw.smtp, found);
    let sms = strangers::sms(raw.sms, found);
    let outbound = strangers::outbound(raw.outbound, found);
    let breached = strangers::breached(raw.breached_passwords, found);
    let passwords = passwords(&raw.passwords, found);
    let limits = limits(&raw.limits, found);
    if let Err(error) = EnvFilter::try_new(&raw.logging.level) {
        found.add("logging.level", format!("is no level and no list of directives: {error}"));
    }
    if !problems.0.is_empty() {
        return Err(problems);
    }
    Ok(Config {
        public_url,
        trusted_proxies,
        data_dir: raw.data_dir,
        master_key,
        shutdown_timeout: Duration::from_secs(raw.shutdown_timeout_seconds),
        database,
        http: Http {
            workers: raw.http.workers,
            keep_alive_seconds: raw.http.keep_alive_seconds,
            client_timeout_seconds: raw.http.client_timeout_seconds,
            ops_listen,
        },
        fapi: raw.fapi,
        bapi: raw.bapi,
        worker: raw.worker,
        smtp,
        mail_from,
        sms,
        outbound,
        breached,
        passwords,
        limits,
        logging: raw.logging,
        merged: Merged(merged),
    })
}

pub(super) fn between<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    range: std::ops::RangeInclusive<T>,
    problems: &mut Problems,
) {
    if !range.contains(&value) {
        problems.add(key, format!("must be from {} to {}", range.start(), range.end()));
    }
}

fn public_url(text: &str, problems: &mut Problems) -> String {
    let parsed = url::Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
    });
    match parsed {
        Some(url) => url.origin().ascii_serialization(),
        None => {
            problems.add("public_url", "must be `https://host[:port]` or `http://host[:port]`, nothing behind");
            String::new()
        }
    }
}

fn trusted_proxies(texts: &[String], problems: &mut Problems) -> Vec<IpNet> {
    let read = |text: &String| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    for text in texts.iter().filter(|text| read(text).is_none()) {
        problems.add("trusted_proxies", format!("`{text}` is no address and no network"));
    }
    texts.iter().filter_map(read).collect()
}

pub(super) fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

/// A secret from the settings or from a file; the last line break of the file does not count.
pub(super) fn secret(
    key: &str,
    inline: Secret<String>,
    file: &Path,
    problems: &mut Problems,
) -> Option<Secret<String>> {
    match (inline.expose().is_empty(), is_set(file)) {
        (true, false) => None,
        (false, false) => Some(inline),
        (false, true) => {
            problems.add(key, format!("set either it or {key}_file, not both"));
            None
        }
        (true, true) => match std::fs::read_to_string(file) {
            Ok(text) => {
                let text = Secret::new(text);
                Some(Secret::new(text.expose().trim_end_matches(['\r', '\n']).to_owned()))
            }
            Err(error) => {
                problems.add(format!("{key}_file"), format!("{} cannot be read: {error}", file.display()));
                None
            }
        },
    }
}

fn master_key(text: Secret<String>, file: &Path, data_dir: &Path, problems: &mut Problems) -> MasterKeySource {
    if text.expose().is_empty() {
        let file = if is_set(file) { file.to_owned() } else { data_dir.join("master.key") };
        return MasterKeySource::File(file);
    }
    if is_set(file) {
        problems.add("master_key", "set either it or master_key_file, not both");
    }
    if let Err(error) = crypto::seal::MasterKeys::parse(text.expose()) {
        problems.add("master_key", error.to_string());
    }
    MasterKeySource::Text(text)
}

fn database(raw: RawDatabase, data_dir: &Path, problems: &mut Problems) -> Database {
    let before = problems.0.len();
    let named = secret("database.url", raw.url, &raw.url_file, problems);
    let is_in_data_dir = named.is_none();
    let url = named.unwrap_or_else(|| Secret::new(format!("sqlite:{}", data_dir.join(DATABASE_FILE).display())));
    if problems.0.len() == before && storage::EngineKind::of_url(url.expose()).is_err() {
        problems.add("database.url", "must begin with `postgres://` or `sqlite:`");
    }
    between("database.max_connections", raw.max_connections, 2..=10_000, problems);
    Database { url, is_in_data_dir, max_connections: raw.max_connections, synchronous: raw.synchronous }
}

fn listeners(fapi: &Listen, bapi: &Listen, problems: &mut Problems) {
    for (key, listen) in [("fapi.host", fapi), ("bapi.host", bapi)] {
        if listen.host.is_empty() || listen.host.contains(char::is_whitespace) {
            problems.add(key, "must be an address or a host name");
        }
    }
    if fapi == bapi && fapi.port != 0 {
        problems.add("bapi.port", "is the port of the FAPI");
    }
}

fn ops_listen(text: &str, problems: &mut Problems) -> Option<SocketAddr> {
    if text.is_empty() {
        return None;
    }
    let address = text.parse().ok();
    if address.is_none() {
        problems.add("http.ops_listen", "must be an IP address and a port, such as `127.0.0.1:4003` or `[::1]:4003`");
    }
    address
}

fn smtp(raw: RawSmtp, problems: &mut Problems) -> Option<SmtpSettings> {
    if Sender::parse(&raw.from).is_err() {
        problems.add("smtp.from", "must be of the form `Name <address>`");
    }
    between("smtp.timeout_seconds", raw.timeout_seconds, 1..=600, problems);
    let password = secret("smtp.password", raw.password, &raw.password_file, problems);
    if raw.host.is_empty() {
        return None;
    }
    if raw.username.is_empty() != password.is_none() {
        problems.add("smtp.username", "username and password go together");
    }
    if raw.port == 0 {
        problems.add("smtp.port", "must be from 1 to 65535");
    }
    let is_here = raw.host == "localhost" || raw.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if raw.tls == SmtpTls::None && password.is_some() && !is_here {
        problems.add("smtp.tls", "a password is not sent to another machine without encryption");
    }
    Some(SmtpSettings {
        host: raw.host,
        port: raw.port,
        username: Some(raw.username).filter(|name| !name.is_empty()),
        password,
        tls: raw.tls,
        timeout: Duration::from_secs(raw.timeout_seconds),
    })
}

fn passwords(raw: &RawPasswords, problems: &mut Problems) -> PoolOptions {
    let params = Params { memory_kib: raw.memory_kib, iterations: raw.iterations, parallelism: raw.parallelism };
    if let Err(error) = params.validate() {
        problems.add("passwords", error.to_string());
    }
    between("passwords.slots", raw.slots, 0..=256, problems);
    between("passwords.waiting_per_slot", raw.waiting_per_slot, 1..=10_000, problems);
    let default = PoolOptions::default();
    PoolOptions {
        params,
        threads: if raw.slots == 0 { default.threads } else { raw.slots },
        waiting_per_thread: raw.waiting_per_slot,
    }
}

fn limits(raw: &RawLimits, problems: &mut Problems) -> Limits {
    between("limits.relaxed_factor", raw.relaxed_factor, 1..=1_000_000, problems);
    let mut buckets = BTreeMap::new();
    for (group, verbs) in &raw.groups {
        for (verb, text) in verbs {
            match quota(text) {
                Some(quota) => {
                    buckets.insert(format!("{group}.{verb}"), quota);
                }
                None => problems.add(
                    format!("limits.{group}.{verb}"),
                    "must be `requests/seconds`: 1 to 1000000 requests in 1 to 86400 seconds",
                ),
            }
        }
    }
    Limits { relaxed_factor: raw.relaxed_factor, buckets }
}

fn quota(text: &str) -> Option<Quota> {
    let (requests, seconds) = text.split_once('/')?;
    let quota = Quota { requests: requests.trim().parse().ok()?, seconds: seconds.trim().parse().ok()? };
    let fits = (1..=1_000_000).contains(&quota.requests) && (1..=86_400).contains(&quota.seconds);
    fits.then_some(quota)
}
