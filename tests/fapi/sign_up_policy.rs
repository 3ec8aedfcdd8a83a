//! Who may sign up, with what, and what is said about addresses that somebody has.

use super::steps::{PASSWORD, answer, challenge, open_sign_up, try_password};
use domain::settings::{SignUpMode, TestMode};
use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn a_taken_address_answers_like_a_free_one_and_its_owner_is_told(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (known, unknown) = (app.anyone(), app.anyone());

        let (a, b) = (open_sign_up(&known, &alice.email).await, open_sign_up(&unknown, "nobody@example.com").await);
        let (shown_a, shown_b) = (known.get(&a).await, unknown.get(&b).await);
        for field in ["status", "missing_fields", "unverified_fields", "supported_strategies", "transferable_to_signin"] {
            assert_eq!(shown_a.json()[field], shown_b.json()[field], "{field}");
        }
        let (ca, cb) = (challenge(&known, &a, "email_code").await, challenge(&unknown, &b, "email_code").await);
        assert_eq!(known.get(&ca).await.at("/status"), unknown.get(&cb).await.at("/status"));

        // the owner hears of it, and no code is right
        let mails = app.mails_to(&alice.email).await;
        assert_eq!((mails.len(), mails[0].code.as_deref()), (1, None));
        assert!(mails[0].text.contains("already has an account"));
        let html = mails[0].html.clone().unwrap_or_default();
        assert!(!html.contains("letter-spacing"), "no code in either form: {html}");
        for _ in 0..4 {
            answer(&known, &ca, "123456").await.is_refused(422, "form_code_incorrect");
        }
        answer(&known, &ca, "123456").await.is_refused(422, "verification_failed");
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_taken_test_address_takes_no_fixed_code_either(app: TestApp) {
        let body = json!({ "email_address": ["ann+authn_test@example.com"], "password": PASSWORD });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann+authn_test@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;

        answer(&browser, &open, "424242").await.is_refused(422, "form_code_incorrect");
    }

    async fn without_protection_a_taken_address_is_handed_to_sign_in(app: TestApp) {
        app.settings(|s| s.attack_protection.enumeration_protection = false).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();

        let reply = browser.post("/v1/client/sign-ups", json!({ "email_address": alice.email, "password": PASSWORD })).await;

        reply.is(200, json!({
            "response": {
                "status": "transferable", "transferable_to_signin": true, "target_flow": "sign_in", "supported_strategies": [],
            },
            "client": { "sign_up": { "status": "transferable" }, "sessions": [] },
        }));
        let path = format!("/v1/client/sign-ups/{}/challenges", reply.str("/response/id"));
        browser.post(path, json!({ "strategy": "email_code" })).await.is_refused(422, "strategy_not_supported");
    }

    async fn two_who_prove_one_address_are_one_person(app: TestApp) {
        let browsers = [app.anyone(), app.anyone(), app.anyone()];
        let mut open = Vec::new();
        for browser in &browsers {
            let path = open_sign_up(browser, "ann@example.com").await;
            let challenge = challenge(browser, &path, "email_code").await;
            open.push((path, challenge, app.last_code("ann@example.com").await));
        }

        let answers = testkit::race(3, |i| answer(&browsers[i], &open[i].1, &open[i].2)).await;

        assert!(answers.iter().all(|a| a.status() == 200), "each proved the mailbox");
        let mut statuses = Vec::new();
        for (browser, (path, ..)) in browsers.iter().zip(&open) {
            statuses.push(browser.get(path).await.str("/status"));
        }
        statuses.sort_unstable();
        assert_eq!(statuses, ["complete", "transferable", "transferable"]);
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn user_names_are_taken_when_they_are_switched_on(app: TestApp) {
        app.settings(|s| {
            s.attribute_settings.username.enabled = true;
            s.attribute_settings.username.required = true;
        }).await;
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        browser.get(&path).await.is(200, json!({ "missing_fields": ["username"] }));
        for bad in ["ann", "with space", "ünïcode", &"x".repeat(65)] {
            browser.patch(&path, json!({ "username": bad })).await.is_refused_for(422, "form_param_format_invalid", "username");
        }
        browser.patch(&path, json!({ "username": "Ann.Lee" })).await.is(200, json!({ "response": { "missing_fields": [] } }));
        let open = challenge(&browser, &path, "email_code").await;
        answer(&browser, &open, &app.last_code("ann@example.com").await).await.has_status(200);
        browser.get("/v1/me").await.is(200, json!({ "username": "Ann.Lee" }));

        // somebody else cannot have it in another spelling; its owner signs in with it
        let other = app.anyone();
        let body = json!({ "email_address": "bob@example.com", "username": "ann.lee", "password": PASSWORD });
        other.post("/v1/client/sign-ups", body).await.is_refused_for(422, "form_identifier_exists", "username");
        try_password(&app.anyone(), "ANN.LEE", PASSWORD).await.is(200, json!({ "response": { "status": "complete" } }));
    }

    async fn what_is_switched_off_is_named_all_at_once(app: TestApp) {
        let body = json!({ "username": "annlee", "phone_number": "+15550001111", "email_address": "ann@example.com" });

        let reply = app.anyone().post("/v1/client/sign-ups", body).await;

        reply.is_refused_for(422, "form_param_unknown", "username");
        reply.is_refused_for(422, "form_param_unknown", "phone_number");
        assert_eq!(reply.codes().len(), 2);
    }

    async fn a_password_must_be_long_enough_and_not_a_common_one(app: TestApp) {
        let browser = app.anyone();
        for weak in ["short", "1234567", "password", "12345678", "password123", &"x".repeat(1025)] {
            let body = json!({ "email_address": "ann@example.com", "password": weak });
            let reply = browser.post("/v1/client/sign-ups", body).await;
            reply.is_refused_for(422, "form_password_validation_failed", "password");
            assert!(weak == "password" || !reply.text().contains(weak), "a password is never repeated");
        }
        assert!(browser.get("/v1/client").await.at("/sign_up").is_null());
        for good in ["eightchr".to_owned() + "7q", "ä".repeat(1024)] {
            let body = json!({ "email_address": "ann@example.com", "password": good });
            browser.post("/v1/client/sign-ups", body).await.has_status(200);
        }
    }

    async fn what_is_no_address_is_refused(app: TestApp) {
        let browser = app.anyone();
        let long = format!("{}@example.com", "x".repeat(250));
        for bad in ["ann", "ann@", "@example.com", "a b@example.com", "ann@example.com\nbcc: x", "ann@@example.com", &long] {
            let reply = browser.post("/v1/client/sign-ups", json!({ "email_address": bad })).await;
            reply.is_refused_for(422, "form_param_format_invalid", "email_address");
        }
        browser.post("/v1/client/sign-ups", json!({ "email_address": null })).await
            .is_refused_for(422, "form_param_format_invalid", "email_address");
    }

    async fn metadata_of_a_stranger_is_bounded(app: TestApp) {
        let body = json!({ "unsafe_metadata": { "x": "y".repeat(9000) } });
        app.anyone().post("/v1/client/sign-ups", body).await.is_refused_for(422, "metadata_too_large", "unsafe_metadata");
        let body = json!({ "public_metadata": { "role": "admin" } });
        app.anyone().post("/v1/client/sign-ups", body).await.is_refused_for(422, "form_param_unknown", "public_metadata");
    }

    async fn a_test_address_takes_the_fixed_code_and_no_mail_leaves(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_up(&browser, "Ann+Authn_Test@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;

        answer(&browser, &open, "424243").await.is_refused(422, "form_code_incorrect");
        let done = answer(&browser, &open, "424242").await;

        done.is(200, json!({ "client": { "sessions": [{ "status": "active" }] } }));
        assert_eq!(app.mails().await.len(), 0);
        let session = done.str("/client/sessions/0/id");
        let token = browser.post_empty(format!("/v1/client/sessions/{session}/tokens")).await.str("/jwt");
        let (_, claims) = crate::fapi::steps::verified(&token, &crate::fapi::steps::jwks(&browser).await);
        assert_eq!(claims["was_test"], true);
    }

    async fn where_test_addresses_are_refused_they_leave_nothing(app: TestApp) {
        app.settings(|s| s.test_mode = Some(TestMode::Rejected)).await;
        let browser = app.browser().await;

        let body = json!({ "email_address": "ann+authn_test@example.com", "password": PASSWORD });
        browser.post("/v1/client/sign-ups", body).await.is_refused_for(422, "test_identifier_forbidden", "email_address");
        try_password(&browser, "ann+authn_test@example.com", PASSWORD).await.is_refused(422, "test_identifier_forbidden");

        browser.get("/v1/client").await.is(200, json!({ "sign_up": null, "sign_in": null }));
    }

    async fn where_test_mode_is_off_a_test_address_is_like_any_other(app: TestApp) {
        app.settings(|s| s.test_mode = Some(TestMode::Disabled)).await;
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann+authn_test@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;
        let code = app.last_code("ann+authn_test@example.com").await;

        if code != "424242" {
            answer(&browser, &open, "424242").await.is_refused(422, "form_code_incorrect");
        }
        answer(&browser, &open, &code).await.has_status(200);
    }

    async fn a_closed_door_is_closed_for_everybody(app: TestApp) {
        for mode in [SignUpMode::Restricted, SignUpMode::Waitlist] {
            app.settings(move |s| s.sign_up_modes = vec![mode]).await;
            let body = json!({ "email_address": "ann@example.com", "password": PASSWORD });
            app.anyone().post("/v1/client/sign-ups", body).await
                .is_refused_for(422, "form_identifier_not_allowed", "email_address");
        }
    }

    async fn tickets_and_transfers_of_nobody_are_refused(app: TestApp) {
        let browser = app.anyone();
        browser.post("/v1/client/sign-ups", json!({ "ticket": "tkt_x" })).await.is_refused(422, "ticket_invalid");
        browser.post("/v1/client/sign-ups", json!({ "transfer": true })).await.is_refused(422, "transfer_not_supported");
    }

    async fn dots_of_a_gmail_address_make_no_second_person(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann.lee@gmail.com").await;
        let open = challenge(&browser, &path, "email_code").await;
        answer(&browser, &open, &app.last_code("ann.lee@gmail.com").await).await.has_status(200);

        let other = app.anyone();
        let path = open_sign_up(&other, "a.nnlee@googlemail.com").await;
        let open = challenge(&other, &path, "email_code").await;
        answer(&other, &open, "000000").await.is_refused(422, "form_code_incorrect");
        assert_eq!(app.mails_to("a.nnlee@googlemail.com").await.last().and_then(|mail| mail.code.clone()), None);
        try_password(&app.anyone(), "annlee@gmail.com", PASSWORD).await.has_status(200);
    }

    async fn an_address_that_need_not_be_proven_completes_at_once_and_stays_unproven(app: TestApp) {
        app.settings(|s| {
            s.attribute_settings.email_address.verify_at_sign_up = false;
            s.attack_protection.enumeration_protection = false;
        }).await;
        let browser = app.anyone();

        let body = json!({ "email_address": "ann@example.com", "password": PASSWORD });
        let done = browser.post("/v1/client/sign-ups", body).await;

        done.is(200, json!({ "response": { "status": "complete" }, "client": { "sessions": [{ "status": "active" }] } }));
        browser.get("/v1/me").await.is(200, json!({ "email_addresses": [{ "verified": false }] }));
        // under protection the same settings still ask for the proof
        app.settings(|s| s.attack_protection.enumeration_protection = true).await;
        let body = json!({ "email_address": "bob@example.com", "password": PASSWORD });
        app.anyone().post("/v1/client/sign-ups", body).await
            .is(200, json!({ "response": { "status": "missing_requirements", "unverified_fields": ["email_address"] } }));
    }
}
