//! What a browser may know of an environment.

use crate::open::OpenObject;
use crate::words::{self, words};
use domain::appearance::{Appearance, Layout, Variables};
use domain::etag::ETag;
use domain::identifier::IdentifierKind;
use domain::localization::{Localization, Texts};
use domain::settings::{
    AttributeSetting, AttributeSettings, Captcha, OrganizationSettings, Paths, Settings, SignUpMode,
};
use domain::{EnvironmentId, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

words! {
    /// The type tag of an environment.
    EnvironmentTag ["environment"];
    /// Whether an identifier is asked for.
    Requirement ["required", "optional", "off"];
    /// The way to sign in that is offered first.
    PreferredStrategy ["password", "otp"];
}

/// What a browser may know of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The type tag.
    #[schema(schema_with = words::one::<EnvironmentTag>)]
    pub object: EnvironmentTag,
    /// Its id.
    pub id: EnvironmentId,
    /// How people sign in and up.
    pub auth_config: AuthConfig,
    /// How the application presents itself.
    pub display_config: DisplayConfig,
    /// The attributes of a person.
    pub user_settings: AttributeSettings,
    /// The organization feature.
    pub organization_settings: OrganizationSettings,
    /// The billing feature.
    pub commerce_settings: FeatureSwitch,
    /// The captcha.
    pub captcha: Captcha,
    /// The languages.
    pub localization: EnvironmentLocalization,
    /// The social providers that are offered.
    pub oauth_providers: Vec<OpenObject>,
    /// How the components look.
    pub appearance: EnvironmentAppearance,
    /// Where the pages of the application are.
    pub paths: Paths,
    /// Sessions and their tokens.
    pub sessions: SessionPolicy,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// How people sign in and up.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// The first factors in use.
    pub first_factors: Vec<&'static str>,
    /// The second factors that may be enrolled.
    pub second_factors: Vec<&'static str>,
    /// Which identifiers are asked for.
    pub identifier_requirements: IdentifierRequirements,
    /// How open sign-up is.
    pub sign_up_modes: Vec<SignUpMode>,
}

/// Which identifiers are asked for at sign-up.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentifierRequirements {
    /// E-mail address.
    #[schema(schema_with = words::one::<Requirement>)]
    pub email_address: Requirement,
    /// Phone number.
    #[schema(schema_with = words::one::<Requirement>)]
    pub phone_number: Requirement,
    /// User name.
    #[schema(schema_with = words::one::<Requirement>)]
    pub username: Requirement,
}

/// How the application presents itself.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisplayConfig {
    /// The application's name.
    pub application_name: String,
    /// The application's home.
    #[schema(format = "uri")]
    pub home_url: Option<String>,
    /// The logo.
    #[schema(format = "uri")]
    pub logo_url: Option<String>,
    /// The icon.
    #[schema(format = "uri")]
    pub favicon_url: Option<String>,
    /// For people who need help.
    #[schema(format = "email")]
    pub support_email: Option<String>,
    /// The way to sign in that is offered first.
    #[schema(schema_with = words::one::<PreferredStrategy>)]
    pub preferred_sign_in_strategy: PreferredStrategy,
    /// The sign-in page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    pub sign_in_url: Option<String>,
    /// The sign-up page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    pub sign_up_url: Option<String>,
    /// Where a sign-in lands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    pub after_sign_in_url: Option<String>,
    /// Where a sign-up lands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    pub after_sign_up_url: Option<String>,
    /// Whether the maker's badge is shown.
    pub branded: bool,
    /// The accent colour.
    pub brand_color: Option<String>,
    /// The application's own theme.
    pub theme: OpenObject,
}

/// Whether a feature is on.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureSwitch {
    /// On or off.
    pub enabled: bool,
}

/// The languages of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentLocalization {
    /// The language of somebody with no wish.
    pub default_locale: String,
    /// The language of texts that another lacks.
    pub fallback_locale: String,
    /// The languages on offer.
    pub supported_locales: Vec<String>,
    /// Changes when the texts do.
    pub override_etag: String,
}

impl EnvironmentLocalization {
    /// The languages, and the tag of their texts.
    pub fn new(localization: &Localization, tag: &ETag) -> Self {
        Self {
            default_locale: localization.default_locale.clone(),
            fallback_locale: localization.fallback_locale.clone(),
            supported_locales: localization.supported_locales.clone(),
            override_etag: tag.to_string(),
        }
    }
}

/// How the components look.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentAppearance {
    /// Changes when the look does.
    pub etag: String,
    /// Tokens of the style sheet.
    pub variables: Variables,
    /// Class names by element.
    pub elements: BTreeMap<String, String>,
    /// How things are put together.
    pub layout: Layout,
}

impl EnvironmentAppearance {
    /// The look, and its tag.
    pub fn new(appearance: &Appearance, tag: &ETag) -> Self {
        let Appearance { variables, elements, layout } = appearance.clone();
        Self { etag: tag.to_string(), variables, elements, layout }
    }
}

/// The texts of a language.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalizationCatalog {
    /// The language.
    pub locale: String,
    /// Every text by its key.
    pub catalog: Texts,
}

/// Sessions and their tokens, as far as browsers need to know.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionPolicy {
    /// How long a session token lives.
    #[schema(minimum = 1)]
    pub session_token_lifetime_seconds: u64,
    /// Several people may be signed in on one client.
    pub multi_session: bool,
}

impl Environment {
    /// What a browser may know of an environment, of its look and of its languages.
    pub fn new(
        env: &domain::environment::Environment,
        appearance: EnvironmentAppearance,
        localization: EnvironmentLocalization,
    ) -> Self {
        let settings = &env.settings;
        Self {
            object: EnvironmentTag("environment"),
            id: env.id,
            auth_config: AuthConfig::from(settings),
            display_config: DisplayConfig::new(&env.name, settings),
            user_settings: settings.attribute_settings.clone(),
            organization_settings: settings.organizations.clone(),
            commerce_settings: FeatureSwitch { enabled: false },
            captcha: settings.attack_protection.captcha.clone(),
            localization,
            oauth_providers: Vec::new(),
            appearance,
            paths: settings.paths.clone(),
            sessions: SessionPolicy {
                session_token_lifetime_seconds: settings.sessions.session_token_lifetime_seconds,
                multi_session: settings.sessions.multi_session,
            },
            created_at: env.created_at,
            updated_at: env.updated_at,
        }
    }
}

impl From<&Settings> for AuthConfig {
    fn from(settings: &Settings) -> Self {
        let mut first_factors = Vec::new();
        for kind in [IdentifierKind::EmailAddress, IdentifierKind::PhoneNumber, IdentifierKind::Username] {
            for strategy in settings.first_factors(kind) {
                if !first_factors.contains(&strategy.as_str()) {
                    first_factors.push(strategy.as_str());
                }
            }
        }
        let attributes = &settings.attribute_settings;
        Self {
            first_factors,
            second_factors: settings.second_factors().into_iter().map(|s| s.as_str()).collect(),
            identifier_requirements: IdentifierRequirements {
                email_address: requirement(&attributes.email_address),
                phone_number: requirement(&attributes.phone_number),
                username: requirement(&attributes.username),
            },
            sign_up_modes: settings.sign_up_modes.clone(),
        }
    }
}

fn requirement(setting: &AttributeSetting) -> Requirement {
    match (setting.enabled, setting.required) {
        (false, _) => Requirement("off"),
        (true, true) => Requirement("required"),
        (true, false) => Requirement("optional"),
    }
}

impl DisplayConfig {
    fn new(name: &str, settings: &Settings) -> Self {
        let paths = &settings.paths;
        let preferred = if settings.attribute_settings.password.enabled { "password" } else { "otp" };
        Self {
            application_name: settings.application_name.clone().unwrap_or_else(|| name.to_owned()),
            home_url: paths.home_url.clone(),
            logo_url: None,
            favicon_url: None,
            support_email: settings.support_email.clone(),
            preferred_sign_in_strategy: PreferredStrategy(preferred),
            sign_in_url: paths.sign_in_url.clone(),
            sign_up_url: paths.sign_up_url.clone(),
            after_sign_in_url: paths.after_sign_in_url.clone(),
            after_sign_up_url: paths.after_sign_up_url.clone(),
            branded: false,
            brand_color: None,
            theme: OpenObject::default(),
        }
    }
}
