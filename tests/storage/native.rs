//! Who asks for what one engine alone can do is listed here, with the reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files outside `anydb` that go around the shared dialect.
const LISTED: [(&str, &str); 2] = [
    ("tests/storage/plans.rs", "asks SQLite for its plans, to find the queries that no index serves"),
    ("crates/testkit/src/evidence.rs", "does what somebody at the database itself would do"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read")) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Whether a file names the way out, or takes a connection apart.
fn goes_around(text: &str) -> bool {
    let code = || text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let drivers = ["Postgres", "Sqlite", "Lite", "Offload"];
    let takes_apart = code().any(|line| {
        line.match_indices("Conn::")
            .any(|(at, found)| words(&line[at + found.len()..]).next().is_some_and(|word| drivers.contains(&word)))
    });
    let imports = text.split("use ").skip(1).filter_map(|rest| rest.split(';').next());
    let names = code().flat_map(|line| line.split("anydb::").skip(1)).any(|rest| words(rest).next() == Some("native"));
    let brings = imports
        .filter(|import| import.trim_start().starts_with("anydb"))
        .any(|import| words(import).any(|word| word == "native"));
    takes_apart || names || brings
}

#[test]
fn whoever_asks_for_what_one_engine_alone_can_do_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for folder in ["crates", "services", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 200, "the sources are found");
    let mut found = BTreeSet::new();
    for file in files {
        let name = file.strip_prefix(&root).expect("it is below").to_string_lossy().replace('\\', "/");
        let is_own = name.starts_with("crates/anydb/") || name == "tests/storage/native.rs";
        if !is_own && goes_around(&fs::read_to_string(&file).expect("a source is text")) {
            found.insert(name);
        }
    }

    let listed: BTreeSet<String> = LISTED.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(found, listed, "a fragment is better; what has to go around stands in the list, with its reason");
}

#[test]
fn every_way_around_is_seen() {
    for way in [
        "let plan = anydb::native::sqlite_plan(conn, sql).await;",
        "use anydb::native;",
        "use anydb::{Conn, native::Lite};",
        "use anydb::{\n    Conn,\n    native,\n};",
        "match conn { storage::Conn::Postgres(pg) => pg, other => other }",
        "if let Conn::Sqlite(lite) = conn {}",
    ] {
        assert!(goes_around(way), "{way}");
    }
    for other in
        ["// anydb::native is the way out", "let native = hash();", "EngineKind::Postgres", "use anydb::{Conn, Tx};"]
    {
        assert!(!goes_around(other), "{other}");
    }
}
