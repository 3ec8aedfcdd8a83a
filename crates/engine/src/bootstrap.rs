//! The first workspace, project and environment, and every further environment.

use crate::api_keys::NewKey;
use crate::refusals::stored;
use crate::signing::{self, SigningError};
use crate::{Engine, Shared, StorageError, api_keys};
use crypto::Secret;
use crypto::jws::Algorithm;
use domain::environment::{self, ADMIN_SLUG, Environment, EnvironmentKind, Project, Workspace};
use domain::settings::{Settings, SignUpMode};
use domain::{Context, EnvironmentId, NewId, ProjectId, Timestamp};
use keys::{AddKeyError, NewSigningKey};
use std::sync::Arc;
use std::time::Duration;
use storage::Tx;

/// What is set up once.
#[derive(Debug, Clone)]
pub struct BootstrapSpec {
    /// The workspace's name.
    pub workspace: String,
    /// The project's name.
    pub project: String,
    /// The environment's name; also its slug.
    pub environment: String,
    /// What the environment is for.
    pub kind: EnvironmentKind,
    /// Origins that browsers may call from.
    pub allowed_origins: Vec<String>,
}

/// An environment that is there now.
pub struct Bootstrapped {
    /// The environment.
    pub environment: Environment,
    /// The key for browsers.
    pub publishable_key: String,
    /// The key for backends, when it was made just now: it is shown once.
    pub secret_key: Option<Secret<String>>,
    /// Whether the environment was made just now.
    pub created: bool,
}

/// Why nothing was set up.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The project has an environment of this name.
    #[error("the project has an environment with this slug already")]
    SlugTaken,
    /// The installation was not set up.
    #[error("there is no such project; run `latchkey bootstrap` first")]
    NoProject,
    /// A name cannot be used.
    #[error("the name of the environment cannot be used: 1 to 100 characters with a letter or digit")]
    Name,
    /// The environment's origins cannot be read.
    #[error("not an origin: {0}")]
    Origin(String),
    /// Another process is at it.
    #[error("another process is setting up this installation; try again")]
    Busy,
    /// A key cannot be made.
    #[error("a signing key cannot be made")]
    Signing(#[from] SigningError),
    /// The data key cannot be wrapped.
    #[error("the environment's data key cannot be made")]
    Key(#[from] AddKeyError),
    /// The database failed.
    #[error("the installation cannot be set up")]
    Storage(#[from] StorageError),
}
stored!(BootstrapError);

/// The publishable key of an environment: what a browser needs to find its FAPI, and no secret.
pub fn publishable_key(env: &Environment) -> String {
    let address = env.issuer.split_once("://").map_or(env.issuer.as_str(), |(_, rest)| rest);
    let segment = if env.kind.is_live() { "live" } else { "test" };
    format!("pk_{segment}_{}", crypto::base64url::encode(format!("{address}$").as_bytes()))
}

/// Sets the installation up; run again, it finds what is there, and follows a changed public URL.
pub async fn run(engine: &Engine, spec: BootstrapSpec) -> Result<Bootstrapped, BootstrapError> {
    check_origins(&spec.allowed_origins)?;
    let slug = slug(&spec.environment).ok_or(BootstrapError::Name)?;
    // Two processes at once: one sets up, the other waits and finds everything.
    let owner = format!("{}:{}", std::process::id(), crypto::random::jti());
    take_turn(engine, &owner).await?;
    let done = set_up(engine, &spec, &slug).await;
    let release = owner.clone();
    engine.db().write(async move |tx: &mut Tx<'_>| storage::leases::release(tx, LEASE, &release).await).await?;
    done
}

const LEASE: &str = "bootstrap";

/// The project and environment of those who run the installation.
const OPERATORS: &str = "Operators";

async fn take_turn(engine: &Engine, owner: &str) -> Result<(), BootstrapError> {
    for _ in 0..200 {
        let (owner, now) = (owner.to_owned(), engine.now());
        let work = async move |tx: &mut Tx<'_>| {
            storage::leases::acquire(tx, LEASE, &owner, now, Duration::from_secs(60)).await
        };
        if engine.db().write(work).await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(BootstrapError::Busy)
}

async fn set_up(engine: &Engine, spec: &BootstrapSpec, slug: &str) -> Result<Bootstrapped, BootstrapError> {
    let now = engine.now();
    let (workspaces, projects, environments) = {
        let mut conn = engine.read().await?;
        (
            storage::environments::workspaces(&mut conn).await?,
            storage::environments::projects(&mut conn).await?,
            storage::environments::list(&mut conn).await?,
        )
    };
    let first_start = workspaces.is_empty();
    let workspace = match workspaces.into_iter().next() {
        Some(workspace) => workspace,
        None => {
            Workspace { id: NewId::new(now, crypto::random::bytes()), name: spec.workspace.clone(), created_at: now }
        }
    };
    // Asked of the environment itself: a first start that was cut short has left it out.
    if !environments.iter().any(Environment::is_admin) {
        let begun = projects.iter().find(|p| p.name == OPERATORS).cloned();
        let is_new = begun.is_none();
        let admin = begun.unwrap_or_else(|| Project {
            id: NewId::new(now, crypto::random::bytes()),
            workspace_id: workspace.id,
            name: OPERATORS.into(),
            created_at: now,
            updated_at: now,
        });
        let (row, project) = (workspace.clone(), admin.clone());
        engine
            .db()
            .write(async move |tx: &mut Tx<'_>| {
                if first_start {
                    storage::environments::insert_workspace(tx, &row).await?;
                }
                if is_new {
                    storage::environments::insert_project(tx, &project).await?;
                }
                Ok::<_, StorageError>(())
            })
            .await?;
        let draft = Draft {
            name: OPERATORS.into(),
            slug: ADMIN_SLUG.into(),
            kind: EnvironmentKind::Production,
            label: String::new(),
            origins: Vec::new(),
        };
        make(engine, admin.id, draft).await?;
    }
    let known = projects.into_iter().find(|p| p.name == spec.project);
    let project = match known {
        Some(project) => project,
        None => {
            let project = Project {
                id: NewId::new(now, crypto::random::bytes()),
                workspace_id: workspace.id,
                name: spec.project.clone(),
                created_at: now,
                updated_at: now,
            };
            let row = project.clone();
            engine
                .db()
                .write(async move |tx: &mut Tx<'_>| storage::environments::insert_project(tx, &row).await)
                .await?;
            project
        }
    };
    follow_public_url(engine).await?;
    let found = storage::environments::by_slug(&mut *engine.read().await?, project.id, slug).await?;
    match found {
        Some(environment) => {
            let publishable_key = publishable_key(&environment);
            Ok(Bootstrapped { environment, publishable_key, secret_key: None, created: false })
        }
        None => {
            let draft = Draft {
                name: spec.environment.clone(),
                slug: slug.to_owned(),
                kind: spec.kind,
                label: environment::routing_label(crypto::random::bytes()),
                origins: spec.allowed_origins.clone(),
            };
            make(engine, project.id, draft).await
        }
    }
}

/// The stored issuers follow the one public URL; they are never taken from a request.
async fn follow_public_url(engine: &Engine) -> Result<(), BootstrapError> {
    let all = storage::environments::list(&mut *engine.read().await?).await?;
    for env in all {
        let wanted = issuer(engine, &env.routing_label);
        if env.issuer == wanted {
            continue;
        }
        let cx = Context::operator(env.id, engine.now());
        crate::tenancy::change(engine, &cx, move |env, _| env.issuer.clone_from(&wanted)).await?;
    }
    Ok(())
}

fn issuer(engine: &Engine, label: &str) -> String {
    let base = engine.shared().settings().public_url.trim_end_matches('/');
    if label.is_empty() { base.to_owned() } else { format!("{base}/{label}") }
}

/// Makes a further environment of a project; of the first one that is not the operators' when none is named.
pub async fn create_environment(
    engine: &Engine,
    project: Option<ProjectId>,
    name: String,
    kind: EnvironmentKind,
    slug_wanted: Option<String>,
    allowed_origins: Vec<String>,
) -> Result<Bootstrapped, BootstrapError> {
    check_origins(&allowed_origins)?;
    let slug = slug(slug_wanted.as_deref().unwrap_or(&name)).ok_or(BootstrapError::Name)?;
    let (projects, environments) = {
        let mut conn = engine.read().await?;
        (storage::environments::projects(&mut conn).await?, storage::environments::list(&mut conn).await?)
    };
    let operators = environments.iter().find(|e| e.is_admin()).map(|e| e.project_id);
    let project = projects
        .into_iter()
        .filter(|p| Some(p.id) != operators)
        .find(|p| project.is_none_or(|id| id == p.id))
        .ok_or(BootstrapError::NoProject)?;
    if environments.iter().any(|e| e.project_id == project.id && e.slug == slug) {
        return Err(BootstrapError::SlugTaken);
    }
    let label = environment::routing_label(crypto::random::bytes());
    make(engine, project.id, Draft { name, slug, kind, label, origins: allowed_origins }).await
}

/// All environments, the operators' own among them.
pub async fn list_environments(engine: &Engine) -> Result<Vec<Environment>, StorageError> {
    storage::environments::list(&mut *engine.read().await?).await
}

/// An environment as it is asked for.
pub(crate) struct Draft {
    pub name: String,
    pub slug: String,
    pub kind: EnvironmentKind,
    pub label: String,
    pub origins: Vec<String>,
}

/// An environment that can be inserted: what costs time is done.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub environment: Environment,
    signing_key: Arc<NewSigningKey>,
}

/// Makes everything of an environment that is made outside a transaction.
pub(crate) async fn prepare(engine: &Engine, project: ProjectId, draft: Draft) -> Result<Prepared, SigningError> {
    let now: Timestamp = engine.now();
    let mut settings = Settings { allowed_origins: draft.origins.clone(), ..Settings::default() };
    if draft.slug == ADMIN_SLUG {
        // Nobody signs up as an operator.
        settings.sign_up_modes = vec![SignUpMode::Waitlist];
    }
    let environment = Environment {
        id: EnvironmentId::new(now, crypto::random::bytes()),
        project_id: project,
        name: draft.name,
        slug: draft.slug,
        kind: draft.kind,
        issuer: issuer(engine, &draft.label),
        routing_label: draft.label,
        settings,
        config_version: 1,
        created_at: now,
        updated_at: now,
    };
    let signing_key = Arc::new(signing::generate(Algorithm::Es256, now).await?);
    Ok(Prepared { environment, signing_key })
}

impl Prepared {
    /// Adds the environment with its address and its keys; the context is the new environment's.
    pub(crate) async fn insert(&self, tx: &mut Tx<'_>, cx: &Context, shared: &Shared) -> Result<(), BootstrapError> {
        let row = &self.environment;
        storage::environments::insert(tx, row).await?;
        storage::environments::insert_host(tx, "", &row.routing_label, row.id).await?;
        let data_key = keys::add_data_key(tx, shared.master(), row.id, cx.now).await?;
        storage::events::begin(tx, row.id, &keys::audit_head(&data_key)).await?;
        Ok(keys::insert_active(tx, row.id, &data_key, &self.signing_key, cx.now).await?)
    }
}

/// Makes an environment with its address, its keys and its first secret key, in one transaction.
async fn make(engine: &Engine, project: ProjectId, draft: Draft) -> Result<Bootstrapped, BootstrapError> {
    let prepared = prepare(engine, project, draft).await?;
    let env = prepared.environment.clone();
    let cx = Context::operator(env.id, env.created_at);
    let shared = engine.shared().clone();
    let secret = engine
        .write(&cx, async move |tx, cx| {
            prepared.insert(tx, cx, &shared).await?;
            let row = &prepared.environment;
            // A key that nobody is shown would be a key that nobody can revoke on purpose.
            let secret = match row.is_admin() {
                true => None,
                false => Some(api_keys::insert(tx, cx, row, &NewKey::unrestricted("First key")).await?.secret),
            };
            Ok::<_, BootstrapError>(secret)
        })
        .await?;
    let publishable_key = publishable_key(&env);
    Ok(Bootstrapped { environment: env, publishable_key, secret_key: secret, created: true })
}

fn check_origins(origins: &[String]) -> Result<(), BootstrapError> {
    match origins.iter().find(|o| domain::origin::OriginPattern::parse(o).is_err()) {
        Some(bad) => Err(BootstrapError::Origin(bad.clone())),
        None => Ok(()),
    }
}

/// The slug of a name: lower-case letters, digits and single hyphens; never that of the operators.
pub(crate) fn slug(name: &str) -> Option<String> {
    if name.trim().is_empty() || name.chars().count() > 100 {
        return None;
    }
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-').to_owned();
    (!slug.is_empty()).then_some(slug)
}
