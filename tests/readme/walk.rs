//! The README's walk, from sign-up to a refused token, and the guides: run as they stand there.

use super::blocks::{Step, is_shown, steps};
use super::dev::{Dev, PATIENCE, command, on};
use super::pages::guides;
use josekit::jwk::JwkSet;
use josekit::jws::ES256;
use josekit::jwt::{self, JwtPayload, JwtPayloadValidator};
use serde_json::Value;
use std::path::Path;
use testkit::EngineKind;

/// What the reader copies from the output of `dev`.
const COPIED: [(&str, &str); 5] =
    [("FAPI", "fapi_url"), ("BAPI", "bapi_url"), ("INBOX", "inbox_url"), ("KEY", "secret_key"), ("DATA", "data_dir")];

/// What a reader has on the machine: the command, and the database that `dev` was told of.
struct Reader<'a> {
    database: Option<&'a str>,
    ready: Value,
}

impl<'a> Reader<'a> {
    async fn of(dev: &mut Dev, folder: &Path, database: Option<&'a str>) -> Self {
        let mut ready = dev.ready().await;
        ready["data_dir"] = folder.join("data").to_string_lossy().into();
        Self { database, ready }
    }

    fn shell(&self) -> tokio::process::Command {
        let mut shell = command("bash");
        let ours = Path::new(env!("CARGO_BIN_EXE_latchkey")).parent().expect("the binary is in a folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([ours.to_owned()].into_iter().chain(std::env::split_paths(&path)));
        shell.env("PATH", path.expect("no folder has a colon in its name"));
        if let Some(database) = self.database {
            shell.env("DATABASE_URL", database);
        }
        shell
    }
}

/// Puts the values of this platform in place of those that the page shows.
fn fill_in(steps: &mut [Step], ready: &Value) {
    for (name, key) in COPIED {
        let value = ready[key].as_str().expect("a text");
        let mut found = 0;
        for step in &mut *steps {
            let assigns = |line: &&str| line.starts_with(&format!("{name}="));
            found += step.commands.lines().filter(assigns).count();
            let lines = step
                .commands
                .lines()
                .map(|line| if assigns(&line) { format!("{name}={value}") } else { line.to_owned() });
            step.commands = lines.collect::<Vec<_>>().join("\n");
        }
        assert!(found <= 1, "a page sets {name} once");
    }
}

/// Runs all steps in one shell; what each of them printed.
async fn run(folder: &Path, steps: &[Step], reader: &Reader<'_>) -> Vec<String> {
    let marked = |(at, step): (usize, &Step)| format!("printf '\\n@@ %s\\n' {at}\n{}\n", step.commands);
    let script: String = steps.iter().enumerate().map(marked).collect();
    let mut shell = reader.shell();
    shell.args(["-eu", "-c", &script]).current_dir(folder);
    let done = tokio::time::timeout(PATIENCE, shell.output()).await.expect("the walk ends").expect("there is a bash");
    let (printed, complaints) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && complaints.is_empty(), "{}\n{printed}\n{complaints}", done.status);
    let mut parts = Vec::new();
    let mut rest = printed.as_ref();
    for at in 0..steps.len() {
        let (part, behind) = rest.split_once(&format!("\n@@ {at}\n")).expect("each step says that it begins");
        parts.push(part.trim_end().to_owned());
        rest = behind;
    }
    parts.push(rest.trim_end().to_owned());
    parts.split_off(1)
}

/// Runs the commands of a page on a platform; what each of them printed, which is what the page shows.
async fn walk(page: &str, folder: &Path, reader: &Reader<'_>) -> Vec<String> {
    let mut steps = steps(page);
    fill_in(&mut steps, &reader.ready);
    let printed = run(folder, &steps, reader).await;
    for (step, printed) in steps.iter().zip(&printed) {
        let shown = step.output.as_deref().unwrap_or_default();
        let same = shown.lines().count() == printed.lines().count()
            && shown.lines().zip(printed.lines()).all(|(shown, line)| is_shown(shown, line));
        assert!(same, "{page}, line {}:\n{}\nshows:\n{shown}\nprinted:\n{printed}", step.line, step.commands);
    }
    printed
}

/// The claims of a token that a key of the set has signed.
fn verify(token: &str, keys: &JwkSet) -> Option<JwtPayload> {
    let header = jwt::decode_header(token).ok()?;
    let key = *keys.get(header.claim("kid")?.as_str()?).first()?;
    let verifier = ES256.verifier_from_jwk(key).ok()?;
    jwt::decode_with_verifier(token, &verifier).ok().map(|(claims, _)| claims)
}

async fn the_walk(database: Option<String>) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let arguments = ["--fapi-port", "0", "--bapi-port", "0", "--json"];
    let mut dev = Dev::start(folder.path(), database.as_deref(), &arguments).await;
    let reader = Reader::of(&mut dev, folder.path(), database.as_deref()).await;

    let printed = walk("README.md", folder.path(), &reader).await;

    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("the walk keeps it");
    let keys = JwkSet::from_bytes(read("jwks.json")).expect("the JWKS is one");
    let token = read("token.jwt").trim().to_owned();
    let claims = verify(&token, &keys).expect("the token verifies");
    let mut validator = JwtPayloadValidator::new();
    validator.set_issuer(reader.ready["fapi_url"].as_str().expect("a text"));
    validator.validate(&claims).expect("the claims are of this issuer and of this moment");
    let seen =
        printed.iter().any(|text| text.contains(&format!("\"id\":\"{}\"", claims.subject().unwrap_or("nobody"))));
    assert!(seen, "the backend sees the person of the token");
    let (unsigned, signature) = token.rsplit_once('.').expect("three parts");
    let reversed: String = signature.chars().rev().collect();
    assert!(verify(&format!("{unsigned}.{reversed}"), &keys).is_none(), "the check can fail");
    let refused = |text: &String| text.contains("\"code\":\"session_revoked\"") && text.ends_with("\n401");
    assert!(printed.iter().any(refused), "the session was revoked: {printed:?}");
    dev.stop().await;
}

mod every_command_of_the_readme_does_what_it_shows {
    use super::*;

    #[test]
    fn sqlite() {
        on(EngineKind::Sqlite, the_walk);
    }

    #[test]
    fn postgres() {
        on(EngineKind::Postgres, the_walk);
    }
}

/// Every guide on one platform, each in a shell of its own.
async fn the_guides(database: Option<String>) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let arguments = ["--fapi-port", "0", "--bapi-port", "0", "--json"];
    let mut dev = Dev::start(folder.path(), database.as_deref(), &arguments).await;
    let reader = Reader::of(&mut dev, folder.path(), database.as_deref()).await;
    for page in guides() {
        let place = tempfile::tempdir().expect("a folder can be made");
        let printed = walk(&page, place.path(), &reader).await;
        assert!(!printed.is_empty(), "{page} shows no command");
    }
    dev.stop().await;
}

mod every_command_of_the_guides_does_what_it_shows {
    use super::*;

    #[test]
    fn sqlite() {
        on(EngineKind::Sqlite, the_guides);
    }

    #[test]
    fn postgres() {
        on(EngineKind::Postgres, the_guides);
    }
}
