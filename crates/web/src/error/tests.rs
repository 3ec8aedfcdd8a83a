use super::*;
use crate::sample::request_id;
use domain::code;
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error)]
enum SampleError {
    #[error("somebody has this address")]
    Taken,
    #[error("the disk is gone")]
    Disk(#[source] std::io::Error),
}

impl Refusal for SampleError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Taken => Kind::Taken.code(code::IDENTIFIER_EXISTS).param("email_address"),
            Self::Disk(_) => Verdict::Fault,
        }
    }
}

fn disk() -> SampleError {
    SampleError::Disk(std::io::Error::other("password=hunter2"))
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| value.to_str().unwrap())
}

#[test]
fn a_refusal_is_an_envelope_with_its_code_and_the_trace_id() {
    let error = ApiError::from(SampleError::Taken);

    let answer = Answer::of(&error, Surface::Fapi, Some(request_id()));

    assert_eq!(answer.status, 422);
    assert_eq!(
        body(&answer),
        json!({
            "errors": [{
                "code": "form_identifier_exists",
                "message": code::IDENTIFIER_EXISTS.message,
                "long_message": code::IDENTIFIER_EXISTS.long_message,
                "meta": { "param": "email_address" },
            }],
            "trace_id": request_id().to_string(),
        })
    );
}

#[test]
fn a_meaning_has_the_status_of_its_surface() {
    let status = |kind: Kind, surface| answer::status(kind, surface).as_u16();
    for (kind, fapi, bapi) in [
        (Kind::Malformed, 400, 400),
        (Kind::Unauthenticated, 401, 401),
        (Kind::Forbidden, 403, 403),
        (Kind::NotFound, 404, 404),
        (Kind::MethodNotAllowed, 405, 405),
        (Kind::Invalid, 422, 422),
        (Kind::Taken, 422, 409),
        (Kind::NotLive, 422, 409),
        (Kind::Gone, 410, 410),
        (Kind::Conflict, 409, 409),
        (Kind::Outdated, 412, 412),
        (Kind::TooLarge, 413, 413),
        (Kind::UnsupportedType, 415, 415),
        (Kind::TooMany, 429, 429),
        (Kind::Busy, 503, 503),
    ] {
        assert_eq!((status(kind, Surface::Fapi), status(kind, Surface::Bapi)), (fapi, bapi), "{kind:?}");
    }
}

#[test]
fn a_fault_tells_the_caller_nothing_and_the_log_everything() {
    let error = ApiError::from(disk());

    let answer = Answer::of(&error, Surface::Bapi, Some(request_id()));

    assert_eq!(answer.status, 500);
    assert_eq!(body(&answer)["errors"][0]["code"], "internal_error");
    assert!(!String::from_utf8(answer.body).unwrap().contains("disk"));
    assert_eq!(chain(&disk()), "the disk is gone: password=hunter2");
    assert_eq!(error.to_string(), "a fault of ours");
}

#[test]
fn a_backend_hears_how_to_authenticate() {
    let error = ApiError::refuse(Kind::Unauthenticated, code::AUTHENTICATION_INVALID);
    assert_eq!(header(&Answer::of(&error, Surface::Bapi, None), "www-authenticate"), Some("Bearer"));
    assert_eq!(header(&Answer::of(&error, Surface::Fapi, None), "www-authenticate"), None);
}

#[test]
fn who_comes_too_often_hears_when_to_come_back() {
    let problem = Problem { kind: Kind::TooMany, code: code::RATE_LIMIT_EXCEEDED, meta: serde_json::Map::new() };
    let error = ApiError::problem(problem.with("retry_after_seconds", 7));
    assert_eq!(header(&Answer::of(&error, Surface::Fapi, None), "retry-after"), Some("7"));

    let busy = ApiError::refuse(Kind::Busy, code::SERVER_BUSY);
    assert_eq!(header(&Answer::of(&busy, Surface::Fapi, None), "retry-after"), Some("1"));
}

#[test]
fn a_stored_answer_leaves_as_it_was_and_says_that_it_is_old() {
    let error =
        ApiError::stored(StoredAnswer { status: 201, body: b"{\"id\":1}".to_vec(), etag: Some("\"1\"".into()) });

    let answer = Answer::of(&error, Surface::Bapi, Some(request_id()));

    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (201, &b"{\"id\":1}"[..]));
    assert_eq!(header(&answer, "idempotent-replayed"), Some("true"));
    assert_eq!(header(&answer, "etag"), Some("\"1\""));
}

#[test]
fn errors_of_the_framework_leave_by_the_same_door() {
    let told = |error: actix_web::Error| {
        let (answer, is_fault) = Answer::of_foreign(&error, Surface::Bapi, Some(request_id()));
        (answer.status.as_u16(), body(&answer)["errors"][0]["code"].as_str().unwrap().to_owned(), is_fault)
    };
    assert_eq!(told(actix_web::error::ErrorNotFound("x")), (404, "resource_not_found".into(), false));
    assert_eq!(told(actix_web::error::PayloadError::Overflow.into()), (413, "request_too_large".into(), false));
    assert_eq!(told(actix_web::error::ErrorBadRequest("secret")), (400, "malformed_json".into(), false));
    assert_eq!(told(actix_web::error::ErrorInternalServerError("secret")), (500, "internal_error".into(), true));
}

#[test]
fn the_shared_error_set_is_documented_with_the_envelope() {
    let responses = <ApiErrors as utoipa::IntoResponses>::responses();
    let statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
    assert_eq!(statuses, ["400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "429", "500", "503"]);
    let text = serde_json::to_string(&responses).unwrap();
    assert_eq!(text.matches("#/components/schemas/ErrorResponse").count(), statuses.len());
}

#[derive(Debug, thiserror::Error)]
#[error("the lists could not be read")]
struct Unread(#[source] engine::StorageError);

#[test]
fn a_database_out_of_reach_asks_to_try_again() {
    let status = |error| Answer::of(&ApiError::fault(Unread(error)), Surface::Bapi, None).status.as_u16();
    assert_eq!(status(engine::StorageError::Deadline), 503);
    assert_eq!(status(engine::StorageError::Closed), 503);
    assert_eq!(status(engine::StorageError::Panicked), 500);
}
