//! Sessions as a backend sees and ends them.

use crate::fapi::steps::{jwks, verified};
use serde_json::json;
use std::time::Duration;
use testkit::{TestApp, both};

both! {
    async fn sessions_are_listed_by_person_client_and_status(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(1));
        let bob = app.user("bob").signed_in_on(&alice.browser).await;
        app.advance(Duration::from_secs(1));
        let ended = app.user("alice").signed_in().await;
        ended.post_empty(format!("/v1/client/sessions/{}/end", ended.session)).await.has_status(200);
        let client = alice.get("/v1/client").await.str("/id");
        let found = async |query: String| {
            let page = app.bapi().get(format!("/v1/sessions?{query}")).await;
            page.has_status(200);
            let rows = page.at("/data").as_array().expect("rows").iter().map(|s| s["id"].as_str().unwrap_or_default().to_owned());
            let rows: Vec<String> = rows.collect();
            assert_eq!(page.at("/total_count"), rows.len());
            rows
        };

        assert_eq!(found(String::new()).await, [ended.session.clone(), bob.session.clone(), alice.session.clone()]);
        assert_eq!(found("order_by=%2Bcreated_at".into()).await, [alice.session.clone(), bob.session.clone(), ended.session.clone()]);
        assert_eq!(found(format!("user_id={}", alice.id())).await, [ended.session.clone(), alice.session.clone()]);
        assert_eq!(found(format!("client_id={client}")).await, [bob.session.clone(), alice.session.clone()]);
        assert_eq!(found("status=ended".into()).await, std::slice::from_ref(&ended.session));
        assert_eq!(found("status=ended&status=active".into()).await.len(), 3);
        assert_eq!(found(format!("user_id={}&status=active", alice.id())).await, std::slice::from_ref(&alice.session));
        assert_eq!(found(format!("user_id={}", "user_01ARZ3NDEKTSV4RRFFQ69G5FAV")).await.len(), 0);
        assert_eq!(found("status=revoked".into()).await.len(), 0);
        app.bapi().get("/v1/sessions?status=alive").await.is_refused_for(422, "form_param_value_invalid", "status");
        app.bapi().get("/v1/sessions?user_id=x").await.is_refused_for(422, "form_param_format_invalid", "user_id");
        app.bapi().get("/v1/sessions?order_by=last_active_at").await.is_refused_for(422, "form_param_value_invalid", "order_by");
    }

    async fn a_persons_sessions_are_paged(app: TestApp) {
        let alice = app.user("alice").created().await;
        for _ in 0..3 {
            app.advance(Duration::from_secs(1));
            app.user("alice").signed_in().await;
        }
        let path = format!("/v1/users/{}/sessions?limit=2", alice.id);
        let first = app.bapi().get(&path).await;
        first.is(200, json!({ "total_count": 3 }));
        assert_eq!(first.at("/data").as_array().map(Vec::len), Some(2));
        let rest = app.bapi().get(format!("{path}&cursor={}", first.str("/meta/next_cursor"))).await;
        assert_eq!((rest.at("/data").as_array().map(Vec::len), rest.at("/meta")), (Some(1), &json!({})));
        // a cursor of one person's list is no cursor of another's, nor of the list of all
        let bob = app.user("bob").created().await;
        let other = format!("/v1/users/{}/sessions?limit=2&cursor={}", bob.id, first.str("/meta/next_cursor"));
        let foreign = app.bapi().get(other).await;
        assert!(foreign.status() == 422 || foreign.at("/data") == &json!([]), "{}", foreign.text());
        app.bapi().get("/v1/users/user_x/sessions").await.is_refused(404, "user_not_found");
    }

    async fn a_session_is_shown(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let shown = app.bapi().get(format!("/v1/sessions/{}", alice.session)).await;
        shown.is(200, json!({
            "id": alice.session, "object": "session", "user_id": alice.id(), "status": "active", "actor": null, "organization": null,
            "latest_activity": { "ip_address": "127.0.0.0" },
        }));
        for bad in ["x", "sess_01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
            app.bapi().get(format!("/v1/sessions/{bad}")).await.is_refused(404, "session_not_found");
            app.bapi().post_empty(format!("/v1/sessions/{bad}/revoke")).await.is_refused(404, "session_not_found");
            app.bapi().post_empty(format!("/v1/sessions/{bad}/tokens")).await.is_refused(404, "session_not_found");
        }
        let other = app.second_environment().await;
        app.bapi_of(&other).get(format!("/v1/sessions/{}", alice.session)).await.is_refused(404, "session_not_found");
        app.bapi_of(&other).post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.is_refused(404, "session_not_found");
        alice.get("/v1/me").await.has_status(200);
    }

    async fn a_revoked_session_is_worth_nothing_at_once(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let beside = app.user("alice").signed_in().await;
        app.skip_events().await;
        let revoke = || app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session));

        revoke().await.is(200, json!({ "id": alice.session, "status": "revoked" }));

        revoke().await.is(200, json!({ "status": "revoked" }));
        assert_eq!(app.events().await, ["session.revoked"]);
        alice.get("/v1/me").await.is_refused(401, "session_revoked");
        alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.is_refused(401, "session_revoked");
        app.bapi().post_empty(format!("/v1/sessions/{}/tokens", alice.session)).await.is_refused(409, "session_not_live");
        beside.get("/v1/me").await.has_status(200);
    }

    async fn what_ended_otherwise_stays_as_it_was(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        alice.post_empty(format!("/v1/client/sessions/{}/end", alice.session)).await.has_status(200);
        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.is(200, json!({ "status": "ended" }));
    }

    async fn a_backend_mints_for_a_live_session_without_a_site(app: TestApp) {
        let alice = app.user("alice").signed_in().await;

        let minted = app.bapi().post_empty(format!("/v1/sessions/{}/tokens", alice.session)).await;

        minted.is(200, json!({ "object": "token" }));
        let (_, claims) = verified(&minted.str("/jwt"), &jwks(&app.anyone()).await);
        assert_eq!(claims["sub"], alice.id());
        assert!(claims.get("azp").is_none());
        app.anyone().get("/v1/me").bearer(&minted.str("/jwt")).await.is(200, json!({ "id": alice.id() }));
        app.bapi().post_empty(format!("/v1/sessions/{}/tokens/hasura", alice.session)).await.is_refused(404, "jwt_template_not_found");
        app.advance(Duration::from_secs(7 * 86_400 + 5));
        app.bapi().post_empty(format!("/v1/sessions/{}/tokens", alice.session)).await.is_refused(409, "session_not_live");
    }
}
