//! Sensitive changes need a fresh proof.

use super::steps::PASSWORD;
use serde_json::json;
use std::time::Duration;
use testkit::{Reply, SignedInUser, TestApp, both};

async fn sensitive(user: &SignedInUser) -> Vec<Reply> {
    let own = format!("/v1/me/email-addresses/{}", user.user.email_id);
    vec![
        user.post(
            "/v1/me/change-password",
            json!({ "current_password": user.user.password, "new_password": PASSWORD }),
        )
        .await,
        user.post("/v1/me/email-addresses", json!({ "email_address": "new@example.com" })).await,
        user.patch(&own, json!({ "primary": true })).await,
        user.delete(&own).await,
    ]
}

both! {
    async fn ten_minutes_after_the_proof_sensitive_changes_are_refused(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(600));

        for reply in sensitive(&alice).await {
            reply.is_refused(403, "reverification_required");
            assert_eq!(reply.at("/errors/0/meta/max_age_seconds"), 600);
            assert_eq!(reply.at("/errors/0/meta/strategies"), &json!(["password", "email_code"]));
        }
        // nothing was done, and reading and harmless changes go on
        alice.get("/v1/me").await.is(200, json!({ "email_addresses": [{ "id": alice.user.email_id }] }));
        alice.patch("/v1/me", json!({ "first_name": "Alice" })).await.has_status(200);
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn use_of_the_session_is_no_proof(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        for _ in 0..6 {
            app.advance(Duration::from_secs(101));
            alice.token().await;
            alice.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await.has_status(200);
        }
        for reply in sensitive(&alice).await {
            reply.is_refused(403, "reverification_required");
        }
        // nor is a fresh token of an old session
        let program = alice.bearer().await;
        program.post("/v1/me/email-addresses", json!({ "email_address": "new@example.com" })).await
            .is_refused(403, "reverification_required");
    }

    async fn within_ten_minutes_they_are_made(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(590));

        alice.post("/v1/me/email-addresses", json!({ "email_address": "new@example.com" })).await.has_status(200);
    }

    async fn signing_in_again_is_a_proof(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(3600));

        let again = app.user("alice").signed_in_on(&alice.browser).await;

        again.post("/v1/me/email-addresses", json!({ "email_address": "new@example.com" })).await.has_status(200);
    }

    async fn whoever_has_no_password_is_told_of_codes(app: TestApp) {
        let body = json!({ "email_address": ["ann@example.com"], "skip_password_requirement": true });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let browser = app.anyone();
        let path = crate::fapi::steps::open_sign_in(&browser, "ann@example.com").await;
        let open = crate::fapi::steps::challenge(&browser, &path, "email_code").await;
        crate::fapi::steps::answer(&browser, &open, &app.last_code("ann@example.com").await).await.has_status(200);
        app.advance(Duration::from_secs(601));

        let reply = browser.post("/v1/me/change-password", json!({ "new_password": PASSWORD })).await;

        reply.is_refused(403, "reverification_required");
        assert_eq!(reply.at("/errors/0/meta/strategies"), &json!(["email_code"]));
    }
}
