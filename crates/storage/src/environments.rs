//! Workspaces, projects, environments, and the look-up from an address to an environment.
//!
//! Nothing here belongs to one tenant: these are the operator's reads and writes.

use crate::row::{at, at_or_never, corrupt, one_row, read};
use crate::schema::{data_keys, environments, hosts, projects, workspaces};
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::environment::{Environment, EnvironmentKind, Project, Workspace};
use domain::settings::Settings;
use domain::{EnvironmentId, ProjectId, Timestamp};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = environments, check_for_backend(Any), treat_none_as_default_value = false)]
pub(crate) struct Row {
    id: String,
    project_id: String,
    name: String,
    slug: String,
    kind: String,
    routing_label: String,
    issuer: String,
    settings: Doc<Settings>,
    config_version: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Environment {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "environments.id")?,
            project_id: read(&row.project_id, "environments.project_id")?,
            name: row.name,
            slug: row.slug,
            kind: EnvironmentKind::parse(&row.kind).ok_or_else(|| corrupt("environments.kind"))?,
            routing_label: row.routing_label,
            settings: Settings { issuer: row.issuer.clone(), ..row.settings.0 },
            issuer: row.issuer,
            config_version: row.config_version,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

impl From<&Environment> for Row {
    fn from(env: &Environment) -> Self {
        Self {
            id: env.id.to_string(),
            project_id: env.project_id.to_string(),
            name: env.name.clone(),
            slug: env.slug.clone(),
            kind: env.kind.as_str().to_owned(),
            routing_label: env.routing_label.clone(),
            issuer: env.issuer.clone(),
            settings: Doc(env.settings.clone()),
            config_version: env.config_version,
            created_at: env.created_at.millis(),
            updated_at: env.updated_at.millis(),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = projects, check_for_backend(Any))]
pub(crate) struct ProjectRow {
    id: String,
    workspace_id: String,
    name: String,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<ProjectRow> for Project {
    type Error = crate::Error;
    fn try_from(row: ProjectRow) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "projects.id")?,
            workspace_id: read(&row.workspace_id, "projects.workspace_id")?,
            name: row.name,
            created_at: at(row.created_at),
            updated_at: at_or_never(row.updated_at).unwrap_or_else(|| at(row.created_at)),
        })
    }
}

/// Finds an environment.
pub async fn find(conn: &mut Conn, id: EnvironmentId) -> Result<Option<Environment>> {
    let row: Option<Row> = environments::table
        .find(id.to_string())
        .filter(environments::deleted_at.is_null())
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Environment::try_from).transpose()
}

/// Finds an environment and holds its row until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, id: EnvironmentId) -> Result<Option<Environment>> {
    let row: Option<Row> = environments::table
        .find(id.to_string())
        .filter(environments::deleted_at.is_null())
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(Environment::try_from).transpose()
}

/// All environments, oldest first.
pub async fn list(conn: &mut Conn) -> Result<Vec<Environment>> {
    let rows: Vec<Row> = environments::table
        .filter(environments::deleted_at.is_null())
        .select(Row::as_select())
        .order((environments::created_at.asc(), environments::id.asc()))
        .load(conn)
        .await?;
    rows.into_iter().map(Environment::try_from).collect()
}

/// The versions of what processes cache, by environment.
pub async fn versions(conn: &mut Conn) -> Result<Vec<(EnvironmentId, i64)>> {
    let rows: Vec<(String, i64)> = environments::table
        .filter(environments::deleted_at.is_null())
        .select((environments::id, environments::config_version))
        .load(conn)
        .await?;
    rows.into_iter().map(|(id, version)| Ok((read(&id, "environments.id")?, version))).collect()
}

/// Adds an environment.
pub async fn insert(tx: &mut Tx<'_>, env: &Environment) -> Result<()> {
    diesel::insert_into(environments::table).values(Row::from(env)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes an environment that was locked, and tells every process that caches it.
pub async fn save(tx: &mut Tx<'_>, env: &Environment) -> Result<()> {
    let mut row = Row::from(env);
    row.config_version += 1;
    let hit = diesel::update(environments::table.find(env.id.to_string())).set(row).execute(&mut **tx).await?;
    one_row(hit, "environments")
}

/// Tells every process to drop what it caches of the environment.
pub async fn bump(tx: &mut Tx<'_>, id: EnvironmentId) -> Result<()> {
    let hit = diesel::update(environments::table.find(id.to_string()))
        .set(environments::config_version.eq(environments::config_version + 1))
        .execute(&mut **tx)
        .await?;
    one_row(hit, "environments")
}

/// Every address that leads to an environment: host, first path segment, environment.
pub async fn hosts(conn: &mut Conn) -> Result<Vec<(String, String, EnvironmentId)>> {
    let rows: Vec<(String, String, String)> =
        hosts::table.select((hosts::host, hosts::segment, hosts::environment_id)).load(conn).await?;
    rows.into_iter().map(|(host, segment, id)| Ok((host, segment, read(&id, "hosts.environment_id")?))).collect()
}

/// The environment behind one address.
pub async fn by_host(conn: &mut Conn, host: &str, segment: &str) -> Result<Option<EnvironmentId>> {
    let id: Option<String> =
        hosts::table.find((host, segment)).select(hosts::environment_id).first(conn).await.optional()?;
    id.map(|id| read(&id, "hosts.environment_id")).transpose()
}

/// Makes an address lead to an environment.
pub async fn insert_host(tx: &mut Tx<'_>, host: &str, segment: &str, id: EnvironmentId) -> Result<()> {
    diesel::insert_into(hosts::table)
        .values((hosts::host.eq(host), hosts::segment.eq(segment), hosts::environment_id.eq(id.to_string())))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The wrapped data keys of an environment, newest first.
pub async fn wrapped_data_keys(conn: &mut Conn, env: EnvironmentId) -> Result<Vec<(String, String)>> {
    Ok(data_keys::table
        .filter(data_keys::environment_id.eq(env.to_string()))
        .order((data_keys::created_at.desc(), data_keys::id.desc()))
        .select((data_keys::id, data_keys::wrapped))
        .load(conn)
        .await?)
}

/// Adds a wrapped data key.
pub async fn insert_data_key(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    id: &str,
    wrapped: &str,
    now: Timestamp,
) -> Result<()> {
    diesel::insert_into(data_keys::table)
        .values((
            data_keys::environment_id.eq(env.to_string()),
            data_keys::id.eq(id),
            data_keys::wrapped.eq(wrapped),
            data_keys::created_at.eq(now.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The projects, oldest first.
pub async fn projects(conn: &mut Conn) -> Result<Vec<Project>> {
    let rows: Vec<ProjectRow> = projects::table
        .select(ProjectRow::as_select())
        .order((projects::created_at.asc(), projects::id.asc()))
        .load(conn)
        .await?;
    rows.into_iter().map(Project::try_from).collect()
}

/// Adds a project.
pub async fn insert_project(tx: &mut Tx<'_>, project: &Project) -> Result<()> {
    diesel::insert_into(projects::table)
        .values((
            projects::id.eq(project.id.to_string()),
            projects::workspace_id.eq(project.workspace_id.to_string()),
            projects::name.eq(&project.name),
            projects::created_at.eq(project.created_at.millis()),
            projects::updated_at.eq(project.updated_at.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The environment of a project with this slug.
pub async fn by_slug(conn: &mut Conn, project: ProjectId, slug: &str) -> Result<Option<Environment>> {
    let row: Option<Row> = environments::table
        .filter(environments::project_id.eq(project.to_string()).and(environments::slug.eq(slug)))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Environment::try_from).transpose()
}

/// The workspaces, oldest first.
pub async fn workspaces(conn: &mut Conn) -> Result<Vec<Workspace>> {
    let rows: Vec<(String, String, i64)> = workspaces::table
        .select((workspaces::id, workspaces::name, workspaces::created_at))
        .order((workspaces::created_at.asc(), workspaces::id.asc()))
        .load(conn)
        .await?;
    rows.into_iter()
        .map(|(id, name, created)| Ok(Workspace { id: read(&id, "workspaces.id")?, name, created_at: at(created) }))
        .collect()
}

/// Adds a workspace.
pub async fn insert_workspace(tx: &mut Tx<'_>, workspace: &Workspace) -> Result<()> {
    diesel::insert_into(workspaces::table)
        .values((
            workspaces::id.eq(workspace.id.to_string()),
            workspaces::name.eq(&workspace.name),
            workspaces::created_at.eq(workspace.created_at.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
