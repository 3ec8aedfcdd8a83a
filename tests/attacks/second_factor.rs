//! Whoever has the password has not the second factor: no step is skipped, no code is worth two sign-ins.

use crate::fapi::steps::{answer, challenge, open_sign_in, try_password};
use serde_json::json;
use std::time::Duration;
use testkit::{AuthenticatorApp, Caller, KnownUser, Reply, SignedInUser, TestApp, both, race};

/// A person with an app, signed in where it was enrolled.
async fn enrolled(app: &TestApp, name: &str) -> (SignedInUser, AuthenticatorApp) {
    let person = app.user(name).signed_in().await;
    let phone = AuthenticatorApp::enrolled(app, &person).await;
    (person, phone)
}

/// A sign-in whose password was right; the path of the attempt.
async fn half_way(browser: &Caller, user: &KnownUser) -> String {
    let begun = try_password(browser, &user.email, &user.password).await;
    begun.is(200, json!({ "response": { "status": "needs_second_factor", "created_session_id": null } }));
    format!("/v1/client/sign-ins/{}", begun.str("/response/id"))
}

/// Fifty browsers, each with a sign-in of its own that waits for this factor; the paths of their challenges.
async fn fifty_half_way(app: &TestApp, user: &KnownUser, strategy: &str) -> Vec<(Caller, String)> {
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let browser = app.anyone();
        let path = half_way(&browser, user).await;
        let open = challenge(&browser, &path, strategy).await;
        waiting.push((browser, open));
    }
    waiting
}

/// Exactly one success; everybody else is refused, nobody meets a fault.
fn one_wins(replies: &[Reply]) {
    for reply in replies {
        assert!(reply.status() < 500, "a race is no fault: {} {}", reply.status(), reply.text());
    }
    assert_eq!(replies.iter().filter(|reply| reply.status() < 300).count(), 1, "of {} one wins", replies.len());
}

async fn sessions_of(app: &TestApp, user: &KnownUser) -> i64 {
    let reply = app.bapi().get(format!("/v1/users/{}/sessions", user.id)).await;
    reply.has_status(200).at("/total_count").as_i64().expect("a number")
}

both! {
    async fn a_code_of_an_app_is_worth_one_sign_in(app: TestApp) {
        let (alice, phone) = enrolled(&app, "alice").await;
        let (before, code) = (phone.code(&app, -1), phone.code(&app, 0));
        let (first, thief) = (app.anyone(), app.anyone());
        let path = half_way(&first, &alice.user).await;
        let open = challenge(&first, &path, "totp").await;
        answer(&first, &open, &code).await.has_status(200);

        let path = half_way(&thief, &alice.user).await;
        let open = challenge(&thief, &path, "totp").await;
        answer(&thief, &open, &code).await.is_refused(422, "form_code_incorrect");
        // the step before is inside the window, and older than what was used
        answer(&thief, &open, &before).await.is_refused(422, "form_code_incorrect");
        app.advance(Duration::from_secs(30));
        answer(&thief, &open, &code).await.is_refused(422, "form_code_incorrect");
        thief.get("/v1/me").await.has_status(401);
        assert_eq!(sessions_of(&app, &alice.user).await, 2);
        // nor is it worth a step-up, or a backend's yes
        let path = format!("/v1/client/sessions/{}", alice.session);
        let open = challenge(&alice, &path, "totp").await;
        answer(&alice, &open, &code).await.is_refused(422, "form_code_incorrect");
        let asked = app.bapi().post(format!("/v1/users/{}/verify-totp", alice.id()), json!({ "code": code })).await;
        asked.is(200, json!({ "verified": false }));
        // the next one is as good as ever
        answer(&alice, &open, &phone.code(&app, 0)).await.has_status(200);
    }

    async fn the_code_that_confirmed_the_app_signs_nobody_in(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let begun = alice.post_empty("/v1/me/totp").await;
        let phone = AuthenticatorApp::scan(&begun.str("/response/otpauth_uri"));
        let code = phone.code(&app, 0);
        alice.post("/v1/me/totp/verify", json!({ "code": code })).await.has_status(200);

        let thief = app.anyone();
        let path = half_way(&thief, &alice.user).await;
        let open = challenge(&thief, &path, "totp").await;
        answer(&thief, &open, &code).await.is_refused(422, "form_code_incorrect");
    }

    async fn a_code_that_a_backend_asked_about_signs_nobody_in(app: TestApp) {
        let (alice, phone) = enrolled(&app, "alice").await;
        let code = phone.code(&app, 0);
        let asked = app.bapi().post(format!("/v1/users/{}/verify-totp", alice.id()), json!({ "code": code })).await;
        asked.is(200, json!({ "verified": true }));

        let thief = app.anyone();
        let path = half_way(&thief, &alice.user).await;
        let open = challenge(&thief, &path, "totp").await;
        answer(&thief, &open, &code).await.is_refused(422, "form_code_incorrect");
    }

    async fn one_code_of_an_app_shown_by_fifty_signs_one_in(app: TestApp) {
        let (alice, phone) = enrolled(&app, "alice").await;
        let waiting = fifty_half_way(&app, &alice.user, "totp").await;
        let before = sessions_of(&app, &alice.user).await;
        let code = phone.code(&app, 0);

        let replies = race(50, |i| answer(&waiting[i].0, &waiting[i].1, &code)).await;

        one_wins(&replies);
        assert_eq!(sessions_of(&app, &alice.user).await, before + 1);
    }

    async fn one_code_of_an_app_is_worth_one_sign_in_over_two_processes(app: TestApp) {
        let (alice, phone) = enrolled(&app, "alice").await;
        let elsewhere = app.anyone_at_another_process();
        let mut waiting = Vec::new();
        for i in 0..50 {
            // Each browser has a jar of its own.
            let browser = if i % 2 == 0 { app.anyone() } else { elsewhere.stolen() };
            let path = half_way(&browser, &alice.user).await;
            let open = challenge(&browser, &path, "totp").await;
            waiting.push((browser, open));
        }
        let before = sessions_of(&app, &alice.user).await;
        let code = phone.code(&app, 0);

        let replies = race(50, |i| answer(&waiting[i].0, &waiting[i].1, &code)).await;

        one_wins(&replies);
        assert_eq!(sessions_of(&app, &alice.user).await, before + 1);
        // what one process has taken, the other refuses a step later as well
        app.advance(Duration::from_secs(30));
        for browser in [app.anyone(), elsewhere.stolen()] {
            let path = half_way(&browser, &alice.user).await;
            let open = challenge(&browser, &path, "totp").await;
            let late = answer(&browser, &open, &code).await;
            assert!([403, 422].contains(&late.status()), "{}", late.text());
        }
    }

    async fn one_backup_code_shown_by_fifty_signs_one_in(app: TestApp) {
        let (alice, _) = enrolled(&app, "alice").await;
        let code = alice.post_empty("/v1/me/backup-codes").await.str("/response/codes/0");
        let waiting = fifty_half_way(&app, &alice.user, "backup_code").await;
        let before = sessions_of(&app, &alice.user).await;

        let replies = race(50, |i| answer(&waiting[i].0, &waiting[i].1, &code)).await;

        one_wins(&replies);
        assert_eq!(sessions_of(&app, &alice.user).await, before + 1);
        alice.get("/v1/me/backup-codes").await.is(200, json!({ "count": 9 }));
    }

    async fn without_the_second_step_there_is_no_session(app: TestApp) {
        let (alice, _) = enrolled(&app, "alice").await;
        let thief = app.anyone();
        let path = open_sign_in(&thief, &alice.user.email).await;
        let first = challenge(&thief, &path, "password").await;
        let password = json!({ "password": alice.user.password });
        let answered = thief.post(format!("{first}/answer"), password.clone()).await;
        answered.is(200, json!({ "response": { "status": "verified" }, "client": { "sessions": [] } }));
        assert!(answered.set_cookie("__session").is_none());

        // the proof again, the attempt again, and everything that takes a session
        thief.post(format!("{first}/answer"), password).await.is_refused(422, "strategy_not_supported");
        try_password(&thief, &alice.user.email, &alice.user.password).await.is_refused(422, "strategy_not_supported");
        thief.get("/v1/me").await.has_status(401);
        thief.get("/v1/client").await.is(200, json!({ "sessions": [], "last_active_session_id": null }));
        let tokens = thief.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await;
        tokens.is_refused(404, "session_not_found");
        let touched = thief.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await;
        touched.is_refused(404, "session_not_found");
        assert_eq!(sessions_of(&app, &alice.user).await, 1);
    }

    async fn no_other_strategy_takes_the_place_of_the_second_step(app: TestApp) {
        let (alice, _) = enrolled(&app, "alice").await;
        let thief = app.anyone();
        let path = half_way(&thief, &alice.user).await;

        for strategy in ["password", "email_code", "reset_password_email_code", "email_link", "phone_code", "backup_code", "passkey", "ticket", "oauth_google"] {
            let reply = thief.post(format!("{path}/challenges"), json!({ "strategy": strategy })).await;
            reply.is_refused(422, "strategy_not_supported");
        }
        // with the answer in the same call neither
        let body = json!({ "strategy": "password", "password": alice.user.password });
        thief.post(format!("{path}/challenges"), body).await.is_refused(422, "strategy_not_supported");
        // nor a proof that was asked for while the first step was open
        let other = app.anyone();
        let path = open_sign_in(&other, &alice.user.email).await;
        let mailed = challenge(&other, &path, "email_code").await;
        let code = app.last_code(&alice.user.email).await;
        half_way(&other, &alice.user).await;
        let late = answer(&other, &mailed, &code).await;
        assert!((400..500).contains(&late.status()), "{}", late.text());
        for browser in [&thief, &other] {
            browser.get("/v1/me").await.has_status(401);
        }
        assert_eq!(sessions_of(&app, &alice.user).await, 1);
    }

    async fn a_second_step_belongs_to_its_own_sign_in(app: TestApp) {
        let (alice, _) = enrolled(&app, "alice").await;
        let (mallory, phone) = enrolled(&app, "mallory").await;
        let thief = app.anyone();
        let hers = half_way(&thief, &alice.user).await;
        let hers_open = challenge(&thief, &hers, "totp").await;
        // the code of another's app
        answer(&thief, &hers_open, &phone.code(&app, 0)).await.is_refused(422, "form_code_incorrect");
        app.advance(Duration::from_secs(60));

        // another sign-in in the same browser takes the place of this one
        let own = half_way(&thief, &mallory.user).await;
        let own_open = challenge(&thief, &own, "totp").await;
        let id = own_open.rsplit('/').next().expect("a path");
        let swapped = answer(&thief, &format!("{hers}/challenges/{id}"), &phone.code(&app, 0)).await;
        swapped.is_refused(404, "challenge_not_found");
        // and another browser has none of it
        let stranger = app.browser().await;
        answer(&stranger, &own_open, &phone.code(&app, 0)).await.is_refused(404, "sign_in_not_found");
        answer(&thief, &own_open, &phone.code(&app, 0)).await.has_status(200);
        thief.get("/v1/me").await.is(200, json!({ "id": mallory.id() }));
        let late = answer(&thief, &hers_open, &phone.code(&app, 1)).await;
        assert!((400..500).contains(&late.status()), "{}", late.text());
        assert_eq!(sessions_of(&app, &alice.user).await, 1);
    }

    async fn no_factor_is_enrolled_between_the_steps(app: TestApp) {
        let (alice, _) = enrolled(&app, "alice").await;
        let thief = app.anyone();
        let path = half_way(&thief, &alice.user).await;
        for reply in [
            thief.post_empty("/v1/me/totp").await,
            thief.post("/v1/me/totp/verify", json!({ "code": "123456" })).await,
            thief.delete("/v1/me/totp").await,
            thief.post_empty("/v1/me/backup-codes").await,
            thief.delete("/v1/me/backup-codes").await,
        ] {
            reply.has_status(401);
        }
        // whoever is signed in beside it enrols an app of their own, and that is what it opens
        let mallory = app.user("mallory").signed_in_on(&thief).await;
        let phone = AuthenticatorApp::enrolled(&app, &mallory).await;
        let asked = thief.post(format!("{path}/challenges"), json!({ "strategy": "totp", "code": phone.code(&app, 0) })).await;
        assert!((400..500).contains(&asked.status()), "{}", asked.text());
        assert_eq!(sessions_of(&app, &alice.user).await, 1);
        alice.get("/v1/me/totp").await.has_status(200);
    }

    async fn a_switched_off_factor_is_asked_for_all_the_same(app: TestApp) {
        let (alice, phone) = enrolled(&app, "alice").await;
        let code = alice.post_empty("/v1/me/backup-codes").await.str("/response/codes/0");
        app.settings(|s| {
            s.multi_factor.totp.enabled = false;
            s.multi_factor.backup_codes.enabled = false;
        })
        .await;

        for (strategy, code) in [("totp", phone.code(&app, 0)), ("backup_code", code)] {
            let browser = app.anyone();
            let path = half_way(&browser, &alice.user).await;
            browser.get("/v1/me").await.has_status(401);
            let open = challenge(&browser, &path, strategy).await;
            answer(&browser, &open, &code).await.has_status(200);
        }
    }

    async fn a_sign_in_token_is_a_first_factor_only(app: TestApp) {
        let (alice, phone) = enrolled(&app, "alice").await;
        let made = app.bapi().post("/v1/sign-in-tokens", json!({ "user_id": alice.id() })).await;
        let browser = app.anyone();
        let body = json!({ "strategy": "ticket", "ticket": made.has_status(201).str("/token") });

        let begun = browser.post("/v1/client/sign-ins", body).await;

        begun.is(200, json!({ "response": { "status": "needs_second_factor", "created_session_id": null } }));
        browser.get("/v1/me").await.has_status(401);
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let open = challenge(&browser, &path, "totp").await;
        answer(&browser, &open, &phone.code(&app, 0)).await.has_status(200);
    }

    async fn whoever_acts_in_a_persons_place_changes_no_factor(app: TestApp) {
        let (alice, phone) = enrolled(&app, "alice").await;
        let body = json!({ "user_id": alice.id(), "actor": { "sub": "operator_7", "iss": "https://desk.example" } });
        let made = app.bapi().post("/v1/actor-tokens", body).await;
        let operator = app.anyone();
        let body = json!({ "strategy": "ticket", "ticket": made.has_status(201).str("/token") });
        operator.post("/v1/client/sign-ins", body).await.is(200, json!({ "response": { "status": "complete" } }));

        for reply in [
            operator.post_empty("/v1/me/totp").await,
            operator.post("/v1/me/totp/verify", json!({ "code": phone.code(&app, 0) })).await,
            operator.delete("/v1/me/totp").await,
            operator.post_empty("/v1/me/backup-codes").await,
            operator.delete("/v1/me/backup-codes").await,
        ] {
            reply.is_refused(403, "actor_session_forbidden");
        }
        alice.get("/v1/me/totp").await.has_status(200);
    }

    async fn a_ban_stands_after_the_second_step(app: TestApp) {
        let (alice, phone) = enrolled(&app, "alice").await;
        let browser = app.anyone();
        let path = half_way(&browser, &alice.user).await;
        let open = challenge(&browser, &path, "totp").await;
        app.bapi().post_empty(format!("/v1/users/{}/ban", alice.id())).await.has_status(200);

        answer(&browser, &open, &phone.code(&app, 0)).await.is_refused(403, "user_banned");
        browser.get("/v1/me").await.has_status(401);
    }
}
