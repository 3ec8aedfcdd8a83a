//! Sign-in and actor tokens: one use, one person, and what each of them opens.

use super::steps::{given_number, jwks, verified};
use serde_json::{Value, json};
use testkit::{Caller, Reply, TestApp, both, race};

async fn redeem(browser: &Caller, ticket: &str) -> Reply {
    browser.post("/v1/client/sign-ins", json!({ "strategy": "ticket", "ticket": ticket })).await
}

async fn sign_in_token(app: &TestApp, user: &str) -> Reply {
    let reply = app.bapi().post("/v1/sign-in-tokens", json!({ "user_id": user })).await;
    reply.is(201, json!({ "object": "sign_in_token", "user_id": user, "status": "pending" }));
    reply
}

async fn acting(app: &TestApp, user: &str) -> (Caller, String) {
    let body = json!({ "user_id": user, "actor": { "sub": "operator_7", "iss": "https://desk.example" } });
    let made = app.bapi().post("/v1/actor-tokens", body).await;
    made.is(201, json!({ "object": "actor_token", "status": "pending", "actor": { "sub": "operator_7" } }));
    let browser = app.anyone();
    let reply = redeem(&browser, &made.str("/token")).await;
    reply.is(200, json!({ "response": { "status": "complete" } }));
    (browser, reply.str("/response/created_session_id"))
}

both! {
    async fn a_sign_in_token_signs_its_person_in(app: TestApp) {
        let alice = app.user("alice").created().await;
        let token = sign_in_token(&app, &alice.id).await;
        assert!(token.str("/url").contains(&format!("/v1/client/handshake?__authn_ticket={}", token.str("/token"))));
        let browser = app.anyone();

        let reply = redeem(&browser, &token.str("/token")).await;

        reply.is(200, json!({ "response": { "status": "complete", "identifier": null } }));
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
    }

    async fn a_ticket_answers_a_challenge_of_an_open_sign_in(app: TestApp) {
        let alice = app.user("alice").created().await;
        let token = sign_in_token(&app, &alice.id).await.str("/token");
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": "whoever@example.com" })).await;
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let challenge = browser.post(format!("{path}/challenges"), json!({ "strategy": "ticket" })).await.str("/response/id");

        let wrong = browser.post(format!("{path}/challenges/{challenge}/answer"), json!({ "ticket": "tkt_none" })).await;
        wrong.is_refused_for(422, "ticket_invalid", "ticket");
        browser.get(format!("{path}/challenges/{challenge}")).await.is(200, json!({ "status": "failed" }));

        let reply = browser.post(format!("{path}/challenges"), json!({ "strategy": "ticket", "ticket": token })).await;
        reply.is(200, json!({ "response": { "status": "verified", "strategy": "ticket" } }));
        browser.get("/v1/me").await.is(200, json!({ "id": alice.id }));
    }

    async fn a_ticket_is_worth_nothing_once_used_revoked_or_late(app: TestApp) {
        let alice = app.user("alice").created().await;
        let used = sign_in_token(&app, &alice.id).await;
        redeem(&app.anyone(), &used.str("/token")).await.has_status(200);
        redeem(&app.anyone(), &used.str("/token")).await.is_refused_for(422, "ticket_invalid", "ticket");
        let path = format!("/v1/sign-in-tokens/{}/revoke", used.str("/id"));
        app.bapi().post_empty(&path).await.is_refused(409, "ticket_already_used");

        let revoked = sign_in_token(&app, &alice.id).await;
        let path = format!("/v1/sign-in-tokens/{}/revoke", revoked.str("/id"));
        for _ in 0..2 {
            app.bapi().post_empty(&path).await.is(200, json!({ "status": "revoked", "token": null, "url": null }));
        }
        redeem(&app.anyone(), &revoked.str("/token")).await.is_refused_for(422, "ticket_invalid", "ticket");

        let late = sign_in_token(&app, &alice.id).await;
        app.advance(domain::time::minutes(60));
        redeem(&app.anyone(), &late.str("/token")).await.is_refused_for(422, "ticket_expired", "ticket");
        app.anyone().get("/v1/me").await.has_status(401);
    }

    async fn a_ticket_of_another_environment_is_none(app: TestApp) {
        let alice = app.user("alice").created().await;
        let token = sign_in_token(&app, &alice.id).await.str("/token");
        let other = app.second_environment().await;

        redeem(&app.anyone_of(&other), &token).await.is_refused(422, "ticket_invalid");
    }

    async fn one_ticket_signs_in_once_however_often_it_is_sent(app: TestApp) {
        let alice = app.user("alice").created().await;
        let token = sign_in_token(&app, &alice.id).await.str("/token");
        let browsers: Vec<Caller> = (0..50).map(|_| app.anyone()).collect();

        let replies = race(50, |i| redeem(&browsers[i], &token)).await;

        assert_eq!(replies.iter().filter(|reply| reply.status() == 200).count(), 1);
        assert!(replies.iter().all(|reply| reply.status() < 500));
        let sessions = app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await;
        sessions.is(200, json!({ "total_count": 1 }));
    }

    async fn a_banned_person_gets_no_ticket_and_no_session_by_one(app: TestApp) {
        let alice = app.user("alice").created().await;
        let token = sign_in_token(&app, &alice.id).await.str("/token");
        app.bapi().post_empty(format!("/v1/users/{}/ban", alice.id)).await.has_status(200);

        redeem(&app.anyone(), &token).await.is_refused(403, "user_banned");
        app.bapi().post("/v1/sign-in-tokens", json!({ "user_id": alice.id })).await.is_refused(422, "user_banned");
        let body = json!({ "user_id": alice.id, "actor": { "sub": "op" } });
        app.bapi().post("/v1/actor-tokens", body).await.is_refused(422, "user_banned");
    }

    async fn bad_requests_for_tickets_are_refused(app: TestApp) {
        let alice = app.user("alice").created().await;
        let post = async |path: &str, body: Value| app.bapi().post(path, body).await;
        post("/v1/sign-in-tokens", json!({ "user_id": "user_none" })).await.is_refused(404, "user_not_found");
        post("/v1/sign-in-tokens", json!({ "user_id": alice.id, "expires_in_seconds": 59 })).await
            .is_refused_for(422, "form_param_value_invalid", "expires_in_seconds");
        post("/v1/actor-tokens", json!({ "user_id": alice.id, "actor": {} })).await.is_refused_for(422, "form_param_nil", "actor.sub");
        post("/v1/actor-tokens", json!({ "user_id": alice.id, "actor": { "sub": "x", "note": "y".repeat(1100) } })).await
            .is_refused_for(422, "form_param_value_invalid", "actor");
        app.anyone().post("/v1/client/sign-ins", json!({ "strategy": "ticket" })).await.is_refused_for(422, "form_param_nil", "ticket");
    }

    async fn the_secret_of_a_ticket_is_in_one_answer_and_nowhere_at_rest(app: TestApp) {
        let alice = app.user("alice").created().await;
        let body = json!({ "user_id": alice.id });
        let keyed = async || app.bapi().post("/v1/sign-in-tokens", body.clone()).idempotency_key("make-it-once").await;
        let first = keyed().await;
        let again = keyed().await;

        assert_eq!(first.json(), again.json(), "the same key, the same answer");
        let token = first.str("/token");
        assert!(!app.database_text().await.contains(&token), "the ticket lies in the database");
        app.advance(domain::time::minutes(11));
        let later = keyed().await;
        assert_ne!(later.str("/token"), token, "a kept secret is gone after ten minutes");
    }

    async fn whoever_acts_in_a_persons_place_is_marked_and_changes_nothing(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let (operator, session) = acting(&app, alice.id()).await;

        operator.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
        let token = operator.post_empty(format!("/v1/client/sessions/{session}/tokens")).await.str("/jwt");
        let (_, claims) = verified(&token, &jwks(&app.anyone()).await);
        assert_eq!(claims["act"], json!({ "sub": "operator_7", "iss": "https://desk.example" }));
        assert_eq!(claims["fva"], json!([-1, -1]), "no factor of the person was proven");
        // The person sees it, marked; their own session goes on.
        let sessions = alice.get("/v1/me/sessions").await;
        assert_eq!(sessions.json().as_array().map_or(0, Vec::len), 2);
        alice.get("/v1/me").await.has_status(200);

        let number = format!("/v1/me/phone-numbers/{}", given_number(&app, alice.id(), "+16502530000").await);
        for (method, path, body) in [
            ("PATCH", "/v1/me".to_owned(), json!({ "first_name": "Eve" })),
            ("POST", "/v1/me/change-password".to_owned(), json!({ "new_password": "a passphrase of an operator" })),
            ("POST", "/v1/me/email-addresses".to_owned(), json!({ "email_address": "eve@example.com" })),
            ("DELETE", format!("/v1/me/email-addresses/{}", alice.user.email_id), json!(null)),
            ("POST", format!("/v1/me/email-addresses/{}/challenges", alice.user.email_id), json!({ "strategy": "email_code" })),
            ("POST", "/v1/me/phone-numbers".to_owned(), json!({ "phone_number": "+16502530001" })),
            ("PATCH", number.clone(), json!({ "reserved_for_second_factor": true })),
            ("DELETE", number.clone(), json!(null)),
            ("POST", format!("{number}/challenges"), json!({ "strategy": "phone_code" })),
            ("POST", format!("/v1/client/sessions/{session}/challenges"), json!({ "strategy": "password" })),
        ] {
            let method = testkit::Method::from_bytes(method.as_bytes()).expect("a method");
            let call = operator.call(method, &path);
            let reply = if body.is_null() { call.await } else { call.json(body).await };
            reply.is_refused(403, "actor_session_forbidden");
        }
        alice.get("/v1/me").await.is(200, json!({ "first_name": null }));
    }

    async fn acting_ends_with_its_longest_duration(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (operator, _) = acting(&app, &alice.id).await;
        app.advance(domain::time::minutes(29));
        operator.get("/v1/me").await.has_status(200);

        app.advance(domain::time::minutes(1));

        operator.get("/v1/me").await.has_status(401);
    }
}
