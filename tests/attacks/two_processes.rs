//! What may happen once happens once, over two server processes on the same data.

use super::{another_code, sign_in_by_code};
use crate::fapi::links;
use crate::fapi::steps::{answer, challenge, try_password};
use serde_json::json;
use testkit::{AuthenticatorApp, Caller, Reply, TestApp, both, race};

/// Fifty with the cookies of one browser, every other one at another process.
fn fifty(app: &TestApp, browser: &Caller) -> Vec<Caller> {
    let elsewhere = app.anyone_at_another_process();
    let with_cookies = |at: &Caller| {
        let there = at.stolen();
        for name in ["__client", "__session"] {
            if let Some(value) = browser.jar().get(name) {
                there.jar().set(name, &value);
            }
        }
        there
    };
    (0..50).map(|i| with_cookies(if i % 2 == 0 { browser } else { &elsewhere })).collect()
}

/// Fifty browsers of their own, every other one at another process.
fn fifty_strangers(app: &TestApp) -> Vec<Caller> {
    let elsewhere = app.anyone_at_another_process();
    (0..50).map(|i| if i % 2 == 0 { app.anyone() } else { elsewhere.stolen() }).collect()
}

/// Exactly one success; everybody else is refused, nobody meets a fault.
fn one_wins(replies: &[Reply]) {
    for reply in replies {
        assert!(reply.status() < 500, "a race is no fault: {} {}", reply.status(), reply.text());
    }
    assert_eq!(replies.iter().filter(|reply| reply.status() < 300).count(), 1, "of {} one wins", replies.len());
}

both! {
    async fn one_mailed_code_signs_in_once_over_two_processes(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let attempt = sign_in_by_code(&browser, &alice.email).await;
        let code = app.last_code(&alice.email).await;
        let all = fifty(&app, &browser);

        let replies = race(50, |i| attempt.answer(&all[i], &code)).await;

        one_wins(&replies);
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 1 }));
    }

    async fn five_wrong_answers_end_a_code_over_two_processes(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let attempt = sign_in_by_code(&browser, &alice.email).await;
        let wrong = another_code(&app.last_code(&alice.email).await);
        let all = fifty(&app, &browser);

        let replies = race(50, |i| attempt.answer(&all[i], wrong)).await;

        let looked_at = replies.iter().filter(|reply| reply.codes().contains(&"form_code_incorrect")).count();
        assert!(looked_at <= 5, "{looked_at} guesses were looked at");
        browser.get("/v1/me").await.has_status(401);
    }

    async fn one_backup_code_signs_in_once_over_two_processes(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        AuthenticatorApp::enrolled(&app, &alice).await;
        let code = alice.post_empty("/v1/me/backup-codes").await.str("/response/codes/0");
        let mut waiting = Vec::new();
        for browser in fifty_strangers(&app) {
            let begun = try_password(&browser, &alice.user.email, &alice.user.password).await;
            let path = format!("/v1/client/sign-ins/{}", begun.has_status(200).str("/response/id"));
            let open = challenge(&browser, &path, "backup_code").await;
            waiting.push((browser, open));
        }

        let replies = race(50, |i| answer(&waiting[i].0, &waiting[i].1, &code)).await;

        one_wins(&replies);
        alice.get("/v1/me/backup-codes").await.is(200, json!({ "count": 9 }));
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id())).await.is(200, json!({ "total_count": 2 }));
    }

    async fn one_ticket_signs_in_once_over_two_processes(app: TestApp) {
        let alice = app.user("alice").created().await;
        let made = app.bapi().post("/v1/sign-in-tokens", json!({ "user_id": alice.id })).await;
        let body = json!({ "strategy": "ticket", "ticket": made.has_status(201).str("/token") });
        let all = fifty_strangers(&app);

        let replies = race(50, |i| all[i].post("/v1/client/sign-ins", body.clone()).into_future()).await;

        one_wins(&replies);
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 1 }));
    }

    async fn one_registration_enrols_once_over_two_processes(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        let begun = alice.begins_passkey().await;
        let body = json!({ "attestation": device.create(&begun.options) });
        let all = fifty(&app, &alice);

        let replies = race(50, |i| all[i].post(&begun.path, body.clone()).into_future()).await;

        one_wins(&replies);
        alice.get("/v1/me/passkeys").await.is(200, json!({ "total_count": 1 }));
    }

    async fn one_assertion_signs_in_once_over_two_processes(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        alice.enrols(&mut device).await;
        let browser = app.anyone();
        let asked = browser.asks_for_passkey(None).await;
        let assertion = device.get(&asked.options);
        let all = fifty(&app, &browser);

        let replies = race(50, |i| all[i].asserts(&asked, assertion.clone())).await;

        one_wins(&replies);
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id())).await.is(200, json!({ "total_count": 2 }));
    }

    async fn one_link_counts_once_over_two_processes(app: TestApp) {
        links::switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let (_, open) = links::sign_in(&browser, &alice.email).await;
        let ticket = links::last_ticket(&app, &alice.email).await;
        let all = fifty_strangers(&app);

        let replies = race(50, |i| links::confirm(&app, &all[i], &ticket, "yes").into_future()).await;

        one_wins(&replies);
        // Those who collect it, at one process or the other, get one session between them.
        let all = fifty(&app, &browser);
        let collected = race(50, |i| links::answer(&all[i], &open).into_future()).await;
        assert!(collected.iter().all(|reply| reply.status() < 500), "a race is no fault");
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 1 }));
    }

    async fn one_code_of_a_reset_leads_to_one_new_password_over_two_processes(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": alice.email })).await;
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let open = challenge(&browser, &path, "reset_password_email_code").await;
        let code = app.last_code(&alice.email).await;
        let all = fifty(&app, &browser);

        let replies = race(50, |i| answer(&all[i], &open, &code)).await;

        one_wins(&replies);
        let due = challenge(&browser, &path, "password").await;
        let set = race(50, |i| {
            let (caller, path) = (all[i].clone(), format!("{due}/answer"));
            async move { caller.post(path, json!({ "password": format!("another passphrase {i}") })).await }
        })
        .await;
        one_wins(&set);
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 1 }));
    }
}
