//! A password alone, on a device that was never the person's.

use super::links::{confirm, last_ticket, submit, switch_on};
use super::steps::{PASSWORD, answer, challenge, given_number, open_sign_in, try_password, with_phones};
use serde_json::json;
use testkit::{AuthenticatorApp, Caller, KnownUser, Reply, TestApp, both};

const NUMBER: &str = "+16502530000";

/// Asks for trust in new devices.
pub(crate) async fn require_trust(app: &TestApp) {
    let change = json!({ "attack_protection": { "device_tracking": { "require_device_trust": true } } });
    let shown =
        json!({ "attack_protection": { "device_tracking": { "enabled": true, "require_device_trust": true } } });
    app.bapi().patch("/v1/instance", change).await.is(200, shown);
}

/// A password that is right, and is not enough; the path of the attempt.
pub(crate) async fn new_device(browser: &Caller, user: &KnownUser) -> String {
    let begun = try_password(browser, &user.email, &user.password).await;
    begun.is(200, json!({ "response": { "status": "needs_client_trust", "created_session_id": null }, "client": { "sessions": [] } }));
    format!("/v1/client/sign-ins/{}", begun.str("/response/id"))
}

/// Shows that a device is the person's own by a mailed code.
async fn trusted(app: &TestApp, browser: &Caller, user: &KnownUser) -> Reply {
    let path = new_device(browser, user).await;
    let open = challenge(browser, &path, "email_code").await;
    let done = answer(browser, &open, &app.last_code(&user.email).await).await;
    done.is(200, json!({ "response": { "status": "verified" }, "client": { "sign_in": null, "sessions": [{ "status": "active" }] } }));
    done
}

async fn signs_out(browser: &Caller) {
    let session = browser.get("/v1/client").await.str("/last_active_session_id");
    browser.post_empty(format!("/v1/client/sessions/{session}/end")).await.has_status(200);
}

async fn passes(browser: &Caller, user: &KnownUser, password: &str) {
    try_password(browser, &user.email, password).await.is(200, json!({ "response": { "status": "complete" } }));
}

async fn is_asked(browser: &Caller, user: &KnownUser, password: &str) {
    try_password(browser, &user.email, password)
        .await
        .is(200, json!({ "response": { "status": "needs_client_trust" } }));
}

both! {
    async fn a_new_device_is_shown_to_be_ones_own_once(app: TestApp) {
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();

        let path = new_device(&browser, &alice).await;
        let shown = json!({ "status": "needs_client_trust", "supported_strategies": ["email_code"], "user_data": {} });
        browser.get(&path).await.is(200, shown);
        browser.get("/v1/me").await.has_status(401);
        let issued = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await;
        issued.is(200, json!({ "response": { "step": "second", "strategy": "email_code", "status": "pending" } }));
        let open = format!("{path}/challenges/{}", issued.str("/response/id"));
        let done = answer(&browser, &open, &app.last_code(&alice.email).await).await;

        done.is(200, json!({ "response": { "status": "verified" }, "client": { "sign_in": null, "sessions": [{ "status": "active" }] } }));
        assert!(done.set_cookie("__session").is_some() && done.set_cookie("__client").is_some());
        browser.get(&path).await.is(200, json!({ "status": "complete" }));
        answer(&browser, &open, "000000").await.is_refused(422, "verification_already_verified");
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));

        // Signing out does not make it new again.
        signs_out(&browser).await;
        passes(&browser, &alice, &alice.password).await;
    }

    async fn whoever_shows_more_than_a_password_is_not_asked(app: TestApp) {
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let open = challenge(&browser, &path, "email_code").await;
        let done = answer(&browser, &open, &app.last_code(&alice.email).await).await;
        done.is(200, json!({ "client": { "sessions": [{ "status": "active" }] } }));
        let phone = AuthenticatorApp::enrolled(&app, &browser).await;
        // That device is known by now; and on a new one the second factor is enough.
        let elsewhere = app.anyone();
        let begun = try_password(&elsewhere, &alice.email, &alice.password).await;
        begun.is(200, json!({ "response": { "status": "needs_second_factor" } }));
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let open = challenge(&elsewhere, &path, "totp").await;
        answer(&elsewhere, &open, &phone.code(&app, 0)).await.is(200, json!({ "client": { "sessions": [{ "status": "active" }] } }));

        let token = json!({ "user_id": app.user("bob").created().await.id });
        let ticket = app.bapi().post("/v1/sign-in-tokens", token).await.has_status(201).str("/token");
        let begun = app.anyone().post("/v1/client/sign-ins", json!({ "strategy": "ticket", "ticket": ticket })).await;
        begun.is(200, json!({ "response": { "status": "complete" } }));
    }

    async fn devices_from_before_are_known(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        signs_out(&alice.browser).await;
        require_trust(&app).await;

        passes(&alice.browser, &alice.user, &alice.user.password).await;
    }

    async fn a_link_counts_in_the_browser_that_asked(app: TestApp) {
        switch_on(&app).await;
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = new_device(&browser, &alice).await;
        browser.get(&path).await.is(200, json!({ "supported_strategies": ["email_code", "email_link"] }));
        let open = challenge(&browser, &path, "email_link").await;
        browser.post(format!("{open}/answer"), json!({})).await.is(200, json!({ "response": { "status": "pending" } }));
        let ticket = last_ticket(&app, &alice.email).await;

        confirm(&app, &app.anyone(), &ticket, "yes").await.is_refused(422, "magic_link_expired");
        browser.get("/v1/client").await.is(200, json!({ "sessions": [] }));
        let done = submit(&app, &browser, &ticket, "yes").await;

        assert!(done.has_status(200).set_cookie("__session").is_some());
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
    }

    async fn a_number_shows_it_as_well(app: TestApp) {
        with_phones(&app).await;
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        let number = given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();
        let path = new_device(&browser, &alice).await;
        browser.get(&path).await.is(200, json!({ "supported_strategies": ["email_code", "phone_code"] }));
        let foreign = json!({ "strategy": "email_code", "email_address_id": app.user("bob").created().await.email_id });
        browser.post(format!("{path}/challenges"), foreign).await.is_refused(422, "form_identifier_not_found");

        let issued = browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code", "phone_number_id": number })).await;
        let open = format!("{path}/challenges/{}", issued.has_status(200).str("/response/id"));
        let code = app.last_sms_code(NUMBER).await;

        answer(&browser, &open, &code).await.is(200, json!({ "client": { "sessions": [{ "status": "active" }] } }));
    }

    async fn whoever_has_proven_nothing_needs_another_way(app: TestApp) {
        app.settings(|s| s.attribute_settings.username.enabled = true).await;
        require_trust(&app).await;
        let body = json!({ "username": "annlee", "password": PASSWORD });
        let ann = app.bapi().post("/v1/users", body).await.has_status(201).str("/id");
        let browser = app.anyone();

        let begun = try_password(&browser, "annlee", PASSWORD).await;

        begun.is(200, json!({ "response": { "status": "needs_client_trust", "supported_strategies": [] } }));
        let path = format!("/v1/client/sign-ins/{}/challenges", begun.str("/response/id"));
        for strategy in ["email_code", "email_link", "phone_code", "password", "totp"] {
            browser.post(&path, json!({ "strategy": strategy })).await.is_refused(422, "strategy_not_supported");
        }
        let ticket = app.bapi().post("/v1/sign-in-tokens", json!({ "user_id": ann })).await.str("/token");
        let body = json!({ "strategy": "ticket", "ticket": ticket });
        browser.post("/v1/client/sign-ins", body).await.is(200, json!({ "response": { "status": "complete" } }));
        signs_out(&browser).await;
        try_password(&browser, "annlee", PASSWORD).await.is(200, json!({ "response": { "status": "complete" } }));
    }

    async fn a_new_password_makes_every_other_device_new(app: TestApp) {
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        let (left, used) = (app.anyone(), app.anyone());
        trusted(&app, &left, &alice).await;
        signs_out(&left).await;
        trusted(&app, &used, &alice).await;

        app.advance(std::time::Duration::from_secs(1));
        let body = json!({ "current_password": alice.password, "new_password": PASSWORD });
        used.post("/v1/me/change-password", body).await.has_status(200);
        app.advance(std::time::Duration::from_secs(61));
        let session = used.get("/v1/client").await.str("/last_active_session_id");
        used.post(format!("/v1/client/sessions/{session}/touch"), json!({})).await.has_status(200);
        signs_out(&used).await;
        is_asked(&left, &alice, PASSWORD).await;
        passes(&used, &alice, PASSWORD).await;

        // On a backend's word all of them are.
        app.bapi().patch(format!("/v1/users/{}", alice.id), json!({ "password": alice.password })).await.has_status(200);
        signs_out(&used).await;
        is_asked(&used, &alice, &alice.password).await;
    }

    async fn a_session_that_is_taken_away_takes_the_device_along(app: TestApp) {
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let session = trusted(&app, &browser, &alice).await.str("/client/last_active_session_id");
        app.bapi().post_empty(format!("/v1/sessions/{session}/revoke")).await.has_status(200);

        is_asked(&browser, &alice, &alice.password).await;
    }

    async fn trust_that_nobody_could_show_is_not_asked_for(app: TestApp) {
        let tracking = json!({ "device_tracking": { "require_device_trust": true } });
        let change = json!({ "attack_protection": tracking, "attribute_settings": { "email_address": { "verifications": [] } } });
        let param = "attack_protection.device_tracking.require_device_trust";
        app.bapi().patch("/v1/instance", change).await.is_refused_for(422, "form_param_value_invalid", param);
    }
}
