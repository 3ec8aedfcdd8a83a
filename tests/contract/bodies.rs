//! Every body is read strictly, whatever the operation.

use super::catalogue::{Objects, method, objects};
use crate::fapi::links::own_origin;
use domain::Surface;
use serde_json::json;
use testkit::{Call, Operation, TestApp, both, document};

/// The operations that read a body, each as a call of its rightful caller that still lacks one.
fn readers<'a>(app: &TestApp, objects: &'a Objects) -> Vec<(Operation<'a>, Call)> {
    let mut all = Vec::new();
    for surface in [Surface::Fapi, Surface::Bapi] {
        for operation in document(surface).operations().into_iter().filter(|operation| operation.body().is_some()) {
            let caller = if surface == Surface::Bapi { objects.backend(&operation) } else { objects.owner(&operation) };
            let call = caller.call(method(&operation), objects.path(&operation));
            // The answer of a page of ours is taken from that page alone.
            let call = if operation.template == "/v1/client/handshake" { call.origin(&own_origin(app)) } else { call };
            all.push((operation, call));
        }
    }
    assert!(all.len() > 10, "the documents name the bodies that are read");
    all
}

both! {
    async fn an_unknown_field_is_named(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;

        for (_, call) in readers(&app, &objects) {
            call.json(json!({ "no_such_field": 1 })).await.is_refused_for(422, "form_param_unknown", "no_such_field");
        }
    }

    async fn what_is_no_json_is_refused(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;
        let deep = format!("{}{}", "{\"a\":".repeat(70), "1}".repeat(70));

        for (_, call) in readers(&app, &objects) {
            for body in ["{", "{\"a\":1,}", "{\"a\":1}x", "{\"a\":1,\"a\":2}", "\u{feff}{}", deep.as_str()] {
                call.clone().raw("application/json", body).await.is_refused(400, "malformed_json");
            }
            call.clone().raw("application/json", b"{\"a\":\"\xff\"}".to_vec()).await.is_refused(400, "malformed_json");
        }
    }

    async fn a_list_or_a_text_is_no_body(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;

        for (operation, call) in readers(&app, &objects) {
            for body in ["[]", "\"a\"", "1", "null"] {
                let reply = call.clone().raw("application/json", body).await;
                assert!([400, 422].contains(&reply.status()), "{} {body}: {}", operation.template, reply.text());
            }
        }
    }

    async fn another_content_type_is_refused(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;

        for (operation, call) in readers(&app, &objects) {
            let documented = &operation.value()["requestBody"]["content"];
            for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
                // The form of a page of ours may be sent to its own operation.
                if documented.get(kind).is_none() {
                    call.clone().raw(kind, "{\"a\":1}").await.is_refused(415, "content_type_unsupported");
                }
            }
        }
    }

    async fn a_body_over_a_mebibyte_is_refused(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;
        let large = json!({ "password": "x".repeat(1024 * 1024) }).to_string();

        for (_, call) in readers(&app, &objects) {
            call.raw("application/json", large.clone()).await.is_refused(413, "request_too_large");
        }
    }

    async fn every_field_of_the_wrong_type_is_named_and_no_value_is_a_fault(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;

        for (operation, call) in readers(&app, &objects) {
            let schema = operation.body().expect("readers have one");
            let fields: Vec<&String> = schema["properties"].as_object().into_iter().flat_map(|p| p.keys()).collect();
            for odd in [json!([[1]]), json!({ "a": [] }), json!(-1.5), json!("\u{0}"), json!("x".repeat(5000))] {
                let body = fields.iter().map(|name| ((*name).clone(), odd.clone())).collect();
                let reply = call.clone().json(serde_json::Value::Object(body)).await;
                // Some fields take anything of a type: what matters is that nothing breaks on it.
                assert!(reply.status() < 500, "{} {odd}: {}", operation.template, reply.text());
                if odd == json!([[1]]) && !fields.is_empty() {
                    reply.has_status(422);
                    for name in &fields {
                        let named = reply.params().iter().any(|param| param.split(['.', '[']).next() == Some(name.as_str()));
                        assert!(named, "{}: `{name}` is not named: {}", operation.template, reply.text());
                    }
                }
            }
        }
    }

    async fn a_malformed_id_is_not_found(app: TestApp) {
        let objects = objects(&app, &app.env, "alice").await;
        let long = "x".repeat(3000);

        for surface in [Surface::Fapi, Surface::Bapi] {
            for operation in document(surface).operations() {
                let Some(name) = operation.parameters().first().copied() else { continue };
                let caller = if surface == Surface::Bapi { objects.backend(&operation) } else { objects.owner(&operation) };
                for bad in ["x", "user_1", "..%2f..%2fv1", "user_01ARZ3NDEKTSV4RRFFQ69G5FAU", "%00", "%ff", long.as_str()] {
                    let rest = objects.path(&operation);
                    let at = operation.template.split('/').position(|segment| segment == format!("{{{name}}}"));
                    let path: Vec<&str> =
                        rest.split('/').enumerate().map(|(i, segment)| if Some(i) == at { bad } else { segment }).collect();
                    let call = caller.call(method(&operation), path.join("/"));
                    let reply = if operation.body().is_some() { call.json(json!({ "code": "000000" })).await } else { call.await };
                    assert!((400..500).contains(&reply.status()), "{}: {} {}", path.join("/"), reply.status(), reply.text());
                }
            }
        }
    }
}
