//! Guessing is counted where no cookie, no new code and no restart resets it, and nobody is shut out for good.

use super::{Attempt, address_by_code, another_code, sign_in_by_code, sign_up_by_code};
use serde_json::json;
use testkit::{Caller, TestApp, both, hours, race};

both! {
    async fn five_wrong_answers_end_a_code_even_when_they_come_at_once(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let attempt = sign_in_by_code(&browser, &alice.email).await;
        let code = app.last_code(&alice.email).await;

        let replies = race(50, |_| attempt.answer(&browser, another_code(&code))).await;

        let looked_at = replies.iter().filter(|r| r.codes().contains(&"form_code_incorrect")).count();
        assert!(looked_at <= 5, "{looked_at} guesses were looked at");
        assert!(replies.iter().all(|reply| (400..500).contains(&reply.status())));
        attempt.answer(&browser, &code).await.is_refused(422, "verification_failed");
        browser.get("/v1/me").await.has_status(401);
    }

    async fn a_new_code_and_a_new_browser_do_not_reset_the_count(app: TestApp) {
        let alice = app.user("alice").created().await;
        let mut wrong = 0;
        for _ in 0..5 {
            let browser = app.anyone();
            let attempt = sign_in_by_code(&browser, &alice.email).await;
            let code = app.last_code(&alice.email).await;
            for _ in 0..4 {
                let reply = attempt.answer(&browser, another_code(&code)).await;
                wrong += usize::from(reply.status() == 422);
            }
        }
        assert_eq!(wrong, 20, "then it is shut");

        // From now on a code is looked at once: a second answer is not, even if it is right.
        let browser = app.anyone();
        let attempt = sign_in_by_code(&browser, &alice.email).await;
        let code = app.last_code(&alice.email).await;
        attempt.answer(&browser, another_code(&code)).await.is_refused(422, "form_code_incorrect");
        attempt.answer(&browser, &code).await.is_refused(403, "user_locked");

        // The victim is not shut out: the password is another purpose, and the lock ends.
        app.user("alice").signed_in().await;
        app.advance(hours(1));
        let attempt = sign_in_by_code(&browser, &alice.email).await;
        attempt.answer(&browser, &app.last_code(&alice.email).await).await.has_status(200);
    }

    async fn strangers_who_guess_do_not_shut_the_mailbox_on_its_owner(app: TestApp) {
        let alice = app.user("alice").created().await;
        for strategy in ["email_code", "reset_password_email_code"] {
            let asked = async |browser: &Caller| {
                let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": alice.email })).await;
                let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
                let issued = browser.post(format!("{path}/challenges"), json!({ "strategy": strategy })).await;
                Attempt { challenge: issued.has_status(200).str("/response/id"), path }
            };
            let mut locked = false;
            for _ in 0..8 {
                let stranger = app.anyone();
                let attempt = asked(&stranger).await;
                for _ in 0..4 {
                    locked |= attempt.answer(&stranger, "135790").await.status() == 403;
                }
            }
            assert!(locked, "{strategy}: the strangers have used their tries up");

            // What was sent to nobody in particular is in the mailbox before the owner's own code is.
            app.run_jobs().await;

            // On a device that nobody knows, with the code from the mailbox.
            let owner = app.anyone();
            let attempt = asked(&owner).await;
            let code = app.last_code(&alice.email).await;

            attempt.answer(&owner, &code).await.has_status(200);
        }
    }

    async fn codes_that_are_asked_for_behind_a_lock_are_looked_at_so_often_and_no_more(app: TestApp) {
        let alice = app.user("alice").created().await;
        let mut looked_at = 0;
        for _ in 0..100 {
            let browser = app.anyone();
            let attempt = sign_in_by_code(&browser, &alice.email).await;
            for _ in 0..2 {
                looked_at += usize::from(attempt.answer(&browser, "135790").await.status() == 422);
            }
        }
        assert_eq!(looked_at, 80, "twenty by the counter, and sixty codes once each");
        // Another process, and an hour of waiting, make no difference but the hour's.
        let elsewhere = app.anyone_at_another_process();
        sign_in_by_code(&elsewhere, &alice.email).await.answer(&elsewhere, "135790").await.is_refused(403, "user_locked");
        app.advance(hours(1));
        sign_in_by_code(&elsewhere, &alice.email).await.answer(&elsewhere, "135790").await.has_status(422);
    }

    async fn unknown_addresses_are_shut_in_the_same_way(app: TestApp) {
        let mut statuses = Vec::new();
        for _ in 0..6 {
            let browser = app.anyone();
            let attempt = sign_in_by_code(&browser, "nobody@example.com").await;
            for _ in 0..4 {
                statuses.push(attempt.answer(&browser, "135790").await.status());
            }
        }
        assert_eq!(statuses[..21], [422; 21], "a code is looked at once behind the lock");
        assert_eq!(statuses[21..], [403; 3]);
    }

    async fn wrong_passwords_are_counted_across_browsers_and_shut_the_password_alone(app: TestApp) {
        app.settings(|s| s.attack_protection.brute_force.max_attempts = 5).await;
        let alice = app.user("alice").signed_in().await;
        let email = alice.user.email.clone();
        let tried = |password: &str| {
            let body = json!({ "identifier": email, "strategy": "password", "password": password });
            let browser = app.anyone();
            async move { browser.post("/v1/client/sign-ins", body).await }
        };
        for _ in 0..5 {
            tried("not her password").await.is_refused(422, "form_password_incorrect");
        }

        tried(&alice.user.password).await.is_refused(403, "user_locked");

        alice.get("/v1/me").await.has_status(200);
        app.user("bob").signed_in().await;
        // A device that was hers before stays open, and so does the mailbox.
        app.user("alice").signed_in_on(&alice.browser).await;
        let browser = app.anyone();
        let attempt = sign_in_by_code(&browser, &email).await;
        attempt.answer(&browser, &app.last_code(&email).await).await.has_status(200);
        app.advance(hours(2));
        tried(&alice.user.password).await.has_status(200);
    }

    async fn passwords_guessed_at_once_cannot_pass_the_limit(app: TestApp) {
        app.settings(|s| s.attack_protection.brute_force.max_attempts = 5).await;
        let alice = app.user("alice").created().await;

        let replies = race(50, |_| {
            let body = json!({ "identifier": alice.email, "strategy": "password", "password": "not her password" });
            let browser = app.anyone();
            async move { browser.post("/v1/client/sign-ins", body).await }
        })
        .await;

        let looked_at = replies.iter().filter(|r| r.codes().contains(&"form_password_incorrect")).count();
        assert_eq!(looked_at, 5);
        assert_eq!(replies.iter().filter(|r| r.status() == 403).count(), 45);
    }

    async fn codes_for_a_sign_up_are_counted_by_address(app: TestApp) {
        let mut statuses = Vec::new();
        for _ in 0..6 {
            let browser = app.anyone();
            let attempt = sign_up_by_code(&browser, "new@example.com").await;
            let code = app.last_code("new@example.com").await;
            for _ in 0..4 {
                statuses.push(attempt.answer(&browser, another_code(&code)).await.status());
            }
        }
        assert_eq!(statuses[..21], [422; 21], "a code is looked at once behind the lock");
        assert_eq!(statuses[21..], [403; 3]);
    }

    async fn codes_for_an_address_are_counted_by_person(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let mut statuses = Vec::new();
        for i in 0..6 {
            // Another address is no new count.
            let email = format!("claimed{i}@example.com");
            let attempt = address_by_code(&alice, &email).await;
            let code = app.last_code(&email).await;
            for _ in 0..4 {
                statuses.push(attempt.answer(&alice, another_code(&code)).await.status());
            }
        }
        assert_eq!(statuses[..20], [422; 20]);
        assert_eq!(statuses[20..], [403; 4]);
    }

    async fn guesses_through_a_backend_have_their_own_limit(app: TestApp) {
        let alice = app.user("alice").created().await;
        let path = format!("/v1/users/{}/verify-password", alice.id);
        for _ in 0..10 {
            let reply = app.bapi().post(&path, json!({ "password": "not her password" })).await;
            reply.is(200, json!({ "verified": false }));
        }

        let refused = app.bapi().post(&path, json!({ "password": alice.password })).await;

        assert!([403, 429].contains(&refused.status()), "{}", refused.text());
        app.user("alice").signed_in().await;
    }

    async fn codes_that_are_no_codes_are_wrong_like_any(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let attempt = sign_in_by_code(&browser, &alice.email).await;
        for odd in ["", "1", "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}", "424242", "000000 OR 1=1"] {
            let reply = attempt.answer(&browser, odd).await;
            assert_eq!(reply.status(), 422, "{odd:?}: {}", reply.text());
        }
    }
}
