//! Sign-in by a code that is sent to a phone: as the first factor, as the second, and as step-up.

use super::steps::{
    add_number, after_a_message, answer, challenge, given_number, jwks, open_sign_in, other_than, proven_number,
    reserved, try_password, verified, with_phones,
};
use serde_json::json;
use testkit::{TestApp, both, minutes};

const NUMBER: &str = "+16502530000";
const OTHER: &str = "+16502530001";

both! {
    async fn a_code_to_the_number_signs_in(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": " +1 650 253-0000" })).await;
        begun.is(200, json!({ "response": { "status": "needs_first_factor", "identifier": NUMBER } }));
        let strategies = begun.at("/response/supported_strategies").as_array().cloned().unwrap_or_default();
        assert!(strategies.contains(&json!("phone_code")) && !strategies.contains(&json!("email_code")), "{strategies:?}");
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));

        let open = challenge(&browser, &path, "phone_code").await;
        browser.get(&open).await.is(200, json!({ "strategy": "phone_code", "step": "first", "status": "pending" }));
        let code = app.last_sms_code(NUMBER).await;
        answer(&browser, &open, &other_than(&code)).await.is_refused(422, "form_code_incorrect");
        let done = answer(&browser, &open, &code).await;

        done.is(200, json!({ "response": { "status": "verified" }, "client": { "sessions": [{ "user_id": alice.id }] } }));
        browser.get(&path).await.is(200, json!({ "status": "complete" }));
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
        assert_eq!(app.smses().await.len(), 1);
    }

    async fn one_call_asks_for_the_code(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();

        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": NUMBER, "strategy": "phone_code" })).await;

        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let open = format!("{path}/challenges/{}", begun.str("/response/current_challenge_id"));
        answer(&browser, &open, &app.last_sms_code(NUMBER).await).await.has_status(200);
        browser.get("/v1/me").await.has_status(200);
    }

    async fn an_unproven_number_is_nobodys(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        add_number(&alice, NUMBER).await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, NUMBER).await;
        let open = challenge(&browser, &path, "phone_code").await;
        answer(&browser, &open, "135790").await.is_refused(422, "form_code_incorrect");
        assert_eq!(app.smses().await.len(), 0);
        try_password(&app.anyone(), NUMBER, &alice.user.password).await.is_refused(422, "form_password_incorrect");
    }

    async fn where_numbers_are_no_first_factor_none_is(app: TestApp) {
        with_phones(&app).await;
        app.settings(|s| s.attribute_settings.phone_number.used_for_first_factor = false).await;
        let alice = app.user("alice").created().await;
        given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, NUMBER).await;
        browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await.is_refused(422, "strategy_not_supported");
        try_password(&app.anyone(), NUMBER, &alice.password).await.is(200, json!({ "response": { "status": "complete" } }));
        app.settings(|s| s.attribute_settings.phone_number.enabled = false).await;
        try_password(&app.anyone(), NUMBER, &alice.password).await.is_refused_for(422, "form_param_format_invalid", "identifier");
    }

    async fn without_protection_it_is_told_who_is_unknown_and_what_is_not_possible(app: TestApp) {
        with_phones(&app).await;
        app.settings(|s| s.attack_protection.enumeration_protection = false).await;
        let begun = app.anyone().post("/v1/client/sign-ins", json!({ "identifier": OTHER })).await;
        begun.is(200, json!({ "response": { "status": "transferable" } }));
        let alice = app.user("alice").created().await;
        let id = given_number(&app, &alice.id, NUMBER).await;
        reserved(&app, &id).await;
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": NUMBER })).await;
        let strategies = begun.at("/response/supported_strategies").as_array().cloned().unwrap_or_default();
        assert!(!strategies.contains(&json!("phone_code")), "{strategies:?}");
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await.is_refused(422, "strategy_not_supported");
    }

    async fn a_reserved_number_is_asked_for_after_the_password(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let id = given_number(&app, &alice.id, NUMBER).await;
        reserved(&app, &id).await;
        let browser = app.anyone();
        let begun = try_password(&browser, &alice.email, &alice.password).await;
        begun.is(200, json!({ "response": { "status": "needs_second_factor", "supported_strategies": ["phone_code"], "created_session_id": null } }));
        browser.get("/v1/me").await.has_status(401);
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));

        let open = challenge(&browser, &path, "phone_code").await;
        browser.get(&open).await.is(200, json!({ "strategy": "phone_code", "step": "second" }));
        let code = app.last_sms_code(NUMBER).await;
        answer(&browser, &open, &other_than(&code)).await.is_refused(422, "form_code_incorrect");
        browser.get("/v1/me").await.has_status(401);
        answer(&browser, &open, &code).await.has_status(200);

        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
        let session = browser.get(&path).await.str("/created_session_id");
        let jwt = browser.post_empty(format!("/v1/client/sessions/{session}/tokens")).await.str("/jwt");
        let (_, claims) = verified(&jwt, &jwks(&browser).await);
        assert!(claims["fva"][1].as_i64().is_some_and(|age| (0..10).contains(&age)), "{claims}");
    }

    async fn the_code_goes_to_the_number_that_is_named_else_to_the_default_one(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let first = given_number(&app, &alice.id, NUMBER).await;
        let second = given_number(&app, &alice.id, OTHER).await;
        let third = given_number(&app, &alice.id, "+16502530002").await;
        reserved(&app, &first).await;
        let both = json!({ "reserved_for_second_factor": true, "default_second_factor": true });
        app.bapi().patch(format!("/v1/phone-numbers/{second}"), both).await.has_status(200);
        let browser = app.anyone();
        let begun = try_password(&browser, &alice.email, &alice.password).await;
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let ask = |number: Option<&str>| browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code", "phone_number_id": number }));

        challenge(&browser, &path, "phone_code").await;
        app.last_sms_code(OTHER).await;
        ask(Some(&first)).await.has_status(200);
        app.last_sms_code(NUMBER).await;
        for nobodys in [third.as_str(), "phn_01ARZ3NDEKTSV4RRFFQ69G5FAV", "x"] {
            ask(Some(nobodys)).await.is_refused_for(422, "phone_not_found", "phone_number_id");
        }
        assert_eq!(app.smses().await.len(), 2);
    }

    async fn a_signed_in_person_steps_up_by_the_number(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let path = proven_number(&app, &alice, NUMBER).await;
        let session = format!("/v1/client/sessions/{}", alice.session);
        let change = || alice.patch(&path, json!({ "is_primary": true }));
        app.advance(minutes(11));
        let refused = change().await;
        refused.is_refused(403, "reverification_required");
        assert_eq!(refused.at("/errors/0/meta/strategies"), &json!(["password", "email_code", "phone_code"]));

        // Without a second factor it is a first one.
        let open = challenge(&alice, &session, "phone_code").await;
        alice.get(&open).await.is(200, json!({ "step": "first", "strategy": "phone_code" }));
        let code = app.last_sms_code(NUMBER).await;
        answer(&alice, &open, &other_than(&code)).await.is_refused(422, "form_code_incorrect");
        change().await.is_refused(403, "reverification_required");
        answer(&alice, &open, &code).await.has_status(200);
        alice.patch(&path, json!({ "reserved_for_second_factor": true })).await.has_status(200);

        // With one, it is asked for, and nothing less is enough. It was the first factor a moment ago: another one first.
        app.advance(minutes(11));
        let ways = async || {
            let refused = change().await;
            refused.is_refused(403, "reverification_required");
            refused.at("/errors/0/meta/strategies").clone()
        };
        assert_eq!(ways().await, json!(["password", "email_code"]));
        let body = json!({ "strategy": "password", "password": alice.user.password });
        alice.post(format!("{session}/challenges"), body).await.has_status(200);
        assert_eq!(ways().await, json!(["phone_code"]));
        let open = challenge(&alice, &session, "phone_code").await;
        alice.get(&open).await.is(200, json!({ "step": "second" }));
        answer(&alice, &open, &app.last_sms_code(NUMBER).await).await.has_status(200);
        change().await.has_status(200);
    }

    async fn a_test_number_takes_the_fixed_code_at_both_steps(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let first = given_number(&app, &alice.id, "+15555550100").await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, "+15555550100").await;
        let open = challenge(&browser, &path, "phone_code").await;
        answer(&browser, &open, "424242").await.has_status(200);
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));

        reserved(&app, &first).await;
        let browser = app.anyone();
        let begun = try_password(&browser, &alice.email, &alice.password).await;
        let open = challenge(&browser, &format!("/v1/client/sign-ins/{}", begun.str("/response/id")), "phone_code").await;
        answer(&browser, &open, "424242").await.has_status(200);
        browser.get("/v1/me").await.has_status(200);
        // Nobody's test number is nobody's.
        let stranger = app.anyone();
        let path = open_sign_in(&stranger, "+15555550199").await;
        let open = challenge(&stranger, &path, "phone_code").await;
        answer(&stranger, &open, "424242").await.is_refused(422, "form_code_incorrect");
        assert_eq!(app.smses().await.len(), 0);
    }

    async fn a_message_goes_out_every_thirty_seconds_at_most(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, NUMBER).await;
        let open = challenge(&browser, &path, "phone_code").await;
        let code = app.last_sms_code(NUMBER).await;

        let refused = browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await;

        refused.is_refused(429, "rate_limit_exceeded");
        let wait: u64 = refused.header("retry-after").and_then(|wait| wait.parse().ok()).expect("it says how long to wait");
        assert!((1..=30).contains(&wait), "{wait}");
        // The code that was sent is as good as it was.
        answer(&browser, &open, &code).await.has_status(200);
        after_a_message(&app);
        let other = app.anyone();
        let path = open_sign_in(&other, NUMBER).await;
        challenge(&other, &path, "phone_code").await;
    }
}
