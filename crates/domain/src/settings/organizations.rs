//! The organization feature.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
