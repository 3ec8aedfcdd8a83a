//! What a person has elsewhere. There are no organizations in this release: the lists are empty, and say so of people
//! who exist.

use actix_web::get;
use actix_web::web::{Data, Json};
use api::Page;
use domain::{Kind, UserId, code, page};
use engine::{Engine, users};
use utoipa::IntoParams;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, FromQuery, Id, PageParams, Paging, Params, Query, SecretKey};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_user_organization_memberships)
        .service(list_user_organization_invitations)
        .service(list_user_oauth_access_tokens);
}

/// How such a list is paged.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListOfUser {
    #[param(ignore)]
    paging: Paging<()>,
}

impl FromQuery for ListOfUser {
    fn from_query(params: &mut Params) -> Option<Self> {
        let paging = params.paging("user_organizations", &[("created_at", ()), ("updated_at", ())]);
        Some(Self { paging: paging? })
    }
}

async fn nothing(
    caller: &SecretKey,
    engine: &Engine,
    user: UserId,
    asked: &ListOfUser,
) -> Result<Json<Page<api::OpenObject>>, ApiError> {
    users::find(engine, &caller.cx, user).await?;
    asked.paging.open(engine, &caller.env).await?;
    let none = page::Page { rows: Vec::new(), total: 0, next: None };
    Ok(Json(asked.paging.answer(engine, &caller.env, none).await?))
}

/// Lists the organizations that a person is a member of.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::OpenObject>), ApiErrors))]
#[get("/v1/users/{user_id}/organization-memberships")]
async fn list_user_organization_memberships(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(user): Id<UserId>,
    Query(asked): Query<ListOfUser>,
) -> Result<Json<Page<api::OpenObject>>, ApiError> {
    nothing(&caller, &engine, user, &asked).await
}

/// Lists the invitations of a person to organizations.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::OpenObject>), ApiErrors))]
#[get("/v1/users/{user_id}/organization-invitations")]
async fn list_user_organization_invitations(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(user): Id<UserId>,
    Query(asked): Query<ListOfUser>,
) -> Result<Json<Page<api::OpenObject>>, ApiError> {
    nothing(&caller, &engine, user, &asked).await
}

/// Tokens of other providers never leave: nothing is here, for anybody.
#[utoipa::path(responses((status = 200, body = Vec<api::OpenObject>), ApiErrors), params(("provider" = String, Path, pattern = "^[a-z][a-z0-9_]{0,63}$")))]
#[get("/v1/users/{user_id}/oauth-access-tokens/{provider}")]
async fn list_user_oauth_access_tokens(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(user): Id<UserId>,
) -> Result<Json<Vec<api::OpenObject>>, ApiError> {
    users::find(&engine, &caller.cx, user).await?;
    Err(ApiError::refuse(Kind::NotFound, code::RESOURCE_NOT_FOUND))
}
