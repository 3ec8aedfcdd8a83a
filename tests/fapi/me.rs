//! A person's own profile.

use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn a_person_sees_everything_but_what_is_the_backends(app: TestApp) {
        let body = json!({
            "email_address": ["ann@example.com"], "password": crate::fapi::steps::PASSWORD, "first_name": "Ann",
            "external_id": "crm-7", "public_metadata": { "plan": "pro" }, "private_metadata": { "score": 1 },
            "unsafe_metadata": { "theme": "dark" },
        });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let browser = app.anyone();
        crate::fapi::steps::try_password(&browser, "ann@example.com", crate::fapi::steps::PASSWORD).await.has_status(200);

        let me = browser.get("/v1/me").await;

        me.is(200, json!({
            "object": "user", "first_name": "Ann", "last_name": null, "username": null, "external_id": "crm-7",
            "password_enabled": true, "two_factor_enabled": false, "totp_enabled": false, "backup_code_enabled": false,
            "phone_numbers": [], "external_accounts": [], "passkeys": [], "passkey_count": 0, "has_image": false,
            "public_metadata": { "plan": "pro" }, "private_metadata": {}, "unsafe_metadata": { "theme": "dark" },
            "delete_self_enabled": true, "locale": null,
            "email_addresses": [{ "object": "email_address", "email_address": "ann@example.com", "verified": true, "linked_to": [] }],
        }));
        assert_eq!(me.at("/primary_email_address_id"), me.at("/email_addresses/0/id"));
        assert_eq!(me.at("/private_metadata"), &json!({}), "nothing of the backend's");
        assert!(!me.text().contains("score") && !me.text().contains("digest"));
    }

    async fn a_change_keeps_what_is_absent_and_clears_what_is_null(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.skip_events().await;
        let patch = |body| alice.patch("/v1/me", body);
        patch(json!({ "first_name": "Alice", "last_name": "Liddell", "locale": "en-GB" })).await
            .is(200, json!({ "response": { "first_name": "Alice", "last_name": "Liddell", "locale": "en-GB" }, "client": { "object": "client" } }));

        patch(json!({ "first_name": null })).await.is(200, json!({ "response": { "first_name": null, "last_name": "Liddell", "locale": "en-GB" } }));
        patch(json!({ "locale": null, "unsafe_metadata": { "a": 1 } })).await.has_status(200);
        patch(json!({ "unsafe_metadata": { "b": 2 } })).await.has_status(200);
        let me = alice.get("/v1/me").await;
        me.is(200, json!({ "locale": null, "last_name": "Liddell" }));
        assert_eq!(me.at("/unsafe_metadata"), &json!({ "b": 2 }), "replaced whole");
        assert_eq!(app.events().await, ["user.updated"; 4]);
        patch(json!({})).await.has_status(200);
        patch(json!({ "last_name": "Liddell" })).await.has_status(200);
        assert_eq!(app.events().await.len(), 4, "no change, no event");
    }

    async fn what_is_not_the_persons_to_change_is_refused(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        for name in ["public_metadata", "private_metadata", "external_id", "image_url", "banned", "locked", "id", "email_addresses", "password"] {
            let reply = alice.patch("/v1/me", json!({ "first_name": "Eve", name: "x" })).await;
            reply.is_refused_for(422, "form_param_unknown", name);
        }
        alice.get("/v1/me").await.is(200, json!({ "first_name": null, "external_id": null }));
    }

    async fn values_of_the_wrong_form_are_named_together(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let reply = alice.patch("/v1/me", json!({
            "username": "x", "first_name": "y".repeat(257), "last_name": 7, "locale": "not a locale", "unsafe_metadata": [1],
        })).await;
        for name in ["username", "first_name", "last_name", "locale", "unsafe_metadata"] {
            reply.is_refused_for(422, "form_param_format_invalid", name);
        }
        alice.patch("/v1/me", json!({ "unsafe_metadata": { "x": "y".repeat(9000) } })).await
            .is_refused_for(422, "metadata_too_large", "unsafe_metadata");
        alice.patch("/v1/me", json!({ "unsafe_metadata": null })).await.has_status(422);
        alice.patch("/v1/me", json!({ "first_name": "" })).await.has_status(422);
    }

    async fn a_user_name_is_set_where_they_are_on_and_is_one_persons(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        alice.patch("/v1/me", json!({ "username": "alice_l" })).await.is_refused_for(422, "form_param_unknown", "username");
        app.settings(|s| s.attribute_settings.username.enabled = true).await;
        alice.patch("/v1/me", json!({ "username": "Alice_L" })).await.is(200, json!({ "response": { "username": "Alice_L" } }));

        let bob = app.user("bob").signed_in().await;
        bob.patch("/v1/me", json!({ "username": "alice_l" })).await.is_refused_for(422, "form_identifier_exists", "username");
        alice.patch("/v1/me", json!({ "username": "ALICE_L" })).await.has_status(200);
        alice.patch("/v1/me", json!({ "username": null })).await.is(200, json!({ "response": { "username": null } }));
        bob.patch("/v1/me", json!({ "username": "alice_l" })).await.has_status(200);
    }

    async fn nobody_is_nobody(app: TestApp) {
        let anyone = app.anyone();
        for path in ["/v1/me", "/v1/me/sessions", "/v1/me/email-addresses"] {
            anyone.get(path).await.is_refused(401, "session_token_missing");
        }
        anyone.patch("/v1/me", json!({ "first_name": "x" })).await.is_refused(401, "session_token_missing");
    }

    async fn a_deleted_person_is_gone_everywhere(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let program = alice.bearer().await;

        app.bapi().delete(format!("/v1/users/{}", alice.id())).await.has_status(204);

        assert_eq!(alice.get("/v1/me").await.status(), 401);
        program.get("/v1/me").await.is_refused(401, "session_revoked");
        assert_eq!(alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.status(), 401);
        alice.get("/v1/client").await.is(200, json!({ "sessions": [] }));
    }
}
