//! The attributes of a person: what is collected, and what proves it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The policy of one attribute of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeSetting {
    /// Collected at sign-up.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Mandatory at sign-up.
    #[serde(default)]
    pub required: bool,
    /// Identifies or proves at sign-in.
    #[serde(default)]
    pub used_for_first_factor: bool,
    /// Proves as a second factor.
    #[serde(default)]
    pub used_for_second_factor: bool,
    /// Accepted ways to prove it.
    #[serde(default)]
    pub verifications: Vec<String>,
    /// Must be proven before a sign-up completes.
    #[serde(default)]
    pub verify_at_sign_up: bool,
}

fn yes() -> bool {
    true
}

impl AttributeSetting {
    fn off() -> Self {
        Self { enabled: false, ..Self::optional() }
    }
    fn optional() -> Self {
        Self {
            enabled: true,
            required: false,
            used_for_first_factor: false,
            used_for_second_factor: false,
            verifications: Vec::new(),
            verify_at_sign_up: false,
        }
    }
}

/// The policy of each attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttributeSettings {
    /// E-mail address.
    pub email_address: AttributeSetting,
    /// Phone number.
    pub phone_number: AttributeSetting,
    /// User name.
    pub username: AttributeSetting,
    /// Given name.
    pub first_name: AttributeSetting,
    /// Family name.
    pub last_name: AttributeSetting,
    /// Password.
    pub password: AttributeSetting,
}

impl Default for AttributeSettings {
    fn default() -> Self {
        Self {
            email_address: AttributeSetting {
                required: true,
                used_for_first_factor: true,
                verifications: vec!["email_code".into()],
                verify_at_sign_up: true,
                ..AttributeSetting::optional()
            },
            phone_number: AttributeSetting {
                verifications: vec!["phone_code".into()],
                verify_at_sign_up: true,
                ..AttributeSetting::off()
            },
            username: AttributeSetting::off(),
            first_name: AttributeSetting::optional(),
            last_name: AttributeSetting::optional(),
            password: AttributeSetting { required: true, used_for_first_factor: true, ..AttributeSetting::optional() },
        }
    }
}
