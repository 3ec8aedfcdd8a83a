//! Projects.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use api::{Page, Project};
use domain::ProjectId;
use domain::text::label;
use engine::{Engine, OperatorKey, operators};
use utoipa::ToSchema;
use web::ServiceConfig;
use web::{
    ApiError, ApiErrors, Form, FromForm, FromQuery, Id, NoContent, Operator, PageParams, Paging, Params, Query, Write,
};

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(list_projects)
        .service(create_project)
        .service(get_project)
        .service(update_project)
        .service(delete_project);
}

/// A page of projects.
struct ListProjects {
    paging: Paging<OperatorKey>,
}

impl FromQuery for ListProjects {
    fn from_query(params: &mut Params) -> Option<Self> {
        Some(Self { paging: params.paging("projects", &[("created_at", OperatorKey::CreatedAt)])? })
    }
}

/// A project to make, or what one is called from now on.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectRequest {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

impl FromForm for ProjectRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = form.parse("name", |text| label(text, 100)).required();
        Some(Self { name: name? })
    }
}

/// Lists the projects, the operators' own among them.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<Project>), ApiErrors))]
#[get("/v1/admin/projects")]
async fn list_projects(
    caller: Operator,
    engine: Data<Engine>,
    Query(asked): Query<ListProjects>,
) -> Result<Json<Page<Project>>, ApiError> {
    let request = asked.paging.open(&engine, &caller.env).await?;
    let found = operators::list_projects(&engine, &caller.cx, request).await?;
    let bodies = found.map(|project| Project::from(&project));
    Ok(Json(asked.paging.answer(&engine, &caller.env, bodies).await?))
}

/// Makes a project.
#[utoipa::path(request_body = ProjectRequest, responses((status = 201, body = Project), ApiErrors))]
#[post("/v1/admin/projects")]
async fn create_project(
    Write { cx, body, .. }: Write<ProjectRequest>,
    engine: Data<Engine>,
) -> Result<(Json<Project>, StatusCode), ApiError> {
    let made = operators::create_project(&engine, &cx, body.name).await?;
    Ok((Json(Project::from(&made)), StatusCode::CREATED))
}

/// Shows a project.
#[utoipa::path(responses((status = 200, body = Project), ApiErrors))]
#[get("/v1/admin/projects/{project_id}")]
async fn get_project(caller: Operator, engine: Data<Engine>, Id(id): Id<ProjectId>) -> Result<Json<Project>, ApiError> {
    Ok(Json(Project::from(&operators::project(&engine, &caller.cx, id).await?)))
}

/// Calls a project something else.
#[utoipa::path(request_body = ProjectRequest, responses((status = 200, body = Project), ApiErrors))]
#[patch("/v1/admin/projects/{project_id}")]
async fn update_project(
    Write { cx, body, .. }: Write<ProjectRequest>,
    engine: Data<Engine>,
    Id(id): Id<ProjectId>,
) -> Result<Json<Project>, ApiError> {
    Ok(Json(Project::from(&operators::rename_project(&engine, &cx, id, body.name).await?)))
}

/// Deletes a project without environments.
#[utoipa::path(responses((status = 204), ApiErrors))]
#[delete("/v1/admin/projects/{project_id}")]
async fn delete_project(caller: Operator, engine: Data<Engine>, Id(id): Id<ProjectId>) -> Result<NoContent, ApiError> {
    operators::delete_project(&engine, &caller.cx, id).await?;
    Ok(NoContent)
}
