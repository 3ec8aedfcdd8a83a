//! Whoever has somebody's password and nothing else, where new devices are asked for trust.

use crate::fapi::client_trust::{new_device, require_trust};
use crate::fapi::links::{confirm, last_ticket, switch_on};
use crate::fapi::steps::{answer, challenge, other_than, try_password};
use serde_json::json;
use testkit::{Caller, KnownUser, TestApp, both};

async fn no_session(app: &TestApp, user: &KnownUser) {
    app.bapi().get(format!("/v1/users/{}/sessions", user.id)).await.is(200, json!({ "total_count": 0 }));
}

async fn trusts(app: &TestApp, browser: &Caller, user: &KnownUser) {
    let path = new_device(browser, user).await;
    let open = challenge(browser, &path, "email_code").await;
    answer(browser, &open, &app.last_code(&user.email).await).await.has_status(200);
}

both! {
    async fn a_right_password_on_a_new_device_alone_never_gets_a_session(app: TestApp) {
        switch_on(&app).await;
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        let thief = app.anyone();
        let path = new_device(&thief, &alice).await;

        for _ in 0..2 {
            thief.get("/v1/client").await.is(200, json!({ "sessions": [], "sign_in": { "status": "needs_client_trust" } }));
            thief.get("/v1/me").await.has_status(401);
        }
        for strategy in ["password", "totp", "backup_code", "ticket", "passkey", "reset_password_email_code", "phone_code"] {
            let body = json!({ "strategy": strategy, "password": alice.password, "code": "000000" });
            thief.post(format!("{path}/challenges"), body).await.is_refused(422, "strategy_not_supported");
        }
        let open = challenge(&thief, &path, "email_code").await;
        let wrong = other_than(&app.last_code(&alice.email).await);
        for _ in 0..4 {
            answer(&thief, &open, &wrong).await.is_refused(422, "form_code_incorrect");
        }
        answer(&thief, &open, &wrong).await.is_refused(422, "verification_failed");
        thief.post(format!("{open}/answer"), json!({ "password": alice.password })).await.has_status(422);
        thief.post(format!("{open}/answer"), json!({})).await.has_status(422);

        // Not even when the owner follows a link that the thief has asked for.
        let open = challenge(&thief, &path, "email_link").await;
        let ticket = last_ticket(&app, &alice.email).await;
        confirm(&app, &app.anyone(), &ticket, "yes").await.is_refused(422, "magic_link_expired");
        confirm(&app, &app.anyone(), &ticket, "no").await.has_status(200);
        thief.post(format!("{open}/answer"), json!({})).await.is_refused(422, "verification_failed");
        thief.get("/v1/client").await.is(200, json!({ "sessions": [] }));
        no_session(&app, &alice).await;
    }

    async fn guessing_at_the_code_ends_whatever_is_begun_anew(app: TestApp) {
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        for n in 0..5 {
            let thief = app.anyone();
            let path = new_device(&thief, &alice).await;
            let open = challenge(&thief, &path, "email_code").await;
            let code = app.last_code(&alice.email).await;
            if n == 4 {
                answer(&thief, &open, &code).await.is_refused(403, "user_locked");
                break;
            }
            for _ in 0..5 {
                answer(&thief, &open, &other_than(&code)).await.has_status(422);
            }
        }
        no_session(&app, &alice).await;
    }

    async fn the_trust_in_one_device_serves_no_other_and_nobody_else(app: TestApp) {
        require_trust(&app).await;
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        let (hers, other) = (app.anyone(), app.anyone());
        trusts(&app, &hers, &alice).await;

        new_device(&other, &alice).await;
        try_password(&hers, &bob.email, &bob.password).await.is(200, json!({ "response": { "status": "needs_client_trust" } }));
        // A client that is thrown away leaves none behind.
        hers.delete("/v1/client").await.has_status(200);
        new_device(&hers, &alice).await;
    }

    async fn a_code_of_one_device_is_worth_nothing_on_another(app: TestApp) {
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        let (owner, thief) = (app.anyone(), app.anyone());
        let path = new_device(&owner, &alice).await;
        let open = challenge(&owner, &path, "email_code").await;
        let code = app.last_code(&alice.email).await;
        let thiefs = new_device(&thief, &alice).await;

        answer(&thief, &open, &code).await.is_refused(404, "sign_in_not_found");
        let own = challenge(&thief, &thiefs, "email_code").await;
        answer(&thief, &own, &code).await.is_refused(422, "form_code_incorrect");
        answer(&owner, &open, &code).await.has_status(200);
    }

    async fn a_wrong_password_says_nothing_of_the_device(app: TestApp) {
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        let known = app.anyone();
        trusts(&app, &known, &alice).await;
        for (browser, who) in [(&app.anyone(), alice.email.as_str()), (&app.anyone(), "nobody@example.com"), (&known, alice.email.as_str())] {
            try_password(browser, who, "not the password").await.is_refused(422, "form_password_incorrect");
        }
    }

    async fn the_owners_removed_address_shows_nothing_any_more(app: TestApp) {
        require_trust(&app).await;
        let alice = app.user("alice").created().await;
        let body = json!({ "user_id": alice.id, "email_address": "old@example.com", "verified": true });
        let old = app.bapi().post("/v1/email-addresses", body).await.has_status(201).str("/id");
        let thief = app.anyone();
        let path = new_device(&thief, &alice).await;
        let asked = json!({ "strategy": "email_code", "email_address_id": old });
        let open = thief.post(format!("{path}/challenges"), asked).await.has_status(200).str("/response/id");
        let code = app.last_code("old@example.com").await;
        app.bapi().delete(format!("/v1/email-addresses/{old}")).await.has_status(204);

        answer(&thief, &format!("{path}/challenges/{open}"), &code).await.is_refused(422, "form_code_incorrect");
        no_session(&app, &alice).await;
    }
}
