//! What a front end must know before it shows anything.

use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderValue};
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, Responder, get};
use api::LocalizationCatalog;
use domain::localization::Locale;
use engine::{Engine, configuration};
use web::ServiceConfig;
use web::{Anyone, ApiError, ApiErrors, Id, IfNoneMatch, OrFault};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(get_environment).service(get_localization_catalog);
}

/// Shows the environment's public settings.
#[utoipa::path(responses((status = 200, body = api::Environment), ApiErrors), security(()))]
#[get("/v1/environment")]
async fn get_environment(caller: Anyone, engine: Data<Engine>) -> Result<impl Responder, ApiError> {
    let body = configuration::environment(&engine, &caller.cx).await.or_fault()?;
    Ok(Json(body).customize().insert_header((CACHE_CONTROL, HeaderValue::from_static("public, max-age=30"))))
}

const CATALOG_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300, stale-while-revalidate=3600");

/// Shows every text of pages and components in a language that is offered.
#[utoipa::path(
    responses(
        ApiErrors,
        (status = 200, body = LocalizationCatalog, headers(("ETag" = String), ("Cache-Control" = String))),
        (status = 304, description = "The caller has it already."),
    ),
    security(())
)]
#[get("/v1/localization/{locale}")]
async fn get_localization_catalog(
    caller: Anyone,
    engine: Data<Engine>,
    Id(locale): Id<Locale>,
    IfNoneMatch(seen): IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let (catalog, tag) = configuration::catalog(&engine, &caller.cx, &locale).await?;
    let mut answer = if seen.has(&tag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((CACHE_CONTROL, CATALOG_CACHE)).insert_header((ETAG, tag.quoted()));
    Ok(match seen.has(&tag) {
        true => answer.finish(),
        false => answer.json(LocalizationCatalog { locale: locale.to_string(), catalog }),
    })
}
