//! How many sessions there are after a sign-in.

use super::steps::{statuses, try_password};
use serde_json::json;
use std::time::Duration;
use testkit::{TestApp, both, race};

both! {
    async fn several_people_are_signed_in_on_one_browser(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(2));
        let bob = app.user("bob").signed_in_on(&alice.browser).await;

        let client = alice.get("/v1/client").await;
        assert_eq!(statuses(client.at("/sessions")), [(bob.session.as_str(), "active"), (alice.session.as_str(), "active")]);
        alice.get("/v1/me").await.is(200, json!({ "id": bob.id() }));
        for session in [&alice.session, &bob.session] {
            alice.post_empty(format!("/v1/client/sessions/{session}/tokens")).await.has_status(200);
        }
    }

    async fn the_same_person_again_on_a_browser_replaces_the_older_session(app: TestApp) {
        let first = app.user("alice").signed_in().await;
        app.skip_events().await;

        let second = app.user("alice").signed_in_on(&first.browser).await;

        assert_ne!(first.session, second.session);
        let client = first.get("/v1/client").await;
        assert_eq!(statuses(client.at("/sessions")), [(second.session.as_str(), "active")]);
        app.bapi().get(format!("/v1/sessions/{}", first.session)).await.is(200, json!({ "status": "replaced" }));
        assert_eq!(app.events().await, ["session.removed", "session.created"]);
    }

    async fn the_same_person_elsewhere_keeps_both_sessions(app: TestApp) {
        let (home, office) = (app.user("alice").signed_in().await, app.user("alice").signed_in().await);

        for side in [&home, &office] {
            side.get("/v1/me").await.is(200, json!({ "id": home.id() }));
        }
    }

    async fn in_single_session_mode_a_sign_in_replaces_every_other_session(app: TestApp) {
        let home = app.user("alice").signed_in().await;
        let bob = app.user("bob").signed_in().await;
        app.settings(|s| s.sessions.multi_session = false).await;

        let again = app.user("alice").signed_in_on(&bob.browser).await;

        for gone in [&home.session, &bob.session] {
            app.bapi().get(format!("/v1/sessions/{gone}")).await.is(200, json!({ "status": "replaced" }));
        }
        home.get("/v1/me").await.is_refused(401, "session_revoked");
        let client = again.get("/v1/client").await;
        assert_eq!(statuses(client.at("/sessions")), [(again.session.as_str(), "active")]);
    }

    async fn in_single_session_mode_whoever_is_signed_in_already_is_told(app: TestApp) {
        app.settings(|s| s.sessions.multi_session = false).await;
        let alice = app.user("alice").signed_in().await;

        let again = try_password(&alice, &alice.user.email, &alice.user.password).await;

        again.is_refused(422, "identifier_already_signed_in");
        alice.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
    }

    async fn in_single_session_mode_a_browser_of_several_people_keeps_the_one_used_last(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(2));
        let bob = app.user("bob").signed_in_on(&alice.browser).await;
        app.advance(Duration::from_secs(2));
        let carol = app.user("carol").signed_in_on(&alice.browser).await;
        alice.post(format!("/v1/client/sessions/{}/touch", bob.session), json!({})).await.has_status(200);
        alice.get("/v1/client").await;
        app.settings(|s| s.sessions.multi_session = false).await;
        app.skip_events().await;

        let client = alice.get("/v1/client").await;

        assert_eq!(statuses(client.at("/sessions")), [(bob.session.as_str(), "active")]);
        assert_eq!(client.str("/last_active_session_id"), bob.session);
        for gone in [&alice.session, &carol.session] {
            app.bapi().get(format!("/v1/sessions/{gone}")).await.is(200, json!({ "status": "replaced" }));
            alice.post_empty(format!("/v1/client/sessions/{gone}/tokens")).await.is_refused(401, "session_revoked");
        }
        alice.get("/v1/me").await.is(200, json!({ "id": bob.id() }));
        assert_eq!(app.events().await, ["session.removed", "session.removed"]);
        // once is enough
        assert_eq!(alice.get("/v1/client").await.json(), client.json());
        assert_eq!(app.events().await.len(), 2);
    }

    async fn in_single_session_mode_the_newest_is_kept_when_the_one_used_last_is_over(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(2));
        let bob = app.user("bob").signed_in_on(&alice.browser).await;
        app.advance(Duration::from_secs(2));
        let carol = app.user("carol").signed_in_on(&alice.browser).await;
        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", carol.session)).await.has_status(200);
        app.settings(|s| s.sessions.multi_session = false).await;

        let client = alice.get("/v1/client").await;

        assert_eq!(statuses(client.at("/sessions")), [(bob.session.as_str(), "active")]);
        assert_eq!(client.str("/last_active_session_id"), bob.session);
    }

    async fn a_browser_of_several_people_collapses_once_however_many_tabs_ask(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let bob = app.user("bob").signed_in_on(&alice.browser).await;
        app.settings(|s| s.sessions.multi_session = false).await;
        app.skip_events().await;

        let replies = race(20, |_| {
            let tab = alice.stolen();
            async move { tab.get("/v1/client").await }
        })
        .await;

        for reply in replies {
            assert_eq!(statuses(reply.at("/sessions")), [(bob.session.as_str(), "active")]);
        }
        assert_eq!(app.events().await, ["session.removed"]);
    }

    async fn a_browser_holds_as_many_sessions_as_the_cap_and_the_oldest_gives_way(app: TestApp) {
        app.settings(|s| s.sessions.max_concurrent_sessions_per_client = 2).await;
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(2));
        let bob = app.user("bob").signed_in_on(&alice.browser).await;
        app.advance(Duration::from_secs(2));

        let carol = app.user("carol").signed_in_on(&alice.browser).await;

        let client = alice.get("/v1/client").await;
        assert_eq!(statuses(client.at("/sessions")), [(carol.session.as_str(), "active"), (bob.session.as_str(), "active")]);
        app.bapi().get(format!("/v1/sessions/{}", alice.session)).await.is(200, json!({ "status": "replaced" }));
    }

    async fn the_one_that_gives_way_is_the_one_used_longest_ago(app: TestApp) {
        app.settings(|s| s.sessions.max_concurrent_sessions_per_client = 2).await;
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(2));
        let bob = app.user("bob").signed_in_on(&alice.browser).await;
        app.advance(Duration::from_secs(90));
        alice.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await.has_status(200);
        app.advance(Duration::from_secs(2));

        app.user("carol").signed_in_on(&alice.browser).await;

        app.bapi().get(format!("/v1/sessions/{}", bob.session)).await.is(200, json!({ "status": "replaced" }));
        app.bapi().get(format!("/v1/sessions/{}", alice.session)).await.is(200, json!({ "status": "active" }));
    }
}
