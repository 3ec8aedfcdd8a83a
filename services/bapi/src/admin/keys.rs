//! Keys of environments that are not the operator's own.

use crate::api_keys::{ApiKeyCreateRequest, ListApiKeys, asker};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{get, post};
use api::{ApiKey, Page, SigningKeyList};
use domain::{ApiKeyId, EnvironmentId};
use engine::signing::Rotation;
use engine::{Engine, operators};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, Form, FromForm, Id, Operations, Operator, PageParams, Query, Write};

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(list_environment_api_keys)
        .service(create_environment_api_key)
        .service(revoke_environment_api_key)
        .service(rotate_environment_signing_keys);
}

/// Which signing key is next, and how soon.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SigningKeyRotateRequest {
    /// `ES256` or `RS256`; that of the session tokens if left out.
    #[schema(value_type = Option<String>)]
    algorithm: Option<crypto::jws::Algorithm>,
    /// The key is known to strangers: it leaves the JWKS at once, and what it signed is worth nothing. Otherwise the next
    /// key is published now, and signs when whoever checks tokens has had the time to fetch it.
    #[schema(value_type = Option<bool>, default = false)]
    compromised: bool,
}

impl FromForm for SigningKeyRotateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let algorithm = form.choice("algorithm", |text| text.parse().ok()).nullable();
        let compromised = form.boolean("compromised").or(false);
        Some(Self { algorithm, compromised })
    }
}

/// Lists the keys of an environment, revoked ones among them; never a secret.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<ApiKey>), ApiErrors))]
#[get("/v1/admin/environments/{environment_id}/api-keys")]
async fn list_environment_api_keys(
    caller: Operator,
    engine: Data<Engine>,
    Id(id): Id<EnvironmentId>,
    Query(asked): Query<ListApiKeys>,
) -> Result<Json<Page<ApiKey>>, ApiError> {
    let request = asked.paging.open(&engine, &caller.env).await?;
    let found = operators::keys_of(&engine, &caller.cx, id, request).await?;
    let bodies = found.map(|key| ApiKey::from(&key));
    Ok(Json(asked.paging.answer(&engine, &caller.env, bodies).await?))
}

/// Makes a key of an environment; its secret is in this answer alone.
#[utoipa::path(request_body = ApiKeyCreateRequest, responses((status = 201, body = ApiKey), ApiErrors))]
#[post("/v1/admin/environments/{environment_id}/api-keys")]
async fn create_environment_api_key(
    Write { cx, env, key, body }: Write<ApiKeyCreateRequest>,
    engine: Data<Engine>,
    Id(id): Id<EnvironmentId>,
    operations: Data<Operations>,
) -> Result<(Json<ApiKey>, StatusCode), ApiError> {
    let asker = asker(key, env.id, &operations);
    let made = operators::create_key(&engine, &cx, asker, id, body.key()).await?;
    Ok((Json(made.body()), StatusCode::CREATED))
}

/// Makes a key of an environment worthless, from the next request on.
#[utoipa::path(responses((status = 200, body = ApiKey), ApiErrors))]
#[post("/v1/admin/environments/{environment_id}/api-keys/{api_key_id}/revoke")]
async fn revoke_environment_api_key(
    caller: Operator,
    engine: Data<Engine>,
    Id(env): Id<EnvironmentId>,
    Id(id): Id<ApiKeyId>,
    operations: Data<Operations>,
) -> Result<Json<ApiKey>, ApiError> {
    let asker = asker(caller.key, caller.env.id, &operations);
    Ok(Json(ApiKey::from(&operators::revoke_key(&engine, &caller.cx, asker, env, id).await?)))
}

/// Brings the next signing key of an environment, and shows which keys are published, without their private parts.
#[utoipa::path(request_body = SigningKeyRotateRequest, responses((status = 200, body = SigningKeyList), ApiErrors))]
#[post("/v1/admin/environments/{environment_id}/signing-keys/rotate")]
async fn rotate_environment_signing_keys(
    Write { cx, body, .. }: Write<SigningKeyRotateRequest>,
    engine: Data<Engine>,
    Id(id): Id<EnvironmentId>,
) -> Result<Json<SigningKeyList>, ApiError> {
    let how = if body.compromised { Rotation::Compromised } else { Rotation::Announced };
    Ok(Json(operators::rotate_signing_keys(&engine, &cx, id, body.algorithm, how).await?))
}
