//! The bytes of an error: status, headers, envelope.

use super::{ApiError, Inner};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder};
use api::ErrorResponse;
use domain::code;
use domain::{Kind, Problem, RequestId, Surface};
use engine::StorageError;
use serde_json::Map;
use std::error::Error;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How long a caller waits who is told nothing more exact.
const RETRY_SECONDS: u64 = 1;

/// An error as it leaves.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Renders an error for a surface.
    pub fn of(error: &ApiError, surface: Surface, trace: Option<RequestId>) -> Self {
        match &*error.0 {
            Inner::Refused(problems) => Self::refused(problems, surface, trace),
            Inner::Fault(error) if is_outage(&**error) => Self::refused(
                &[Problem { kind: Kind::Busy, code: code::SERVER_BUSY, meta: Map::new() }],
                surface,
                trace,
            ),
            Inner::Fault(_) => Self::fault(trace),
            Inner::Stored(stored) => {
                let mut headers = vec![
                    (CONTENT_TYPE, JSON),
                    (HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true")),
                ];
                let etag = stored.etag.as_deref().and_then(|etag| HeaderValue::from_str(etag).ok());
                headers.extend(etag.map(|etag| (ETAG, etag)));
                let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
                Self { status, headers, body: stored.body.clone() }
            }
        }
    }

    /// Renders an error of actix's own; true when it is a fault.
    pub fn of_foreign(error: &actix_web::Error, surface: Surface, trace: Option<RequestId>) -> (Self, bool) {
        let (kind, code) = match error.as_response_error().status_code() {
            StatusCode::NOT_FOUND => (Kind::NotFound, code::RESOURCE_NOT_FOUND),
            StatusCode::METHOD_NOT_ALLOWED => (Kind::MethodNotAllowed, code::METHOD_NOT_ALLOWED),
            StatusCode::PAYLOAD_TOO_LARGE => (Kind::TooLarge, code::REQUEST_TOO_LARGE),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => (Kind::UnsupportedType, code::CONTENT_TYPE_UNSUPPORTED),
            status if status.is_client_error() => (Kind::Malformed, code::MALFORMED_JSON),
            _ => return (Self::fault(trace), true),
        };
        (Self::refused(&[Problem { kind, code, meta: Map::new() }], surface, trace), false)
    }

    fn fault(trace: Option<RequestId>) -> Self {
        let body = ErrorResponse::of_code(code::INTERNAL_ERROR, trace);
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, headers: vec![(CONTENT_TYPE, JSON)], body: bytes(&body) }
    }

    fn refused(problems: &[Problem], surface: Surface, trace: Option<RequestId>) -> Self {
        // The first problem decides: problems that come together are of one body and of one kind.
        let kind = problems.first().map_or(Kind::Invalid, |p| p.kind);
        let mut headers = vec![(CONTENT_TYPE, JSON)];
        if kind == Kind::Unauthenticated && surface == Surface::Bapi {
            headers.push((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if matches!(kind, Kind::TooMany | Kind::Busy) {
            let seconds = problems.iter().find_map(|p| p.meta.get("retry_after_seconds")?.as_u64());
            headers.push((RETRY_AFTER, HeaderValue::from(seconds.unwrap_or(RETRY_SECONDS))));
        }
        Self { status: status(kind, surface), headers, body: bytes(&ErrorResponse::new(problems, trace)) }
    }

    /// The whole response.
    pub fn into_response(self) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status);
        for header in self.headers {
            response.insert_header(header);
        }
        response.body(self.body)
    }
}

/// The status that a meaning has on a surface.
pub(crate) fn status(kind: Kind, surface: Surface) -> StatusCode {
    let by_surface = |fapi| if surface == Surface::Bapi { StatusCode::CONFLICT } else { fapi };
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Taken | Kind::NotLive => by_surface(StatusCode::UNPROCESSABLE_ENTITY),
        Kind::Gone => StatusCode::GONE,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Outdated => StatusCode::PRECONDITION_FAILED,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn bytes(body: &ErrorResponse) -> Vec<u8> {
    serde_json::to_vec(body).expect("texts and JSON values always serialize")
}

/// Whether the database was out of reach or overrun: trying again may help, so the caller hears 503.
fn is_outage(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (*error).source()).any(|error| {
        let known = error.downcast_ref::<StorageError>();
        known.is_some_and(|e| matches!(e, StorageError::Unavailable(_) | StorageError::Deadline | StorageError::Closed))
    })
}

/// Logs a fault, once, with everything behind it.
pub(crate) fn log_fault(error: &ApiError, trace: RequestId) {
    if let Inner::Fault(fault) = &*error.0 {
        tracing::error!(request.id = %trace, error.chain = chain(&**fault), "a request failed on our side");
    }
}

/// An error and all its sources, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
