//! The process is killed while it writes: what was answered is there, what was not is there whole or not at all.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use testkit::{EngineKind, TestDatabase, Turn};

/// A running `latchkey dev`.
pub(super) struct Server {
    child: Child,
    ready: Value,
    pub http: reqwest::Client,
}

impl Server {
    /// Starts the binary on a data folder and waits for its line.
    pub fn start(folder: &std::path::Path, database: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
        command.args(["dev", "--json", "--fapi-port", "0", "--bapi-port", "0", "--data-dir"]).arg(folder);
        command
            .env_remove("DATABASE_URL")
            // Of the tests, and no setting: the process refuses what it does not know.
            .env_remove("LATCHKEY_TEST_CRASHES")
            .env("LATCHKEY_PASSWORDS__MEMORY_KIB", "64")
            .env("LATCHKEY_PASSWORDS__ITERATIONS", "1");
        if let Some(url) = database {
            command.env("DATABASE_URL", url);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the binary writes");
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("not the ready line: {line:?}: {error}"));
        Self { child, ready, http: http() }
    }

    pub fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().expect("the ready line is complete")
    }

    pub async fn bapi(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.text("bapi_url"));
        let response =
            self.http.get(&url).bearer_auth(self.text("secret_key")).send().await.expect("the server answers");
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.expect("JSON")
    }

    /// `kill -9`.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    // A test that fails leaves no process behind either.
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "this client is the callers, not the platform")]
fn http() -> reqwest::Client {
    boot::process::install_crypto();
    reqwest::Client::builder().no_proxy().build().expect("a client can be built")
}

/// What a writer was told.
#[derive(Default)]
struct Acknowledged {
    /// Ids of people made by a backend, with their address.
    created: Vec<(String, String)>,
    /// Client cookie, session and address of people who signed up.
    signed_up: Vec<(String, String, String)>,
}

#[derive(Default)]
struct Load {
    stop: AtomicBool,
    acknowledged: Mutex<Acknowledged>,
    count: AtomicUsize,
}

impl Load {
    fn kept(&self) -> std::sync::MutexGuard<'_, Acknowledged> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes people by the backend API until the server is gone.
async fn create_people(load: Arc<Load>, http: reqwest::Client, url: String, key: String, who: String) {
    for i in 0.. {
        if load.stop.load(Ordering::SeqCst) {
            return;
        }
        let email = format!("{who}-{i}@example.com");
        let body =
            json!({ "email_address": [email], "skip_password_requirement": true, "public_metadata": { "n": i } });
        let Ok(response) = http.post(format!("{url}/v1/users")).bearer_auth(&key).json(&body).send().await else {
            return;
        };
        if response.status() != 201 {
            continue;
        }
        let Ok(user) = response.json::<Value>().await else { return };
        load.kept().created.push((user["id"].as_str().expect("an id").to_owned(), email));
        load.count.fetch_add(1, Ordering::SeqCst);
    }
}

/// One sign-up with a test address; `None` when the server went away on the way.
async fn sign_up(http: &reqwest::Client, url: &str, email: &str) -> Option<(String, String)> {
    let body = json!({ "email_address": email, "password": "correct horse of a crash" });
    let begun = http.post(format!("{url}/v1/client/sign-ups")).json(&body).send().await.ok()?;
    let cookie = cookie_of(&begun)?;
    let begun: Value = begun.json().await.ok()?;
    let path = format!("{url}/v1/client/sign-ups/{}/challenges", begun["response"]["id"].as_str()?);
    let post = |path: String, body: Value| {
        let request = http.post(path).header("cookie", format!("__client={cookie}"));
        request.header("origin", "http://localhost:3000").json(&body).send()
    };
    let issued: Value = post(path.clone(), json!({ "strategy": "email_code" })).await.ok()?.json().await.ok()?;
    let challenge = issued["response"]["id"].as_str()?;
    let done = post(format!("{path}/{challenge}/answer"), json!({ "code": "424242" })).await.ok()?;
    if !done.status().is_success() {
        return None;
    }
    let cookie = cookie_of(&done)?;
    let done: Value = done.json().await.ok()?;
    Some((cookie, done["client"]["sessions"][0]["id"].as_str()?.to_owned()))
}

fn cookie_of(response: &reqwest::Response) -> Option<String> {
    let values = response.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    values.filter_map(|value| value.strip_prefix("__client=")?.split(';').next().map(str::to_owned)).next_back()
}

async fn sign_people_up(load: Arc<Load>, http: reqwest::Client, url: String, who: String) {
    for i in 0.. {
        if load.stop.load(Ordering::SeqCst) {
            return;
        }
        let email = format!("{who}-{i}+authn_test@example.com");
        match sign_up(&http, &url, &email).await {
            Some((cookie, session)) => {
                load.kept().signed_up.push((cookie, session, email));
                load.count.fetch_add(1, Ordering::SeqCst);
            }
            None if http.get(format!("{url}/v1/environment")).send().await.is_err() => return,
            None => {}
        }
    }
}

/// Everything that was ever answered is there, and nobody is half there.
async fn check(server: &Server, load: &Load) {
    let (created, signed_up) = {
        let mut kept = load.kept();
        (std::mem::take(&mut kept.created), std::mem::take(&mut kept.signed_up))
    };
    for (id, email) in &created {
        let user = server.bapi(&format!("/v1/users/{id}")).await;
        assert_eq!(user["email_addresses"][0]["email_address"], email.as_str(), "an acknowledged write is lost");
        assert!(user["public_metadata"]["n"].is_number());
    }
    let url = server.text("fapi_url");
    for (cookie, session, email) in &signed_up {
        let minted = server.http.post(format!("{url}/v1/client/sessions/{session}/tokens"));
        let minted = minted.header("cookie", format!("__client={cookie}")).header("origin", "http://localhost:3000");
        let response = minted.send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "the session of {email} is lost");
        let found = server.bapi(&format!("/v1/users?email_address={}", email.replace('+', "%2B"))).await;
        assert_eq!(found["total_count"], 1, "{email}");
    }
    // All of them, whether somebody was told or not.
    let mut cursor = String::new();
    let mut seen = 0;
    loop {
        let page = server.bapi(&format!("/v1/users?limit=100{cursor}")).await;
        for user in page["data"].as_array().expect("a list") {
            let addresses = user["email_addresses"].as_array().expect("a list");
            assert_eq!(addresses.len(), 1, "a half person: {user}");
            assert_eq!(user["primary_email_address_id"], addresses[0]["id"], "a half person: {user}");
            assert_eq!(addresses[0]["verified"], true, "a half person: {user}");
            seen += 1;
        }
        match page["meta"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let counted = server.bapi("/v1/users/count").await;
    assert_eq!(counted["total_count"], seen, "the count and the people differ");
    load.kept().created.extend(created);
    load.kept().signed_up.extend(signed_up);
}

async fn survives(database: Option<&str>) {
    let folder = tempfile::tempdir().expect("a folder");
    let load = Arc::new(Load::default());
    let mut keys: Option<Value> = None;
    for round in 0..4_usize {
        let server = Server::start(folder.path(), database);
        let shown = json!([
            server.ready["secret_key"],
            server.ready["publishable_key"].is_string(),
            server.ready["environment_id"]
        ]);
        assert_eq!(keys.get_or_insert_with(|| shown.clone()), &shown, "a restart finds the same environment and key");
        check(&server, &load).await;
        if round == 3 {
            server.kill();
            break;
        }
        load.stop.store(false, Ordering::SeqCst);
        let before = load.count.load(Ordering::SeqCst);
        let mut writers = Vec::new();
        for writer in 0..4 {
            let who = format!("r{round}w{writer}");
            let (load, http) = (Arc::clone(&load), server.http.clone());
            let (fapi, bapi, key) = (
                server.text("fapi_url").to_owned(),
                server.text("bapi_url").to_owned(),
                server.text("secret_key").to_owned(),
            );
            writers.push(if writer % 2 == 0 {
                tokio::spawn(create_people(load, http, bapi, key, who))
            } else {
                tokio::spawn(sign_people_up(load, http, fapi, who))
            });
        }
        // The moment is somewhere in the load, another in each round and each run.
        let until = before + 15 + usize::from(crypto::random::bytes::<1>()[0]) % 60;
        while load.count.load(Ordering::SeqCst) < until && writers.iter().any(|writer| !writer.is_finished()) {
            tokio::task::yield_now().await;
        }
        server.kill();
        load.stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.expect("a writer does not panic");
        }
        assert!(load.count.load(Ordering::SeqCst) >= until, "there was a load");
    }
    let kept = load.kept();
    assert!(!kept.created.is_empty() && !kept.signed_up.is_empty(), "both kinds of writes were acknowledged");
}

pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be built").block_on(test);
}

mod a_kill_under_load_loses_no_acknowledged_write_and_leaves_no_half_person {
    use super::{EngineKind, TestDatabase, Turn, run, survives};

    #[test]
    fn sqlite() {
        run(survives(None));
    }

    #[test]
    fn postgres() {
        let Some(_turn) = Turn::take() else { return };
        run(async {
            let database = TestDatabase::make(EngineKind::Postgres).await.expect("there is a server");
            survives(Some(database.url())).await;
        });
    }
}
