//! A passkey of a person.

use crate::words::{self, words};
use domain::{PasskeyId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a passkey.
    PasskeyTag ["passkey"];
}

/// A passkey of a person.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    /// Its id.
    pub id: PasskeyId,
    /// The type tag.
    #[schema(schema_with = words::one::<PasskeyTag>)]
    pub object: PasskeyTag,
    /// What the person calls it.
    #[schema(max_length = 100)]
    pub nickname: String,
    /// How the authenticator is reached.
    pub transports: Vec<String>,
    /// The model of the authenticator, where it says so.
    #[schema(required, format = "uuid")]
    pub aaguid: Option<String>,
    /// Whether the registration was finished.
    pub verified: bool,
    /// When it last proved something.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The passkeys of a person.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyList {
    /// The newest first.
    pub data: Vec<Passkey>,
    /// How many there are.
    #[schema(minimum = 0)]
    pub total_count: u32,
}

impl From<Vec<domain::user::Passkey>> for PasskeyList {
    fn from(keys: Vec<domain::user::Passkey>) -> Self {
        let total_count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        Self { data: keys.iter().map(Passkey::from).collect(), total_count }
    }
}

impl From<&domain::user::Passkey> for Passkey {
    fn from(key: &domain::user::Passkey) -> Self {
        Self {
            id: key.id,
            object: PasskeyTag("passkey"),
            nickname: key.nickname.clone(),
            transports: key.transports.clone(),
            aaguid: key.aaguid.clone(),
            verified: true,
            last_used_at: key.last_used_at,
            created_at: key.created_at,
            updated_at: key.updated_at,
        }
    }
}
