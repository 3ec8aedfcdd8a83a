//! What an environment's operator may set. The JSON form is the stored form and the wire's at once.

mod attack_protection;
mod attributes;
mod factors;
mod organizations;
mod paths;
mod sessions;
mod sign_up;

pub use attack_protection::{AttackProtection, BreachedPasswords, BruteForce, Captcha, DeviceTracking};
pub use attributes::{AttributeSetting, AttributeSettings};
pub use factors::{
    AuthenticationStrategies, BackupCodeSettings, EmailLinkSettings, FactorSwitch, MultiFactor, PasskeySettings,
};
pub use organizations::{EnrollmentMode, OrganizationSettings};
pub use paths::Paths;
pub use sessions::{SessionSettings, SigningKeySettings};
pub use sign_up::{Restrictions, SignUpMode};

use crate::disposable::is_disposable;
use crate::email::{Email, EmailRules};
use crate::environment::EnvironmentKind;
use crate::identifier::IdentifierKind;
use crate::strategy::Strategy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What test addresses are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestMode {
    /// They take the fixed code, and nothing is sent.
    Enabled,
    /// They are ordinary.
    Disabled,
    /// They are refused.
    Rejected,
}

/// What settings hold that is never shown, sealed for its place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SealedSettings {
    /// The secret key of the captcha.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captcha_secret_key: Option<String>,
}

impl SealedSettings {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Short messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmsSettings {
    /// How many may go out within a day; each of them costs money, and strangers cause them.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub daily_budget: u32,
}

impl Default for SmsSettings {
    fn default() -> Self {
        Self { daily_budget: 500 }
    }
}

/// All settings of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The name people see in mails and pages.
    pub application_name: Option<String>,
    /// Shown to people who need help.
    pub support_email: Option<String>,
    /// Reserved, always false.
    pub enhanced_email_deliverability: bool,
    /// How open sign-up is.
    pub sign_up_modes: Vec<SignUpMode>,
    /// The attributes of a person.
    pub attribute_settings: AttributeSettings,
    /// Which identifiers may sign up.
    pub restrictions: Restrictions,
    /// What stands against attackers.
    pub attack_protection: AttackProtection,
    /// Sessions and their tokens.
    pub sessions: SessionSettings,
    /// The application's pages.
    pub paths: Paths,
    /// What test addresses are worth; null is the default of the environment's kind.
    pub test_mode: Option<TestMode>,
    /// Signing keys.
    pub signing_keys: SigningKeySettings,
    /// The organization feature.
    pub organizations: OrganizationSettings,
    /// Second factors.
    pub multi_factor: MultiFactor,
    /// Strategies with settings of their own.
    pub authentication_strategies: AuthenticationStrategies,
    /// Whether a sign-up must accept the terms.
    pub require_legal_accepted: bool,
    /// Short messages.
    pub sms: SmsSettings,
    /// Browser origins that may call with cookies.
    pub allowed_origins: Vec<String>,
    /// Whether people may delete their own account.
    pub delete_self_enabled: bool,
    /// How long the audit log is kept.
    pub audit_log_retention_days: u32,
    /// Whether the audit log keeps the whole address of a caller; else the network it is in.
    pub audit_full_ip: bool,
    /// The issuer of the environment, filled in when it is read: URLs of what we serve begin with it.
    #[serde(skip)]
    pub issuer: String,
    /// What is never shown.
    #[serde(skip_serializing_if = "SealedSettings::is_empty")]
    pub secrets: SealedSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            application_name: None,
            support_email: None,
            enhanced_email_deliverability: false,
            sign_up_modes: vec![SignUpMode::Public],
            attribute_settings: AttributeSettings::default(),
            restrictions: Restrictions::default(),
            attack_protection: AttackProtection::default(),
            sessions: SessionSettings::default(),
            paths: Paths::default(),
            test_mode: None,
            signing_keys: SigningKeySettings::default(),
            organizations: OrganizationSettings::default(),
            multi_factor: MultiFactor::default(),
            authentication_strategies: AuthenticationStrategies::default(),
            require_legal_accepted: false,
            sms: SmsSettings::default(),
            allowed_origins: Vec::new(),
            delete_self_enabled: true,
            audit_log_retention_days: 90,
            audit_full_ip: false,
            issuer: String::new(),
            secrets: SealedSettings::default(),
        }
    }
}

impl Settings {
    /// How e-mail addresses are compared here.
    pub fn email_rules(&self) -> EmailRules {
        EmailRules {
            ignore_dots_for_gmail: self.restrictions.ignore_dots_for_gmail_addresses,
            strip_subaddress: self.restrictions.block_email_subaddresses,
        }
    }

    /// The form of an address that is compared here.
    pub fn canonical(&self, email: &Email) -> String {
        email.canonical(self.email_rules())
    }

    /// Whether an address may become somebody's: at sign-up, or beside others.
    pub fn takes_address(&self, email: &Email) -> bool {
        !(self.restrictions.block_disposable_email_domains && is_disposable(email.domain()))
    }

    /// What test addresses are worth in an environment of this kind.
    pub fn test_mode(&self, kind: EnvironmentKind) -> TestMode {
        self.test_mode.unwrap_or(match kind {
            EnvironmentKind::Production => TestMode::Rejected,
            EnvironmentKind::Development | EnvironmentKind::Staging => TestMode::Enabled,
        })
    }

    /// The one mode that counts: the strictest of those listed.
    pub fn sign_up_mode(&self) -> SignUpMode {
        if self.sign_up_modes.contains(&SignUpMode::Waitlist) {
            SignUpMode::Waitlist
        } else if self.sign_up_modes.contains(&SignUpMode::Restricted) || self.restrictions.allowlist_enabled {
            SignUpMode::Restricted
        } else {
            SignUpMode::Public
        }
    }

    /// The kinds of identifier that sign-in takes; never empty.
    pub fn supported_identifiers(&self) -> Vec<IdentifierKind> {
        let attributes = &self.attribute_settings;
        let mut kinds = Vec::new();
        if attributes.email_address.enabled {
            kinds.push(IdentifierKind::EmailAddress);
        }
        if attributes.phone_number.enabled {
            kinds.push(IdentifierKind::PhoneNumber);
        }
        if attributes.username.enabled {
            kinds.push(IdentifierKind::Username);
        }
        if kinds.is_empty() {
            kinds.push(IdentifierKind::EmailAddress);
        }
        kinds
    }

    /// The first factors that are switched on for an identifier of this kind, whoever it names.
    pub fn first_factors(&self, kind: IdentifierKind) -> Vec<Strategy> {
        let attributes = &self.attribute_settings;
        let mut strategies = Vec::new();
        if attributes.password.enabled {
            strategies.push(Strategy::Password);
        }
        if kind == IdentifierKind::EmailAddress && attributes.email_address.enabled {
            for strategy in [Strategy::EmailCode, Strategy::EmailLink] {
                if self.takes(&attributes.email_address, strategy) {
                    strategies.push(strategy);
                }
            }
            if attributes.password.enabled {
                strategies.push(Strategy::ResetPasswordEmailCode);
            }
        }
        let phone = &attributes.phone_number;
        if kind == IdentifierKind::PhoneNumber && phone.enabled && phone.used_for_first_factor {
            strategies.push(Strategy::PhoneCode);
        }
        strategies.push(Strategy::Ticket);
        strategies.extend(self.identifying_factors());
        strategies
    }

    /// The first factors that say by themselves who it is.
    pub fn identifying_factors(&self) -> Vec<Strategy> {
        if self.authentication_strategies.passkey.enabled { vec![Strategy::Passkey] } else { Vec::new() }
    }

    /// Whether an attribute may be proven in this way.
    pub fn takes(&self, attribute: &AttributeSetting, strategy: Strategy) -> bool {
        attribute.verifications.iter().any(|v| v == strategy.as_str())
    }

    /// By what somebody can show here that a new device is their own.
    pub fn trust_proofs(&self) -> Vec<Strategy> {
        let attributes = &self.attribute_settings;
        let ways = [
            (&attributes.email_address, Strategy::EmailCode),
            (&attributes.email_address, Strategy::EmailLink),
            (&attributes.phone_number, Strategy::PhoneCode),
        ];
        let on = ways.into_iter().filter(|(attribute, way)| attribute.enabled && self.takes(attribute, *way));
        on.map(|(_, way)| way).collect()
    }

    /// Whether somebody without a second factor can get one here. Backup codes are none to begin with: whoever loses
    /// them has lost everything.
    pub fn enrols_second_factors(&self) -> bool {
        let multi = &self.multi_factor;
        multi.totp.enabled
            || (multi.phone_code.enabled && self.attribute_settings.phone_number.enabled)
            || (multi.passkey_counts_as_mfa && self.authentication_strategies.passkey.enabled)
    }

    /// The second factors that may be enrolled.
    pub fn second_factors(&self) -> Vec<Strategy> {
        let multi = &self.multi_factor;
        let switches = [
            (multi.totp.enabled, Strategy::Totp),
            (multi.phone_code.enabled, Strategy::PhoneCode),
            (multi.backup_codes.enabled, Strategy::BackupCode),
        ];
        switches.into_iter().filter(|(on, _)| *on).map(|(_, strategy)| strategy).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_document_is_the_defaults_and_unknown_keys_are_refused() {
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
        assert!(serde_json::from_str::<Settings>(r#"{"sesions":{}}"#).is_err());
        let text = serde_json::to_string(&Settings::default()).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), Settings::default());
    }

    #[test]
    fn the_strictest_sign_up_mode_counts() {
        let mut settings =
            Settings { sign_up_modes: vec![SignUpMode::Public, SignUpMode::Waitlist], ..Settings::default() };
        assert_eq!(settings.sign_up_mode(), SignUpMode::Waitlist);
        settings.sign_up_modes = vec![SignUpMode::Public];
        settings.restrictions.allowlist_enabled = true;
        assert_eq!(settings.sign_up_mode(), SignUpMode::Restricted);
    }

    #[test]
    fn production_refuses_test_addresses_by_default() {
        assert_eq!(Settings::default().test_mode(EnvironmentKind::Production), TestMode::Rejected);
        assert_eq!(Settings::default().test_mode(EnvironmentKind::Staging), TestMode::Enabled);
    }
}
