use super::*;
use crate::error::Answer;
use actix_web::test::TestRequest;
use domain::Surface;
use utoipa::ToSchema;

#[derive(Debug, ToSchema)]
struct Name(String);

impl FromForm for Name {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = form.text("name", 10).required();
        Some(Self(name?))
    }
}

/// What becomes of a body: the name in it, or status and codes.
async fn read(content_type: Option<&str>, body: impl Into<Bytes>) -> Result<String, String> {
    let mut request = TestRequest::post().set_payload(body);
    if let Some(value) = content_type {
        request = request.insert_header((CONTENT_TYPE, value));
    }
    outcome(request).await
}

async fn outcome(request: TestRequest) -> Result<String, String> {
    let (req, payload) = request.to_http_parts();
    let read = object(&req, payload).await.and_then(parse::<Name>);
    read.map(|name| name.0).map_err(|error| {
        let codes: Vec<&str> = error.refused().iter().map(|p| p.code.name).collect();
        format!("{} {}", Answer::of(&error, Surface::Fapi, None).status.as_u16(), codes.join(","))
    })
}

const JSON: Option<&str> = Some("application/json");

#[actix_web::test]
async fn json_objects_are_read() {
    assert_eq!(read(JSON, r#"{"name":" Ann "}"#).await.as_deref(), Ok("Ann"));
    assert_eq!(read(Some("Application/JSON; charset=\"UTF-8\""), r#"{"name":"Ann"}"#).await.as_deref(), Ok("Ann"));
}

#[actix_web::test]
async fn an_empty_body_is_an_empty_object() {
    assert_eq!(read(None, "").await, Err("422 form_param_nil".into()));
    assert_eq!(read(JSON, "").await, Err("422 form_param_nil".into()));
}

#[actix_web::test]
async fn other_content_types_are_refused() {
    let body = r#"{"name":"Ann"}"#;
    for content_type in
        [None, Some("text/plain"), Some("application/json; charset=utf-16"), Some("application/jsonx"), Some("")]
    {
        assert_eq!(read(content_type, body).await, Err("415 content_type_unsupported".into()), "{content_type:?}");
    }
    let squeezed =
        TestRequest::post().insert_header((CONTENT_TYPE, "application/json")).insert_header((CONTENT_ENCODING, "gzip"));
    assert_eq!(outcome(squeezed.set_payload(body)).await, Err("415 content_type_unsupported".into()));
}

#[actix_web::test]
async fn json_with_two_meanings_is_malformed() {
    let deep = format!("{{\"name\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [r#"{"name":"a","name":"b"}"#, "{", "[]", "null", r#"{"name":"a"} x"#, "{\"name\":\"\u{1}\"}", &deep] {
        assert_eq!(read(JSON, body.to_owned()).await, Err("400 malformed_json".into()), "{:.40}", body);
    }
    assert_eq!(read(JSON, &b"{\"name\":\"\xff\"}"[..]).await, Err("400 malformed_json".into()));
}

#[actix_web::test]
async fn a_null_character_is_a_problem_of_its_field() {
    let (req, payload) = TestRequest::post()
        .insert_header((CONTENT_TYPE, "application/json"))
        .set_payload(r#"{"a":{"b":"x\u0000"}}"#)
        .to_http_parts();

    let error = object(&req, payload).await.unwrap_err();

    assert_eq!(error.refused()[0].code, code::PARAM_FORMAT_INVALID);
    assert_eq!(error.refused()[0].meta["param"], "a.b");
}

#[actix_web::test]
async fn a_body_over_one_mebibyte_is_refused_by_its_length_and_by_its_bytes() {
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(BODY_MAX));
    assert_eq!(read(JSON, large).await, Err("413 request_too_large".into()));

    let stated = TestRequest::post()
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CONTENT_LENGTH, "1048577"));
    assert_eq!(outcome(stated).await, Err("413 request_too_large".into()), "before a byte of it is read");

    let largest = format!("{{\"name\":\"\"{}}}", " ".repeat(BODY_MAX - 11));
    assert_eq!(largest.len(), BODY_MAX);
    assert_eq!(read(JSON, largest).await, Err("422 form_param_nil".into()));
}

#[actix_web::test]
async fn a_body_of_nothing_takes_nothing() {
    let empty = parse::<Nothing>(Map::new());
    assert!(empty.is_ok());
    let error = parse::<Nothing>(serde_json::json!({"x": 1}).as_object().unwrap().clone()).unwrap_err();
    assert_eq!(error.refused()[0].code, code::PARAM_UNKNOWN);
}
