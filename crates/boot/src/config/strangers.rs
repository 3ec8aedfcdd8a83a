//! The settings of what leaves the house: short messages, calls to strangers, breached passwords.

use super::check::{between, is_set, secret};
use super::{Problems, Sms};
use crypto::Secret;
use ipnet::IpNet;
use outbound::{BreachedSettings, HttpSettings, ObjectSettings, S3Settings, TwilioSettings, VonageSettings};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSms {
    driver: Driver,
    sender: String,
    base_url: String,
    timeout_seconds: u64,
    twilio: RawTwilio,
    vonage: RawVonage,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Driver {
    None,
    Twilio,
    Vonage,
    Inbox,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTwilio {
    account_sid: String,
    auth_token: Secret<String>,
    auth_token_file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVonage {
    api_key: String,
    api_secret: Secret<String>,
    api_secret_file: PathBuf,
}

pub(super) fn sms(raw: RawSms, problems: &mut Problems) -> Sms {
    between("sms.timeout_seconds", raw.timeout_seconds, 1..=60, problems);
    let timeout = Duration::from_secs(raw.timeout_seconds);
    // Read whatever the driver is: a file that is not there is told at once.
    let auth_token = secret("sms.twilio.auth_token", raw.twilio.auth_token, &raw.twilio.auth_token_file, problems);
    let api_secret = secret("sms.vonage.api_secret", raw.vonage.api_secret, &raw.vonage.api_secret_file, problems);
    let base_url = |default: &str, problems: &mut Problems| base_url("sms.base_url", &raw.base_url, default, problems);
    let mut needed = |key: &str, missing: bool| {
        if missing {
            problems.add(key, "is needed by sms.driver");
        }
    };
    match raw.driver {
        Driver::None => Sms::None,
        Driver::Inbox => Sms::Inbox,
        Driver::Twilio => {
            needed("sms.sender", raw.sender.is_empty());
            needed("sms.twilio.account_sid", raw.twilio.account_sid.is_empty());
            needed("sms.twilio.auth_token", auth_token.is_none());
            let account_sid = raw.twilio.account_sid;
            if !account_sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
                problems.add("sms.twilio.account_sid", "has letters and digits only");
            }
            Sms::Twilio(TwilioSettings {
                account_sid,
                auth_token: auth_token.unwrap_or_else(|| Secret::new(String::new())),
                sender: raw.sender.clone(),
                base_url: base_url(TwilioSettings::BASE_URL, problems),
                timeout,
            })
        }
        Driver::Vonage => {
            needed("sms.sender", raw.sender.is_empty());
            needed("sms.vonage.api_key", raw.vonage.api_key.is_empty());
            needed("sms.vonage.api_secret", api_secret.is_none());
            Sms::Vonage(VonageSettings {
                api_key: raw.vonage.api_key,
                api_secret: api_secret.unwrap_or_else(|| Secret::new(String::new())),
                sender: raw.sender.clone(),
                base_url: base_url(VonageSettings::BASE_URL, problems),
                timeout,
            })
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOutbound {
    allow_cidrs: Vec<String>,
    ports: Vec<String>,
    dns_servers: Vec<String>,
    ca_file: PathBuf,
    timeout_seconds: u64,
}

pub(super) fn outbound(raw: RawOutbound, problems: &mut Problems) -> HttpSettings {
    between("outbound.timeout_seconds", raw.timeout_seconds, 1..=60, problems);
    let network = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let server = |text: &str| text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)));
    let port = |text: &str| text.parse().ok().filter(|port: &u16| *port > 0);
    HttpSettings {
        allow_cidrs: each("outbound.allow_cidrs", &raw.allow_cidrs, "address and no network", network, problems),
        ports: Some(each("outbound.ports", &raw.ports, "port", port, problems)),
        allow_http: false,
        dns_servers: each("outbound.dns_servers", &raw.dns_servers, "address", server, problems),
        ca_file: Some(raw.ca_file).filter(|file| is_set(file)),
        timeout: Duration::from_secs(raw.timeout_seconds),
    }
}

fn each<T>(
    key: &str,
    texts: &[String],
    what: &str,
    read: impl Fn(&str) -> Option<T>,
    problems: &mut Problems,
) -> Vec<T> {
    let mut all = Vec::new();
    for text in texts {
        match read(text.trim()) {
            Some(value) => all.push(value),
            None => problems.add(key, format!("`{text}` is no {what}")),
        }
    }
    all
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBreached {
    range_api: String,
    file: PathBuf,
}

pub(super) fn breached(raw: RawBreached, problems: &mut Problems) -> BreachedSettings {
    let file = Some(raw.file).filter(|file| is_set(file));
    if let Some(file) = &file
        && let Err(error) = outbound::check_breached_file(file)
    {
        problems.add("breached_passwords.file", format!("{} cannot be used: {error}", file.display()));
    }
    BreachedSettings {
        base_url: base_url("breached_passwords.range_api", &raw.range_api, outbound::RANGE_API, problems),
        file,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawObjects {
    store: Store,
    folder: PathBuf,
    s3: RawS3,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Store {
    Folder,
    S3,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawS3 {
    bucket: String,
    region: String,
    endpoint: String,
    access_key_id: String,
    secret_access_key: Secret<String>,
    secret_access_key_file: PathBuf,
}

pub(super) fn objects(raw: RawObjects, data_dir: &Path, problems: &mut Problems) -> ObjectSettings {
    let s3 = raw.s3;
    let secret = secret("objects.s3.secret_access_key", s3.secret_access_key, &s3.secret_access_key_file, problems);
    if raw.store == Store::Folder {
        let folder = if is_set(&raw.folder) { raw.folder } else { data_dir.join("objects") };
        return ObjectSettings::Folder(folder);
    }
    for (key, value) in [("objects.s3.bucket", &s3.bucket), ("objects.s3.region", &s3.region)] {
        if value.is_empty() {
            problems.add(key, "is needed by objects.store");
        }
    }
    if s3.access_key_id.is_empty() != secret.is_none() {
        problems.add("objects.s3.access_key_id", "key and secret go together");
    }
    let endpoint = base_url("objects.s3.endpoint", &s3.endpoint, "", problems);
    ObjectSettings::S3(S3Settings {
        bucket: s3.bucket,
        region: s3.region,
        allow_http: endpoint.starts_with("http://"),
        endpoint: Some(endpoint).filter(|url| !url.is_empty()),
        credentials: secret.map(|secret| (s3.access_key_id, secret)),
    })
}

/// A URL that paths are appended to, without its last slash; the default when nothing is said.
pub(super) fn base_url(key: &str, text: &str, default: &str, problems: &mut Problems) -> String {
    if text.is_empty() {
        return default.to_owned();
    }
    let parsed = url::Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    });
    if parsed.is_none() {
        problems.add(key, "must be an http or https URL without a query");
    }
    text.trim_end_matches('/').to_owned()
}
