//! The process is killed again and again while it writes and pushes: what a receiver knows in the end is what is there.
//!
//! `LATCHKEY_TEST_CRASHES` says how often it is killed, on each engine.

use super::crash::{Server, run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use testkit::{Asked, EngineKind, Says, Stranger, TestDatabase, Turn};

/// How often the process is killed unless somebody says otherwise.
const CRASHES: u32 = 3;

/// A lease of a dead process lasts a minute; what waits behind it comes after it.
const PATIENCE: Duration = Duration::from_secs(240);

/// The more is killed, the more has to come again, and again after that.
const PATIENCE_FOR_EACH: Duration = Duration::from_secs(2);

/// What a receiver has made of the events.
#[derive(Default)]
struct Mirror {
    /// Each event that was taken, by its id.
    taken: HashMap<String, (i64, Vec<u8>)>,
    /// Each person: the last event, and what is known of them; none when deleted.
    people: BTreeMap<String, (i64, Option<Value>)>,
    /// Events that came more than once.
    again: usize,
    /// What must not be.
    wrong: Vec<String>,
}

impl Mirror {
    fn take(&mut self, asked: &Asked) {
        let event: Value = serde_json::from_slice(&asked.body).expect("what is pushed is JSON");
        let sequence = asked.header("x-authn-event-sequence").and_then(|text| text.parse().ok()).expect("a sequence");
        let id = asked.header("webhook-id").expect("an id").to_owned();
        if let Some(known) = self.taken.get(&id) {
            self.again += 1;
            if *known != (sequence, asked.body.clone()) {
                self.wrong.push(format!("{id} came with another body"));
            }
            return;
        }
        self.taken.insert(id.clone(), (sequence, asked.body.clone()));
        let subject = event["data"]["id"].as_str().expect("an id").to_owned();
        if self.people.get(&subject).is_some_and(|(last, _)| *last >= sequence) {
            self.wrong.push(format!("{id} of {subject} was overtaken"));
        }
        let is_there = event["type"] != "user.deleted";
        self.people.insert(subject, (sequence, is_there.then(|| event["data"]["public_metadata"].clone())));
    }

    /// The people who are there.
    fn there(&self) -> BTreeMap<String, Value> {
        let there = self.people.iter().filter_map(|(id, (_, known))| Some((id.clone(), known.clone()?)));
        there.collect()
    }
}

fn lock(mirror: &Mutex<Mirror>) -> MutexGuard<'_, Mirror> {
    mirror.lock().unwrap_or_else(PoisonError::into_inner)
}

fn chance() -> u8 {
    crypto::random::bytes::<1>()[0]
}

fn newcomer() -> Value {
    json!({ "external_id": crypto::random::jti(), "skip_password_requirement": true })
}

/// Makes people, changes and deletes them, until it is told to stop or nobody answers.
async fn write(server: (String, String), http: reqwest::Client, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) {
    let (bapi, key) = server;
    let send = async |method: reqwest::Method, path: &str, body: Value| {
        let request = http.request(method, format!("{bapi}{path}")).bearer_auth(&key).json(&body);
        request.send().await.ok().filter(|response| response.status().is_success())
    };
    let mut known: Vec<String> = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let which = known.get(usize::from(chance()) % known.len().max(1)).cloned();
        let done = match (which, chance()) {
            (Some(id), 100..) => {
                let body = json!({ "public_metadata": { "n": count.load(Ordering::SeqCst), "c": chance() } });
                send(reqwest::Method::PATCH, &format!("/v1/users/{id}/metadata"), body).await.is_some()
            }
            (Some(id), 0..20) => {
                known.retain(|other| *other != id);
                send(reqwest::Method::DELETE, &format!("/v1/users/{id}"), json!({})).await.is_some()
            }
            _ => match send(reqwest::Method::POST, "/v1/users", newcomer()).await {
                Some(made) => {
                    let made: Value = made.json().await.unwrap_or_default();
                    known.extend(made["id"].as_str().map(str::to_owned));
                    true
                }
                None => false,
            },
        };
        if !done {
            return;
        }
        count.fetch_add(1, Ordering::SeqCst);
    }
}

/// The people of the server, by their ids.
async fn people(server: &Server) -> BTreeMap<String, Value> {
    let mut people = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = server.bapi(&format!("/v1/users?limit=500{cursor}")).await;
        for user in page["data"].as_array().expect("a list") {
            people.insert(user["id"].as_str().expect("an id").to_owned(), user["public_metadata"].clone());
        }
        match page["meta"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return people,
        }
    }
}

async fn listen(server: &Server, url: String) {
    let body = json!({ "url": url, "enabled_event_types": ["user.*"] });
    let request = server.http.post(format!("{}/v1/webhooks/endpoints", server.text("bapi_url")));
    let made = request.bearer_auth(server.text("secret_key")).json(&body).send().await.expect("the server answers");
    assert_eq!(made.status(), 201);
}

async fn survives(database: Option<&str>) {
    let crashes = std::env::var_os("LATCHKEY_TEST_CRASHES").and_then(|text| text.to_str()?.parse().ok());
    let crashes: u32 = crashes.unwrap_or(CRASHES);
    let folder = tempfile::tempdir().expect("a folder");
    let (mirror, receiver) = (Arc::new(Mutex::new(Mirror::default())), Stranger::start().await.expect("a free port"));
    let told = Arc::clone(&mirror);
    receiver.answers(move |asked| {
        // Some are refused, and have to come again.
        if chance() < 10 {
            return Says::new(500, "");
        }
        lock(&told).take(asked);
        Says::new(204, "")
    });
    let count = Arc::new(AtomicUsize::new(0));
    for crash in 0..crashes {
        let server = Server::start(folder.path(), database);
        if crash == 0 {
            listen(&server, receiver.url()).await;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let place = || (server.text("bapi_url").to_owned(), server.text("secret_key").to_owned());
        let writers =
            [(); 3].map(|()| tokio::spawn(write(place(), server.http.clone(), Arc::clone(&stop), Arc::clone(&count))));
        let until = count.load(Ordering::SeqCst) + 10 + usize::from(chance()) / 2;
        while count.load(Ordering::SeqCst) < until && writers.iter().any(|writer| !writer.is_finished()) {
            tokio::task::yield_now().await;
        }
        server.kill();
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.expect("a writer does not panic");
        }
        assert!(count.load(Ordering::SeqCst) >= until, "there was a load");
    }

    let server = Server::start(folder.path(), database);
    let there = people(&server).await;
    let started = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(200));
    while lock(&mirror).there() != there && started.elapsed() < PATIENCE + PATIENCE_FOR_EACH * crashes {
        look.tick().await;
    }
    let mirror = lock(&mirror);
    assert_eq!(mirror.wrong, Vec::<String>::new());
    assert_eq!(mirror.there(), there, "what was pushed is what is there");
    println!("{crashes} kills, {} events, {} of them again", mirror.taken.len(), mirror.again);
    assert!(mirror.taken.len() > 20, "{} events, {} of them again", mirror.taken.len(), mirror.again);
}

mod kills_under_load_lose_no_event_and_mix_none_up {
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
