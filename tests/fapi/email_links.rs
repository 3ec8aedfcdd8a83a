//! Links by mail: asked for in one browser, confirmed in any, collected by the one that asked.

use super::links::{answer, ask, confirm, last_link, last_ticket, sign_in, sign_up, submit, switch_on};
use super::reset_password::add_second_factor;
use super::steps::{open_sign_in, open_sign_up};
use serde_json::json;
use testkit::{ORIGIN, TestApp, both, minutes};

both! {
    async fn a_link_that_is_confirmed_elsewhere_signs_in_the_browser_that_asked(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let (browser, phone) = (app.anyone(), app.anyone());
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": alice.email, "strategy": "email_link" })).await;
        let path = format!("/v1/client/sign-ins/{}", begun.has_status(200).str("/response/id"));
        let open = format!("{path}/challenges/{}", begun.str("/response/current_challenge_id"));
        let pending = json!({ "status": "pending", "strategy": "email_link", "attempts": 0, "external_verification_redirect_url": null });
        for _ in 0..2 {
            let waits = answer(&browser, &open).await;
            waits.is(200, json!({ "response": pending, "client": { "sessions": [] } }));
            assert!(waits.str("/response/nonce").starts_with("poll_"));
            browser.get(&open).await.is(200, pending.clone());
        }
        let link = last_link(&app, &alice.email).await;
        assert!(link.starts_with(&format!("{}/v1/client/handshake?__authn_ticket=tkt_", app.env.issuer)), "{link}");

        let confirmed = confirm(&app, &phone, &last_ticket(&app, &alice.email).await, "yes").await;

        confirmed.is(200, json!({ "object": "client_handshake", "redirect_url": null }));
        assert!(confirmed.set_cookies().is_empty());
        phone.get("/v1/me").await.has_status(401);
        // Watching begins nothing; coming for it does.
        for _ in 0..2 {
            browser.get(&open).await.is(200, json!({ "status": "verified" }));
            browser.get("/v1/me").await.has_status(401);
        }
        let done = answer(&browser, &open).await;
        done.is(200, json!({ "response": { "status": "verified" }, "client": { "sign_in": null, "sessions": [{ "user_id": alice.id }] } }));
        assert!(done.set_cookie("__session").is_some() && done.set_cookie("__client").is_some());
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
        answer(&browser, &open).await.is(200, json!({ "response": { "status": "verified" } }));
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 1 }));
    }

    async fn the_client_is_signed_in_when_it_is_next_asked_for(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        sign_in(&browser, &alice.email).await;
        confirm(&app, &app.anyone(), &last_ticket(&app, &alice.email).await, "yes").await.has_status(200);

        let client = browser.get("/v1/client").await;

        client.is(200, json!({ "sign_in": null, "sessions": [{ "user_id": alice.id }] }));
        assert!(client.set_cookie("__session").is_some() && client.set_cookie("__client").is_some());
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
    }

    async fn a_link_that_is_confirmed_where_it_was_asked_for_signs_in_at_once(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let (_, open) = sign_in(&browser, &alice.email).await;

        let done = submit(&app, &browser, &last_ticket(&app, &alice.email).await, "yes").await;

        done.has_status(200);
        assert!(done.text().contains("You are signed in"), "{}", done.text());
        assert!(done.set_cookie("__session").is_some());
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
        browser.get(&open).await.is(200, json!({ "status": "verified" }));
        answer(&browser, &open).await.has_status(200);
    }

    async fn a_proof_that_nobody_comes_for_runs_out(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let (path, open) = sign_in(&browser, &alice.email).await;
        confirm(&app, &app.anyone(), &last_ticket(&app, &alice.email).await, "yes").await.has_status(200);
        app.advance(minutes(10));

        browser.get("/v1/client").await.is(200, json!({ "sessions": [] }));
        answer(&browser, &open).await.is(200, json!({ "client": { "sessions": [] } }));
        browser.get(&path).await.is(200, json!({ "status": "needs_first_factor" }));
    }

    async fn the_second_factor_follows_the_link(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        add_second_factor(&app, &alice).await;
        for own in [false, true] {
            let browser = app.anyone();
            let (path, open) = sign_in(&browser, &alice.email).await;
            let by = if own { browser.clone() } else { app.anyone() };
            confirm(&app, &by, &last_ticket(&app, &alice.email).await, "yes").await.has_status(200);

            browser.get(&path).await.is(200, json!({ "status": "needs_second_factor", "supported_strategies": ["phone_code"] }));
            answer(&browser, &open).await.is(200, json!({ "client": { "sessions": [] } }));
            browser.get("/v1/client").await.is(200, json!({ "sessions": [] }));
        }
    }

    async fn an_unknown_mailbox_may_sign_up_by_the_link(app: TestApp) {
        switch_on(&app).await;
        let browser = app.anyone();
        let (path, open) = sign_in(&browser, "new@example.com").await;
        browser.get(&path).await.is(200, json!({ "status": "needs_first_factor", "user_data": {} }));

        confirm(&app, &app.anyone(), &last_ticket(&app, "new@example.com").await, "yes").await.has_status(200);

        browser.get(&open).await.is(200, json!({ "status": "transferable" }));
        browser.get(&path).await.is(200, json!({ "status": "transferable", "target_flow": "sign_up", "supported_strategies": [] }));
        answer(&browser, &open).await.is(200, json!({ "client": { "sessions": [] } }));
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
    }

    async fn nobody_is_mailed_where_nobody_may_sign_up(app: TestApp) {
        switch_on(&app).await;
        app.settings(|s| s.sign_up_modes = vec![domain::settings::SignUpMode::Waitlist]).await;
        sign_in(&app.anyone(), "new@example.com").await;
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn a_sign_up_is_completed_by_the_browser_that_asked(app: TestApp) {
        switch_on(&app).await;
        for by_answer in [true, false] {
            let email = if by_answer { "ann@example.com" } else { "bea@example.com" };
            let (browser, phone) = (app.anyone(), app.anyone());
            let (path, open) = sign_up(&browser, email).await;
            confirm(&app, &phone, &last_ticket(&app, email).await, "yes").await.has_status(200);
            browser.get(&open).await.is(200, json!({ "status": "verified" }));
            browser.get(&path).await.is(200, json!({ "status": "missing_requirements", "unverified_fields": [] }));
            phone.get("/v1/client").await.is(200, json!({ "sessions": [] }));

            let done = if by_answer { answer(&browser, &open).await } else { browser.get("/v1/client").await };

            assert!(done.set_cookie("__session").is_some());
            browser.get("/v1/me").await.is(200, json!({ "email_addresses": [{ "email_address": email, "verified": true }] }));
            browser.get(&path).await.is(200, json!({ "status": "complete" }));
        }
    }

    async fn a_sign_up_is_completed_at_once_where_it_was_asked_for(app: TestApp) {
        switch_on(&app).await;
        let browser = app.anyone();
        sign_up(&browser, "ann@example.com").await;

        confirm(&app, &browser, &last_ticket(&app, "ann@example.com").await, "yes").await.has_status(200);

        browser.get("/v1/me").await.has_status(200);
    }

    async fn a_taken_address_becomes_a_sign_in_by_the_link_that_says_so(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        for strategy in ["email_code", "email_link"] {
            let browser = app.anyone();
            let path = open_sign_up(&browser, &alice.email).await;
            let open = crate::fapi::steps::challenge(&browser, &path, strategy).await;
            let mails = app.mails_to(&alice.email).await;
            let mail = mails.last().expect("a mail");
            assert_eq!((mail.template_slug.as_str(), mail.code.as_deref()), ("account_exists", None));
            browser.get(&path).await.is(200, json!({ "status": "missing_requirements" }));

            // In the very browser that asked: anywhere else it would let a stranger in.
            confirm(&app, &browser, &last_ticket(&app, &alice.email).await, "yes").await.has_status(200);

            browser.get(&open).await.is(200, json!({ "status": "transferable" }));
            browser.get(&path).await.is(200, json!({ "status": "transferable", "target_flow": "sign_in", "supported_strategies": [] }));
            browser.get("/v1/me").await.has_status(401);
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn an_address_of_an_account_is_proven_by_a_link(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let added = alice.post("/v1/me/email-addresses", json!({ "email_address": "second@example.com" })).await;
        let path = format!("/v1/me/email-addresses/{}", added.str("/response/id"));
        let asked = alice.post(format!("{path}/challenges"), json!({ "strategy": "email_link" })).await;
        asked.is_refused(422, "strategy_not_supported");
        switch_on(&app).await;
        let open = ask(&alice, &path).await;
        answer(&alice, &open).await.is(200, json!({ "response": { "status": "pending" } }));

        confirm(&app, &app.anyone(), &last_ticket(&app, "second@example.com").await, "yes").await.has_status(200);

        alice.get(&open).await.is(200, json!({ "status": "verified" }));
        answer(&alice, &open).await.is(200, json!({ "response": { "status": "verified" } }));
        alice.get(&path).await.is(200, json!({ "verified": true, "current_challenge_id": null }));
    }

    async fn whoever_did_not_ask_stops_the_link(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let (path, open) = sign_in(&browser, &alice.email).await;
        let ticket = last_ticket(&app, &alice.email).await;

        let stopped = submit(&app, &app.anyone(), &ticket, "no").await;

        assert!(stopped.text().contains("nobody got in"), "{}", stopped.text());
        browser.get(&open).await.is(200, json!({ "status": "failed", "error": { "code": "verification_failed" } }));
        browser.get(&path).await.is(200, json!({ "current_challenge_id": null }));
        confirm(&app, &browser, &ticket, "yes").await.is_refused(422, "magic_link_expired");
        answer(&browser, &open).await.is_refused(422, "verification_failed");
    }

    async fn a_link_may_count_only_where_it_was_asked_for(app: TestApp) {
        switch_on(&app).await;
        app.settings(|s| s.authentication_strategies.email_link.require_same_client = true).await;
        let alice = app.user("alice").created().await;
        let (browser, phone) = (app.anyone(), app.browser().await);
        let (_, open) = sign_in(&browser, &alice.email).await;
        let ticket = last_ticket(&app, &alice.email).await;
        let page = crate::fapi::links::follow(&phone, &ticket).await;
        assert!(!page.text().contains("value=\"yes\"") && page.text().contains("value=\"no\""), "{}", page.text());

        confirm(&app, &phone, &ticket, "yes").await.is_refused(422, "magic_link_expired");
        let told = submit(&app, &phone, &ticket, "yes").await;
        assert!(told.status() == 422 && told.text().contains("where you asked for it"), "{}", told.text());

        browser.get(&open).await.is(200, json!({ "status": "pending" }));
        assert!(crate::fapi::links::follow(&browser, &ticket).await.text().contains("value=\"yes\""));
        confirm(&app, &browser, &ticket, "yes").await.has_status(200);
        browser.get("/v1/me").await.has_status(200);
    }

    async fn the_browser_lands_where_the_application_wants_it(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let landing = format!("{ORIGIN}/welcome?from=mail");
        for (own, word) in [(true, "complete"), (false, "verified")] {
            let browser = app.anyone();
            let path = open_sign_in(&browser, &alice.email).await;
            let asked = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_link", "redirect_url": landing })).await;
            asked.has_status(200);
            let by = if own { browser.clone() } else { app.anyone() };

            let sent_on = submit(&app, &by, &last_ticket(&app, &alice.email).await, "yes").await;

            sent_on.has_status(303);
            assert_eq!(sent_on.header("location"), Some(format!("{landing}&__authn_status={word}").as_str()));
        }
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let foreign = [
            "https://evil.example/", "javascript:alert(1)", "//evil.example", "/welcome", "ftp://app.example.com/",
            &ORIGIN.replace("://", "://user@"), &format!("{ORIGIN}.evil.example/"),
        ];
        for url in foreign {
            let asked = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_link", "redirect_url": url })).await;
            asked.is_refused_for(422, "redirect_url_not_allowed", "redirect_url");
        }
    }

    async fn where_links_are_off_none_is_sent(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let asked = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_link" })).await;
        asked.is_refused(422, "strategy_not_supported");
        let path = open_sign_up(&browser, "new@example.com").await;
        let asked = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_link" })).await;
        asked.is_refused(422, "strategy_not_supported");
        assert_eq!(app.mails().await.len(), 0);
    }
}
