//! How the application's pages look and what they say.

use actix_web::http::header::{ETAG, HeaderValue, WARNING};
use actix_web::web::Data;
use actix_web::{HttpResponse, get, patch, put};
use domain::appearance::{Appearance, Layout, Variables};
use domain::etag::{ETag, Named};
use domain::localization::Localization;
use engine::Engine;
use engine::configuration::{self, Change, Localized};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use web::ServiceConfig;
use web::body::Document;
use web::{ApiError, ApiErrors, IfMatch, OrFault, SecretKey, Write};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(get_instance_appearance)
        .service(replace_instance_appearance)
        .service(update_instance_appearance)
        .service(get_instance_localization)
        .service(replace_instance_localization)
        .service(update_instance_localization);
}

/// A document with its tag.
fn tagged(document: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, ETag::of(document).quoted())).json(document)
}

fn part(sent: Map<String, Value>, seen: Named) -> Change {
    Change { sent, is_whole: false, seen }
}

fn whole(sent: Map<String, Value>, seen: Named) -> Change {
    Change { sent, is_whole: true, seen }
}

/// How pages look; what is not said is the default, in a change what it was. Null takes a key away.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body; the domain merges it")]
pub(crate) struct AppearanceRequest {
    /// Tokens of the style sheet, of at most 512 characters each.
    variables: Option<Variables>,
    /// Class names by element, of at most 512 characters each.
    elements: Option<BTreeMap<String, Option<String>>>,
    /// How things are put together.
    layout: Option<Layout>,
}

/// Shows how pages look.
#[utoipa::path(responses((status = 200, body = Appearance, headers(("ETag" = String))), ApiErrors))]
#[get("/v1/instance/appearance")]
async fn get_instance_appearance(caller: SecretKey, engine: Data<Engine>) -> Result<HttpResponse, ApiError> {
    Ok(tagged(&configuration::appearance(&engine, &caller.cx).await.or_fault()?))
}

/// Says anew how pages look.
#[utoipa::path(request_body = AppearanceRequest, responses((status = 200, body = Appearance, headers(("ETag" = String))), ApiErrors))]
#[put("/v1/instance/appearance")]
async fn replace_instance_appearance(
    Write { cx, body: Document(sent), .. }: Write<Document>,
    engine: Data<Engine>,
    IfMatch(seen): IfMatch,
) -> Result<HttpResponse, ApiError> {
    Ok(tagged(&configuration::change_appearance(&engine, &cx, whole(sent, seen)).await?))
}

/// Changes how pages look, key by key.
#[utoipa::path(request_body = AppearanceRequest, responses((status = 200, body = Appearance, headers(("ETag" = String))), ApiErrors))]
#[patch("/v1/instance/appearance")]
async fn update_instance_appearance(
    Write { cx, body: Document(sent), .. }: Write<Document>,
    engine: Data<Engine>,
    IfMatch(seen): IfMatch,
) -> Result<HttpResponse, ApiError> {
    Ok(tagged(&configuration::change_appearance(&engine, &cx, part(sent, seen)).await?))
}

/// What pages say, whole.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body; the domain reads it")]
pub(crate) struct LocalizationRequest {
    /// The language of somebody with no wish; it has to be offered.
    default_locale: String,
    /// The language of texts that another lacks; it has to be offered.
    fallback_locale: String,
    /// The languages on offer: each comes with the product, or has texts below.
    supported_locales: Vec<String>,
    /// Texts of your own, by language and key.
    overrides: BTreeMap<String, BTreeMap<String, String>>,
}

/// A change of what pages say; null takes a text away.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body; the domain merges it")]
pub(crate) struct LocalizationUpdateRequest {
    /// The language of somebody with no wish; it has to be offered.
    default_locale: Option<String>,
    /// The language of texts that another lacks; it has to be offered.
    fallback_locale: Option<String>,
    /// The languages on offer: each comes with the product, or has texts below.
    supported_locales: Option<Vec<String>>,
    /// Texts of your own, by language and key.
    overrides: Option<BTreeMap<String, BTreeMap<String, Option<String>>>>,
}

/// So many warnings are given.
const WARNINGS_MAX: usize = 10;

/// The outcome with its tag, and a warning (RFC 7234 section 5.5) for each value that new texts no longer show.
fn localized(outcome: &Localized) -> HttpResponse {
    let mut answer = tagged(&outcome.localization);
    for dropped in outcome.dropped.iter().take(WARNINGS_MAX) {
        if let Ok(warning) = HeaderValue::try_from(format!("299 - \"missing-placeholder {dropped}\"")) {
            answer.headers_mut().append(WARNING, warning);
        }
    }
    answer
}

/// Shows what pages say: the languages, and the texts of your own.
#[utoipa::path(responses((status = 200, body = Localization, headers(("ETag" = String))), ApiErrors))]
#[get("/v1/instance/localization")]
async fn get_instance_localization(caller: SecretKey, engine: Data<Engine>) -> Result<HttpResponse, ApiError> {
    Ok(tagged(&configuration::localization(&engine, &caller.cx).await.or_fault()?))
}

/// Says anew what pages say.
#[utoipa::path(request_body = LocalizationRequest, responses((status = 200, body = Localization, headers(("ETag" = String), ("Warning" = String))), ApiErrors))]
#[put("/v1/instance/localization")]
async fn replace_instance_localization(
    Write { cx, body: Document(sent), .. }: Write<Document>,
    engine: Data<Engine>,
    IfMatch(seen): IfMatch,
) -> Result<HttpResponse, ApiError> {
    Ok(localized(&configuration::change_localization(&engine, &cx, whole(sent, seen)).await?))
}

/// Changes what pages say: texts are merged key by key, everything else is replaced.
#[utoipa::path(request_body = LocalizationUpdateRequest, responses((status = 200, body = Localization, headers(("ETag" = String), ("Warning" = String))), ApiErrors))]
#[patch("/v1/instance/localization")]
async fn update_instance_localization(
    Write { cx, body: Document(sent), .. }: Write<Document>,
    engine: Data<Engine>,
    IfMatch(seen): IfMatch,
) -> Result<HttpResponse, ApiError> {
    Ok(localized(&configuration::change_localization(&engine, &cx, part(sent, seen)).await?))
}
