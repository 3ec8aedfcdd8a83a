//! Where the pages of the application are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
