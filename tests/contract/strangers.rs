//! Every operation refuses strangers, except those that are meant for them.

use super::catalogue::{Objects, objects};
use domain::Surface;
use testkit::{Caller, TestApp, both, document};

/// What anybody may ask.
const PUBLIC: [(&str, &str); 11] = [
    ("get", "/v1/images/{image}"),
    ("get", "/.well-known/jwks.json"),
    ("get", "/.well-known/jwt-template-jwks/{name}.json"),
    ("get", "/v1/environment"),
    ("get", "/v1/localization/{locale}"),
    ("get", "/v1/client"),
    ("put", "/v1/client"),
    ("get", "/v1/client/handshake"),
    ("post", "/v1/client/handshake"),
    ("post", "/v1/client/sign-ins"),
    ("post", "/v1/client/sign-ups"),
];

async fn every_guarded_operation_refuses(surface: Surface, objects: &Objects, stranger: &Caller) {
    for operation in document(surface).operations() {
        let public = surface == Surface::Fapi && PUBLIC.contains(&(operation.method, operation.template));
        if !public {
            objects.call(&operation, stranger).await.has_status(401);
        }
    }
}

#[test]
fn the_list_of_what_anybody_may_ask_names_operations_that_exist() {
    for (method, template) in PUBLIC {
        assert!(document(Surface::Fapi).operation(method, template).is_some(), "{method} {template}");
    }
}

#[test]
fn every_operation_says_in_the_document_whether_it_is_guarded() {
    for operation in document(Surface::Fapi).operations() {
        let public = PUBLIC.contains(&(operation.method, operation.template));
        assert_eq!(operation.is_guarded(), !public, "{} {}", operation.method, operation.template);
    }
    for operation in document(Surface::Bapi).operations() {
        assert!(operation.is_guarded(), "{} {}", operation.method, operation.template);
    }
}

both! {
    async fn nothing_opens_without_a_credential(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;

        every_guarded_operation_refuses(Surface::Fapi, &objects, &app.anyone()).await;
        every_guarded_operation_refuses(Surface::Bapi, &objects, &app.bapi_stranger()).await;
    }

    async fn a_made_up_client_cookie_opens_nothing(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;
        let real = objects.person.jar().get("__client").expect("a signed-in browser has a client");
        let (client_id, _) = real.split_once('.').expect("an id and a secret");

        let values = [format!("{client_id}.{}", "A".repeat(43)), client_id.to_owned(), format!("{client_id}."), "x".to_owned()];
        for value in values {
            let thief = app.anyone();
            thief.jar().set("__client", &value);
            every_guarded_operation_refuses(Surface::Fapi, &objects, &thief).await;
        }
    }

    async fn a_made_up_session_token_opens_nothing(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;
        let token = objects.person.token().await;
        let (unsigned, signature) = token.rsplit_once('.').expect("three parts");
        let flipped: String = signature.chars().rev().collect();

        for bad in [format!("{unsigned}."), format!("{unsigned}.{flipped}"), "eyJhbGciOiJub25lIn0.e30.".to_owned(), "x".to_owned()] {
            let thief = app.anyone().with_authorization(&format!("Bearer {bad}"));
            every_guarded_operation_refuses(Surface::Fapi, &objects, &thief).await;
        }
    }

    async fn what_is_no_secret_key_opens_nothing(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;
        let key = app.env.secret_key.clone();
        let token = objects.person.token().await;

        let values = [
            format!("Bearer {}", app.env.publishable_key),
            format!("Bearer {}x", key),
            format!("Bearer {}", key.replace("sk_test_", "sk_live_")),
            format!("Bearer {token}"),
            format!("Basic {key}"),
            key.clone(),
            "Bearer".to_owned(),
        ];
        for value in values {
            let thief = app.bapi_stranger().with_authorization(&value);
            every_guarded_operation_refuses(Surface::Bapi, &objects, &thief).await;
        }
    }

    async fn a_revoked_key_opens_nothing(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;
        let cx = domain::Context::operator(app.env.id, app.now());
        let wanted = engine::api_keys::NewKey::unrestricted("second");
        let made = engine::api_keys::create(&app.engine, &cx, None, wanted).await.expect("a key is made");
        let (key, secret) = (made.key, made.secret);
        let backend = app.bapi_stranger().with_authorization(&format!("Bearer {}", secret.expose()));
        backend.get("/v1/users").await.has_status(200);

        engine::api_keys::revoke(&app.engine, &cx, None, key.id).await.expect("a key is revoked");

        every_guarded_operation_refuses(Surface::Bapi, &objects, &backend).await;
    }
}
