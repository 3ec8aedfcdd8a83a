pub mod fapi { pub fn routes(_: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {} pub fn openapi() -> utoipa::openapi::OpenApi { utoipa::openapi::OpenApi::default() } }
pub mod bapi { pub fn routes(_: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {} pub fn openapi() -> utoipa::openapi::OpenApi { utoipa::openapi::OpenApi::default() } }
