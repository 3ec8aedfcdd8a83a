//! A backend asks about an authenticator app, and lets somebody in who has lost it.

use serde_json::json;
use testkit::{AuthenticatorApp, TestApp, both, minutes};

const NOBODY: &str = "user_01ARZ3NDEKTSV4RRFFQ69G5FAV";

both! {
    async fn a_backend_is_told_whether_a_code_is_right(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let phone = AuthenticatorApp::enrolled(&app, &alice).await;
        let path = format!("/v1/users/{}/verify-totp", alice.id());
        let ask = |code: String| app.bapi().post(&path, json!({ "code": code }));
        app.skip_events().await;

        ask(phone.wrong_code(&app)).await.is(200, json!({ "verified": false }));
        let code = phone.code(&app, 0);
        ask(code.clone()).await.is(200, json!({ "verified": true }));
        ask(code).await.is(200, json!({ "verified": false }));
        app.advance(minutes(1));
        let code = phone.code(&app, 0);
        ask(format!("{} {}", &code[..3], &code[3..])).await.is(200, json!({ "verified": true }));
        assert_eq!(app.events().await, Vec::<String>::new());
    }

    async fn who_has_no_app_is_told_apart(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let path = format!("/v1/users/{}/verify-totp", alice.id());
        let ask = |path: &str| app.bapi().post(path, json!({ "code": "123456" }));
        ask(&path).await.is_refused(404, "totp_not_found");
        ask(&format!("/v1/users/{NOBODY}/verify-totp")).await.is_refused(404, "user_not_found");
        // an enrolment that is open is none yet, and no way to confirm it
        let begun = alice.post_empty("/v1/me/totp").await;
        let phone = AuthenticatorApp::scan(&begun.str("/response/otpauth_uri"));
        app.bapi().post(&path, json!({ "code": phone.code(&app, 0) })).await.is_refused(404, "totp_not_found");
        alice.get("/v1/me/totp").await.is(200, json!({ "verified_at": null }));

        app.bapi().post(&path, json!({ "code": "12345" })).await.is_refused_for(422, "form_param_format_invalid", "code");
        app.bapi().post(&path, json!({})).await.is_refused_for(422, "form_param_nil", "code");
        app.settings(|s| s.multi_factor.totp.enabled = false).await;
        ask(&path).await.is_refused(422, "mfa_not_enabled");
    }

    async fn wrong_codes_are_counted_for_the_backend_alone(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let phone = AuthenticatorApp::enrolled(&app, &alice).await;
        let path = format!("/v1/users/{}/verify-totp", alice.id());
        for _ in 0..10 {
            app.bapi().post(&path, json!({ "code": phone.wrong_code(&app) })).await.is(200, json!({ "verified": false }));
        }

        let shut = app.bapi().post(&path, json!({ "code": phone.code(&app, 0) })).await;

        shut.is_refused(429, "rate_limit_exceeded");
        assert!(shut.header("retry-after").is_some());
        // the person is not shut out
        let browser = app.anyone();
        let begun = crate::fapi::steps::try_password(&browser, &alice.user.email, &alice.user.password).await;
        let path = format!("/v1/client/sign-ins/{}/challenges", begun.str("/response/id"));
        browser.post(&path, json!({ "strategy": "totp", "code": phone.code(&app, 0) })).await.has_status(200);
    }

    async fn a_backend_takes_every_second_factor_away(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let phone = AuthenticatorApp::enrolled(&app, &alice).await;
        let codes = alice.post_empty("/v1/me/backup-codes").await;
        codes.has_status(200);
        app.skip_events().await;

        let reset = app.bapi().delete(format!("/v1/users/{}/mfa", alice.id())).await;

        reset.is(200, json!({
            "id": alice.id(), "totp_enabled": false, "backup_code_enabled": false, "two_factor_enabled": false,
        }));
        assert!(reset.at("/mfa_disabled_at").is_i64());
        assert_eq!(app.events().await, ["user.updated", "email.created"]);
        let mails = app.mails_to(&alice.user.email).await;
        assert_eq!(mails.last().map(|mail| mail.template_slug.as_str()), Some("mfa_disabled"));
        app.user("alice").signed_in().await;
        let path = format!("/v1/users/{}/verify-totp", alice.id());
        app.bapi().post(path, json!({ "code": phone.code(&app, 0) })).await.is_refused(404, "totp_not_found");
        alice.get("/v1/me/backup-codes").await.is(200, json!({ "count": 0 }));

        // asked again, nothing is left to do
        app.skip_events().await;
        let again = app.bapi().delete(format!("/v1/users/{}/mfa", alice.id())).await;
        again.is(200, json!({ "two_factor_enabled": false, "updated_at": reset.at("/updated_at") }));
        assert_eq!(app.events().await, Vec::<String>::new());
        app.bapi().delete(format!("/v1/users/{NOBODY}/mfa")).await.is_refused(404, "user_not_found");
    }

    async fn an_enrolment_that_is_open_goes_as_well(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let begun = alice.post_empty("/v1/me/totp").await;
        let phone = AuthenticatorApp::scan(&begun.str("/response/otpauth_uri"));

        app.bapi().delete(format!("/v1/users/{}/mfa", alice.id())).await.has_status(200);

        alice.post("/v1/me/totp/verify", json!({ "code": phone.code(&app, 0) })).await.is_refused(404, "totp_not_found");
    }
}
