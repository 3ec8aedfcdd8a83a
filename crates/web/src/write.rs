//! A write of a backend, in the order the contract gives: key, limit, body, idempotency, validation.

use crate::body::{self, FromForm};
use crate::callers::{secret_key, still_opens};
use crate::error::ApiError;
use crate::state::{Asked, caller};
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest};
use crypto::canonical_json::canonical;
use domain::environment::Environment;
use domain::{Context, Kind, code};
use engine::api_keys::Shown;
use engine::idempotency::{self, Claimed};
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};
use std::sync::Arc;

const HEADER: &str = "Idempotency-Key";

/// A backend's write: the caller and the body, with the claim on its idempotency key in the context.
pub struct Write<T> {
    /// What operations are told; carries the claim.
    pub cx: Context,
    /// The key's environment.
    pub env: Arc<Environment>,
    /// The key, as it was shown.
    pub key: Shown,
    /// The body.
    pub body: T,
}

impl<T: FromForm + 'static> FromRequest for Write<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = payload.take();
        caller(req, async move |asked| {
            let caller = secret_key(asked).await?;
            let object = body::object(&asked.req, payload).await?;
            still_opens(asked, caller.key).await?;
            let cx = claim(asked, caller.cx, caller.key, &object).await?;
            Ok(Self { cx, env: caller.env, key: caller.key, body: body::parse(object)? })
        })
    }
}

async fn claim(asked: &Asked, mut cx: Context, shown: Shown, object: &Map<String, Value>) -> Result<Context, ApiError> {
    let Some(key) = idempotency_key(asked)? else { return Ok(cx) };
    let route = format!("{} {}", asked.req.method(), asked.req.path());
    let manages_keys = asked.state.route.get().is_some_and(|route| route.operation.manages_keys());
    let shown = (shown, manages_keys);
    match idempotency::claim(&asked.engine, &cx, shown, route, key, fingerprint(&asked.req, object)).await? {
        Claimed::Replay(answer) => Err(ApiError::stored(answer)),
        Claimed::Fresh(claim) => {
            asked.state.claim.replace(Some((cx.clone(), claim.clone())));
            cx.idempotency = Some(claim);
            Ok(cx)
        }
    }
}

/// The caller's key; methods that are idempotent by themselves ignore it.
fn idempotency_key(asked: &Asked) -> Result<Option<String>, ApiError> {
    let ignored = !matches!(*asked.req.method(), Method::POST | Method::PUT | Method::PATCH);
    if ignored || !asked.req.headers().contains_key(HEADER) {
        return Ok(None);
    }
    let proper = |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    match asked.header(HEADER).filter(proper) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(ApiError::param(Kind::Invalid, code::PARAM_FORMAT_INVALID, HEADER)),
    }
}

/// What makes two requests the same: the body whatever its spelling, the query and the content type.
fn fingerprint(req: &HttpRequest, object: &Map<String, Value>) -> [u8; 32] {
    let content_type = req.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let body = canonical(&Value::Object(object.clone()));
    // JSON text, queries and content types hold no NUL: the parts cannot run into each other.
    crypto::digest::sha256(format!("{body}\0{}\0{essence}", req.query_string()).as_bytes())
}
