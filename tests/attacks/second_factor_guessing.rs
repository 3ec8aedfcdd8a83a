//! Twenty wrong codes of a second factor an hour, whatever is begun anew; the owner's own browser stays open.

use crate::fapi::steps::{answer, challenge, try_password};
use serde_json::json;
use testkit::{AuthenticatorApp, Caller, KnownUser, SignedInUser, TestApp, both, hours, race};

async fn half_way(browser: &Caller, user: &KnownUser) -> String {
    let begun = try_password(browser, &user.email, &user.password).await;
    begun.is(200, json!({ "response": { "status": "needs_second_factor" } }));
    format!("/v1/client/sign-ins/{}", begun.str("/response/id"))
}

/// What a guesser shows, and what the owner does.
struct Factor {
    strategy: &'static str,
    wrong: String,
    right: Box<dyn Fn(&TestApp) -> String>,
}

/// Shows twenty wrong codes, four to a challenge, in browsers of their own.
async fn guess(app: &TestApp, alice: &SignedInUser, factor: &Factor) {
    for _ in 0..5 {
        let browser = app.anyone();
        let path = half_way(&browser, &alice.user).await;
        for _ in 0..2 {
            // a new challenge is no new count
            let open = challenge(&browser, &path, factor.strategy).await;
            for _ in 0..2 {
                answer(&browser, &open, &factor.wrong).await.is_refused(422, "form_code_incorrect");
            }
        }
    }
}

async fn is_shut_for_strangers_alone(app: &TestApp, alice: &SignedInUser, factor: Factor) {
    guess(app, alice, &factor).await;

    let stranger = app.anyone();
    let path = half_way(&stranger, &alice.user).await;
    let open = challenge(&stranger, &path, factor.strategy).await;
    let shut = answer(&stranger, &open, &(factor.right)(app)).await;
    shut.is_refused(403, "user_locked");
    assert!(shut.at("/errors/0/meta/lockout_expires_at").is_i64());

    // her own browser, and her session, know nothing of it
    let path = half_way(&alice.browser, &alice.user).await;
    let open = challenge(&alice.browser, &path, factor.strategy).await;
    answer(&alice.browser, &open, &(factor.right)(app)).await.has_status(200);
    alice.get("/v1/me").await.has_status(200);

    // a try that was refused moves nothing: the hour ends where it began
    app.advance(hours(1));
    let stranger = app.anyone();
    let path = half_way(&stranger, &alice.user).await;
    let open = challenge(&stranger, &path, factor.strategy).await;
    answer(&stranger, &open, &(factor.right)(app)).await.has_status(200);
}

both! {
    async fn codes_of_an_app_cannot_be_guessed(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let phone = AuthenticatorApp::enrolled(&app, &alice).await;
        let wrong = phone.wrong_code(&app);
        let right = Box::new(move |app: &TestApp| {
            app.advance(std::time::Duration::from_secs(30));
            phone.code(app, 0)
        });
        is_shut_for_strangers_alone(&app, &alice, Factor { strategy: "totp", wrong, right }).await;
    }

    async fn backup_codes_cannot_be_guessed(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        AuthenticatorApp::enrolled(&app, &alice).await;
        let made = alice.post_empty("/v1/me/backup-codes").await;
        let codes: Vec<String> = (0..10).map(|i| made.str(&format!("/response/codes/{i}"))).collect();
        let left = std::cell::RefCell::new(codes);
        let right = Box::new(move |_: &TestApp| left.borrow_mut().pop().expect("one is left"));
        let factor = Factor { strategy: "backup_code", wrong: "0000-0000".to_owned(), right };
        is_shut_for_strangers_alone(&app, &alice, factor).await;
    }

    async fn codes_guessed_at_once_cannot_pass_the_limit(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let phone = AuthenticatorApp::enrolled(&app, &alice).await;
        let mut waiting = Vec::new();
        for _ in 0..30 {
            let browser = app.anyone();
            let path = half_way(&browser, &alice.user).await;
            let open = challenge(&browser, &path, "totp").await;
            waiting.push((browser, open));
        }
        let wrong = phone.wrong_code(&app);

        let replies = race(30, |i| answer(&waiting[i].0, &waiting[i].1, &wrong)).await;

        let looked_at = replies.iter().filter(|r| r.codes().contains(&"form_code_incorrect")).count();
        assert_eq!(looked_at, 20);
        assert_eq!(replies.iter().filter(|r| r.codes().contains(&"user_locked")).count(), 10);
    }

    async fn a_signed_in_thief_cannot_guess_at_the_step_up(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let phone = AuthenticatorApp::enrolled(&app, &alice).await;
        let path = format!("/v1/client/sessions/{}", alice.session);
        for _ in 0..5 {
            let open = challenge(&alice, &path, "totp").await;
            for _ in 0..4 {
                answer(&alice, &open, &phone.wrong_code(&app)).await.is_refused(422, "form_code_incorrect");
            }
        }

        let open = challenge(&alice, &path, "totp").await;
        answer(&alice, &open, &phone.code(&app, 0)).await.is_refused(403, "user_locked");
        // sign-in has a counter of its own
        let browser = app.anyone();
        let path = half_way(&browser, &alice.user).await;
        let open = challenge(&browser, &path, "totp").await;
        answer(&browser, &open, &phone.code(&app, 0)).await.has_status(200);
    }
}
