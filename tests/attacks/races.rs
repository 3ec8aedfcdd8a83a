//! Fifty at once: what may happen once happens once.

use super::{address_by_code, sign_in_by_code, sign_up_by_code};
use serde_json::json;
use testkit::{Reply, TestApp, both, race};

/// Exactly one success; everybody else is refused, nobody meets a fault.
fn one_wins(replies: &[Reply]) {
    let won = replies.iter().filter(|reply| reply.status() < 300).count();
    for reply in replies {
        assert!(reply.status() < 500, "a race is no fault: {} {}", reply.status(), reply.text());
    }
    assert_eq!(won, 1, "of {} exactly one wins", replies.len());
}

both! {
    async fn one_code_signs_in_once_however_often_it_is_sent(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let attempt = sign_in_by_code(&browser, &alice.email).await;
        let code = app.last_code(&alice.email).await;
        let thieves: Vec<_> = (0..50).map(|_| browser.stolen()).collect();

        let replies = race(50, |i| attempt.answer(&thieves[i], &code)).await;

        one_wins(&replies);
        let sessions = app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await;
        sessions.is(200, json!({ "total_count": 1 }));
        assert_eq!(app.events().await.iter().filter(|name| *name == "session.created").count(), 1);
    }

    async fn one_code_signs_up_once_however_often_it_is_sent(app: TestApp) {
        let browser = app.anyone();
        let attempt = sign_up_by_code(&browser, "new@example.com").await;
        let code = app.last_code("new@example.com").await;
        let thieves: Vec<_> = (0..50).map(|_| browser.stolen()).collect();

        let replies = race(50, |i| attempt.answer(&thieves[i], &code)).await;

        one_wins(&replies);
        app.bapi().get("/v1/users").await.is(200, json!({ "total_count": 1 }));
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        app.bapi().get("/v1/sessions").await.is(200, json!({ "total_count": 1 }));
    }

    async fn one_code_proves_an_address_once_however_often_it_is_sent(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let attempt = address_by_code(&alice, "second@example.com").await;
        let code = app.last_code("second@example.com").await;

        let replies = race(50, |_| attempt.answer(&alice, &code)).await;

        one_wins(&replies);
        alice.get(&attempt.path).await.is(200, json!({ "verified": true }));
    }

    async fn one_address_signs_up_once_whoever_comes_first(app: TestApp) {
        let mut attempts = Vec::new();
        for _ in 0..50 {
            let browser = app.anyone();
            let attempt = sign_up_by_code(&browser, "contested@example.com").await;
            attempts.push((browser, attempt, app.last_code("contested@example.com").await));
        }

        let replies = race(50, |i| {
            let (browser, attempt, code) = &attempts[i];
            attempt.answer(browser, code)
        })
        .await;

        assert!(replies.iter().all(|reply| reply.status() < 500), "a race is no fault");
        let complete = "/client/sign_up/status";
        let won = replies.iter().filter(|r| r.status() == 200 && r.json().pointer("/client/sessions/0/id").is_some()).count();
        assert_eq!(won, 1, "{complete}");
        app.bapi().get("/v1/users").await.is(200, json!({ "total_count": 1 }));
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        app.bapi().get("/v1/sessions").await.is(200, json!({ "total_count": 1 }));
        let mut inside = 0;
        for (browser, _, _) in &attempts {
            inside += usize::from(browser.get("/v1/me").await.status() == 200);
        }
        assert_eq!(inside, 1, "one browser is signed in");
    }

    async fn one_address_is_proven_by_one_person(app: TestApp) {
        let mut attempts = Vec::new();
        for i in 0..10 {
            let person = app.user(&format!("user{i}")).signed_in().await;
            let attempt = address_by_code(&person, "contested@example.com").await;
            attempts.push((person, attempt, app.last_code("contested@example.com").await));
        }

        let replies = race(10, |i| {
            let (person, attempt, code) = &attempts[i];
            attempt.answer(person, code)
        })
        .await;

        one_wins(&replies);
        app.bapi().get("/v1/users?email_address=contested@example.com").await.is(200, json!({ "total_count": 1 }));
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 10 }));
    }

    async fn a_create_under_one_idempotency_key_happens_once(app: TestApp) {
        let body = json!({ "email_address": ["new@example.com"], "password": "a passphrase of theirs" });

        let replies = race(50, |_| {
            let (bapi, body) = (app.bapi(), body.clone());
            async move { bapi.post("/v1/users", body).idempotency_key("order-1").await }
        })
        .await;

        let ids: std::collections::BTreeSet<String> =
            replies.iter().filter(|reply| reply.status() == 201).map(|reply| reply.str("/id")).collect();
        assert_eq!(ids.len(), 1, "all who are answered see the same person");
        for reply in replies.iter().filter(|reply| reply.status() != 201) {
            reply.is_refused(409, "idempotency_request_in_progress");
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        assert_eq!(app.events().await, ["user.created"]);
    }

    async fn a_create_of_one_address_by_fifty_happens_once(app: TestApp) {
        let body = json!({ "email_address": ["new@example.com"], "password": "a passphrase of theirs" });

        let replies = race(50, |_| {
            let (bapi, body) = (app.bapi(), body.clone());
            async move { bapi.post("/v1/users", body).await }
        })
        .await;

        one_wins(&replies);
        for reply in replies.iter().filter(|reply| reply.status() != 201) {
            reply.is_refused(409, "form_identifier_exists");
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn one_password_answer_begins_one_session(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": alice.email })).await;
        let path = format!("/v1/client/sign-ins/{}/challenges", begun.str("/response/id"));
        let issued = browser.post(&path, json!({ "strategy": "password" })).await.str("/response/id");
        let thieves: Vec<_> = (0..50).map(|_| browser.stolen()).collect();

        let replies = race(50, |i| {
            let (thief, path) = (thieves[i].clone(), format!("{path}/{issued}/answer"));
            let body = json!({ "password": alice.password });
            async move { thief.post(path, body).await }
        })
        .await;

        one_wins(&replies);
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await.is(200, json!({ "total_count": 1 }));
    }

    async fn one_current_password_changes_the_password_once(app: TestApp) {
        let alice = app.user("alice").signed_in().await;

        let replies = race(10, |i| {
            let body = json!({ "current_password": alice.user.password, "new_password": format!("another passphrase {i}") });
            let browser = alice.browser.clone();
            async move { browser.post("/v1/me/change-password", body).await }
        })
        .await;

        one_wins(&replies);
    }
}
