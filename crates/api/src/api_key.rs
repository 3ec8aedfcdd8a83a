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

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
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
    /// When it was last used, to the minute.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
    /// From when on it is worth nothing.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
    /// Since when it is worth nothing.
    #[schema(required)]
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
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
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            created_at: key.created_at,
        }
    }
}
