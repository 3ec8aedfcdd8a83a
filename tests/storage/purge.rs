//! An environment that is deleted leaves nothing behind: every table of a tenant is named where they are cleared.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The tables of a tenant, out of the migrations of one folder.
fn tables(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read")) {
        let text = fs::read_to_string(entry.path().join("up.sql")).expect("a migration is text");
        let statements = text.split(';').filter_map(|statement| statement.split_once("CREATE TABLE "));
        for (name, columns) in statements.filter_map(|(_, table)| table.split_once('(')) {
            if columns.contains("environment_id ") {
                found.insert(name.trim().to_owned());
            }
        }
    }
}

#[test]
fn every_table_of_a_tenant_is_cleared_with_its_environment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/storage/migrations");
    let mut there = BTreeSet::new();
    for engine in ["shared", "sqlite", "postgres"] {
        tables(&root.join(engine), &mut there);
    }

    let named: BTreeSet<String> = storage::purge::TABLES.iter().map(|(table, _)| (*table).to_owned()).collect();
    assert!(there.len() > 20, "{there:?}");
    assert_eq!(named, there, "crates/storage/src/purge.rs names the tables that the migrations make");
}
