//! `docs/errors.md` lists every code that leaves the house.

use domain::code;
use std::path::{Path, PathBuf};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md")
}

fn page() -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         Every refusal of both surfaces is `{\"errors\": [{\"code\", \"message\", \"long_message\", \"meta\"}], \"trace_id\"}`.\n\
         Programs match on `code`; `message` is for developers, `long_message` for the person in front of the screen.\n\
         `meta.param` names the parameter that is meant, when one is. A code is never renamed.\n\n\
         This page is made from `crates/domain/src/code.rs`; a test keeps it so (`WRITE_DOCS=1` rewrites it).\n\n\
         | code | meaning | text for people |\n|---|---|---|\n",
    );
    for code in code::ALL {
        page.push_str(&format!("| `{}` | {} | {} |\n", code.name, code.message, code.long_message));
    }
    page
}

#[test]
fn the_page_of_error_codes_lists_every_code() {
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(path(), page()).expect("the page can be written");
    }
    let written = std::fs::read_to_string(path()).unwrap_or_default();
    assert!(written == page(), "docs/errors.md is not what domain::code says: run the tests with WRITE_DOCS=1");
}
