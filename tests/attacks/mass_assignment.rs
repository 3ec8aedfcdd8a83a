//! Nobody writes a field that is not theirs to write.

use super::{ask_for_code, sign_in_by_code, sign_up_by_code};
use domain::Surface;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use testkit::{Caller, Method, Operation, TestApp, both, document};

/// Second names of fields that an operation takes.
const ALIASES: [(&str, &str); 3] = [
    ("/v1/me/email-addresses/{email_address_id}", "is_primary"),
    ("/v1/client/sessions/{session_id}/active-organization", "active_organization_id"),
    ("/v1/client/sessions/{session_id}/touch", "organization_id"),
];

/// Names that our resources do not have today and attackers try all the same.
const CLASSICS: [&str; 14] = [
    "admin",
    "is_admin",
    "role",
    "roles",
    "permissions",
    "password_hash",
    "password_digest",
    "email_verified",
    "banned",
    "owner",
    "__proto__",
    "constructor",
    "environment_id",
    "skip_password_checks",
];

/// Every name of every field of every resource of both surfaces.
fn all_names() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = CLASSICS.iter().map(|name| (*name).to_owned()).collect();
    for surface in [Surface::Fapi, Surface::Bapi] {
        let schemas = document(surface).value()["components"]["schemas"].as_object().into_iter().flatten();
        for (_, schema) in schemas {
            collect(schema, &mut names);
        }
    }
    names
}

fn collect(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                if let ("properties", Value::Object(properties)) = (key.as_str(), value) {
                    names.extend(properties.keys().cloned());
                }
                collect(value, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}

/// The same, of a schema of the frontend's document that is put together from others.
fn collect_with_references(schema: &Value, names: &mut BTreeSet<String>) {
    collect(schema, names);
    for part in schema["allOf"].as_array().into_iter().flatten().chain([schema]) {
        let pointer = part["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        if let Some(target) = pointer.and_then(|pointer| document(Surface::Fapi).value().pointer(pointer)) {
            collect_with_references(target, names);
        }
    }
}

/// The names an operation takes itself.
fn own_names(operation: &Operation<'_>) -> BTreeSet<String> {
    let mut own = BTreeSet::new();
    collect_with_references(operation.body().expect("only operations with a body are asked"), &mut own);
    own.extend(ALIASES.iter().filter(|(path, _)| *path == operation.template).map(|(_, name)| (*name).to_owned()));
    own
}

/// Everything of a person and of the browser that a field could have changed.
async fn state(app: &TestApp, person: &str, me: &Caller) -> Value {
    let user = app.bapi().get(format!("/v1/users/{person}")).await.json().clone();
    let sessions = app.bapi().get(format!("/v1/users/{person}/sessions")).await.json().clone();
    let count = app.bapi().get("/v1/users/count").await.json().clone();
    let mut sessions = sessions["data"].clone();
    for session in sessions.as_array_mut().into_iter().flatten() {
        // Looking counts as activity.
        session["last_active_at"] = Value::Null;
    }
    let mut user = user;
    user["last_active_at"] = Value::Null;
    json!([user, sessions, count, me.get("/v1/me/email-addresses").await.json()])
}

fn value_for(i: usize) -> Value {
    [json!(true), json!("x"), json!({}), json!([]), json!(1), json!(null)][i % 6].clone()
}

both! {
    async fn a_field_that_an_operation_does_not_name_is_refused_and_changes_nothing(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let added = alice.post("/v1/me/email-addresses", json!({ "email_address": "second@example.com" })).await;
        let address = format!("/v1/me/email-addresses/{}", added.str("/response/id"));
        let address_code = ask_for_code(&alice, address.clone()).await;
        let signing_in = app.anyone();
        let sign_in = sign_in_by_code(&signing_in, &alice.user.email).await;
        let signing_up = app.anyone();
        let sign_up = sign_up_by_code(&signing_up, "new@example.com").await;
        let session = format!("/v1/client/sessions/{}/challenges", alice.session);
        let step_up = alice.post(session, json!({ "strategy": "password" })).await.str("/response/id");
        let before = state(&app, alice.id(), &alice).await;
        let names = all_names();
        assert!(names.len() > 60, "the documents name their fields: {names:?}");

        for operation in document(Surface::Fapi).operations() {
            if operation.body().is_none() {
                continue;
            }
            let template = operation.template;
            let (caller, path): (&Caller, String) = if template.contains("/sign-ins/") {
                (&signing_in, fill(template, &sign_in.path, &sign_in.challenge))
            } else if template.contains("/sign-ups/") {
                (&signing_up, fill(template, &sign_up.path, &sign_up.challenge))
            } else if template.contains("/email-addresses/") {
                (&alice, fill(template, &address, &address_code.challenge))
            } else {
                // A body is read before anything is looked for: these need not exist.
                let (passkey, number) = ("pkey_01ARZ3NDEKTSV4RRFFQ69G5FAV", "phn_01ARZ3NDEKTSV4RRFFQ69G5FAV");
                let ids = [
                    ("{session_id}", alice.session.as_str()),
                    ("{challenge_id}", step_up.as_str()),
                    ("{passkey_id}", passkey),
                    ("{phone_number_id}", number),
                ];
                (&alice, ids.iter().fold(template.to_owned(), |path, (name, id)| path.replace(name, id)))
            };
            assert!(!path.contains('{'), "{template} has a parameter that this test does not know");
            let own = own_names(&operation);
            let foreign: Vec<&String> = names.difference(&own).collect();
            // A body tells at most fifty problems.
            for (i, chunk) in foreign.chunks(40).enumerate() {
                let fields = chunk.iter().enumerate().map(|(j, name)| ((*name).clone(), value_for(i + j)));
                let body: Map<String, Value> = fields.collect();
                let method: Method = operation.method.to_ascii_uppercase().parse().expect("a method");

                let call = caller.call(method, path.clone()).json(Value::Object(body));
                // A link is confirmed from our own page alone.
                let reply = match template == "/v1/client/handshake" {
                    true => call.origin(&crate::fapi::links::own_origin(&app)).await,
                    false => call.await,
                };

                reply.has_status(422);
                for name in chunk {
                    reply.is_refused_for(422, "form_param_unknown", name);
                }
            }
        }
        assert_eq!(state(&app, alice.id(), &alice).await, before);
        signing_up.get(&sign_up.path).await.is(200, json!({ "status": "missing_requirements" }));
        signing_in.get(&sign_in.path).await.is(200, json!({ "status": "needs_first_factor" }));
    }

    async fn nobody_makes_themselves_verified_primary_or_privileged(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let before = state(&app, alice.id(), &alice).await;

        for (name, value) in [
            ("id", json!("user_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
            ("banned", json!(false)),
            ("locked", json!(false)),
            ("role", json!("admin")),
            ("public_metadata", json!({ "plan": "gold" })),
            ("private_metadata", json!({ "plan": "gold" })),
            ("password_digest", json!("$2b$10$abcdefghijklmnopqrstuv")),
            ("password", json!("another password of mine")),
            ("primary_email_address_id", json!(alice.user.email_id)),
            ("email_address", json!("victim@example.com")),
            ("external_id", json!("1")),
            ("created_at", json!(0)),
            ("two_factor_enabled", json!(true)),
        ] {
            // Beside a field that is fine: nothing of the body is kept.
            let reply = alice.patch("/v1/me", json!({ "first_name": "Mallory", name: value })).await;
            reply.is_refused_for(422, "form_param_unknown", name);
        }
        let body = json!({ "email_address": "more@example.com", "verified": true });
        alice.post("/v1/me/email-addresses", body).await.is_refused_for(422, "form_param_unknown", "verified");
        let verified = json!({ "verified": true, "primary": true });
        let path = format!("/v1/me/email-addresses/{}", alice.user.email_id);
        alice.patch(path, verified).await.is_refused_for(422, "form_param_unknown", "verified");

        assert_eq!(state(&app, alice.id(), &alice).await, before);
    }

    async fn the_metadata_of_a_sign_up_is_the_unsafe_kind_only(app: TestApp) {
        let browser = app.anyone();
        for name in ["public_metadata", "private_metadata", "verifications", "status", "created_user_id"] {
            let body = json!({ "email_address": "new@example.com", name: { "admin": true } });
            let reply = browser.post("/v1/client/sign-ups", body).await;
            reply.is_refused_for(422, "form_param_unknown", name);
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
    }
}

/// Puts the ids of an attempt's path and challenge into a template.
fn fill(template: &str, parent: &str, challenge: &str) -> String {
    let rest = template.split('}').skip(1).collect::<Vec<_>>().join("}");
    format!("{parent}{}", rest.replace("{challenge_id}", challenge))
}
