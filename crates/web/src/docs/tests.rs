use super::*;
use crate::{ApiErrors, Nothing};
use actix_web::{HttpResponse, get, post};

#[utoipa::path(responses((status = 204), ApiErrors))]
#[get("/v1/users/{user_id}")]
async fn get_user() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

#[utoipa::path(operation_id = "banUser", request_body = Nothing, responses((status = 204), ApiErrors))]
#[post("/v1/users/{user_id}/ban")]
async fn ban() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

fn sample(app: &mut ServiceConfig) {
    app.service(get_user).service(ban);
}

#[test]
fn the_document_is_whole() {
    let document = serde_json::to_value(document(Surface::Bapi, sample)).unwrap();

    let operation = &document["paths"]["/v1/users/{user_id}"]["get"];
    assert_eq!(operation["operationId"], "getUser");
    assert_eq!(operation["tags"], serde_json::json!(["users"]));
    assert_eq!(operation["parameters"][0]["name"], "user_id");
    assert_eq!(operation["parameters"][0]["required"], true);
    assert_eq!(operation["parameters"][0]["schema"]["pattern"], "^user_[0-9A-HJKMNP-TV-Z]{26}$");
    assert_eq!(document["paths"]["/v1/users/{user_id}/ban"]["post"]["operationId"], "banUser");
    assert_eq!(document["security"], serde_json::json!([{ "secret_key": [] }]));
    assert_eq!(document["components"]["schemas"]["ErrorResponse"]["additionalProperties"], false);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn every_reference_of_a_document_leads_somewhere() {
    let document = document(Surface::Fapi, sample);
    let text = document.to_json().unwrap();
    let schemas = &document.components.as_ref().unwrap().schemas;
    let names = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
    for name in names {
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[test]
fn names_become_camel_case() {
    assert_eq!(camel("get_sign_in"), "getSignIn");
    assert_eq!(camel("banUser"), "banUser");
    assert_eq!(camel("list"), "list");
}
