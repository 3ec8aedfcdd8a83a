//! Keys that keys make: what they may do, how long they live, and how their secrets change.

use domain::time::hours;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{Caller, TestApp, both, minutes};

/// A backend with another secret.
pub(crate) fn with(app: &TestApp, secret: &str) -> Caller {
    app.bapi_stranger().with_authorization(&format!("Bearer {secret}"))
}

/// Makes a key that may do this and nothing else; its id, and a backend that holds it.
pub(crate) async fn restricted(app: &TestApp, actions: Value) -> (String, Caller) {
    let made = app.bapi().post("/v1/api-keys", json!({ "name": "Restricted", "restricted_to_actions": actions })).await;
    made.has_status(201);
    (made.str("/id"), with(app, &made.str("/secret")))
}

async fn opens(app: &TestApp, secret: &str) -> bool {
    match with(app, secret).get("/v1/users").await.status() {
        200 => true,
        401 => false,
        other => panic!("a key is answered 200 or 401, not {other}"),
    }
}

both! {
    async fn a_new_key_is_shown_once_and_opens_the_environment(app: TestApp) {
        app.skip_events().await;
        let mine = app.bapi().get("/v1/api-keys").await.str("/data/0/id");

        let made = app.bapi().post("/v1/api-keys", json!({ "name": " Billing " })).await;

        let (id, secret) = (made.str("/id"), made.str("/secret"));
        let shown = json!({
            "id": id, "object": "api_key", "environment_id": app.env.id, "kind": "secret", "name": "Billing",
            "prefix": secret[..12], "restricted_to_actions": null, "last_used_at": null, "expires_at": null,
            "revoked_at": null, "created_by": mine,
        });
        made.is(201, shown.clone());
        assert!(secret.starts_with("sk_test_") && crypto::secret_key::check(&secret).is_ok());
        let read = app.bapi().get(format!("/v1/api-keys/{id}")).await;
        read.is(200, shown);
        assert!(read.json().get("secret").is_none(), "once is once");
        assert!(opens(&app, &secret).await);
        assert_eq!(app.events().await, ["apiKey.created"]);
        let kept = format!("{} {}", app.database_text().await, testkit::logs());
        assert!(!kept.contains(&secret), "nothing keeps the secret");
    }

    async fn keys_are_listed_in_pages_without_their_secrets(app: TestApp) {
        for name in ["a", "b", "c"] {
            app.advance(Duration::from_secs(1));
            app.bapi().post("/v1/api-keys", json!({ "name": name })).await.has_status(201);
        }
        let (mut names, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let from = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = app.bapi().get(format!("/v1/api-keys?limit=2{from}")).await;
            page.is(200, json!({ "total_count": 4 }));
            assert!(!page.text().contains("\"secret\":\"") && !page.text().contains("hash"), "{}", page.text());
            let rows = page.at("/data").as_array().cloned().unwrap_or_default();
            names.extend(rows.iter().map(|row| row["name"].as_str().unwrap_or_default().to_owned()));
            cursor = page.json()["meta"]["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(names, ["c", "b", "a", "First key"]);
        app.bapi().get("/v1/api-keys?order_by=name").await.is_refused_for(422, "form_param_value_invalid", "order_by");
        let first = app.bapi().get("/v1/api-keys?order_by=%2Bcreated_at&limit=1").await;
        first.is(200, json!({ "data": [{ "name": "First key" }] }));
    }

    async fn a_key_does_what_it_names_and_nothing_else(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (_, reader) = restricted(&app, json!(["users:read"])).await;
        let (_, counter) = restricted(&app, json!(["countUsers", "sessions:read", "countUsers"])).await;

        reader.get("/v1/users").await.has_status(200);
        reader.get(format!("/v1/users/{}", alice.id)).await.has_status(200);
        counter.get("/v1/users/count").await.has_status(200);
        counter.get("/v1/sessions").await.has_status(200);

        let check = format!("/v1/users/{}/verify-password", alice.id);
        for (refused, permission) in [
            (reader.post("/v1/users", json!({})), "users:write"),
            (reader.patch(format!("/v1/users/{}", alice.id), json!({ "nope": 1 })), "users:write"),
            (reader.delete(format!("/v1/users/{}", alice.id)), "users:write"),
            (reader.post(check, json!({ "password": alice.password })), "users:write"),
            (reader.get("/v1/sessions"), "sessions:read"),
            (reader.get("/v1/api-keys"), "api-keys:read"),
            (reader.post("/v1/api-keys", json!({ "name": "x" })), "api-keys:write"),
            (reader.post("/v1/actor-tokens", json!({ "user_id": alice.id, "actor": { "sub": "x" } })), "actor-tokens:write"),
            (counter.get("/v1/users"), "users:read"),
        ] {
            let refused = refused.await;
            refused.is_refused(403, "forbidden");
            refused.is(403, json!({ "errors": [{ "meta": { "permission": permission } }] }));
        }
        let (id, _) = restricted(&app, json!(["countUsers", "sessions:read", "countUsers"])).await;
        let shown = app.bapi().get(format!("/v1/api-keys/{id}")).await;
        assert_eq!(shown.at("/restricted_to_actions"), &json!(["countUsers", "sessions:read"]));
        // What does not exist is 404 for everybody; a restricted key learns nothing more.
        reader.get("/v1/nothing-here").await.has_status(404);
    }

    async fn what_cannot_be_a_key_is_refused_with_every_problem(app: TestApp) {
        let make = |body: Value| app.bapi().post("/v1/api-keys", body);
        make(json!({})).await.is_refused_for(422, "form_param_nil", "name");
        make(json!({ "name": "x".repeat(101) })).await.is_refused_for(422, "form_param_format_invalid", "name");
        for field in ["id", "environment_id", "kind", "prefix", "secret", "hashed_secret", "revoked_at", "created_by", "last_used_at"] {
            make(json!({ "name": "x", field: null })).await.is_refused_for(422, "form_param_unknown", field);
        }
        for (actions, param) in [
            (json!(["users:read", "users:delete"]), "restricted_to_actions.1"),
            (json!(["nobody:read"]), "restricted_to_actions.0"),
            (json!(["ListUsers"]), "restricted_to_actions.0"),
            (json!(["*"]), "restricted_to_actions.0"),
            (json!([]), "restricted_to_actions"),
            (json!(vec!["users:read"; 501]), "restricted_to_actions"),
        ] {
            let refused = make(json!({ "name": "x", "restricted_to_actions": actions })).await;
            refused.is_refused_for(422, "form_param_value_invalid", param);
        }
        for actions in [json!("users:read"), json!({}), json!([1])] {
            make(json!({ "name": "x", "restricted_to_actions": actions })).await.is_refused(422, "form_param_format_invalid");
        }
        let now = app.now().millis();
        let refused = make(json!({ "name": "x", "expires_at": now, "restricted_to_actions": ["a", "b"] })).await;
        assert_eq!(refused.params(), ["restricted_to_actions.0", "restricted_to_actions.1", "expires_at"]);
        make(json!({ "name": "x", "expires_at": "tomorrow" })).await.is_refused_for(422, "form_param_format_invalid", "expires_at");
        app.bapi().get("/v1/api-keys").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_key_ends_at_its_time(app: TestApp) {
        let ends = app.now() + minutes(10);
        let made = app.bapi().post("/v1/api-keys", json!({ "name": "Short", "expires_at": ends })).await;
        made.is(201, json!({ "expires_at": ends }));
        let secret = made.str("/secret");

        app.advance(minutes(8));
        assert!(opens(&app, &secret).await);
        app.advance(minutes(2));

        assert!(!opens(&app, &secret).await);
        let rotate = app.bapi().post(format!("/v1/api-keys/{}/rotate", made.str("/id")), json!({})).await;
        rotate.is_refused(409, "api_key_not_live");
    }

    async fn a_key_is_renamed(app: TestApp) {
        let (id, backend) = restricted(&app, json!(["users:read"])).await;
        app.skip_events().await;

        let renamed = app.bapi().patch(format!("/v1/api-keys/{id}"), json!({ "name": "Reports" })).await;

        renamed.is(200, json!({ "id": id, "name": "Reports", "restricted_to_actions": ["users:read"] }));
        app.bapi().get(format!("/v1/api-keys/{id}")).await.is(200, json!({ "name": "Reports" }));
        backend.get("/v1/users").await.has_status(200);
        for (body, code) in [
            (json!({ "name": null }), "form_param_nil"),
            (json!({ "name": "x", "restricted_to_actions": null }), "form_param_unknown"),
            (json!({ "name": "x", "expires_at": 1 }), "form_param_unknown"),
        ] {
            app.bapi().patch(format!("/v1/api-keys/{id}"), body).await.is_refused(422, code);
        }
    }

    async fn a_rotated_key_keeps_its_id_and_its_old_secret_for_the_overlap(app: TestApp) {
        let made = app.bapi().post("/v1/api-keys", json!({ "name": "Rotated" })).await;
        let (id, first) = (made.str("/id"), made.str("/secret"));
        app.skip_events().await;

        let rotated = app.bapi().post(format!("/v1/api-keys/{id}/rotate"), json!({ "overlap_seconds": 3600 })).await;

        let second = rotated.str("/secret");
        rotated.is(200, json!({ "id": id, "name": "Rotated", "prefix": second[..12] }));
        assert_ne!(first, second);
        assert!(opens(&app, &first).await && opens(&app, &second).await);
        app.advance(hours(1) - minutes(2));
        assert!(opens(&app, &first).await);
        app.advance(minutes(2));
        assert!(!opens(&app, &first).await && opens(&app, &second).await);
        assert_eq!(app.events().await, ["apiKey.rotated"]);
        for overlap in [json!(-1), json!(86_401)] {
            let refused = app.bapi().post(format!("/v1/api-keys/{id}/rotate"), json!({ "overlap_seconds": overlap })).await;
            refused.is_refused_for(422, "form_param_value_invalid", "overlap_seconds");
        }
    }

    async fn without_an_overlap_the_old_secret_ends_at_once(app: TestApp) {
        let made = app.bapi().post("/v1/api-keys", json!({ "name": "Rotated" })).await;
        let (id, first) = (made.str("/id"), made.str("/secret"));

        let second = app.bapi().post(format!("/v1/api-keys/{id}/rotate"), json!({})).await.has_status(200).str("/secret");

        assert!(!opens(&app, &first).await && opens(&app, &second).await);
    }

    async fn two_rotations_inside_an_overlap_keep_the_newest_two(app: TestApp) {
        let made = app.bapi().post("/v1/api-keys", json!({ "name": "Rotated" })).await;
        let (id, first) = (made.str("/id"), made.str("/secret"));
        let rotate = async |overlap: u64| {
            let body = json!({ "overlap_seconds": overlap });
            app.bapi().post(format!("/v1/api-keys/{id}/rotate"), body).await.has_status(200).str("/secret")
        };
        let second = rotate(3600).await;
        let third = rotate(3600).await;

        assert!(!opens(&app, &first).await && opens(&app, &second).await && opens(&app, &third).await);
        let fourth = rotate(0).await;
        for (secret, counts) in [(&first, false), (&second, false), (&third, false), (&fourth, true)] {
            assert_eq!(opens(&app, secret).await, counts);
        }
    }

    async fn a_key_rotates_itself_and_goes_on_with_the_new_secret(app: TestApp) {
        let me = app.bapi().get("/v1/api-keys").await.str("/data/0/id");

        let rotated = app.bapi().post(format!("/v1/api-keys/{me}/rotate"), json!({})).await;

        app.bapi().get("/v1/users").await.is_refused(401, "authentication_invalid");
        with(&app, &rotated.str("/secret")).get("/v1/users").await.has_status(200);
    }

    async fn a_revoked_key_stays_to_be_seen_and_a_key_does_not_revoke_itself(app: TestApp) {
        let me = app.bapi().get("/v1/api-keys").await.str("/data/0/id");
        let (id, backend) = restricted(&app, json!(["users:read"])).await;
        app.skip_events().await;

        let revoked = app.bapi().post_empty(format!("/v1/api-keys/{id}/revoke")).await;

        revoked.is(200, json!({ "id": id }));
        let when = revoked.at("/revoked_at").as_i64().expect("it is revoked");
        backend.get("/v1/users").await.is_refused(401, "authentication_invalid");
        app.advance(minutes(1));
        app.bapi().post_empty(format!("/v1/api-keys/{id}/revoke")).await.is(200, json!({ "revoked_at": when }));
        assert_eq!(app.events().await, ["apiKey.revoked"], "once");
        app.bapi().get(format!("/v1/api-keys/{id}")).await.is(200, json!({ "revoked_at": when }));
        let rotate = app.bapi().post(format!("/v1/api-keys/{id}/rotate"), json!({ "overlap_seconds": 60 })).await;
        rotate.is_refused(409, "api_key_not_live");
        app.bapi().post_empty(format!("/v1/api-keys/{me}/revoke")).await.is_refused(409, "api_key_in_use");
        for path in ["/v1/api-keys/apik_01ARZ3NDEKTSV4RRFFQ69G5FAV", "/v1/api-keys/x"] {
            app.bapi().get(path).await.is_refused(404, "api_key_not_found");
            app.bapi().post_empty(format!("{path}/revoke")).await.is_refused(404, "api_key_not_found");
        }
    }

    async fn an_answer_with_a_secret_is_replayed_sealed_for_ten_minutes(app: TestApp) {
        let make = || app.bapi().post("/v1/api-keys", json!({ "name": "Once" })).idempotency_key("k1");
        let made = make().await;
        made.has_status(201);
        let secret = made.str("/secret");

        let again = make().await;

        assert_eq!((again.status(), again.json(), again.header("idempotent-replayed")), (201, made.json(), Some("true")));
        assert!(!app.database_text().await.contains(&secret), "it is sealed");
        let id = made.str("/id");
        let rotate = || app.bapi().post(format!("/v1/api-keys/{id}/rotate"), json!({})).idempotency_key("k1");
        let rotated = rotate().await;
        assert_eq!(rotate().await.str("/secret"), rotated.str("/secret"));
        // Another key asks under the same idempotency key: the answer is not for it.
        let (_, other) = restricted(&app, json!(["api-keys:write", "api-keys:read"])).await;
        let stranger = other.post("/v1/api-keys", json!({ "name": "Once" })).idempotency_key("k1").await;
        stranger.is_refused(403, "forbidden");
        let fresh = make().await;
        fresh.has_status(201);
        assert_ne!(fresh.str("/id"), id, "an answer whose secret is worth nothing is not replayed");
        app.advance(minutes(11));
        assert_ne!(make().await.str("/id"), fresh.str("/id"), "after ten minutes it is gone");
    }

    async fn each_key_says_when_it_was_last_used(app: TestApp) {
        let (id, backend) = restricted(&app, json!(["users:read"])).await;
        let last = async || app.bapi().get(format!("/v1/api-keys/{id}")).await.at("/last_used_at").clone();
        assert_eq!(last().await, Value::Null);

        backend.get("/v1/users").await.has_status(200);
        app.tick().await;
        let used = last().await.as_i64().expect("it was used");
        assert!(used <= app.now().millis() && used + 60_000 > app.now().millis());
        app.advance(Duration::from_secs(20));
        backend.get("/v1/users").await.has_status(200);
        app.tick().await;

        assert_eq!(last().await, json!(used), "to the minute");
        app.advance(Duration::from_secs(40));
        backend.get("/v1/users").await.has_status(200);
        app.tick().await;
        assert!(last().await.as_i64().expect("it was used") >= used + 60_000);
    }
}
