//! A key opens what it was made for: its kind, its environment, its time, and only where keys belong.

use crypto::{TokenHash, secret_key};
use domain::environment::EnvironmentKind;
use domain::key::{ApiKey, ApiKeyKind};
use domain::{ApiKeyId, Context, NewId};
use serde_json::json;
use std::time::Duration;
use testkit::{TestApp, TestEnvironment, both};

/// Puts a key into the database as a flaw elsewhere might: of any kind, for any environment.
async fn planted(
    app: &TestApp,
    env: &TestEnvironment,
    live: bool,
    kind: ApiKeyKind,
    expires_in: Option<Duration>,
) -> String {
    let secret = secret_key::generate(live).expose().clone();
    let key = ApiKey {
        id: ApiKeyId::new(app.now(), crypto::random::bytes()),
        environment_id: env.id,
        kind,
        prefix: secret_key::prefix(&secret).to_owned(),
        name: "planted".to_owned(),
        last_used_at: None,
        expires_at: expires_in.map(|after| app.now() + after),
        revoked_at: None,
        created_at: app.now(),
    };
    let hash = TokenHash::of_str(&secret);
    let done = app
        .engine
        .db()
        .write(async move |tx: &mut storage::Tx<'_>| storage::api_keys::insert(tx, &key, &hash).await)
        .await;
    done.expect("a key can be planted");
    secret
}

async fn opens(app: &TestApp, key: &str) -> u16 {
    let caller = app.bapi_stranger().with_authorization(&format!("Bearer {key}"));
    caller.get("/v1/_ping").await.status()
}

both! {
    async fn a_publishable_key_is_no_secret(app: TestApp) {
        let public = app.env.publishable_key.clone();
        assert!(public.starts_with("pk_test_"));
        let disguised = public.replacen("pk_", "sk_", 1);
        for key in [public.as_str(), &disguised] {
            let caller = app.bapi_stranger().with_authorization(&format!("Bearer {key}"));
            caller.get("/v1/users").await.is_refused(401, "authentication_invalid");
            caller.post("/v1/users", json!({ "email_address": ["a@example.com"] })).await.is_refused(401, "authentication_invalid");
        }
        // Not even when the table says so.
        let odd = planted(&app, &app.env, false, ApiKeyKind::Publishable, None).await;
        assert_eq!(opens(&app, &odd).await, 401);
    }

    async fn a_test_key_opens_no_production_and_a_live_key_no_development(app: TestApp) {
        let production = app.environment_of(EnvironmentKind::Production, "Live").await;
        let staging = app.environment_of(EnvironmentKind::Staging, "Stage").await;
        assert!(production.secret_key.starts_with("sk_live_") && production.publishable_key.starts_with("pk_live_"));
        assert!(staging.secret_key.starts_with("sk_test_") && app.env.secret_key.starts_with("sk_test_"));
        for (env, right) in [(&production, true), (&staging, false), (&app.env, false)] {
            assert_eq!(opens(&app, &env.secret_key).await, 200);
            let fitting = planted(&app, env, right, ApiKeyKind::Secret, None).await;
            assert_eq!(opens(&app, &fitting).await, 200, "the frame is right");
            let wrong = planted(&app, env, !right, ApiKeyKind::Secret, None).await;
            assert_eq!(opens(&app, &wrong).await, 401, "{:?}", env.made.kind);
            let renamed = if right { env.secret_key.replacen("sk_live_", "sk_test_", 1) } else { env.secret_key.replacen("sk_test_", "sk_live_", 1) };
            assert_eq!(opens(&app, &renamed).await, 401);
        }
    }

    async fn a_key_is_taken_from_the_authorization_header_alone(app: TestApp) {
        let key = app.env.secret_key.clone();
        let stranger = app.bapi_stranger();
        for path in [
            format!("/v1/users?secret_key={key}"),
            format!("/v1/users?api_key={key}"),
            format!("/v1/users?access_token={key}"),
            format!("/v1/users?token={key}"),
            format!("/v1/users?Authorization=Bearer%20{key}"),
        ] {
            stranger.get(path).await.is_refused(401, "authentication_invalid");
        }
        let basic = base64_of(&format!("{key}:"));
        for (name, value) in [
            ("authorization", format!("Basic {basic}")),
            ("authorization", key.clone()),
            ("authorization", format!("Token {key}")),
            ("authorization", format!("Bearer Bearer {key}")),
            ("authorization", format!("Bearer {key}, Bearer {key}")),
            ("x-api-key", key.clone()),
            ("x-secret-key", format!("Bearer {key}")),
            ("proxy-authorization", format!("Bearer {key}")),
            ("cookie", format!("__session={key}; secret_key={key}")),
        ] {
            stranger.get("/v1/users").header(name, value).await.is_refused(401, "authentication_invalid");
        }
        let body = json!({ "secret_key": key, "email_address": ["a@example.com"] });
        stranger.post("/v1/users", body).await.is_refused(401, "authentication_invalid");
        let twice = stranger.get("/v1/users").bearer(&key).bearer(&key).await;
        twice.is_refused(401, "authentication_invalid");
        assert!(!testkit::logs().contains(&key), "and what was sent in the wrong place is not logged");
    }

    async fn a_key_carries_a_label_that_scanners_can_check(app: TestApp) {
        let key = app.env.secret_key.clone();
        assert!(secret_key::check(&key).is_ok());
        for at in 8..key.len() {
            let mut bytes = key.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert!(secret_key::check(&changed).is_err(), "{at}");
        }
        // A well-formed key that nobody was given.
        assert_eq!(opens(&app, secret_key::generate(false).expose()).await, 401);
    }

    async fn a_revoked_or_expired_key_opens_nothing_at_once(app: TestApp) {
        let expiring = planted(&app, &app.env, false, ApiKeyKind::Secret, Some(Duration::from_secs(60))).await;
        assert_eq!(opens(&app, &expiring).await, 200);
        app.advance(Duration::from_secs(60));
        assert_eq!(opens(&app, &expiring).await, 401);

        let cx = Context::operator(app.env.id, app.now());
        for key in engine::api_keys::list(&app.engine, &cx).await.expect("keys are listed") {
            engine::api_keys::revoke(&app.engine, &cx, key.id).await.expect("a key is revoked");
        }
        assert_eq!(opens(&app, &app.env.secret_key).await, 401);
    }

    async fn a_key_says_nothing_about_why_it_is_refused(app: TestApp) {
        let revoked = app.env.secret_key.clone();
        let cx = Context::operator(app.env.id, app.now());
        for key in engine::api_keys::list(&app.engine, &cx).await.expect("keys are listed") {
            engine::api_keys::revoke(&app.engine, &cx, key.id).await.expect("a key is revoked");
        }
        let unknown = secret_key::generate(false).expose().clone();
        let mut answers = Vec::new();
        for shown in [format!("Bearer {revoked}"), format!("Bearer {unknown}"), "Bearer x".to_owned(), "Basic x".to_owned()] {
            let reply = app.bapi_stranger().with_authorization(&shown).get("/v1/users").await;
            answers.push((reply.status(), reply.json()["errors"].clone()));
        }
        let none = app.bapi_stranger().get("/v1/users").await;
        answers.push((none.status(), none.json()["errors"].clone()));
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    }
}

fn base64_of(text: &str) -> String {
    // Basic credentials use the standard alphabet; what differs from ours is padding and two characters.
    let url = crypto::base64url::encode(text.as_bytes()).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - url.len() % 4) % 4);
    format!("{url}{padding}")
}
