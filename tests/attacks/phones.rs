//! Codes by SMS: used once, guessed in vain, sent within a budget, and never both factors at once.

use super::{Attempt, another_code};
use crate::fapi::steps::{
    add_number, after_a_message, given_number, other_than, proven_number, reserved, try_password, with_phones,
};
use serde_json::{Value, json};
use testkit::{Caller, Reply, SignedInUser, TestApp, both, hours, minutes, race};

pub(super) const NUMBER: &str = "+16502530000";
pub(super) const OTHER: &str = "+16502530001";

/// Asks for a code by SMS on an attempt that was begun.
pub(super) async fn ask(browser: &Caller, path: String) -> Attempt {
    let issued = browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await;
    Attempt { challenge: issued.has_status(200).str("/response/id"), path }
}

/// Begins a sign-in by a number and asks for its code.
pub(super) async fn sign_in(browser: &Caller, number: &str) -> Attempt {
    let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": number })).await;
    ask(browser, format!("/v1/client/sign-ins/{}", begun.has_status(200).str("/response/id"))).await
}

/// Somebody who has two numbers, both of them second factors; their ids.
pub(super) async fn two_reserved(app: &TestApp, user: &str) -> (String, String) {
    let ids = (given_number(app, user, NUMBER).await, given_number(app, user, OTHER).await);
    reserved(app, &ids.0).await;
    reserved(app, &ids.1).await;
    ids
}

fn one_wins(replies: &[Reply]) {
    assert!(replies.iter().all(|reply| reply.status() < 500), "a race is no fault");
    assert_eq!(replies.iter().filter(|reply| reply.status() < 300).count(), 1);
}

both! {
    async fn one_sms_code_signs_in_once_however_often_it_is_sent(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();
        let attempt = sign_in(&browser, NUMBER).await;
        let code = app.last_sms_code(NUMBER).await;
        let thieves: Vec<_> = (0..50).map(|_| browser.stolen()).collect();

        let replies = race(50, |i| attempt.answer(&thieves[i], &code)).await;

        one_wins(&replies);
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 1 }));
    }

    async fn one_sms_code_is_a_second_factor_once_however_often_it_is_sent(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        reserved(&app, &given_number(&app, &alice.id, NUMBER).await).await;
        let browser = app.anyone();
        let begun = try_password(&browser, &alice.email, &alice.password).await;
        let attempt = ask(&browser, format!("/v1/client/sign-ins/{}", begun.str("/response/id"))).await;
        let code = app.last_sms_code(NUMBER).await;
        let thieves: Vec<_> = (0..50).map(|_| browser.stolen()).collect();

        let replies = race(50, |i| attempt.answer(&thieves[i], &code)).await;

        one_wins(&replies);
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 1 }));
    }

    async fn one_number_is_proven_by_one_person_whoever_comes_first(app: TestApp) {
        with_phones(&app).await;
        let mut attempts = Vec::new();
        for i in 0..5 {
            let user = app.user(&format!("user{i}")).signed_in().await;
            let attempt = ask(&user, add_number(&user, NUMBER).await).await;
            let code = app.last_sms_code(NUMBER).await;
            attempts.push((user, attempt, code));
            after_a_message(&app);
        }

        let replies = race(50, |i| {
            let (user, attempt, code) = &attempts[i % 5];
            attempt.answer(user, code)
        })
        .await;

        one_wins(&replies);
        app.bapi().get("/v1/phone-numbers").await.is(200, json!({ "total_count": 1, "data": [{ "verified": true }] }));
    }

    async fn one_number_signs_up_once_whoever_comes_first(app: TestApp) {
        with_phones(&app).await;
        app.settings(|s| {
            s.attribute_settings.email_address.required = false;
            s.attribute_settings.password.required = false;
        })
        .await;
        let mut attempts = Vec::new();
        for _ in 0..5 {
            let browser = app.anyone();
            let begun = browser.post("/v1/client/sign-ups", json!({ "phone_number": NUMBER })).await;
            let attempt = ask(&browser, format!("/v1/client/sign-ups/{}", begun.str("/response/id"))).await;
            attempts.push((browser, attempt, app.last_sms_code(NUMBER).await));
            after_a_message(&app);
        }

        let replies = race(50, |i| {
            let (browser, attempt, code) = &attempts[i % 5];
            attempt.answer(browser, code)
        })
        .await;

        one_wins(&replies);
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        app.bapi().get("/v1/phone-numbers").await.is(200, json!({ "total_count": 1 }));
    }

    async fn guesses_at_sms_codes_are_counted_whatever_is_sent_again(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        given_number(&app, &alice.id, NUMBER).await;
        let mut wrong = 0;
        for round in 0..5 {
            let browser = app.anyone();
            let attempt = sign_in(&browser, NUMBER).await;
            let code = app.last_sms_code(NUMBER).await;
            for _ in 0..4 {
                wrong += usize::from(attempt.answer(&browser, another_code(&code)).await.status() == 422);
            }
            if round == 4 {
                assert_eq!(wrong, 20, "then it is shut");
                attempt.answer(&browser, &code).await.is_refused(403, "user_locked");
            }
            after_a_message(&app);
        }
        // The owner is not shut out: the password is another purpose, and the lock ends.
        app.user("alice").signed_in().await;
        app.advance(hours(1));
        let browser = app.anyone();
        let attempt = sign_in(&browser, NUMBER).await;
        attempt.answer(&browser, &app.last_sms_code(NUMBER).await).await.has_status(200);
    }

    async fn guesses_at_a_number_of_ones_own_are_counted_too(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let mut statuses = Vec::new();
        for i in 0..6 {
            // Another number is no new count.
            let number = format!("+1650253000{i}");
            let attempt = ask(&alice, add_number(&alice, &number).await).await;
            let code = app.last_sms_code(&number).await;
            for _ in 0..4 {
                statuses.push(attempt.answer(&alice, another_code(&code)).await.status());
            }
        }
        assert_eq!(statuses[..20], [422; 20]);
        assert_eq!(statuses[20..], [403; 4]);
    }

    async fn five_wrong_sms_codes_end_it_even_when_they_come_at_once(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();
        let attempt = sign_in(&browser, NUMBER).await;
        let code = app.last_sms_code(NUMBER).await;

        let replies = race(50, |_| attempt.answer(&browser, another_code(&code))).await;

        let looked_at = replies.iter().filter(|r| r.codes().contains(&"form_code_incorrect")).count();
        assert!(looked_at <= 5, "{looked_at} guesses were looked at");
        attempt.answer(&browser, &code).await.is_refused(422, "verification_failed");
    }

    async fn no_stranger_runs_up_the_bill(app: TestApp) {
        with_phones(&app).await;
        app.settings(|s| {
            // Sign-ups have half of it.
            s.sms.daily_budget = 6;
            s.attribute_settings.email_address.required = false;
        })
        .await;
        let text = |i: usize| {
            let browser = app.anyone();
            async move {
                let begun = browser.post("/v1/client/sign-ups", json!({ "phone_number": format!("+1650253{i:04}") })).await;
                let path = format!("/v1/client/sign-ups/{}", begun.has_status(200).str("/response/id"));
                browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await
            }
        };
        for i in 0..3 {
            text(i).await.has_status(200);
        }
        let refused = text(3).await;
        refused.is_refused(429, "rate_limit_exceeded");
        assert!(refused.header("retry-after").is_some());
        let many: Vec<Reply> = race(20, |i| text(100 + i)).await;
        assert!(many.iter().all(|reply| reply.status() == 429));
        assert_eq!(app.smses().await.len(), 3, "and no more went out");
        app.advance(hours(24));
        text(4).await.has_status(200);
    }

    async fn one_number_gets_five_messages_an_hour_by_whatever_way(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        proven_number(&app, &alice, NUMBER).await;
        let session = format!("/v1/client/sessions/{}", alice.session);
        let mut statuses = Vec::new();
        for i in 0..6 {
            after_a_message(&app);
            let browser = app.anyone();
            let path = match i % 2 {
                0 => session.clone(),
                _ => {
                    let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": NUMBER })).await;
                    format!("/v1/client/sign-ins/{}", begun.str("/response/id"))
                }
            };
            let caller: &Caller = if i % 2 == 0 { &alice } else { &browser };
            let asked = caller.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await;
            statuses.push(asked.status());
        }
        assert_eq!(statuses, [200, 200, 200, 200, 429, 429]);
        assert_eq!(app.smses().await.len(), 5);
        app.advance(hours(1));
        sign_in(&app.anyone(), NUMBER).await;
    }

    async fn messages_asked_for_at_once_go_out_once(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        given_number(&app, &alice.id, NUMBER).await;
        let mut paths = Vec::new();
        for _ in 0..20 {
            let browser = app.anyone();
            let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": NUMBER })).await;
            paths.push((browser, format!("/v1/client/sign-ins/{}/challenges", begun.str("/response/id"))));
        }

        let replies = race(20, |i| {
            let (browser, path) = &paths[i];
            async move { browser.post(path, json!({ "strategy": "phone_code" })).await }
        })
        .await;

        one_wins(&replies);
        assert_eq!(app.smses().await.len(), 1);
    }

    async fn a_number_that_was_the_first_factor_is_not_the_second(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let (first, _) = two_reserved(&app, &alice.id).await;
        let browser = app.anyone();
        let attempt = sign_in(&browser, NUMBER).await;
        let used = app.last_sms_code(NUMBER).await;
        attempt.answer(&browser, &used).await.has_status(200);
        browser.get(&attempt.path).await.is(200, json!({ "status": "needs_second_factor", "supported_strategies": ["phone_code"] }));
        after_a_message(&app);

        // The same number again, by name; and the code that was good for the first step.
        let named = json!({ "strategy": "phone_code", "phone_number_id": first });
        browser.post(format!("{}/challenges", attempt.path), named).await.is_refused(422, "phone_not_found");
        let second = ask(&browser, attempt.path.clone()).await;
        let code = app.last_sms_code(OTHER).await;
        if used != code {
            second.answer(&browser, &used).await.is_refused(422, "form_code_incorrect");
        }
        browser.get("/v1/me").await.has_status(401);
        assert_eq!(app.smses().await.iter().filter(|sms| sms.to == NUMBER).count(), 1);
        second.answer(&browser, &code).await.has_status(200);
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
    }

    async fn the_only_second_factor_is_no_first_one(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        reserved(&app, &given_number(&app, &alice.id, NUMBER).await).await;
        let browser = app.anyone();
        let attempt = sign_in(&browser, NUMBER).await;
        for code in ["000000", "424242", "135790"] {
            attempt.answer(&browser, code).await.is_refused(422, "form_code_incorrect");
        }
        assert_eq!(app.smses().await.len(), 0, "nothing is sent to it");
        browser.get("/v1/me").await.has_status(401);
    }

    async fn a_code_loses_its_worth_when_its_number_becomes_all_there_is_for_the_second_step(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let id = given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();
        let attempt = sign_in(&browser, NUMBER).await;
        let code = app.last_sms_code(NUMBER).await;
        reserved(&app, &id).await;

        attempt.answer(&browser, &code).await.is_refused(422, "form_code_incorrect");

        browser.get("/v1/me").await.has_status(401);
    }

    async fn a_second_factor_that_was_taken_away_proves_nothing(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let (first, _) = two_reserved(&app, &alice.id).await;
        let browser = app.anyone();
        let begun = try_password(&browser, &alice.email, &alice.password).await;
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let asked = browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code", "phone_number_id": first })).await;
        let attempt = Attempt { challenge: asked.has_status(200).str("/response/id"), path };
        let code = app.last_sms_code(NUMBER).await;
        let body = json!({ "reserved_for_second_factor": false });
        app.bapi().patch(format!("/v1/phone-numbers/{first}"), body).await.has_status(200);

        attempt.answer(&browser, &code).await.is_refused(422, "form_code_incorrect");

        browser.get("/v1/me").await.has_status(401);
    }

    async fn the_second_step_is_not_skipped_by_another_way_in(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let enrolled = proven_number(&app, &alice, NUMBER).await;
        alice.patch(&enrolled, json!({ "reserved_for_second_factor": true })).await.has_status(200);
        let mallory = app.anyone();
        let begun = try_password(&mallory, &alice.user.email, &alice.user.password).await;
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));

        for strategy in ["password", "email_code", "reset_password_email_code", "ticket", "totp", "backup_code"] {
            let body = json!({ "strategy": strategy });
            mallory.post(format!("{path}/challenges"), body).await.is_refused(422, "strategy_not_supported");
        }
        mallory.post("/v1/me/phone-numbers", json!({ "phone_number": OTHER })).await.has_status(401);
        mallory.patch(&enrolled, json!({ "reserved_for_second_factor": false })).await.has_status(401);
        mallory.get("/v1/me").await.has_status(401);
        mallory.get(&path).await.is(200, json!({ "status": "needs_second_factor", "created_session_id": null }));
    }

    async fn numbers_change_only_after_a_fresh_proof(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let path = proven_number(&app, &alice, NUMBER).await;
        app.advance(minutes(11));
        let all = every_change(&alice, &path).await;
        for reply in all {
            reply.is_refused(403, "reverification_required");
        }
        let me = alice.get("/v1/me").await;
        me.is(200, json!({ "phone_numbers": [{ "phone_number": NUMBER, "reserved_for_second_factor": false }], "two_factor_enabled": false }));
    }

    async fn every_spelling_of_a_number_is_the_same_person(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").created().await;
        let id = given_number(&app, &alice.id, "+41446681800").await;
        let bob = app.user("bob").signed_in().await;
        for spelling in ["+41 44 668 18 00", "+41 (0)44 668 18 00", " +41.44.668.1800 ", "+41-44-668-18-00", "+41\u{a0}446681800"] {
            bob.post("/v1/me/phone-numbers", json!({ "phone_number": spelling })).await.is_refused(422, "form_identifier_exists");
            app.bapi().post("/v1/users", json!({ "phone_number": [spelling], "password": "a passphrase of his" })).await
                .is_refused(409, "form_identifier_exists");
            let sign_up = json!({ "phone_number": spelling, "email_address": "new@example.com" });
            app.anyone().post("/v1/client/sign-ups", sign_up).await.is_refused(422, "form_identifier_exists");
            let browser = app.anyone();
            let attempt = sign_in(&browser, spelling).await;
            // To the number that was proven, never to what was typed.
            attempt.answer(&browser, &app.last_sms_code("+41446681800").await).await.has_status(200);
            browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
            after_a_message(&app);
        }
        assert!(app.smses().await.iter().all(|sms| sms.to == "+41446681800"));
        app.bapi().get(format!("/v1/phone-numbers/{id}")).await.is(200, json!({ "phone_number": "+41446681800" }));
    }

    async fn what_only_looks_like_a_number_is_none(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        for bad in [
            "+4144668180\u{0660}", "+41446681800;ext=5", "tel:+41446681800", "+41446681800 +41", "++41446681800", "0446681800",
            "+41446681800\u{200b}", "\u{ff0b}41446681800", "+0446681800", "+41446681800x5",
        ] {
            let added = alice.post("/v1/me/phone-numbers", json!({ "phone_number": bad })).await;
            added.is_refused_for(422, "form_param_format_invalid", "phone_number");
            let made = app.bapi().post("/v1/phone-numbers", json!({ "user_id": alice.id(), "phone_number": bad })).await;
            made.is_refused_for(422, "form_param_format_invalid", "phone_number");
        }
        alice.get("/v1/me/phone-numbers").await.is(200, json!([]));
        assert_eq!(app.smses().await.len(), 0);
    }

    async fn no_answer_and_no_table_holds_a_code(app: TestApp) {
        with_phones(&app).await;
        let alice = app.user("alice").signed_in().await;
        let path = add_number(&alice, NUMBER).await;
        let attempt = ask(&alice, path).await;
        let code = app.last_sms_code(NUMBER).await;
        let shown = alice.get(format!("{}/challenges/{}", attempt.path, attempt.challenge)).await;
        assert!(!shown.text().contains(&format!("\"{code}\"")), "{}", shown.text());
        let kept = app.database_text().await;
        assert!(!kept.contains(&format!("\"{code}\"")), "the code is kept in clear");
        attempt.answer(&alice, &other_than(&code)).await.is_refused(422, "form_code_incorrect");
    }
}

/// Everything that changes who can get in by a number.
async fn every_change(user: &SignedInUser, path: &str) -> Vec<Reply> {
    let flags: [Value; 3] = [
        json!({ "is_primary": true }),
        json!({ "reserved_for_second_factor": true }),
        json!({ "reserved_for_second_factor": true, "default_second_factor": true }),
    ];
    let mut replies = vec![user.post("/v1/me/phone-numbers", json!({ "phone_number": OTHER })).await];
    for flag in flags {
        replies.push(user.patch(path, flag).await);
    }
    replies.push(user.delete(path).await);
    replies
}
