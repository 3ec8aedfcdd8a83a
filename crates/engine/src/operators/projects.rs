//! Projects: applications, each with its environments.

use super::{OperatorError, Seen, looked, told};
use crate::{Engine, events, idempotency, tenancy};
use domain::environment::Project;
use domain::event::{Event, EventType};
use domain::page::{Page, PageRequest};
use domain::{Context, NewId, ProjectId};
use storage::operator::{self as rows, Key};

fn event(what: EventType, project: &Project) -> Event {
    Event::new(what, "project", project.id, events::body(&api::Project::from(project)))
}

/// One page of the projects, the operators' own among them.
pub async fn list_projects(
    engine: &Engine,
    cx: &Context,
    request: PageRequest<Key>,
) -> Result<Page<Project>, OperatorError> {
    looked(engine, cx, Seen::All("project", cx.env.to_string())).await?;
    let total = engine.scan(async move |conn| rows::count_projects(conn).await).await?;
    let mut page = rows::page_of_projects(&mut *engine.read().await?, &request).await?;
    page.total = total;
    Ok(page)
}

/// A project.
pub async fn project(engine: &Engine, cx: &Context, id: ProjectId) -> Result<Project, OperatorError> {
    looked(engine, cx, Seen::One("project", id.to_string())).await?;
    rows::project(&mut *engine.read().await?, id).await?.ok_or(OperatorError::NoProject)
}

/// Makes a project, in the workspace there is.
pub async fn create_project(engine: &Engine, cx: &Context, name: String) -> Result<Project, OperatorError> {
    let workspaces = storage::environments::workspaces(&mut *engine.read().await?).await?;
    let workspace = workspaces.first().ok_or_else(|| tenancy::fault("there is no workspace"))?;
    let project = Project {
        id: ProjectId::new(cx.now, crypto::random::bytes()),
        workspace_id: workspace.id,
        name,
        created_at: cx.now,
        updated_at: cx.now,
    };
    engine
        .write(cx, async move |tx, cx| {
            storage::environments::insert_project(tx, &project).await?;
            told(tx, cx, None, event(EventType::ProjectCreated, &project)).await?;
            idempotency::keep(tx, cx, 201, &api::Project::from(&project), Some(project.id.to_string())).await?;
            Ok(project.clone())
        })
        .await
}

/// Calls a project something else.
pub async fn rename_project(
    engine: &Engine,
    cx: &Context,
    id: ProjectId,
    name: String,
) -> Result<Project, OperatorError> {
    engine
        .write(cx, async move |tx, cx| {
            let mut project = rows::lock_project(tx, id).await?.ok_or(OperatorError::NoProject)?;
            let before = events::body(&api::Project::from(&project));
            project.name.clone_from(&name);
            project.updated_at = cx.now;
            rows::save_project(tx, &project).await?;
            told(tx, cx, None, event(EventType::ProjectUpdated, &project).changed_since(&before)).await?;
            idempotency::keep(tx, cx, 200, &api::Project::from(&project), None).await?;
            Ok(project)
        })
        .await
}

/// Deletes a project without environments.
pub async fn delete_project(engine: &Engine, cx: &Context, id: ProjectId) -> Result<(), OperatorError> {
    engine
        .write(cx, async move |tx, cx| {
            // Whoever makes an environment in it waits for this row.
            let project = rows::lock_project(tx, id).await?.ok_or(OperatorError::NoProject)?;
            if rows::count_environments(tx, id).await? > 0 {
                return Err(OperatorError::NotEmpty);
            }
            rows::delete_project(tx, id).await?;
            idempotency::forget(tx, cx, &id.to_string()).await?;
            Ok(told(tx, cx, None, event(EventType::ProjectDeleted, &project)).await?)
        })
        .await
}
