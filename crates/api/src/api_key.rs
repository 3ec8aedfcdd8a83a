//! A key that a backend holds.

use crate::words::{self, words};
use domain::{ApiKeyId, EnvironmentId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a key.
    ApiKeyTag ["api_key"];
    /// What a key is for.
    ApiKeyKindWord ["secret", "publishable"];
}

/// A key. Its debug output hides the secret.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The type tag.
    #[schema(schema_with = words::one::<ApiKeyTag>)]
    pub object: ApiKeyTag,
    /// The one environment it opens.
    pub environment_id: EnvironmentId,
    /// What it is for.
    #[schema(schema_with = words::one::<ApiKeyKindWord>)]
    pub kind: ApiKeyKindWord,
    /// What its owner calls it.
    pub name: String,
    /// The first characters, to tell keys apart.
    pub prefix: String,
    /// The secret: only in the answers that make or rotate the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub secret: Option<String>,
    /// What it may do: operations, and groups of them such as `users:read` and `users:write`; null is everything.
    #[schema(required)]
    pub restricted_to_actions: Option<Vec<String>>,
    /// When it was last used, to the minute.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
    /// From when on it is worth nothing.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
    /// Since when it is worth nothing.
    #[schema(required)]
    pub revoked_at: Option<Timestamp>,
    /// The id of the key that made it; null when it was made at the command line.
    #[schema(required)]
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ApiKey {
    /// A key with the secret that is shown this once.
    pub fn with_secret(key: &domain::key::ApiKey, secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..Self::from(key) }
    }
}

impl From<&domain::key::ApiKey> for ApiKey {
    fn from(key: &domain::key::ApiKey) -> Self {
        Self {
            id: key.id,
            object: ApiKeyTag("api_key"),
            environment_id: key.environment_id,
            kind: ApiKeyKindWord(key.kind.as_str()),
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            secret: None,
            restricted_to_actions: key.actions.named().map(<[String]>::to_vec),
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            created_by: key.created_by.clone(),
            created_at: key.created_at,
        }
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}
