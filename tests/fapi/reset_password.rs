//! A forgotten password: the mailbox proves who it is, a new password is chosen, the second factor follows.

use super::steps::{PASSWORD, answer, challenge, open_sign_in, other_than, try_password};
use domain::phone::Phone;
use domain::user::PhoneNumber;
use serde_json::{Value, json};
use testkit::{Caller, KnownUser, Reply, TestApp, both, minutes};

/// Begins a reset and proves the mailbox; the path of the sign-in, which waits for the new password.
async fn proven(app: &TestApp, browser: &Caller, email: &str) -> String {
    let path = open_sign_in(browser, email).await;
    let open = challenge(browser, &path, "reset_password_email_code").await;
    answer(browser, &open, &app.last_code(email).await).await.has_status(200);
    path
}

/// Chooses the new password.
async fn choose(browser: &Caller, path: &str, password: &str) -> Reply {
    let open = challenge(browser, path, "password").await;
    browser.post(format!("{open}/answer"), json!({ "password": password })).await
}

/// Gives a person a number that stands as a second factor.
pub(crate) async fn add_second_factor(app: &TestApp, user: &KnownUser) {
    let cx = domain::Context::operator(app.env.id, app.now());
    let number = PhoneNumber {
        id: cx.id(),
        user_id: user.id.parse().expect("an id"),
        number: Phone::from_e164("+15555550142").expect("a number"),
        verified: true,
        reserved_for_second_factor: true,
        default_second_factor: true,
        current_challenge_id: None,
        created_at: cx.now,
        updated_at: cx.now,
    };
    let env = app.env.id;
    let added = app
        .engine
        .db()
        .write(async move |tx: &mut storage::Tx<'_>| storage::phone_numbers::insert(tx, env, &number).await);
    added.await.expect("a number can be added");
}

both! {
    async fn a_forgotten_password_is_replaced_and_every_session_ends(app: TestApp) {
        let home = app.user("alice").signed_in().await;
        let alice = home.user.clone();
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let open = challenge(&browser, &path, "reset_password_email_code").await;
        app.skip_events().await;

        let done = answer(&browser, &open, &app.last_code(&alice.email).await).await;

        done.is(200, json!({ "response": { "status": "verified" }, "client": { "sessions": [] } }));
        browser.get(&path).await.is(200, json!({
            "status": "needs_new_password", "supported_strategies": ["password"], "current_challenge_id": null,
        }));
        browser.get("/v1/me").await.has_status(401);
        home.get("/v1/me").await.has_status(200);

        let chosen = choose(&browser, &path, PASSWORD).await;

        chosen.is(200, json!({ "response": { "status": "verified" }, "client": { "sign_in": null, "sessions": [{ "user_id": alice.id }] } }));
        assert!(chosen.set_cookie("__session").is_some() && chosen.set_cookie("__client").is_some());
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
        home.get("/v1/me").await.is_refused(401, "session_revoked");
        assert_eq!(app.events().await, ["user.updated", "session.revoked", "email.created", "session.created"]);
        let mails = app.mails_to(&alice.email).await;
        assert_eq!(mails.iter().map(|m| m.template_slug.as_str()).collect::<Vec<_>>(), ["reset_password_code", "password_changed"]);
        assert!(!mails[1].text.contains(PASSWORD));
        try_password(&app.anyone(), &alice.email, &alice.password).await.is_refused(422, "form_password_incorrect");
        try_password(&app.anyone(), &alice.email, PASSWORD).await.has_status(200);
    }

    async fn nothing_else_goes_on_before_the_new_password(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let open = challenge(&browser, &path, "reset_password_email_code").await;

        let early = browser.post(format!("{open}/answer"), json!({ "password": PASSWORD })).await;
        early.is_refused(422, "not_in_needs_new_password_state");
        answer(&browser, &open, &app.last_code(&alice.email).await).await.has_status(200);

        for strategy in ["email_code", "reset_password_email_code", "passkey", "totp"] {
            let reply = browser.post(format!("{path}/challenges"), json!({ "strategy": strategy })).await;
            reply.is_refused(422, "needs_new_password");
        }
        let folded = browser.post("/v1/client/sign-ins", json!({ "identifier": alice.email, "strategy": "email_code" })).await;
        folded.is_refused(422, "needs_new_password");
        try_password(&browser, &alice.email, &alice.password).await.is_refused(422, "needs_new_password");
        browser.get("/v1/client").await.is(200, json!({ "sessions": [] }));
        choose(&browser, &path, PASSWORD).await.has_status(200);
        choose_late(&browser, &path).await.is_refused(422, "sign_in_already_complete");
    }

    async fn a_weak_or_the_old_password_is_refused_a_few_times(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = proven(&app, &browser, &alice.email).await;
        let open = challenge(&browser, &path, "password").await;
        let answer = |password: &str| browser.post(format!("{open}/answer"), json!({ "password": password }));

        for weak in ["short", "password", "qwertyuiop"] {
            answer(weak).await.is_refused_for(422, "form_password_validation_failed", "password");
        }
        browser.get(&open).await.is(200, json!({ "attempts": 0 }));
        for _ in 0..4 {
            answer(&alice.password).await.is_refused_for(422, "form_password_validation_failed", "password");
        }
        browser.get(&path).await.is(200, json!({ "current_challenge_id": open.rsplit('/').next() }));
        answer(&alice.password).await.is_refused(422, "verification_failed");
        answer(PASSWORD).await.is_refused(422, "verification_failed");
        browser.get(&path).await.is(200, json!({ "status": "needs_new_password", "current_challenge_id": null }));
        choose(&browser, &path, PASSWORD).await.has_status(200);
    }

    async fn whoever_is_locked_out_by_failures_comes_back_in_by_the_mailbox(app: TestApp) {
        app.settings(|s| s.attack_protection.brute_force.max_attempts = 3).await;
        let alice = app.user("alice").created().await;
        for _ in 0..4 {
            try_password(&app.anyone(), &alice.email, "wrong words").await;
        }
        try_password(&app.anyone(), &alice.email, &alice.password).await.is_refused(403, "user_locked");
        let browser = app.anyone();
        let path = proven(&app, &browser, &alice.email).await;

        choose(&browser, &path, PASSWORD).await.has_status(200);

        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "locked": false }));
        try_password(&app.anyone(), &alice.email, PASSWORD).await.has_status(200);
    }

    async fn whoever_is_shut_out_by_an_operator_stays_out(app: TestApp) {
        for action in ["ban", "lock"] {
            let alice = app.user(action).created().await;
            let early = app.anyone();
            let path = proven(&app, &early, &alice.email).await;
            app.bapi().post(format!("/v1/users/{}/{action}", alice.id), json!({})).await;
            let code = if action == "ban" { "user_banned" } else { "user_locked" };

            choose(&early, &path, PASSWORD).await.is_refused(403, code);

            let late = app.anyone();
            let path = open_sign_in(&late, &alice.email).await;
            let open = challenge(&late, &path, "reset_password_email_code").await;
            answer(&late, &open, &app.last_code(&alice.email).await).await.is_refused(403, code);
        }
    }

    async fn the_second_factor_follows_the_new_password(app: TestApp) {
        let alice = app.user("alice").created().await;
        add_second_factor(&app, &alice).await;
        let browser = app.anyone();
        let path = proven(&app, &browser, &alice.email).await;

        let chosen = choose(&browser, &path, PASSWORD).await;

        chosen.is(200, json!({ "response": { "status": "verified" }, "client": { "sessions": [] } }));
        assert!(chosen.set_cookie("__session").is_none());
        browser.get(&path).await.is(200, json!({
            "status": "needs_second_factor", "supported_strategies": ["phone_code"], "created_session_id": null,
        }));
        browser.get("/v1/me").await.has_status(401);
    }

    async fn a_first_password_is_chosen_by_a_reset(app: TestApp) {
        let body = json!({ "email_address": ["ann@example.com"], "skip_password_requirement": true });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let browser = app.anyone();
        let path = proven(&app, &browser, "ann@example.com").await;

        choose(&browser, &path, PASSWORD).await.has_status(200);

        browser.get("/v1/me").await.is(200, json!({ "password_enabled": true }));
    }

    async fn a_challenge_that_is_over_is_no_current_one(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let open = challenge(&browser, &path, "email_code").await;
        let wrong = other_than(&app.last_code(&alice.email).await);
        for _ in 0..5 {
            answer(&browser, &open, &wrong).await.has_status(422);
        }
        browser.get(&path).await.is(200, json!({ "current_challenge_id": null }));

        let again = challenge(&browser, &path, "email_code").await;
        browser.get(&path).await.is(200, json!({ "current_challenge_id": again.rsplit('/').next() }));
        app.advance(minutes(10));

        browser.get(&path).await.is(200, json!({ "current_challenge_id": null }));
        let shown: Value = browser.get("/v1/client").await.at("/sign_in/current_challenge_id").clone();
        assert_eq!(shown, Value::Null);
    }
}

/// The new password when it is not due any more.
async fn choose_late(browser: &Caller, path: &str) -> Reply {
    browser.post(format!("{path}/challenges"), json!({ "strategy": "password" })).await
}
