//! What a front end must know before it shows anything.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::Json;
use actix_web::{Responder, get};
use web::ServiceConfig;
use web::{Anyone, ApiError, ApiErrors};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(get_environment);
}

/// Shows the environment's public settings.
#[utoipa::path(responses((status = 200, body = api::Environment), ApiErrors), security(()))]
#[get("/v1/environment")]
async fn get_environment(caller: Anyone) -> Result<impl Responder, ApiError> {
    let body = api::Environment::from(&*caller.env);
    Ok(Json(body).customize().insert_header((CACHE_CONTROL, HeaderValue::from_static("public, max-age=30"))))
}
