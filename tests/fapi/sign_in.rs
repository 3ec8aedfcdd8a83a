//! Sign-in by password, and the attempt around it.

use super::steps::{challenge, open_sign_in, open_sign_up, try_password};
use serde_json::json;
use testkit::{TestApp, both, hours};

both! {
    async fn a_person_signs_in_with_the_password_in_one_call(app: TestApp) {
        let alice = app.user("alice").created().await;
        app.skip_events().await;
        let browser = app.anyone();

        let reply = try_password(&browser, "ALICE@example.com ", &alice.password).await;

        reply.is(200, json!({
            "response": {
                "object": "sign_in_attempt", "status": "complete", "identifier": "alice@example.com",
                "supported_strategies": [], "supported_identifiers": ["email_address"], "user_data": {},
                "created_session_id": reply.str("/client/sessions/0/id"), "current_challenge_id": null,
            },
            "client": { "sign_in": null, "sessions": [{ "status": "active", "user_id": alice.id }] },
        }));
        assert!(reply.set_cookie("__client").is_some() && reply.set_cookie("__session").is_some());
        assert_eq!(app.events().await, ["session.created"]);
        let shown = app.bapi().get(format!("/v1/users/{}", alice.id)).await;
        assert!(shown.at("/last_sign_in_at").is_i64() && shown.at("/last_active_at").is_i64());
    }

    async fn a_person_signs_in_step_by_step(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let empty = browser.post("/v1/client/sign-ins", json!({})).await;
        empty.is(200, json!({ "response": { "status": "needs_identifier", "identifier": null, "supported_strategies": ["passkey"] } }));

        let path = open_sign_in(&browser, &alice.email).await;
        browser.get(&path).await.is(200, json!({
            "status": "needs_first_factor", "supported_strategies": ["password", "email_code", "reset_password_email_code", "ticket", "passkey"], "user_data": {},
            "transferable_to_signup": false, "enterprise_connection_id": null,
        }));
        let open = challenge(&browser, &path, "password").await;
        browser.get(&open).await.is(200, json!({ "status": "pending", "step": "first", "strategy": "password" }));
        browser.post(format!("{open}/answer"), json!({ "password": "wrong words" })).await
            .is_refused(422, "form_password_incorrect");
        let done = browser.post(format!("{open}/answer"), json!({ "password": alice.password })).await;

        done.is(200, json!({ "response": { "status": "verified", "attempts": 2 }, "client": { "sign_in": null } }));
        browser.get(&path).await.is(200, json!({ "status": "complete" }));
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
        browser.post(format!("{open}/answer"), json!({ "password": alice.password })).await.is_refused(422, "sign_in_already_complete");
        browser.post(format!("{path}/challenges"), json!({ "strategy": "password" })).await.is_refused(422, "sign_in_already_complete");
    }

    async fn a_wrong_password_and_an_unknown_person_answer_alike(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (known, unknown) = (app.anyone(), app.anyone());

        let a = try_password(&known, &alice.email, "wrong words").await;
        let b = try_password(&unknown, "nobody@example.com", "wrong words").await;

        assert_eq!((a.status(), a.codes()), (422, vec!["form_password_incorrect"]));
        assert_eq!(a.at("/errors"), b.at("/errors"));
        // the attempt stays open, and the browser has its cookie
        assert!(a.set_cookie("__client").is_some() && a.set_cookie("__session").is_none());
        let (a, b) = (known.get("/v1/client").await, unknown.get("/v1/client").await);
        for field in ["status", "supported_strategies", "user_data", "transferable_to_signup", "target_flow"] {
            assert_eq!(a.at("/sign_in")[field], b.at("/sign_in")[field], "{field}");
        }
        assert_eq!(a.str("/sign_in/status"), "needs_first_factor");
    }

    async fn both_cost_one_hash(app: TestApp) {
        let alice = app.user("alice").created().await;
        let mut costs = Vec::new();
        for (who, password) in [(alice.email.as_str(), "wrong words"), ("nobody@example.com", "wrong words"), (&alice.email, &alice.password)] {
            let before = app.passwords.hashes_done();
            try_password(&app.anyone(), who, password).await;
            costs.push(app.passwords.hashes_done() - before);
        }
        assert_eq!(costs, [1, 1, 1]);
    }

    async fn five_wrong_passwords_fail_one_challenge_and_another_works(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let open = challenge(&browser, &path, "password").await;
        let wrong = json!({ "password": "wrong words" });

        for _ in 0..4 {
            browser.post(format!("{open}/answer"), wrong.clone()).await.is_refused(422, "form_password_incorrect");
        }
        browser.post(format!("{open}/answer"), wrong).await.is_refused(422, "verification_failed");
        browser.post(format!("{open}/answer"), json!({ "password": alice.password })).await.is_refused(422, "verification_failed");

        try_password(&browser, &alice.email, &alice.password).await.has_status(200);
    }

    async fn an_open_attempt_is_used_again_for_the_same_person_and_given_up_for_another(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_in(&browser, "alice@example.com").await;

        assert_eq!(open_sign_in(&browser, "Alice@Example.com").await, path);
        let same = browser.post("/v1/client/sign-ins", json!({})).await;
        assert!(path.ends_with(&same.str("/response/id")));
        let folded = browser.post("/v1/client/sign-ins", json!({ "identifier": "alice@example.com", "strategy": "email_code" })).await;
        assert!(folded.at("/response/current_challenge_id").is_string(), "the first challenge is issued with it");

        let other = open_sign_in(&browser, "bob@example.com").await;
        assert_ne!(other, path);
        browser.get(&path).await.is(200, json!({ "status": "abandoned", "supported_strategies": [] }));
        browser.post(format!("{path}/challenges"), json!({ "strategy": "password" })).await.is_refused(422, "sign_in_abandoned");
        let client = browser.get("/v1/client").await;
        assert!(other.ends_with(&client.str("/sign_in/id")));
    }

    async fn an_attempt_is_abandoned_after_a_day(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;

        app.advance(hours(24));

        browser.get(&path).await.is(200, json!({ "status": "abandoned" }));
        assert!(browser.get("/v1/client").await.at("/sign_in").is_null());
        browser.post(format!("{path}/challenges"), json!({ "strategy": "password" })).await.is_refused(422, "sign_in_abandoned");
        assert_ne!(open_sign_in(&browser, &alice.email).await, path);
    }

    async fn an_attempt_of_another_browser_is_not_there(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (browser, stranger) = (app.anyone(), app.browser().await);
        let path = open_sign_in(&browser, &alice.email).await;
        let open = challenge(&browser, &path, "password").await;

        stranger.get(&path).await.is_refused(404, "sign_in_not_found");
        stranger.get(&open).await.is_refused(404, "sign_in_not_found");
        stranger.post(format!("{open}/answer"), json!({ "password": alice.password })).await.is_refused(404, "sign_in_not_found");
        app.anyone().get(&path).await.is_refused(401, "client_not_found");
        let other = open_sign_in(&browser, "bob@example.com").await;
        let id = open.rsplit('/').next().expect("a path has an end");
        browser.get(format!("{other}/challenges/{id}")).await.is_refused(404, "challenge_not_found");
    }

    async fn what_an_attempt_cannot_begin_with_is_named(app: TestApp) {
        let browser = app.anyone();
        let begin = |body| browser.post("/v1/client/sign-ins", body);

        begin(json!({ "strategy": "password", "password": "x" })).await.is_refused_for(422, "form_param_nil", "identifier");
        for strategy in ["phone_code", "totp", "oauth_google", "saml", "nonsense"] {
            begin(json!({ "identifier": "alice@example.com", "strategy": strategy })).await
                .is_refused_for(422, "strategy_not_supported", "strategy");
        }
        begin(json!({ "identifier": "annlee" })).await.is_refused_for(422, "form_param_format_invalid", "identifier");
        begin(json!({ "identifier": "+15550001111" })).await.is_refused_for(422, "form_param_format_invalid", "identifier");
        begin(json!({ "identifier": "not@an@address" })).await.is_refused_for(422, "form_param_format_invalid", "identifier");
        begin(json!({ "strategy": "ticket" })).await.is_refused_for(422, "form_param_nil", "ticket");
        begin(json!({ "strategy": "ticket", "ticket": "tkt_x" })).await.is_refused(422, "ticket_invalid");
        begin(json!({ "transfer": true })).await.is_refused(422, "transfer_not_supported");
        let reply = begin(json!({ "identifier": 7, "strategy": [], "nope": 1 })).await;
        assert_eq!(reply.params(), ["identifier", "strategy", "nope"], "all problems together");
    }

    async fn a_password_without_its_strategy_is_an_answer_to_nothing(app: TestApp) {
        let alice = app.user("alice").created().await;

        let reply = app.anyone().post("/v1/client/sign-ins", json!({ "identifier": alice.email, "password": alice.password })).await;

        reply.is(200, json!({ "response": { "status": "needs_first_factor" }, "client": { "sessions": [] } }));
    }

    async fn without_protection_an_unknown_address_is_handed_to_sign_up(app: TestApp) {
        app.settings(|s| s.attack_protection.enumeration_protection = false).await;
        let browser = app.anyone();

        let path = open_sign_in(&browser, "nobody@example.com").await;

        browser.get(&path).await.is(200, json!({
            "status": "transferable", "transferable_to_signup": true, "target_flow": "sign_up", "supported_strategies": [],
        }));
        browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await.is_refused(422, "strategy_not_supported");
        try_password(&app.anyone(), "nobody@example.com", "whatever it is").await.has_status(422);
    }

    async fn without_protection_a_waitlist_says_that_nobody_is_known(app: TestApp) {
        app.settings(|s| {
            s.attack_protection.enumeration_protection = false;
            s.sign_up_modes = vec![domain::settings::SignUpMode::Waitlist];
        }).await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, "nobody@example.com").await;
        browser.get(&path).await.is(200, json!({ "status": "needs_first_factor" }));

        browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await
            .is_refused(422, "form_identifier_not_found");
        try_password(&browser, "nobody@example.com", "whatever it is").await.is_refused(422, "form_password_incorrect");
    }

    async fn a_person_without_a_password_is_told_nothing_else_than_others(app: TestApp) {
        let body = json!({ "email_address": ["ann@example.com"], "skip_password_requirement": true });
        app.bapi().post("/v1/users", body).await.has_status(201);

        try_password(&app.anyone(), "ann@example.com", "whatever it is").await.is_refused(422, "form_password_incorrect");
    }

    async fn an_unproven_address_signs_in_only_where_it_is_the_primary_one(app: TestApp) {
        app.settings(|s| {
            s.attribute_settings.email_address.verify_at_sign_up = false;
            s.attack_protection.enumeration_protection = false;
        }).await;
        let browser = app.anyone();
        open_sign_up(&browser, "ann@example.com").await;
        browser.get("/v1/me").await.has_status(200);
        let bob = app.user("bob").signed_in().await;
        bob.post("/v1/me/email-addresses", json!({ "email_address": "extra@example.com" })).await.has_status(200);

        try_password(&app.anyone(), "ann@example.com", crate::fapi::steps::PASSWORD).await.has_status(200);
        let refused = try_password(&app.anyone(), "extra@example.com", &bob.user.password).await;
        assert_eq!(refused.status(), 422, "{}", refused.text());
    }
}
