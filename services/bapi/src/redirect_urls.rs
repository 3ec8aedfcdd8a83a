//! Where browsers and apps may be sent back to.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, post};
use api::Page;
use domain::RedirectUrlId;
use domain::redirect::REDIRECT_MAX;
use engine::{Engine, redirects};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{
    ApiError, ApiErrors, Form, FromForm, FromQuery, Id, NoContent, OrFault, PageParams, Paging, Params, Query,
    SecretKey, Write,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_redirect_urls).service(create_redirect_url).service(get_redirect_url).service(delete_redirect_url);
}

struct ListRedirectUrls(Paging<()>);

impl FromQuery for ListRedirectUrls {
    fn from_query(params: &mut Params) -> Option<Self> {
        params.paging("redirect_urls", &[("created_at", ()), ("updated_at", ())]).map(Self)
    }
}

/// Lists where browsers and apps may be sent back to.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::RedirectUrl>), ApiErrors))]
#[get("/v1/redirect-urls")]
async fn list_redirect_urls(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(ListRedirectUrls(paging)): Query<ListRedirectUrls>,
) -> Result<Json<Page<api::RedirectUrl>>, ApiError> {
    let request = paging.open(&engine, &caller.env).await?;
    let found = redirects::list(&engine, &caller.cx, request).await.or_fault()?;
    let bodies = found.map(|redirect| api::RedirectUrl::from(&redirect));
    Ok(Json(paging.answer(&engine, &caller.env, bodies).await?))
}

/// An address to allow.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedirectUrlCreateRequest {
    /// An https address: everything under it is allowed. Outside of production also http on `localhost`; an app's own
    /// scheme allows that one address.
    #[schema(format = "uri", max_length = 2048)]
    url: String,
}

impl FromForm for RedirectUrlCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let url = form.text("url", REDIRECT_MAX).required();
        Some(Self { url: url? })
    }
}

/// Allows browsers and apps to be sent back to an address; query, fragment and a `/` at the end are dropped.
#[utoipa::path(request_body = RedirectUrlCreateRequest, responses((status = 201, body = api::RedirectUrl), ApiErrors))]
#[post("/v1/redirect-urls")]
async fn create_redirect_url(
    Write { cx, body, .. }: Write<RedirectUrlCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<api::RedirectUrl>, StatusCode), ApiError> {
    let made = redirects::create(&engine, &cx, &body.url).await?;
    Ok((Json(api::RedirectUrl::from(&made)), StatusCode::CREATED))
}

/// Shows an address that is allowed.
#[utoipa::path(responses((status = 200, body = api::RedirectUrl), ApiErrors))]
#[get("/v1/redirect-urls/{redirect_url_id}")]
async fn get_redirect_url(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<RedirectUrlId>,
) -> Result<Json<api::RedirectUrl>, ApiError> {
    let found = redirects::find(&engine, &caller.cx, id).await?;
    Ok(Json(api::RedirectUrl::from(&found)))
}

/// Allows an address no more; links that are under way lead to our own pages instead.
#[utoipa::path(responses((status = 204), ApiErrors))]
#[delete("/v1/redirect-urls/{redirect_url_id}")]
async fn delete_redirect_url(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<RedirectUrlId>,
) -> Result<NoContent, ApiError> {
    redirects::delete(&engine, &caller.cx, id).await?;
    Ok(NoContent)
}
