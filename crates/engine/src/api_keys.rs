//! Secret keys of backends. Each use reads the row: a revoked key is worth nothing at the next request of any process.

use crate::refusals::stored;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, events, idempotency};
use crypto::{Secret, TokenHash, secret_key};
use domain::action::{Actions, Catalogue, OPERATORS};
use domain::environment::Environment;
use domain::event::{Event, EventType};
use domain::key::{ApiKey, ApiKeyKind, SecretAge};
use domain::page::{Page, PageRequest};
use domain::{ApiKeyId, Context, EnvironmentId, Kind, Problem, Refusal, Timestamp, Verdict, code};
use std::sync::Arc;
use std::time::Duration;
use storage::api_keys::Key;
use storage::{Conn, Tx};

/// The most actions that a key names.
pub const ACTIONS_MAX: usize = 500;

/// Why a key opens nothing. All reasons answer alike.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is none of ours, unknown, revoked, expired, or of another kind of environment.
    #[error("the key opens nothing")]
    Invalid,
    /// It was one of ours once: it is revoked or expired, or says that it is of another kind of environment.
    #[error("the key opens nothing any more")]
    Dead {
        /// The key.
        key: ApiKeyId,
        /// The environment it was for.
        env: EnvironmentId,
    },
    /// The database failed.
    #[error("the key cannot be looked up")]
    Storage(#[from] StorageError),
}
stored!(KeyError);

impl Refusal for KeyError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Invalid | Self::Dead { .. } => Kind::Unauthenticated.code(code::AUTHENTICATION_INVALID),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Why a key is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// There is none in this environment.
    #[error("there is no such key")]
    NotFound,
    /// What was sent cannot be taken.
    #[error("the fields cannot be taken")]
    Fields(Vec<Problem>),
    /// The key that asks is worth nothing by now.
    #[error("the key that asks is worth nothing any more")]
    AskerGone,
    /// The key that asks may do less, or lives shorter, than the one it asks for.
    #[error("the key that asks has less to give")]
    MoreThanAsker,
    /// The secret that was shown is being replaced, and manages no keys.
    #[error("the secret is being replaced")]
    SecretRetiring,
    /// The key that asks would revoke itself.
    #[error("a key does not revoke itself")]
    InUse,
    /// It is revoked or expired.
    #[error("the key is worth nothing any more")]
    NotLive,
    /// The database failed.
    #[error("the key cannot be made or changed")]
    Storage(#[from] StorageError),
}
stored!(ApiKeyError);

impl Refusal for ApiKeyError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(code::API_KEY_NOT_FOUND),
            Self::Fields(problems) => Verdict::Refused(problems.clone()),
            Self::AskerGone => Kind::Unauthenticated.code(code::AUTHENTICATION_INVALID),
            Self::MoreThanAsker => Kind::Forbidden.code(code::FORBIDDEN),
            Self::SecretRetiring => Kind::Forbidden.code(code::API_KEY_SECRET_RETIRING),
            Self::InUse => Kind::Conflict.code(code::API_KEY_IN_USE),
            Self::NotLive => Kind::Conflict.code(code::API_KEY_NOT_LIVE),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// What a secret opens.
pub struct Opened {
    /// The key.
    pub key: ApiKey,
    /// Its environment.
    pub env: Arc<Environment>,
    /// What the secret is to the key.
    pub age: SecretAge,
    /// The key as it was shown, to look at it again.
    pub shown: Shown,
}

/// A key as somebody has shown it.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// The key.
    pub key: ApiKeyId,
    /// The hash of the secret.
    secret: TokenHash,
}

impl Shown {
    /// What the secret is to its key by now; none when it opens nothing any more.
    pub(crate) async fn age(
        &self,
        conn: &mut Conn,
        home: EnvironmentId,
        now: Timestamp,
    ) -> Result<Option<SecretAge>, StorageError> {
        let found = storage::api_keys::find_shown(conn, home, self.key, &self.secret, now).await?;
        Ok(found.filter(|(key, _)| key.is_live(now)).map(|(_, age)| age))
    }

    /// The key with what the secret is to it, held until the transaction ends; none when it opens nothing any more.
    async fn lock(
        &self,
        tx: &mut Tx<'_>,
        home: EnvironmentId,
        now: Timestamp,
    ) -> Result<Option<(ApiKey, SecretAge)>, StorageError> {
        let found = storage::api_keys::lock_shown(tx, home, self.key, &self.secret, now).await?;
        Ok(found.filter(|(key, _)| key.is_live(now)))
    }
}

/// Finds the key behind a secret, and the environment that it opens.
pub async fn authenticate(engine: &Engine, secret: &str, now: Timestamp) -> Result<Opened, KeyError> {
    // The checksum spares the look-up for what is no key at all, publishable keys among them.
    let segment = secret_key::check(secret).map_err(|_| KeyError::Invalid)?;
    let hash = TokenHash::of_str(secret);
    let found = storage::api_keys::by_secret(&mut *engine.read().await?, &hash, now).await?;
    let (key, age) = found.filter(|(key, _)| key.kind == ApiKeyKind::Secret).ok_or(KeyError::Invalid)?;
    let dead = KeyError::Dead { key: key.id, env: key.environment_id };
    if !key.is_live(now) {
        return Err(dead);
    }
    // Deleted since the key was read: then the key is, too.
    let env = tenancy::there(engine, key.environment_id).await?.ok_or(KeyError::Invalid)?.env.clone();
    if env.kind.is_live() != (segment == secret_key::Segment::Live) {
        return Err(dead);
    }
    engine.shared().activity.key(&key, now);
    let shown = Shown { key: key.id, secret: hash };
    Ok(Opened { key, env, age, shown })
}

/// A key that asks for a change of keys, and what the actions of keys mean.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The key, as it was shown.
    pub shown: Shown,
    /// The environment it opens.
    pub home: EnvironmentId,
    /// The operations that keys can be restricted to.
    pub catalogue: Arc<Catalogue>,
}

impl Asker {
    /// The key as it is now, held until the transaction ends: one that was revoked since it was shown, or whose secret
    /// was replaced, does nothing more.
    async fn lock(&self, tx: &mut Tx<'_>, cx: &Context) -> Result<ApiKey, ApiKeyError> {
        match self.shown.lock(tx, self.home, cx.now).await? {
            Some((key, SecretAge::Newest)) => Ok(key),
            Some((_, SecretAge::Retiring)) => Err(ApiKeyError::SecretRetiring),
            None => Err(ApiKeyError::AskerGone),
        }
    }

    /// Refuses a key that was revoked since it was shown, or whose secret is being replaced.
    pub(crate) async fn still_there(&self, tx: &mut Tx<'_>, cx: &Context) -> Result<(), ApiKeyError> {
        self.lock(tx, cx).await.map(drop)
    }

    /// No key gives what it does not have: neither more actions nor a longer life.
    fn may_give(&self, own: &ApiKey, actions: &Actions, expires_at: Option<Timestamp>) -> Result<(), ApiKeyError> {
        let covered = self.catalogue.covers(&own.actions, actions) && own.lives_as_long_as(expires_at);
        if covered { Ok(()) } else { Err(ApiKeyError::MoreThanAsker) }
    }

    /// No key is renamed or ended by one that may do less: whoever has stolen that one could shut everybody else out.
    /// How long either lives counts for nothing here.
    fn may_manage(&self, own: &ApiKey, key: &ApiKey) -> Result<(), ApiKeyError> {
        if self.catalogue.covers(&own.actions, &key.actions) { Ok(()) } else { Err(ApiKeyError::MoreThanAsker) }
    }
}

/// A key to make.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub actions: Actions,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    /// A key that may do everything, for good.
    pub fn unrestricted(name: impl Into<String>) -> Self {
        Self { name: name.into(), actions: Actions::ALL, expires_at: None }
    }

    /// Whether an environment can have such a key.
    pub fn check(&self, catalogue: &Catalogue, env: &Environment, now: Timestamp) -> Result<(), ApiKeyError> {
        let wrong = |param: String| Problem::of_param(Kind::Invalid, code::PARAM_VALUE_INVALID, param);
        let mut problems = Vec::new();
        let names = self.actions.named();
        if names.is_some_and(|names| names.is_empty() || names.len() > ACTIONS_MAX) {
            problems.push(wrong("restricted_to_actions".to_owned()));
        }
        for (at, name) in names.unwrap_or_default().iter().take(ACTIONS_MAX).enumerate() {
            // What only operators' keys can do names nothing elsewhere.
            let group = catalogue.group_of(name).filter(|group| *group != OPERATORS || env.is_admin());
            if group.is_none() {
                problems.push(wrong(format!("restricted_to_actions.{at}")));
            }
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            problems.push(wrong("expires_at".to_owned()));
        }
        if problems.is_empty() { Ok(()) } else { Err(ApiKeyError::Fields(problems)) }
    }
}

/// A key with the secret that is shown this once.
#[derive(Clone)]
pub struct Made {
    /// The key.
    pub key: ApiKey,
    /// Its secret.
    pub secret: Secret<String>,
}

impl Made {
    /// What the answer shows.
    pub fn body(&self) -> api::ApiKey {
        api::ApiKey::with_secret(&self.key, self.secret.expose())
    }
}

/// Makes a key for another key, or for the operator at the command line; the secret is shown once.
pub async fn create(engine: &Engine, cx: &Context, asker: Option<Asker>, wanted: NewKey) -> Result<Made, ApiKeyError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let made = give(tx, cx, &tenant.env, asker.as_ref(), &wanted).await?;
            idempotency::keep_sealed(tx, cx, &tenant.keys, 201, &made.body(), made.key.id.to_string()).await?;
            Ok(made)
        })
        .await
}

/// Makes a key, if the one that asks has as much to give.
pub(crate) async fn give(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    asker: Option<&Asker>,
    wanted: &NewKey,
) -> Result<Made, ApiKeyError> {
    if let Some(asker) = asker {
        wanted.check(&asker.catalogue, env, cx.now)?;
        let own = asker.lock(tx, cx).await?;
        asker.may_give(&own, &wanted.actions, wanted.expires_at)?;
    }
    Ok(insert(tx, cx, env, wanted).await?)
}

/// Makes a key inside a transaction.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    wanted: &NewKey,
) -> Result<Made, StorageError> {
    let secret = secret_key::generate(env.kind.is_live());
    let key = ApiKey {
        id: cx.id(),
        environment_id: env.id,
        kind: ApiKeyKind::Secret,
        prefix: secret_key::prefix(secret.expose()).to_owned(),
        name: wanted.name.clone(),
        actions: wanted.actions.clone(),
        last_used_at: None,
        expires_at: wanted.expires_at,
        revoked_at: None,
        created_by: cx.actor.id(),
        created_at: cx.now,
    };
    storage::api_keys::insert(tx, &key, &TokenHash::of_str(secret.expose())).await?;
    tell(tx, cx, EventType::ApiKeyCreated, &key).await?;
    Ok(Made { key, secret })
}

/// The keys of an environment, live and revoked.
pub async fn list(engine: &Engine, cx: &Context) -> Result<Vec<ApiKey>, StorageError> {
    storage::api_keys::list(&mut *engine.read().await?, cx.env).await
}

/// One page of the keys of an environment, live and revoked.
pub async fn page(engine: &Engine, cx: &Context, request: PageRequest<Key>) -> Result<Page<ApiKey>, StorageError> {
    let env = cx.env;
    let total = engine.scan(async move |conn| storage::api_keys::count(conn, env).await).await?;
    let mut page = storage::api_keys::page(&mut *engine.read().await?, env, &request).await?;
    page.total = total;
    Ok(page)
}

/// A key of the environment.
pub async fn find(engine: &Engine, cx: &Context, id: ApiKeyId) -> Result<ApiKey, ApiKeyError> {
    storage::api_keys::find(&mut *engine.read().await?, cx.env, id).await?.ok_or(ApiKeyError::NotFound)
}

/// The key that asks and the one it is about, both held until the transaction ends. They are taken in the order of
/// their ids, so that two keys that change each other never wait for one another.
async fn lock(
    tx: &mut Tx<'_>,
    cx: &Context,
    asker: Option<&Asker>,
    id: ApiKeyId,
) -> Result<(Option<ApiKey>, ApiKey), ApiKeyError> {
    let own = match asker {
        Some(asker) if asker.shown.key <= id => Some(asker.lock(tx, cx).await?),
        _ => None,
    };
    let key = storage::api_keys::lock(tx, cx.env, id).await?;
    let own = match asker {
        Some(asker) if own.is_none() => Some(asker.lock(tx, cx).await?),
        _ => own,
    };
    Ok((own, key.ok_or(ApiKeyError::NotFound)?))
}

/// Calls a key something else; a key that is restricted renames none that may do more.
pub async fn rename(
    engine: &Engine,
    cx: &Context,
    asker: Asker,
    id: ApiKeyId,
    name: String,
) -> Result<ApiKey, ApiKeyError> {
    engine
        .write(cx, async move |tx, cx| {
            let (own, mut key) = lock(tx, cx, Some(&asker), id).await?;
            if let Some(own) = &own {
                asker.may_manage(own, &key)?;
            }
            if key.name != name {
                key.name.clone_from(&name);
                storage::api_keys::save(tx, &key).await?;
            }
            idempotency::keep(tx, cx, 200, &api::ApiKey::from(&key), None).await?;
            Ok(key)
        })
        .await
}

/// Gives a key another secret, shown once. The one before counts for so long; one from before that no more.
///
/// The secret is worth what the key is: whoever may do less than the key does not get it.
pub async fn rotate(
    engine: &Engine,
    cx: &Context,
    asker: Asker,
    id: ApiKeyId,
    overlap: Duration,
) -> Result<Made, ApiKeyError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (own, mut key) = lock(tx, cx, Some(&asker), id).await?;
            if !key.is_live(cx.now) {
                return Err(ApiKeyError::NotLive);
            }
            if let Some(own) = &own {
                asker.may_give(own, &key.actions, key.expires_at)?;
            }
            let secret = secret_key::generate(tenant.env.kind.is_live());
            secret_key::prefix(secret.expose()).clone_into(&mut key.prefix);
            let until = (!overlap.is_zero()).then(|| cx.now + overlap);
            storage::api_keys::rotate(tx, &key, &TokenHash::of_str(secret.expose()), until).await?;
            tell(tx, cx, EventType::ApiKeyRotated, &key).await?;
            let made = Made { key, secret };
            keep_anew(tx, cx, &tenant, &made).await?;
            Ok(made)
        })
        .await
}

/// Keeps the answer with the new secret; an answer with the old one is not replayed any more.
async fn keep_anew(tx: &mut Tx<'_>, cx: &Context, tenant: &Tenant, made: &Made) -> Result<(), StorageError> {
    let subject = made.key.id.to_string();
    idempotency::forget_key(tx, cx.env, made.key.id).await?;
    idempotency::keep_sealed(tx, cx, &tenant.keys, 200, &made.body(), subject).await
}

/// Makes a key worth nothing, and forgets the answers that still show its secret; one that was so already stays as it
/// was. A key that is restricted ends none that may do more.
pub async fn revoke(engine: &Engine, cx: &Context, asker: Option<Asker>, id: ApiKeyId) -> Result<ApiKey, ApiKeyError> {
    engine.write(cx, async move |tx, cx| take_back(tx, cx, asker.as_ref(), id).await).await
}

/// Makes a key worth nothing inside a transaction.
pub(crate) async fn take_back(
    tx: &mut Tx<'_>,
    cx: &Context,
    asker: Option<&Asker>,
    id: ApiKeyId,
) -> Result<ApiKey, ApiKeyError> {
    let (own, mut key) = lock(tx, cx, asker, id).await?;
    if let (Some(asker), Some(own)) = (asker, &own) {
        if own.id == key.id {
            return Err(ApiKeyError::InUse);
        }
        // An operator's key reaches into every other environment, which it may delete as a whole.
        if own.environment_id == key.environment_id {
            asker.may_manage(own, &key)?;
        }
    }
    if key.revoked_at.is_none() {
        key.revoked_at = Some(cx.now);
        storage::api_keys::save(tx, &key).await?;
        idempotency::forget_key(tx, key.environment_id, key.id).await?;
        tell(tx, cx, EventType::ApiKeyRevoked, &key).await?;
    }
    Ok(key)
}

async fn tell(tx: &mut Tx<'_>, cx: &Context, what: EventType, key: &ApiKey) -> Result<(), StorageError> {
    events::push(tx, cx, Event::new(what, "api_key", key.id, events::body(&api::ApiKey::from(key)))).await
}
