//! The sessions of a browser: shown, used, left, and over by themselves.

use super::steps::statuses;
use serde_json::json;
use std::time::Duration;
use testkit::{TestApp, both, hours};

both! {
    async fn a_session_is_shown_to_its_browser_alone(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);

        let reply = alice.get(format!("/v1/client/sessions/{}", alice.session)).await;

        reply.is(200, json!({
            "id": alice.session, "object": "session", "status": "active", "user_id": alice.id(), "actor": null,
            "last_active_organization_id": null, "organization": null,
            "latest_activity": { "object": "session_activity", "ip_address": "127.0.0.0", "city": null, "country": null },
        }));
        assert!(reply.json().get("user").is_none());
        assert_eq!(reply.at("/expire_at"), reply.at("/abandon_at"));
        let life = reply.at("/expire_at").as_i64().zip(reply.at("/created_at").as_i64()).map(|(end, start)| end - start);
        assert_eq!(life, Some(604_800_000));
        alice.get(format!("/v1/client/sessions/{}", bob.session)).await.is_refused(404, "session_not_found");
        app.anyone().get(format!("/v1/client/sessions/{}", alice.session)).await.is_refused(401, "client_not_found");
    }

    async fn the_device_of_a_session_is_named(app: TestApp) {
        let alice = app.user("alice").created().await;
        let agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1";
        let body = json!({ "identifier": alice.email, "strategy": "password", "password": alice.password });

        let reply = app.anyone().post("/v1/client/sign-ins", body).header("user-agent", agent).await;

        reply.is(200, json!({ "client": { "sessions": [{ "latest_activity": {
            "device_type": "mobile", "is_mobile": true, "browser_name": "Safari",
        } }] } }));
    }

    async fn touching_makes_a_session_the_one_used_last(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(2));
        let bob = app.user("bob").signed_in_on(&alice.browser).await;
        alice.get("/v1/me").await.is(200, json!({ "id": bob.id() }));
        app.skip_events().await;

        let touched = alice.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await;

        touched.is(200, json!({
            "response": { "id": alice.session, "status": "active" }, "client": { "last_active_session_id": alice.session },
        }));
        let cookie = touched.set_cookie("__session").expect("the cookie follows");
        let (_, claims) = crate::fapi::steps::verified(&cookie.value, &crate::fapi::steps::jwks(&alice).await);
        assert_eq!(claims["sid"], alice.session);
        alice.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
        assert_eq!(app.events().await, Vec::<String>::new(), "within a minute nothing is written");
    }

    async fn a_touch_is_written_once_a_minute(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let touch = || alice.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({}));
        let first = touch().await.at("/response/last_active_at").clone();
        app.skip_events().await;
        app.advance(Duration::from_secs(30));
        assert_eq!(touch().await.at("/response/last_active_at"), &first);
        app.advance(Duration::from_secs(31));
        let second = touch().await.at("/response/last_active_at").clone();
        assert_ne!(second, first);
        assert_eq!(touch().await.at("/response/last_active_at"), &second);
        assert_eq!(app.events().await, ["session.touched"]);
    }

    async fn a_dead_session_cannot_be_touched(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.has_status(200);

        alice.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await.is_refused(422, "session_not_live");
    }

    async fn nobody_is_a_member_of_an_organization_that_does_not_exist(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let touch = |body| alice.post(format!("/v1/client/sessions/{}/touch", alice.session), body);
        let set = |body| alice.patch(format!("/v1/client/sessions/{}/active-organization", alice.session), body);

        touch(json!({ "active_organization_id": "org_x" })).await.is_refused(403, "not_a_member");
        touch(json!({ "active_organization_id": 7 })).await.is_refused_for(422, "form_param_format_invalid", "active_organization_id");
        touch(json!({ "active_organization_id": null })).await.is(200, json!({ "response": { "organization": null } }));
        set(json!({ "organization_id": "org_x" })).await.is_refused(403, "not_a_member");
        set(json!({})).await.is_refused_for(422, "form_param_nil", "organization_id");
        set(json!({ "organization_id": null })).await.has_status(200);
        set(json!({ "active_organization_id": null })).await.has_status(200);
    }

    async fn leaving_a_session_ends_it_once(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.skip_events().await;
        let end = || alice.post_empty(format!("/v1/client/sessions/{}/end", alice.session));

        let ended = end().await;

        ended.is(200, json!({ "response": { "status": "ended" }, "client": { "last_active_session_id": null } }));
        assert!(ended.set_cookie("__session").expect("its cookie goes").clears());
        assert!(ended.set_cookie("__client").is_none(), "the device stays");
        end().await.is(200, json!({ "response": { "status": "ended" } }));
        assert_eq!(app.events().await, ["session.ended"]);
        assert_eq!(alice.get("/v1/me").await.status(), 401);
        alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.is_refused(401, "session_revoked");
        alice.get(format!("/v1/client/sessions/{}", alice.session)).await.is(200, json!({ "status": "ended" }));
    }

    async fn leaving_anothers_session_leaves_the_cookie_of_this_one(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(2));
        let bob = app.user("bob").signed_in_on(&alice.browser).await;

        let ended = alice.post_empty(format!("/v1/client/sessions/{}/end", alice.session)).await;

        assert_eq!(ended.set_cookies(), []);
        alice.get("/v1/me").await.is(200, json!({ "id": bob.id() }));
        app.user("carol").signed_in().await.post_empty(format!("/v1/client/sessions/{}/end", bob.session)).await
            .is_refused(404, "session_not_found");
    }

    async fn a_removed_session_is_out_of_sight_at_once(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.skip_events().await;
        let remove = || alice.post_empty(format!("/v1/client/sessions/{}/remove", alice.session));

        remove().await.is(200, json!({ "response": { "status": "removed" }, "client": { "sessions": [] } }));

        remove().await.is(200, json!({ "response": { "status": "removed" } }));
        alice.post_empty(format!("/v1/client/sessions/{}/end", alice.session)).await.is(200, json!({ "response": { "status": "removed" } }));
        assert_eq!(app.events().await, ["session.removed"]);
    }

    async fn a_session_is_over_after_a_week(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(hours(7 * 24) - Duration::from_secs(20));
        alice.token().await;

        app.advance(Duration::from_secs(21));

        assert_eq!(alice.get("/v1/me").await.status(), 401);
        alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.is_refused(401, "session_revoked");
        alice.get(format!("/v1/client/sessions/{}", alice.session)).await.is(200, json!({ "status": "expired" }));
        alice.get("/v1/client").await.is(200, json!({ "sessions": [], "last_active_session_id": null }));
        let expired = |path: &str| app.bapi().get(path.to_owned());
        assert_eq!(expired("/v1/sessions?status=expired").await.at("/total_count"), 1, "before the row is stamped");
        app.tick().await;
        assert_eq!(expired("/v1/sessions?status=expired").await.at("/total_count"), 1, "and after");
        assert_eq!(expired("/v1/sessions?status=active").await.at("/total_count"), 0);
    }

    async fn a_shorter_life_counts_for_sessions_that_live(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(120));
        app.settings(|s| s.sessions.lifetime_seconds = 60).await;

        assert_eq!(alice.get("/v1/me").await.status(), 401);
        alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.is_refused(401, "session_revoked");
    }

    async fn an_unused_session_ends_where_there_is_an_idle_limit(app: TestApp) {
        app.settings(|s| s.sessions.inactivity_timeout_seconds = Some(600)).await;
        let alice = app.user("alice").signed_in().await;
        for _ in 0..3 {
            app.advance(Duration::from_secs(500));
            alice.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await.has_status(200);
        }
        app.advance(Duration::from_secs(601));
        assert_eq!(alice.get("/v1/me").await.status(), 401);
    }

    async fn minting_is_use_of_a_session(app: TestApp) {
        app.settings(|s| s.sessions.inactivity_timeout_seconds = Some(600)).await;
        let alice = app.user("alice").signed_in().await;
        for _ in 0..3 {
            app.advance(Duration::from_secs(500));
            alice.token().await;
            app.tick().await;
        }
        alice.get("/v1/me").await.has_status(200);
    }

    async fn a_person_sees_the_sessions_of_every_device(app: TestApp) {
        let home = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(5));
        let office = app.user("alice").signed_in().await;
        let gone = app.user("alice").signed_in().await;
        gone.post_empty(format!("/v1/client/sessions/{}/end", gone.session)).await.has_status(200);
        app.user("bob").signed_in().await;

        let list = home.get("/v1/me/sessions").await;

        assert_eq!(statuses(list.json()), [(office.session.as_str(), "active"), (home.session.as_str(), "active")]);
        assert!(list.at("/0").get("user").is_none());
        assert!(list.at("/0/latest_activity/id").is_string());
    }
}
