//! Numbers on a backend's word.

use crate::fapi::steps::{PASSWORD, given_number, reserved, try_password, with_phones};
use serde_json::json;
use testkit::{TestApp, both};

const NUMBER: &str = "+16502530000";
const OTHER: &str = "+16502530001";

both! {
    async fn a_number_is_added_proven_or_not(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let add = |body| app.bapi().post("/v1/phone-numbers", body);
        app.skip_events().await;

        let plain = add(json!({ "user_id": alice.id, "phone_number": "+1 650 253 0000" })).await;
        plain.is(201, json!({ "object": "phone_number", "phone_number": NUMBER, "verified": false, "is_primary": false }));
        let proven = add(json!({ "user_id": alice.id, "phone_number": OTHER, "verified": true })).await;
        proven.is(201, json!({ "verified": true, "is_primary": true }));
        let primary = add(json!({ "user_id": alice.id, "phone_number": "+16502530002", "verified": true, "primary": true })).await;
        primary.is(201, json!({ "is_primary": true }));

        assert_eq!(app.events().await, [
            "phoneNumber.created", "user.updated",
            "phoneNumber.created", "phoneNumber.verified", "user.updated",
            "phoneNumber.created", "phoneNumber.verified", "user.updated",
        ]);
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "primary_phone_number_id": primary.str("/id") }));
        app.bapi().get(format!("/v1/phone-numbers/{}", proven.str("/id"))).await.is(200, json!({ "phone_number": OTHER, "is_primary": false }));
        assert_eq!(app.smses().await.len(), 0, "no challenge is issued");
        try_password(&app.anyone(), OTHER, &alice.password).await.is(200, json!({ "response": { "status": "complete" } }));
        try_password(&app.anyone(), NUMBER, &alice.password).await.is_refused(422, "form_password_incorrect");
    }

    async fn a_number_needs_a_person_and_a_form(app: TestApp) {
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        let add = |body| app.bapi().post("/v1/phone-numbers", body);
        let empty = add(json!({})).await;
        empty.is_refused_for(422, "form_param_nil", "user_id");
        empty.is_refused_for(422, "form_param_nil", "phone_number");
        for nobody in ["user_x", "user_01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
            add(json!({ "user_id": nobody, "phone_number": NUMBER })).await.is_refused(404, "user_not_found");
        }
        for bad in ["nothing", "6502530000", "+10000000000"] {
            add(json!({ "user_id": alice.id, "phone_number": bad })).await.is_refused_for(422, "form_param_format_invalid", "phone_number");
        }
        add(json!({ "user_id": alice.id, "phone_number": NUMBER, "verified": true })).await.has_status(201);
        for user in [&alice.id, &bob.id] {
            add(json!({ "user_id": user, "phone_number": "+1-650-253-0000" })).await.is_refused_for(409, "phone_number_in_use", "phone_number");
        }
        let other = app.second_environment().await;
        app.bapi_of(&other).post("/v1/phone-numbers", json!({ "user_id": alice.id, "phone_number": OTHER })).await
            .is_refused(404, "user_not_found");
        app.settings(|s| s.test_mode = Some(domain::settings::TestMode::Rejected)).await;
        add(json!({ "user_id": alice.id, "phone_number": "+15555550100" })).await.is_refused(422, "test_identifier_forbidden");
    }

    async fn flags_are_changed_as_a_whole(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let first = given_number(&app, &alice.id, NUMBER).await;
        let body = json!({ "user_id": alice.id, "phone_number": OTHER });
        let second = app.bapi().post("/v1/phone-numbers", body).await.str("/id");
        let patch = |id: &str, body| app.bapi().patch(format!("/v1/phone-numbers/{id}"), body);
        patch(&second, json!({ "is_primary": true })).await.is_refused_for(422, "phone_not_verified", "is_primary");
        patch(&second, json!({ "default_second_factor": true })).await.is_refused(422, "form_param_value_invalid");
        app.skip_events().await;

        let all = json!({ "verified": true, "is_primary": true, "reserved_for_second_factor": true, "default_second_factor": true });
        patch(&second, all).await.is(200, json!({ "verified": true, "is_primary": true, "default_second_factor": true }));

        assert_eq!(app.events().await, ["phoneNumber.verified", "user.updated"]);
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "two_factor_enabled": true, "primary_phone_number_id": second }));
        patch(&second, json!({})).await.is(200, json!({ "is_primary": true }));
        assert_eq!(app.events().await, ["phoneNumber.verified", "user.updated"], "nothing was changed");
        patch(&second, json!({ "verified": false })).await.is_refused_for(422, "form_param_value_invalid", "verified");
        patch(&first, json!({ "verified": false })).await.is(200, json!({ "verified": false }));
        patch(&second, json!({ "is_primary": false })).await.is_refused_for(422, "form_param_value_invalid", "is_primary");
        app.bapi().delete(format!("/v1/phone-numbers/{second}")).await.is_refused(409, "phone_reserved_for_second_factor");
        patch(&second, json!({ "reserved_for_second_factor": false })).await.is(200, json!({ "default_second_factor": false }));
        app.bapi().delete(format!("/v1/phone-numbers/{second}")).await.has_status(204);
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "two_factor_enabled": false, "primary_phone_number_id": null }));
        app.bapi().get(format!("/v1/phone-numbers/{second}")).await.is_refused(404, "phone_number_not_found");
        patch(&second, json!({})).await.is_refused(404, "phone_number_not_found");
        app.bapi().delete(format!("/v1/phone-numbers/{second}")).await.is_refused(404, "phone_number_not_found");
    }

    async fn enrolling_needs_the_switch_of_the_environment(app: TestApp) {
        let alice = app.user("alice").created().await;
        let id = given_number(&app, &alice.id, NUMBER).await;
        let body = json!({ "reserved_for_second_factor": true });
        app.bapi().patch(format!("/v1/phone-numbers/{id}"), body).await.is_refused(422, "mfa_not_enabled");
        app.bapi().patch("/v1/instance", json!({ "multi_factor": { "phone_code": { "enabled": true } } })).await.has_status(200);
        reserved(&app, &id).await;
    }

    async fn a_number_proven_by_two_is_the_firsts(app: TestApp) {
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        let add = |user: &str| app.bapi().post("/v1/phone-numbers", json!({ "user_id": user, "phone_number": NUMBER }));
        let (hers, his) = (add(&alice.id).await.str("/id"), add(&bob.id).await.str("/id"));
        let prove = |id: &str| app.bapi().patch(format!("/v1/phone-numbers/{id}"), json!({ "verified": true }));

        prove(&hers).await.has_status(200);

        prove(&his).await.is_refused(404, "phone_number_not_found");
        app.bapi().get(format!("/v1/users/{}", bob.id)).await.is(200, json!({ "phone_numbers": [] }));
    }

    async fn numbers_are_listed_page_by_page(app: TestApp) {
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        for i in 0..3 {
            given_number(&app, &alice.id, &format!("+1650253000{i}")).await;
            app.advance(std::time::Duration::from_secs(1));
        }
        given_number(&app, &bob.id, "+16502530009").await;

        let all = app.bapi().get("/v1/phone-numbers?limit=3").await;
        all.is(200, json!({ "total_count": 4, "data": [
            { "phone_number": "+16502530009", "is_primary": true }, { "phone_number": "+16502530002", "is_primary": false }, { "phone_number": "+16502530001" },
        ] }));
        let rest = app.bapi().get(format!("/v1/phone-numbers?limit=3&cursor={}", all.str("/meta/next_cursor"))).await;
        rest.is(200, json!({ "data": [{ "phone_number": "+16502530000", "is_primary": true }], "total_count": 4 }));
        assert!(rest.json()["meta"].get("next_cursor").is_none());
        let hers = app.bapi().get(format!("/v1/phone-numbers?user_id={}&offset=1&order_by=created_at", alice.id)).await;
        hers.is(200, json!({ "total_count": 3, "data": [{ "phone_number": "+16502530001" }, { "phone_number": "+16502530002" }] }));
        app.bapi().get("/v1/phone-numbers?order_by=phone_number").await.is_refused(422, "form_param_value_invalid");
        app.bapi().get("/v1/phone-numbers?user_id=x").await.has_status(422);
        let other = app.second_environment().await;
        app.bapi_of(&other).get("/v1/phone-numbers").await.is(200, json!({ "data": [], "total_count": 0 }));
    }

    async fn a_person_is_made_found_changed_and_deleted_with_numbers(app: TestApp) {
        with_phones(&app).await;
        let make = |numbers: serde_json::Value| app.bapi().post("/v1/users", json!({ "phone_number": numbers, "password": PASSWORD }));
        let made = make(json!(["+1 650 253 0000", OTHER])).await;
        made.is(201, json!({ "phone_numbers": [
            { "phone_number": NUMBER, "verified": true, "is_primary": true }, { "phone_number": OTHER, "verified": true, "is_primary": false },
        ] }));
        let path = format!("/v1/users/{}", made.str("/id"));
        make(json!([OTHER])).await.is_refused_for(409, "form_identifier_exists", "phone_number");
        make(json!(["+16502530002", "+1 6502530002"])).await.is_refused_for(409, "form_identifier_exists", "phone_number");
        make(json!(["x"])).await.is_refused_for(422, "form_param_format_invalid", "phone_number.0");
        make(json!([])).await.is_refused(422, "form_param_nil");

        for query in ["%2B16502530001", "+16502530001", "%2B1%20(650)%20253-0001", "%2B16502530009&phone_number=%2B16502530000"] {
            app.bapi().get(format!("/v1/users?phone_number={query}")).await.is(200, json!({ "total_count": 1, "data": [{ "id": made.str("/id") }] }));
        }
        app.bapi().get("/v1/users/count?phone_number=%2B16502530009").await.is(200, json!({ "total_count": 0 }));
        app.bapi().get("/v1/users?query=2530001").await.is(200, json!({ "total_count": 1 }));

        let second = made.str("/phone_numbers/1/id");
        app.bapi().patch(&path, json!({ "primary_phone_number_id": second })).await.is(200, json!({ "primary_phone_number_id": second }));
        for bad in ["phn_01ARZ3NDEKTSV4RRFFQ69G5FAV", "x"] {
            app.bapi().patch(&path, json!({ "primary_phone_number_id": bad })).await.is_refused_for(422, "phone_not_verified", "primary_phone_number_id");
        }
        app.bapi().patch(&path, json!({ "primary_phone_number_id": null })).await.is(200, json!({ "primary_phone_number_id": null }));

        app.bapi().delete(&path).await.has_status(204);
        app.bapi().get(format!("/v1/phone-numbers/{second}")).await.is_refused(404, "phone_number_not_found");
        make(json!([NUMBER])).await.has_status(201);
    }

    async fn the_attribute_is_switched_on_through_the_instance(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let body = json!({ "attribute_settings": { "phone_number": { "enabled": true, "used_for_first_factor": true } } });
        app.bapi().patch("/v1/instance", body).await.has_status(200);
        alice.post("/v1/me/phone-numbers", json!({ "phone_number": NUMBER })).await.has_status(201);
        app.anyone().get("/v1/environment").await.is(200, json!({ "auth_config": { "identifier_requirements": { "phone_number": "optional" } } }));
        let odd = json!({ "attribute_settings": { "phone_number": { "verifications": ["email_code"] } } });
        app.bapi().patch("/v1/instance", odd).await.is_refused(422, "form_param_value_invalid");
    }

    async fn a_repeated_request_adds_one_number(app: TestApp) {
        let alice = app.user("alice").created().await;
        let body = json!({ "user_id": alice.id, "phone_number": NUMBER });
        let first = app.bapi().post("/v1/phone-numbers", body.clone()).idempotency_key("once").await;
        let again = app.bapi().post("/v1/phone-numbers", body).idempotency_key("once").await;
        assert_eq!((again.status(), again.json()), (201, first.json()));
        app.bapi().get("/v1/phone-numbers").await.is(200, json!({ "total_count": 1 }));
    }
}
