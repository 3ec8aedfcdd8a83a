//! Pushing again, and trying out.

use super::webhooks::{Hook, body, is_believed};
use domain::time::hours;
use serde_json::{Value, json};
use testkit::{TestApp, both};

async fn replay(app: &TestApp, hook: &Hook, asked: Value) -> Value {
    let reply = app.bapi().post(format!("{}/replay", hook.path()), asked).await;
    let queued = reply.has_status(202).at("/queued").clone();
    assert_eq!(reply.str("/object"), "webhook_replay");
    app.run_jobs().await;
    queued
}

async fn event_ids(app: &TestApp, name: &str) -> Vec<String> {
    let events = app.logged_events(&app.env).await;
    events.iter().filter(|event| event.event_type == name).map(|event| event.id.to_string()).collect()
}

both! {
    async fn a_delivery_is_replayed_as_it_was(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        let alice = app.user("alice").created().await;
        app.run_jobs().await;
        let first = app.bapi().get("/v1/webhooks/deliveries").await.str("/data/0/id");
        app.bapi().patch(format!("/v1/users/{}", alice.id), json!({ "first_name": "Changed" })).await.has_status(200);
        app.bapi().patch(hook.path(), json!({ "include_meta": true, "enabled": false })).await.has_status(200);
        let rotated = app.bapi().post(format!("{}/rotate-secret", hook.path()), json!({ "overlap_seconds": 0 })).await;
        app.advance(hours(1));

        let again = app.bapi().post_empty(format!("/v1/webhooks/deliveries/{first}/replay")).await;

        again.is(201, json!({ "attempt": 1, "succeeded": false, "response_status": null, "next_retry_at": again.at("/created_at"), "endpoint_id": hook.id }));
        assert_ne!(again.str("/id"), first);
        app.run_jobs().await;
        let asked = hook.receiver.asked();
        assert_eq!((asked.len(), &asked[0].body), (2, &asked[1].body), "the same bytes, although the endpoint is switched off");
        assert_eq!(asked[0].header("svix-id"), asked[1].header("svix-id"));
        assert_eq!(asked[0].header("x-authn-event-sequence"), asked[1].header("x-authn-event-sequence"));
        assert!(is_believed(&rotated.str("/signing_secret"), &asked[1], app.now()), "signed with the secret of now");
        let done = app.bapi().get(format!("/v1/webhooks/deliveries/{}", again.str("/id"))).await;
        done.is(200, json!({ "attempt": 1, "succeeded": true, "response_status": 200, "next_retry_at": null }));
        app.bapi().get("/v1/webhooks/deliveries").await.is(200, json!({ "total_count": 2 }));
    }

    async fn a_failed_replay_follows_the_schedule(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.answers(500);
        app.user("alice").created().await;
        app.run_jobs().await;
        let first = app.bapi().get("/v1/webhooks/deliveries").await.str("/data/0/id");

        let again = app.bapi().post_empty(format!("/v1/webhooks/deliveries/{first}/replay")).await.has_status(201).str("/id");
        app.bapi().get(format!("/v1/webhooks/deliveries/{first}")).await.is(200, json!({ "next_retry_at": null }));
        app.run_jobs().await;
        let row = app.bapi().get(format!("/v1/webhooks/deliveries/{again}")).await;
        row.is(200, json!({ "attempt": 1, "succeeded": false, "response_status": 500 }));
        assert!(row.at("/next_retry_at").is_number());
        hook.answers(200);
        app.advance(std::time::Duration::from_secs(6));
        app.run_jobs().await;

        assert_eq!(hook.receiver.asked().len(), 3);
        let rows = app.bapi().get("/v1/webhooks/deliveries").await;
        let last = rows.is(200, json!({ "total_count": 3 })).at("/data/0");
        assert_eq!((&last["attempt"], &last["succeeded"]), (&json!(2), &json!(true)));
    }

    async fn a_range_is_replayed_in_its_order(app: TestApp) {
        for name in ["a", "b", "c", "d"] {
            app.user(name).signed_in().await;
        }
        let ids = event_ids(&app, "user.created").await;
        let hook = Hook::new(&app, &["user.*", "session.*"]).await;

        // Both ends are part of it, and what the endpoint does not hear of is not.
        assert_eq!(replay(&app, &hook, json!({ "since": ids[1], "until": ids[2], "types": ["user.created"] })).await, 2);
        let pushed: Vec<Value> = hook.events().iter().map(|event| event["id"].clone()).collect();
        assert_eq!(pushed, [json!(ids[1]), json!(ids[2])]);

        assert_eq!(replay(&app, &hook, json!({ "after": ids[2], "types": ["user.created", "organization.*"] })).await, 1);
        assert_eq!(hook.events().last().expect("it was pushed")["id"], json!(ids[3]));
        let all = replay(&app, &hook, json!({ "since": ids[0] })).await.as_u64().expect("a number");
        let logged = app.logged_events(&app.env).await;
        let wanted = logged.iter().filter(|e| e.event_type.starts_with("user.") || e.event_type.starts_with("session."));
        let wanted: Vec<Value> = wanted.skip_while(|e| e.id.to_string() != ids[0]).map(|e| json!(e.id)).collect();
        assert_eq!(all, wanted.len() as u64);
        assert_eq!(hook.events().len() - 3, wanted.len());
    }

    async fn a_range_that_begins_before_the_log_is_refused_as_the_pull_is(app: TestApp) {
        app.settings(|s| s.audit_log_retention_days = 1).await;
        let hook = Hook::new(&app, &["user.created"]).await;
        app.user("a").created().await;
        app.user("b").created().await;
        app.run_jobs().await;
        let old = app.bapi().get("/v1/events?limit=1").await.str("/meta/cursor");
        let ask = async |body: Value| app.bapi().post(format!("{}/replay", hook.path()), body).await;
        ask(json!({ "after": old })).await.has_status(202);
        app.run_jobs().await;
        app.advance(hours(26));
        app.user("c").created().await;
        app.run_jobs().await;
        app.tick().await;
        let pulled = app.bapi().get(format!("/v1/events?after={old}")).await;
        pulled.is_refused(410, "event_cursor_expired");
        let before = hook.receiver.asked().len();

        for body in [json!({ "after": old }), json!({ "since": old }), json!({ "after": old, "only_failed": true })] {
            let refused = ask(body).await;
            refused.is_refused(410, "event_cursor_expired");
            assert!(refused.at("/errors/0/meta/oldest_cursor").is_string());
        }

        app.run_jobs().await;
        assert_eq!(hook.receiver.asked().len(), before, "nothing was left out in silence");
        let oldest = pulled.str("/errors/0/meta/oldest_cursor");
        assert_eq!(replay(&app, &hook, json!({ "after": oldest })).await, 1);
        assert_eq!(replay(&app, &hook, json!({ "since": oldest })).await, 1);
    }

    async fn every_attempt_carries_the_bytes_of_the_first(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.answers(500);
        let alice = app.user("alice").created().await;
        app.run_jobs().await;
        // Whatever a body could be made of changes in between.
        app.bapi().patch(format!("/v1/users/{}", alice.id), json!({ "first_name": "Changed" })).await.has_status(200);
        app.bapi().patch(hook.path(), json!({ "include_meta": true })).await.has_status(200);
        app.settings(|s| s.application_name = Some("Changed".to_owned())).await;
        app.advance(std::time::Duration::from_secs(6));
        app.run_jobs().await;
        app.bapi().post(format!("{}/rotate-secret", hook.path()), json!({ "overlap_seconds": 0 })).await.has_status(200);
        app.bapi().delete(format!("/v1/users/{}", alice.id)).await.has_status(204);
        app.advance(std::time::Duration::from_secs(34));
        app.run_jobs().await;

        let asked = hook.receiver.asked();
        assert_eq!(asked.len(), 3);
        for (one, next) in asked.iter().zip(&asked[1..]) {
            assert_eq!((&one.body, one.header("webhook-id")), (&next.body, next.header("webhook-id")));
            assert_ne!(one.header("webhook-timestamp"), next.header("webhook-timestamp"));
            assert_ne!(one.header("webhook-signature"), next.header("webhook-signature"));
        }
    }

    async fn what_an_endpoint_has_can_be_left_out(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        for name in ["a", "b", "c"] {
            hook.answers(if name == "b" { 410 } else { 200 });
            app.user(name).created().await;
            app.run_jobs().await;
        }
        hook.answers(200);
        app.bapi().patch(hook.path(), json!({ "enabled": true })).await.has_status(200);
        let ids = event_ids(&app, "user.created").await;

        assert_eq!(replay(&app, &hook, json!({ "since": ids[0], "only_failed": true })).await, 2);

        let pushed: Vec<Value> = hook.events().iter().skip(2).map(|event| event["id"].clone()).collect();
        assert_eq!(pushed, [json!(ids[1]), json!(ids[2])]);
    }

    async fn what_is_no_range_is_refused(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        app.user("a").created().await;
        let other = app.second_environment().await;
        app.user_of(&other, "b").created().await;
        app.run_jobs().await;
        let (ours, theirs) = (event_ids(&app, "user.created").await[0].clone(), app.logged_events(&other).await[0].id);
        let ask = async |body: Value| app.bapi().post(format!("{}/replay", hook.path()), body).await;

        ask(json!({})).await.is_refused_for(422, "form_param_nil", "since");
        ask(json!({ "since": ours, "after": ours })).await.is_refused_for(422, "form_param_value_invalid", "after");
        ask(json!({ "since": theirs })).await.is_refused_for(422, "form_param_format_invalid", "since");
        ask(json!({ "since": ours, "until": "forged" })).await.is_refused_for(422, "form_param_format_invalid", "until");
        ask(json!({ "since": ours, "types": ["user.made"] })).await.is_refused_for(422, "form_param_value_invalid", "types.0");
        app.bapi().post("/v1/webhooks/endpoints/whe_01ARZ3NDEKTSV4RRFFQ69G5FAV/replay", json!({ "since": ours })).await.is_refused(404, "webhook_endpoint_not_found");
        let once = || app.bapi().post(format!("{}/replay", hook.path()), json!({ "since": ours })).idempotency_key("one");
        assert_eq!(once().await.has_status(202).json(), once().await.has_status(202).json());
    }

    async fn a_sample_is_pushed_once(app: TestApp) {
        let hook = Hook::new(&app, &["user.*", "session.created"]).await;
        hook.answers(500);
        let waits = app.bapi().post_empty(format!("{}/test", hook.path())).await;
        waits.is(201, json!({ "event_type": "session.created", "attempt": 1, "succeeded": false, "response_status": null }));
        app.run_jobs().await;
        app.advance(hours(200));
        app.run_jobs().await;

        let asked = hook.receiver.asked();
        assert_eq!(asked.len(), 1, "a sample is tried once");
        let event = body(&asked[0]);
        assert_eq!((&event["type"], &event["was_test"]), (&json!("session.created"), &json!(true)));
        assert_eq!(event["id"], *waits.at("/event_id"));
        assert_eq!(asked[0].header("x-authn-event-sequence"), None);
        let row = app.bapi().get(format!("/v1/webhooks/deliveries/{}", waits.str("/id"))).await;
        row.is(200, json!({ "succeeded": false, "response_status": 500, "next_retry_at": null }));

        // By name, at one that is switched off, and again.
        hook.answers(200);
        app.bapi().patch(hook.path(), json!({ "enabled": false })).await.has_status(200);
        app.bapi().post(format!("{}/test", hook.path()), json!({ "type": "user.deleted" })).await.has_status(201);
        app.bapi().post_empty(format!("/v1/webhooks/deliveries/{}/replay", waits.str("/id"))).await.has_status(201);
        app.run_jobs().await;
        let asked = hook.receiver.asked();
        assert_eq!(asked.len(), 3);
        assert!(asked[1..].iter().any(|again| again.body == asked[0].body), "the same sample again");
        app.bapi().post(format!("{}/test", hook.path()), json!({ "type": "user.*" })).await.is_refused_for(422, "form_param_value_invalid", "type");
    }
}
