//! Signing keys of an environment: what is published, and when they change.

use crate::refusals::stored;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError};
use crypto::jws::{Algorithm, KeyError};
use domain::environment::Environment;
use domain::key::{SigningKey, SigningKeyStatus};
use domain::{Context, Refusal, Timestamp, Verdict};
use keys::{Jwks, NewSigningKey};
use std::sync::Arc;
use std::time::Duration;

pub use keys::Rotation;

/// A key could not be made or stored.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A key could not be made.
    #[error("a signing key cannot be made")]
    Key(#[from] KeyError),
    /// The thread that makes keys ended.
    #[error("the making of a signing key was cut short")]
    Cut,
    /// The database failed.
    #[error("the signing keys cannot be changed")]
    Storage(#[from] StorageError),
}
stored!(SigningError);

impl Refusal for SigningError {
    fn verdict(&self) -> Verdict {
        Verdict::Fault
    }
}

/// The published keys.
pub async fn jwks(engine: &Engine, env: &Environment) -> Result<Arc<Tenant>, StorageError> {
    tenancy::tenant(engine, env.id).await
}

impl Tenant {
    /// The published keys of the environment.
    pub fn jwks(&self) -> &Jwks {
        self.keys.jwks()
    }
}

/// Makes a key away from the worker threads: an RSA key takes up to seconds.
pub(crate) async fn generate(algorithm: Algorithm, now: Timestamp) -> Result<NewSigningKey, SigningError> {
    Ok(tokio::task::spawn_blocking(move || NewSigningKey::generate(algorithm, now))
        .await
        .map_err(|_| SigningError::Cut)??)
}

/// The algorithm of an environment's session tokens.
pub(crate) fn session_algorithm(env: &Environment) -> Algorithm {
    env.settings.signing_keys.session_token_algorithm.parse().unwrap_or(Algorithm::Es256)
}

/// Brings the next key of an algorithm, of the session tokens' if none is named, and says which keys there are now.
pub async fn rotate(
    engine: &Engine,
    cx: &Context,
    algorithm: Option<Algorithm>,
    how: Rotation,
) -> Result<Vec<SigningKey>, SigningError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let algorithm = algorithm.unwrap_or_else(|| session_algorithm(&tenant.env));
    let fresh = generate(algorithm, cx.now).await?;
    let keys = engine
        .write(cx, async move |tx, cx| {
            let settings = &tenant.env.settings.signing_keys;
            Ok::<_, SigningError>(keys::rotate(tx, cx.env, &tenant.keys, &fresh, how, settings, cx.now).await?)
        })
        .await?;
    engine.shared().tenants.forget(cx.env);
    Ok(keys)
}

/// Makes sure that the environment has an active key of an algorithm.
pub(crate) async fn ensure(engine: &Engine, cx: &Context, algorithm: Algorithm) -> Result<Arc<Tenant>, SigningError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    if tenant.keys.signer(algorithm).is_some() {
        return Ok(tenant);
    }
    let fresh = generate(algorithm, cx.now).await?;
    let made = engine
        .write(cx, async move |tx, cx| {
            let there = storage::signing_keys::lock_published(tx, cx.env).await?;
            // Another request was first; its key is the one.
            if there.iter().any(|r| r.status == SigningKeyStatus::Active && r.algorithm == algorithm.as_str()) {
                return Ok(());
            }
            let settings = &tenant.env.settings.signing_keys;
            keys::rotate(tx, cx.env, &tenant.keys, &fresh, Rotation::Now, settings, cx.now).await?;
            Ok::<_, SigningError>(())
        })
        .await;
    match made {
        Ok(()) | Err(SigningError::Storage(StorageError::Conflict(_))) => engine.shared().tenants.forget(cx.env),
        Err(other) => return Err(other),
    }
    Ok(tenancy::tenant(engine, cx.env).await?)
}

/// Publishes, activates and retires keys when their time has come.
pub(crate) async fn keep_in_time(engine: &Engine, cx: &Context) -> Result<(), SigningError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let settings = &tenant.env.settings.signing_keys;
    let rows = storage::signing_keys::published(&mut *engine.read().await?, cx.env).await?;
    let cadence = Duration::from_secs(u64::from(settings.rotation_cadence_days) * 86_400);
    let ahead = Duration::from_secs(settings.pre_publish_window_seconds);
    let of = |algorithm: &str, status| rows.iter().find(|r| r.status == status && r.algorithm == algorithm);
    for row in &rows {
        let Ok(algorithm) = row.algorithm.parse::<Algorithm>() else { continue };
        match row.status {
            // Whether its turn has come or somebody asked for it.
            SigningKeyStatus::Pending if cx.now >= row.signs_from(settings) => {
                rotate(engine, cx, Some(algorithm), Rotation::Now).await?;
            }
            SigningKeyStatus::Active
                if row.activated_at.is_some_and(|since| cx.now >= since + cadence - ahead)
                    && of(&row.algorithm, SigningKeyStatus::Pending).is_none() =>
            {
                rotate(engine, cx, Some(algorithm), Rotation::Announced).await?;
            }
            _ => {}
        }
    }
    if rows.iter().any(|r| r.status == SigningKeyStatus::Retiring && r.retire_at.is_some_and(|at| cx.now >= at)) {
        engine
            .write(cx, async move |tx, cx| Ok::<_, SigningError>(keys::retire_due(tx, cx.env, cx.now).await?))
            .await?;
        engine.shared().tenants.forget(cx.env);
    }
    Ok(())
}
