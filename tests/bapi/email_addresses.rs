//! Addresses on a backend's word.

use crate::fapi::steps::{PASSWORD, try_password};
use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn an_address_is_added_proven_or_not(app: TestApp) {
        let alice = app.user("alice").created().await;
        let add = |body| app.bapi().post("/v1/email-addresses", body);
        app.skip_events().await;

        let plain = add(json!({ "user_id": alice.id, "email_address": " One@Example.com " })).await;
        plain.is(201, json!({ "object": "email_address", "email_address": "one@example.com", "verified": false }));
        let proven = add(json!({ "user_id": alice.id, "email_address": "two@example.com", "verified": true })).await;
        proven.is(201, json!({ "verified": true }));
        let primary = add(json!({ "user_id": alice.id, "email_address": "three@example.com", "verified": true, "primary": true })).await;
        primary.has_status(201);

        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "primary_email_address_id": primary.str("/id") }));
        app.bapi().get(format!("/v1/email-addresses/{}", plain.str("/id"))).await.is(200, json!({ "email_address": "one@example.com" }));
        assert_eq!(app.mails_to("one@example.com").await.len(), 0, "no challenge is issued");
        try_password(&app.anyone(), "two@example.com", &alice.password).await.has_status(200);
        try_password(&app.anyone(), "one@example.com", &alice.password).await.is_refused(422, "form_password_incorrect");
    }

    async fn an_address_needs_a_person_and_a_form(app: TestApp) {
        let alice = app.user("alice").created().await;
        let add = |body| app.bapi().post("/v1/email-addresses", body);
        let empty = add(json!({})).await;
        empty.is_refused_for(422, "form_param_nil", "user_id");
        empty.is_refused_for(422, "form_param_nil", "email_address");
        for nobody in ["user_x", "user_01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
            add(json!({ "user_id": nobody, "email_address": "a@example.com" })).await.is_refused(404, "user_not_found");
        }
        add(json!({ "user_id": alice.id, "email_address": "nothing" })).await.is_refused_for(422, "form_param_format_invalid", "email_address");
        add(json!({ "user_id": alice.id, "email_address": "a@example.com", "verified": "yes", "x": 1 })).await.has_status(422);
        add(json!({ "user_id": alice.id, "email_address": alice.email })).await.is_refused_for(409, "form_identifier_exists", "email_address");
        let bob = app.user("bob").created().await;
        add(json!({ "user_id": alice.id, "email_address": bob.email })).await.is_refused_for(409, "form_identifier_exists", "email_address");
        let other = app.second_environment().await;
        app.bapi_of(&other).post("/v1/email-addresses", json!({ "user_id": alice.id, "email_address": "a@example.com" })).await
            .is_refused(404, "user_not_found");
    }

    async fn an_address_is_proven_and_made_primary_and_never_unproven(app: TestApp) {
        let alice = app.user("alice").created().await;
        let added = app.bapi().post("/v1/email-addresses", json!({ "user_id": alice.id, "email_address": "new@example.com" })).await;
        let path = format!("/v1/email-addresses/{}", added.str("/id"));
        let patch = |body| app.bapi().patch(&path, body);

        patch(json!({ "primary": true })).await.is_refused(422, "email_not_verified");
        patch(json!({ "verified": true })).await.is(200, json!({ "verified": true }));
        patch(json!({ "verified": false })).await.is_refused_for(422, "form_param_value_invalid", "verified");
        patch(json!({ "primary": true })).await.has_status(200);
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "primary_email_address_id": added.str("/id") }));
        assert!(app.mails_to(&alice.email).await[0].text.contains("no longer the primary"));
        patch(json!({ "primary": false })).await.is_refused(422, "form_param_value_invalid");
        patch(json!({ "email_address": "x@example.com" })).await.is_refused_for(422, "form_param_unknown", "email_address");
        app.bapi().patch("/v1/email-addresses/idn_x", json!({})).await.is_refused(404, "email_not_found");
    }

    async fn proving_takes_it_from_those_who_never_did(app: TestApp) {
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        let add = |user: &str| app.bapi().post("/v1/email-addresses", json!({ "user_id": user, "email_address": "shared@example.com" }));
        let (a, b) = (add(&alice.id).await, add(&bob.id).await);
        a.has_status(201);
        b.has_status(201);

        app.bapi().patch(format!("/v1/email-addresses/{}", a.str("/id")), json!({ "verified": true })).await.has_status(200);

        app.bapi().get(format!("/v1/email-addresses/{}", b.str("/id"))).await.is_refused(404, "email_not_found");
        app.bapi().get(format!("/v1/users/{}", bob.id)).await.is(200, json!({ "email_addresses": [{ "email_address": bob.email }] }));
    }

    async fn a_deleted_primary_address_gives_its_place_to_the_oldest_proven_one(app: TestApp) {
        let alice = app.user("alice").created().await;
        let add = |email: &str, verified: bool| {
            app.bapi().post("/v1/email-addresses", json!({ "user_id": alice.id, "email_address": email, "verified": verified }))
        };
        add("unproven@example.com", false).await.has_status(201);
        app.advance(std::time::Duration::from_secs(1));
        let second = add("second@example.com", true).await.str("/id");
        app.advance(std::time::Duration::from_secs(1));
        add("third@example.com", true).await.has_status(201);

        app.bapi().delete(format!("/v1/email-addresses/{}", alice.email_id)).await.has_status(204);

        let shown = app.bapi().get(format!("/v1/users/{}", alice.id)).await;
        assert_eq!(shown.str("/primary_email_address_id"), second);
        assert_eq!(shown.at("/email_addresses").as_array().map(Vec::len), Some(3));
        app.bapi().delete(format!("/v1/email-addresses/{}", alice.email_id)).await.is_refused(404, "email_not_found");
        app.bapi().post("/v1/users", json!({ "email_address": [alice.email], "password": PASSWORD })).await.has_status(201);
    }

    async fn the_last_identifier_stays(app: TestApp) {
        let alice = app.user("alice").created().await;
        app.bapi().delete(format!("/v1/email-addresses/{}", alice.email_id)).await.is_refused(422, "last_identifier_not_removable");
        app.bapi().patch(format!("/v1/users/{}", alice.id), json!({ "username": "alice_l" })).await.has_status(200);
        app.bapi().delete(format!("/v1/email-addresses/{}", alice.email_id)).await.has_status(204);
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "email_addresses": [], "primary_email_address_id": null }));
    }
}
