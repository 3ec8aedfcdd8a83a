//! Attempts to push events: how they are noted, when the next one comes, when there is none.

use super::webhooks::{Hook, body, is_believed};
use domain::time::{hours, minutes};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{Says, TestApp, both};

/// The rows of an endpoint, the oldest first.
async fn rows(app: &TestApp, hook: &Hook) -> Vec<Value> {
    let list = app.bapi().get(format!("/v1/webhooks/deliveries?endpoint_id={}&limit=500", hook.id)).await;
    let mut rows = list.has_status(200).at("/data").as_array().expect("a list").clone();
    rows.reverse();
    rows
}

/// How long the newest row of an endpoint waits for its next attempt.
async fn wait(app: &TestApp, hook: &Hook) -> Option<Duration> {
    let rows = rows(app, hook).await;
    let row = rows.last().expect("there is a row");
    let (next, made) = (row["next_retry_at"].as_i64()?, row["created_at"].as_i64().expect("a time"));
    Some(Duration::from_millis(u64::try_from(next - made).expect("it is in the future")))
}

both! {
    async fn every_attempt_has_a_row_of_its_own(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.answers(500);
        app.user("alice").created().await;
        app.run_jobs().await;

        app.advance(Duration::from_secs(6));
        hook.answers(201);
        app.run_jobs().await;

        let rows = rows(&app, &hook).await;
        assert_eq!(rows.len(), 2);
        let asked = hook.receiver.asked();
        assert_eq!((asked.len(), &asked[0].body), (2, &asked[1].body), "the same bytes");
        assert_eq!(asked[0].header("svix-id"), asked[1].header("svix-id"));
        assert!(asked.iter().all(|asked| is_believed(&hook.secret, asked, app.now())));
        assert_ne!(asked[0].header("svix-signature"), asked[1].header("svix-signature"), "signed at its own time");
        let event = &body(&asked[0])["id"];
        for (row, attempt, status, succeeded) in [(&rows[0], 1, 500, false), (&rows[1], 2, 201, true)] {
            let expected = json!({
                "id": row["id"], "object": "webhook_delivery", "endpoint_id": hook.id, "event_id": event,
                "event_type": "user.created", "attempt": attempt, "response_status": status,
                "response_body": "said", "next_retry_at": null, "succeeded": succeeded, "created_at": row["created_at"],
            });
            assert_eq!(row, &expected);
            let id = row["id"].as_str().expect("an id");
            app.bapi().get(format!("/v1/webhooks/deliveries/{id}")).await.is(200, expected);
        }
    }

    async fn eleven_attempts_are_made_and_then_it_is_given_up(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.answers(302);
        app.user("alice").created().await;
        app.run_jobs().await;

        let seconds = [5, 30, 300, 1800, 7200, 21_600, 43_200, 86_400, 172_800];
        for planned in seconds {
            let planned = Duration::from_secs(planned);
            let wait = wait(&app, &hook).await.expect("there is a next attempt");
            assert!(wait >= planned.mul_f64(0.9) && wait <= planned.mul_f64(1.1), "{wait:?} {planned:?}");
            let before = hook.receiver.asked().len();
            app.advance(wait.mul_f64(0.5));
            app.run_jobs().await;
            assert_eq!(hook.receiver.asked().len(), before);
            app.advance(wait.mul_f64(0.5));
            app.run_jobs().await;
            assert_eq!(hook.receiver.asked().len(), before + 1, "neither sooner nor later");
        }
        assert_eq!(hook.receiver.asked().len(), 10);
        // Another success in between, or a week of failures would switch it off.
        hook.answers(200);
        app.user("bob").created().await;
        app.run_jobs().await;
        hook.answers(404);
        app.advance(hours(106));
        app.run_jobs().await;

        let rows = rows(&app, &hook).await;
        let last = rows.iter().find(|row| row["attempt"] == 11).expect("eleven attempts");
        assert_eq!((&last["next_retry_at"], &last["succeeded"], &last["response_status"]), (&json!(null), &json!(false), &json!(404)));
        app.advance(hours(500));
        app.run_jobs().await;
        assert_eq!(hook.receiver.asked().len(), 12);
    }

    async fn an_endpoint_that_is_gone_is_switched_off_at_once(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.answers(410);
        app.user("alice").created().await;
        app.run_jobs().await;

        app.bapi().get(hook.path()).await.is(200, json!({ "enabled": false }));
        assert!(app.bapi().get(hook.path()).await.at("/disabled_at").is_number());
        assert_eq!(rows(&app, &hook).await[0]["next_retry_at"], json!(null));
        hook.answers(200);
        app.user("bob").created().await;
        app.advance(hours(1));
        app.run_jobs().await;
        assert_eq!(hook.receiver.asked().len(), 1);
        let again = app.bapi().patch(hook.path(), json!({ "enabled": true })).await;
        again.is(200, json!({ "enabled": true, "disabled_at": null }));
    }

    async fn a_week_of_nothing_but_failures_switches_an_endpoint_off(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.answers(500);
        for day in 0..8 {
            app.bapi().get(hook.path()).await.is(200, json!({ "enabled": true }));
            app.user(&format!("p{day}")).created().await;
            app.run_jobs().await;
            app.advance(hours(24));
        }
        app.run_jobs().await;

        app.bapi().get(hook.path()).await.is(200, json!({ "enabled": false }));
        let asked = hook.receiver.asked().len();
        app.advance(hours(1000));
        app.run_jobs().await;
        assert_eq!(hook.receiver.asked().len(), asked, "nothing waits for it any more");
        assert!(rows(&app, &hook).await.iter().all(|row| row["next_retry_at"].is_null()));
    }

    async fn a_receiver_may_ask_for_time(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        for (name, status, asks, seconds) in [("a", 429, "120", 120), ("b", 503, "100000", 3600), ("c", 500, "120", 5), ("d", 429, "soon", 5)] {
            hook.receiver.answers(move |_| Says::new(status, "").header("retry-after", asks));
            app.user(name).created().await;
            app.run_jobs().await;
            let wait = wait(&app, &hook).await.expect("there is a next attempt").as_secs();
            assert!((seconds * 9 / 10..=seconds * 11 / 10).contains(&wait), "{status} {asks}: {wait}");
        }
    }

    async fn a_long_or_strange_answer_is_kept_in_part(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.receiver.answers(|_| Says::new(500, [b"\0\xff<b>".to_vec(), vec![b'x'; 1_000_000]].concat()));

        app.user("alice").created().await;
        app.run_jobs().await;

        let row = rows(&app, &hook).await[0].clone();
        let kept = row["response_body"].as_str().expect("a text");
        assert!(kept.starts_with("\u{fffd}\u{fffd}<b>xxx") && kept.chars().count() == 4096, "{}", kept.len());
        assert_eq!(row["response_status"], 500);
    }

    async fn who_does_not_answer_is_tried_again(app: TestApp) {
        let body = json!({ "url": "http://127.0.0.1:9/", "enabled_event_types": ["user.created"] });
        app.bapi().post("/v1/webhooks/endpoints", body).await.has_status(201);
        app.user("alice").created().await;
        app.run_jobs().await;

        let list = app.bapi().get("/v1/webhooks/deliveries?succeeded=false").await;
        list.is(200, json!({ "total_count": 1, "data": [{ "response_status": null, "response_body": null, "succeeded": false }] }));
        assert!(list.at("/data/0/next_retry_at").is_number());
    }

    async fn deliveries_are_filtered_and_paged(app: TestApp) {
        let (users, sessions) = (Hook::new(&app, &["user.created"]).await, Hook::new(&app, &["session.created"]).await);
        sessions.answers(500);
        app.user("alice").signed_in().await;
        app.run_jobs().await;
        app.advance(minutes(30));
        let between = app.now().millis();
        app.advance(minutes(30));
        app.user("bob").created().await;
        app.run_jobs().await;
        let count = async |query: &str| {
            app.bapi().get(format!("/v1/webhooks/deliveries?{query}")).await.has_status(200).at("/total_count").as_i64().expect("a number")
        };

        assert_eq!(count("").await, 4, "two people, and two attempts for the session");
        assert_eq!(count("succeeded=true").await, 2);
        assert_eq!(count("succeeded=false").await, 2);
        assert_eq!(count(&format!("endpoint_id={}", users.id)).await, 2);
        assert_eq!(count("event_type=session.created").await, 2);
        let event = users.events()[0]["id"].as_str().expect("an id").to_owned();
        assert_eq!(count(&format!("event_id={event}")).await, 1);
        assert_eq!(count(&format!("created_at_after={between}")).await, 2);
        assert_eq!(count(&format!("created_at_before={between}")).await, 2);
        for wrong in ["endpoint_id=x", "event_id=evt_1", "event_type=user", "succeeded=maybe", "created_at_after=x"] {
            app.bapi().get(format!("/v1/webhooks/deliveries?{wrong}")).await.has_status(422);
        }
        let first = app.bapi().get("/v1/webhooks/deliveries?limit=3").await;
        let next = app.bapi().get(format!("/v1/webhooks/deliveries?limit=3&cursor={}", first.str("/meta/next_cursor"))).await;
        assert_eq!((first.at("/data").as_array().map(Vec::len), next.at("/data").as_array().map(Vec::len)), (Some(3), Some(1)));
        assert!(first.at("/data/0/created_at").as_i64() >= first.at("/data/2/created_at").as_i64(), "the newest first");
        let other = app.second_environment().await;
        app.bapi_of(&other).get("/v1/webhooks/deliveries").await.is(200, json!({ "total_count": 0 }));
    }

    async fn deliveries_are_kept_for_thirty_days(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        app.user("alice").created().await;
        app.run_jobs().await;
        app.advance(hours(24 * 29));
        app.tick().await;
        assert_eq!(rows(&app, &hook).await.len(), 1);
        app.advance(hours(25));
        app.tick().await;
        assert_eq!(rows(&app, &hook).await.len(), 0);
    }

    async fn a_deleted_endpoint_leaves_its_deliveries_behind(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.answers(500);
        app.user("alice").created().await;
        app.run_jobs().await;
        app.bapi().delete(hook.path()).await.has_status(204);
        app.advance(hours(1));
        app.run_jobs().await;

        assert_eq!(hook.receiver.asked().len(), 1);
        let rows = rows(&app, &hook).await;
        assert_eq!((rows.len(), &rows[0]["endpoint_id"], &rows[0]["next_retry_at"]), (1, &json!(hook.id), &json!(null)));
        let id = rows[0]["id"].as_str().expect("an id");
        app.bapi().post_empty(format!("/v1/webhooks/deliveries/{id}/replay")).await.is_refused(409, "webhook_endpoint_deleted");
    }
}
