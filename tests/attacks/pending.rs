//! Whoever has the password of somebody without a second factor, where everybody must have one.

use crate::fapi::pending::{begun_number, require_factors};
use crate::fapi::steps::{answer, challenge, given_number, with_phones};
use serde_json::json;
use testkit::{AuthenticatorApp, Caller, Lie, SignedInUser, TestApp, both};

const NEW: &str = "a quiet harbour at dawn";

/// Nobody was verified.
fn unverified() -> Lie {
    Lie { unverified: true, ..Lie::default() }
}

async fn is_pending(app: &TestApp, who: &SignedInUser) {
    app.bapi().get(format!("/v1/sessions/{}", who.session)).await.is(200, json!({ "status": "pending" }));
}

/// A sign-in whose password was right; the path of the attempt.
async fn half_way(browser: &Caller, who: &SignedInUser) -> String {
    let body = json!({ "identifier": who.user.email, "strategy": "password", "password": who.user.password });
    let begun = browser.post("/v1/client/sign-ins", body).await;
    begun.is(200, json!({ "response": { "status": "needs_second_factor" } }));
    format!("/v1/client/sign-ins/{}", begun.str("/response/id"))
}

both! {
    async fn a_pending_session_changes_nothing_of_its_person(app: TestApp) {
        require_factors(&app).await;
        let thief = app.user("alice").signed_in().await;
        let before = thief.get("/v1/me").await;

        let program = thief.bearer().await;
        for caller in [&thief.browser, &program] {
            let own = format!("/v1/me/email-addresses/{}", thief.user.email_id);
            let tried = [
                caller.post("/v1/me/change-password", json!({ "current_password": thief.user.password, "new_password": NEW })).await,
                caller.call(testkit::Method::DELETE, "/v1/me/password").json(json!({ "current_password": thief.user.password })).await,
                caller.post("/v1/me/email-addresses", json!({ "email_address": "thief@example.com" })).await,
                caller.patch(&own, json!({ "primary": true })).await,
                caller.delete(&own).await,
                caller.patch("/v1/me", json!({ "username": "thief" })).await,
                caller.post_empty("/v1/me/backup-codes").await,
                caller.delete("/v1/me/totp").await,
                caller.post("/v1/me/delete-self", json!({})).await,
                caller.call(testkit::Method::DELETE, "/v1/me").json(json!({})).await,
            ];
            for reply in tried {
                reply.is_refused(403, "session_pending");
            }
        }

        assert_eq!(thief.get("/v1/me").await.json(), before.json());
        app.user("alice").signed_in().await;
    }

    async fn a_pending_session_becomes_active_by_nothing_but_a_second_factor(app: TestApp) {
        require_factors(&app).await;
        let thief = app.user("alice").signed_in().await;
        let path = format!("/v1/client/sessions/{}", thief.session);

        let open = challenge(&thief, &path, "password").await;
        thief.post(format!("{open}/answer"), json!({ "password": thief.user.password })).await.has_status(200);
        is_pending(&app, &thief).await;
        let open = challenge(&thief, &path, "email_code").await;
        answer(&thief, &open, &app.last_code(&thief.user.email).await).await.has_status(200);
        is_pending(&app, &thief).await;
        for strategy in ["totp", "backup_code", "phone_code", "passkey"] {
            thief.post(format!("{path}/challenges"), json!({ "strategy": strategy })).await.has_status(422);
        }
        thief.post(format!("{path}/touch"), json!({})).await.has_status(200);
        thief.patch(format!("{path}/active-organization"), json!({ "organization_id": null })).await.is_refused(403, "session_pending");
        thief.post_empty("/v1/me/totp").await.has_status(200);
        thief.post("/v1/me/totp/verify", json!({ "code": "000000" })).await.is_refused(422, "incorrect_code");
        is_pending(&app, &thief).await;
    }

    async fn nothing_that_was_begun_in_a_pending_session_comes_beside_the_owners_factor(app: TestApp) {
        with_phones(&app).await;
        require_factors(&app).await;
        let (thief, owner) = (app.user("alice").signed_in().await, app.user("alice").signed_in().await);
        let number = begun_number(&thief, "+16502530000").await;
        let code = app.last_sms_code("+16502530000").await;
        let begun = thief.post_empty("/v1/me/totp").await;
        let thiefs = AuthenticatorApp::scan(&begun.has_status(200).str("/response/otpauth_uri"));
        AuthenticatorApp::enrolled(&app, &owner).await;

        let tried = [
            answer(&thief, &number, &code).await,
            thief.post("/v1/me/totp/verify", json!({ "code": thiefs.code(&app, 0) })).await,
            thief.post_empty("/v1/me/totp").await,
            thief.post("/v1/me/phone-numbers", json!({ "phone_number": "+16502530001" })).await,
        ];

        for reply in tried {
            reply.is_refused(403, "reverification_required");
        }
        is_pending(&app, &thief).await;
        thief.patch("/v1/me", json!({ "username": "thief" })).await.is_refused(403, "session_pending");
        owner.get("/v1/me").await.is(200, json!({ "phone_numbers": [{ "verified": false }] }));
    }

    async fn a_number_of_the_owner_is_no_proof_for_whoever_has_the_password(app: TestApp) {
        with_phones(&app).await;
        require_factors(&app).await;
        let owner = app.user("alice").created().await;
        let number = given_number(&app, &owner.id, "+16502530000").await;
        let thief = app.user("alice").signed_in().await;

        // Reserving it asks nothing of the telephone, and so lets nobody in.
        let path = format!("/v1/me/phone-numbers/{number}");
        thief.patch(&path, json!({ "reserved_for_second_factor": true })).await.has_status(200);

        is_pending(&app, &thief).await;
        thief.post_empty("/v1/me/totp").await.is_refused(403, "reverification_required");
        thief.patch("/v1/me", json!({ "username": "thief" })).await.is_refused(403, "session_pending");
        let open = challenge(&thief, &format!("/v1/client/sessions/{}", thief.session), "phone_code").await;
        answer(&thief, &open, "000000").await.is_refused(422, "form_code_incorrect");
        is_pending(&app, &thief).await;
        answer(&thief, &open, &app.last_sms_code("+16502530000").await).await.has_status(200);
        app.bapi().get(format!("/v1/sessions/{}", thief.session)).await.is(200, json!({ "status": "active" }));
    }

    async fn a_pending_session_leaves_no_passkey_that_did_not_verify_its_person(app: TestApp) {
        let mut device = app.authenticator().await;
        require_factors(&app).await;
        app.settings(|s| s.multi_factor.passkey_counts_as_mfa = true).await;
        let thief = app.user("alice").signed_in().await;

        let begun = thief.begins_passkey().await;
        let made = device.create_with(&begun.options, unverified());
        thief.post(&begun.path, json!({ "attestation": made })).await.is_refused(422, "passkey_attestation_invalid");

        is_pending(&app, &thief).await;
        thief.get("/v1/me").await.is(200, json!({ "passkeys": [] }));
    }

    async fn a_passkey_that_did_not_verify_its_person_when_it_was_enrolled_is_one_factor(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        let begun = alice.begins_passkey().await;
        let made = device.create_with(&begun.options, unverified());
        alice.post(&begun.path, json!({ "attestation": made })).await.has_status(201);
        AuthenticatorApp::enrolled(&app, &alice).await;
        app.settings(|s| s.multi_factor.passkey_counts_as_mfa = true).await;

        // It says now that it verifies: of the one who enrolled it, whoever that was.
        let browser = app.anyone();
        browser.signs_in_with(&mut device, Lie::default()).await.has_status(200);

        browser.get("/v1/client").await.is(200, json!({ "sessions": [], "sign_in": { "status": "needs_second_factor" } }));
    }

    async fn pending_sessions_are_no_devices_of_their_person(app: TestApp) {
        require_factors(&app).await;
        let (one, two) = (app.user("alice").signed_in().await, app.user("alice").signed_in().await);
        for thief in [&one, &two] {
            thief.post_empty(format!("/v1/client/sessions/{}/end", thief.session)).await.has_status(200);
        }
        let owner = app.user("alice").signed_in().await;
        let phone = AuthenticatorApp::enrolled(&app, &owner).await;

        // Twenty wrong codes are twenty, over all the browsers in which sessions waited.
        let path = half_way(&one.browser, &owner).await;
        for _ in 0..4 {
            let open = challenge(&one, &path, "totp").await;
            for _ in 0..5 {
                answer(&one, &open, &phone.wrong_code(&app)).await.has_status(422);
            }
        }
        let path = half_way(&two.browser, &owner).await;
        let open = challenge(&two, &path, "totp").await;
        answer(&two, &open, &phone.code(&app, 0)).await.is_refused(403, "user_locked");
    }
}
