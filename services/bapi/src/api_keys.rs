//! Secret keys, as backends make and change them.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{get, patch, post};
use api::{ApiKey, Page};
use domain::action::Actions;
use domain::text::label;
use domain::{ApiKeyId, EnvironmentId, Timestamp};
use engine::api_keys::{self, ACTIONS_MAX, Asker, NewKey, Shown};
use engine::{ApiKeyKey, Engine};
use std::time::Duration;
use utoipa::ToSchema;
use web::ServiceConfig;
use web::form::read;
use web::{
    ApiError, ApiErrors, Form, FromForm, FromQuery, Id, Operations, OrFault, PageParams, Paging, Params, Query,
    SecretKey, Write,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_api_keys)
        .service(create_api_key)
        .service(get_api_key)
        .service(update_api_key)
        .service(rotate_api_key)
        .service(revoke_api_key);
}

/// A page of keys.
pub(crate) struct ListApiKeys {
    pub(crate) paging: Paging<ApiKeyKey>,
}

impl FromQuery for ListApiKeys {
    fn from_query(params: &mut Params) -> Option<Self> {
        Some(Self { paging: params.paging("api_keys", &[("created_at", ApiKeyKey::CreatedAt)])? })
    }
}

/// A key to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyCreateRequest {
    /// What it is called.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do: operations by their id (`listUsers`), or groups of them by the first segment of their path
    /// (`users:read`, `users:write`); null is everything. Never more than the key that asks may do.
    #[schema(value_type = Option<Vec<String>>, max_items = 500)]
    restricted_to_actions: Option<Vec<String>>,
    /// From when on it is worth nothing: in the future, and not later than the key that asks.
    #[schema(value_type = Option<i64>)]
    expires_at: Option<Timestamp>,
}

impl FromForm for ApiKeyCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = form.parse("name", |text| label(text, 100)).required();
        let actions = form.list("restricted_to_actions", ACTIONS_MAX, read::text(128)).nullable();
        let expires_at = form.timestamp("expires_at").nullable();
        Some(Self { name: name?, restricted_to_actions: actions, expires_at })
    }
}

impl ApiKeyCreateRequest {
    pub(crate) fn key(self) -> NewKey {
        let actions = self.restricted_to_actions.map_or(Actions::ALL, Actions::only);
        NewKey { name: self.name, actions, expires_at: self.expires_at }
    }
}

/// A change of a key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyUpdateRequest {
    /// What it is called from now on.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

impl FromForm for ApiKeyUpdateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = form.parse("name", |text| label(text, 100)).required();
        Some(Self { name: name? })
    }
}

/// How a key gets another secret.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyRotateRequest {
    /// How long the old secret works beside the new one.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 86400, default = 0)]
    overlap_seconds: Duration,
}

impl FromForm for ApiKeyRotateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let overlap = form.integer("overlap_seconds", 0..=86_400).or(0);
        Some(Self { overlap_seconds: Duration::from_secs(overlap.unsigned_abs()) })
    }
}

/// The key that asks.
pub(crate) fn asker(shown: Shown, home: EnvironmentId, operations: &Operations) -> Asker {
    Asker { shown, home, catalogue: operations.catalogue() }
}

/// Lists the keys of the environment, revoked ones among them; never a secret.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<ApiKey>), ApiErrors))]
#[get("/v1/api-keys")]
async fn list_api_keys(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(asked): Query<ListApiKeys>,
) -> Result<Json<Page<ApiKey>>, ApiError> {
    let request = asked.paging.open(&engine, &caller.env).await?;
    let found = api_keys::page(&engine, &caller.cx, request).await.or_fault()?;
    let bodies = found.map(|key| ApiKey::from(&key));
    Ok(Json(asked.paging.answer(&engine, &caller.env, bodies).await?))
}

/// Makes a key; its secret is in this answer alone.
#[utoipa::path(request_body = ApiKeyCreateRequest, responses((status = 201, body = ApiKey), ApiErrors))]
#[post("/v1/api-keys")]
async fn create_api_key(
    Write { cx, env, key, body }: Write<ApiKeyCreateRequest>,
    engine: Data<Engine>,
    operations: Data<Operations>,
) -> Result<(Json<ApiKey>, StatusCode), ApiError> {
    let asker = asker(key, env.id, &operations);
    let made = api_keys::create(&engine, &cx, Some(asker), body.key()).await?;
    Ok((Json(made.body()), StatusCode::CREATED))
}

/// Shows a key, without its secret.
#[utoipa::path(responses((status = 200, body = ApiKey), ApiErrors))]
#[get("/v1/api-keys/{api_key_id}")]
async fn get_api_key(caller: SecretKey, engine: Data<Engine>, Id(id): Id<ApiKeyId>) -> Result<Json<ApiKey>, ApiError> {
    Ok(Json(ApiKey::from(&api_keys::find(&engine, &caller.cx, id).await?)))
}

/// Calls a key something else: one that may do no more than the key that asks.
#[utoipa::path(request_body = ApiKeyUpdateRequest, responses((status = 200, body = ApiKey), ApiErrors))]
#[patch("/v1/api-keys/{api_key_id}")]
async fn update_api_key(
    Write { cx, env, key, body }: Write<ApiKeyUpdateRequest>,
    engine: Data<Engine>,
    Id(id): Id<ApiKeyId>,
    operations: Data<Operations>,
) -> Result<Json<ApiKey>, ApiError> {
    let asker = asker(key, env.id, &operations);
    Ok(Json(ApiKey::from(&api_keys::rename(&engine, &cx, asker, id, body.name).await?)))
}

/// Gives a key another secret, shown in this answer alone; the old one works until the overlap ends, but makes, changes
/// and ends no keys.
#[utoipa::path(request_body = ApiKeyRotateRequest, responses((status = 200, body = ApiKey), ApiErrors))]
#[post("/v1/api-keys/{api_key_id}/rotate")]
async fn rotate_api_key(
    Write { cx, env, key, body }: Write<ApiKeyRotateRequest>,
    engine: Data<Engine>,
    Id(id): Id<ApiKeyId>,
    operations: Data<Operations>,
) -> Result<Json<ApiKey>, ApiError> {
    let asker = asker(key, env.id, &operations);
    Ok(Json(api_keys::rotate(&engine, &cx, asker, id, body.overlap_seconds).await?.body()))
}

/// Makes a key worthless, from the next request on: one that may do no more than the key that asks, and not that one
/// itself.
#[utoipa::path(responses((status = 200, body = ApiKey), ApiErrors))]
#[post("/v1/api-keys/{api_key_id}/revoke")]
async fn revoke_api_key(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<ApiKeyId>,
    operations: Data<Operations>,
) -> Result<Json<ApiKey>, ApiError> {
    let asker = asker(caller.key, caller.env.id, &operations);
    Ok(Json(ApiKey::from(&api_keys::revoke(&engine, &caller.cx, Some(asker), id).await?)))
}
