//! Sign-in by a code from the mailbox.

use super::steps::{PASSWORD, answer, challenge, open_sign_in, open_sign_up, other_than};
use serde_json::json;
use testkit::{TestApp, both, minutes};

both! {
    async fn a_person_signs_in_with_a_code(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": alice.email, "strategy": "email_code" })).await;
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let open = format!("{path}/challenges/{}", begun.str("/response/current_challenge_id"));

        let done = answer(&browser, &open, &app.last_code(&alice.email).await).await;

        done.is(200, json!({
            "response": { "status": "verified", "step": "first", "sign_in_id": begun.str("/response/id") },
            "client": { "sign_in": null, "sessions": [{ "user_id": alice.id }] },
        }));
        assert!(done.set_cookie("__session").is_some());
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
    }

    async fn an_unknown_address_answers_like_a_known_one_and_gets_no_mail(app: TestApp) {
        let alice = app.user("alice").created().await;
        let mut seen = Vec::new();
        for who in [alice.email.as_str(), "nobody@example.com"] {
            let browser = app.anyone();
            let path = open_sign_in(&browser, who).await;
            let open = challenge(&browser, &path, "email_code").await;
            let wrong = if who == alice.email { other_than(&app.last_code(who).await) } else { "123456".to_owned() };
            let mut codes = Vec::new();
            for _ in 0..6 {
                codes.push(answer(&browser, &open, &wrong).await.codes().join(","));
            }
            let shown = browser.get(&open).await;
            seen.push((codes, shown.str("/status"), shown.at("/error").clone(), shown.at("/attempts").clone()));
        }

        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0].0[4..], ["verification_failed", "verification_failed"]);
        assert_eq!(app.mails_to("nobody@example.com").await.len(), 0);
    }

    async fn an_unknown_test_address_takes_no_fixed_code(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_in(&browser, "ann+authn_test@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;

        answer(&browser, &open, "424242").await.is_refused(422, "form_code_incorrect");
    }

    async fn a_known_test_address_takes_the_fixed_code(app: TestApp) {
        let body = json!({ "email_address": ["ann+authn_test@example.com"], "password": PASSWORD });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let browser = app.anyone();
        let path = open_sign_in(&browser, "ann+authn_test@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;

        answer(&browser, &open, "424242").await.has_status(200);
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn the_fixed_code_opens_no_ordinary_address(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let open = challenge(&browser, &path, "email_code").await;
        if app.last_code(&alice.email).await != "424242" {
            answer(&browser, &open, "424242").await.is_refused(422, "form_code_incorrect");
        }
    }

    async fn late_and_replaced_codes_are_expired(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let first = challenge(&browser, &path, "email_code").await;
        let first_code = app.last_code(&alice.email).await;
        let second = challenge(&browser, &path, "email_code").await;
        let second_code = app.last_code(&alice.email).await;

        answer(&browser, &first, &first_code).await.is_refused(422, "verification_expired");
        app.advance(minutes(10));
        answer(&browser, &second, &second_code).await.is_refused(422, "verification_expired");
        browser.get("/v1/client").await.is(200, json!({ "sessions": [] }));
    }

    async fn changing_the_strategy_midway_is_allowed(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let by_code = challenge(&browser, &path, "email_code").await;
        let code = app.last_code(&alice.email).await;
        let by_password = challenge(&browser, &path, "password").await;

        answer(&browser, &by_code, &code).await.is_refused(422, "verification_expired");
        browser.post(format!("{by_password}/answer"), json!({ "code": code })).await.is_refused_for(422, "form_param_nil", "password");
        browser.post(format!("{by_password}/answer"), json!({ "password": alice.password })).await.has_status(200);
    }

    async fn a_code_goes_to_the_address_of_the_attempt_and_no_other(app: TestApp) {
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let issue = |address: &str| {
            browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code", "email_address_id": address }))
        };

        issue(&bob.email_id).await.is_refused(422, "form_identifier_not_found");
        issue("idn_nothing").await.is_refused(422, "form_identifier_not_found");
        issue(&alice.email_id).await.has_status(200);
        assert_eq!(app.mails_to(&bob.email).await.len(), 0);
        assert_eq!(app.mails_to(&alice.email).await.len(), 1);
    }

    async fn a_code_proves_the_persons_own_primary_address(app: TestApp) {
        app.settings(|s| {
            s.attribute_settings.email_address.verify_at_sign_up = false;
            s.attack_protection.enumeration_protection = false;
        }).await;
        open_sign_up(&app.anyone(), "ann@example.com").await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, "ann@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;

        answer(&browser, &open, &app.last_code("ann@example.com").await).await.has_status(200);

        browser.get("/v1/me").await.is(200, json!({ "email_addresses": [{ "email_address": "ann@example.com", "verified": true }] }));
    }

    async fn where_codes_are_off_none_is_sent(app: TestApp) {
        app.settings(|s| s.attribute_settings.email_address.verifications.clear()).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;

        browser.get(&path).await.is(200, json!({ "supported_strategies": ["password", "reset_password_email_code", "ticket", "passkey"] }));
        browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await.is_refused(422, "strategy_not_supported");
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": alice.email, "strategy": "email_code" })).await;
        begun.is_refused(422, "strategy_not_supported");
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn where_passwords_are_off_none_is_taken(app: TestApp) {
        let alice = app.user("alice").created().await;
        app.settings(|s| s.attribute_settings.password.enabled = false).await;

        crate::fapi::steps::try_password(&app.anyone(), &alice.email, &alice.password).await.is_refused(422, "strategy_not_supported");
    }

    async fn a_username_is_signed_in_by_its_password_only(app: TestApp) {
        app.settings(|s| s.attribute_settings.username.enabled = true).await;
        let body = json!({ "username": "AnnLee", "email_address": ["ann@example.com"], "password": PASSWORD });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let browser = app.anyone();

        let path = open_sign_in(&browser, "annlee").await;

        browser.get(&path).await.is(200, json!({ "supported_strategies": ["password", "ticket", "passkey"], "supported_identifiers": ["email_address", "username"] }));
        browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await.is_refused(422, "strategy_not_supported");
        let open = challenge(&browser, &path, "password").await;
        browser.post(format!("{open}/answer"), json!({ "password": PASSWORD })).await.has_status(200);
    }

    async fn of_many_who_answer_at_once_one_gets_a_session(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let open = challenge(&browser, &path, "email_code").await;
        let code = app.last_code(&alice.email).await;

        let answers = testkit::race(10, |_| answer(&browser, &open, &code)).await;

        assert_eq!(answers.iter().filter(|a| a.status() == 200).count(), 1);
        assert!(answers.iter().all(|a| a.status() < 500));
        let sessions = app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await;
        assert_eq!(sessions.at("/total_count"), 1);
    }
}

both! {
    async fn an_answer_may_come_with_its_challenge(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let prove = |password: &str| browser.post(format!("{path}/challenges"), json!({ "strategy": "password", "password": password }));

        prove("wrong words").await.is_refused(422, "form_password_incorrect");
        let done = prove(&alice.password).await;

        done.is(200, json!({ "response": { "status": "verified" }, "client": { "sign_in": null, "sessions": [{ "user_id": alice.id }] } }));
        assert!(done.set_cookie("__session").is_some() && done.set_cookie("__client").is_some());
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
    }
}
