//! Second factors, and strategies with settings of their own.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a kind of second factor may be enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorSwitch {
    /// On or off.
    pub enabled: bool,
}

/// Whether and how many backup codes there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupCodeSettings {
    /// On or off.
    pub enabled: bool,
    /// Codes in a batch.
    #[schema(minimum = 4, maximum = 24)]
    pub default_count: u32,
}

/// Second factors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MultiFactor {
    /// Authenticator apps.
    pub totp: FactorSwitch,
    /// Backup codes.
    pub backup_codes: BackupCodeSettings,
    /// Codes by SMS.
    pub phone_code: FactorSwitch,
    /// A passkey with user verification is enough.
    pub passkey_counts_as_mfa: bool,
    /// An enterprise sign-in with MFA is enough.
    pub enterprise_sso_counts_as_mfa: bool,
    /// Everybody must have one: whoever has none begins sessions that are pending until one is enrolled.
    pub required: bool,
}

impl Default for MultiFactor {
    fn default() -> Self {
        Self {
            totp: FactorSwitch { enabled: true },
            backup_codes: BackupCodeSettings { enabled: true, default_count: 10 },
            phone_code: FactorSwitch { enabled: false },
            passkey_counts_as_mfa: false,
            enterprise_sso_counts_as_mfa: false,
            required: false,
        }
    }
}

/// Passkeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasskeySettings {
    /// Whether new ones may be enrolled and sign-in offers them; those enrolled go on working.
    pub enabled: bool,
    /// The relying party id; null is the host of the FAPI.
    pub rp_id: Option<String>,
}

impl Default for PasskeySettings {
    fn default() -> Self {
        Self { enabled: true, rp_id: None }
    }
}

/// Links by e-mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmailLinkSettings {
    /// Whether the click counts only in the browser that asked for the link.
    pub require_same_client: bool,
}

/// Strategies with settings of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticationStrategies {
    /// Passkeys.
    pub passkey: PasskeySettings,
    /// Links by e-mail.
    pub email_link: EmailLinkSettings,
}
