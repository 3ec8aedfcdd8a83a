//! A right signature is not enough: each kind of token opens what it was made for, where it was made.

use crypto::jws::Algorithm;
use serde_json::{Map, Value, json};
use testkit::{TestApp, TestEnvironment, both};

/// The claims of a token.
fn claims_of(token: &str) -> Map<String, Value> {
    let body = token.split('.').nth(1).expect("a token has claims");
    serde_json::from_slice(&crypto::base64url::decode(body).expect("base64url")).expect("JSON")
}

/// Signs with the environment's own key: what a flaw anywhere else in the house could be brought to sign.
async fn signed(app: &TestApp, env: &TestEnvironment, typ: Option<&str>, claims: &Map<String, Value>) -> String {
    let mut conn = app.engine.db().read().await.expect("a connection");
    let keys = keys::load(&mut conn, app.engine.shared().master(), env.id).await.expect("the keys");
    keys.signer(Algorithm::Es256).expect("an active key").sign(typ, claims).expect("signs")
}

async fn as_bearer(app: &TestApp, token: &str) -> u16 {
    app.anyone().get("/v1/me").bearer(token).await.status()
}

async fn as_cookie(app: &TestApp, token: &str) -> u16 {
    app.anyone().get("/v1/me").header("cookie", format!("__session={token}")).await.status()
}

both! {
    async fn the_cookies_token_is_no_bearer_and_a_bearers_is_no_cookie(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let cookie = alice.jar().get("__session").expect("a session cookie");
        let token = alice.token().await;

        assert_eq!((as_bearer(&app, &token).await, as_cookie(&app, &cookie).await), (200, 200));
        let bearer = app.anyone().get("/v1/me").bearer(&cookie).await;
        bearer.is_refused(401, "session_token_invalid");
        let planted = app.anyone().get("/v1/me").header("cookie", format!("__session={token}")).await;
        planted.is_refused(401, "session_token_invalid");
        assert_eq!(claims_of(&cookie)["token_use"], "cookie");
        assert!(!claims_of(&token).contains_key("token_use"));
    }

    async fn the_cookies_token_is_worth_nothing_without_its_session(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let cookie = alice.jar().get("__session").expect("a session cookie");
        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.has_status(200);
        assert_eq!(as_cookie(&app, &cookie).await, 401);
    }

    async fn tokens_of_another_environment_open_nothing(app: TestApp) {
        let other = app.second_environment().await;
        let bob = app.user_of(&other, "bob").signed_in().await;
        let (token, cookie) = (bob.token().await, bob.jar().get("__session").expect("a session cookie"));

        assert_eq!((as_bearer(&app, &token).await, as_cookie(&app, &cookie).await), (401, 401));
        // Even when our own key signed what the other environment says.
        let ours = signed(&app, &app.env, Some("JWT"), &claims_of(&token)).await;
        assert_eq!(as_bearer(&app, &ours).await, 401);
        // And when the other environment's key signs what ours says.
        let alice = app.user("alice").signed_in().await;
        let theirs = signed(&app, &other, Some("JWT"), &claims_of(&alice.token().await)).await;
        assert_eq!(as_bearer(&app, &theirs).await, 401);
    }

    async fn every_mark_of_a_session_token_is_looked_at(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);
        let claims = claims_of(&alice.token().await);
        assert_eq!(as_bearer(&app, &signed(&app, &app.env, Some("JWT"), &claims).await).await, 200, "the frame is right");
        let now = app.now().seconds();

        for typ in [None, Some("at+jwt"), Some("template+jwt"), Some("logout+jwt"), Some("jwt"), Some("")] {
            let token = signed(&app, &app.env, typ, &claims).await;
            assert_eq!(as_bearer(&app, &token).await, 401, "typ {typ:?}");
        }
        let wrong: [(&str, Value); 30] = [
            ("iss", json!("https://evil.example")),
            ("iss", json!(format!("{}/", app.env.issuer))),
            ("iss", json!(app.env.issuer.to_uppercase())),
            ("iss", json!([app.env.issuer])),
            ("iss", Value::Null),
            ("token_use", json!("cookie")),
            ("token_use", json!("access")),
            ("token_use", json!("")),
            ("token_use", json!(null)),
            ("token_use", json!(["bearer"])),
            ("v", json!(1)),
            ("v", json!("2")),
            ("v", json!(2.5)),
            ("aud", json!("client_1")),
            ("aud", json!([])),
            ("exp", json!(now)),
            ("exp", json!(now - 3600)),
            ("exp", json!((now + 60).to_string())),
            ("exp", json!(null)),
            ("exp", json!(1e300)),
            ("nbf", json!(now + 120)),
            ("nbf", json!("0")),
            ("iat", json!(now + 120)),
            ("sid", json!("")),
            ("sid", json!(bob.session)),
            ("sid", json!("sess_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
            ("sid", json!(alice.session.to_lowercase())),
            ("sub", json!(bob.id())),
            ("sub", json!("")),
            ("sub", json!([alice.id()])),
        ];
        for (name, value) in wrong {
            let mut changed = claims.clone();
            changed.insert(name.to_owned(), value.clone());
            let token = signed(&app, &app.env, Some("JWT"), &changed).await;
            assert_eq!(as_bearer(&app, &token).await, 401, "{name} = {value}");
        }
        for name in ["iss", "sub", "sid", "exp", "v"] {
            let mut changed = claims.clone();
            changed.remove(name);
            let token = signed(&app, &app.env, Some("JWT"), &changed).await;
            assert_eq!(as_bearer(&app, &token).await, 401, "without {name}");
        }
    }

    async fn a_secret_key_is_no_session_and_a_session_no_secret_key(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let (token, cookie) = (alice.token().await, alice.jar().get("__session").expect("a session cookie"));
        let client = alice.jar().get("__client").expect("a client cookie");

        assert_eq!(as_bearer(&app, &app.env.secret_key).await, 401);
        assert_eq!(as_bearer(&app, &client).await, 401);
        assert_eq!(as_cookie(&app, &app.env.secret_key).await, 401);
        for shown in [&token, &cookie, &client, &alice.session, &app.env.publishable_key] {
            let backend = app.bapi_stranger().with_authorization(&format!("Bearer {shown}"));
            backend.get("/v1/users").await.is_refused(401, "authentication_invalid");
        }
        let cookies = app.bapi_stranger().get("/v1/users").header("cookie", format!("__session={cookie}; __client={client}"));
        cookies.await.is_refused(401, "authentication_invalid");
    }
}
