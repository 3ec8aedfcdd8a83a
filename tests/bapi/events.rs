//! The event log as a backend reads it: everything, in order, again and again, and at once when it happens.

use domain::event::{Event, EventType};
use domain::{Context, EventId};
use futures_util::future::join;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::Duration;
use storage::Tx;
use testkit::{Caller, Reply, TestApp, both, hours, race};
use tokio::time::{Instant, timeout};

fn rows(page: &Reply) -> &[Value] {
    page.at("/data").as_array().map(Vec::as_slice).expect("a page has rows")
}

fn sequences(events: &[Value]) -> Vec<i64> {
    events.iter().filter_map(|event| event["sequence"].as_i64()).collect()
}

/// Everything after a cursor, page by page; the events, and the cursor at the end.
async fn follow(backend: &Caller, after: Option<String>, more: &str) -> (Vec<Value>, String) {
    let (mut all, mut after) = (Vec::new(), after);
    loop {
        let from = after.map(|cursor| format!("&after={cursor}")).unwrap_or_default();
        let page = backend.get(format!("/v1/events?limit=3{more}{from}")).await;
        page.has_status(200);
        all.extend_from_slice(rows(&page));
        let cursor = page.str("/meta/cursor");
        match page.json().pointer("/meta/next_cursor") {
            Some(next) => assert_eq!(next, &json!(cursor)),
            None => return (all, cursor),
        }
        after = Some(cursor);
    }
}

async fn person(app: &TestApp, name: &str) -> String {
    let body = json!({ "email_address": [format!("{name}@example.com")], "skip_password_requirement": true });
    app.bapi().post("/v1/users", body).await.has_status(201).str("/id")
}

both! {
    async fn the_log_is_read_whole_and_in_order_as_often_as_one_likes(app: TestApp) {
        let made = [person(&app, "a").await, person(&app, "b").await];
        app.run_jobs().await;

        let (events, cursor) = follow(&app.bapi(), None, "").await;

        let count = i64::try_from(events.len()).expect("few");
        assert_eq!(sequences(&events), (1..=count).collect::<Vec<_>>());
        assert_eq!(follow(&app.bapi(), None, "").await.0, events, "and again");
        let created: Vec<&Value> = events.iter().filter(|event| event["type"] == "user.created").collect();
        assert_eq!(created.iter().map(|event| event["data"]["id"].as_str()).collect::<Vec<_>>(), made.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>());
        let first = created[0];
        assert_eq!(first["object"], "event");
        assert_eq!(first["subject"], json!({ "type": "user", "id": made[0] }));
        assert_eq!((&first["instance_id"], &first["was_test"]), (&json!(app.env.id), &json!(false)));
        assert_eq!(first["meta"]["surface"], "bapi");
        assert!(first["meta"]["actor_id"].as_str().is_some_and(|id| id.starts_with("apik_")));
        let page = app.bapi().get(format!("/v1/events?after={cursor}")).await;
        assert_eq!((page.at("/data"), page.at("/meta/latest_sequence")), (&json!([]), &json!(count)));
        assert!(page.json().get("total_count").is_none() && page.json()["meta"].get("next_cursor").is_none());
        let one = app.bapi().get(format!("/v1/events/{}", first["id"].as_str().expect("an id"))).await;
        assert_eq!(one.has_status(200).json(), first);
    }

    async fn what_is_not_asked_for_is_passed_over_and_not_read_again(app: TestApp) {
        let alice = person(&app, "alice").await;
        let bob = person(&app, "bob").await;
        app.bapi().patch(format!("/v1/users/{alice}"), json!({ "first_name": "Alice" })).await.has_status(200);
        app.run_jobs().await;

        let (users, end) = follow(&app.bapi(), None, "&types=user.*").await;
        let names: Vec<_> = users.iter().map(|event| event["type"].as_str().unwrap_or_default()).collect();
        assert_eq!(names, ["user.created", "user.created", "user.updated"]);
        assert_eq!(app.bapi().get(format!("/v1/events?after={end}")).await.at("/data"), &json!([]), "the end is the log's, not the filter's");
        let (of_bob, _) = follow(&app.bapi(), None, &format!("&subject={bob}")).await;
        assert_eq!(of_bob.iter().map(|event| &event["subject"]["id"]).collect::<Vec<_>>(), [&json!(bob)]);
        let (updated, _) = follow(&app.bapi(), None, &format!("&subject={alice}&types=user.updated,session.*")).await;
        assert_eq!(updated.len(), 1);
        let (none, end) = follow(&app.bapi(), None, "&types=role.*").await;
        assert_eq!(none, Vec::<Value>::new());
        assert_eq!(app.bapi().get(format!("/v1/events?after={end}")).await.at("/data"), &json!([]));
        for types in ["user.made", "nobody.*", "user.created,", "user"] {
            app.bapi().get(format!("/v1/events?types={types}")).await.is_refused_for(422, "form_param_value_invalid", "types");
        }
        app.bapi().get("/v1/events?limit=some").await.is_refused_for(422, "form_param_format_invalid", "limit");
        assert_eq!(rows(&app.bapi().get("/v1/events?limit=0").await).len(), 1, "clamped");
    }

    async fn whoever_waits_hears_of_it_when_it_happens(app: TestApp) {
        app.run_jobs().await;
        let backend = app.bapi();
        let latest = backend.get("/v1/events?after=latest").await;
        assert_eq!(latest.at("/data"), &json!([]));
        let cursor = latest.str("/meta/cursor");
        let began = Instant::now();

        let waits = async { timeout(Duration::from_secs(25), backend.get(format!("/v1/events?after={cursor}&wait=30"))).await };
        let happens = async {
            let alice = person(&app, "alice").await;
            app.run_jobs().await;
            alice
        };
        let (heard, alice) = join(waits, happens).await;

        let heard = heard.expect("the answer comes long before the time is over");
        let created = rows(&heard).iter().find(|event| event["type"] == "user.created").expect("what has happened");
        assert_eq!(created["subject"]["id"], json!(alice));
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    async fn with_nothing_to_tell_the_answer_comes_when_the_time_is_over(app: TestApp) {
        app.run_jobs().await;
        let began = Instant::now();
        let page = app.bapi().get("/v1/events?after=latest&wait=1").await;
        page.is(200, json!({ "data": [] }));
        let elapsed = began.elapsed();
        assert!(elapsed >= Duration::from_millis(900) && elapsed < Duration::from_secs(15), "{elapsed:?}");
    }

    async fn a_cursor_is_this_environments_own(app: TestApp) {
        let other = app.second_environment().await;
        app.run_jobs().await;
        let theirs = app.bapi_of(&other).get("/v1/events?limit=1").await.str("/meta/cursor");
        let page = app.bapi().get("/v1/users?limit=1").await;
        page.has_status(200);
        person(&app, "a").await;
        person(&app, "b").await;
        let of_a_list = app.bapi().get("/v1/users?limit=1").await.str("/meta/next_cursor");
        let mut flipped = theirs.clone().into_bytes();
        flipped[10] = if flipped[10] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(flipped).expect("base64url");

        for cursor in [theirs, of_a_list, flipped, "1".to_owned(), "-".to_owned()] {
            app.bapi().get(format!("/v1/events?after={cursor}")).await.is_refused_for(422, "form_param_format_invalid", "after");
        }
    }

    async fn a_cursor_that_is_too_old_says_where_the_log_begins_now(app: TestApp) {
        app.settings(|s| s.audit_log_retention_days = 1).await;
        person(&app, "old").await;
        app.run_jobs().await;
        let start = app.bapi().get("/v1/events?limit=1").await.str("/meta/cursor");
        app.advance(hours(26));
        person(&app, "new").await;
        app.run_jobs().await;
        app.tick().await;

        let refused = app.bapi().get(format!("/v1/events?after={start}")).await;

        refused.is_refused(410, "event_cursor_expired");
        let oldest = refused.str("/errors/0/meta/oldest_cursor");
        let (kept, _) = follow(&app.bapi(), Some(oldest), "").await;
        assert_eq!(kept, follow(&app.bapi(), None, "").await.0);
        assert!(kept.iter().any(|event| event["type"] == "user.created" && event["data"]["email_addresses"][0]["email_address"] == "new@example.com"));
        assert!(sequences(&kept)[0] > 1, "positions are not given anew");
    }

    async fn an_event_is_there_when_it_has_its_place_and_not_before(app: TestApp) {
        app.run_jobs().await;
        let cx = Context::system(app.env.id, app.now());
        let pushed = app.engine.db().write(async move |tx: &mut Tx<'_>| {
            let event = Event::new(EventType::UserCreated, "user", "user_1", json!({ "a": 1 }));
            storage::events::push(tx, &cx, &event).await
        });
        let id: EventId = pushed.await.expect("an event can be pushed");
        let audit = id.to_string().replace("evt_", "audit_");

        app.bapi().get(format!("/v1/events/{id}")).await.is_refused(404, "resource_not_found");
        app.bapi().get(format!("/v1/audit-log/{audit}")).await.is_refused(404, "resource_not_found");
        app.run_jobs().await;
        app.bapi().get(format!("/v1/events/{id}")).await.is(200, json!({ "id": id, "data": { "a": 1 } }));
        app.bapi().get(format!("/v1/audit-log/{audit}")).await.is(200, json!({ "id": audit, "event_id": id }));
    }

    async fn a_mirror_that_takes_a_list_and_follows_the_log_is_the_servers_state(app: TestApp) {
        for i in 0..12 {
            person(&app, &format!("before{i}")).await;
        }
        app.run_jobs().await;
        let backend = app.bapi();
        // Writers go on while the list is read.
        let app = &app;
        let writes = race(12, |i| async move {
            let id = person(app, &format!("during{i}")).await;
            let path = format!("/v1/users/{id}");
            app.bapi().patch(&path, json!({ "first_name": format!("N{i}") })).await.has_status(200);
            if i % 3 == 0 {
                app.bapi().delete(&path).await.has_status(204);
            }
            app.run_jobs().await;
        });
        let reads = async {
            let mut mirror: HashMap<String, (i64, Option<Value>)> = HashMap::new();
            let mut page = backend.get("/v1/users?limit=4&order_by=%2Bcreated_at").await;
            let cursor = page.header("x-authn-event-cursor").expect("every list says where the log is").to_owned();
            loop {
                for user in rows(page.has_status(200)) {
                    mirror.insert(user["id"].as_str().expect("an id").to_owned(), (0, Some(user.clone())));
                }
                let Some(next) = page.json().pointer("/meta/next_cursor").and_then(Value::as_str) else { break };
                page = backend.get(format!("/v1/users?limit=4&order_by=%2Bcreated_at&cursor={next}")).await;
            }
            (mirror, cursor)
        };

        let (_, (mut mirror, cursor)) = join(writes, reads).await;

        app.run_jobs().await;
        let (events, _) = follow(&backend, Some(cursor), "&types=user.*").await;
        for event in events {
            let sequence = event["sequence"].as_i64().expect("a place");
            let entry = mirror.entry(event["subject"]["id"].as_str().expect("an id").to_owned()).or_default();
            if sequence > entry.0 {
                *entry = (sequence, (event["type"] != "user.deleted").then(|| event["data"].clone()));
            }
        }
        let mirrored: HashMap<String, Value> =
            mirror.into_iter().filter_map(|(id, (_, user))| user.map(|user| (id, user))).collect();
        let all = backend.get("/v1/users?limit=500").await;
        let server: HashMap<String, Value> =
            rows(&all).iter().map(|user| (user["id"].as_str().expect("an id").to_owned(), user.clone())).collect();
        assert_eq!(server.len(), 20);
        assert_eq!(mirrored, server);
    }

    async fn fifty_at_once_are_told_of_in_the_order_in_which_they_were_written(app: TestApp) {
        let alice = person(&app, "alice").await;
        let path = format!("/v1/users/{alice}/metadata");

        let (app, path) = (&app, &path);
        let replies = race(50, |i| async move {
            let reply = app.bapi().patch(path, json!({ "public_metadata": { format!("k{i}"): i } })).await;
            if i % 10 == 0 {
                app.run_jobs().await;
            }
            reply.status()
        }).await;
        app.run_jobs().await;

        assert_eq!(replies, [200; 50]);
        let (events, _) = follow(&app.bapi(), None, &format!("&subject={alice}&types=user.updated")).await;
        assert_eq!(events.len(), 50);
        let mut before = Map::new();
        for event in &events {
            let now = event["data"]["public_metadata"].as_object().expect("an object").clone();
            assert_eq!(now.len(), before.len() + 1, "each adds one key to what the one before it left");
            assert!(before.iter().all(|(key, value)| now.get(key) == Some(value)));
            before = now;
        }
        let mut ids: Vec<&str> = events.iter().filter_map(|event| event["id"].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 50, "one id each");
        assert_eq!(app.bapi().get(format!("/v1/users/{alice}")).await.at("/public_metadata"), &Value::Object(before));
    }

    async fn the_catalogue_names_every_event(app: TestApp) {
        let reply = app.bapi().get("/v1/event-types").await;
        let names: Vec<&str> = rows(&reply).iter().filter_map(|entry| entry["name"].as_str()).collect();
        assert_eq!(names, EventType::ALL.iter().map(|e| e.as_str()).collect::<Vec<_>>());
        assert!(rows(&reply).iter().all(|entry| entry["description"].as_str().is_some_and(|text| !text.is_empty())));
    }
}
