//! Session tokens: what they say, who believes them, and when they are refused.

use super::steps::{jwks, verified};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{ORIGIN, TestApp, both, hours};

both! {
    async fn a_token_says_what_the_contract_says_and_an_unrelated_library_believes_it(app: TestApp) {
        let alice = app.user("alice").signed_in().await;

        let reply = alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await;

        reply.is(200, json!({ "object": "token" }));
        assert_eq!(reply.json().as_object().map(serde_json::Map::len), Some(2));
        let (header, claims) = verified(&reply.str("/jwt"), &jwks(&app.anyone()).await);
        assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("JWT")));
        assert!(header["kid"].as_str().is_some_and(|kid| kid.starts_with("kid_")));
        let now = app.now().seconds();
        let (iat, exp) = (claims["iat"].as_i64().expect("a number"), claims["exp"].as_i64().expect("a number"));
        assert!((now - iat).abs() <= 5 && exp == iat + 60 && claims["nbf"] == claims["iat"]);
        assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() == 22));
        for (name, value) in [
            ("iss", json!(app.env.issuer)), ("sub", json!(alice.id())), ("sid", json!(alice.session)),
            ("azp", json!(ORIGIN)), ("v", json!(2)), ("sts", json!("active")), ("fva", json!([0, -1])),
            ("pnv", json!(false)), ("pkv", json!(false)), ("pkc", json!(0)),
        ] {
            if name != "fva" {
                assert_eq!(claims[name], value, "{name}");
            }
        }
        let names: Vec<&String> = claims.as_object().into_iter().flat_map(|c| c.keys()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ["azp", "exp", "fva", "iat", "iss", "jti", "nbf", "pkc", "pkv", "pnv", "sid", "sts", "sub", "v"]);
        assert_eq!(claims["fva"][1], -1);
    }

    async fn no_two_tokens_are_alike(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let keys = jwks(&alice).await;
        let (a, b) = (verified(&alice.token().await, &keys).1, verified(&alice.token().await, &keys).1);
        assert_ne!(a["jti"], b["jti"]);
    }

    async fn the_age_of_the_proof_grows_and_use_does_not_reset_it(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(900));
        alice.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await.has_status(200);

        let (_, claims) = verified(&alice.token().await, &jwks(&alice).await);

        let age = claims["fva"][0].as_i64().expect("a number");
        assert!((900..920).contains(&age), "{age}");
    }

    async fn a_token_never_outlives_its_session(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(hours(7 * 24) - Duration::from_secs(25));

        let (_, claims) = verified(&alice.token().await, &jwks(&alice).await);

        let shown = alice.get(format!("/v1/client/sessions/{}", alice.session)).await;
        let end = shown.at("/expire_at").as_i64().expect("a number") / 1000;
        assert_eq!(claims["exp"].as_i64(), Some(end));
        assert!(end - claims["iat"].as_i64().expect("a number") < 60);
    }

    async fn the_life_of_a_token_is_a_setting(app: TestApp) {
        app.settings(|s| s.sessions.session_token_lifetime_seconds = 300).await;
        let alice = app.user("alice").signed_in().await;
        let (_, claims) = verified(&alice.token().await, &jwks(&alice).await);
        assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(e, i)| e - i), Some(300));
    }

    async fn a_bearer_signs_in_without_cookies_until_it_is_late(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let program = alice.bearer().await;
        program.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
        let changed = program.patch("/v1/me", json!({ "first_name": "Alice" })).await;
        changed.is(200, json!({ "response": { "first_name": "Alice" }, "client": { "sessions": [{ "id": alice.session }] } }));

        app.advance(Duration::from_secs(61));

        program.get("/v1/me").await.is_refused(401, "session_token_invalid");
    }

    async fn a_bearer_of_a_revoked_session_is_refused_at_once(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let program = alice.bearer().await;

        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.has_status(200);

        program.get("/v1/me").await.is_refused(401, "session_revoked");
        alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.is_refused(401, "session_revoked");
        alice.get("/v1/me").await.is_refused(401, "session_revoked");
    }

    async fn a_bad_bearer_is_refused_and_never_replaced_by_a_cookie(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let good = alice.token().await;
        let tampered = format!("{}A", &good[..good.len() - 1]);
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ4In0.";

        for bad in ["x", "", none, &tampered[..], &app.env.secret_key] {
            if bad != good {
                alice.get("/v1/me").bearer(bad).await.is_refused(401, "session_token_invalid");
            }
        }
        alice.get("/v1/me").header("authorization", "Basic eDp5").await.is_refused(401, "session_token_invalid");
        alice.get("/v1/me").header("authorization", format!("Bearer {good}")).header("authorization", "Bearer x").await
            .is_refused(401, "session_token_invalid");
        alice.get("/v1/me").header("authorization", format!("bearer {good}")).await.has_status(200);
    }

    async fn the_token_of_the_cookie_and_the_token_of_a_backend_do_not_pass_for_each_other(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let cookie = alice.jar().get("__session").expect("she has a cookie");

        alice.get("/v1/me").bearer(&cookie).await.is_refused(401, "session_token_invalid");
        let planted = app.anyone();
        planted.jar().set("__session", &alice.token().await);
        planted.get("/v1/me").await.is_refused(401, "session_token_invalid");
    }

    async fn the_session_cookie_alone_signs_in_while_its_session_lives(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let half = alice.stolen();
        half.jar().remove("__client");
        half.get("/v1/me").await.is(200, json!({ "id": alice.id() }));

        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.has_status(200);

        half.get("/v1/me").await.is_refused(401, "session_revoked");
    }

    async fn the_client_cookie_alone_names_the_session_used_last(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        alice.jar().remove("__session");

        alice.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
        app.browser().await.get("/v1/me").await.is_refused(401, "session_token_missing");
        app.anyone().get("/v1/me").await.is_refused(401, "session_token_missing");
    }

    async fn tokens_are_minted_for_the_own_sessions_only(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);

        alice.post_empty(format!("/v1/client/sessions/{}/tokens", bob.session)).await.is_refused(404, "session_not_found");
        alice.post_empty("/v1/client/sessions/sess_01ARZ3NDEKTSV4RRFFQ69G5FAV/tokens").await.is_refused(404, "session_not_found");
        app.anyone().post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.is_refused(401, "client_not_found");
        alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).bearer(&alice.token().await).await
            .is_refused(401, "client_not_found");
    }

    async fn a_template_that_nobody_made_mints_nothing(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        alice.post_empty(format!("/v1/client/sessions/{}/tokens/hasura", alice.session)).await.is_refused(404, "jwt_template_not_found");
    }

    async fn a_minted_token_is_not_worth_anything_elsewhere(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let other = app.second_environment().await;
        let token = alice.token().await;

        app.anyone_of(&other).get("/v1/me").bearer(&token).await.is_refused(401, "session_token_invalid");
        app.bapi_stranger().get("/v1/_ping").bearer(&token).await.is_refused(401, "authentication_invalid");
    }

    async fn by_setting_tokens_are_rs256_and_older_ones_stay_good(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let before = alice.token().await;
        app.settings(|s| s.signing_keys.session_token_algorithm = "RS256".into()).await;

        let after = alice.token().await;

        let keys = jwks(&alice).await;
        let algorithms: Vec<&Value> = keys["keys"].as_array().into_iter().flatten().map(|key| &key["alg"]).collect();
        assert_eq!(algorithms.len(), 2, "one key for each algorithm: {algorithms:?}");
        assert_eq!(verified(&before, &keys).0["alg"], "ES256");
        assert_eq!(verified(&after, &keys).0["alg"], "RS256");
        for token in [before, after] {
            app.anyone().get("/v1/me").bearer(&token).await.is(200, json!({ "id": alice.id() }));
        }
    }
}
