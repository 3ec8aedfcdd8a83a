//! Keys that callers hold, and the signing keys of an environment.

use crate::action::Actions;
use crate::id::{ApiKeyId, EnvironmentId, SigningKeyId};
use crate::settings::SigningKeySettings;
use crate::time::{Timestamp, hours};
use std::time::Duration;

/// The longest that a token of ours lives: the one in the `__session` cookie, or one by a template. A key verifies
/// at least so long after it signed last.
pub const LONGEST_TOKEN: Duration = hours(24);

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiKeyKind {
    /// For backends; never leaves a server.
    Secret,
    /// For browsers; names the environment's FAPI, opens nothing.
    Publishable,
}

impl ApiKeyKind {
    /// The word of the tables and the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Publishable => "publishable",
        }
    }
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The one environment it opens.
    pub environment_id: EnvironmentId,
    /// What it is for.
    pub kind: ApiKeyKind,
    /// The first characters, to tell keys apart.
    pub prefix: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub actions: Actions,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
    /// Since when it is worth nothing.
    pub revoked_at: Option<Timestamp>,
    /// The id of who made it; none when that was the operator at the command line.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ApiKey {
    /// Whether the key opens anything at this time.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    /// Whether this key lives at least as long as something that opens until then, or for good.
    pub fn lives_as_long_as(&self, expires_at: Option<Timestamp>) -> bool {
        self.expires_at.is_none_or(|mine| expires_at.is_some_and(|at| at <= mine))
    }
}

/// What a secret is to the key that it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretAge {
    /// The key's secret.
    Newest,
    /// The secret before the last rotation, which still counts for a while: it does what the key may do, but manages no
    /// keys. Whoever has stolen it must not outlive it.
    Retiring,
}

/// Where a signing key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningKeyStatus {
    /// Published, signs nothing yet.
    Pending,
    /// Signs.
    Active,
    /// Signs nothing any more, still verifies until its time.
    Retiring,
    /// Gone from the JWKS.
    Expired,
}

impl SigningKeyStatus {
    /// The word of the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Expired => "expired",
        }
    }
    /// Reads the word of the tables.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Retiring, Self::Expired].into_iter().find(|s| s.as_str() == text)
    }
    /// Whether the public part stands in the JWKS.
    pub const fn is_published(self) -> bool {
        !matches!(self, Self::Expired)
    }
}

/// A signing key as it is kept: its private part sealed.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Its id, the `kid`.
    pub id: SigningKeyId,
    /// `ES256` or `RS256`.
    pub algorithm: String,
    /// Where it stands.
    pub status: SigningKeyStatus,
    /// The private part, sealed under the environment's data key.
    pub sealed_private_key: String,
    /// The public part as a JWK.
    pub public_jwk: serde_json::Value,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it leaves the JWKS.
    pub retire_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl SigningKey {
    /// When a published key begins to sign: whoever checks tokens has had the whole window to fetch it.
    pub fn signs_from(&self, settings: &SigningKeySettings) -> Timestamp {
        let announced = self.created_at + Duration::from_secs(settings.pre_publish_window_seconds);
        self.activated_at.unwrap_or(announced)
    }
}
