//! Requests that depend on what the caller has seen (RFC 9110 section 13).

use crate::error::ApiError;
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest};
use domain::etag::Named;
use std::future::{Ready, ready};

/// The document that a write is meant for.
#[derive(Debug)]
pub struct IfMatch(pub Named);

/// The document that a reader has.
#[derive(Debug)]
pub struct IfNoneMatch(pub Named);

/// Lines of one header are one list.
fn named(req: &HttpRequest, name: &HeaderName) -> Named {
    let lines: Vec<&str> = req.headers().get_all(name).map(|value| value.to_str().unwrap_or_default()).collect();
    if lines.is_empty() { Named::Nothing } else { Named::read(Some(&lines.join(","))) }
}

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(named(req, &IF_MATCH))))
    }
}

impl FromRequest for IfNoneMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(named(req, &IF_NONE_MATCH))))
    }
}
