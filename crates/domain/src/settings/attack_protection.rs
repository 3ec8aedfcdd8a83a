//! What stands against attackers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The public part of the captcha settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Captcha {
    /// The vendor: `none`, `hcaptcha`, `turnstile` or `recaptcha`.
    pub provider: String,
    /// The kind of widget: `smart`, `invisible` or `managed`.
    pub widget_type: String,
    /// The site key.
    pub public_key: Option<String>,
}

impl Default for Captcha {
    fn default() -> Self {
        Self { provider: "none".into(), widget_type: "smart".into(), public_key: None }
    }
}

impl Captcha {
    /// Whether a captcha is asked for.
    pub fn is_on(&self) -> bool {
        self.provider != "none"
    }
}

/// When guessing is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BruteForce {
    /// Whether failures lock.
    pub enabled: bool,
    /// Failures within the lock's length that lock.
    #[schema(minimum = 1)]
    pub max_attempts: u32,
    /// The lock's length; 0 never locks.
    pub lockout_duration_seconds: u32,
}

impl Default for BruteForce {
    fn default() -> Self {
        Self { enabled: true, max_attempts: 100, lockout_duration_seconds: 3600 }
    }
}

/// The check against breached passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreachedPasswords {
    /// Whether passwords are checked.
    pub enabled: bool,
    /// `range_api` or `local_file`.
    pub source: String,
}

impl Default for BreachedPasswords {
    fn default() -> Self {
        Self { enabled: false, source: "range_api".into() }
    }
}

/// Checks of devices that were not seen before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceTracking {
    /// Whether devices are told apart.
    pub enabled: bool,
    /// Whether a sign-in by password alone on a new device asks for a mailbox or a number as well.
    pub require_device_trust: bool,
}

impl DeviceTracking {
    /// Whether a new device pauses a sign-in.
    pub const fn is_required(&self) -> bool {
        self.enabled && self.require_device_trust
    }
}

/// What stands against attackers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttackProtection {
    /// The captcha.
    pub captcha: Captcha,
    /// Locks by failures.
    pub brute_force: BruteForce,
    /// Unknown identifiers answer like known ones.
    pub enumeration_protection: bool,
    /// Breached passwords.
    pub breached_passwords: BreachedPasswords,
    /// New devices.
    pub device_tracking: DeviceTracking,
}

impl Default for AttackProtection {
    fn default() -> Self {
        Self {
            captcha: Captcha::default(),
            brute_force: BruteForce::default(),
            enumeration_protection: true,
            breached_passwords: BreachedPasswords::default(),
            device_tracking: DeviceTracking::default(),
        }
    }
}
