//! How signing keys come and go: published first, then signing, then only verifying, then gone.

use crate::EnvironmentKeys;
use crypto::Secret;
use crypto::jws::{Algorithm, KeyError, Signer, generate_pkcs8};
use crypto::seal::{DataKey, SealError, WrapKey};
use domain::key::{LONGEST_TOKEN, SigningKey, SigningKeyStatus};
use domain::settings::SigningKeySettings;
use domain::{EnvironmentId, NewId, SigningKeyId, Timestamp};
use std::time::Duration;
use storage::Tx;

/// A signing key that was just made; making one costs time, so it is made before any transaction.
pub struct NewSigningKey {
    id: SigningKeyId,
    algorithm: Algorithm,
    pkcs8: Secret<Vec<u8>>,
    public_jwk: serde_json::Value,
}

impl NewSigningKey {
    /// Makes a key. RSA takes a while: call it where waiting is allowed.
    pub fn generate(algorithm: Algorithm, now: Timestamp) -> Result<Self, KeyError> {
        let id = SigningKeyId::new(now, crypto::random::bytes());
        let pkcs8 = generate_pkcs8(algorithm)?;
        let public_jwk = Signer::new(algorithm, &id.to_string(), &pkcs8)?.public_jwk().clone();
        Ok(Self { id, algorithm, pkcs8, public_jwk })
    }

    fn sealed(&self, seal: impl Fn(&str, &[u8]) -> String, status: SigningKeyStatus, now: Timestamp) -> SigningKey {
        SigningKey {
            id: self.id,
            algorithm: self.algorithm.as_str().to_owned(),
            status,
            sealed_private_key: seal(&self.id.to_string(), self.pkcs8.expose()),
            public_jwk: self.public_jwk.clone(),
            activated_at: (status == SigningKeyStatus::Active).then_some(now),
            retire_at: None,
            created_at: now,
        }
    }
}

/// Gives a new environment its data key.
pub async fn add_data_key(
    tx: &mut Tx<'_>,
    master: &dyn WrapKey,
    env: EnvironmentId,
    now: Timestamp,
) -> Result<DataKey, AddKeyError> {
    let key = DataKey::generate();
    let wrapped = key.wrap(master, &env.to_string())?;
    storage::environments::insert_data_key(tx, env, key.id(), &wrapped, now).await?;
    Ok(key)
}

/// A key could not be added.
#[derive(Debug, thiserror::Error)]
pub enum AddKeyError {
    /// The master key failed.
    #[error("the data key cannot be wrapped")]
    Seal(#[from] SealError),
    /// The database failed.
    #[error("the key cannot be stored")]
    Storage(#[from] storage::Error),
}

/// Stores a key that signs from now on; for an environment that has none of this algorithm.
pub async fn insert_active(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    data_key: &DataKey,
    key: &NewSigningKey,
    now: Timestamp,
) -> storage::Result<()> {
    let environment = env.to_string();
    let seal = |row: &str, plain: &[u8]| {
        data_key.seal(
            &crypto::seal::Place { environment: &environment, table: "signing_keys", column: "private_key", row },
            plain,
        )
    };
    storage::signing_keys::insert(tx, env, &key.sealed(seal, SigningKeyStatus::Active, now)).await
}

/// How a rotation is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// The next key is published; it signs when its window is over.
    Announced,
    /// The next key signs at once. The old one verifies until its window is over.
    Now,
    /// The next key signs at once. The old ones leave the JWKS, and what they signed is worth nothing.
    Compromised,
}

/// Brings the next key of an algorithm, in one transaction: a published one if there is one that can be trusted,
/// else `fresh`. Says which keys there are now.
pub async fn rotate(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    keys: &EnvironmentKeys,
    fresh: &NewSigningKey,
    how: Rotation,
    settings: &SigningKeySettings,
    now: Timestamp,
) -> storage::Result<Vec<SigningKey>> {
    if how == Rotation::Announced {
        publish_next(tx, env, keys, fresh, now).await?;
        return storage::signing_keys::published(tx, env).await;
    }
    let rows = storage::signing_keys::lock_published(tx, env).await?;
    let same = |row: &&SigningKey| row.algorithm == fresh.algorithm.as_str();
    let retire_at = now + Duration::from_secs(settings.retire_window_seconds).max(LONGEST_TOKEN);
    for mut old in rows.iter().filter(same).cloned() {
        match (how, old.status) {
            // A published key has lain beside the one that is known to strangers.
            (Rotation::Compromised, _) => {
                old.status = SigningKeyStatus::Expired;
                old.retire_at = Some(now);
            }
            (_, SigningKeyStatus::Active) => {
                old.status = SigningKeyStatus::Retiring;
                old.retire_at = Some(retire_at);
            }
            _ => continue,
        }
        storage::signing_keys::save(tx, env, &old).await?;
    }
    let pending = rows.iter().filter(same).find(|r| r.status == SigningKeyStatus::Pending).cloned();
    match pending {
        Some(mut next) if how == Rotation::Now => {
            next.status = SigningKeyStatus::Active;
            next.activated_at = Some(now);
            storage::signing_keys::save(tx, env, &next).await?;
        }
        _ => {
            let seal = |row: &str, plain: &[u8]| keys.seal("signing_keys", "private_key", row, plain);
            storage::signing_keys::insert(tx, env, &fresh.sealed(seal, SigningKeyStatus::Active, now)).await?;
        }
    }
    storage::environments::bump(tx, env).await?;
    storage::signing_keys::published(tx, env).await
}

/// Publishes the next key of an algorithm ahead of its time; nothing happens when one is published already.
async fn publish_next(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    keys: &EnvironmentKeys,
    fresh: &NewSigningKey,
    now: Timestamp,
) -> storage::Result<()> {
    let rows = storage::signing_keys::lock_published(tx, env).await?;
    let there = rows.iter().any(|r| r.algorithm == fresh.algorithm.as_str() && r.status == SigningKeyStatus::Pending);
    if there {
        return Ok(());
    }
    let seal = |row: &str, plain: &[u8]| keys.seal("signing_keys", "private_key", row, plain);
    storage::signing_keys::insert(tx, env, &fresh.sealed(seal, SigningKeyStatus::Pending, now)).await?;
    storage::environments::bump(tx, env).await
}

/// Takes keys out of the JWKS whose window is over; says how many.
pub async fn retire_due(tx: &mut Tx<'_>, env: EnvironmentId, now: Timestamp) -> storage::Result<usize> {
    let mut gone = 0;
    for mut row in storage::signing_keys::lock_published(tx, env).await? {
        if row.status == SigningKeyStatus::Retiring && row.retire_at.is_some_and(|at| now >= at) {
            row.status = SigningKeyStatus::Expired;
            storage::signing_keys::save(tx, env, &row).await?;
            gone += 1;
        }
    }
    if gone > 0 {
        storage::environments::bump(tx, env).await?;
    }
    Ok(gone)
}
