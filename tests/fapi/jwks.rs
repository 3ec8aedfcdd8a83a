//! The published keys, and how they change.

use super::steps::{jwks, verified};
use domain::Context;
use engine::signing::{self, Rotation};
use serde_json::{Value, json};
use testkit::{TestApp, both, hours};

fn kids(keys: &Value) -> Vec<String> {
    let mut kids: Vec<String> = keys["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|key| key["kid"].as_str().unwrap_or_default().to_owned())
        .collect();
    kids.sort_unstable();
    kids
}

async fn signing_kid(app: &TestApp, name: &str) -> String {
    let token = app.user(name).signed_in().await.token().await;
    verified(&token, &jwks(&app.anyone()).await).0["kid"].as_str().expect("a key has a name").to_owned()
}

both! {
    async fn the_keys_are_public_and_cacheable_and_have_no_private_part(app: TestApp) {
        let reply = app.anyone().get("/.well-known/jwks.json").await;

        reply.is(200, json!({ "keys": [{ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig" }] }));
        let names: Vec<&String> = reply.at("/keys/0").as_object().into_iter().flat_map(|key| key.keys()).collect();
        assert_eq!(names.len(), 7, "{names:?}");
        assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert!(reply.header("etag").is_some_and(|tag| tag.starts_with('"') && tag.ends_with('"')));
        assert_eq!(reply.set_cookies(), []);
    }

    async fn whoever_has_the_keys_already_is_told_so(app: TestApp) {
        let tag = app.anyone().get("/.well-known/jwks.json").await.header("etag").expect("a tag").to_owned();

        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let reply = app.anyone().get("/.well-known/jwks.json").header("if-none-match", &known).await;
            assert_eq!((reply.status(), reply.text().len()), (304, 0), "{known}");
            assert_eq!(reply.header("etag"), Some(tag.as_str()));
            assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"));
        }
        let other = app.anyone().get("/.well-known/jwks.json").header("if-none-match", "\"other\"").await;
        other.has_status(200);
    }

    async fn each_environment_has_keys_of_its_own(app: TestApp) {
        let other = app.second_environment().await;
        assert_ne!(kids(&jwks(&app.anyone()).await), kids(&jwks(&app.anyone_of(&other)).await));
    }

    async fn a_key_is_published_a_day_before_it_signs_and_verifies_a_week_after(app: TestApp) {
        let old = signing_kid(&app, "alice").await;
        app.tick().await;
        assert_eq!(kids(&jwks(&app.anyone()).await), std::slice::from_ref(&old));

        // a day before its time the next one is published
        app.advance(hours(89 * 24));
        app.tick().await;
        let published = kids(&jwks(&app.anyone()).await);
        assert_eq!(published.len(), 2);
        assert_eq!(signing_kid(&app, "bob").await, old, "it does not sign yet");
        app.tick().await;
        assert_eq!(kids(&jwks(&app.anyone()).await), published, "once is enough");

        // a day later it signs, and the old one still verifies
        let carol = app.user("carol").signed_in().await;
        let before = carol.token().await;
        app.advance(hours(24));
        app.tick().await;
        let new = signing_kid(&app, "dave").await;
        assert!(new != old && published.contains(&new));
        assert_eq!(kids(&jwks(&app.anyone()).await), published);
        verified(&before, &jwks(&app.anyone()).await);

        // a week later the old one is gone
        app.advance(hours(7 * 24));
        app.tick().await;
        assert_eq!(kids(&jwks(&app.anyone()).await), std::slice::from_ref(&new));
        assert_eq!(signing_kid(&app, "erin").await, new);
    }

    async fn rotating_by_hand_changes_the_signer_and_the_tag_and_keeps_the_old_key(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let (before, tag) = (alice.token().await, alice.get("/.well-known/jwks.json").await.header("etag").map(str::to_owned));

        let cx = Context::operator(app.env.id, app.now());
        signing::rotate(&app.engine, &cx, None, Rotation::Now).await.expect("keys rotate");

        let reply = alice.get("/.well-known/jwks.json").await;
        assert_ne!(reply.header("etag").map(str::to_owned), tag);
        assert_eq!(kids(reply.json()).len(), 2);
        let after = alice.token().await;
        assert_ne!(verified(&before, reply.json()).0["kid"], verified(&after, reply.json()).0["kid"]);
        for token in [before, after] {
            app.anyone().get("/v1/me").bearer(&token).await.has_status(200);
        }
        alice.get("/v1/me").await.has_status(200);
    }

    async fn a_compromised_key_is_worth_nothing_from_then_on(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let before = alice.token().await;
        let old = kids(&jwks(&alice).await);

        let cx = Context::operator(app.env.id, app.now());
        signing::rotate(&app.engine, &cx, None, Rotation::Compromised).await.expect("keys rotate");

        let keys = jwks(&alice).await;
        assert_eq!(kids(&keys).len(), 1);
        assert_ne!(kids(&keys), old);
        app.anyone().get("/v1/me").bearer(&before).await.is_refused(401, "session_token_invalid");
        let half = alice.stolen();
        half.jar().remove("__client");
        half.get("/v1/me").await.is_refused(401, "session_token_invalid");
        alice.get("/v1/me").await.has_status(200);
        alice.token().await;
    }
}
