use super::Document;
use crate::reply::Reply;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

fn document() -> Document {
    Document::new(json!({
        "components": { "schemas": {
            "Thing": { "type": "object", "required": ["id"], "additionalProperties": false, "properties": { "id": { "type": "string" } } }
        } },
        "paths": {
            "/v1/things/{thing_id}": { "get": { "security": [{ "key": [] }], "responses": {
                "200": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } } },
                "204": {}
            } } },
            "/v1/things/count": { "get": { "security": [], "responses": {} } }
        }
    }))
}

fn reply(status: u16, body: &Value) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json; charset=utf-8".parse().unwrap());
    let text = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Reply { request: "GET /".into(), status, headers, body: text, json: body.clone() }
}

#[test]
fn a_written_out_path_wins_over_a_parameter() {
    let document = document();
    assert_eq!(document.template("/v1/things/count"), Some("/v1/things/count"));
    assert_eq!(document.template("/v1/things/x"), Some("/v1/things/{thing_id}"));
    assert_eq!(document.template("/v1/things/"), None);
    assert_eq!(document.template("/v1/things/x/y"), None);
}

#[test]
fn an_answer_that_is_not_documented_is_found_out() {
    let document = document();
    let operation = document.operation("get", "/v1/things/{thing_id}").unwrap();
    assert_eq!(operation.check(&reply(200, &json!({ "id": "a" })), false), Ok(()));
    assert_eq!(operation.check(&reply(204, &Value::Null), false), Ok(()));
    assert!(operation.check(&reply(201, &json!({ "id": "a" })), false).is_err(), "status");
    assert!(operation.check(&reply(200, &json!({ "id": 1 })), false).is_err(), "type");
    assert!(operation.check(&reply(200, &json!({ "id": "a", "x": 1 })), false).is_err(), "stray key");
    assert!(operation.check(&reply(204, &json!({})), false).is_err(), "body where none is");
}

#[test]
fn an_operation_knows_its_parameters_and_whether_it_is_guarded() {
    let document = document();
    let operations = document.operations();
    assert_eq!(operations[0].parameters(), ["thing_id"]);
    assert_eq!((operations[0].is_guarded(), operations[1].is_guarded()), (true, false));
}
