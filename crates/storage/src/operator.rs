//! What operators read and change across tenants: projects, and the environments in them.

use crate::environments::{ProjectRow, Row};
use crate::paging::paged;
use crate::row::one_row;
use crate::schema::{api_keys, environments, hosts, projects};
use crate::{Conn, Result, Tx};
use anydb::{Any, Lock as _};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::environment::{Environment, Project};
use domain::page::{Page, PageRequest};
use domain::{EnvironmentId, ProjectId, Timestamp};

/// What a list of projects or of environments can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// When they were made.
    CreatedAt,
}

/// Finds a project.
pub async fn project(conn: &mut Conn, id: ProjectId) -> Result<Option<Project>> {
    let query = projects::table.find(id.to_string()).select(ProjectRow::as_select());
    query.first(conn).await.optional()?.map(Project::try_from).transpose()
}

/// Finds a project and holds its row until the transaction ends.
pub async fn lock_project(tx: &mut Tx<'_>, id: ProjectId) -> Result<Option<Project>> {
    let query = projects::table.find(id.to_string()).select(ProjectRow::as_select()).locked();
    query.get_result(&mut **tx).await.optional()?.map(Project::try_from).transpose()
}

/// How many projects there are.
pub async fn count_projects(conn: &mut Conn) -> Result<i64> {
    Ok(projects::table.select(count_star()).get_result(conn).await?)
}

/// One page of the projects, without its total.
pub async fn page_of_projects(conn: &mut Conn, request: &PageRequest<Key>) -> Result<Page<Project>> {
    let Key::CreatedAt = request.order.key;
    let query = paged(projects::table.into_boxed::<Any>(), request, projects::created_at, projects::id);
    let rows: Vec<ProjectRow> = query.select(ProjectRow::as_select()).load(conn).await?;
    let found: Vec<Project> = rows.into_iter().map(Project::try_from).collect::<Result<_>>()?;
    Ok(Page::cut(found, request.limit, 0, |project| (project.created_at.millis(), project.id.to_string())))
}

/// Writes a project that was locked.
pub async fn save_project(tx: &mut Tx<'_>, project: &Project) -> Result<()> {
    let hit = diesel::update(projects::table.find(project.id.to_string()))
        .set((projects::name.eq(&project.name), projects::updated_at.eq(project.updated_at.millis())))
        .execute(&mut **tx)
        .await?;
    one_row(hit, "projects")
}

/// Deletes a project that was locked and has no environment.
pub async fn delete_project(tx: &mut Tx<'_>, id: ProjectId) -> Result<()> {
    let hit = diesel::delete(projects::table.find(id.to_string())).execute(&mut **tx).await?;
    one_row(hit, "projects")
}

/// How many environments a project has.
pub async fn count_environments(conn: &mut Conn, project: ProjectId) -> Result<i64> {
    let all = environments::project_id.eq(project.to_string()).and(environments::deleted_at.is_null());
    Ok(environments::table.filter(all).select(count_star()).get_result(conn).await?)
}

/// One page of the environments of a project, without its total.
pub async fn page_of_environments(
    conn: &mut Conn,
    project: ProjectId,
    request: &PageRequest<Key>,
) -> Result<Page<Environment>> {
    let Key::CreatedAt = request.order.key;
    let all = environments::project_id.eq(project.to_string()).and(environments::deleted_at.is_null());
    let all = environments::table.filter(all).into_boxed::<Any>();
    let query = paged(all, request, environments::created_at, environments::id);
    let rows: Vec<Row> = query.select(Row::as_select()).load(conn).await?;
    let found: Vec<Environment> = rows.into_iter().map(Environment::try_from).collect::<Result<_>>()?;
    Ok(Page::cut(found, request.limit, 0, |env| (env.created_at.millis(), env.id.to_string())))
}

/// Makes an environment that was locked worth nothing: its addresses and keys go at once, its rows afterwards.
///
/// What is left of it stands in `place`, the project of the operators, under its id: its own project can be deleted, and
/// its slug is free again.
pub async fn delete_environment(tx: &mut Tx<'_>, env: &Environment, place: ProjectId, now: Timestamp) -> Result<()> {
    let id = env.id.to_string();
    diesel::delete(hosts::table.filter(hosts::environment_id.eq(&id))).execute(&mut **tx).await?;
    diesel::delete(api_keys::table.filter(api_keys::environment_id.eq(&id))).execute(&mut **tx).await?;
    let hit = diesel::update(environments::table.find(&id))
        .set((
            environments::project_id.eq(place.to_string()),
            environments::slug.eq(&id),
            environments::config_version.eq(environments::config_version + 1),
            environments::deleted_at.eq(now.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    one_row(hit, "environments")
}

/// The environments that were deleted before `before`, of which rows are left.
pub async fn deleted(conn: &mut Conn, before: Timestamp) -> Result<Vec<EnvironmentId>> {
    let ids: Vec<String> = environments::table
        .filter(environments::deleted_at.lt(before.millis()))
        .order(environments::id)
        .select(environments::id)
        .load(conn)
        .await?;
    ids.iter().map(|id| crate::row::read(id, "environments.id")).collect()
}
