//! A reset opens the account to its mailbox alone: it ends what was open, dies with a change, and skips nothing.

use super::another_code;
use crate::fapi::steps::{PASSWORD, answer, challenge, open_sign_in, open_sign_up, try_password};
use domain::phone::Phone;
use domain::user::PhoneNumber;
use serde_json::json;
use testkit::{Caller, TestApp, both};

async fn asked(browser: &Caller, email: &str) -> (String, String) {
    let path = open_sign_in(browser, email).await;
    let open = challenge(browser, &path, "reset_password_email_code").await;
    (path, open)
}

async fn choose(browser: &Caller, path: &str, password: &str) -> testkit::Reply {
    let open = browser.post(format!("{path}/challenges"), json!({ "strategy": "password" })).await;
    if open.status() != 200 {
        return open;
    }
    let open = format!("{path}/challenges/{}/answer", open.str("/response/id"));
    browser.post(open, json!({ "password": password })).await
}

both! {
    async fn a_reset_code_dies_with_a_change_of_the_password(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let thief = app.anyone();
        let (path, open) = asked(&thief, &alice.user.email).await;
        let code = app.last_code(&alice.user.email).await;
        let change = json!({ "current_password": alice.user.password, "new_password": PASSWORD, "sign_out_of_other_sessions": false });
        alice.post("/v1/me/change-password", change).await.has_status(200);

        answer(&thief, &open, another_code(&code)).await.is_refused(422, "form_code_incorrect");
        answer(&thief, &open, &code).await.is_refused(422, "verification_expired");

        thief.get(&open).await.is(200, json!({ "status": "expired" }));
        thief.get(&path).await.is(200, json!({ "status": "needs_first_factor" }));
        alice.get("/v1/me").await.has_status(200);
    }

    async fn a_reset_that_waits_for_its_password_dies_with_a_change_of_the_password(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let thief = app.anyone();
        let (path, open) = asked(&thief, &alice.user.email).await;
        answer(&thief, &open, &app.last_code(&alice.user.email).await).await.has_status(200);
        app.bapi().patch(format!("/v1/users/{}", alice.id()), json!({ "password": PASSWORD })).await.has_status(200);

        choose(&thief, &path, "a passphrase of the thief").await.is_refused(422, "sign_in_abandoned");

        try_password(&app.anyone(), &alice.user.email, PASSWORD).await.has_status(200);
        thief.get("/v1/me").await.has_status(401);
    }

    async fn of_two_resets_the_first_one_ends_the_other(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (one, two) = (app.anyone(), app.anyone());
        let (path_1, open_1) = asked(&one, &alice.email).await;
        answer(&one, &open_1, &app.last_code(&alice.email).await).await.has_status(200);
        let (path_2, open_2) = asked(&two, &alice.email).await;
        answer(&two, &open_2, &app.last_code(&alice.email).await).await.has_status(200);

        choose(&one, &path_1, PASSWORD).await.has_status(200);

        choose(&two, &path_2, "a passphrase of the other").await.is_refused(422, "sign_in_abandoned");
        try_password(&app.anyone(), &alice.email, PASSWORD).await.has_status(200);
    }

    async fn of_fifty_who_choose_at_once_one_is_heard(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let (path, open) = asked(&browser, &alice.email).await;
        answer(&browser, &open, &app.last_code(&alice.email).await).await.has_status(200);
        let open = challenge(&browser, &path, "password").await;

        let answers = testkit::race(12, |i| {
            browser.post(format!("{open}/answer"), json!({ "password": format!("a passphrase of number {i}") })).into_future()
        }).await;

        assert_eq!(answers.iter().filter(|a| a.status() == 200).count(), 1);
        assert!(answers.iter().all(|a| a.status() < 500));
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_reset_of_an_unknown_address_looks_like_one_of_a_known_one(app: TestApp) {
        let alice = app.user("alice").created().await;
        let mut seen = Vec::new();
        for who in [alice.email.as_str(), "nobody@example.com"] {
            let browser = app.anyone();
            let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": who, "strategy": "reset_password_email_code" })).await;
            let open = format!("/v1/client/sign-ins/{}/challenges/{}", begun.str("/response/id"), begun.str("/response/current_challenge_id"));
            let wrong = if who == alice.email { another_code(&app.last_code(who).await) } else { "135790" };
            let mut answers = Vec::new();
            for _ in 0..6 {
                answers.push(answer(&browser, &open, wrong).await.codes().join(","));
            }
            let mut shown = browser.get(&open).await.json().clone();
            for own in ["id", "sign_in_id", "created_at", "updated_at", "expire_at"] {
                shown[own] = json!(null);
            }
            seen.push((begun.status(), answers, shown));
        }

        assert_eq!(seen[0], seen[1]);
        assert_eq!(app.mails_to("nobody@example.com").await.len(), 0);
    }

    async fn whoever_claimed_a_mailbox_before_its_owner_came_keeps_nothing(app: TestApp) {
        app.settings(|s| {
            s.attribute_settings.email_address.verify_at_sign_up = false;
            s.attack_protection.enumeration_protection = false;
        }).await;
        for strategy in ["email_code", "reset_password_email_code"] {
            let email = format!("victim.of.{}@example.com", strategy.replace('_', "."));
            let mallory = app.anyone();
            open_sign_up(&mallory, &email).await;
            let user = mallory.get("/v1/me").await.str("/id");
            leave_factors(&app, &user, if strategy == "email_code" { "+15555550110" } else { "+15555550111" }).await;
            let victim = app.anyone();
            let path = open_sign_in(&victim, &email).await;
            let open = challenge(&victim, &path, strategy).await;

            answer(&victim, &open, &app.last_code(&email).await).await.has_status(200);

            // The factors of whoever was here before ask for nothing.
            if strategy == "reset_password_email_code" {
                choose(&victim, &path, "a passphrase of the victim").await.has_status(200);
            }
            victim.get("/v1/me").await.is(200, json!({
                "id": user, "phone_numbers": [], "passkeys": [], "two_factor_enabled": false,
                "password_enabled": strategy != "email_code",
            }));
            mallory.get("/v1/me").await.is_refused(401, "session_revoked");
            try_password(&app.anyone(), &email, PASSWORD).await.has_status(422);
        }
    }

    async fn a_claim_beside_a_proven_address_lets_no_mailbox_in(app: TestApp) {
        app.settings(|s| {
            s.attribute_settings.email_address.verify_at_sign_up = false;
            s.attack_protection.enumeration_protection = false;
        }).await;
        let mallory = app.anyone();
        open_sign_up(&mallory, "victim@example.com").await;
        let user = mallory.get("/v1/me").await.str("/id");
        let own = crate::attacks::address_by_code(&mallory, "mallory@example.com").await;
        own.answer(&mallory, &app.last_code("mallory@example.com").await).await.has_status(200);
        let victim = app.anyone();
        let path = open_sign_in(&victim, "victim@example.com").await;

        // Into the account of somebody who has proven another mailbox, this one does not lead.
        for strategy in ["email_code", "reset_password_email_code"] {
            let reply = victim.post(format!("{path}/challenges"), json!({ "strategy": strategy })).await;
            reply.is_refused(422, "form_identifier_not_found");
        }
        // The owner of the mailbox gets an account of their own, and the claim is gone.
        app.settings(|s| s.attribute_settings.email_address.verify_at_sign_up = true).await;
        let fresh = app.anyone();
        let path = open_sign_up(&fresh, "victim@example.com").await;
        let open = challenge(&fresh, &path, "email_code").await;
        answer(&fresh, &open, &app.last_code("victim@example.com").await).await.has_status(200);
        assert_ne!(fresh.get("/v1/me").await.str("/id"), user);
        mallory.get("/v1/me").await.is(200, json!({ "email_addresses": [{ "email_address": "mallory@example.com" }] }));
    }
}

/// A number, a passkey and an authenticator app, as somebody leaves them behind.
pub(super) async fn leave_factors(app: &TestApp, user: &str, number: &str) {
    let cx = domain::Context::operator(app.env.id, app.now());
    let user_id = user.parse().expect("an id");
    let number = PhoneNumber {
        id: cx.id(),
        user_id,
        number: Phone::from_e164(number).expect("a number"),
        // A number that was proven would make the account somebody's: then no mailbox opens it at all.
        verified: false,
        reserved_for_second_factor: false,
        default_second_factor: true,
        current_challenge_id: None,
        created_at: cx.now,
        updated_at: cx.now,
    };
    let key = domain::user::Passkey {
        id: cx.id(),
        user_id,
        credential_id: user.as_bytes().to_vec(),
        credential: "{}".to_owned(),
        nickname: "A key".to_owned(),
        aaguid: None,
        transports: Vec::new(),
        last_used_at: None,
        removed_at: None,
        created_at: cx.now,
        updated_at: cx.now,
    };
    let env = app.env.id;
    let left = app.engine.db().write(async move |tx: &mut storage::Tx<'_>| {
        storage::passkeys::insert(tx, env, &key).await?;
        storage::phone_numbers::insert(tx, env, &number).await
    });
    left.await.expect("factors can be left");
}
