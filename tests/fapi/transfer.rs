//! From one flow to the other: what was said goes over, what was proven stays proven, once and on the same client.

use super::steps::{PASSWORD, open_sign_in, open_sign_up};
use domain::time::minutes;
use serde_json::json;
use testkit::{TestApp, both};

async fn telling(app: &TestApp) {
    app.settings(|s| s.attack_protection.enumeration_protection = false).await;
}

both! {
    async fn a_sign_in_of_nobody_goes_on_as_a_sign_up(app: TestApp) {
        telling(&app).await;
        let browser = app.anyone();
        open_sign_in(&browser, "new@example.com").await;

        let reply = browser.post("/v1/client/sign-ups", json!({ "transfer": true })).await;

        // Said and not proven: the address must be proven like any other.
        reply.is(200, json!({
            "response": { "status": "missing_requirements", "email_address": "new@example.com", "unverified_fields": ["email_address"] },
            "client": { "sign_in": null, "sessions": [] },
        }));
        browser.post("/v1/client/sign-ups", json!({ "transfer": true })).await.is_refused_for(422, "transfer_not_supported", "transfer");
    }

    async fn a_sign_up_of_somebody_goes_on_as_a_sign_in(app: TestApp) {
        telling(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ups", json!({ "email_address": alice.email, "password": PASSWORD })).await;
        begun.is(200, json!({ "response": { "status": "transferable" } }));

        let reply = browser.post("/v1/client/sign-ins", json!({ "transfer": true })).await;

        reply.is(200, json!({
            "response": { "status": "needs_first_factor", "identifier": alice.email, "created_session_id": null },
            "client": { "sign_up": null, "sessions": [] },
        }));
        browser.get("/v1/me").await.has_status(401);
        browser.post("/v1/client/sign-ins", json!({ "transfer": true })).await.is_refused_for(422, "transfer_not_supported", "transfer");
    }

    async fn an_address_proven_in_a_sign_up_signs_its_owner_in_within_ten_minutes(app: TestApp) {
        telling(&app).await;
        for (waited, status) in [(5, "complete"), (11, "needs_first_factor")] {
            let email = format!("ann{waited}@example.com");
            let browser = app.anyone();
            let path = open_sign_up(&browser, &email).await;
            let challenge = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await.str("/response/id");
            let code = app.last_code(&email).await;
            // Somebody proves the address first.
            app.bapi().post("/v1/users", json!({ "email_address": [email], "password": PASSWORD })).await.has_status(201);
            let answer = format!("{path}/challenges/{challenge}/answer");
            browser.post(&answer, json!({ "code": code })).await.has_status(200);
            browser.get(&path).await.is(200, json!({ "status": "transferable", "transferable_to_signin": true }));
            app.advance(minutes(waited));

            let reply = browser.post("/v1/client/sign-ins", json!({ "transfer": true })).await;

            reply.is(200, json!({ "response": { "status": status, "identifier": email } }));
        }
    }

    async fn nothing_is_transferred_from_another_client(app: TestApp) {
        telling(&app).await;
        open_sign_in(&app.anyone(), "new@example.com").await;

        app.anyone().post("/v1/client/sign-ups", json!({ "transfer": true })).await
            .is_refused_for(422, "transfer_not_supported", "transfer");
        app.anyone().post("/v1/client/sign-ins", json!({ "transfer": true })).await
            .is_refused_for(422, "transfer_not_supported", "transfer");
    }

    async fn a_ban_meanwhile_stops_a_proven_transfer(app: TestApp) {
        telling(&app).await;
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        let challenge = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await.str("/response/id");
        let code = app.last_code("ann@example.com").await;
        let ann = app.bapi().post("/v1/users", json!({ "email_address": ["ann@example.com"], "password": PASSWORD })).await.str("/id");
        browser.post(format!("{path}/challenges/{challenge}/answer"), json!({ "code": code })).await.has_status(200);
        app.bapi().post_empty(format!("/v1/users/{ann}/ban")).await.has_status(200);

        browser.post("/v1/client/sign-ins", json!({ "transfer": true })).await.is_refused(403, "user_banned");

        browser.get("/v1/me").await.has_status(401);
    }
}
