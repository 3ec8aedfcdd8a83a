//! Whoever is thrown out while the body of a request is on its way changes nothing by it.

use super::status_of;
use crate::fapi::steps::{add_number, proven_number, try_password, with_phones};
use serde_json::{Value, json};
use testkit::{Held, Method, SignedInUser, TestApp, both, minutes};

const NUMBER: &str = "+16502530000";
const OTHER: &str = "+16502530001";

/// A thief in a session of Alice, with every write begun that takes a body; what each would do, and whether it is a
/// sensitive one.
async fn begun(app: &TestApp) -> (SignedInUser, Vec<(String, bool, Held)>) {
    with_phones(app).await;
    app.settings(|s| s.attribute_settings.password.required = false).await;
    let mut device = app.authenticator().await;
    let alice = app.user("alice").signed_in().await;
    let passkey = alice.enrols(&mut device).await;
    let address = alice.post("/v1/me/email-addresses", json!({ "email_address": "second@example.com" })).await;
    let address = format!("/v1/me/email-addresses/{}", address.has_status(200).str("/response/id"));
    let number = proven_number(app, &alice, NUMBER).await;
    let unproven = add_number(&alice, OTHER).await;
    alice.post_empty("/v1/me/totp").await.has_status(200);
    let registration = alice.begins_passkey().await;
    let current = &alice.user.password;
    let new = "the thief's own password";

    let sensitive: Vec<(Method, &str, Value)> = vec![
        (Method::POST, "/v1/me/change-password", json!({ "current_password": current, "new_password": new })),
        (Method::DELETE, "/v1/me/password", json!({ "current_password": current })),
        (Method::POST, "/v1/me/email-addresses", json!({ "email_address": "thief@example.com" })),
        (Method::PATCH, &address, json!({ "primary": true })),
        (Method::POST, "/v1/me/phone-numbers", json!({ "phone_number": "+16502530002" })),
        (Method::PATCH, &number, json!({ "reserved_for_second_factor": true })),
        (Method::POST, "/v1/me/passkeys/begin-registration", json!({})),
        (Method::POST, &registration.path, json!({ "attestation": device.create(&registration.options) })),
        (Method::POST, "/v1/me/totp/verify", json!({ "code": "123456" })),
        (Method::DELETE, "/v1/me", json!({})),
        (Method::POST, "/v1/me/delete-self", json!({})),
    ];
    let renamed = format!("/v1/me/passkeys/{passkey}");
    let (prove_address, prove_number) = (format!("{address}/challenges"), format!("{unproven}/challenges"));
    let others: Vec<(Method, &str, Value)> = vec![
        (Method::PATCH, "/v1/me", json!({ "first_name": "Mallory" })),
        (Method::POST, &prove_address, json!({ "strategy": "email_code" })),
        (Method::POST, &prove_number, json!({ "strategy": "phone_code" })),
    ];
    let rename = (Method::PATCH, renamed.as_str(), json!({ "nickname": "mine" }));
    let all = sensitive.into_iter().chain([rename]).map(|write| (write, true));
    let mut held = Vec::new();
    for ((method, path, body), is_sensitive) in all.chain(others.into_iter().map(|write| (write, false))) {
        let request = alice.holds(method.clone(), path, body).await;
        held.push((format!("{method} {path}"), is_sensitive, request));
    }
    // The heads are read by now: these came after them.
    for _ in 0..8 {
        alice.get("/v1/me").await.has_status(200);
    }
    (alice, held)
}

/// Alice as a backend sees her, without what moves by itself.
async fn shown(app: &TestApp, alice: &SignedInUser) -> Value {
    let user = app.bapi().get(format!("/v1/users/{}", alice.id())).await;
    let mut user = user.has_status(200).at("").clone();
    for moving in ["updated_at", "last_active_at", "last_sign_in_at"] {
        user[moving] = Value::Null;
    }
    user
}

both! {
    async fn a_session_that_ends_while_a_body_comes_changes_nothing(app: TestApp) {
        let (alice, held) = begun(&app).await;
        let (before, mails) = (shown(&app, &alice).await, app.mails().await.len());

        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.has_status(200);

        for (write, _, request) in held {
            let answer = request.finish().await;
            assert_eq!(status_of(&answer), 401, "{write}: {answer}");
        }
        assert_eq!(shown(&app, &alice).await, before);
        assert_eq!(app.mails().await.len(), mails);
        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.has_status(200);
    }

    async fn a_proof_that_grows_old_while_a_body_comes_is_asked_for_anew(app: TestApp) {
        let (alice, held) = begun(&app).await;
        let before = shown(&app, &alice).await;

        app.advance(minutes(10));

        for (write, is_sensitive, request) in held {
            if is_sensitive {
                let answer = request.finish().await;
                assert_eq!(status_of(&answer), 403, "{write}: {answer}");
                assert!(answer.contains("reverification_required"), "{write}: {answer}");
            }
        }
        assert_eq!(shown(&app, &alice).await, before);
    }

    async fn a_person_who_is_banned_while_a_body_comes_changes_nothing(app: TestApp) {
        let (alice, held) = begun(&app).await;

        app.bapi().post_empty(format!("/v1/users/{}/ban", alice.id())).await.has_status(200);

        for (write, _, request) in held {
            let answer = request.finish().await;
            assert_eq!(status_of(&answer), 401, "{write}: {answer}");
        }
        app.bapi().get(format!("/v1/users/{}", alice.id())).await.is(200, json!({ "first_name": null, "passkey_count": 1 }));
    }
}
