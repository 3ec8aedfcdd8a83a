//! What anybody may know of the environment's keys.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use engine::{Engine, Jwks, jwt_templates, signing};
use web::path::Named;
use web::{Anyone, ApiError, ApiErrors, Id, OrFault, ServiceConfig};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(get_jwks).service(get_jwt_template_jwks);
}

/// Publishes the keys that verify the environment's tokens (RFC 7517).
#[utoipa::path(responses((status = 200, body = api::Jwks), (status = 304, description = "The keys are those of the tag that was sent."), ApiErrors), security(()))]
#[get("/.well-known/jwks.json")]
async fn get_jwks(req: HttpRequest, caller: Anyone, engine: Data<Engine>) -> Result<HttpResponse, ApiError> {
    let tenant = signing::jwks(&engine, &caller.env).await.or_fault()?;
    Ok(served(&req, tenant.jwks(), "public, max-age=3600"))
}

/// Publishes the key that verifies the tokens of a template with a key of its own.
#[utoipa::path(responses((status = 200, body = api::Jwks), (status = 304, description = "The key is that of the tag that was sent."), ApiErrors), params(("name" = String, Path, pattern = "^[A-Za-z0-9_-]{1,64}$")), security(()))]
#[get("/.well-known/jwt-template-jwks/{name}.json")]
async fn get_jwt_template_jwks(
    req: HttpRequest,
    caller: Anyone,
    engine: Data<Engine>,
    Id(Named(name)): Id<Named>,
) -> Result<HttpResponse, ApiError> {
    // A key that is brought signs from the next mint on: nobody may hold the set before it for long.
    Ok(served(&req, &jwt_templates::jwks(&engine, &caller.env, &name).await?, "public, max-age=60"))
}

fn served(req: &HttpRequest, jwks: &Jwks, cache: &'static str) -> HttpResponse {
    let known = req.headers().get(IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let same = known
        .is_some_and(|tags| tags.split(',').any(|t| t.trim().trim_start_matches("W/") == jwks.etag || t.trim() == "*"));
    let mut answer = if same { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((ETAG, jwks.etag.clone())).insert_header((CACHE_CONTROL, cache));
    if same {
        return answer.finish();
    }
    answer.insert_header((CONTENT_TYPE, "application/json")).body(jwks.body.clone())
}
