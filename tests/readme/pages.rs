//! The pages beside the README name what is there.

use super::dev::{command, on};
use std::path::{Path, PathBuf};
use testkit::EngineKind;

/// The top of the source tree.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The guides: pages whose commands are run like the README's.
pub(super) fn guides() -> Vec<String> {
    let pages = names("docs/guides").into_iter().filter(|name| name.ends_with(".md"));
    pages.map(|name| format!("docs/guides/{name}")).collect()
}

fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned(), "CHANGELOG.md".to_owned(), "THIRD-PARTY.md".to_owned()];
    for folder in ["docs", "docs/decisions", "docs/guides"] {
        pages.extend(
            names(folder).into_iter().filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")),
        );
    }
    pages
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    for page in pages() {
        let folder = root().join(&page).parent().expect("a page is in a folder").to_owned();
        for link in read(&page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.contains("://") {
                let path = link.split('#').next().unwrap_or(link);
                assert!(folder.join(path).exists(), "{page} links to {link}");
            }
        }
    }
}

#[test]
fn the_architecture_names_every_crate_and_no_other() {
    let page = read("docs/architecture.md");
    let mut listed: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.contains('/'))
        .collect();
    listed.sort_unstable();
    let there: Vec<String> = ["crates", "services"]
        .iter()
        .flat_map(|folder| names(folder).into_iter().map(move |name| format!("{folder}/{name}")))
        .filter(|name| root().join(name).join("Cargo.toml").exists())
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn the_decisions_are_numbered_without_gaps_and_listed() {
    let index = read("docs/architecture.md");
    for (at, name) in names("docs/decisions").iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}-", at + 1)), "{name} is not number {}", at + 1);
        assert!(index.contains(&format!("decisions/{name}")), "docs/architecture.md does not list {name}");
    }
}

#[test]
fn the_operators_page_explains_every_command() {
    on(EngineKind::Sqlite, async |_| {
        let page = read("docs/operations.md");
        let help = command(env!("CARGO_BIN_EXE_latchkey")).arg("--help").output().await.expect("the binary was built");
        let help = String::from_utf8(help.stdout).expect("it prints text");
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let commands: Vec<&str> =
            commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
        assert!(commands.contains(&"dev") && commands.contains(&"serve"), "{commands:?}");
        for name in commands {
            assert!(
                page.contains(&format!("`latchkey {name}")),
                "docs/operations.md does not explain `latchkey {name}`"
            );
        }
    });
}
