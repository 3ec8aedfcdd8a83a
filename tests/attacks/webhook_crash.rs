//! The process is killed again and again while it writes and pushes: what a receiver knows in the end is what is there.
//!
//! `LATCHKEY_TEST_CRASHES` says how often it is killed, on each engine.

use super::crash::{Server, run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use testkit::{Asked, EngineKind, Says, Stranger, TestDatabase, Turn};

/// How often the process is killed unless somebody says otherwise.
const CRASHES: u32 = 3;

/// After so many kills everything is looked at; what was under way is taken over first, which takes its time.
const LOOKED_AT_EVERY: u32 = 10;

/// How long that may take: the leases of the dead end after ten seconds, and what was refused comes again after five.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a receiver has made of the events.
#[derive(Default)]
struct Mirror {
    /// Each event that was taken, by its id.
    taken: HashMap<String, (i64, Vec<u8>)>,
    /// The ids by their sequences.
    ids: HashMap<i64, String>,
    /// Each person: the last event, and what is known of them; none when deleted.
    people: BTreeMap<String, (i64, Option<Value>)>,
    /// Events that were refused once.
    refused: HashSet<String>,
    /// Requests that arrived.
    deliveries: usize,
    /// Those with an event that was taken before.
    again: usize,
    /// What must not be.
    wrong: Vec<String>,
}

impl Mirror {
    /// Takes an event in; false where it shall come again.
    fn take(&mut self, asked: &Asked) -> bool {
        let id = asked.header("webhook-id").expect("an id").to_owned();
        self.deliveries += 1;
        // Some are refused, but none twice: the third attempt at an event comes late.
        if chance() < 10 && self.refused.insert(id.clone()) {
            return false;
        }
        let event: Value = serde_json::from_slice(&asked.body).expect("what is pushed is JSON");
        let sequence = asked.header("x-authn-event-sequence").and_then(|text| text.parse().ok()).expect("a sequence");
        if let Some(known) = self.taken.get(&id) {
            self.again += 1;
            if *known != (sequence, asked.body.clone()) {
                self.wrong.push(format!("{id} came with another body"));
            }
            return true;
        }
        self.taken.insert(id.clone(), (sequence, asked.body.clone()));
        if let Some(other) = self.ids.insert(sequence, id.clone()) {
            self.wrong.push(format!("{id} and {other} are both {sequence}"));
        }
        let subject = event["data"]["id"].as_str().expect("an id").to_owned();
        if self.people.get(&subject).is_some_and(|(last, _)| *last >= sequence) {
            self.wrong.push(format!("{id} of {subject} was overtaken"));
        }
        let is_there = event["type"] != "user.deleted";
        self.people.insert(subject, (sequence, is_there.then(|| event["data"]["public_metadata"].clone())));
        true
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

/// The log as far as it was read.
#[derive(Default)]
struct Log {
    cursor: Option<String>,
    events: Vec<(String, i64)>,
}

impl Log {
    /// Reads on to the end.
    async fn follow(&mut self, server: &Server) {
        loop {
            let after = self.cursor.iter().map(|cursor| format!("&after={cursor}")).collect::<String>();
            let page = server.bapi(&format!("/v1/events?types=user.*&limit=500{after}")).await;
            for event in page["data"].as_array().expect("a list") {
                let id = event["id"].as_str().expect("an id").to_owned();
                self.events.push((id, event["sequence"].as_i64().expect("a sequence")));
            }
            self.cursor = page["meta"]["cursor"].as_str().map(str::to_owned);
            if page["meta"]["next_cursor"].is_null() {
                return;
            }
        }
    }
}

/// Waits until the receiver has heard everything, and holds what it has made of it against the server.
async fn look(server: &Server, mirror: &Mutex<Mirror>, log: &mut Log) {
    let started = Instant::now();
    let mut pause = tokio::time::interval(Duration::from_millis(200));
    loop {
        pause.tick().await;
        log.follow(server).await;
        let lost = {
            let mirror = lock(mirror);
            assert_eq!(mirror.wrong, Vec::<String>::new());
            log.events.iter().filter(|(id, at)| mirror.taken.get(id).is_none_or(|(known, _)| known != at)).count()
        };
        let is_late = started.elapsed() > PATIENCE;
        assert!(lost == 0 || !is_late, "{lost} events did not arrive");
        if lost > 0 {
            continue;
        }
        let there = people(server).await;
        if is_late {
            assert_eq!(lock(mirror).there(), there, "what was pushed is what is there");
        }
        if lock(mirror).there() == there {
            return;
        }
    }
}

async fn survives(database: Option<&str>) {
    let crashes = std::env::var_os("LATCHKEY_TEST_CRASHES").and_then(|text| text.to_str()?.parse().ok());
    let crashes: u32 = crashes.unwrap_or(CRASHES);
    let began = Instant::now();
    let folder = tempfile::tempdir().expect("a folder");
    let (mirror, receiver) = (Arc::new(Mutex::new(Mirror::default())), Stranger::start().await.expect("a free port"));
    let told = Arc::clone(&mirror);
    receiver.answers(move |asked| Says::new(if lock(&told).take(asked) { 204 } else { 500 }, ""));
    let (mut log, count) = (Log::default(), Arc::new(AtomicUsize::new(0)));
    for crash in 0..crashes {
        let server = Server::start(folder.path(), database);
        if crash == 0 {
            listen(&server, receiver.url()).await;
        } else if crash % LOOKED_AT_EVERY == 0 {
            look(&server, &mirror, &mut log).await;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let place = || (server.text("bapi_url").to_owned(), server.text("secret_key").to_owned());
        let writers =
            [(); 3].map(|()| tokio::spawn(write(place(), server.http.clone(), Arc::clone(&stop), Arc::clone(&count))));
        let until = count.load(Ordering::SeqCst) + 10 + usize::from(chance()) / 4;
        while count.load(Ordering::SeqCst) < until && writers.iter().any(|writer| !writer.is_finished()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.expect("a writer does not panic");
        }
        assert!(count.load(Ordering::SeqCst) >= until, "there was a load");
    }

    look(&Server::start(folder.path(), database), &mirror, &mut log).await;
    let mirror = lock(&mirror);
    println!(
        "{crashes} kills, {} writes, {} events, {} deliveries, {} refused, {} duplicates, {} people, {} s",
        count.load(Ordering::SeqCst),
        mirror.taken.len(),
        mirror.deliveries,
        mirror.refused.len(),
        mirror.again,
        mirror.there().len(),
        began.elapsed().as_secs(),
    );
    assert!(mirror.taken.len() > 20, "{} events", mirror.taken.len());
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
