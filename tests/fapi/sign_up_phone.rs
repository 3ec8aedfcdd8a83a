//! Sign-up with a phone number.

use super::steps::{
    PASSWORD, after_a_message, answer, challenge, given_number, open_sign_in, other_than, try_password, with_phones,
};
use serde_json::json;
use testkit::{Caller, TestApp, both};

const NUMBER: &str = "+16502530000";
const OTHER: &str = "+16502530001";

/// Numbers are all there is to sign up with.
async fn numbers_only(app: &TestApp) {
    with_phones(app).await;
    app.settings(|s| {
        s.attribute_settings.phone_number.required = true;
        s.attribute_settings.email_address.enabled = false;
        s.attribute_settings.email_address.required = false;
        s.attribute_settings.password.required = false;
    })
    .await;
}

async fn begin(browser: &Caller, number: &str) -> String {
    let begun = browser.post("/v1/client/sign-ups", json!({ "phone_number": number })).await;
    format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"))
}

both! {
    async fn a_proven_number_is_a_person_and_a_session(app: TestApp) {
        numbers_only(&app).await;
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ups", json!({ "phone_number": "+1 (650) 253 0000" })).await;
        begun.is(200, json!({ "response": {
            "status": "missing_requirements", "phone_number": NUMBER, "missing_fields": [], "unverified_fields": ["phone_number"],
            "supported_strategies": ["phone_code"],
        } }));
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        let open = challenge(&browser, &path, "phone_code").await;
        let code = app.last_sms_code(NUMBER).await;
        answer(&browser, &open, &other_than(&code)).await.is_refused(422, "form_code_incorrect");

        answer(&browser, &open, &code).await.is(200, json!({ "response": { "status": "verified" } }));

        browser.get(&path).await.is(200, json!({ "status": "complete" }));
        let me = browser.get("/v1/me").await;
        me.is(200, json!({ "email_addresses": [], "phone_numbers": [{ "phone_number": NUMBER, "verified": true, "is_primary": true }] }));
        assert_eq!(me.at("/primary_phone_number_id"), me.at("/phone_numbers/0/id"));
        // The same number signs in again.
        after_a_message(&app);
        let again = app.anyone();
        let path = open_sign_in(&again, NUMBER).await;
        let open = challenge(&again, &path, "phone_code").await;
        answer(&again, &open, &app.last_sms_code(NUMBER).await).await.has_status(200);
        again.get("/v1/me").await.is(200, json!({ "id": me.at("/id") }));
    }

    async fn an_address_and_a_number_are_both_proven(app: TestApp) {
        with_phones(&app).await;
        let browser = app.anyone();
        let staged = json!({ "email_address": "ann@example.com", "phone_number": NUMBER, "password": PASSWORD });
        let begun = browser.post("/v1/client/sign-ups", staged).await;
        begun.is(200, json!({ "response": { "unverified_fields": ["email_address", "phone_number"] } }));
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        let open = challenge(&browser, &path, "email_code").await;
        answer(&browser, &open, &app.last_code("ann@example.com").await).await.has_status(200);
        browser.get(&path).await.is(200, json!({ "status": "missing_requirements", "unverified_fields": ["phone_number"] }));
        let open = challenge(&browser, &path, "phone_code").await;
        answer(&browser, &open, &app.last_sms_code(NUMBER).await).await.has_status(200);
        browser.get("/v1/me").await.is(200, json!({
            "email_addresses": [{ "email_address": "ann@example.com", "verified": true }], "phone_numbers": [{ "verified": true }],
        }));
        try_password(&app.anyone(), NUMBER, PASSWORD).await.is(200, json!({ "response": { "status": "complete" } }));
    }

    async fn a_taken_number_is_told_at_once(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();
        for spelling in [NUMBER, "+1 650-253-0000"] {
            let body = json!({ "email_address": "ann@example.com", "phone_number": spelling });
            browser.post("/v1/client/sign-ups", body).await.is_refused_for(422, "form_identifier_exists", "phone_number");
        }
        assert_eq!(app.smses().await.len(), 0);
    }

    async fn a_number_that_is_taken_meanwhile_is_told_too(app: TestApp) {
        numbers_only(&app).await;
        let browser = app.anyone();
        let path = begin(&browser, NUMBER).await;
        let open = challenge(&browser, &path, "phone_code").await;
        let code = app.last_sms_code(NUMBER).await;
        let alice = app.user("alice").created().await;
        given_number(&app, &alice.id, NUMBER).await;

        answer(&browser, &open, &code).await.is_refused_for(422, "form_identifier_exists", "phone_number");

        browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await.is_refused(422, "form_identifier_exists");
        browser.get("/v1/me").await.has_status(401);
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn another_number_needs_a_proof_of_its_own(app: TestApp) {
        numbers_only(&app).await;
        app.settings(|s| s.attribute_settings.username.enabled = true).await;
        app.settings(|s| s.attribute_settings.username.required = true).await;
        let browser = app.anyone();
        let path = begin(&browser, NUMBER).await;
        let open = challenge(&browser, &path, "phone_code").await;
        let code = app.last_sms_code(NUMBER).await;
        browser.patch(&path, json!({ "phone_number": OTHER })).await.has_status(200);
        answer(&browser, &open, &code).await.is_refused(422, "verification_expired");
        let open = challenge(&browser, &path, "phone_code").await;
        answer(&browser, &open, &app.last_sms_code(OTHER).await).await.has_status(200);
        browser.get(&path).await.is(200, json!({ "unverified_fields": [], "missing_fields": ["username"] }));
        browser.patch(&path, json!({ "phone_number": NUMBER, "username": "annlee" })).await
            .is(200, json!({ "response": { "status": "missing_requirements", "unverified_fields": ["phone_number"] } }));
    }

    async fn what_is_no_number_or_a_refused_test_number_is_named(app: TestApp) {
        numbers_only(&app).await;
        let begin = |number: &str| app.anyone().post("/v1/client/sign-ups", json!({ "phone_number": number }));
        for bad in ["nothing", "+1", "6502530000", "+10000000000"] {
            begin(bad).await.is_refused_for(422, "form_param_format_invalid", "phone_number");
        }
        app.settings(|s| s.test_mode = Some(domain::settings::TestMode::Rejected)).await;
        begin("+15555550123").await.is_refused_for(422, "test_identifier_forbidden", "phone_number");
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ups", json!({})).await;
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await.is_refused_for(422, "form_param_nil", "phone_number");
    }

    async fn a_test_number_opens_no_real_mailbox(app: TestApp) {
        with_phones(&app).await;
        let browser = app.anyone();
        let staged = json!({ "email_address": "victim@example.com", "phone_number": "+15555550123", "password": PASSWORD });
        let begun = browser.post("/v1/client/sign-ups", staged).await;
        let path = format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"));
        let open = challenge(&browser, &path, "phone_code").await;
        answer(&browser, &open, "424242").await.has_status(200);

        let open = challenge(&browser, &path, "email_code").await;

        let code = app.last_code("victim@example.com").await;
        if code != "424242" {
            answer(&browser, &open, "424242").await.is_refused(422, "form_code_incorrect");
        }
        browser.get("/v1/me").await.has_status(401);
    }
}
