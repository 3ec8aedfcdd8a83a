//! What only a real browser shows: that its pages, its cookies and its authenticators agree with us.
//!
//! The scripts need node, a Chromium and `npm ci` in this folder. Without them the tests say so and pass.

use crate::readme::dev::{Dev, PATIENCE, command};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The Chromium of `LATCHKEY_TEST_CHROMIUM`, else the system's.
fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("LATCHKEY_TEST_CHROMIUM").map(PathBuf::from);
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(PathBuf::from);
    named.into_iter().chain(usual).find(|path| path.exists())
}

/// What a script said in its last line; `None` where none can run.
async fn run(script: &str, arguments: &[&str]) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/browser");
    let installed = folder.join("node_modules/playwright-core").exists();
    let (Some(chromium), true) = (chromium(), installed) else {
        let missing = "no Chromium, or `npm ci` was not run in tests/browser: the browser tests are left out";
        writeln!(std::io::stderr(), "{missing}").ok();
        return None;
    };
    let mut node = command("node");
    node.current_dir(&folder).arg(script).args(arguments).arg(chromium);
    // Chromium wants a home of its own.
    let home = tempfile::tempdir().expect("a folder can be made");
    node.env("HOME", home.path());
    let done = tokio::time::timeout(PATIENCE, node.output()).await.expect("it ends in time").expect("node runs");
    let (said, wrong) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}\n{wrong}");
    let last = said.lines().last().unwrap_or_default();
    Some(serde_json::from_str(last).unwrap_or_else(|_| panic!("no JSON: {said}")))
}

#[tokio::test]
async fn chromium_makes_a_passkey_on_the_guides_page_and_signs_in_with_it_without_a_name() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut dev = Dev::start(folder.path(), None, &["--fapi-port", "0", "--bapi-port", "0", "--json"]).await;
    let ready = dev.ready().await;
    let url = |name: &str| ready[name].as_str().expect("a URL").to_owned();

    let key = format!("Authorization: Bearer {}", url("secret_key"));
    let (email, password) = ("ann@example.com", "a quiet harbour at dawn");
    let person = serde_json::json!({ "email_address": [email], "password": password }).to_string();
    let users = format!("{}/v1/users", url("bapi_url"));
    let mut curl = command("curl");
    curl.args(["-sS", "--fail", "-H", &key, "-H", "Content-Type: application/json", "-d", &person, &users]);
    assert!(curl.output().await.expect("there is a curl").status.success());
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/passkeys.html");
    let guide = guide.to_str().expect("the path is text");

    let Some(seen) = run("passkeys.mjs", &[&url("fapi_url"), email, password, guide]).await else { return };

    assert_eq!(seen["out"], 0, "nobody is signed in between");
    assert_eq!(seen["back"]["user"], seen["enrolled"]["user"]);
    assert_eq!(seen["back"]["status"], "verified");
    assert_eq!(seen["back"]["passkeys"][0]["id"], seen["enrolled"]["passkey"]["id"]);
    assert!(seen["back"]["passkeys"][0]["last_used_at"].is_number());
    assert_eq!(seen["enrolled"]["passkey"]["transports"], serde_json::json!(["internal"]));
    assert_eq!(seen["enrolled"]["passkey"]["nickname"], "This browser");
    assert_eq!(seen["resident"], serde_json::json!([true]));
}
