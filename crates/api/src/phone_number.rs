//! A phone number of a person.

use crate::words::{self, words};
use domain::user::Person;
use domain::{ChallengeId, PhoneNumberId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a phone number.
    PhoneNumberTag ["phone_number"];
}

/// A phone number of a person.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhoneNumber {
    /// Its id.
    pub id: PhoneNumberId,
    /// The type tag.
    #[schema(schema_with = words::one::<PhoneNumberTag>)]
    pub object: PhoneNumberTag,
    /// The number in E.164 form.
    #[schema(max_length = 16, pattern = r"^\+[1-9][0-9]{1,14}$")]
    pub phone_number: String,
    /// Whether its ownership was proven.
    pub verified: bool,
    /// The challenge that is open for it.
    #[schema(required)]
    pub current_challenge_id: Option<ChallengeId>,
    /// Whether messages go to it.
    pub is_primary: bool,
    /// Whether it serves as a second factor.
    pub reserved_for_second_factor: bool,
    /// Whether it is the second factor that is offered first.
    pub default_second_factor: bool,
    /// The linked account that brought it.
    #[schema(required)]
    pub linked_to_external_account_id: Option<String>,
    /// Whether it is held for an invitation.
    #[schema(required = false)]
    pub reserved: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl PhoneNumber {
    /// A number of a person, primary or not.
    pub fn new(number: &domain::user::PhoneNumber, is_primary: bool) -> Self {
        Self {
            id: number.id,
            object: PhoneNumberTag("phone_number"),
            phone_number: number.number.as_str().to_owned(),
            verified: number.verified,
            current_challenge_id: number.current_challenge_id,
            is_primary,
            reserved_for_second_factor: number.reserved_for_second_factor,
            default_second_factor: number.default_second_factor,
            linked_to_external_account_id: None,
            reserved: false,
            created_at: number.created_at,
            updated_at: number.updated_at,
        }
    }

    /// All numbers of a person.
    pub fn all(person: &Person) -> Vec<Self> {
        let primary = person.user.primary_phone_number_id;
        person.phone_numbers.iter().map(|number| Self::new(number, Some(number.id) == primary)).collect()
    }
}
