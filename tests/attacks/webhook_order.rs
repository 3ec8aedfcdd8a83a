//! No committed event is lost, none overtakes another of its subject, and nobody waits for who is slow.

use crate::bapi::webhooks::Hook;
use domain::time::{hours, minutes};
use engine::webhooks::delivery::{self, Pushing};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use testkit::{Says, TestApp, both};

/// Changes a person so many times.
async fn change(app: &TestApp, name: &str, times: usize) {
    let user = app.user(name).created().await;
    for n in 0..times {
        let body = json!({ "public_metadata": { "n": n } });
        app.bapi().patch(format!("/v1/users/{}/metadata", user.id), body).await.has_status(200);
    }
}

/// What arrived, by subject, and each event once: in the order of its first success.
fn by_subject(hook: &Hook) -> HashMap<String, Vec<i64>> {
    let mut seen: HashMap<String, Vec<i64>> = HashMap::new();
    for asked in hook.receiver.asked() {
        let sequence: i64 = asked.header("x-authn-event-sequence").expect("it has one").parse().expect("a number");
        let event: Value = serde_json::from_slice(&asked.body).expect("JSON");
        let subject = seen.entry(event["data"]["id"].as_str().expect("an id").to_owned()).or_default();
        if !subject.contains(&sequence) {
            subject.push(sequence);
        }
    }
    seen
}

both! {
    async fn three_days_of_an_endpoint_that_is_down_lose_nothing_and_mix_nothing_up(app: TestApp) {
        let hook = Hook::new(&app, &["user.*"]).await;
        hook.answers(503);
        for (name, times) in [("alice", 4), ("bob", 3), ("carol", 2)] {
            change(&app, name, times).await;
            app.run_jobs().await;
        }
        for _ in 0..12 {
            app.advance(hours(6));
            app.run_jobs().await;
        }
        let before = hook.receiver.asked().len();
        change(&app, "alice", 2).await;
        app.run_jobs().await;
        assert_eq!(hook.receiver.asked().len(), before, "what comes later waits behind what failed");
        assert!(by_subject(&hook).values().all(|events| events.len() == 1), "nothing overtakes the first of a subject");

        hook.answers(200);
        app.advance(hours(60));
        app.run_jobs().await;

        let arrived = by_subject(&hook);
        let logged = app.logged_events(&app.env).await;
        for name in ["alice", "bob", "carol"] {
            let id = app.user(name).created().await.id;
            let wanted: Vec<i64> = logged.iter().filter(|e| e.subject_id == id && e.subject_type == "user").map(|e| e.position).collect();
            assert_eq!(arrived[&id], wanted, "{name}");
        }
        let open = app.bapi().get("/v1/webhooks/deliveries?limit=500").await;
        let rows = open.at("/data").as_array().expect("a list").clone();
        assert!(rows.iter().all(|row| row["next_retry_at"].is_null()), "nothing is left to do");
    }

    async fn a_subject_that_fails_holds_back_no_other(app: TestApp) {
        let hook = Hook::new(&app, &["user.*"]).await;
        let stuck = app.user("stuck").created().await.id;
        let named = stuck.clone();
        hook.receiver.answers(move |asked| Says::new(if String::from_utf8_lossy(&asked.body).contains(&named) { 500 } else { 200 }, ""));
        change(&app, "stuck", 3).await;
        change(&app, "free", 3).await;
        app.run_jobs().await;

        let arrived = by_subject(&hook);
        assert_eq!(arrived[&stuck].len(), 1);
        assert_eq!(arrived[&app.user("free").created().await.id].len(), 4);

        // Given up: the next of its subject has its turn.
        for _ in 0..11 {
            app.user(&format!("w{}", app.now().millis())).created().await;
            app.advance(hours(110));
            app.run_jobs().await;
        }
        assert!(by_subject(&hook)[&stuck].len() >= 2);
    }

    async fn a_replay_that_is_asked_for_twice_leaves_nothing_behind(app: TestApp) {
        let hook = Hook::new(&app, &["user.*"]).await;
        change(&app, "alice", 1).await;
        app.run_jobs().await;
        let user = app.user("alice").created().await.id;
        let of_alice = async || -> Vec<_> {
            let logged = app.logged_events(&app.env).await;
            logged.into_iter().filter(|event| event.subject_type == "user" && event.subject_id == user).collect()
        };
        let first = of_alice().await[0].id.to_string();
        let replay = async || {
            let asked = json!({ "since": first, "until": first });
            app.bapi().post(format!("{}/replay", hook.path()), asked).await.has_status(202);
        };
        change(&app, "alice", 2).await;
        app.order_events().await;
        hook.answers(500);

        // A newer event is on its way, the older one is asked for, the newer fails, the older is asked for again.
        let under_way = delivery::lease(&app.engine, "first", 10).await.expect("it leases").remove(0);
        replay().await;
        delivery::attempt(&app.engine, under_way).await.expect("it reports");
        replay().await;
        hook.answers(200);
        change(&app, "alice", 3).await;
        for _ in 0..4 {
            app.advance(hours(1));
            app.run_jobs().await;
        }

        let arrived: Vec<String> = hook.events().iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect();
        let all: Vec<String> = of_alice().await.iter().map(|event| event.id.to_string()).collect();
        let last = |id: &String| arrived.iter().rposition(|one| one == id);
        assert!(all.iter().all(|id| last(id).is_some()), "each arrived: {all:?} {arrived:?}");
        assert!(last(&all[2]) < last(all.last().expect("there are some")), "and the last one last: {all:?} {arrived:?}");
    }

    async fn a_worker_that_dies_before_sending_is_taken_over(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        app.user("alice").created().await;
        app.order_events().await;

        let lost = delivery::lease(&app.engine, "dying", 10).await.expect("it leases");
        assert_eq!(lost.len(), 1);
        assert!(delivery::lease(&app.engine, "other", 10).await.expect("it leases").is_empty(), "it is in somebody's hands");
        app.advance(Duration::from_secs(5));
        assert!(delivery::lease(&app.engine, "other", 10).await.expect("it leases").is_empty(), "it is still");
        app.advance(Duration::from_secs(5));
        app.run_jobs().await;

        assert_eq!(hook.events().len(), 1);
        assert_eq!(hook.events()[0]["id"], json!(lost[0].wanted.event_id));
        app.advance(hours(1));
        app.run_jobs().await;
        assert_eq!(hook.events().len(), 1);
    }

    async fn a_worker_that_dies_after_sending_sends_the_same_again(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        app.user("alice").created().await;
        app.order_events().await;

        // It has sent, and nobody hears of it.
        let dying = delivery::lease(&app.engine, "dying", 10).await.expect("it leases").remove(0);
        hook.receiver.answers(|_| Says::new(200, "").after(Duration::from_secs(3600)));
        let mut sending = Box::pin(delivery::attempt(&app.engine, dying));
        while hook.receiver.asked().is_empty() {
            assert!(futures_util::future::poll_immediate(&mut sending).await.is_none());
            tokio::task::yield_now().await;
        }
        drop(sending);
        hook.answers(200);
        app.advance(Duration::from_secs(61));
        app.run_jobs().await;

        let asked = hook.receiver.asked();
        assert_eq!((asked.len(), asked[0].header("svix-id"), &asked[0].body), (2, asked[1].header("svix-id"), &asked[1].body));
        app.bapi().get("/v1/webhooks/deliveries").await.is(200, json!({ "total_count": 1, "data": [{ "succeeded": true }] }));
    }

    async fn a_worker_that_was_held_up_sends_nothing_when_it_wakes(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        app.user("alice").created().await;
        app.order_events().await;

        let slow = delivery::lease(&app.engine, "slow", 10).await.expect("it leases").remove(0);
        app.advance(Duration::from_secs(11));
        app.run_jobs().await;
        assert_eq!(hook.receiver.asked().len(), 1, "somebody else took over");
        delivery::attempt(&app.engine, slow).await.expect("it gives up");

        assert_eq!(hook.receiver.asked().len(), 1);
        app.bapi().get("/v1/webhooks/deliveries").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_worker_that_was_held_up_goes_on_when_nobody_took_over(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        for (name, held_up) in [("alice", 6), ("bob", 11)] {
            app.user(name).created().await;
            app.order_events().await;
            let slow = delivery::lease(&app.engine, "slow", 10).await.expect("it leases").remove(0);
            app.advance(Duration::from_secs(held_up));
            delivery::attempt(&app.engine, slow).await.expect("it sends");
        }

        assert_eq!(hook.receiver.asked().len(), 2);
        app.bapi().get("/v1/webhooks/deliveries?succeeded=true").await.is(200, json!({ "total_count": 2 }));
        app.run_jobs().await;
        assert_eq!(hook.receiver.asked().len(), 2, "nothing is left");
    }

    async fn what_a_late_worker_reports_counts_for_nothing(app: TestApp) {
        let hook = Hook::new(&app, &["user.*"]).await;
        app.user("alice").created().await;
        app.run_jobs().await;
        let first = app.bapi().get("/v1/webhooks/deliveries").await.str("/data/0/id");
        let again = app.bapi().post_empty(format!("/v1/webhooks/deliveries/{first}/replay")).await.has_status(201).str("/id");
        change(&app, "alice", 1).await;
        app.order_events().await;
        let before = hook.receiver.asked().len();
        // Whoever asks first hears in the end that the receiver is gone for good; everybody after it that all is well.
        let (asked, done) = (std::sync::atomic::AtomicUsize::new(0), Duration::from_secs(6));
        hook.receiver.answers(move |_| match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Says::new(410, "").after(done),
            _ => Says::new(200, ""),
        });

        let held_up = delivery::lease(&app.engine, "held up", 1).await.expect("it leases").remove(0);
        let takes_over = async {
            while hook.receiver.asked().len() == before {
                tokio::task::yield_now().await;
            }
            app.advance(Duration::from_secs(61));
            app.run_jobs().await;
            app.bapi().get("/v1/webhooks/deliveries").await.at("/data").clone()
        };
        let (late, rows) = futures_util::join!(delivery::attempt(&app.engine, held_up), takes_over);

        late.expect("it reports");
        let asked = hook.receiver.asked();
        assert_eq!((asked.len() - before, asked[before].header("svix-id")), (3, asked[before + 1].header("svix-id")));
        assert_eq!(app.bapi().get("/v1/webhooks/deliveries").await.at("/data"), &rows, "every attempt stands as it stood");
        app.bapi().get(format!("/v1/webhooks/deliveries/{again}")).await.is(200, json!({ "succeeded": true, "response_status": 200 }));
        app.bapi().get(hook.path()).await.is(200, json!({ "enabled": true, "disabled_at": null }));
        app.advance(hours(1));
        app.run_jobs().await;
        assert_eq!(hook.receiver.asked().len(), asked.len(), "nothing is sent once more");
    }

    async fn a_flood_for_some_endpoints_leaves_the_others_their_turn(app: TestApp) {
        let floods = [
            Hook::new(&app, &["user.created"]).await,
            Hook::new(&app, &["user.created"]).await,
            Hook::new(&app, &["user.created"]).await,
        ];
        for n in 0..12 {
            app.user(&format!("p{n}")).created().await;
        }
        app.order_events().await;
        app.advance(minutes(1));
        let quiet = Hook::new(&app, &["user.updated"]).await;
        change(&app, "p0", 1).await;
        app.order_events().await;

        // Room for one at a time, and whatever waits for the others has waited longer.
        for _ in 0..floods.len() + 1 {
            assert_eq!(delivery::run_due(&app.engine, "one", 1).await.expect("it pushes"), 1);
            app.advance(Duration::from_millis(1));
        }

        let served: Vec<usize> = floods.iter().chain([&quiet]).map(|hook| hook.receiver.asked().len()).collect();
        assert_eq!(served, [1, 1, 1, 1], "everybody had a turn");
    }

    async fn a_worker_that_waits_for_a_slow_receiver_is_not_taken_over(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.receiver.answers(|_| Says::new(200, "").after(Duration::from_secs(7)));
        app.user("alice").created().await;
        app.order_events().await;
        let slow = delivery::lease(&app.engine, "slow", 10).await.expect("it leases").remove(0);

        let others = async {
            // It asked for more time after five seconds; the lease that it began with ends while it waits.
            tokio::time::sleep(Duration::from_secs(6)).await;
            app.advance(Duration::from_secs(8));
            delivery::lease(&app.engine, "other", 10).await.expect("it leases").len()
        };
        let (done, taken_over) = futures_util::future::join(delivery::attempt(&app.engine, slow), others).await;

        done.expect("it reports");
        assert_eq!((taken_over, hook.receiver.asked().len()), (0, 1));
        app.bapi().get("/v1/webhooks/deliveries").await.is(200, json!({ "total_count": 1, "data": [{ "succeeded": true }] }));
    }

    async fn a_slow_endpoint_delays_no_other(app: TestApp) {
        let (slow, fast) = (Hook::new(&app, &["user.created"]).await, Hook::new(&app, &["user.created"]).await);
        slow.receiver.answers(|_| Says::new(200, "").after(Duration::from_secs(3600)));
        for n in 0..15 {
            app.user(&format!("p{n}")).created().await;
        }
        app.order_events().await;

        let mut pushing = Pushing::new(app.engine.clone(), "test");
        while fast.receiver.asked().len() < 15 {
            pushing.fill().await.expect("it leases");
            pushing.next().await.expect("something is under way").expect("it is noted");
        }
        pushing.fill().await.expect("it leases");

        assert!(slow.receiver.asked().len() <= 10, "ten at a time");
        app.bapi().get(format!("/v1/webhooks/deliveries?endpoint_id={}&succeeded=true", slow.id)).await.is(200, json!({ "total_count": 0 }));
    }

    async fn two_workers_beside_each_other_send_each_event_once_and_in_order(app: TestApp) {
        let hook = Hook::new(&app, &["user.*"]).await;
        for name in ["a", "b", "c"] {
            change(&app, name, 5).await;
        }
        app.order_events().await;

        let worker = async |name: &str| {
            while by_subject(&hook).values().map(Vec::len).sum::<usize>() < 18 {
                delivery::run_due(&app.engine, name, 4).await.expect("it pushes");
                // A look that finds nothing must leave the other its turn.
                tokio::task::yield_now().await;
            }
        };
        futures_util::future::join(worker("one"), worker("two")).await;

        assert_eq!(hook.receiver.asked().len(), 18);
        assert!(by_subject(&hook).values().all(|events| events.is_sorted()));
    }

    async fn the_log_keeps_what_is_still_to_be_pushed(app: TestApp) {
        app.user("before").created().await;
        app.run_jobs().await;
        let oldest = async || {
            let mut conn = app.engine.db().read().await.expect("a connection");
            storage::webhooks::oldest_undelivered(&mut conn, app.env.id).await.expect("it can be read")
        };
        assert_eq!(oldest().await, None);
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.answers(500);
        app.user("alice").created().await;
        app.run_jobs().await;
        app.user("bob").created().await;
        app.order_events().await;

        let last = app.logged_events(&app.env).await;
        let alice = last.iter().rev().filter(|event| event.event_type == "user.created").nth(1).expect("it is logged");
        assert_eq!(oldest().await, Some(alice.position));
        hook.answers(200);
        app.advance(minutes(1));
        app.run_jobs().await;
        let after = last.last().expect("it is logged").position;
        assert!(oldest().await > Some(after), "nothing waits");
    }
}
