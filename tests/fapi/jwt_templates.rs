//! Tokens by a template, as a browser gets them.

use super::steps::{jwks, verified};
use serde_json::{Value, json};
use testkit::{SignedInUser, TestApp, both};

async fn template(app: &TestApp, name: &str, claims: Value) {
    let body = json!({ "name": name, "claims": claims, "signing_algorithm": "ES256" });
    app.bapi().post("/v1/jwt-templates", body).await.has_status(201);
}

async fn claims(app: &TestApp, person: &SignedInUser, path: &str) -> (Value, Value) {
    let reply = person.post_empty(format!("/v1/client/sessions/{}/tokens{path}", person.session)).await;
    reply.is(200, json!({ "object": "token" }));
    assert_eq!(reply.json().as_object().map(serde_json::Map::len), Some(2));
    verified(&reply.str("/jwt"), &jwks(&app.anyone()).await)
}

both! {
    async fn a_browser_gets_the_token_that_the_template_says(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        template(&app, "hasura", json!({
            "https://hasura.io/jwt/claims": { "x-hasura-user-id": "{{user.id}}", "x-hasura-allowed-roles": ["user", "{{user.public_metadata.role | default: 'none'}}"] },
            "session": "{{session.id}}", "actor": "{{session.actor.id}}",
        })).await;

        let (header, claims) = claims(&app, &alice, "/hasura").await;

        assert_eq!(header["typ"], "template+jwt");
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(app.env.issuer), &json!(alice.id())));
        assert_eq!(claims["https://hasura.io/jwt/claims"], json!({ "x-hasura-user-id": alice.id(), "x-hasura-allowed-roles": ["user", "none"] }));
        assert_eq!((&claims["session"], &claims["actor"]), (&json!(alice.session), &json!("")));
        assert!(claims.get("azp").is_none() && claims.get("sid").is_none());
        let path = format!("/v1/client/sessions/{}/tokens", alice.session);
        for name in ["nothing", "Hasura", "a.b"] {
            alice.post_empty(format!("{path}/{name}")).await.is_refused(404, "jwt_template_not_found");
        }
        app.anyone().post_empty(format!("{path}/hasura")).await.is_refused(401, "client_not_found");
        app.user("bob").signed_in().await.post_empty(format!("{path}/hasura")).await.is_refused(404, "session_not_found");
    }

    async fn a_session_that_is_over_mints_nothing_by_a_template(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);
        template(&app, "own", json!({ "mail": "{{user.email}}" })).await;
        let path = format!("/v1/client/sessions/{}/tokens/own", alice.session);
        alice.post_empty(&path).await.has_status(200);

        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.has_status(200);
        alice.post_empty(&path).await.is_refused(401, "session_revoked");
        app.bapi().post_empty(format!("/v1/users/{}/ban", bob.id())).await.has_status(200);
        let refused = bob.post_empty(format!("/v1/client/sessions/{}/tokens/own", bob.session)).await;
        assert_eq!(refused.status(), 401, "{}", refused.text());
    }

    async fn the_operator_in_a_persons_place_is_named_where_a_template_asks(app: TestApp) {
        let alice = app.user("alice").created().await;
        template(&app, "own", json!({ "by": "{{session.actor.id}}", "who": "{{session.actor.sub}}" })).await;
        let wanted = json!({ "user_id": alice.id, "actor": { "sub": "operator-7" } });
        let ticket = app.bapi().post("/v1/actor-tokens", wanted).await.has_status(201).str("/token");
        let browser = app.anyone();
        let signed_in = browser.post("/v1/client/sign-ins", json!({ "strategy": "ticket", "ticket": ticket })).await;
        let session = signed_in.has_status(200).str("/response/created_session_id");

        let token = browser.post_empty(format!("/v1/client/sessions/{session}/tokens/own")).await.has_status(200).str("/jwt");

        let (_, claims) = verified(&token, &jwks(&app.anyone()).await);
        assert_eq!((&claims["by"], &claims["who"]), (&json!("operator-7"), &json!("operator-7")));
    }

    async fn a_template_can_be_what_is_minted_when_none_is_named(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let setting = |name: Value| app.bapi().patch("/v1/instance", json!({ "sessions": { "session_token_template": name } }));
        setting(json!("own")).await.is_refused_for(422, "form_param_value_invalid", "sessions.session_token_template");
        setting(json!("no name")).await.is_refused_for(422, "form_param_value_invalid", "sessions.session_token_template");
        template(&app, "own", json!({ "mine": true })).await;
        setting(json!("own")).await.is(200, json!({ "sessions": { "session_token_template": "own" } }));

        let (header, made) = claims(&app, &alice, "").await;
        assert_eq!((header["typ"].as_str(), made["mine"].as_bool()), (Some("template+jwt"), Some(true)));
        // It opens nothing here; whoever needs a session token asks for it by its name.
        let token = alice.token().await;
        app.anyone().get("/v1/me").bearer(&token).await.is_refused(401, "session_token_invalid");
        for name in ["/default", "/flat"] {
            let (header, made) = claims(&app, &alice, name).await;
            assert_eq!((header["typ"].as_str(), made["sid"].as_str()), (Some("JWT"), Some(alice.session.as_str())), "{name}");
        }
        let backend = app.bapi().post_empty(format!("/v1/sessions/{}/tokens", alice.session)).await.has_status(200).str("/jwt");
        assert_eq!(verified(&backend, &jwks(&app.anyone()).await).0["typ"], "template+jwt");
        // The cookie keeps its shape.
        alice.get("/v1/me").await.has_status(200);

        // The setting follows the template, and ends with it.
        let id = app.bapi().get("/v1/jwt-templates").await.str("/data/0/id");
        app.bapi().patch(format!("/v1/jwt-templates/{id}"), json!({ "name": "renamed" })).await.has_status(200);
        app.bapi().get("/v1/instance").await.is(200, json!({ "sessions": { "session_token_template": "renamed" } }));
        assert_eq!(claims(&app, &alice, "").await.0["typ"], "template+jwt");
        app.bapi().delete(format!("/v1/jwt-templates/{id}")).await.has_status(204);
        app.bapi().get("/v1/instance").await.is(200, json!({ "sessions": { "session_token_template": null } }));
        assert_eq!(claims(&app, &alice, "").await.0["typ"], "JWT");
    }

    async fn the_key_that_signs_is_published_before_the_first_token(app: TestApp) {
        let body = json!({ "name": "own", "claims": {} });
        app.bapi().post("/v1/jwt-templates", body).await.is(201, json!({ "signing_algorithm": "RS256" }));
        let keys = jwks(&app.anyone()).await;
        let algorithms: Vec<&str> = keys["keys"].as_array().into_iter().flatten().filter_map(|key| key["alg"].as_str()).collect();
        assert!(algorithms.contains(&"RS256") && algorithms.contains(&"ES256"), "{keys}");

        let alice = app.user("alice").signed_in().await;
        let token = alice.post_empty(format!("/v1/client/sessions/{}/tokens/own", alice.session)).await.has_status(200).str("/jwt");

        assert_eq!(verified(&token, &keys).0["alg"], "RS256");
    }
}
