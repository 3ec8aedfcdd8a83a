//! Secret keys of backends. Each use reads the row: a revoked key is worth nothing at the next request of any process.

use crate::refusals::stored;
use crate::{Engine, StorageError, events, tenancy};
use crypto::{Secret, TokenHash, secret_key};
use domain::environment::Environment;
use domain::event::{Event, EventType};
use domain::key::{ApiKey, ApiKeyKind};
use domain::{ApiKeyId, Context, EnvironmentId, Kind, Refusal, Timestamp, Verdict, code};
use std::sync::Arc;
use storage::Tx;

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

/// Why a key is not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// There is none in this environment.
    #[error("there is no such key")]
    NotFound,
    /// The database failed.
    #[error("the key cannot be revoked")]
    Storage(#[from] StorageError),
}
stored!(RevokeError);

impl Refusal for RevokeError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(code::RESOURCE_NOT_FOUND),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Finds the environment that a secret key opens.
pub async fn authenticate(
    engine: &Engine,
    secret: &str,
    now: Timestamp,
) -> Result<(ApiKeyId, Arc<Environment>), KeyError> {
    // The checksum spares the look-up for what is no key at all, publishable keys among them.
    let segment = secret_key::check(secret).map_err(|_| KeyError::Invalid)?;
    let found = storage::api_keys::by_secret(&mut *engine.read().await?, &TokenHash::of_str(secret)).await?;
    let key = found.filter(|k| k.kind == ApiKeyKind::Secret).ok_or(KeyError::Invalid)?;
    let dead = KeyError::Dead { key: key.id, env: key.environment_id };
    if !key.is_live(now) {
        return Err(dead);
    }
    let env = tenancy::environment(engine, key.environment_id).await?;
    if env.kind.is_live() != (segment == secret_key::Segment::Live) {
        return Err(dead);
    }
    engine.shared().activity.key(&key, now);
    Ok((key.id, env))
}

/// Makes a key; the secret is shown once.
pub async fn create(
    engine: &Engine,
    cx: &Context,
    name: String,
    expires_at: Option<Timestamp>,
) -> Result<(ApiKey, Secret<String>), StorageError> {
    let env = tenancy::environment(engine, cx.env).await?;
    engine.write(cx, async move |tx, cx| insert(tx, cx, &env, &name, expires_at).await).await
}

/// Makes a key inside a transaction.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    name: &str,
    expires_at: Option<Timestamp>,
) -> Result<(ApiKey, Secret<String>), StorageError> {
    let secret = secret_key::generate(env.kind.is_live());
    let key = ApiKey {
        id: cx.id(),
        environment_id: env.id,
        kind: ApiKeyKind::Secret,
        prefix: secret_key::prefix(secret.expose()).to_owned(),
        name: name.to_owned(),
        last_used_at: None,
        expires_at,
        revoked_at: None,
        created_at: cx.now,
    };
    storage::api_keys::insert(tx, &key, &TokenHash::of_str(secret.expose())).await?;
    tell(tx, cx, EventType::ApiKeyCreated, &key).await?;
    Ok((key, secret))
}

/// The keys of an environment, live and revoked.
pub async fn list(engine: &Engine, cx: &Context) -> Result<Vec<ApiKey>, StorageError> {
    storage::api_keys::list(&mut *engine.read().await?, cx.env).await
}

/// Makes a key worth nothing; one that was so already stays as it was.
pub async fn revoke(engine: &Engine, cx: &Context, id: ApiKeyId) -> Result<ApiKey, RevokeError> {
    engine
        .write(cx, async move |tx, cx| {
            let changed = storage::api_keys::revoke(tx, cx.env, id, cx.now).await?;
            let key = storage::api_keys::find(tx, cx.env, id).await?.ok_or(RevokeError::NotFound)?;
            if changed {
                tell(tx, cx, EventType::ApiKeyRevoked, &key).await?;
            }
            Ok(key)
        })
        .await
}

async fn tell(tx: &mut Tx<'_>, cx: &Context, what: EventType, key: &ApiKey) -> Result<(), StorageError> {
    events::push(tx, cx, Event::new(what, "api_key", key.id, events::body(&api::ApiKey::from(key)))).await
}
