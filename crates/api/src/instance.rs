//! What a backend sees of its environment's settings.

use crate::words::{self, words};
use domain::settings::{
    AttackProtection, AttributeSettings, AuthenticationStrategies, EnrollmentMode, MultiFactor, Paths, Restrictions,
    SessionSettings, SignUpMode, SigningKeySettings, SmsSettings, TestMode,
};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of the settings.
    InstanceSettingsTag ["instance_settings"];
    /// The type tag of the settings of organizations.
    OrganizationSettingsTag ["organization_settings"];
}

/// The settings of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceSettings {
    /// The type tag.
    #[schema(schema_with = words::one::<InstanceSettingsTag>)]
    pub object: InstanceSettingsTag,
    /// Shown to people who need help.
    #[schema(format = "email")]
    pub support_email: Option<String>,
    /// Reserved, always false.
    #[schema(required = false)]
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
    /// What test addresses are worth.
    pub test_mode: TestMode,
    /// Signing keys.
    pub signing_keys: SigningKeySettings,
    /// The organization feature.
    pub organizations: domain::settings::OrganizationSettings,
    /// Second factors.
    pub multi_factor: MultiFactor,
    /// Strategies with settings of their own.
    #[schema(required = false)]
    pub authentication_strategies: AuthenticationStrategies,
    /// Whether a sign-up must accept the terms.
    #[schema(required = false)]
    pub require_legal_accepted: bool,
    /// Whether people may delete their own account.
    #[schema(required = false)]
    pub delete_self_enabled: bool,
    /// Short messages.
    #[schema(required = false)]
    pub sms: SmsSettings,
    /// Browser origins that may call with cookies.
    #[schema(required = false)]
    pub allowed_origins: Vec<String>,
    /// How long the audit log is kept.
    #[schema(minimum = 1, maximum = 3650)]
    pub audit_log_retention_days: u32,
    /// Whether the audit log keeps the whole address of a caller; else the network it is in, `/24` or `/48`.
    #[schema(required = false)]
    pub audit_full_ip: bool,
}

impl From<&domain::environment::Environment> for InstanceSettings {
    fn from(env: &domain::environment::Environment) -> Self {
        let settings = env.settings.clone();
        let test_mode = settings.test_mode(env.kind);
        Self {
            object: InstanceSettingsTag("instance_settings"),
            support_email: settings.support_email,
            enhanced_email_deliverability: settings.enhanced_email_deliverability,
            sign_up_modes: settings.sign_up_modes,
            attribute_settings: settings.attribute_settings,
            restrictions: settings.restrictions,
            attack_protection: settings.attack_protection,
            sessions: settings.sessions,
            paths: settings.paths,
            test_mode,
            signing_keys: settings.signing_keys,
            organizations: settings.organizations,
            multi_factor: settings.multi_factor,
            authentication_strategies: settings.authentication_strategies,
            require_legal_accepted: settings.require_legal_accepted,
            delete_self_enabled: settings.delete_self_enabled,
            sms: settings.sms,
            allowed_origins: settings.allowed_origins,
            audit_log_retention_days: settings.audit_log_retention_days,
            audit_full_ip: settings.audit_full_ip,
        }
    }
}

/// The organization feature, as its own door answers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = OrganizationSettingsAnswer)]
#[serde(deny_unknown_fields)]
pub struct OrganizationSettings {
    /// The type tag.
    #[schema(schema_with = words::one::<OrganizationSettingsTag>)]
    pub object: OrganizationSettingsTag,
    /// On or off.
    pub enabled: bool,
    /// So many members an organization has at most; null is no limit.
    #[schema(required)]
    pub max_allowed_memberships: Option<u32>,
    /// So many organizations somebody may make; null is no limit.
    #[schema(required)]
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

impl From<&domain::settings::OrganizationSettings> for OrganizationSettings {
    fn from(settings: &domain::settings::OrganizationSettings) -> Self {
        let settings = settings.clone();
        Self {
            object: OrganizationSettingsTag("organization_settings"),
            enabled: settings.enabled,
            max_allowed_memberships: settings.max_allowed_memberships,
            max_organizations_per_user: settings.max_organizations_per_user,
            allow_user_created_organizations: settings.allow_user_created_organizations,
            admin_delete_enabled: settings.admin_delete_enabled,
            domains_enabled: settings.domains_enabled,
            domains_enrollment_modes: settings.domains_enrollment_modes,
            creator_role: settings.creator_role,
            default_role: settings.default_role,
            domains_default_role: settings.domains_default_role,
        }
    }
}
