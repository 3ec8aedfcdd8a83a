//! Environments of projects.

use crate::api_keys::asker;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use api::{EnvironmentRow, Page};
use domain::environment::EnvironmentKind;
use domain::origin::OriginPattern;
use domain::text::label;
use domain::{EnvironmentId, Kind, ProjectId, code};
use engine::operators::{self, EnvironmentChange, NewEnvironment};
use engine::{Engine, OperatorKey};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::form::read;
use web::{
    ApiError, ApiErrors, Form, FromForm, FromQuery, Id, NoContent, Operations, Operator, PageParams, Paging, Params,
    Query, Write,
};

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(list_project_environments)
        .service(create_project_environment)
        .service(get_environment)
        .service(update_environment)
        .service(delete_environment);
}

/// The most origins of an environment.
const ORIGINS_MAX: usize = 100;

/// A page of environments.
struct ListEnvironments {
    paging: Paging<OperatorKey>,
}

impl FromQuery for ListEnvironments {
    fn from_query(params: &mut Params) -> Option<Self> {
        Some(Self { paging: params.paging("environments", &[("created_at", OperatorKey::CreatedAt)])? })
    }
}

fn origin(text: &str) -> Result<String, ()> {
    OriginPattern::parse(text).map(|_| text.to_owned()).map_err(drop)
}

/// An environment to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvironmentCreateRequest {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it is for: `development`, `staging` or `production`; it stays so.
    #[schema(value_type = String)]
    kind: EnvironmentKind,
    /// What commands call it; made from the name if left out.
    #[schema(min_length = 1, max_length = 100)]
    slug: Option<String>,
    /// Origins that may call with cookies.
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    allowed_origins: Vec<String>,
}

impl FromForm for EnvironmentCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = form.parse("name", |text| label(text, 100)).required();
        let kind = form.choice("kind", EnvironmentKind::parse).required();
        let slug = form.parse("slug", |text| label(text, 100)).nullable();
        let allowed_origins = form.list("allowed_origins", ORIGINS_MAX, read::parsed(origin)).or(Vec::new());
        Some(Self { name: name?, kind: kind?, slug, allowed_origins })
    }
}

/// A change of an environment.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvironmentUpdateRequest {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// What commands call it.
    #[schema(min_length = 1, max_length = 100)]
    slug: Option<String>,
    /// Origins that may call with cookies.
    #[schema(max_items = 100)]
    allowed_origins: Option<Vec<String>>,
}

impl FromForm for EnvironmentUpdateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = form.parse("name", |text| label(text, 100)).optional();
        let slug = form.parse("slug", |text| label(text, 100)).optional();
        let allowed_origins = form.list("allowed_origins", ORIGINS_MAX, read::parsed(origin)).optional();
        Some(Self { name, slug, allowed_origins })
    }
}

/// The word that it is meant.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvironmentDeleteRequest {
    /// The id of the environment once more.
    confirmation: String,
}

impl FromForm for EnvironmentDeleteRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let confirmation = form.text("confirmation", 64).required();
        Some(Self { confirmation: confirmation? })
    }
}

/// Lists the environments of a project.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<EnvironmentRow>), ApiErrors))]
#[get("/v1/admin/projects/{project_id}/environments")]
async fn list_project_environments(
    caller: Operator,
    engine: Data<Engine>,
    Id(project): Id<ProjectId>,
    Query(asked): Query<ListEnvironments>,
) -> Result<Json<Page<EnvironmentRow>>, ApiError> {
    let request = asked.paging.open(&engine, &caller.env).await?;
    let found = operators::list(&engine, &caller.cx, project, request).await?;
    Ok(Json(asked.paging.answer(&engine, &caller.env, found).await?))
}

/// Makes an environment of a project; its first secret key is in this answer alone.
#[utoipa::path(request_body = EnvironmentCreateRequest, responses((status = 201, body = EnvironmentRow), ApiErrors))]
#[post("/v1/admin/projects/{project_id}/environments")]
async fn create_project_environment(
    Write { cx, env, key, body }: Write<EnvironmentCreateRequest>,
    engine: Data<Engine>,
    Id(project): Id<ProjectId>,
    operations: Data<Operations>,
) -> Result<(Json<EnvironmentRow>, StatusCode), ApiError> {
    let EnvironmentCreateRequest { name, kind, slug, allowed_origins } = body;
    let wanted = NewEnvironment { name, kind, slug, allowed_origins };
    let asker = asker(key, env.id, &operations);
    let made = operators::create(&engine, &cx, asker, project, wanted).await?;
    Ok((Json(made), StatusCode::CREATED))
}

/// Shows an environment.
#[utoipa::path(responses((status = 200, body = EnvironmentRow), ApiErrors))]
#[get("/v1/admin/environments/{environment_id}")]
async fn get_environment(
    caller: Operator,
    engine: Data<Engine>,
    Id(id): Id<EnvironmentId>,
) -> Result<Json<EnvironmentRow>, ApiError> {
    Ok(Json(operators::find(&engine, &caller.cx, id).await?))
}

/// Changes an environment.
#[utoipa::path(request_body = EnvironmentUpdateRequest, responses((status = 200, body = EnvironmentRow), ApiErrors))]
#[patch("/v1/admin/environments/{environment_id}")]
async fn update_environment(
    Write { cx, body, .. }: Write<EnvironmentUpdateRequest>,
    engine: Data<Engine>,
    Id(id): Id<EnvironmentId>,
) -> Result<Json<EnvironmentRow>, ApiError> {
    let EnvironmentUpdateRequest { name, slug, allowed_origins } = body;
    let change = EnvironmentChange { name, slug, allowed_origins };
    Ok(Json(operators::update(&engine, &cx, id, change).await?))
}

/// Deletes an environment and everything in it. Its keys and addresses are worth nothing from now on.
#[utoipa::path(request_body = EnvironmentDeleteRequest, responses((status = 204), ApiErrors))]
#[delete("/v1/admin/environments/{environment_id}")]
async fn delete_environment(
    Write { cx, body, .. }: Write<EnvironmentDeleteRequest>,
    engine: Data<Engine>,
    Id(id): Id<EnvironmentId>,
) -> Result<NoContent, ApiError> {
    if body.confirmation != id.to_string() {
        return Err(ApiError::param(Kind::Invalid, code::PARAM_VALUE_INVALID, "confirmation"));
    }
    operators::delete(&engine, &cx, id).await?;
    Ok(NoContent)
}
