//! What anybody may know of the environment's keys.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use engine::{Engine, signing};
use web::ServiceConfig;
use web::{Anyone, ApiError, ApiErrors, OrFault};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(get_jwks);
}

/// Publishes the keys that verify the environment's tokens (RFC 7517).
#[utoipa::path(responses((status = 200, body = api::Jwks), (status = 304, description = "The keys are those of the tag that was sent."), ApiErrors), security(()))]
#[get("/.well-known/jwks.json")]
async fn get_jwks(req: HttpRequest, caller: Anyone, engine: Data<Engine>) -> Result<HttpResponse, ApiError> {
    let tenant = signing::jwks(&engine, &caller.env).await.or_fault()?;
    let jwks = tenant.jwks();
    let known = req.headers().get(IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let same = known
        .is_some_and(|tags| tags.split(',').any(|t| t.trim().trim_start_matches("W/") == jwks.etag || t.trim() == "*"));
    let mut answer = if same { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((ETAG, jwks.etag.clone())).insert_header((CACHE_CONTROL, "public, max-age=3600"));
    if same {
        return Ok(answer.finish());
    }
    Ok(answer.insert_header((CONTENT_TYPE, "application/json")).body(jwks.body.clone()))
}
