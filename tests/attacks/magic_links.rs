//! A mailed link opens one attempt, once, to whoever holds the mailbox, and a session only where it was asked for.

use super::raw;
use crate::fapi::links::{
    answer, confirm, follow, last_link, last_ticket, own_origin, sign_in, sign_up, submit, switch_on,
};
use crate::fapi::steps::{PASSWORD, open_sign_in, open_sign_up, try_password};
use domain::Surface;
use serde_json::json;
use testkit::{Method, ORIGIN, TestApp, both};

both! {
    async fn of_fifty_confirmations_of_one_link_one_counts(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let (_, open) = sign_in(&browser, &alice.email).await;
        let ticket = last_ticket(&app, &alice.email).await;

        let answers = testkit::race(50, |i| {
            let by = if i % 5 == 0 { browser.clone() } else { app.anyone() };
            confirm(&app, &by, &ticket, "yes").into_future()
        }).await;

        assert_eq!(answers.iter().filter(|a| a.status() == 200).count(), 1);
        assert!(answers.iter().all(|a| [200, 422].contains(&a.status())));
        answer(&browser, &open).await.has_status(200);
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 1 }));
    }

    async fn scanners_that_follow_links_change_nothing(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let (path, open) = sign_in(&browser, &alice.email).await;
        let ticket = last_ticket(&app, &alice.email).await;
        app.skip_events().await;

        for _ in 0..20 {
            follow(&app.anyone(), &ticket).await.has_status(200);
            let link = format!("/v1/client/handshake?__authn_ticket={ticket}&__authn_status=complete");
            app.anyone().get(&link).await.has_status(200);
            app.anyone().call(Method::HEAD, &link).await;
            follow(&browser, &ticket).await.has_status(200);
        }

        browser.get(&open).await.is(200, json!({ "status": "pending", "attempts": 0 }));
        browser.get(&path).await.is(200, json!({ "status": "needs_first_factor" }));
        browser.get("/v1/client").await.is(200, json!({ "sessions": [] }));
        assert_eq!(app.events().await.len(), 0);
        confirm(&app, &browser, &ticket, "yes").await.has_status(200);
    }

    async fn another_browser_gets_neither_a_session_nor_a_cookie(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let (browser, thief) = (app.anyone(), app.browser().await);
        let (path, open) = sign_in(&browser, &alice.email).await;
        let ticket = last_ticket(&app, &alice.email).await;

        let confirmed = submit(&app, &thief, &ticket, "yes").await;

        assert!(confirmed.status() == 200 && confirmed.set_cookies().is_empty());
        assert!(confirmed.text().contains("Go back"), "{}", confirmed.text());
        assert!(!confirmed.text().contains("sess_") && !confirmed.text().contains(&alice.id));
        thief.get("/v1/me").await.has_status(401);
        thief.get("/v1/client").await.is(200, json!({ "sessions": [], "sign_in": null }));
        thief.get(&open).await.is_refused(404, "sign_in_not_found");
        answer(&thief, &open).await.is_refused(404, "sign_in_not_found");
        // Before the client that asked comes for it there is no session at all.
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 0 }));
        browser.get(&path).await.has_status(200);
        answer(&browser, &open).await.has_status(200);
    }

    async fn no_other_site_confirms_a_link(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let (_, open) = sign_in(&browser, &alice.email).await;
        let ticket = last_ticket(&app, &alice.email).await;
        let post = || {
            let body = format!("__authn_ticket={ticket}&__authn_confirm=yes");
            browser.post_empty("/v1/client/handshake").raw("application/x-www-form-urlencoded", body)
        };

        for origin in [ORIGIN, "https://evil.example", "null", &own_origin(&app).replace("127.0.0.1", "127.0.0.1.evil.example")] {
            post().origin(origin).await.is_refused(403, "origin_invalid");
        }
        post().without_origin().await.is_refused(403, "origin_invalid");
        post().without_origin().header("referer", "https://evil.example/").await.is_refused(403, "origin_invalid");
        post().without_origin().without_cookies().header("sec-fetch-site", "cross-site").await.is_refused(403, "origin_invalid");
        browser.get(&open).await.is(200, json!({ "status": "pending" }));
        post().origin(&own_origin(&app)).await.has_status(200);
    }

    async fn the_ticket_is_in_the_mail_and_nowhere_else(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").signed_in().await;
        let mut said = Vec::new();
        let mut tickets = Vec::new();
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": alice.user.email, "strategy": "email_link" })).await;
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let open = format!("{path}/challenges/{}", begun.str("/response/current_challenge_id"));
        let queued = app.database_text().await;
        tickets.push(last_ticket(&app, &alice.user.email).await);
        said.extend([begun.text(), browser.get(&open).await.text(), browser.get(&path).await.text(), answer(&browser, &open).await.text()]);
        said.push(confirm(&app, &app.anyone(), &tickets[0], "yes").await.text());
        said.push(answer(&browser, &open).await.text());

        let other = app.anyone();
        let (path, open) = sign_up(&other, &alice.user.email).await;
        tickets.push(last_ticket(&app, &alice.user.email).await);
        said.extend([other.get(&path).await.text(), other.get(&open).await.text()]);
        confirm(&app, &other, &tickets[1], "no").await.has_status(200);
        confirm(&app, &other, "tkt_canary_made_up_7c1d", "yes").await.has_status(422);
        app.anyone().get("/v1/client/handshake?__authn_ticket=tkt_canary_made_up_7c1d").await.has_status(422);
        tickets.push("tkt_canary_made_up_7c1d".to_owned());

        app.run_jobs().await;
        let events: Vec<String> = app.logged_events(&app.env).await.iter().map(|event| format!("{event:?}")).collect();
        let (database, logs) = (app.database_text().await, testkit::logs());
        for ticket in &tickets {
            let secret = ticket.trim_start_matches("tkt_");
            assert!(said.iter().all(|text| !text.contains(secret)), "an answer holds the ticket");
            assert!(events.iter().all(|event| !event.contains(secret)), "an event holds the ticket");
            assert!(!database.contains(secret) && !queued.contains(secret), "the database holds the ticket");
            assert!(!logs.contains(secret), "the log holds the ticket");
        }
    }

    async fn a_poisoned_host_is_in_no_link(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        for poison in [
            "Host: evil.example",
            "Host: {host}\nX-Forwarded-Host: evil.example",
            "Host: {host}\nForwarded: for=1.2.3.4;host=evil.example;proto=https",
            "Host: {host}\nX-Original-URL: //evil.example/",
        ] {
            let body = json!({ "identifier": alice.email, "strategy": "email_link" }).to_string();
            let head = format!("POST {{prefix}}/v1/client/sign-ins HTTP/1.1\n{poison}\nContent-Type: application/json");
            raw(&app, Surface::Fapi, &head, &body).await;
            let body = json!({ "identifier": alice.email, "strategy": "reset_password_email_code" }).to_string();
            raw(&app, Surface::Fapi, &head, &body).await;
        }
        let mails = app.mails().await;
        assert!(mails.len() >= 6, "{}", mails.len());
        for mail in mails {
            assert!(!format!("{:?} {:?} {:?}", mail.text, mail.html, mail.link).contains("evil"));
            if let Some(link) = mail.link {
                assert!(link.starts_with(&format!("{}/v1/client/handshake?", app.env.issuer)), "{link}");
            }
        }
    }

    async fn a_ticket_of_another_environment_is_worth_nothing(app: TestApp) {
        switch_on(&app).await;
        let other = app.second_environment().await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let (_, open) = sign_in(&browser, &alice.email).await;
        let ticket = last_ticket(&app, &alice.email).await;
        let there = app.anyone_of(&other);

        there.get(format!("/v1/client/handshake?__authn_ticket={ticket}")).await.is_refused(422, "magic_link_expired");
        confirm(&app, &there, &ticket, "yes").await.is_refused(422, "magic_link_expired");

        browser.get(&open).await.is(200, json!({ "status": "pending" }));
        assert!(last_link(&app, &alice.email).await.contains(&app.env.issuer));
    }

    async fn a_link_for_the_address_before_does_not_prove_the_one_after(app: TestApp) {
        switch_on(&app).await;
        let mallory = app.anyone();
        let (path, _) = sign_up(&mallory, "mallory@example.com").await;
        let ticket = last_ticket(&app, "mallory@example.com").await;
        mallory.patch(&path, json!({ "email_address": "victim@example.com" })).await.has_status(200);

        confirm(&app, &mallory, &ticket, "yes").await.is_refused(422, "magic_link_expired");

        mallory.get(&path).await.is(200, json!({ "unverified_fields": ["email_address"] }));
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
    }

    async fn whoever_claimed_a_mailbox_before_its_link_was_followed_keeps_nothing(app: TestApp) {
        switch_on(&app).await;
        app.settings(|s| {
            s.attribute_settings.email_address.verify_at_sign_up = false;
            s.attack_protection.enumeration_protection = false;
        }).await;
        let mallory = app.anyone();
        open_sign_up(&mallory, "victim@example.com").await;
        let user = mallory.get("/v1/me").await.str("/id");
        crate::attacks::resets::leave_factors(&app, &user, "+15555550110").await;
        let victim = app.anyone();
        let (_, open) = sign_in(&victim, "victim@example.com").await;

        confirm(&app, &app.anyone(), &last_ticket(&app, "victim@example.com").await, "yes").await.has_status(200);
        answer(&victim, &open).await.has_status(200);

        victim.get("/v1/me").await.is(200, json!({
            "id": user, "phone_numbers": [], "passkeys": [], "two_factor_enabled": false, "password_enabled": false,
        }));
        mallory.get("/v1/me").await.is_refused(401, "session_revoked");
        try_password(&app.anyone(), "victim@example.com", PASSWORD).await.has_status(422);
    }

    async fn a_link_looks_alike_for_known_and_unknown_until_it_is_confirmed(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let mut seen = Vec::new();
        for who in [alice.email.as_str(), "nobody@example.com"] {
            let browser = app.anyone();
            let path = open_sign_in(&browser, who).await;
            let open = crate::fapi::links::ask(&browser, &path).await;
            let (mut challenge, mut attempt) = (browser.get(&open).await.json().clone(), browser.get(&path).await.json().clone());
            for own in ["id", "sign_in_id", "nonce", "created_at", "updated_at", "expire_at"] {
                challenge[own] = json!(null);
            }
            for own in ["id", "identifier", "current_challenge_id", "abandon_at"] {
                attempt[own] = json!(null);
            }
            let mails = app.mails_to(who).await;
            seen.push((challenge, attempt, mails.len(), mails[0].template_slug.clone()));
        }
        assert_eq!(seen[0], seen[1]);
    }
}
