//! Environments of a project: made with their first key, changed, and deleted with all that is in them.

use super::{OperatorError, Seen, at, looked, told};
use crate::api_keys::{self, Asker, NewKey};
use crate::bootstrap::{self, Draft, Prepared, publishable_key};
use crate::{Engine, events, idempotency, tenancy};
use api::EnvironmentRow;
use domain::environment::{Environment, EnvironmentKind, routing_label};
use domain::event::{Event, EventType};
use domain::page::{Page, PageRequest};
use domain::{Context, EnvironmentId, Kind, Problem, ProjectId, code};
use std::sync::Arc;
use storage::operator::{self as rows, Key};

/// An environment to make.
#[derive(Debug, Clone)]
pub struct NewEnvironment {
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub kind: EnvironmentKind,
    /// What commands call it; made from the name if left out.
    pub slug: Option<String>,
    /// Origins that may call with cookies.
    pub allowed_origins: Vec<String>,
}

/// What changes of an environment.
#[derive(Debug, Clone)]
pub struct EnvironmentChange {
    /// What people call it.
    pub name: Option<String>,
    /// What commands call it.
    pub slug: Option<String>,
    /// Origins that may call with cookies.
    pub allowed_origins: Option<Vec<String>>,
}

fn body(env: &Environment) -> EnvironmentRow {
    EnvironmentRow::new(env, publishable_key(env))
}

fn event(what: EventType, env: &Environment) -> Event {
    Event::new(what, "environment", env.id, events::body(&body(env)))
}

/// Whatever is asked for, nothing is called like the operators' own.
fn slug(text: &str, param: &str) -> Result<String, OperatorError> {
    bootstrap::slug(text)
        .ok_or_else(|| OperatorError::Fields(vec![Problem::of_param(Kind::Invalid, code::PARAM_FORMAT_INVALID, param)]))
}

/// The project of the operators' own environment.
async fn own_project(engine: &Engine, cx: &Context) -> Result<ProjectId, OperatorError> {
    Ok(tenancy::environment(engine, cx.env).await?.project_id)
}

/// One page of the environments of a project.
pub async fn list(
    engine: &Engine,
    cx: &Context,
    project: ProjectId,
    request: PageRequest<Key>,
) -> Result<Page<EnvironmentRow>, OperatorError> {
    looked(engine, cx, Seen::All("environment", project.to_string())).await?;
    rows::project(&mut *engine.read().await?, project).await?.ok_or(OperatorError::NoProject)?;
    let total = engine.scan(async move |conn| rows::count_environments(conn, project).await).await?;
    let mut page = rows::page_of_environments(&mut *engine.read().await?, project, &request).await?;
    page.total = total;
    Ok(page.map(|env| body(&env)))
}

/// An environment.
pub async fn find(engine: &Engine, cx: &Context, id: EnvironmentId) -> Result<EnvironmentRow, OperatorError> {
    looked(engine, cx, Seen::One("environment", id.to_string())).await?;
    let found = storage::environments::find(&mut *engine.read().await?, id).await?;
    Ok(body(&found.ok_or(OperatorError::NoEnvironment)?))
}

/// Makes an environment of a project; the answer alone shows its first secret key.
///
/// That key may do everything, whatever the operator's own may do: nobody's data is there yet.
pub async fn create(
    engine: &Engine,
    cx: &Context,
    asker: Asker,
    project: ProjectId,
    wanted: NewEnvironment,
) -> Result<EnvironmentRow, OperatorError> {
    if project == own_project(engine, cx).await? {
        return Err(OperatorError::OwnGround);
    }
    let slug = match &wanted.slug {
        Some(text) => slug(text, "slug")?,
        None => slug(&wanted.name, "name")?,
    };
    let label = routing_label(crypto::random::bytes());
    let draft = Draft { name: wanted.name, slug, kind: wanted.kind, label, origins: wanted.allowed_origins };
    let prepared: Prepared = bootstrap::prepare(engine, project, draft).await?;
    let (home, shared) = (tenancy::tenant(engine, cx.env).await?, Arc::clone(engine.shared()));
    engine
        .write(cx, async move |tx, cx| {
            rows::lock_project(tx, project).await?.ok_or(OperatorError::NoProject)?;
            asker.still_there(tx, cx).await?;
            let (env, there) = (&prepared.environment, at(cx, prepared.environment.id));
            prepared.insert(tx, &there, &shared).await?;
            told(tx, cx, Some(env.id), event(EventType::EnvironmentCreated, env)).await?;
            let first = api_keys::insert(tx, &there, env, &NewKey::unrestricted("First key")).await?;
            let body = EnvironmentRow { secret_key: Some(first.secret.expose().clone()), ..body(env) };
            // About the key: when its secret ends, or the environment does, nobody is shown it again.
            idempotency::keep_sealed(tx, cx, &home.keys, 201, &body, first.key.id.to_string()).await?;
            Ok(body)
        })
        .await
}

/// Changes an environment; every process follows within a second, this one at once.
pub async fn update(
    engine: &Engine,
    cx: &Context,
    id: EnvironmentId,
    change: EnvironmentChange,
) -> Result<EnvironmentRow, OperatorError> {
    let wanted = change.slug.as_deref().map(|text| slug(text, "slug")).transpose()?;
    let done = engine
        .write(cx, async move |tx, cx| {
            let mut env = storage::environments::lock(tx, id).await?.ok_or(OperatorError::NoEnvironment)?;
            let before = event(EventType::EnvironmentUpdated, &env).data;
            if let Some(slug) = &wanted {
                // By its slug the platform knows it.
                if env.is_admin() {
                    return Err(OperatorError::OwnGround);
                }
                env.slug.clone_from(slug);
            }
            if let Some(name) = &change.name {
                env.name.clone_from(name);
            }
            if let Some(origins) = &change.allowed_origins {
                env.settings.allowed_origins.clone_from(origins);
            }
            env.updated_at = cx.now;
            storage::environments::save(tx, &env).await?;
            told(tx, cx, Some(id), event(EventType::EnvironmentUpdated, &env).changed_since(&before)).await?;
            let body = body(&env);
            idempotency::keep(tx, cx, 200, &body, None).await?;
            Ok(body)
        })
        .await?;
    engine.shared().tenants.forget(id);
    Ok(done)
}

/// Deletes an environment. Its keys and addresses are worth nothing at once; everything else in it goes within
/// minutes, see [`crate::upkeep`].
pub async fn delete(engine: &Engine, cx: &Context, id: EnvironmentId) -> Result<(), OperatorError> {
    if id == cx.env {
        return Err(OperatorError::OwnGround);
    }
    let place = own_project(engine, cx).await?;
    engine
        .write(cx, async move |tx, cx| {
            let env = storage::environments::lock(tx, id).await?.ok_or(OperatorError::NoEnvironment)?;
            idempotency::forget_keys_of(tx, cx, id).await?;
            rows::delete_environment(tx, &env, place, cx.now).await?;
            // Not in its own log, which goes as well.
            Ok::<_, OperatorError>(told(tx, cx, None, event(EventType::EnvironmentDeleted, &env)).await?)
        })
        .await?;
    engine.shared().tenants.gone(id);
    Ok(())
}
