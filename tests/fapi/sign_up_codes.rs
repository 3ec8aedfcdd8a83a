//! The codes of a sign-up: wrong, late, replaced and used ones.

use super::steps::{answer, challenge, open_sign_up, other_than};
use serde_json::json;
use testkit::{TestApp, both, minutes};

both! {
    async fn a_wrong_code_is_counted_and_the_right_one_still_works(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;
        let code = app.last_code("ann@example.com").await;

        answer(&browser, &open, &other_than(&code)).await.is_refused(422, "form_code_incorrect");
        browser.get(&open).await.is(200, json!({
            "status": "pending", "attempts": 1, "error": { "code": "form_code_incorrect" },
        }));
        answer(&browser, &open, &format!(" {code} ")).await.is(200, json!({ "response": { "status": "verified", "error": null } }));
    }

    async fn the_fifth_wrong_code_fails_the_challenge_for_good(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;
        let code = app.last_code("ann@example.com").await;

        for _ in 0..4 {
            answer(&browser, &open, &other_than(&code)).await.is_refused(422, "form_code_incorrect");
        }
        answer(&browser, &open, &other_than(&code)).await.is_refused(422, "verification_failed");
        browser.get(&open).await.is(200, json!({ "status": "failed", "attempts": 5 }));
        answer(&browser, &open, &code).await.is_refused(422, "verification_failed");

        // a new challenge works
        let fresh = challenge(&browser, &path, "email_code").await;
        answer(&browser, &fresh, &app.last_code("ann@example.com").await).await.has_status(200);
    }

    async fn a_late_code_is_expired(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;
        let code = app.last_code("ann@example.com").await;

        app.advance(minutes(10));

        answer(&browser, &open, &code).await.is_refused(422, "verification_expired");
        browser.get(&open).await.is(200, json!({ "status": "expired" }));
    }

    async fn a_newer_challenge_replaces_the_older_one(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        let old = challenge(&browser, &path, "email_code").await;
        let old_code = app.last_code("ann@example.com").await;
        let new = challenge(&browser, &path, "email_code").await;
        let new_code = app.last_code("ann@example.com").await;

        answer(&browser, &old, &old_code).await.is_refused(422, "verification_expired");
        browser.get(&old).await.is(200, json!({ "status": "expired" }));
        if old_code != new_code {
            answer(&browser, &new, &old_code).await.is_refused(422, "form_code_incorrect");
        }
        answer(&browser, &new, &new_code).await.has_status(200);
    }

    async fn a_code_works_once(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;
        let code = app.last_code("ann@example.com").await;

        let answers = testkit::race(8, |_| answer(&browser, &open, &code)).await;

        assert_eq!(answers.iter().filter(|a| a.status() == 200).count(), 1);
        for lost in answers.iter().filter(|a| a.status() != 200) {
            // Those that came after the new secret are no longer the client's.
            assert!([401, 422].contains(&lost.status()), "{}", lost.text());
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        answer(&browser, &open, &code).await;
    }

    async fn the_code_of_one_address_proves_no_other(app: TestApp) {
        let (ann, bob) = (app.anyone(), app.anyone());
        let (a, b) = (open_sign_up(&ann, "ann@example.com").await, open_sign_up(&bob, "bob@example.com").await);
        let (a, b) = (challenge(&ann, &a, "email_code").await, challenge(&bob, &b, "email_code").await);
        let (code_a, code_b) = (app.last_code("ann@example.com").await, app.last_code("bob@example.com").await);

        if code_a != code_b {
            answer(&ann, &a, &code_b).await.is_refused(422, "form_code_incorrect");
        }
        answer(&bob, &b, &code_b).await.has_status(200);
    }

    async fn a_code_needs_an_address_and_a_strategy_that_is_possible(app: TestApp) {
        let browser = app.anyone();
        let empty = browser.post("/v1/client/sign-ups", json!({})).await.str("/response/id");
        let issue = |id: &str, strategy: &str| {
            browser.post(format!("/v1/client/sign-ups/{id}/challenges"), json!({ "strategy": strategy }))
        };
        issue(&empty, "email_code").await.is_refused_for(422, "form_param_nil", "email_address");

        let path = open_sign_up(&browser, "ann@example.com").await;
        let id = path.rsplit('/').next().expect("a path has an end");
        for strategy in ["password", "phone_code", "email_link", "oauth_google", "totp", "EMAIL_CODE", "x"] {
            issue(id, strategy).await.is_refused(422, "strategy_not_supported");
        }
        browser.post(format!("{path}/challenges"), json!({})).await.is_refused_for(422, "form_param_nil", "strategy");
        let open = challenge(&browser, &path, "email_code").await;
        browser.post(format!("{open}/answer"), json!({})).await.is_refused_for(422, "form_param_nil", "code");
        browser.get(&open).await.is(200, json!({ "attempts": 0 }));
    }

    async fn twenty_wrong_codes_an_hour_shut_an_address_whatever_is_sent_anew(app: TestApp) {
        let mut refused = Vec::new();
        for round in 0..5 {
            let browser = app.anyone();
            let path = open_sign_up(&browser, "ann@example.com").await;
            let open = challenge(&browser, &path, "email_code").await;
            let wrong = other_than(&app.last_code("ann@example.com").await);
            for _ in 0..4 {
                refused.push((round, answer(&browser, &open, &wrong).await.codes().join(",")));
            }
        }
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;
        let code = app.last_code("ann@example.com").await;

        // Behind the lock a code is looked at once.
        answer(&browser, &open, &other_than(&code)).await.is_refused(422, "form_code_incorrect");
        let locked = answer(&browser, &open, &code).await;

        locked.is_refused(403, "user_locked");
        assert!(locked.at("/errors/0/meta/lockout_expires_at").is_i64());
        assert!(refused.iter().take(19).all(|(_, code)| code == "form_code_incorrect"), "{refused:?}");
        // an hour later the mailbox proves again
        app.advance(minutes(61));
        let open = challenge(&browser, &path, "email_code").await;
        answer(&browser, &open, &app.last_code("ann@example.com").await).await.has_status(200);
    }

    async fn the_mail_says_who_it_is_from_and_what_the_code_is(app: TestApp) {
        app.settings(|s| s.application_name = Some("Harbour".into())).await;
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        challenge(&browser, &path, "email_code").await;

        let mails = app.mails_to("ann@example.com").await;

        let code = mails[0].code.clone().expect("a code");
        assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
        assert!(mails[0].text.contains(&code) && mails[0].text.contains("Harbour"));
        assert!(mails[0].subject.as_deref().is_some_and(|s| s.contains("Harbour")));
        assert!(mails[0].html.as_deref().is_some_and(|h| h.contains(&code)));
    }
}
