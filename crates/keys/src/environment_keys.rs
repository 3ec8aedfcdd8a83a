//! Everything an environment seals, signs and checks with, loaded once and shared.

use crate::Jwks;
use crypto::jws::{Algorithm, Signer, Verifier};
use crypto::seal::{DataKey, Place, SealError, WrapKey};
use crypto::{MacKey, Secret};
use domain::EnvironmentId;
use domain::key::{SigningKey, SigningKeyStatus};
use std::collections::HashMap;
use storage::Conn;

/// The keys of an environment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The environment has no data key.
    #[error("the environment has no data key")]
    NoDataKey,
    /// A sealed value does not open.
    #[error("a key of the environment does not open; is the master key the right one?")]
    Sealed(#[from] SealError),
    /// A stored key cannot be read.
    #[error("a stored signing key cannot be read")]
    Signing(#[from] crypto::jws::KeyError),
    /// A published key cannot be read.
    #[error("a published key cannot be read")]
    Published(#[from] crypto::jws::JwkError),
    /// The database failed.
    #[error("the keys of the environment cannot be loaded")]
    Storage(#[from] storage::Error),
}

/// What the key that seals the end of the audit log is derived for.
const AUDIT_HEAD: &str = "audit-head";

/// The key that seals the end of the audit log of an environment that is being made with this data key.
pub fn audit_head(data_key: &DataKey) -> MacKey {
    data_key.derive_mac(AUDIT_HEAD)
}

/// An environment's keys.
pub struct EnvironmentKeys {
    environment: String,
    data_keys: Vec<DataKey>,
    signers: HashMap<&'static str, Signer>,
    verifiers: HashMap<String, Verifier>,
    jwks: Jwks,
    /// Authenticates list cursors.
    pub cursor: MacKey,
    /// Hashes the codes that are sent to people: ten to the six possibilities need a key, not a slow hash.
    pub code: MacKey,
    /// Signs where the audit log begins when its oldest part was deleted.
    pub audit_anchor: MacKey,
    /// Seals where the audit log ends.
    pub audit_head: MacKey,
    /// Hashes backup codes: forty bits need a key as well.
    pub backup_code: MacKey,
    /// Makes the tickets of invitations, the same at every reading.
    pub invitation: MacKey,
}

/// Loads the keys of an environment.
pub async fn load(conn: &mut Conn, master: &dyn WrapKey, env: EnvironmentId) -> Result<EnvironmentKeys, KeysError> {
    let environment = env.to_string();
    let mut data_keys = Vec::new();
    for (_, wrapped) in storage::environments::wrapped_data_keys(conn, env).await? {
        data_keys.push(DataKey::unwrap(master, &environment, &wrapped)?);
    }
    let rows = storage::signing_keys::published(conn, env).await?;
    EnvironmentKeys::new(environment, data_keys, &rows)
}

impl EnvironmentKeys {
    fn new(environment: String, data_keys: Vec<DataKey>, rows: &[SigningKey]) -> Result<Self, KeysError> {
        let newest = data_keys.first().ok_or(KeysError::NoDataKey)?;
        // Derived from the oldest key: cursors and codes in flight outlive a change of the data key, backup codes and
        // invitations any number of changes.
        let root = data_keys.last().unwrap_or(newest);
        let (cursor, code) = (root.derive_mac("list-cursor"), root.derive_mac("challenge-code"));
        let (backup_code, invitation) = (root.derive_mac("backup-code"), root.derive_mac("invitation-ticket"));
        let audit_anchor = root.derive_mac("audit-anchor");
        let audit_head = root.derive_mac(AUDIT_HEAD);
        let mut keys = Self {
            environment,
            signers: HashMap::new(),
            verifiers: HashMap::new(),
            jwks: Jwks::of(rows.iter().map(|r| r.public_jwk.clone()).collect()),
            cursor,
            code,
            backup_code,
            audit_anchor,
            audit_head,
            invitation,
            data_keys,
        };
        for row in rows {
            keys.verifiers.insert(row.id.to_string(), Verifier::from_jwk(&row.public_jwk)?);
            if row.status == SigningKeyStatus::Active {
                let pkcs8 = keys.open("signing_keys", "private_key", &row.id.to_string(), &row.sealed_private_key)?;
                let algorithm: Algorithm = row.algorithm.parse().map_err(|_| KeysError::NoDataKey)?;
                keys.signers.insert(algorithm.as_str(), Signer::new(algorithm, &row.id.to_string(), &pkcs8)?);
            }
        }
        Ok(keys)
    }

    /// The signer of an algorithm, if a key of it is active.
    pub fn signer(&self, algorithm: Algorithm) -> Option<&Signer> {
        self.signers.get(algorithm.as_str())
    }

    /// The verifier of a published key.
    pub fn verifier(&self, kid: &str) -> Option<&Verifier> {
        self.verifiers.get(kid)
    }

    /// The published keys.
    pub fn jwks(&self) -> &Jwks {
        &self.jwks
    }

    /// Seals a value for its place in the database.
    pub fn seal(&self, table: &str, column: &str, row: &str, plain: &[u8]) -> String {
        let place = Place { environment: &self.environment, table, column, row };
        self.data_keys[0].seal(&place, plain)
    }

    /// Opens a sealed value at its place.
    pub fn open(&self, table: &str, column: &str, row: &str, sealed: &str) -> Result<Secret<Vec<u8>>, SealError> {
        let place = Place { environment: &self.environment, table, column, row };
        let mut last = SealError::Malformed;
        for key in &self.data_keys {
            match key.open(&place, sealed) {
                Err(SealError::OtherKey(id)) => last = SealError::OtherKey(id),
                done => return done,
            }
        }
        Err(last)
    }
}
