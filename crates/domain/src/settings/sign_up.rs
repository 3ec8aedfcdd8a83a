//! Who may sign up.

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
