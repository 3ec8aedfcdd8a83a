//! Links and half-done sign-ins that somebody else began: none of them opens an account to whoever began it.

use crate::fapi::links::{confirm, last_ticket, switch_on};
use crate::fapi::steps::{PASSWORD, challenge};
use serde_json::json;
use testkit::{AuthenticatorApp, TestApp, both};

both! {
    async fn a_link_adds_no_address_once_the_session_that_asked_for_it_is_gone(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").signed_in().await;
        let added = alice.post("/v1/me/email-addresses", json!({ "email_address": "evil@example.com" })).await;
        let path = format!("/v1/me/email-addresses/{}", added.has_status(200).str("/response/id"));
        challenge(&alice, &path, "email_link").await;
        let ticket = last_ticket(&app, "evil@example.com").await;
        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.has_status(200);

        confirm(&app, &app.anyone(), &ticket, "yes").await.is_refused(422, "magic_link_expired");

        let person = app.bapi().get(format!("/v1/users/{}", alice.id())).await;
        let verified = |address: &serde_json::Value| address["verified"] == true;
        let addresses = person.at("/email_addresses").as_array().cloned().unwrap_or_default();
        assert_eq!(addresses.iter().filter(|a| verified(a)).count(), 1, "{}", person.text());
    }

    async fn a_click_on_the_mail_about_an_account_lets_no_stranger_in(app: TestApp) {
        let alice = app.user("alice").created().await;
        let stranger = app.anyone();
        let body = json!({ "email_address": alice.email, "password": PASSWORD });
        let begun = stranger.post("/v1/client/sign-ups", body).await;
        let path = format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"));
        challenge(&stranger, &path, "email_code").await;
        let ticket = last_ticket(&app, &alice.email).await;

        // Alice is friendly and clicks.
        confirm(&app, &app.anyone(), &ticket, "yes").await.is_refused(422, "magic_link_expired");

        stranger.post("/v1/client/sign-ins", json!({ "transfer": true })).await.is_refused(422, "transfer_not_supported");
        stranger.get("/v1/me").await.has_status(401);
    }

    async fn the_mail_about_an_account_goes_to_its_owner_as_stored(app: TestApp) {
        app.settings(|s| s.restrictions.block_email_subaddresses = true).await;
        let alice = app.user("alice").created().await;
        let stranger = app.anyone();
        let body = json!({ "email_address": "alice+mine@example.com", "password": PASSWORD });
        let begun = stranger.post("/v1/client/sign-ups", body).await;
        if begun.status() == 200 {
            let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
            challenge(&stranger, &path, "email_code").await;
        }
        app.run_jobs().await;

        assert!(app.mails_to("alice+mine@example.com").await.is_empty(), "another mailbox heard of the account");
        if begun.status() == 200 {
            assert_eq!(app.mails_to(&alice.email).await.len(), 1);
        }
    }

    async fn a_sign_in_that_waits_for_its_second_step_dies_with_the_password(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let phone = AuthenticatorApp::enrolled(&app, &alice).await;
        let thief = app.anyone();
        let body = json!({ "identifier": alice.user.email, "strategy": "password", "password": alice.user.password });
        let begun = thief.post("/v1/client/sign-ins", body).await;
        begun.is(200, json!({ "response": { "status": "needs_second_factor" } }));
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let open = challenge(&thief, &path, "totp").await;

        let changed = app.bapi().patch(format!("/v1/users/{}", alice.id()), json!({ "password": PASSWORD })).await;
        changed.has_status(200);

        let reply = thief.post(format!("{open}/answer"), json!({ "code": phone.code(&app, 0) })).await;
        reply.is_refused(422, "sign_in_abandoned");
        thief.get("/v1/me").await.has_status(401);
    }
}
