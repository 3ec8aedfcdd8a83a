//! People changed by a backend.

use crate::fapi::steps::{PASSWORD, try_password};
use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn what_is_absent_stays_and_what_is_null_is_cleared(app: TestApp) {
        let alice = app.user("alice").created().await;
        let patch = |body| app.bapi().patch(format!("/v1/users/{}", alice.id), body);
        patch(json!({ "first_name": "Alice", "last_name": "Liddell", "external_id": "crm-1", "username": "alice_l", "locale": "en" })).await
            .is(200, json!({ "first_name": "Alice", "last_name": "Liddell", "external_id": "crm-1", "username": "alice_l", "locale": "en" }));

        patch(json!({ "first_name": null })).await.is(200, json!({ "first_name": null, "last_name": "Liddell", "external_id": "crm-1" }));
        patch(json!({ "external_id": null, "username": null, "last_name": null, "locale": null })).await
            .is(200, json!({ "external_id": null, "username": null, "last_name": null, "locale": null }));
        patch(json!({})).await.has_status(200);
        for empty in ["first_name", "username", "external_id", "locale"] {
            patch(json!({ empty: "" })).await.is_refused(422, "form_param_format_invalid");
        }
    }

    async fn a_change_that_changes_nothing_is_no_event(app: TestApp) {
        let alice = app.user("alice").created().await;
        app.skip_events().await;
        let patch = |body| app.bapi().patch(format!("/v1/users/{}", alice.id), body);
        patch(json!({ "first_name": "Alice" })).await.has_status(200);
        patch(json!({ "first_name": "Alice" })).await.has_status(200);
        patch(json!({})).await.has_status(200);
        assert_eq!(app.events().await, ["user.updated"]);
        let events = app.logged_events(&app.env).await;
        let last = events.last().expect("there are events");
        assert_eq!(last.event_type, "user.updated");
    }

    async fn metadata_is_replaced_by_a_change_and_merged_by_its_own_route(app: TestApp) {
        let alice = app.user("alice").created().await;
        let path = format!("/v1/users/{}", alice.id);
        let bucket = json!({ "a": 1, "b": { "x": 1, "y": 2 }, "c": [1] });
        app.bapi().patch(&path, json!({ "public_metadata": bucket, "private_metadata": bucket })).await.has_status(200);

        let merged = app.bapi().patch(format!("{path}/metadata"), json!({
            "public_metadata": { "a": null, "b": { "z": 3 }, "d": "new" }, "unsafe_metadata": { "u": 1 },
        })).await;

        merged.has_status(200);
        assert_eq!(merged.at("/public_metadata/d"), "new");
        assert!(merged.json().pointer("/public_metadata/a").is_none(), "null removes");
        assert_eq!(merged.at("/public_metadata/b/z"), 3);
        assert_eq!(merged.at("/public_metadata/c"), &json!([1]));
        assert_eq!(merged.at("/private_metadata"), &bucket, "an absent bucket stays");
        assert_eq!(merged.at("/unsafe_metadata"), &json!({ "u": 1 }));

        let replaced = app.bapi().patch(&path, json!({ "public_metadata": { "only": true } })).await;
        assert_eq!(replaced.at("/public_metadata"), &json!({ "only": true }));
        app.bapi().patch(format!("{path}/metadata"), json!({ "public_metadata": {} })).await
            .is(200, json!({ "public_metadata": { "only": true } }));
    }

    async fn merged_metadata_is_bounded_as_a_whole(app: TestApp) {
        let alice = app.user("alice").created().await;
        let path = format!("/v1/users/{}/metadata", alice.id);
        app.bapi().patch(&path, json!({ "public_metadata": { "a": "x".repeat(5000) } })).await.has_status(200);
        app.bapi().patch(&path, json!({ "public_metadata": { "b": "x".repeat(5000) } })).await
            .is_refused_for(422, "metadata_too_large", "public_metadata");
        app.bapi().patch(&path, json!({ "public_metadata": { "a": null, "b": "x".repeat(5000) } })).await.has_status(200);
        app.bapi().patch(&path, json!({ "other": {} })).await.is_refused_for(422, "form_param_unknown", "other");
        app.bapi().patch(&path, json!({ "public_metadata": "x" })).await.is_refused_for(422, "form_param_format_invalid", "public_metadata");
    }

    async fn many_who_merge_at_once_lose_nothing(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (path, backend) = (format!("/v1/users/{}/metadata", alice.id), app.bapi());
        let replies = testkit::race(10, |i| backend.patch(&path, json!({ "public_metadata": { format!("k{i}"): i } })).into_future()).await;
        assert!(replies.iter().all(|r| r.status() == 200));
        let shown = app.bapi().get(format!("/v1/users/{}", alice.id)).await;
        assert_eq!(shown.at("/public_metadata").as_object().map(serde_json::Map::len), Some(10));
    }

    async fn what_somebody_else_has_is_taken(app: TestApp) {
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        app.bapi().patch(format!("/v1/users/{}", bob.id), json!({ "username": "bobby", "external_id": "crm-b" })).await.has_status(200);
        let patch = |body| app.bapi().patch(format!("/v1/users/{}", alice.id), body);
        patch(json!({ "username": "BOBBY", "first_name": "x" })).await.is_refused_for(409, "form_identifier_exists", "username");
        patch(json!({ "external_id": "crm-b", "first_name": "x" })).await.is_refused_for(409, "form_identifier_exists", "external_id");
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "first_name": null }));
        app.bapi().patch(format!("/v1/users/{}", bob.id), json!({ "username": "Bobby" })).await.has_status(200);
    }

    async fn a_primary_address_is_one_of_the_persons_own_proven_ones(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").created().await);
        let added = app.bapi().post("/v1/email-addresses", json!({ "user_id": alice.id(), "email_address": "new@example.com", "verified": true })).await;
        let unproven = app.bapi().post("/v1/email-addresses", json!({ "user_id": alice.id(), "email_address": "other@example.com" })).await;
        let patch = |id: &str| app.bapi().patch(format!("/v1/users/{}", alice.id()), json!({ "primary_email_address_id": id }));

        patch(&added.str("/id")).await.is(200, json!({ "primary_email_address_id": added.str("/id") }));
        for bad in [bob.email_id.as_str(), &unproven.str("/id"), "idn_x"] {
            patch(bad).await.is_refused_for(422, "email_not_verified", "primary_email_address_id");
        }
    }

    async fn a_backends_new_password_counts_at_once_and_is_told(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let patch = |body| app.bapi().patch(format!("/v1/users/{}", alice.id()), body);
        patch(json!({ "password": "short" })).await.is_refused_for(422, "form_password_validation_failed", "password");

        patch(json!({ "password": PASSWORD })).await.has_status(200);

        alice.get("/v1/me").await.has_status(200);
        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.is_refused(422, "form_password_incorrect");
        try_password(&app.anyone(), &alice.user.email, PASSWORD).await.has_status(200);
        assert!(app.mails_to(&alice.user.email).await[0].text.contains("password"));
        patch(json!({ "password": format!("{PASSWORD}!"), "sign_out_of_other_sessions": true })).await.has_status(200);
        alice.get("/v1/me").await.is_refused(401, "session_revoked");
    }

    async fn what_cannot_be_changed_is_unknown(app: TestApp) {
        let alice = app.user("alice").created().await;
        for name in ["id", "banned", "locked", "created_at", "updated_at", "last_sign_in_at", "email_address", "image_url", "object"] {
            app.bapi().patch(format!("/v1/users/{}", alice.id), json!({ name: "x" })).await.is_refused_for(422, "form_param_unknown", name);
        }
        for bad in ["user_x", "x", "user_01ARZ3NDEKTSV4RRFFQ69G5FAV", &alice.email_id] {
            app.bapi().patch(format!("/v1/users/{bad}"), json!({ "first_name": "x" })).await.is_refused(404, "user_not_found");
            app.bapi().patch(format!("/v1/users/{bad}/metadata"), json!({})).await.is_refused(404, "user_not_found");
        }
    }

    async fn a_person_keeps_a_last_identifier(app: TestApp) {
        let body = json!({ "username": "annlee", "skip_password_requirement": true });
        let made = app.bapi().post("/v1/users", body).await;
        app.bapi().patch(format!("/v1/users/{}", made.str("/id")), json!({ "username": null })).await
            .is_refused_for(422, "last_identifier_not_removable", "username");
    }

    async fn a_backend_asks_whether_a_password_is_right(app: TestApp) {
        let alice = app.user("alice").created().await;
        let path = format!("/v1/users/{}/verify-password", alice.id);
        let verify = |password: &str| app.bapi().post(&path, json!({ "password": password }));
        app.skip_events().await;

        let right = verify(&alice.password).await;
        assert_eq!(right.json(), &json!({ "verified": true }));
        assert_eq!(verify("wrong words").await.json(), &json!({ "verified": false }));
        app.bapi().post(&path, json!({})).await.is_refused_for(422, "form_param_nil", "password");
        assert_eq!(app.events().await, Vec::<String>::new());
        let bare = app.bapi().post("/v1/users", json!({ "external_id": "x", "skip_password_requirement": true })).await;
        app.bapi().post(format!("/v1/users/{}/verify-password", bare.str("/id")), json!({ "password": "any thing" })).await
            .is(200, json!({ "verified": false }));
        app.bapi().post("/v1/users/user_x/verify-password", json!({ "password": "x" })).await.is_refused(404, "user_not_found");
    }

    async fn ten_wrong_questions_about_one_person_are_enough(app: TestApp) {
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        let verify = |id: &str, password: &str| app.bapi().post(format!("/v1/users/{id}/verify-password"), json!({ "password": password }));
        for _ in 0..10 {
            verify(&alice.id, "wrong words").await.is(200, json!({ "verified": false }));
        }

        let refused = verify(&alice.id, &alice.password).await;

        refused.is_refused(429, "rate_limit_exceeded");
        assert!(refused.at("/errors/0/meta/retry_after_seconds").as_i64().is_some_and(|s| (1..=600).contains(&s)));
        assert!(refused.header("retry-after").is_some());
        verify(&bob.id, &bob.password).await.is(200, json!({ "verified": true }));
        // a sign-in has a counter of its own
        try_password(&app.anyone(), &alice.email, &alice.password).await.has_status(200);
        app.advance(std::time::Duration::from_secs(601));
        verify(&alice.id, &alice.password).await.is(200, json!({ "verified": true }));
    }
}
