//! Steps that many tests take.

use josekit::jwk::JwkSet;
use josekit::jws::{ES256, RS256};
use josekit::jwt;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{Caller, Reply, SignedInUser, TestApp};

/// A password that no list of common ones holds.
pub(crate) const PASSWORD: &str = "a quiet harbour at dawn";

/// Begins a sign-up with an address and the usual password; the path of the attempt.
pub(crate) async fn open_sign_up(browser: &Caller, email: &str) -> String {
    let reply = browser.post("/v1/client/sign-ups", json!({ "email_address": email, "password": PASSWORD })).await;
    reply.has_status(200);
    format!("/v1/client/sign-ups/{}", reply.str("/response/id"))
}

/// Begins a sign-in; the path of the attempt.
pub(crate) async fn open_sign_in(browser: &Caller, identifier: &str) -> String {
    let reply = browser.post("/v1/client/sign-ins", json!({ "identifier": identifier })).await;
    reply.has_status(200);
    format!("/v1/client/sign-ins/{}", reply.str("/response/id"))
}

/// Tries a password in one call.
pub(crate) async fn try_password(browser: &Caller, identifier: &str, password: &str) -> Reply {
    let body = json!({ "identifier": identifier, "strategy": "password", "password": password });
    browser.post("/v1/client/sign-ins", body).await
}

/// Issues a challenge under a parent; the path of the challenge.
pub(crate) async fn challenge(browser: &Caller, parent: &str, strategy: &str) -> String {
    let reply = browser.post(format!("{parent}/challenges"), json!({ "strategy": strategy })).await;
    reply.has_status(200);
    format!("{parent}/challenges/{}", reply.str("/response/id"))
}

/// Answers a challenge with a code.
pub(crate) async fn answer(browser: &Caller, challenge: &str, code: &str) -> Reply {
    browser.post(format!("{challenge}/answer"), json!({ "code": code })).await
}

/// Switches phone numbers on, for the first step of a sign-in and for the second.
pub(crate) async fn with_phones(app: &TestApp) {
    app.settings(|s| {
        s.attribute_settings.phone_number.enabled = true;
        s.attribute_settings.phone_number.used_for_first_factor = true;
        s.multi_factor.phone_code.enabled = true;
    })
    .await;
}

/// Gives somebody a proven number on a backend's word; its id.
pub(crate) async fn given_number(app: &TestApp, user: &str, number: &str) -> String {
    let body = json!({ "user_id": user, "phone_number": number, "verified": true });
    app.bapi().post("/v1/phone-numbers", body).await.has_status(201).str("/id")
}

/// Lets a number serve as a second factor, on a backend's word.
pub(crate) async fn reserved(app: &TestApp, number: &str) {
    let body = json!({ "reserved_for_second_factor": true });
    app.bapi().patch(format!("/v1/phone-numbers/{number}"), body).await.has_status(200);
}

/// Adds a number to oneself; its path.
pub(crate) async fn add_number(user: &SignedInUser, number: &str) -> String {
    let added = user.post("/v1/me/phone-numbers", json!({ "phone_number": number })).await;
    format!("/v1/me/phone-numbers/{}", added.has_status(201).str("/response/id"))
}

/// Adds a number to oneself and proves it; its path.
pub(crate) async fn proven_number(app: &TestApp, user: &SignedInUser, number: &str) -> String {
    let path = add_number(user, number).await;
    let open = challenge(user, &path, "phone_code").await;
    answer(user, &open, &app.last_sms_code(number).await).await.has_status(200);
    path
}

/// Waits until another message may go to the same number.
pub(crate) fn after_a_message(app: &TestApp) {
    app.advance(Duration::from_secs(31));
}

/// A code that is not this one.
pub(crate) fn other_than(code: &str) -> String {
    let number: u32 = code.parse().expect("a code is six digits");
    format!("{:06}", (number + 1) % 1_000_000)
}

/// The header and the claims of a token whose signature an unrelated JOSE library finds to be that of a
/// published key.
pub(crate) fn verified(token: &str, jwks: &Value) -> (Value, Value) {
    let set = JwkSet::from_bytes(jwks.to_string()).expect("the keys are a JWK set");
    let header = jwt::decode_header(token).expect("a token has a header");
    let kid = header.claim("kid").and_then(Value::as_str).expect("the header names the key").to_owned();
    let keys = set.get(&kid);
    assert_eq!(keys.len(), 1, "one published key is named {kid}");
    let opened = match keys[0].algorithm() {
        Some("ES256") => jwt::decode_with_verifier(token, &ES256.verifier_from_jwk(keys[0]).expect("the key is whole")),
        Some("RS256") => jwt::decode_with_verifier(token, &RS256.verifier_from_jwk(keys[0]).expect("the key is whole")),
        other => panic!("no algorithm of ours: {other:?}"),
    };
    let (payload, header) = opened.expect("the signature is the key's");
    (Value::Object(header.claims_set().clone()), Value::Object(payload.claims_set().clone()))
}

/// The published keys.
pub(crate) async fn jwks(anyone: &Caller) -> Value {
    let reply = anyone.get("/.well-known/jwks.json").await;
    reply.has_status(200);
    reply.json().clone()
}

/// The codes of statuses of a list of sessions, in its order.
pub(crate) fn statuses(sessions: &Value) -> Vec<(&str, &str)> {
    let list = sessions.as_array().expect("sessions are a list");
    list.iter().map(|s| (s["id"].as_str().unwrap_or_default(), s["status"].as_str().unwrap_or_default())).collect()
}
