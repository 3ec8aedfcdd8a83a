//! The environment itself.

use actix_web::get;
use actix_web::web::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use web::{ApiError, ApiErrors, SecretKey};

pub(crate) fn routes(app: &mut ServiceConfig<'_>) {
    app.service(get_instance).service(ping);
}

/// Shows the environment's settings.
#[utoipa::path(responses((status = 200, body = api::InstanceSettings), ApiErrors))]
#[get("/v1/instance")]
async fn get_instance(caller: SecretKey) -> Result<Json<api::InstanceSettings>, ApiError> {
    Ok(Json(api::InstanceSettings::from(&*caller.env)))
}

/// The answer of a probe.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pong {
    /// The type tag.
    object: &'static str,
    /// Which environment the key opens.
    environment_id: domain::EnvironmentId,
}

/// Says that the key works, and which environment it opens.
#[utoipa::path(responses((status = 200, body = Pong), ApiErrors))]
#[get("/v1/_ping")]
async fn ping(caller: SecretKey) -> Result<Json<Pong>, ApiError> {
    Ok(Json(Pong { object: "pong", environment_id: caller.env.id }))
}
