//! Passkeys, as a backend sees them.

use serde_json::json;
use testkit::{Lie, TestApp, both, minutes};

both! {
    async fn passkeys_are_listed_newest_first_and_shown(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);
        let mut device = app.authenticator().await;
        let first = alice.enrols(&mut device).await;
        app.advance(minutes(1));
        let second = bob.enrols(&mut device).await;
        app.advance(minutes(1));
        let third = alice.enrols(&mut device).await;

        let all = app.bapi().get("/v1/passkeys").await;
        all.is(200, json!({ "data": [{ "id": third, "object": "passkey", "verified": true }, { "id": second }, { "id": first }], "total_count": 3 }));
        let hers = app.bapi().get(format!("/v1/passkeys?user_id={}", alice.id())).await;
        hers.is(200, json!({ "data": [{ "id": third }, { "id": first }], "total_count": 2 }));
        let page = app.bapi().get("/v1/passkeys?limit=2").await;
        let cursor = page.str("/meta/next_cursor");
        app.bapi().get(format!("/v1/passkeys?limit=2&cursor={cursor}")).await.is(200, json!({ "data": [{ "id": first }] }));
        app.bapi().get("/v1/passkeys?limit=1&offset=1").await.is(200, json!({ "data": [{ "id": second }], "total_count": 3 }));
        app.bapi().get("/v1/passkeys?order_by=created_at").await.is(200, json!({ "data": [{ "id": first }, { "id": second }, { "id": third }] }));
        app.bapi().get("/v1/passkeys?user_id=nonsense").await.is_refused(422, "form_param_format_invalid");
        app.bapi().get(format!("/v1/passkeys/{second}")).await.is(200, json!({ "id": second }));
    }

    async fn a_backend_names_and_removes_passkeys(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let mut device = app.authenticator().await;
        let key = format!("/v1/passkeys/{}", alice.enrols(&mut device).await);
        app.skip_events().await;

        app.bapi().patch(&key, json!({ "nickname": "Work laptop" })).await.is(200, json!({ "nickname": "Work laptop" }));
        app.bapi().patch(&key, json!({})).await.is_refused_for(422, "form_param_nil", "nickname");
        app.bapi().delete(&key).await.has_status(204);

        for reply in [
            app.bapi().get(&key).await,
            app.bapi().patch(&key, json!({ "nickname": "Again" })).await,
            app.bapi().delete(&key).await,
        ] {
            reply.is_refused(404, "resource_not_found");
        }
        app.bapi().get("/v1/passkeys").await.is(200, json!({ "data": [], "total_count": 0 }));
        assert_eq!(app.events().await, ["user.updated", "user.updated", "passkey.removed", "email.created"]);
        app.anyone().signs_in_with(&mut device, Lie::default()).await.is_refused(422, "passkey_assertion_invalid");
    }

    async fn a_deleted_person_leaves_no_passkeys(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let mut device = app.authenticator().await;
        let key = alice.enrols(&mut device).await;

        app.bapi().delete(format!("/v1/users/{}", alice.id())).await.has_status(204);

        app.bapi().get(format!("/v1/passkeys/{key}")).await.is_refused(404, "resource_not_found");
        app.anyone().signs_in_with(&mut device, Lie::default()).await.is_refused(422, "passkey_assertion_invalid");
    }
}
