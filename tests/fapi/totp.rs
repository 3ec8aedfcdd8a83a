//! An authenticator app: enrolled, confirmed, removed.

use super::steps::{answer, challenge, jwks, verified};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{AuthenticatorApp, TestApp, both, hours, minutes};

async fn me(browser: &testkit::Caller) -> Value {
    browser.get("/v1/me").await.has_status(200).json().clone()
}

both! {
    async fn an_app_is_enrolled_by_its_secret_and_confirmed_by_a_code(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        alice.get("/v1/me/totp").await.is_refused(404, "totp_not_found");
        app.skip_events().await;

        let begun = alice.post_empty("/v1/me/totp").await;

        begun.is(200, json!({
            "response": { "object": "totp_secret", "user_id": alice.id(), "verified_at": null },
            "client": { "last_active_session_id": alice.session },
        }));
        let (secret, uri) = (begun.str("/response/secret"), begun.str("/response/otpauth_uri"));
        assert_eq!(secret.len(), 32);
        assert!(uri.starts_with("otpauth://totp/127.0.0.1:alice%40example.com?secret="), "{uri}");
        assert!(uri.contains(&format!("secret={secret}&issuer=127.0.0.1&algorithm=SHA1&digits=6&period=30")), "{uri}");
        assert!(begun.str("/response/qr_code_data_url").starts_with("data:image/svg+xml;base64,"));
        let open = alice.get("/v1/me/totp").await;
        open.is(200, json!({ "id": begun.str("/response/id"), "secret": null, "otpauth_uri": null, "qr_code_data_url": null, "verified_at": null }));
        assert_eq!(me(&alice).await["totp_enabled"], false, "nothing is enrolled before it is confirmed");
        assert_eq!(app.events().await, Vec::<String>::new());

        let phone = AuthenticatorApp::scan(&uri);
        let code = phone.code(&app, 0);
        let spaced = format!("{} {}", &code[..3], &code[3..]);
        let done = alice.post("/v1/me/totp/verify", json!({ "code": spaced })).await;

        done.is(200, json!({ "response": { "id": begun.str("/response/id"), "secret": null, "otpauth_uri": null, "qr_code_data_url": null } }));
        assert!(done.at("/response/verified_at").is_i64());
        let person = me(&alice).await;
        assert_eq!((&person["totp_enabled"], &person["two_factor_enabled"]), (&json!(true), &json!(true)));
        assert!(person["mfa_enabled_at"].is_i64() && person["mfa_disabled_at"].is_null());
        assert_eq!(app.events().await, ["user.updated", "email.created"]);
        let mails = app.mails_to(&alice.user.email).await;
        assert_eq!(mails.last().map(|mail| mail.template_slug.as_str()), Some("totp_enabled"));
    }

    async fn confirming_counts_as_proving_the_second_factor(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let begun = alice.post_empty("/v1/me/totp").await;
        let phone = AuthenticatorApp::scan(&begun.str("/response/otpauth_uri"));

        let done = alice.post("/v1/me/totp/verify", json!({ "code": phone.code(&app, 0) })).await;

        let cookie = done.has_status(200).set_cookie("__session").expect("the session's cookie is new");
        let (_, claims) = verified(&cookie.value, &jwks(&alice).await);
        assert!(claims["fva"][1].as_i64().is_some_and(|age| (0..10).contains(&age)), "{claims}");
        // so that the codes for a lost phone can follow at once
        alice.post_empty("/v1/me/backup-codes").await.has_status(200);
        app.advance(minutes(11));
        alice.post_empty("/v1/me/backup-codes").await.is_refused(403, "reverification_required");
    }

    async fn a_wrong_first_code_is_refused_and_the_enrolment_stays_open(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let verify = |code: &str| alice.post("/v1/me/totp/verify", json!({ "code": code }));
        verify("123456").await.is_refused(404, "totp_not_found");
        let begun = alice.post_empty("/v1/me/totp").await;
        let phone = AuthenticatorApp::scan(&begun.str("/response/otpauth_uri"));

        verify(&phone.wrong_code(&app)).await.is_refused_for(422, "incorrect_code", "code");
        verify(&phone.code(&app, -3)).await.is_refused(422, "incorrect_code");
        for odd in ["12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            verify(odd).await.is_refused_for(422, "form_param_format_invalid", "code");
        }

        verify(&phone.code(&app, 0)).await.has_status(200);
        verify(&phone.code(&app, 1)).await.is_refused(409, "mfa_already_verified");
        alice.post_empty("/v1/me/totp").await.is_refused(409, "mfa_already_verified");
    }

    async fn a_second_start_takes_the_place_of_the_first(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let first = AuthenticatorApp::scan(&alice.post_empty("/v1/me/totp").await.str("/response/otpauth_uri"));
        let second = AuthenticatorApp::scan(&alice.post_empty("/v1/me/totp").await.str("/response/otpauth_uri"));

        let stale = alice.post("/v1/me/totp/verify", json!({ "code": first.code(&app, 0) })).await;
        stale.is_refused(422, "incorrect_code");
        alice.post("/v1/me/totp/verify", json!({ "code": second.code(&app, 0) })).await.has_status(200);
    }

    async fn a_secret_is_shown_once_whatever_is_repeated(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let begin = || alice.post_empty("/v1/me/totp").idempotency_key("again");

        let (first, second) = (begin().await.str("/response/secret"), begin().await.str("/response/secret"));

        assert_ne!(first, second);
        let text = app.database_text().await;
        assert!(!text.contains(&first) && !text.contains(&second), "the secret is sealed");
    }

    async fn an_enrolment_that_nobody_confirms_is_gone_after_a_day(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let begun = alice.post_empty("/v1/me/totp").await;
        let phone = AuthenticatorApp::scan(&begun.str("/response/otpauth_uri"));
        app.advance(hours(24));
        let alice = app.user("alice").signed_in().await;

        alice.get("/v1/me/totp").await.is_refused(404, "totp_not_found");
        alice.post("/v1/me/totp/verify", json!({ "code": phone.code(&app, 0) })).await.is_refused(404, "totp_not_found");
        let kept = async || {
            let mut conn = app.engine.db().read().await.expect("the database is there");
            let user = alice.id().parse().expect("an id");
            storage::totp::find(&mut conn, app.env.id, user).await.expect("it can be asked").is_some()
        };
        assert!(kept().await);
        app.tick().await;
        assert!(!kept().await, "it is pruned");
    }

    async fn what_is_enrolled_is_never_pruned(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        AuthenticatorApp::enrolled(&app, &alice).await;
        app.advance(hours(48));
        app.tick().await;
        app.bapi().get(format!("/v1/users/{}", alice.id())).await.is(200, json!({ "totp_enabled": true }));
    }

    async fn a_removed_app_is_asked_for_no_more(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        alice.delete("/v1/me/totp").await.is_refused(404, "totp_not_found");
        let phone = AuthenticatorApp::enrolled(&app, &alice).await;
        app.skip_events().await;

        let gone = alice.delete("/v1/me/totp").await;

        gone.is(200, json!({ "response": { "object": "totp_secret", "secret": null } }));
        let person = me(&alice).await;
        assert_eq!((&person["totp_enabled"], &person["two_factor_enabled"]), (&json!(false), &json!(false)));
        assert!(person["mfa_enabled_at"].is_i64() && person["mfa_disabled_at"].is_i64());
        assert_eq!(app.events().await, ["user.updated", "email.created"]);
        let mails = app.mails_to(&alice.user.email).await;
        assert_eq!(mails.last().map(|mail| mail.template_slug.as_str()), Some("mfa_disabled"));
        app.user("alice").signed_in().await;
        alice.delete("/v1/me/totp").await.is_refused(404, "totp_not_found");
        alice.post("/v1/me/totp/verify", json!({ "code": phone.code(&app, 0) })).await.is_refused(404, "totp_not_found");
    }

    async fn backup_codes_outlive_the_app(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        AuthenticatorApp::enrolled(&app, &alice).await;
        alice.post_empty("/v1/me/backup-codes").await.has_status(200);

        alice.delete("/v1/me/totp").await.has_status(200);

        let person = me(&alice).await;
        assert_eq!((&person["backup_code_enabled"], &person["two_factor_enabled"]), (&json!(true), &json!(true)));
        assert!(person["mfa_disabled_at"].is_null());
        // Two jobs, and so in no order.
        let mails = app.mails_to(&alice.user.email).await;
        let mut slugs: Vec<String> = mails.into_iter().map(|m| m.template_slug).collect();
        slugs.sort_unstable();
        assert_eq!(slugs, ["backup_codes_generated", "totp_enabled"]);
    }

    async fn an_environment_without_apps_enrols_none(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);
        AuthenticatorApp::enrolled(&app, &bob).await;
        app.settings(|s| s.multi_factor.totp.enabled = false).await;

        alice.post_empty("/v1/me/totp").await.is_refused(422, "mfa_not_enabled");
        // what is there can be removed
        bob.delete("/v1/me/totp").await.has_status(200);
    }

    async fn each_change_needs_a_fresh_proof(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let begun = alice.post_empty("/v1/me/totp").await;
        let phone = AuthenticatorApp::scan(&begun.str("/response/otpauth_uri"));
        app.advance(minutes(11));
        // the first app is protected by the factor that she signed in with
        let stale = [
            alice.post_empty("/v1/me/totp").await,
            alice.post("/v1/me/totp/verify", json!({ "code": phone.code(&app, 0) })).await,
            alice.delete("/v1/me/totp").await,
        ];
        for reply in stale {
            reply.is_refused(403, "reverification_required");
            assert_eq!(reply.at("/errors/0/meta/strategies"), &json!(["password", "email_code"]));
        }
        let again = app.user("alice").signed_in_on(&alice.browser).await;
        again.post("/v1/me/totp/verify", json!({ "code": phone.code(&app, 0) })).await.has_status(200);

        // from now on it takes the second factor: the first alone opens nothing
        app.advance(minutes(11));
        let path = format!("/v1/client/sessions/{}", again.session);
        let open = challenge(&again, &path, "password").await;
        again.post(format!("{open}/answer"), json!({ "password": again.user.password })).await.has_status(200);
        let refused = again.delete("/v1/me/totp").await;
        refused.is_refused(403, "reverification_required");
        assert_eq!(refused.at("/errors/0/meta/strategies"), &json!(["totp"]));

        let open = challenge(&again, &path, "totp").await;
        answer(&again, &open, &phone.wrong_code(&app)).await.is_refused(422, "form_code_incorrect");
        let done = answer(&again, &open, &phone.code(&app, 0)).await;
        done.is(200, json!({ "response": { "status": "verified", "step": "second", "strategy": "totp" } }));
        let cookie = done.set_cookie("__session").expect("the session's cookie is new");
        let (_, claims) = verified(&cookie.value, &jwks(&again).await);
        assert!(claims["fva"][1].as_i64().is_some_and(|age| (0..10).contains(&age)), "{claims}");
        app.advance(Duration::from_secs(590));
        again.delete("/v1/me/totp").await.has_status(200);
    }

    async fn wrong_first_codes_are_counted_and_a_new_start_does_not_reset_it(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        for _ in 0..4 {
            let phone = AuthenticatorApp::scan(&alice.post_empty("/v1/me/totp").await.str("/response/otpauth_uri"));
            for _ in 0..5 {
                let wrong = phone.wrong_code(&app);
                let reply = alice.post("/v1/me/totp/verify", json!({ "code": wrong })).await;
                reply.is_refused(422, "incorrect_code");
            }
        }

        let phone = AuthenticatorApp::scan(&alice.post_empty("/v1/me/totp").await.str("/response/otpauth_uri"));
        let right = alice.post("/v1/me/totp/verify", json!({ "code": phone.code(&app, 0) })).await;

        right.is_refused(403, "user_locked");
        assert_eq!(me(&alice).await["totp_enabled"], false);
    }
}
