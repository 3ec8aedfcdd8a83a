//! A number as the second factor: not the one that the session began with, and nothing that strangers can use up.

use super::phones::{NUMBER, OTHER, ask, sign_in, two_reserved};
use super::{Attempt, another_code};
use crate::fapi::steps::{
    add_number, after_a_message, given_number, proven_number, reserved, try_password, with_phones,
};
use serde_json::json;
use testkit::{AuthenticatorApp, TestApp, both, minutes};

both! {
    async fn a_number_that_the_session_began_with_is_no_second_factor_at_step_up(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let (first, second) = two_reserved(&app, &alice.id).await;
        let browser = app.anyone();
        let attempt = sign_in(&browser, NUMBER).await;
        attempt.answer(&browser, &app.last_sms_code(NUMBER).await).await.has_status(200);
        let next = ask(&browser, attempt.path.clone()).await;
        let done = next.answer(&browser, &app.last_sms_code(OTHER).await).await;
        let session = format!("/v1/client/sessions/{}", done.str("/client/last_active_session_id"));
        app.advance(minutes(11));
        let add = async || browser.post("/v1/me/email-addresses", json!({ "email_address": "new@example.com" })).await;
        add().await.is_refused(403, "reverification_required");

        let named = json!({ "strategy": "phone_code", "phone_number_id": first });
        browser.post(format!("{session}/challenges"), named).await.is_refused(422, "phone_not_found");

        let named = json!({ "strategy": "phone_code", "phone_number_id": second });
        let issued = browser.post(format!("{session}/challenges"), named).await;
        let attempt = Attempt { challenge: issued.has_status(200).str("/response/id"), path: session };
        attempt.answer(&browser, &app.last_sms_code(OTHER).await).await.has_status(200);
        add().await.has_status(200);
    }

    async fn the_only_second_factor_asks_for_another_first_one_where_the_session_began_with_it(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let id = given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();
        let attempt = sign_in(&browser, NUMBER).await;
        let done = attempt.answer(&browser, &app.last_sms_code(NUMBER).await).await;
        let session = format!("/v1/client/sessions/{}", done.has_status(200).str("/client/last_active_session_id"));
        reserved(&app, &id).await;
        app.advance(minutes(11));
        let ways = async || {
            let refused = browser.post("/v1/me/email-addresses", json!({ "email_address": "new@example.com" })).await;
            refused.is_refused(403, "reverification_required");
            refused.at("/errors/0/meta/strategies").clone()
        };

        // Whoever has nothing but the number gets nowhere with it.
        assert_eq!(ways().await, json!(["password", "email_code"]));
        let asked = browser.post(format!("{session}/challenges"), json!({ "strategy": "phone_code" })).await;
        asked.is_refused(422, "strategy_not_supported");

        let body = json!({ "strategy": "password", "password": alice.password });
        browser.post(format!("{session}/challenges"), body).await.has_status(200);
        assert_eq!(ways().await, json!(["phone_code"]));
        let second = ask(&browser, session).await;
        second.answer(&browser, &app.last_sms_code(NUMBER).await).await.has_status(200);
        browser.post("/v1/me/email-addresses", json!({ "email_address": "new@example.com" })).await.has_status(200);
    }

    async fn nobody_locks_themself_out_by_reserving_the_only_way_in(app: TestApp) {
        with_phones(&app).await;
        let body = json!({ "phone_number": [NUMBER], "skip_password_requirement": true });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let browser = app.anyone();
        let attempt = sign_in(&browser, NUMBER).await;
        attempt.answer(&browser, &app.last_sms_code(NUMBER).await).await.has_status(200);
        let only = format!("/v1/me/phone-numbers/{}", browser.get("/v1/me/phone-numbers").await.str("/0/id"));
        let reserve = json!({ "reserved_for_second_factor": true });

        let refused = browser.patch(&only, reserve).await;

        refused.is_refused_for(422, "last_sign_in_method_not_removable", "reserved_for_second_factor");
        browser.get(&only).await.is(200, json!({ "reserved_for_second_factor": false }));
        after_a_message(&app);
        sign_in(&app.anyone(), NUMBER).await;
    }

    async fn nobody_takes_away_what_makes_a_reserved_number_a_way_in(app: TestApp) {
        with_phones(&app).await;
        app.settings(|s| s.attribute_settings.password.required = false).await;
        let alice = app.user("alice").signed_in().await;
        let number = proven_number(&app, &alice, NUMBER).await;
        let body = json!({ "current_password": alice.user.password });
        alice.delete("/v1/me/password").json(body).await.has_status(200);
        alice.patch(&number, json!({ "reserved_for_second_factor": true })).await.has_status(200);
        let address = format!("/v1/me/email-addresses/{}", alice.user.email_id);

        // The number is all there is for the second step: without the mailbox nothing is there for the first.
        alice.delete(&address).await.is_refused(422, "last_sign_in_method_not_removable");
        AuthenticatorApp::enrolled(&app, &alice).await;
        alice.delete(&address).await.has_status(200);
        alice.delete("/v1/me/totp").await.is_refused(422, "last_sign_in_method_not_removable");

        alice.get("/v1/me").await.is(200, json!({ "totp_enabled": true, "email_addresses": [] }));
        alice.patch(&number, json!({ "reserved_for_second_factor": false })).await.has_status(200);
        alice.delete("/v1/me/totp").await.has_status(200);
    }

    async fn reserving_another_number_makes_no_session_fresh(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let first = proven_number(&app, &alice, NUMBER).await;
        let other = proven_number(&app, &alice, OTHER).await;
        let reserve = async |path: &str, on: bool| {
            alice.patch(path, json!({ "reserved_for_second_factor": on })).await
        };
        reserve(&first, true).await.has_status(200);
        app.advance(minutes(9));

        // The second one, and the first one again, within the ten minutes.
        reserve(&other, true).await.has_status(200);
        reserve(&first, false).await.has_status(200);
        reserve(&first, true).await.has_status(200);

        app.advance(minutes(1));
        reserve(&other, false).await.is_refused(403, "reverification_required");
    }

    async fn whoever_signs_up_leaves_half_of_the_days_messages_to_others(app: TestApp) {
        with_phones(&app).await;
        app.settings(|s| {
            s.sms.daily_budget = 8;
            s.attribute_settings.email_address.required = false;
        })
        .await;
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").created().await);
        given_number(&app, &bob.id, NUMBER).await;
        let sign_up = async |i: usize| {
            let browser = app.anyone();
            let begun = browser.post("/v1/client/sign-ups", json!({ "phone_number": format!("+1650253{i:04}") })).await;
            let path = format!("/v1/client/sign-ups/{}/challenges", begun.has_status(200).str("/response/id"));
            browser.post(path, json!({ "strategy": "phone_code" })).await.status()
        };
        let claim = async |i: usize| {
            let path = add_number(&alice, &format!("+1650253{i:04}")).await;
            alice.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await.status()
        };
        let mut statuses = Vec::new();
        for i in 100..106 {
            statuses.push(sign_up(i).await);
        }
        assert_eq!(statuses, [200, 200, 200, 200, 429, 429], "half of eight");
        statuses.clear();
        for i in 200..204 {
            statuses.push(claim(i).await);
        }
        assert_eq!(statuses, [200, 200, 429, 429], "a quarter for numbers that are added");

        // Who has proven a number gets in.
        for _ in 0..2 {
            sign_in(&app.anyone(), NUMBER).await;
            after_a_message(&app);
        }
        assert_eq!(app.smses().await.len(), 8, "and the day's number stands");
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": NUMBER })).await;
        let path = format!("/v1/client/sign-ins/{}/challenges", begun.str("/response/id"));
        browser.post(path, json!({ "strategy": "phone_code" })).await.is_refused(429, "rate_limit_exceeded");
    }

    async fn strangers_use_up_neither_the_tries_nor_the_messages_of_a_second_step(app: TestApp) {
        with_phones(&app).await;
        app.settings(|s| s.sms.daily_budget = 1).await;
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        reserved(&app, &given_number(&app, &alice.id, NUMBER).await).await;
        given_number(&app, &bob.id, OTHER).await;
        // The day's messages go to Bob; those to her number for this hour are asked for, and twenty codes are guessed.
        sign_in(&app.anyone(), OTHER).await;
        let mut refused = 0;
        for _ in 0..6 {
            let stranger = app.anyone();
            let begun = stranger.post("/v1/client/sign-ins", json!({ "identifier": NUMBER })).await;
            let path = format!("/v1/client/sign-ins/{}", begun.has_status(200).str("/response/id"));
            let asked = stranger.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await;
            after_a_message(&app);
            if asked.status() == 429 {
                refused += 1;
                continue;
            }
            let attempt = Attempt { challenge: asked.str("/response/id"), path };
            for _ in 0..4 {
                attempt.answer(&stranger, "135790").await;
            }
        }
        assert!(refused > 0, "no more messages for strangers");

        let owner = app.anyone();
        let begun = try_password(&owner, &alice.email, &alice.password).await;
        let second = ask(&owner, format!("/v1/client/sign-ins/{}", begun.str("/response/id"))).await;
        let code = app.last_sms_code(NUMBER).await;
        second.answer(&owner, another_code(&code)).await.is_refused(422, "form_code_incorrect");
        second.answer(&owner, &code).await.has_status(200);

        owner.get("/v1/me").await.is(200, json!({ "id": alice.id }));
    }

    async fn guesses_at_the_second_step_are_counted_by_person_whatever_is_begun_anew(app: TestApp) {
        with_phones(&app).await;
        app.settings(|s| s.sms.daily_budget = 100).await;
        let alice = app.user("alice").created().await;
        reserved(&app, &given_number(&app, &alice.id, NUMBER).await).await;
        let mut wrong = 0;
        // Whoever has the password: five codes an hour, four guesses each.
        for _ in 0..5 {
            let thief = app.anyone();
            let begun = try_password(&thief, &alice.email, &alice.password).await;
            let second = ask(&thief, format!("/v1/client/sign-ins/{}", begun.str("/response/id"))).await;
            let code = app.last_sms_code(NUMBER).await;
            for _ in 0..4 {
                wrong += usize::from(second.answer(&thief, another_code(&code)).await.status() == 422);
            }
            if wrong == 20 {
                second.answer(&thief, &code).await.is_refused(403, "user_locked");
            }
            after_a_message(&app);
        }
        assert_eq!(wrong, 20);
    }
}
