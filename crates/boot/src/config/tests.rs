use super::*;
use std::path::Path;

fn sources(environment: &[(&str, &str)]) -> Sources {
    Sources {
        environment: environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        ..Sources::default()
    }
}

fn with(environment: &[(&str, &str)]) -> Config {
    load(&sources(environment)).unwrap()
}

fn problems(result: Result<Config, ConfigError>) -> Vec<String> {
    match result {
        Err(ConfigError::Problems(Problems(problems))) => problems.into_iter().map(|p| p.key).collect(),
        other => panic!("no problems but {other:?}"),
    }
}

fn file(folder: &Path, text: &str) -> Sources {
    let path = folder.join("latchkey.toml");
    std::fs::write(&path, text).unwrap();
    Sources { file: Some(path), ..Sources::default() }
}

#[test]
fn the_defaults_are_whole_and_work() {
    let config = with(&[]);

    assert_eq!(config.public_url, "http://localhost:4000");
    assert_eq!(config.database.url.expose(), "sqlite:./latchkey-data/latchkey.db");
    assert!(
        matches!(&config.master_key, MasterKeySource::File(path) if path == Path::new("./latchkey-data/master.key"))
    );
    assert_eq!(config.passwords.params, crypto::password::Params::default());
    assert!(config.smtp.is_none());
    assert_eq!(config.limits.buckets.get("challenges.send"), Some(&Quota { requests: 5, seconds: 600 }));
}

#[test]
fn every_default_has_its_comment() {
    let mut explained = false;
    for line in DEFAULTS.lines() {
        if line.contains('=') && !line.starts_with('#') {
            assert!(explained, "no comment above `{line}`");
        }
        explained = line.starts_with("# ");
    }
}

#[test]
fn an_unknown_key_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), "publik_url = 'x'\n[smtp]\npasword = 'x'\n[limits.users]\nnothing = '1/1'\n");

    let error = load(&file).unwrap_err();

    assert!(error.to_string().contains("smtp.pasword: there is no such setting"), "{error}");
    assert_eq!(problems(Err(error)), ["limits.users.nothing", "publik_url", "smtp.pasword"]);
}

#[test]
fn an_unknown_variable_is_refused_by_its_name() {
    let wrong = [("LATCHKEY_SMTP__PASWORD", "x"), ("LATCHKEY_SMTP", "x"), ("LATCHKEY_FAPI__PORT__X", "1")];
    assert_eq!(problems(load(&sources(&wrong))), ["LATCHKEY_FAPI__PORT__X", "LATCHKEY_SMTP", "LATCHKEY_SMTP__PASWORD"]);
    let others = [("LATCHKEY_CONFIG", "x"), ("LATCHKEY_TEST_POSTGRES", "x")];
    assert!(load(&sources(&others)).is_ok());
}

#[test]
fn every_problem_is_told_at_once() {
    let wrong = [
        ("LATCHKEY_PUBLIC_URL", "https://auth.example.com/base"),
        ("LATCHKEY_TRUSTED_PROXIES", "10.0.0.0/8, proxy"),
        ("DATABASE_URL", "mysql://db/x"),
        ("LATCHKEY_DATABASE__MAX_CONNECTIONS", "1"),
        ("LATCHKEY_BAPI__PORT", "4000"),
        ("LATCHKEY_SMTP__HOST", "mail.example.com"),
        ("LATCHKEY_SMTP__USERNAME", "latchkey"),
        ("LATCHKEY_SMTP__FROM", "nobody"),
        ("LATCHKEY_PASSWORDS__MEMORY_KIB", "1"),
        ("LATCHKEY_LOGGING__LEVEL", "engine=loud"),
        ("LATCHKEY_LIMITS__TOKENS__MINT", "60/0"),
    ];

    let found = problems(load(&sources(&wrong)));

    let expected = [
        "public_url",
        "trusted_proxies",
        "database.url",
        "database.max_connections",
        "bapi.port",
        "smtp.from",
        "smtp.username",
        "passwords",
        "limits.tokens.mint",
        "logging.level",
    ];
    assert_eq!(found, expected);
}

#[test]
fn readiness_and_metrics_get_a_socket_of_their_own_only_when_one_is_named() {
    assert_eq!(with(&[]).http.ops_listen, None);
    for address in ["127.0.0.1:4003", "[::1]:4003"] {
        let config = with(&[("LATCHKEY_HTTP__OPS_LISTEN", address)]);
        assert_eq!(config.http.ops_listen.map(|a| a.to_string()).as_deref(), Some(address));
    }
    for wrong in ["4003", ":4003", "127.0.0.1", "localhost:4003", "127.0.0.1:99999"] {
        assert_eq!(problems(load(&sources(&[("LATCHKEY_HTTP__OPS_LISTEN", wrong)]))), ["http.ops_listen"], "{wrong}");
    }
}

#[test]
fn values_of_the_wrong_kind_are_told_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), "trusted_proxies = 'all'\n[fapi]\nport = '80'\n");
    assert_eq!(problems(load(&file)), ["fapi.port", "trusted_proxies"]);
    assert_eq!(problems(load(&sources(&[("LATCHKEY_FAPI__PORT", "eighty")]))), ["LATCHKEY_FAPI__PORT"]);
    assert_eq!(problems(load(&sources(&[("LATCHKEY_FAPI__PORT", "70000")]))), ["fapi.port"]);
    assert_eq!(problems(load(&sources(&[("LATCHKEY_SMTP__TLS", "maybe")]))), ["smtp.tls"]);
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = file(folder.path(), "data_dir = 'a'\n[fapi]\nport = 1\nhost = 'a'\n[bapi]\nport = 1\n");
    all.environment = vec![
        ("LATCHKEY_FAPI__PORT".into(), "2".into()),
        ("LATCHKEY_BAPI__PORT".into(), "3".into()),
        ("LATCHKEY_DATABASE__URL".into(), "sqlite:long".into()),
        ("DATABASE_URL".into(), "sqlite:short".into()),
    ];
    all.flags = vec![("bapi.port", toml::Value::Integer(4))];

    let config = load(&all).unwrap();

    assert_eq!((config.fapi.host.as_str(), config.fapi.port, config.bapi.port), ("a", 2, 4));
    assert_eq!(config.database.url.expose(), "sqlite:long");
    assert!(matches!(config.master_key, MasterKeySource::File(path) if path == Path::new("a/master.key")));
}

#[test]
fn a_secret_can_come_from_a_file_but_not_from_two_places() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let url = place("url", "postgres://u:hunter2@db/latchkey\n");
    let password = place("password", "12345\r\n");
    let missing = folder.path().join("missing").display().to_string();

    let config = with(&[
        ("DATABASE_URL_FILE", &url),
        ("LATCHKEY_SMTP__HOST", "mail.example.com"),
        ("LATCHKEY_SMTP__USERNAME", "12345"),
        ("LATCHKEY_SMTP__PASSWORD_FILE", &password),
    ]);

    assert_eq!(config.database.url.expose(), "postgres://u:hunter2@db/latchkey");
    let smtp = config.smtp.unwrap();
    assert_eq!((smtp.username.as_deref(), smtp.password.unwrap().expose().as_str()), (Some("12345"), "12345"));
    let twice = [("DATABASE_URL_FILE", url.as_str()), ("DATABASE_URL", "sqlite:x")];
    assert_eq!(problems(load(&sources(&twice))), ["database.url"]);
    let gone = [("LATCHKEY_SMTP__PASSWORD_FILE", missing.as_str())];
    assert_eq!(problems(load(&sources(&gone))), ["smtp.password_file"]);
    let keys = [("LATCHKEY_MASTER_KEY", "hunter2"), ("LATCHKEY_MASTER_KEY_FILE", "x")];
    assert_eq!(problems(load(&sources(&keys))), ["master_key", "master_key"]);
}

#[test]
fn no_secret_is_ever_shown() {
    let master = crypto::seal::MasterKeys::generate().to_text();
    let config = with(&[
        ("LATCHKEY_MASTER_KEY", master.expose()),
        ("DATABASE_URL", "postgres://latchkey:hunter2@db/latchkey?sslmode=require&password=hunter2"),
        ("LATCHKEY_SMTP__HOST", "mail.example.com"),
        ("LATCHKEY_SMTP__USERNAME", "latchkey"),
        ("LATCHKEY_SMTP__PASSWORD", "hunter2"),
        ("LATCHKEY_SMS__TWILIO__AUTH_TOKEN", "hunter2"),
        ("LATCHKEY_SMS__VONAGE__API_SECRET", "hunter2"),
    ]);

    let shown = config.effective();

    assert!(shown.contains("postgres://latchkey:redacted@db/latchkey?sslmode=require"), "{shown}");
    assert!(shown.contains("mail.example.com"));
    let debug = format!("{config:?}");
    for secret in ["hunter2", master.expose().trim()] {
        assert!(!shown.contains(secret) && !debug.contains(secret));
    }
    let reread: toml::Table = shown.parse().unwrap();
    assert!(reread.contains_key("smtp"));
}

#[test]
fn a_password_is_not_sent_in_the_clear_to_another_machine() {
    let mut all = vec![
        ("LATCHKEY_SMTP__HOST", "mail.example.com"),
        ("LATCHKEY_SMTP__USERNAME", "u"),
        ("LATCHKEY_SMTP__PASSWORD", "p"),
        ("LATCHKEY_SMTP__TLS", "none"),
    ];
    assert_eq!(problems(load(&sources(&all))), ["smtp.tls"]);
    all[0].1 = "127.0.0.1";
    assert!(load(&sources(&all)).is_ok());
}

#[test]
fn the_public_url_is_kept_in_one_spelling() {
    assert_eq!(
        with(&[("LATCHKEY_PUBLIC_URL", "HTTPS://Auth.Example.com:443/")]).public_url,
        "https://auth.example.com"
    );
    for bad in ["auth.example.com", "ftp://x", "https://u@x", "https://x?y", "https://x#y", ""] {
        assert_eq!(problems(load(&sources(&[("LATCHKEY_PUBLIC_URL", bad)]))), ["public_url"], "{bad}");
    }
}

#[test]
fn nobody_is_reached_by_sms_until_a_carrier_is_named_whole() {
    assert!(matches!(with(&[]).sms, Sms::None));
    let twilio = [
        ("LATCHKEY_SMS__DRIVER", "twilio"),
        ("LATCHKEY_SMS__SENDER", "+15005550006"),
        ("LATCHKEY_SMS__TWILIO__ACCOUNT_SID", "AC1"),
        ("LATCHKEY_SMS__TWILIO__AUTH_TOKEN", "token"),
    ];
    match with(&twilio).sms {
        Sms::Twilio(settings) => {
            assert_eq!(settings.base_url, "https://api.twilio.com");
            assert_eq!((settings.sender.as_str(), settings.auth_token.expose().as_str()), ("+15005550006", "token"));
        }
        other => panic!("{other:?}"),
    }
    let vonage = [
        ("LATCHKEY_SMS__DRIVER", "vonage"),
        ("LATCHKEY_SMS__SENDER", "Acme"),
        ("LATCHKEY_SMS__BASE_URL", "https://sms.example.com/v/"),
        ("LATCHKEY_SMS__VONAGE__API_KEY", "key"),
        ("LATCHKEY_SMS__VONAGE__API_SECRET", "secret"),
    ];
    assert!(matches!(with(&vonage).sms, Sms::Vonage(settings) if settings.base_url == "https://sms.example.com/v"));

    let lacking = problems(load(&sources(&twilio[..1])));
    assert_eq!(lacking, ["sms.sender", "sms.twilio.account_sid", "sms.twilio.auth_token"]);
    assert_eq!(problems(load(&sources(&vonage[..4]))), ["sms.vonage.api_secret"]);
    assert_eq!(problems(load(&sources(&[("LATCHKEY_SMS__DRIVER", "pigeon")]))), ["sms.driver"]);
    let evil = [twilio[0], twilio[1], ("LATCHKEY_SMS__TWILIO__ACCOUNT_SID", "../x"), twilio[3]];
    assert_eq!(problems(load(&sources(&evil))), ["sms.twilio.account_sid"]);
}

#[test]
fn strangers_are_called_in_public_and_over_tls_unless_it_is_a_developers_machine() {
    let config = with(&[
        ("LATCHKEY_OUTBOUND__ALLOW_CIDRS", "10.20.0.0/16, 10.30.0.1"),
        ("LATCHKEY_OUTBOUND__PORTS", "443,8443"),
        ("LATCHKEY_OUTBOUND__DNS_SERVERS", "9.9.9.9, [2620:fe::fe]:5353"),
    ]);

    assert_eq!(config.outbound.allow_cidrs, ["10.20.0.0/16".parse().unwrap(), "10.30.0.1/32".parse().unwrap()]);
    assert_eq!(config.outbound.ports, Some(vec![443, 8443]));
    assert_eq!(config.outbound.dns_servers, ["9.9.9.9:53".parse().unwrap(), "[2620:fe::fe]:5353".parse().unwrap()]);
    assert!(!config.outbound.allow_http);
    let dev = config.for_development().outbound;
    assert!(dev.allow_http && dev.ports.is_none());
    assert!(dev.allow_cidrs.contains(&"127.0.0.0/8".parse().unwrap()));

    let wrong = [
        ("LATCHKEY_OUTBOUND__ALLOW_CIDRS", "example.com"),
        ("LATCHKEY_OUTBOUND__PORTS", "0"),
        ("LATCHKEY_OUTBOUND__DNS_SERVERS", "dns.example"),
        ("LATCHKEY_OUTBOUND__TIMEOUT_SECONDS", "0"),
        ("LATCHKEY_BREACHED_PASSWORDS__RANGE_API", "api.example"),
        ("LATCHKEY_BREACHED_PASSWORDS__FILE", "/nowhere"),
    ];
    let mut found = problems(load(&sources(&wrong)));
    found.sort();
    let mut expected = [
        "outbound.allow_cidrs",
        "outbound.ports",
        "outbound.dns_servers",
        "outbound.timeout_seconds",
        "breached_passwords.range_api",
        "breached_passwords.file",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
}
