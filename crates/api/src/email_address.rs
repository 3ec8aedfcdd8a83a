//! An e-mail address of a person.

use crate::words::{self, words};
use domain::{ChallengeId, EmailAddressId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of an e-mail address.
    EmailAddressTag ["email_address"];
}

/// An e-mail address of a person.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailAddress {
    /// Its id.
    pub id: EmailAddressId,
    /// The type tag.
    #[schema(schema_with = words::one::<EmailAddressTag>)]
    pub object: EmailAddressTag,
    /// The address, in lower case.
    #[schema(format = "email", max_length = 254)]
    pub email_address: String,
    /// Whether its ownership was proven.
    pub verified: bool,
    /// The challenge that is open for it.
    #[schema(required)]
    pub current_challenge_id: Option<ChallengeId>,
    /// The linked accounts that brought it.
    pub linked_to: Vec<LinkedTo>,
    /// Whether it is held for an invitation.
    #[schema(required = false)]
    pub reserved: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A linked account that brought an address.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkedTo {
    /// The id of the linked account.
    pub id: String,
    /// The kind of the linked account.
    #[serde(rename = "type")]
    pub kind: String,
}

impl From<&domain::user::EmailAddress> for EmailAddress {
    fn from(address: &domain::user::EmailAddress) -> Self {
        Self {
            id: address.id,
            object: EmailAddressTag("email_address"),
            email_address: address.email.as_str().to_owned(),
            verified: address.verified,
            current_challenge_id: address.current_challenge_id,
            linked_to: Vec::new(),
            reserved: false,
            created_at: address.created_at,
            updated_at: address.updated_at,
        }
    }
}
