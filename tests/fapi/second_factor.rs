//! The second step of a sign-in.

use super::steps::{answer, challenge, jwks, open_sign_in, try_password, verified};
use serde_json::json;
use std::time::Duration;
use testkit::{AuthenticatorApp, Caller, KnownUser, SignedInUser, TestApp, both, minutes};

/// Alice with an app on her phone, signed in where she enrolled it.
async fn enrolled(app: &TestApp) -> (SignedInUser, AuthenticatorApp) {
    let alice = app.user("alice").signed_in().await;
    let phone = AuthenticatorApp::enrolled(app, &alice).await;
    (alice, phone)
}

/// A sign-in whose password was right; the path of the attempt.
async fn half_way(browser: &Caller, user: &KnownUser) -> String {
    let begun = try_password(browser, &user.email, &user.password).await;
    begun.is(200, json!({ "response": { "status": "needs_second_factor", "created_session_id": null } }));
    format!("/v1/client/sign-ins/{}", begun.str("/response/id"))
}

both! {
    async fn the_password_alone_stops_at_the_second_step(app: TestApp) {
        let (alice, phone) = enrolled(&app).await;
        let browser = app.anyone();

        let path = half_way(&browser, &alice.user).await;

        browser.get(&path).await.is(200, json!({ "status": "needs_second_factor", "supported_strategies": ["totp"] }));
        browser.get("/v1/client").await.is(200, json!({ "sessions": [], "sign_in": { "status": "needs_second_factor" } }));
        browser.get("/v1/me").await.has_status(401);

        let issued = browser.post(format!("{path}/challenges"), json!({ "strategy": "totp" })).await;
        issued.is(200, json!({ "response": { "step": "second", "strategy": "totp", "status": "pending", "nonce": null } }));
        let open = format!("{path}/challenges/{}", issued.str("/response/id"));
        let done = answer(&browser, &open, &phone.code(&app, 0)).await;

        done.is(200, json!({ "response": { "status": "verified" }, "client": { "sign_in": null } }));
        browser.get(&path).await.is(200, json!({ "status": "complete" }));
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id(), "totp_enabled": true }));
        browser.get("/v1/client").await.is(200, json!({ "sessions": [{ "status": "active", "user": { "id": alice.id() } }] }));
        let cookie = done.set_cookie("__session").expect("she is signed in");
        let (_, claims) = verified(&cookie.value, &jwks(&browser).await);
        assert!(claims["fva"][1].as_i64().is_some_and(|age| (0..10).contains(&age)), "{claims}");
    }

    async fn the_code_may_come_with_the_challenge(app: TestApp) {
        let (alice, phone) = enrolled(&app).await;
        let browser = app.anyone();
        let path = half_way(&browser, &alice.user).await;
        let body = json!({ "strategy": "totp", "code": phone.code(&app, 0) });
        browser.post(format!("{path}/challenges"), body).await.is(200, json!({ "response": { "status": "verified" } }));
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
    }

    async fn a_mailed_code_stops_there_too(app: TestApp) {
        let (alice, phone) = enrolled(&app).await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.user.email).await;
        let open = challenge(&browser, &path, "email_code").await;
        let first = answer(&browser, &open, &app.last_code(&alice.user.email).await).await;
        first.is(200, json!({ "client": { "sessions": [], "sign_in": { "status": "needs_second_factor" } } }));

        let open = challenge(&browser, &path, "totp").await;
        answer(&browser, &open, &phone.code(&app, 0)).await.has_status(200);
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
    }

    async fn a_wrong_code_may_be_followed_by_a_right_one(app: TestApp) {
        let (alice, phone) = enrolled(&app).await;
        let browser = app.anyone();
        let path = half_way(&browser, &alice.user).await;
        let open = challenge(&browser, &path, "totp").await;

        for (n, odd) in [phone.wrong_code(&app), String::from("12345"), String::from("abcdef")].iter().enumerate() {
            answer(&browser, &open, odd).await.is_refused(422, "form_code_incorrect");
            browser.get(&open).await.is(200, json!({ "status": "pending", "attempts": n + 1, "error": { "code": "form_code_incorrect" } }));
        }
        answer(&browser, &open, &phone.wrong_code(&app)).await.is_refused(422, "form_code_incorrect");
        answer(&browser, &open, &phone.wrong_code(&app)).await.is_refused(422, "verification_failed");
        answer(&browser, &open, &phone.code(&app, 0)).await.is_refused(422, "verification_failed");
        let open = challenge(&browser, &path, "totp").await;
        answer(&browser, &open, &phone.code(&app, 0)).await.has_status(200);
    }

    async fn a_code_counts_a_step_early_and_a_step_late(app: TestApp) {
        let (alice, phone) = enrolled(&app).await;
        for (steps, counts) in [(-3, false), (3, false), (-1, true), (1, true)] {
            app.advance(minutes(5));
            let browser = app.anyone();
            let path = half_way(&browser, &alice.user).await;
            let open = challenge(&browser, &path, "totp").await;
            let reply = answer(&browser, &open, &phone.code(&app, steps)).await;
            assert_eq!(reply.status(), if counts { 200 } else { 422 }, "{steps}: {}", reply.text());
        }
    }

    async fn whoever_has_lost_the_phone_takes_a_backup_code(app: TestApp) {
        let (alice, _) = enrolled(&app).await;
        let codes = alice.post_empty("/v1/me/backup-codes").await;
        let code = codes.str("/response/codes/0");
        let browser = app.anyone();
        let path = half_way(&browser, &alice.user).await;
        browser.get(&path).await.is(200, json!({ "supported_strategies": ["totp", "backup_code"] }));
        browser.get("/v1/client").await.is(200, json!({ "sessions": [], "sign_in": { "supported_strategies": ["totp", "backup_code"] } }));

        let open = challenge(&browser, &path, "backup_code").await;
        answer(&browser, &open, &code).await.is(200, json!({ "response": { "status": "verified" } }));

        browser.get("/v1/client").await.is(200, json!({ "sign_in": null, "sessions": [{ "status": "active" }] }));
        // and enrols the new phone: the proof is fresh
        browser.delete("/v1/me/totp").await.has_status(200);
        AuthenticatorApp::enrolled(&app, &browser).await;
    }

    async fn a_token_says_which_factors_there_are(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let keys = jwks(&alice).await;
        let claims = async || verified(&alice.token().await, &keys).1;
        let before = claims().await;
        for name in ["dsf", "tfe", "mfa", "act"] {
            assert!(before.get(name).is_none(), "{name}: {before}");
        }

        AuthenticatorApp::enrolled(&app, &alice).await;
        let with_app = claims().await;
        assert_eq!((&with_app["dsf"], &with_app["tfe"], &with_app["mfa"]), (&json!("totp"), &json!(true), &json!(["totp"])));

        let made = alice.post_empty("/v1/me/backup-codes").await;
        let cookie = alice.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await;
        made.has_status(200);
        let backend = app.bapi().post_empty(format!("/v1/sessions/{}/tokens", alice.session)).await.str("/jwt");
        let cookie = cookie.set_cookie("__session").map(|cookie| verified(&cookie.value, &keys).1);
        for with_both in [Some(claims().await), Some(verified(&backend, &keys).1), cookie].into_iter().flatten() {
            assert_eq!((&with_both["dsf"], &with_both["mfa"]), (&json!("totp"), &json!(["totp", "backup_code"])));
            assert_eq!((&with_both["pkv"], &with_both["pkc"], &with_both["pnv"]), (&json!(false), &json!(0), &json!(false)));
        }

        alice.delete("/v1/me/totp").await.has_status(200);
        let with_codes = claims().await;
        assert_eq!((&with_codes["tfe"], &with_codes["mfa"]), (&json!(true), &json!(["backup_code"])));
        assert!(with_codes.get("dsf").is_none(), "{with_codes}");
    }

    async fn the_second_step_waits_as_long_as_the_sign_in(app: TestApp) {
        let (alice, phone) = enrolled(&app).await;
        let browser = app.anyone();
        let path = half_way(&browser, &alice.user).await;
        let open = challenge(&browser, &path, "totp").await;
        app.advance(minutes(10) + Duration::from_secs(1));
        answer(&browser, &open, &phone.code(&app, 0)).await.is_refused(422, "verification_expired");
        let open = challenge(&browser, &path, "totp").await;
        answer(&browser, &open, &phone.code(&app, 0)).await.has_status(200);
    }
}
