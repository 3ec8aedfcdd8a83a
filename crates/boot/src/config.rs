//! The settings of a process, typed and checked as a whole.

mod check;
mod layers;
mod strangers;
#[cfg(test)]
mod tests;

pub use layers::{ConfigError, Sources, load};

use crypto::Secret;
use crypto::password::PoolOptions;
use ipnet::IpNet;
use outbound::{BreachedSettings, HttpSettings, SmtpSettings, TwilioSettings, VonageSettings};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Every setting with its default and a comment.
pub const DEFAULTS: &str = include_str!("../../../latchkey.default.toml");

/// The name of the SQLite database in the data folder.
pub(crate) const DATABASE_FILE: &str = "latchkey.db";

/// The settings of a process; only what passed every check becomes one.
#[derive(Debug, Clone)]
pub struct Config {
    /// The origin that browsers reach the FAPI under, without a trailing slash.
    pub public_url: String,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where the database and the master key lie by default.
    pub data_dir: PathBuf,
    /// Where the master keys come from.
    pub master_key: MasterKeySource,
    /// How long what is in hand may take at the end.
    pub shutdown_timeout: Duration,
    /// The database.
    pub database: Database,
    /// How requests are served.
    pub http: Http,
    /// Where the browser-facing API listens.
    pub fapi: Listen,
    /// Where the backend API listens.
    pub bapi: Listen,
    /// How the worker works.
    pub worker: Worker,
    /// The mail server, if one is named.
    pub smtp: Option<SmtpSettings>,
    /// Whom mail is from.
    pub mail_from: String,
    /// Who carries short messages.
    pub sms: Sms,
    /// What strangers may be called.
    pub outbound: HttpSettings,
    /// Where breached passwords are looked up.
    pub breached: BreachedSettings,
    /// What a password hash costs and how many are computed at a time.
    pub passwords: PoolOptions,
    /// How often callers may do something.
    pub limits: Limits,
    /// What is logged and how.
    pub logging: Logging,
    merged: Merged,
}

/// All layers in one, secrets included: never shown as it is.
#[derive(Clone)]
struct Merged(toml::Table);

impl fmt::Debug for Merged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Merged(..)")
    }
}

/// Where the master keys come from.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// From the settings themselves.
    Text(Secret<String>),
    /// From a file.
    File(PathBuf),
}

/// The database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its URL, which may hold a password.
    pub url: Secret<String>,
    /// Whether it is the SQLite file of the data folder.
    pub is_in_data_dir: bool,
    /// PostgreSQL connections of the whole process.
    pub max_connections: u32,
    /// What an acknowledged write is worth on SQLite.
    pub synchronous: Synchronous,
}

/// What an acknowledged write is worth on SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Synchronous {
    /// It survives a power cut.
    Full,
    /// It survives a crash of the process.
    Normal,
}

/// Who carries short messages.
#[derive(Debug, Clone)]
pub enum Sms {
    /// Nobody.
    None,
    /// The inbox of `dev`.
    Inbox,
    /// Twilio.
    Twilio(TwilioSettings),
    /// Vonage.
    Vonage(VonageSettings),
}

/// How requests are served.
#[derive(Debug, Clone)]
pub struct Http {
    /// Threads of each surface; 0 means one per core.
    pub workers: usize,
    /// How long an idle connection is kept open.
    pub keep_alive_seconds: u64,
    /// How long a client may take to send its request headers.
    pub client_timeout_seconds: u64,
    /// Where readiness and metrics are asked for instead of at the APIs, if anywhere.
    pub ops_listen: Option<SocketAddr>,
}

impl Http {
    /// The number of threads of each surface.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        }
    }
}

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The address or host name.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
}

/// How the worker works.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// How often it looks for jobs when nothing wakes it.
    pub poll_milliseconds: u64,
    /// Jobs taken at a time.
    pub batch: usize,
    /// The address of its own health and metrics.
    pub host: String,
    /// Their port.
    pub port: u16,
}

/// How often callers may do something.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many times more development and staging environments get.
    pub relaxed_factor: u32,
    /// The quota of each bucket by its name, such as `users.create`.
    pub buckets: BTreeMap<String, Quota>,
}

/// So many requests in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many requests.
    pub requests: u32,
    /// In how many seconds.
    pub seconds: u32,
}

/// What is logged and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// For people or for machines.
    pub format: LogFormat,
    /// The least severe level, or directives.
    pub level: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Something that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The dotted path of the key, or the name of the environment variable.
    pub key: String,
    /// What is wrong; never the value of a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { key: key.into(), message: message.into() });
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "setting is" } else { "settings are" };
        write!(f, "{} {noun} wrong", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl Config {
    /// Whether somebody has set the public URL.
    pub fn has_own_public_url(&self) -> bool {
        let default: Option<toml::Table> = DEFAULTS.parse().ok();
        let Merged(merged) = &self.merged;
        default.as_ref().and_then(|table| table.get("public_url")) != merged.get("public_url")
    }

    /// The same settings for a developer's machine: the loopback may be called, on every port and without TLS.
    #[must_use]
    pub fn for_development(mut self) -> Self {
        let HttpSettings { allow_cidrs, ports, allow_http, .. } = HttpSettings::development();
        self.outbound.allow_cidrs.extend(allow_cidrs);
        (self.outbound.ports, self.outbound.allow_http) = (ports, allow_http);
        self
    }

    /// The settings as they count, as TOML, with secrets blotted out.
    pub fn effective(&self) -> String {
        const REDACTED: &str = "(redacted)";
        let Merged(mut table) = self.merged.clone();
        let mut edit = |section: &str, key: &str, change: fn(&str) -> String| {
            let mut part = Some(&mut table);
            for name in section.split('.').filter(|name| !name.is_empty()) {
                part = part.and_then(|part| part.get_mut(name)).and_then(toml::Value::as_table_mut);
            }
            if let Some(toml::Value::String(text)) = part.and_then(|part| part.get_mut(key))
                && !text.is_empty()
            {
                *text = change(text);
            }
        };
        edit("", "master_key", |_| REDACTED.to_owned());
        edit("smtp", "password", |_| REDACTED.to_owned());
        edit("sms.twilio", "auth_token", |_| REDACTED.to_owned());
        edit("sms.vonage", "api_secret", |_| REDACTED.to_owned());
        edit("database", "url", without_password);
        toml::to_string_pretty(&table).expect("a table of plain values has a TOML form")
    }
}

/// A database URL that may be shown.
pub fn without_password(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else {
        // Not a URL, then a path: it holds no password.
        return url.to_owned();
    };
    let secret = |name: &str| name.eq_ignore_ascii_case("password") || name.eq_ignore_ascii_case("sslpassword");
    if parsed.query_pairs().any(|(name, _)| secret(&name)) {
        let kept: Vec<(String, String)> = parsed
            .query_pairs()
            .filter(|(name, _)| !secret(name))
            .map(|(n, v)| (n.into_owned(), v.into_owned()))
            .collect();
        parsed.query_pairs_mut().clear().extend_pairs(kept);
    }
    if parsed.password().is_some() && parsed.set_password(Some("redacted")).is_err() {
        return format!("{}:(redacted)", parsed.scheme());
    }
    match parsed.scheme() {
        "postgres" | "postgresql" => parsed.into(),
        _ => url.to_owned(),
    }
}
