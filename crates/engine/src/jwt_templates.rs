//! JWT templates: what an operator's own tokens are minted by.

mod check;
mod claims;
mod kept;
mod mint;
mod preview;
mod values;

pub(crate) use kept::Templates;
pub(crate) use mint::{About, by_name as mint_by_name};
pub use mint::{UserMintError, jwks, mint_for_user};
pub use preview::{Preview, preview};
pub(crate) use values::ActingSession;

use crate::refusals::stored;
use crate::signing::{self, SigningError};
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, events, idempotency};
use crypto::Secret;
use crypto::jws::{BroughtKey, BroughtKeyError};
use domain::event::{Event, EventType};
use domain::jwt_template::{CustomKey, JwtTemplate, SigningAlgorithm};
use domain::page::{Page, PageRequest};
use domain::{Context, JwtTemplateId, Kind, Patch, Problem, Refusal, Timestamp, Verdict, code};
use serde_json::{Map, Value};
use std::sync::Arc;
use storage::Tx;
use storage::jwt_templates::Key;

/// Where a key that was brought is sealed: its table and column.
const KEY_PLACE: (&str, &str) = ("jwt_templates", "custom_signing_key");

/// Why a template is not made, changed or shown.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// There is none.
    #[error("there is no such JWT template")]
    NotFound,
    /// Another one has the name.
    #[error("the name is taken")]
    NameTaken,
    /// What was sent cannot be taken.
    #[error("the template cannot be used")]
    Problems(Vec<Problem>),
    /// The person that claims are shown for is gone.
    #[error("there is no such user")]
    NoUser,
    /// There is no such organization.
    #[error("there is no such organization")]
    NoOrganization,
    /// The environment has no key that would sign.
    #[error("the environment has no key that signs")]
    Signing(#[from] SigningError),
    /// The database failed.
    #[error("the JWT template cannot be read or changed")]
    Storage(#[source] StorageError),
}
stored!(TemplateError);

impl From<StorageError> for TemplateError {
    fn from(error: StorageError) -> Self {
        if storage::jwt_templates::is_taken(&error) { Self::NameTaken } else { Self::Storage(error) }
    }
}

impl Refusal for TemplateError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(code::JWT_TEMPLATE_NOT_FOUND),
            Self::NameTaken => Kind::Taken.code(code::JWT_TEMPLATE_NAME_TAKEN).param("name"),
            Self::Problems(problems) => Verdict::Refused(problems.clone()),
            Self::NoUser => Kind::NotFound.code(code::USER_NOT_FOUND),
            Self::NoOrganization => Kind::NotFound.code(code::ORGANIZATION_NOT_FOUND),
            Self::Signing(_) | Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// A template to make.
pub struct NewTemplate {
    /// What it is asked for by.
    pub name: String,
    /// The claims, with placeholders.
    pub claims: Map<String, Value>,
    /// How long a token lives, in seconds.
    pub lifetime: i64,
    /// How far a token is dated back, in seconds.
    pub allowed_clock_skew: i64,
    /// How a token is signed.
    pub signing_algorithm: SigningAlgorithm,
    /// The operator's own key, as it was sent.
    pub custom_signing_key: Option<Secret<String>>,
}

/// What a request says about a template.
#[derive(Default)]
pub struct TemplateChange {
    /// What it is asked for by.
    pub name: Option<String>,
    /// The claims, with placeholders; all of them at once.
    pub claims: Option<Map<String, Value>>,
    /// How long a token lives, in seconds.
    pub lifetime: Option<i64>,
    /// How far a token is dated back, in seconds.
    pub allowed_clock_skew: Option<i64>,
    /// How a token is signed.
    pub signing_algorithm: Option<SigningAlgorithm>,
    /// The operator's own key, as it was sent.
    pub custom_signing_key: Patch<Secret<String>>,
}

/// A template.
pub async fn find(engine: &Engine, cx: &Context, id: JwtTemplateId) -> Result<api::JwtTemplate, TemplateError> {
    let found = storage::jwt_templates::find(&mut *engine.read().await?, cx.env, id).await?;
    Ok(api::JwtTemplate::from(&found.ok_or(TemplateError::NotFound)?))
}

/// One page of the templates.
pub async fn list(
    engine: &Engine,
    cx: &Context,
    request: PageRequest<Key>,
) -> Result<Page<api::JwtTemplate>, StorageError> {
    let env = cx.env;
    let total = engine.scan(async move |conn| storage::jwt_templates::count(conn, env).await).await?;
    let mut page = storage::jwt_templates::page(&mut *engine.read().await?, env, &request).await?;
    page.total = total;
    Ok(page.map(|template| api::JwtTemplate::from(&template)))
}

/// Makes a template.
pub async fn create(engine: &Engine, cx: &Context, new: NewTemplate) -> Result<api::JwtTemplate, TemplateError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let id = cx.id::<JwtTemplateId>();
    let (key, key_problem) = told(bring(&tenant, id, new.custom_signing_key).await)?;
    let template = JwtTemplate {
        id,
        name: new.name,
        claims: new.claims,
        lifetime: new.lifetime,
        allowed_clock_skew: new.allowed_clock_skew,
        signing_algorithm: new.signing_algorithm,
        custom_key: key,
        last_used_at: None,
        created_at: cx.now,
        updated_at: cx.now,
    };
    check(engine, cx, &tenant, &template, key_problem).await?;
    let made = engine
        .write(cx, async move |tx, cx| {
            // Holds the environment, and tells every process that keeps its templates.
            storage::environments::bump(tx, cx.env).await?;
            storage::jwt_templates::insert(tx, cx.env, &template).await?;
            let body = tell(tx, cx, EventType::JwtTemplateCreated, &template).await?;
            idempotency::keep(tx, cx, 201, &body, Some(template.id.to_string())).await?;
            Ok::<_, TemplateError>(body)
        })
        .await?;
    engine.shared().tenants.forget(cx.env);
    Ok(made)
}

/// Changes a template: what is sent is put in the place of what is there, and the whole is checked.
pub async fn update(
    engine: &Engine,
    cx: &Context,
    id: JwtTemplateId,
    mut change: TemplateChange,
) -> Result<api::JwtTemplate, TemplateError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let before = storage::jwt_templates::find(&mut *engine.read().await?, cx.env, id).await?;
    let before = before.ok_or(TemplateError::NotFound)?;
    let (key, key_problem) = match std::mem::take(&mut change.custom_signing_key) {
        Patch::Keep => (Patch::Keep, None),
        Patch::Clear => (Patch::Clear, None),
        Patch::Set(text) => {
            let (key, problem) = told(bring(&tenant, id, Some(text)).await)?;
            (key.map_or(Patch::Keep, Patch::Set), problem)
        }
    };
    check(engine, cx, &tenant, &applied(&before, &change, &key, cx.now), key_problem).await?;
    let changed = engine
        .write(cx, async move |tx, cx| {
            let mut env = locked_environment(tx, cx).await?;
            let stored = storage::jwt_templates::lock(tx, cx.env, id).await?.ok_or(TemplateError::NotFound)?;
            let template = applied(&stored, &change, &key, cx.now);
            // Somebody else was faster: what was checked is not what would be written.
            if !stored.says_the_same(&before) {
                let problems = check::problems(&env, &template);
                if !problems.is_empty() {
                    return Err(TemplateError::Problems(problems));
                }
            }
            storage::jwt_templates::save(tx, cx.env, &template).await?;
            let own = &mut env.settings.sessions.session_token_template;
            if own.as_ref() == Some(&stored.name) {
                *own = Some(template.name.clone());
            }
            storage::environments::save(tx, &env).await?;
            let body = tell_changed(tx, cx, &stored, &template).await?;
            idempotency::keep(tx, cx, 200, &body, None).await?;
            Ok(body)
        })
        .await?;
    engine.shared().tenants.forget(cx.env);
    Ok(changed)
}

/// Deletes a template; whoever asks for it from now on asks in vain.
pub async fn delete(engine: &Engine, cx: &Context, id: JwtTemplateId) -> Result<(), TemplateError> {
    engine
        .write(cx, async move |tx, cx| {
            let mut env = locked_environment(tx, cx).await?;
            let template = storage::jwt_templates::lock(tx, cx.env, id).await?.ok_or(TemplateError::NotFound)?;
            storage::jwt_templates::delete(tx, cx.env, id).await?;
            let own = &mut env.settings.sessions.session_token_template;
            own.take_if(|name| *name == template.name);
            storage::environments::save(tx, &env).await?;
            tell(tx, cx, EventType::JwtTemplateDeleted, &template).await?;
            idempotency::forget(tx, cx, &id.to_string()).await?;
            Ok::<_, TemplateError>(())
        })
        .await?;
    engine.shared().tenants.forget(cx.env);
    Ok(())
}

async fn locked_environment(tx: &mut Tx<'_>, cx: &Context) -> Result<domain::environment::Environment, StorageError> {
    storage::environments::lock(tx, cx.env).await?.ok_or_else(|| tenancy::fault("the environment is gone"))
}

async fn tell(
    tx: &mut Tx<'_>,
    cx: &Context,
    what: EventType,
    template: &JwtTemplate,
) -> Result<api::JwtTemplate, StorageError> {
    let body = api::JwtTemplate::from(template);
    events::push(tx, cx, Event::new(what, "jwt_template", template.id, events::body(&body))).await?;
    Ok(body)
}

async fn tell_changed(
    tx: &mut Tx<'_>,
    cx: &Context,
    before: &JwtTemplate,
    after: &JwtTemplate,
) -> Result<api::JwtTemplate, StorageError> {
    let body = api::JwtTemplate::from(after);
    let event = Event::new(EventType::JwtTemplateUpdated, "jwt_template", after.id, events::body(&body));
    let mut event = event.changed_since(&events::body(&api::JwtTemplate::from(before)));
    if before.custom_key != after.custom_key {
        // The body shows no key.
        event.changed_fields.push("custom_signing_key".to_owned());
    }
    events::push(tx, cx, event).await?;
    Ok(body)
}

fn applied(before: &JwtTemplate, change: &TemplateChange, key: &Patch<CustomKey>, now: Timestamp) -> JwtTemplate {
    let mut after = before.clone();
    key.clone().apply(&mut after.custom_key);
    JwtTemplate {
        name: change.name.clone().unwrap_or(after.name),
        claims: change.claims.clone().unwrap_or(after.claims),
        lifetime: change.lifetime.unwrap_or(after.lifetime),
        allowed_clock_skew: change.allowed_clock_skew.unwrap_or(after.allowed_clock_skew),
        signing_algorithm: change.signing_algorithm.unwrap_or(after.signing_algorithm),
        updated_at: now,
        ..after
    }
}

/// Looks at a template off the worker, and sees to it that the environment can sign what it says.
async fn check(
    engine: &Engine,
    cx: &Context,
    tenant: &Arc<Tenant>,
    template: &JwtTemplate,
    key_problem: Option<Problem>,
) -> Result<(), TemplateError> {
    let (looked_at, env) = (template.clone(), Arc::clone(&tenant.env));
    let found = tokio::task::spawn_blocking(move || check::problems(&env, &looked_at)).await;
    let mut problems = found.map_err(storage::fault_from)?;
    if let Some(problem) = key_problem {
        // A key that cannot be read says more than that there is none.
        problems.retain(|other| other.code != code::JWT_TEMPLATE_SIGNING_KEY_INVALID);
        problems.push(problem);
    }
    if !problems.is_empty() {
        return Err(TemplateError::Problems(problems));
    }
    if let Some(algorithm) = template.environment_algorithm() {
        // Published before the first token, so that no verifier meets a key that it cannot find.
        Box::pin(signing::ensure(engine, cx, algorithm)).await?;
    }
    Ok(())
}

/// Why a key is not kept.
enum NotBrought {
    Refused(Problem),
    Fault(StorageError),
}

/// A key, or the problem that is told together with the others.
fn told(brought: Result<Option<CustomKey>, NotBrought>) -> Result<(Option<CustomKey>, Option<Problem>), StorageError> {
    match brought {
        Ok(key) => Ok((key, None)),
        Err(NotBrought::Refused(problem)) => Ok((None, Some(problem))),
        Err(NotBrought::Fault(error)) => Err(error),
    }
}

/// Reads a key that was sent and seals it for its template. Nothing of it is ever told again.
async fn bring(
    tenant: &Tenant,
    id: JwtTemplateId,
    text: Option<Secret<String>>,
) -> Result<Option<CustomKey>, NotBrought> {
    let Some(text) = text else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || BroughtKey::read(&text)).await;
    let key = match read {
        Ok(Ok(key)) => key,
        Ok(Err(error)) => return Err(NotBrought::Refused(check::of_key(reason(error)))),
        // What makes the reader give up is no key, whatever it is.
        Err(cut) if cut.is_panic() => return Err(NotBrought::Refused(check::of_key("unreadable"))),
        Err(cut) => return Err(NotBrought::Fault(storage::fault_from(cut))),
    };
    let (table, column) = KEY_PLACE;
    Ok(Some(CustomKey {
        kind: key.kind(),
        sealed: tenant.keys.seal(table, column, &id.to_string(), key.bytes().expose()),
        fingerprint: key.fingerprint().to_owned(),
        public_jwk: key.public_jwk().cloned(),
    }))
}

/// The word that programs match on.
fn reason(error: BroughtKeyError) -> &'static str {
    match error {
        BroughtKeyError::Unreadable => "unreadable",
        BroughtKeyError::Public => "public_key",
        BroughtKeyError::Weak => "too_weak",
        BroughtKeyError::Unsupported => "unsupported",
    }
}
