//! Request bodies: JSON objects of bounded size, read whole before anything is believed.

use crate::error::ApiError;
use crate::form::Form;
use crate::state::after_caller;
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use crypto::strict_json::{self, StrictJsonError};
use domain::{Kind, code};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};
use std::time::Duration;
use utoipa::ToSchema;

/// The most that is read of a JSON body.
pub const BODY_MAX: usize = 1024 * 1024;

/// The most that is read of a page's form.
const FORM_MAX: usize = 16 * 1024;

/// The deepest nesting that is read.
pub const DEPTH_MAX: usize = 64;

/// How long a body may take to arrive: a sender slower than this holds a connection for nothing.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A request body that is read field by field.
///
/// Read every field into a variable before the first `?`, so that all problems are told together.
pub trait FromForm: Sized {
    /// Reads the fields; `None` when a required one is missing.
    fn from_form(form: &mut Form) -> Option<Self>;
}

/// The body of a request, read when the caller is known.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A body without any field.
#[derive(Debug, Clone, Copy, ToSchema)]
pub struct Nothing {}

impl FromForm for Nothing {
    fn from_form(_: &mut Form) -> Option<Self> {
        Some(Self {})
    }
}

/// A body as it was sent, for documents that the domain merges by itself.
#[derive(Debug)]
pub struct Document(pub Map<String, Value>);

impl FromForm for Document {
    fn from_form(form: &mut Form) -> Option<Self> {
        Some(Self(form.rest()))
    }
}

impl<T: FromForm + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = payload.take();
        after_caller(req, async move |req| {
            let object = object(req, payload).await?;
            parse(object).map(Self)
        })
    }
}

/// A body that a page's own form may send as well (`application/x-www-form-urlencoded`).
#[derive(Debug)]
pub struct Posted<T>(pub T);

impl<T: FromForm + 'static> FromRequest for Posted<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = payload.take();
        after_caller(req, async move |req| {
            let object = if is_form(req) { form(req, payload).await? } else { object(req, payload).await? };
            parse(object).map(Self)
        })
    }
}

fn is_form(req: &HttpRequest) -> bool {
    let sent = req.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Reads a form as an object of texts; a name that comes twice is refused as in JSON.
async fn form(req: &HttpRequest, payload: Payload) -> Result<Map<String, Value>, ApiError> {
    if is_encoded(req) {
        return Err(unsupported());
    }
    let bytes = bytes(req, payload, FORM_MAX).await?;
    let mut object = Map::new();
    for (name, value) in url::form_urlencoded::parse(&bytes) {
        if value.contains('\0') {
            return Err(ApiError::param(Kind::Invalid, code::PARAM_FORMAT_INVALID, &name));
        }
        if object.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
            return Err(malformed());
        }
    }
    Ok(object)
}

/// Reads the fields of an object, all problems at once.
pub(crate) fn parse<T: FromForm>(object: Map<String, Value>) -> Result<T, ApiError> {
    let mut form = Form::new(object);
    let value = T::from_form(&mut form);
    form.finish(value)
}

/// Reads the body as one JSON object; an empty body is an empty object.
pub(crate) async fn object(req: &HttpRequest, payload: Payload) -> Result<Map<String, Value>, ApiError> {
    let content_type = req.headers().get(CONTENT_TYPE);
    let is_json = content_type.is_some_and(|value| value.to_str().is_ok_and(is_json));
    if content_type.is_some() && !is_json || is_encoded(req) {
        return Err(unsupported());
    }
    let bytes = bytes(req, payload, BODY_MAX).await?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    if !is_json {
        return Err(unsupported());
    }
    strict_json::parse_object(&bytes, DEPTH_MAX).map_err(refused)
}

fn unsupported() -> ApiError {
    ApiError::refuse(Kind::UnsupportedType, code::CONTENT_TYPE_UNSUPPORTED)
}

fn malformed() -> ApiError {
    ApiError::refuse(Kind::Malformed, code::MALFORMED_JSON)
}

fn refused(error: StrictJsonError) -> ApiError {
    match error {
        StrictJsonError::NullCharacter(path) => ApiError::param(Kind::Invalid, code::PARAM_FORMAT_INVALID, &path),
        StrictJsonError::Syntax { .. } | StrictJsonError::TooDeep | StrictJsonError::DuplicateKey(_) => malformed(),
    }
}

/// Whether a content type is JSON in the one encoding JSON has (RFC 8259 section 8.1).
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

fn is_encoded(req: &HttpRequest) -> bool {
    req.headers().get(CONTENT_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Reads a body of at most `max` bytes, refused by its stated length before a byte of it is read.
pub async fn bytes(req: &HttpRequest, payload: Payload, max: usize) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::refuse(Kind::TooLarge, code::REQUEST_TOO_LARGE);
    let stated = req.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if stated.is_some_and(|length| length > max as u64) {
        return Err(too_large());
    }
    let gather = async {
        let mut payload = payload;
        let mut whole = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| malformed())?;
            if whole.len() + chunk.len() > max {
                return Err(too_large());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(BODY_TIMEOUT, gather).await.unwrap_or_else(|_| Err(malformed()))
}

#[cfg(test)]
mod tests;
