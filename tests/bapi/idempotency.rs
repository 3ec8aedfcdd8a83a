//! A write that is asked for twice under one key happens once.

use crate::fapi::steps::PASSWORD;
use serde_json::json;
use testkit::{TestApp, both, hours};

both! {
    async fn the_same_request_is_answered_from_memory(app: TestApp) {
        let make = || {
            let body = json!({ "email_address": ["ann@example.com"], "password": PASSWORD, "public_metadata": { "a": 1, "b": [1, 2] } });
            app.bapi().post("/v1/users", body).idempotency_key("k-1")
        };
        let first = make().await;
        first.has_status(201);
        assert_eq!(first.header("idempotent-replayed"), None);
        let hashes = app.passwords.hashes_done();

        let second = make().await;

        second.has_status(201);
        assert_eq!(second.header("idempotent-replayed"), Some("true"));
        assert_eq!(second.json(), first.json());
        assert_eq!(second.text(), first.text(), "to the byte");
        assert_ne!(second.header("x-authn-request-id"), first.header("x-authn-request-id"));
        assert_eq!(app.passwords.hashes_done(), hashes, "the work is not done again");
        assert_eq!(app.events().await, ["user.created"]);
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn another_spelling_of_the_same_body_is_the_same_request(app: TestApp) {
        let make = |text: &str| app.bapi().call(testkit::Method::POST, "/v1/users").raw("application/json", text).idempotency_key("k-1");
        let first = make(r#"{"external_id":"x","skip_password_requirement":true,"public_metadata":{"b":1,"a":{"d":1,"c":2}}}"#).await;
        first.has_status(201);

        let second = make(r#" { "public_metadata": {"a":{"c":2,"d":1},"b":1}, "skip_password_requirement" : true, "external_id":"\u0078" } "#).await;

        assert_eq!((second.status(), second.header("idempotent-replayed")), (201, Some("true")));
        assert_eq!(second.str("/id"), first.str("/id"));
    }

    async fn another_request_under_the_same_key_is_refused(app: TestApp) {
        let make = |id: &str| app.bapi().post("/v1/users", json!({ "external_id": id, "skip_password_requirement": true })).idempotency_key("k-1");
        make("x").await.has_status(201);

        make("y").await.is_refused(409, "idempotency_key_in_use_with_different_request");
        let list = json!({ "external_id": "x", "skip_password_requirement": true });
        app.bapi().post("/v1/users?a=b", list).idempotency_key("k-1").await
            .is_refused(409, "idempotency_key_in_use_with_different_request");
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_key_belongs_to_its_route_and_its_api_key(app: TestApp) {
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        let body = json!({ "first_name": "Same" });
        for user in [&alice, &bob] {
            let reply = app.bapi().patch(format!("/v1/users/{}", user.id), body.clone()).idempotency_key("k-1").await;
            reply.is(200, json!({ "id": user.id, "first_name": "Same" }));
            assert_eq!(reply.header("idempotent-replayed"), None);
        }
        let merged = app.bapi().patch(format!("/v1/users/{}/metadata", alice.id), json!({})).idempotency_key("k-1").await;
        assert_eq!(merged.header("idempotent-replayed"), None);
        let other = app.second_environment().await;
        let make = |env| app.bapi_of(env).post("/v1/users", json!({ "external_id": "x", "skip_password_requirement": true })).idempotency_key("k-2");
        let (here, there) = (make(&app.env).await, make(&other).await);
        assert_ne!(here.str("/id"), there.str("/id"));
    }

    async fn twins_at_once_do_the_work_once(app: TestApp) {
        let backend = app.bapi();
        let replies = testkit::race(20, |_| {
            backend.post("/v1/users", json!({ "email_address": ["ann@example.com"], "password": PASSWORD })).idempotency_key("k-1").into_future()
        }).await;

        let made: Vec<_> = replies.iter().filter(|r| r.status() == 201).collect();
        assert!(!made.is_empty());
        assert!(made.iter().all(|r| r.str("/id") == made[0].str("/id")), "they all hear of one person");
        assert_eq!(made.iter().filter(|r| r.header("idempotent-replayed").is_none()).count(), 1);
        for other in replies.iter().filter(|r| r.status() != 201) {
            other.is_refused(409, "idempotency_request_in_progress");
        }
        assert_eq!(app.events().await, ["user.created"]);
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_refused_request_leaves_its_key_free(app: TestApp) {
        let make = |body| app.bapi().post("/v1/users", body).idempotency_key("k-1");
        make(json!({ "email_address": ["nothing"] })).await.has_status(422);
        make(json!({ "email_address": ["ann@example.com"] })).await.is_refused(422, "form_param_nil");
        app.user("alice").created().await;
        make(json!({ "email_address": ["alice@example.com"], "password": PASSWORD })).await.is_refused(409, "form_identifier_exists");

        let made = make(json!({ "email_address": ["ann@example.com"], "password": PASSWORD })).await;

        made.has_status(201);
        assert_eq!(made.header("idempotent-replayed"), None);
        app.bapi().patch("/v1/users/user_x", json!({ "first_name": "x" })).idempotency_key("k-2").await.is_refused(404, "user_not_found");
        app.bapi().patch("/v1/users/user_x", json!({ "first_name": "y" })).idempotency_key("k-2").await.is_refused(404, "user_not_found");
    }

    async fn create_delete_create_makes_somebody_new(app: TestApp) {
        let make = || app.bapi().post("/v1/users", json!({ "email_address": ["ann@example.com"], "password": PASSWORD })).idempotency_key("k-1");
        let first = make().await.has_status(201).str("/id");
        app.bapi().delete(format!("/v1/users/{first}")).await.has_status(204);

        let again = make().await;

        again.has_status(201);
        assert_ne!(again.str("/id"), first);
        assert_eq!(again.header("idempotent-replayed"), None);
        app.bapi().get(format!("/v1/users/{}", again.str("/id"))).await.has_status(200);
    }

    async fn an_address_is_made_anew_as_well(app: TestApp) {
        let alice = app.user("alice").created().await;
        let add = || app.bapi().post("/v1/email-addresses", json!({ "user_id": alice.id, "email_address": "new@example.com" })).idempotency_key("k-1");
        let first = add().await.has_status(201).str("/id");
        let replayed = add().await;
        assert_eq!((replayed.str("/id"), replayed.header("idempotent-replayed")), (first.clone(), Some("true")));
        app.bapi().delete(format!("/v1/email-addresses/{first}")).await.has_status(204);
        assert_ne!(add().await.has_status(201).str("/id"), first);
    }

    async fn an_answer_is_kept_for_a_day(app: TestApp) {
        let alice = app.user("alice").created().await;
        let patch = || app.bapi().patch(format!("/v1/users/{}", alice.id), json!({ "first_name": "Once" })).idempotency_key("k-1");
        patch().await.has_status(200);
        app.bapi().patch(format!("/v1/users/{}", alice.id), json!({ "first_name": "Later" })).await.has_status(200);
        let replayed = patch().await;
        replayed.is(200, json!({ "first_name": "Once" }));
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "first_name": "Later" }));

        app.advance(hours(24) + std::time::Duration::from_secs(1));

        let fresh = patch().await;
        assert_eq!(fresh.header("idempotent-replayed"), None);
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "first_name": "Once" }));
    }

    async fn a_key_has_a_form(app: TestApp) {
        let make = |key: &str| app.bapi().post("/v1/users", json!({ "external_id": "x", "skip_password_requirement": true })).idempotency_key(key);
        for bad in ["", " ", "a b", &"k".repeat(256), "ü"] {
            make(bad).await.is_refused_for(422, "form_param_format_invalid", "Idempotency-Key");
        }
        make(&"k".repeat(255)).await.has_status(201);
    }

    async fn strangers_get_no_stored_answer(app: TestApp) {
        let body = json!({ "external_id": "x", "skip_password_requirement": true });
        app.bapi().post("/v1/users", body.clone()).idempotency_key("k-1").await.has_status(201);
        app.bapi_stranger().post("/v1/users", body).idempotency_key("k-1").await.is_refused(401, "authentication_invalid");
    }

    async fn reading_and_deleting_take_no_notice(app: TestApp) {
        let alice = app.user("alice").created().await;
        let path = format!("/v1/users/{}", alice.id);
        app.bapi().get(&path).idempotency_key("k-1").await.has_status(200);
        app.bapi().patch(&path, json!({ "first_name": "New" })).await.has_status(200);
        app.bapi().get(&path).idempotency_key("k-1").await.is(200, json!({ "first_name": "New" }));
        app.bapi().delete(&path).idempotency_key("k-2").await.has_status(204);
        app.bapi().delete(&path).idempotency_key("k-2").await.is_refused(404, "user_not_found");
    }
}
