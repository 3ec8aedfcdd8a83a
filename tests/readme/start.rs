//! What a developer finds at the first and at the second start.

use super::blocks::shown_by_dev;
use super::dev::{Dev, on};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use testkit::EngineKind;

const JSON: [&str; 7] =
    ["bapi_url", "database", "environment_id", "fapi_url", "inbox_url", "publishable_key", "secret_key"];

fn port(url: &Value) -> String {
    let url = url.as_str().expect("a URL").strip_prefix("http://localhost:").expect("it is on this machine");
    url.split('/').next().unwrap_or(url).to_owned()
}

/// What is printed for people: labels and values.
fn table(lines: &[String]) -> BTreeMap<String, String> {
    let pairs = lines.iter().filter_map(|line| line.strip_prefix("  ")?.split_once("  "));
    pairs.map(|(label, value)| (label.to_owned(), value.trim().to_owned())).collect()
}

async fn a_second_start_finds_the_same(database: Option<String>) {
    let folder = tempfile::tempdir().expect("a folder can be made");

    let mut first =
        Dev::start(folder.path(), database.as_deref(), &["--fapi-port", "0", "--bapi-port", "0", "--json"]).await;
    let ready = first.ready().await;
    let (fapi, bapi) = (port(&ready["fapi_url"]), port(&ready["bapi_url"]));
    let rest = first.stop().await;
    let ports = ["--fapi-port", &fapi, "--bapi-port", &bapi];
    let mut second = Dev::start(folder.path(), database.as_deref(), &ports).await;
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("Ctrl-C")) {
        lines.push(second.line().await);
    }
    second.stop().await;

    assert!(rest.is_empty(), "--json prints one line: {rest:?}");
    let object = ready.as_object().expect("the line is an object");
    let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, JSON);
    let shown = table(&lines);
    for (label, key) in [
        ("FAPI", "fapi_url"),
        ("BAPI", "bapi_url"),
        ("publishable key", "publishable_key"),
        ("secret key", "secret_key"),
        ("database", "database"),
    ] {
        assert_eq!(shown[label], ready[key], "{label}");
    }
    let of_page: Vec<String> = shown_by_dev().lines().map(str::to_owned).collect();
    assert!(table(&of_page).keys().eq(shown.keys()), "the README shows other lines than {lines:?}");
    for file in ["master.key", "dev-keys.json"] {
        let mode = fs::metadata(folder.path().join("data").join(file)).expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

mod a_second_start_finds_the_same_data_and_keys {
    use super::*;

    #[test]
    fn sqlite() {
        on(EngineKind::Sqlite, a_second_start_finds_the_same);
    }

    #[test]
    fn postgres() {
        on(EngineKind::Postgres, a_second_start_finds_the_same);
    }
}
