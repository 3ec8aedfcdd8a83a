//! Signing keys that an operator changes, and how soon that counts everywhere.

use crate::fapi::steps::{jwks, verified};
use domain::Context;
use engine::signing::{self, Rotation};
use serde_json::Value;
use std::time::Duration;
use testkit::{Caller, TestApp, both, hours};

async fn rotate(app: &TestApp, how: Rotation) {
    let cx = Context::operator(app.env.id, app.now());
    signing::rotate(&app.engine, &cx, None, how).await.expect("keys rotate");
}

async fn published(caller: &Caller) -> Vec<String> {
    let keys = jwks(caller).await;
    let kids = keys["keys"].as_array().into_iter().flatten().filter_map(|key| key["kid"].as_str());
    kids.map(str::to_owned).collect()
}

fn kid(token: &str, keys: &Value) -> String {
    verified(token, keys).0["kid"].as_str().expect("a key has a name").to_owned()
}

both! {
    async fn a_key_that_is_asked_for_is_published_a_day_before_it_signs(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let old = published(&alice).await;

        rotate(&app, Rotation::Announced).await;

        let both = published(&alice).await;
        assert_eq!(both.len(), 2);
        assert_eq!([kid(&alice.token().await, &jwks(&alice).await)], old[..], "it is published and does not sign");
        rotate(&app, Rotation::Announced).await;
        assert_eq!(published(&alice).await, both, "asking again changes nothing");
        app.advance(hours(24) - Duration::from_secs(60));
        app.tick().await;
        assert_eq!([kid(&alice.token().await, &jwks(&alice).await)], old[..]);

        app.advance(Duration::from_secs(120));
        app.tick().await;

        let new = kid(&alice.token().await, &jwks(&alice).await);
        assert!(both.contains(&new) && !old.contains(&new), "it signs now");
        assert_eq!(published(&alice).await, both, "and the old one still verifies");
        app.advance(hours(7 * 24) - Duration::from_secs(120));
        app.tick().await;
        assert_eq!(published(&alice).await.len(), 2);
        app.advance(Duration::from_secs(180));
        app.tick().await;
        assert_eq!(published(&alice).await, [new]);
    }

    async fn a_published_key_signs_at_once_when_that_is_asked_for(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let old = published(&alice).await;
        rotate(&app, Rotation::Announced).await;
        let both = published(&alice).await;

        rotate(&app, Rotation::Now).await;

        let new = kid(&alice.token().await, &jwks(&alice).await);
        assert!(both.contains(&new) && !old.contains(&new), "the published one, which verifiers know");
        assert_eq!(published(&alice).await, both);
    }

    async fn a_key_that_was_published_beside_a_compromised_one_is_withdrawn_with_it(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        rotate(&app, Rotation::Announced).await;
        let both = published(&alice).await;

        rotate(&app, Rotation::Compromised).await;

        let left = published(&alice).await;
        assert_eq!(left.len(), 1);
        assert!(!both.contains(&left[0]));
        app.advance(hours(25));
        app.tick().await;
        assert_eq!(published(&alice).await, left, "and never comes back");
    }

    async fn a_compromised_key_is_worth_nothing_in_other_processes_after_a_second(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let elsewhere = app.anyone_at_another_process();
        let token = alice.token().await;
        let at_home = jwks(&alice).await;
        // The other process knows the key, and nothing goes on in it beside its requests.
        elsewhere.get("/v1/me").bearer(&token).await.has_status(200);
        assert_eq!(jwks(&elsewhere).await, at_home);

        rotate(&app, Rotation::Compromised).await;
        app.advance(engine::tenancy::UNSEEN_AT_MOST + Duration::from_millis(1));

        elsewhere.get("/v1/me").bearer(&token).await.is_refused(401, "session_token_invalid");
        let now = jwks(&elsewhere).await;
        assert_ne!(now, at_home);
        assert_eq!(now, jwks(&alice).await);
        // And what the other process signs from then on is signed with the new key.
        let browser = Caller::clone(&elsewhere);
        browser.jar().set("__client", &alice.jar().get("__client").expect("she has a cookie"));
        let minted = browser.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await;
        verified(&minted.has_status(200).str("/jwt"), &now);
    }

    async fn a_changed_setting_counts_in_other_processes_after_a_second(app: TestApp) {
        let elsewhere = app.anyone_at_another_process();
        elsewhere.get("/v1/environment").await.has_status(200);

        app.settings(|s| s.sessions.multi_session = false).await;
        app.advance(engine::tenancy::UNSEEN_AT_MOST + Duration::from_millis(1));

        let seen = elsewhere.get("/v1/environment").await;
        assert_eq!(seen.at("/sessions/multi_session"), &Value::Bool(false));
    }
}
