//! Who is kept out stays out, however the identifier is spelled and through whichever door it comes.

use super::{ask_for_code, sign_in_by_code};
use crate::fapi::links::{confirm, last_ticket, switch_on};
use crate::fapi::steps::{PASSWORD, with_phones};
use domain::settings::{SignUpMode, TestMode};
use serde_json::json;
use testkit::{Reply, TestApp, both};

async fn block(app: &TestApp, identifier: &str) -> Reply {
    let made = app.bapi().post("/v1/blocklist-identifiers", json!({ "identifier": identifier })).await;
    made.has_status(201);
    made
}

async fn allow(app: &TestApp, identifier: &str) {
    app.bapi().post("/v1/allowlist-identifiers", json!({ "identifier": identifier })).await.has_status(201);
}

async fn restrict(app: &TestApp) {
    app.bapi()
        .patch("/v1/instance", json!({ "sign_up_modes": ["restricted"] }))
        .await
        .is(200, json!({ "restrictions": { "allowlist_enabled": true } }));
}

async fn sign_up(app: &TestApp, email: &str) -> Reply {
    app.anyone().post("/v1/client/sign-ups", json!({ "email_address": email, "password": PASSWORD })).await
}

const NOT_ALLOWED: &str = "form_identifier_not_allowed";

both! {
    async fn no_spelling_of_a_blocked_mailbox_gets_in(app: TestApp) {
        // The rules of the environment fold as little as they can.
        app.settings(|s| {
            s.restrictions.ignore_dots_for_gmail_addresses = false;
            s.restrictions.block_email_subaddresses = false;
            s.test_mode = Some(TestMode::Disabled);
        }).await;
        let alice = app.user("alice").signed_in().await;
        block(&app, "bad.guy@gmail.com").await;
        block(&app, "mallory@example.com").await;
        block(&app, "*@evil.example").await;
        block(&app, "*@*.evil.example").await;
        block(&app, "@b\u{fc}cher.example").await;
        app.skip_events().await;

        for spelling in [
            "bad.guy@gmail.com", "BADGUY@GMAIL.COM", "b.a.d.g.u.y@googlemail.com", "badguy+x@gmail.com", "bad.guy+authn_test@gmail.com", " badguy@gmail.com ",
            "Mallory@Example.Com", "mallory+1@example.com", "mallory+authn_test@example.com",
            "x@evil.example", "X+y@EVIL.example", "x@mail.evil.example", "x@a.b.c.evil.example",
            "x@b\u{fc}cher.example", "x@B\u{dc}CHER.example", "x@xn--bcher-kva.example", "x@b\u{fc}cher\u{3002}example",
        ] {
            sign_up(&app, spelling).await.is_refused_for(422, NOT_ALLOWED, "email_address");
            let added = alice.post("/v1/me/email-addresses", json!({ "email_address": spelling })).await;
            added.is_refused_for(422, NOT_ALLOWED, "email_address");
        }
        for neighbour in ["badguys@gmail.com", "malloryx@example.com", "x@notevil.example", "x@evil.example.com"] {
            sign_up(&app, neighbour).await.has_status(200);
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        // A backend is past all of it.
        let made = json!({ "email_address": ["mallory@example.com"], "password": PASSWORD });
        app.bapi().post("/v1/users", made).await.has_status(201);
    }

    async fn a_block_counts_in_the_middle_of_a_sign_up(app: TestApp) {
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ups", json!({ "email_address": "ann@evil.example", "password": PASSWORD })).await;
        let path = format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"));
        let attempt = ask_for_code(&browser, path.clone()).await;
        let code = app.last_code("ann@evil.example").await;
        let listed = block(&app, "*@evil.example").await;

        attempt.answer(&browser, &code).await.is_refused_for(422, NOT_ALLOWED, "email_address");
        browser.patch(&path, json!({ "first_name": "Ann" })).await.is_refused(422, NOT_ALLOWED);

        browser.get("/v1/me").await.has_status(401);
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
        // The right code was not used up by it.
        app.bapi().delete(format!("/v1/blocklist-identifiers/{}", listed.str("/id"))).await.has_status(204);
        attempt.answer(&browser, &code).await.has_status(200);
        browser.get("/v1/me").await.has_status(200);
    }

    async fn the_block_list_wins_over_the_allow_list_until_it_is_switched_off(app: TestApp) {
        restrict(&app).await;
        allow(&app, "*@example.com").await;
        block(&app, "mallory@example.com").await;

        sign_up(&app, "ann@example.com").await.has_status(200);
        sign_up(&app, "mallory@example.com").await.is_refused(422, NOT_ALLOWED);

        app.bapi().patch("/v1/instance/restrictions", json!({ "blocklist_enabled": false })).await.has_status(200);
        sign_up(&app, "mallory@example.com").await.has_status(200);
    }

    async fn a_throw_away_domain_is_told_before_the_lists(app: TestApp) {
        restrict(&app).await;
        app.settings(|s| s.restrictions.block_disposable_email_domains = true).await;
        allow(&app, "*@mailinator.com").await;
        block(&app, "*@mailinator.com").await;
        sign_up(&app, "ann@mailinator.com").await.is_refused_for(422, "form_identifier_disposable", "email_address");
    }

    async fn where_sign_up_is_restricted_only_the_listed_get_in(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        restrict(&app).await;
        allow(&app, "ann@corp.example").await;
        allow(&app, "*@*.corp.example").await;
        app.settings(|s| s.restrictions.block_email_subaddresses = false).await;

        for stranger in [
            "bob@corp.example", "ann+2@corp.example", "an.n@corp.example", "x@corp.example.evil.test", "x@evilcorp.example", "ann@corp.example.com",
        ] {
            sign_up(&app, stranger).await.is_refused_for(422, NOT_ALLOWED, "email_address");
            let added = alice.post("/v1/me/email-addresses", json!({ "email_address": stranger })).await;
            added.is_refused_for(422, NOT_ALLOWED, "email_address");
        }
        app.anyone().post("/v1/client/sign-ups", json!({ "first_name": "Ann" })).await.is_refused(422, NOT_ALLOWED);
        for listed in ["ann@corp.example", "ANN@CORP.example", "x@dev.corp.example"] {
            sign_up(&app, listed).await.has_status(200);
        }
        alice.post("/v1/me/email-addresses", json!({ "email_address": "alice@dev.corp.example" })).await.has_status(200);
        // Later another address takes the place of the listed one.
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ups", json!({ "email_address": "ann@corp.example", "password": PASSWORD })).await;
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        browser.patch(&path, json!({ "email_address": "bob@corp.example" })).await.is_refused_for(422, NOT_ALLOWED, "email_address");
        let attempt = ask_for_code(&browser, path).await;
        attempt.answer(&browser, &app.last_code("ann@corp.example").await).await.has_status(200);
        browser.get("/v1/me").await.has_status(200);
    }

    async fn a_number_is_held_against_the_lists_like_an_address(app: TestApp) {
        with_phones(&app).await;
        app.settings(|s| {
            s.attribute_settings.email_address.required = false;
            s.attribute_settings.password.required = false;
        }).await;
        let alice = app.user("alice").signed_in().await;
        block(&app, "+1 650 253 0001").await;
        let sign_up = |number: &str| app.anyone().post("/v1/client/sign-ups", json!({ "phone_number": number }));
        for spelling in ["+16502530001", "+1 (650) 253-0001", "+1.650.253.0001"] {
            sign_up(spelling).await.is_refused_for(422, NOT_ALLOWED, "phone_number");
            let added = alice.post("/v1/me/phone-numbers", json!({ "phone_number": spelling })).await;
            added.is_refused_for(422, NOT_ALLOWED, "phone_number");
        }
        sign_up("+16502530002").await.has_status(200);

        restrict(&app).await;
        allow(&app, "+16502530003").await;
        sign_up("+16502530002").await.is_refused_for(422, NOT_ALLOWED, "phone_number");
        sign_up("+16502530003").await.has_status(200);
        // A second factor of somebody who is in is no new person.
        alice.post("/v1/me/phone-numbers", json!({ "phone_number": "+16502530004" })).await.has_status(201);
    }

    async fn no_way_round_leads_through_a_sign_in(app: TestApp) {
        switch_on(&app).await;
        block(&app, "*@evil.example").await;
        // A link to an unknown address would let its owner sign up.
        let browser = app.anyone();
        let body = json!({ "identifier": "ann@evil.example", "strategy": "email_link" });
        let blocked = browser.post("/v1/client/sign-ins", body).await;
        assert!(app.mails().await.is_empty(), "nothing is sent to who may not come");
        // From outside it is as with anybody.
        let other = json!({ "identifier": "ann@example.com", "strategy": "email_link" });
        let usual = app.anyone().post("/v1/client/sign-ins", other).await;
        assert_eq!((blocked.status(), blocked.str("/response/status")), (usual.status(), usual.str("/response/status")));

        // Begun before the block, transferred after it.
        let browser = app.anyone();
        let body = json!({ "identifier": "bob@late.example", "strategy": "email_link" });
        browser.post("/v1/client/sign-ins", body).await.has_status(200);
        confirm(&app, &browser, &last_ticket(&app, "bob@late.example").await, "yes").await.has_status(200);
        block(&app, "*@late.example").await;
        let moved = browser.post("/v1/client/sign-ups", json!({ "transfer": true, "password": PASSWORD })).await;
        moved.is_refused_for(422, NOT_ALLOWED, "email_address");
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
    }

    async fn who_is_in_stays_in_when_the_doors_are_shut(app: TestApp) {
        let alice = app.user("alice").created().await;
        app.settings(|s| s.sign_up_modes = vec![SignUpMode::Waitlist]).await;
        block(&app, &alice.email).await;
        let browser = app.anyone();
        let attempt = sign_in_by_code(&browser, &alice.email).await;
        attempt.answer(&browser, &app.last_code(&alice.email).await).await.has_status(200);
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
        sign_up(&app, "ann@example.com").await.is_refused(422, NOT_ALLOWED);
        allow(&app, "ann@example.com").await;
        sign_up(&app, "ann@example.com").await.is_refused(422, NOT_ALLOWED);
    }
}
