//! What operators do with a key of their own environment: projects, environments, and the keys of those.
//!
//! Whatever they do stands in the log of their environment, what they look at as well; a change also in the log of the
//! environment that is changed.

mod environments;
mod keys;
mod projects;

pub use environments::{EnvironmentChange, NewEnvironment, create, delete, find, list, update};
pub use keys::{create_key, keys_of, revoke_key, rotate_signing_keys};
pub use projects::{create_project, delete_project, list_projects, project, rename_project};

use crate::api_keys::ApiKeyError;
use crate::audit;
use crate::bootstrap::BootstrapError;
use crate::refusals::stored;
use crate::signing::SigningError;
use crate::tenancy::{self, Tenant};
use crate::{AuditFilter, Engine, StorageError, events};
use domain::event::{Event, EventType};
use domain::page::{Page, PageRequest};
use domain::{Context, EnvironmentId, Kind, Problem, Refusal, Surface, Verdict, code};
use serde_json::json;
use std::sync::Arc;
use storage::Tx;
use storage::audit::Chained;

/// Why an operator is not served.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// There is no such project.
    #[error("there is no such project")]
    NoProject,
    /// The project has environments.
    #[error("the project has environments")]
    NotEmpty,
    /// There is no such environment.
    #[error("there is no such environment")]
    NoEnvironment,
    /// The operators' own environment stays as it is.
    #[error("the operators' own environment and project cannot be changed this way")]
    OwnGround,
    /// The project has an environment of this slug.
    #[error("the project has an environment with this slug")]
    SlugTaken,
    /// What was sent cannot be taken.
    #[error("the fields cannot be taken")]
    Fields(Vec<Problem>),
    /// A key cannot be made or revoked.
    #[error(transparent)]
    Key(ApiKeyError),
    /// A signing key cannot be made.
    #[error("a signing key cannot be made")]
    Signing(#[from] SigningError),
    /// An environment cannot be made.
    #[error("the environment cannot be made")]
    Made(#[source] BootstrapError),
    /// The database failed.
    #[error("what operators keep cannot be read or changed")]
    Storage(#[source] StorageError),
}
stored!(OperatorError);

impl From<StorageError> for OperatorError {
    fn from(error: StorageError) -> Self {
        let columns = &["environments.project_id", "environments.slug"];
        match &error {
            StorageError::Conflict(c) if c.is_on("environments_project_id_slug_key", columns) => Self::SlugTaken,
            _ => Self::Storage(error),
        }
    }
}

impl From<ApiKeyError> for OperatorError {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::Storage(error) => error.into(),
            other => Self::Key(other),
        }
    }
}

impl From<BootstrapError> for OperatorError {
    fn from(error: BootstrapError) -> Self {
        match error {
            BootstrapError::Storage(error) => error.into(),
            other => Self::Made(other),
        }
    }
}

impl Refusal for OperatorError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NoProject => Kind::NotFound.code(code::PROJECT_NOT_FOUND),
            Self::NotEmpty => Kind::Conflict.code(code::PROJECT_NOT_EMPTY),
            Self::NoEnvironment => Kind::NotFound.code(code::ENVIRONMENT_NOT_FOUND),
            Self::OwnGround => Kind::Forbidden.code(code::FORBIDDEN),
            Self::SlugTaken => Kind::Taken.code(code::IDENTIFIER_EXISTS).param("slug"),
            Self::Fields(problems) => Verdict::Refused(problems.clone()),
            Self::Key(error) => error.verdict(),
            Self::Signing(_) | Self::Made(_) | Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// The operator's request as it counts in the environment that it is about. The claim on the operator's idempotency
/// key stays at home.
fn at(cx: &Context, env: EnvironmentId) -> Context {
    Context { env, surface: Surface::Operator, idempotency: None, ..cx.clone() }
}

/// An environment that is there.
async fn tenant(engine: &Engine, id: EnvironmentId) -> Result<Arc<Tenant>, OperatorError> {
    tenancy::there(engine, id).await?.ok_or(OperatorError::NoEnvironment)
}

/// What was done and refused in the operators' own environment, newest first; that it was looked at is the next entry.
pub async fn audit_log(
    engine: &Engine,
    cx: &Context,
    filter: AuditFilter,
    request: PageRequest<()>,
) -> Result<Page<Chained>, OperatorError> {
    looked(engine, cx, Seen::All("audit_log", cx.env.to_string())).await?;
    Ok(audit::list(engine, cx, filter, request).await?)
}

/// What an operator looked at.
enum Seen {
    /// One of a kind, by its id.
    One(&'static str, String),
    /// All of a kind that there are in an environment, in a project, or, by the operators' own environment, anywhere.
    All(&'static str, String),
}

/// Logs that an operator looked at something.
async fn looked(engine: &Engine, cx: &Context, seen: Seen) -> Result<(), OperatorError> {
    engine.write(cx, async move |tx, cx| Ok(look(tx, cx, &seen).await?)).await
}

async fn look(tx: &mut Tx<'_>, cx: &Context, seen: &Seen) -> Result<(), StorageError> {
    let (kind, subject, data) = match seen {
        Seen::One(kind, id) => (kind, id, json!({ "object": "operator_read", "kind": kind, "id": id })),
        Seen::All(kind, of) => (kind, of, json!({ "object": "operator_read", "kind": kind, "id": null, "of": of })),
    };
    events::push(tx, cx, Event::new(EventType::OperatorRead, kind, subject, data)).await
}

/// Logs a change where it was asked for, and in the environment that was changed.
async fn told(tx: &mut Tx<'_>, cx: &Context, changed: Option<EnvironmentId>, event: Event) -> Result<(), StorageError> {
    if let Some(env) = changed.filter(|env| *env != cx.env) {
        events::push(tx, &at(cx, env), event.clone()).await?;
    }
    events::push(tx, cx, event).await
}
