//! What an environment's operator may set. The JSON form is the stored form and the wire's at once.

use crate::disposable::is_disposable;
use crate::email::{Email, EmailRules};
use crate::environment::EnvironmentKind;
use crate::identifier::IdentifierKind;
use crate::jwt_template::{DEFAULT, FLAT};
use crate::strategy::Strategy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How open sign-up is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignUpMode {
    /// Anybody.
    Public,
    /// Those on the allow list.
    Restricted,
    /// Nobody without an invitation.
    Waitlist,
}

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

/// Which identifiers may sign up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Restrictions {
    /// Only those on the allow list.
    pub allowlist_enabled: bool,
    /// None of the block list.
    pub blocklist_enabled: bool,
    /// `+tag` does not make another address.
    pub block_email_subaddresses: bool,
    /// Throw-away domains are refused.
    pub block_disposable_email_domains: bool,
    /// Dots in Gmail addresses do not make another address.
    pub ignore_dots_for_gmail_addresses: bool,
}

impl Default for Restrictions {
    fn default() -> Self {
        Self {
            allowlist_enabled: false,
            blocklist_enabled: true,
            block_email_subaddresses: false,
            block_disposable_email_domains: false,
            ignore_dots_for_gmail_addresses: true,
        }
    }
}

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

/// Where the pages of the application are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Paths {
    /// The sign-in page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_in_url: Option<String>,
    /// The sign-up page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_up_url: Option<String>,
    /// Where a sign-in lands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_sign_in_url: Option<String>,
    /// Where a sign-up lands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_sign_up_url: Option<String>,
    /// Where somebody lands who must sign in first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unauthorized_sign_in_url: Option<String>,
    /// The profile page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_profile_url: Option<String>,
    /// The page that makes an organization.
    pub create_organization_url: Option<String>,
    /// The page of an organization.
    pub organization_profile_url: Option<String>,
    /// Where leaving an organization lands.
    pub after_leave_organization_url: Option<String>,
    /// Where making an organization lands.
    pub after_create_organization_url: Option<String>,
    /// The application's home.
    pub home_url: Option<String>,
}

impl Paths {
    /// Every page by the name of its setting.
    pub(crate) fn all(&self) -> [(&'static str, Option<&str>); 11] {
        [
            ("paths.sign_in_url", self.sign_in_url.as_deref()),
            ("paths.sign_up_url", self.sign_up_url.as_deref()),
            ("paths.after_sign_in_url", self.after_sign_in_url.as_deref()),
            ("paths.after_sign_up_url", self.after_sign_up_url.as_deref()),
            ("paths.unauthorized_sign_in_url", self.unauthorized_sign_in_url.as_deref()),
            ("paths.user_profile_url", self.user_profile_url.as_deref()),
            ("paths.create_organization_url", self.create_organization_url.as_deref()),
            ("paths.organization_profile_url", self.organization_profile_url.as_deref()),
            ("paths.after_leave_organization_url", self.after_leave_organization_url.as_deref()),
            ("paths.after_create_organization_url", self.after_create_organization_url.as_deref()),
            ("paths.home_url", self.home_url.as_deref()),
        ]
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

/// How somebody whose address is at a domain of an organization gets into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentMode {
    /// Somebody invites them.
    ManualInvitation,
    /// They are invited by themselves.
    AutomaticInvitation,
    /// They may ask.
    AutomaticSuggestion,
}

/// The organization feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrganizationSettings {
    /// On or off.
    pub enabled: bool,
    /// So many members an organization has at most; null is no limit.
    pub max_allowed_memberships: Option<u32>,
    /// So many organizations somebody may make; null is no limit.
    pub max_organizations_per_user: Option<u32>,
    /// Whether people may make organizations.
    pub allow_user_created_organizations: bool,
    /// Whether admins may delete their organization.
    pub admin_delete_enabled: bool,
    /// Whether organizations may have domains.
    pub domains_enabled: bool,
    /// The ways into an organization by a domain that may be chosen.
    pub domains_enrollment_modes: Vec<EnrollmentMode>,
    /// The role of whoever makes an organization.
    pub creator_role: String,
    /// The role of a new member.
    pub default_role: String,
    /// The role of who comes by a domain.
    pub domains_default_role: String,
}

impl Default for OrganizationSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            max_allowed_memberships: None,
            max_organizations_per_user: None,
            allow_user_created_organizations: true,
            admin_delete_enabled: true,
            domains_enabled: true,
            domains_enrollment_modes: vec![
                EnrollmentMode::ManualInvitation,
                EnrollmentMode::AutomaticInvitation,
                EnrollmentMode::AutomaticSuggestion,
            ],
            creator_role: "org:admin".into(),
            default_role: "org:member".into(),
            domains_default_role: "org:member".into(),
        }
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
