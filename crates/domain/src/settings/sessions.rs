//! Sessions, their tokens, and the keys that sign them.

use crate::jwt_template::{DEFAULT, FLAT};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long sessions and their tokens live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSettings {
    /// The most a session lives.
    #[schema(minimum = 60)]
    pub lifetime_seconds: u64,
    /// How long a session lives without being used; null never ends one.
    pub inactivity_timeout_seconds: Option<u64>,
    /// Several people may be signed in on one client.
    pub multi_session: bool,
    /// So many sessions on one client at most.
    #[schema(minimum = 1)]
    pub max_concurrent_sessions_per_client: u32,
    /// Reserved.
    pub url_based_session_syncing: bool,
    /// How long a session token lives.
    #[schema(minimum = 30)]
    pub session_token_lifetime_seconds: u64,
    /// The JWT template that tokens are minted by when none is named; null and `default` mint session tokens.
    pub session_token_template: Option<String>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            lifetime_seconds: 604_800,
            inactivity_timeout_seconds: None,
            multi_session: true,
            max_concurrent_sessions_per_client: 10,
            url_based_session_syncing: false,
            session_token_lifetime_seconds: 60,
            session_token_template: None,
        }
    }
}

impl SessionSettings {
    /// The template that tokens are minted by when none is named; none when that are session tokens.
    pub fn own_template(&self) -> Option<&str> {
        self.session_token_template.as_deref().filter(|name| ![DEFAULT, FLAT].contains(name))
    }
}

/// How signing keys are made and when they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SigningKeySettings {
    /// `ES256` or `RS256`.
    pub session_token_algorithm: String,
    /// How long a key signs.
    #[schema(minimum = 1)]
    pub rotation_cadence_days: u32,
    /// How long a key is published before it signs.
    pub pre_publish_window_seconds: u64,
    /// How long a key verifies after it signed last.
    #[schema(minimum = 86_400)]
    pub retire_window_seconds: u64,
}

impl Default for SigningKeySettings {
    fn default() -> Self {
        Self {
            session_token_algorithm: "ES256".into(),
            rotation_cadence_days: 90,
            pre_publish_window_seconds: 86_400,
            retire_window_seconds: 604_800,
        }
    }
}
