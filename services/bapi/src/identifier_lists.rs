//! The allow list and the block list.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, post};
use api::Page;
use domain::listed::Pattern;
use domain::{AllowlistIdentifierId, BlocklistIdentifierId};
use engine::{Engine, identifier_lists, restrictions};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{
    ApiError, ApiErrors, Form, FromForm, FromQuery, Id, NoContent, OrFault, PageParams, Paging, Params, Query,
    SecretKey, Write,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_allowlist_identifiers)
        .service(create_allowlist_identifier)
        .service(delete_allowlist_identifier)
        .service(list_blocklist_identifiers)
        .service(create_blocklist_identifier)
        .service(delete_blocklist_identifier);
}

struct ListAllowed(Paging<()>);

impl FromQuery for ListAllowed {
    fn from_query(params: &mut Params) -> Option<Self> {
        params.paging("allowlist_identifiers", &[("created_at", ()), ("updated_at", ())]).map(Self)
    }
}

struct ListBlocked(Paging<()>);

impl FromQuery for ListBlocked {
    fn from_query(params: &mut Params) -> Option<Self> {
        params.paging("blocklist_identifiers", &[("created_at", ()), ("updated_at", ())]).map(Self)
    }
}

/// Lists who may sign up where sign-up is restricted.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::AllowlistIdentifier>), ApiErrors))]
#[get("/v1/allowlist-identifiers")]
async fn list_allowlist_identifiers(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(ListAllowed(paging)): Query<ListAllowed>,
) -> Result<Json<Page<api::AllowlistIdentifier>>, ApiError> {
    let request = paging.open(&engine, &caller.env).await?;
    let found = identifier_lists::allowed(&engine, &caller.cx, request).await.or_fault()?;
    let bodies = found.map(|listed| api::AllowlistIdentifier::from(&listed));
    Ok(Json(paging.answer(&engine, &caller.env, bodies).await?))
}

/// An identifier for the allow list.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllowlistIdentifierCreateRequest {
    /// An address, a number with its country code, `*@example.com`, or `*@*.example.com` for every domain under it.
    #[schema(value_type = String, max_length = 320)]
    identifier: Pattern,
    /// Writes to the address, if it is a single one.
    #[schema(value_type = Option<bool>, default = false)]
    notify: bool,
}

impl FromForm for AllowlistIdentifierCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let identifier = form.parse("identifier", restrictions::read).required();
        let notify = form.boolean("notify").or(false);
        Some(Self { identifier: identifier?, notify })
    }
}

/// Puts an identifier on the allow list; it counts while sign-up is restricted.
#[utoipa::path(request_body = AllowlistIdentifierCreateRequest, responses((status = 201, body = api::AllowlistIdentifier), ApiErrors))]
#[post("/v1/allowlist-identifiers")]
async fn create_allowlist_identifier(
    Write { cx, body, .. }: Write<AllowlistIdentifierCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<api::AllowlistIdentifier>, StatusCode), ApiError> {
    let listed = identifier_lists::allow(&engine, &cx, body.identifier, body.notify).await?;
    Ok((Json(api::AllowlistIdentifier::from(&listed)), StatusCode::CREATED))
}

/// Takes an identifier off the allow list; who signed up with it stays.
#[utoipa::path(responses((status = 204), ApiErrors))]
#[delete("/v1/allowlist-identifiers/{identifier_id}")]
async fn delete_allowlist_identifier(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<AllowlistIdentifierId>,
) -> Result<NoContent, ApiError> {
    identifier_lists::disallow(&engine, &caller.cx, id).await?;
    Ok(NoContent)
}

/// Lists who may never sign up.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::BlocklistIdentifier>), ApiErrors))]
#[get("/v1/blocklist-identifiers")]
async fn list_blocklist_identifiers(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(ListBlocked(paging)): Query<ListBlocked>,
) -> Result<Json<Page<api::BlocklistIdentifier>>, ApiError> {
    let request = paging.open(&engine, &caller.env).await?;
    let found = identifier_lists::blocked(&engine, &caller.cx, request).await.or_fault()?;
    let bodies = found.map(|listed| api::BlocklistIdentifier::from(&listed));
    Ok(Json(paging.answer(&engine, &caller.env, bodies).await?))
}

/// An identifier for the block list.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlocklistIdentifierCreateRequest {
    /// An address, a number with its country code, `*@example.com`, or `*@*.example.com` for every domain under it.
    #[schema(value_type = String, max_length = 320)]
    identifier: Pattern,
}

impl FromForm for BlocklistIdentifierCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let identifier = form.parse("identifier", restrictions::read).required();
        Some(Self { identifier: identifier? })
    }
}

/// Puts an identifier on the block list; it wins over every other rule, whoever invited.
#[utoipa::path(request_body = BlocklistIdentifierCreateRequest, responses((status = 201, body = api::BlocklistIdentifier), ApiErrors))]
#[post("/v1/blocklist-identifiers")]
async fn create_blocklist_identifier(
    Write { cx, body, .. }: Write<BlocklistIdentifierCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<api::BlocklistIdentifier>, StatusCode), ApiError> {
    let listed = identifier_lists::block(&engine, &cx, body.identifier).await?;
    Ok((Json(api::BlocklistIdentifier::from(&listed)), StatusCode::CREATED))
}

/// Takes an identifier off the block list.
#[utoipa::path(responses((status = 204), ApiErrors))]
#[delete("/v1/blocklist-identifiers/{identifier_id}")]
async fn delete_blocklist_identifier(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<BlocklistIdentifierId>,
) -> Result<NoContent, ApiError> {
    identifier_lists::unblock(&engine, &caller.cx, id).await?;
    Ok(NoContent)
}
