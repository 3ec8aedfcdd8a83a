//! Bans and locks on a backend's word.

use crate::fapi::steps::try_password;
use serde_json::json;
use std::time::Duration;
use testkit::{TestApp, both};

both! {
    async fn a_ban_takes_every_session_at_once_and_can_be_asked_for_twice(app: TestApp) {
        let (home, office) = (app.user("alice").signed_in().await, app.user("alice").signed_in().await);
        let program = home.bearer().await;
        app.skip_events().await;
        let ban = || app.bapi().post_empty(format!("/v1/users/{}/ban", home.id()));

        ban().await.is(200, json!({ "id": home.id(), "banned": true, "locked": false }));

        ban().await.is(200, json!({ "banned": true }));
        assert_eq!(app.events().await, ["user.updated", "session.revoked", "session.revoked"]);
        for side in [&home, &office] {
            app.bapi().get(format!("/v1/sessions/{}", side.session)).await.is(200, json!({ "status": "revoked" }));
            assert_eq!(side.get("/v1/me").await.status(), 401);
            assert_eq!(side.post_empty(format!("/v1/client/sessions/{}/tokens", side.session)).await.status(), 401);
            app.bapi().post_empty(format!("/v1/sessions/{}/tokens", side.session)).await.is_refused(409, "session_not_live");
        }
        assert_eq!(program.get("/v1/me").await.status(), 401);
        let unbanned = app.bapi().post_empty(format!("/v1/users/{}/unban", home.id())).await;
        unbanned.is(200, json!({ "banned": false }));
        app.bapi().post_empty(format!("/v1/users/{}/unban", home.id())).await.has_status(200);
    }

    async fn a_lock_lasts_as_long_as_it_says(app: TestApp) {
        let alice = app.user("alice").created().await;
        let lock = |body| app.bapi().post(format!("/v1/users/{}/lock", alice.id), body);
        let length = |reply: &testkit::Reply, now: i64| reply.at("/lockout_expires_at").as_i64().map(|at| (at - now) / 1000);

        // the environment's own length
        let usual = lock(json!({})).await;
        usual.is(200, json!({ "locked": true }));
        assert!(length(&usual, app.now().millis()).is_some_and(|s| (3590..=3600).contains(&s)));
        let five = lock(json!({ "lockout_minutes": 5 })).await;
        assert!(length(&five, app.now().millis()).is_some_and(|s| (290..=300).contains(&s)), "{}", five.text());
        let forever = lock(json!({ "lockout_minutes": 0 })).await;
        forever.is(200, json!({ "locked": true, "lockout_expires_at": null }));
        app.advance(Duration::from_secs(86_400 * 400));
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "locked": true }));
        try_password(&app.anyone(), &alice.email, &alice.password).await.is_refused(403, "user_locked");

        app.bapi().post_empty(format!("/v1/users/{}/unlock", alice.id)).await.is(200, json!({ "locked": false }));
        try_password(&app.anyone(), &alice.email, &alice.password).await.has_status(200);
    }

    async fn a_lock_without_a_body_is_the_usual_one(app: TestApp) {
        let alice = app.user("alice").created().await;
        app.bapi().post_empty(format!("/v1/users/{}/lock", alice.id)).await.is(200, json!({ "locked": true }));
    }

    async fn a_lock_of_no_sense_is_refused(app: TestApp) {
        let alice = app.user("alice").created().await;
        let lock = |body| app.bapi().post(format!("/v1/users/{}/lock", alice.id), body);
        lock(json!({ "lockout_minutes": -1 })).await.is_refused_for(422, "form_param_value_invalid", "lockout_minutes");
        lock(json!({ "lockout_minutes": 525_601 })).await.is_refused_for(422, "form_param_value_invalid", "lockout_minutes");
        lock(json!({ "lockout_minutes": "5" })).await.is_refused_for(422, "form_param_format_invalid", "lockout_minutes");
        lock(json!({ "minutes": 5 })).await.is_refused_for(422, "form_param_unknown", "minutes");
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "locked": false }));
    }

    async fn a_lock_ends_sessions(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let program = alice.bearer().await;
        app.bapi().post(format!("/v1/users/{}/lock", alice.id()), json!({})).await.has_status(200);

        app.bapi().get(format!("/v1/sessions/{}", alice.session)).await.is(200, json!({ "status": "revoked" }));
        assert_eq!(program.get("/v1/me").await.status(), 401);
        assert_eq!(alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.status(), 401);
        app.bapi().post_empty(format!("/v1/users/{}/unlock", alice.id())).await.has_status(200);
        assert_eq!(alice.get("/v1/me").await.status(), 401, "what was revoked stays revoked");
    }

    async fn nobody_is_banned_who_is_not_there(app: TestApp) {
        let other = app.second_environment().await;
        let stranger = app.user_of(&other, "alice").created().await;
        for id in ["user_x", "user_01ARZ3NDEKTSV4RRFFQ69G5FAV", &stranger.id] {
            for action in ["ban", "unban", "lock", "unlock"] {
                app.bapi().post_empty(format!("/v1/users/{id}/{action}")).await.is_refused(404, "user_not_found");
            }
        }
        app.bapi_of(&other).get(format!("/v1/users/{}", stranger.id)).await.is(200, json!({ "banned": false, "locked": false }));
    }
}
