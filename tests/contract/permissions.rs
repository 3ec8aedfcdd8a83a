//! What a key may do is asked at every operation, so that a new one cannot escape.

use super::catalogue::objects;
use domain::Surface;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use testkit::{Caller, Operation, Reply, TestApp, both, document};

/// The action that allows an operation together with its like.
fn action(operation: &Operation<'_>) -> String {
    let group = operation.template.trim_start_matches("/v1/").split('/').next().unwrap_or_default();
    format!("{group}:{}", if operation.method == "get" { "read" } else { "write" })
}

/// All but the one by which any key asks whether it works.
fn operations() -> Vec<Operation<'static>> {
    document(Surface::Bapi).operations().into_iter().filter(|operation| operation.template != "/v1/_ping").collect()
}

/// Whether the door itself refused, and not the operation behind it.
fn shut(reply: &Reply) -> bool {
    reply.status() == 401 || reply.json().pointer("/errors/0/meta/permission").is_some()
}

/// A backend with a key that may do this and nothing else.
async fn holder(backend: &Caller, app: &TestApp, actions: &[String]) -> Caller {
    let wanted = json!({ "name": "Restricted", "restricted_to_actions": actions });
    let made = backend.post("/v1/api-keys", wanted).await;
    app.bapi_stranger().with_authorization(&format!("Bearer {}", made.has_status(201).str("/secret")))
}

both! {
    async fn a_key_that_is_restricted_to_everything_else_is_refused_at_every_operation(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;
        let backend = app.bapi();
        let all: BTreeSet<String> = operations().iter().map(action).collect();
        assert!(all.len() > 10, "{all:?}");
        let mut holders: BTreeMap<String, (Caller, Caller)> = BTreeMap::new();
        let operators = app.bapi_of(&app.operators().await);
        for one in &all {
            let of_operators = one.starts_with("admin:");
            let giver = if of_operators { &operators } else { &backend };
            let known = |other: &&String| *other != one && (of_operators || !other.starts_with("admin:"));
            let rest: Vec<String> = all.iter().filter(known).cloned().collect();
            let others = holder(giver, &app, &rest).await;
            let only = holder(giver, &app, std::slice::from_ref(one)).await;
            holders.insert(one.clone(), (others, only));
        }

        for operation in operations() {
            let wanted = action(&operation);
            let (others, only) = &holders[&wanted];
            let refused = objects.call(&operation, others).await;
            refused.is_refused(403, "forbidden");
            assert_eq!(refused.at("/errors/0/meta/permission"), &json!(wanted), "{}", operation.template);
            let passed = objects.call(&operation, only).await;
            assert!(!shut(&passed), "{} {}: {}", operation.method, operation.template, passed.text());
        }
    }

    async fn a_key_that_names_one_operation_passes_there_alone(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;

        for operation in operations() {
            let only = holder(objects.backend(&operation), &app, &[operation.id().to_owned()]).await;
            for other in operations() {
                // Those of the group tell whether an operation stands for more than itself.
                if other.id() != operation.id() && action(&other) == action(&operation) {
                    objects.call(&other, &only).await.is_refused(403, "forbidden");
                }
            }
            let passed = objects.call(&operation, &only).await;
            assert!(!shut(&passed), "{} {}: {}", operation.method, operation.template, passed.text());
        }
    }

    async fn a_head_is_refused_like_the_get(app: TestApp) {
        let other = holder(&app.bapi(), &app, &["sessions:read".to_owned()]).await;
        let reply = other.call(testkit::Method::HEAD, "/v1/users").await;
        assert!(reply.status() == 403 || reply.status() == 405 || reply.status() == 404, "{}", reply.status());
        assert_eq!(reply.json(), &Value::Null);
    }
}
