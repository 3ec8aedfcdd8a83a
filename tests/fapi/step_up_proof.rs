//! The proof that makes a session fresh again.

use super::steps::{answer, challenge, jwks, other_than, verified};
use serde_json::json;
use std::time::Duration;
use testkit::{Reply, SignedInUser, TestApp, both, minutes};

/// Alice, signed in an hour ago, and the path of her session.
async fn stale(app: &TestApp) -> (SignedInUser, String) {
    let alice = app.user("alice").signed_in().await;
    app.advance(minutes(60));
    let path = format!("/v1/client/sessions/{}", alice.session);
    (alice, path)
}

async fn add(user: &SignedInUser) -> Reply {
    user.post("/v1/me/email-addresses", json!({ "email_address": "new@example.com" })).await
}

both! {
    async fn the_password_makes_the_session_fresh_for_ten_minutes(app: TestApp) {
        let (alice, path) = stale(&app).await;
        add(&alice).await.is_refused(403, "reverification_required");
        let issued = alice.post(format!("{path}/challenges"), json!({ "strategy": "password" })).await;
        issued.is(200, json!({ "response": {
            "status": "pending", "step": "first", "strategy": "password", "sign_in_id": null, "sign_up_id": null, "email_address_id": null,
        } }));
        let open = format!("{path}/challenges/{}", issued.str("/response/id"));

        let done = alice.post(format!("{open}/answer"), json!({ "password": alice.user.password })).await;

        done.is(200, json!({ "response": { "status": "verified" }, "client": { "last_active_session_id": alice.session } }));
        let cookie = done.set_cookie("__session").expect("the session's cookie is new");
        let (_, claims) = verified(&cookie.value, &jwks(&alice).await);
        assert!(claims["fva"][0].as_i64().is_some_and(|age| age < 10), "{claims}");
        add(&alice).await.has_status(200);
        app.advance(Duration::from_secs(601));
        alice.post("/v1/me/email-addresses", json!({ "email_address": "more@example.com" })).await
            .is_refused(403, "reverification_required");
    }

    async fn a_code_from_the_mailbox_does_too(app: TestApp) {
        let (alice, path) = stale(&app).await;
        let open = challenge(&alice, &path, "email_code").await;
        let code = app.last_code(&alice.user.email).await;
        answer(&alice, &open, &other_than(&code)).await.is_refused(422, "form_code_incorrect");
        add(&alice).await.is_refused(403, "reverification_required");

        answer(&alice, &open, &code).await.has_status(200);

        add(&alice).await.has_status(200);
        answer(&alice, &open, &code).await.is_refused(422, "verification_already_verified");
    }

    async fn the_answer_may_come_with_the_challenge(app: TestApp) {
        let (alice, path) = stale(&app).await;
        let prove = |password: &str| alice.post(format!("{path}/challenges"), json!({ "strategy": "password", "password": password }));

        prove("wrong words").await.is_refused(422, "form_password_incorrect");
        add(&alice).await.is_refused(403, "reverification_required");
        prove(&alice.user.password).await.is(200, json!({ "response": { "status": "verified" } }));
        add(&alice).await.has_status(200);
    }

    async fn wrong_proofs_are_counted_and_end_the_challenge(app: TestApp) {
        let (alice, path) = stale(&app).await;
        let open = challenge(&alice, &path, "password").await;
        let try_it = |password: &str| alice.post(format!("{open}/answer"), json!({ "password": password }));
        for _ in 0..4 {
            try_it("wrong words").await.is_refused(422, "form_password_incorrect");
        }
        try_it("wrong words").await.is_refused(422, "verification_failed");
        try_it(&alice.user.password).await.is_refused(422, "verification_failed");
        alice.get(&open).await.is(200, json!({ "status": "failed", "attempts": 5 }));
        add(&alice).await.is_refused(403, "reverification_required");
    }

    async fn only_factors_that_the_person_has_prove_anything(app: TestApp) {
        let (alice, path) = stale(&app).await;
        let bob = app.user("bob").signed_in().await;
        for strategy in ["totp", "phone_code", "passkey", "x"] {
            alice.post(format!("{path}/challenges"), json!({ "strategy": strategy })).await.is_refused(422, "strategy_not_supported");
        }
        alice.post(format!("{path}/challenges"), json!({ "strategy": "email_code", "email_address_id": bob.user.email_id })).await
            .is_refused(422, "form_identifier_not_found");
        assert_eq!(app.mails_to(&bob.user.email).await.len(), 0);
        // another's session cannot be proven, nor a dead one
        let open = challenge(&alice, &path, "password").await;
        bob.post(format!("{open}/answer"), json!({ "password": alice.user.password })).await.is_refused(404, "session_not_found");
        bob.get(&open).await.is_refused(404, "session_not_found");
        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.has_status(200);
        alice.post(format!("{open}/answer"), json!({ "password": alice.user.password })).await.is_refused(422, "session_not_live");
        alice.post(format!("{path}/challenges"), json!({ "strategy": "password" })).await.is_refused(422, "session_not_live");
    }

    async fn one_proof_frees_one_session(app: TestApp) {
        let (alice, path) = stale(&app).await;
        let office = app.user("alice").signed_in().await;
        app.advance(minutes(11));
        let open = challenge(&alice, &path, "password").await;
        alice.post(format!("{open}/answer"), json!({ "password": alice.user.password })).await.has_status(200);

        add(&alice).await.has_status(200);
        office.post("/v1/me/email-addresses", json!({ "email_address": "more@example.com" })).await
            .is_refused(403, "reverification_required");
    }
}
