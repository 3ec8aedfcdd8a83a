//! The environment itself.

use actix_web::web::{Data, Json};
use actix_web::{get, patch};
use domain::settings;
use engine::{Engine, settings as changes};
use serde::Serialize;
use utoipa::ToSchema;
use web::ServiceConfig;
use web::body::Document;
use web::{ApiError, ApiErrors, SecretKey, Write};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(get_instance)
        .service(update_instance)
        .service(update_restrictions)
        .service(update_organization_settings)
        .service(ping);
}

/// Shows the environment's settings.
#[utoipa::path(responses((status = 200, body = api::InstanceSettings), ApiErrors))]
#[get("/v1/instance")]
async fn get_instance(caller: SecretKey) -> Result<Json<api::InstanceSettings>, ApiError> {
    Ok(Json(api::InstanceSettings::from(&*caller.env)))
}

/// A change of what stands against attackers.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body; the domain merges it")]
pub(crate) struct AttackProtectionUpdate {
    /// The captcha.
    captcha: Option<CaptchaUpdate>,
    /// Locks by failures.
    brute_force: Option<settings::BruteForce>,
    /// Unknown identifiers answer like known ones.
    enumeration_protection: Option<bool>,
    /// Breached passwords.
    breached_passwords: Option<settings::BreachedPasswords>,
    /// New devices.
    device_tracking: Option<settings::DeviceTracking>,
}

/// A change of the captcha.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body; the domain merges it")]
pub(crate) struct CaptchaUpdate {
    /// The vendor: `none`, `hcaptcha`, `turnstile` or `recaptcha`.
    provider: Option<String>,
    /// The kind of widget: `smart`, `invisible` or `managed`.
    widget_type: Option<String>,
    /// The site key.
    #[schema(max_length = 256)]
    public_key: Option<String>,
    /// The secret key: sealed, and never shown again; null takes it away.
    #[schema(write_only, max_length = 512)]
    secret_key: Option<String>,
}

/// A change of settings: groups are merged key by key, lists and values are replaced.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body; the domain merges it")]
pub(crate) struct InstanceUpdateRequest {
    /// The name people see in mails and pages.
    application_name: Option<String>,
    /// Shown to people who need help.
    #[schema(format = "email")]
    support_email: Option<String>,
    /// Reserved, always false.
    enhanced_email_deliverability: Option<bool>,
    /// How open sign-up is.
    sign_up_modes: Option<Vec<settings::SignUpMode>>,
    /// What test addresses are worth.
    test_mode: Option<settings::TestMode>,
    /// The application's pages.
    paths: Option<settings::Paths>,
    /// The attributes of a person.
    attribute_settings: Option<settings::AttributeSettings>,
    /// What stands against attackers.
    attack_protection: Option<AttackProtectionUpdate>,
    /// Which identifiers may sign up.
    restrictions: Option<settings::Restrictions>,
    /// Sessions and their tokens.
    sessions: Option<settings::SessionSettings>,
    /// Signing keys.
    signing_keys: Option<settings::SigningKeySettings>,
    /// Second factors.
    multi_factor: Option<settings::MultiFactor>,
    /// Strategies with settings of their own.
    authentication_strategies: Option<settings::AuthenticationStrategies>,
    /// Whether a sign-up must accept the terms.
    require_legal_accepted: Option<bool>,
    /// Short messages.
    sms: Option<settings::SmsSettings>,
    /// How long the audit log is kept.
    audit_log_retention_days: Option<u32>,
    /// Whether the audit log keeps the whole address of a caller; else the network it is in, `/24` or `/48`.
    audit_full_ip: Option<bool>,
    /// Browser origins that may call with cookies.
    allowed_origins: Option<Vec<String>>,
    /// Whether people may delete their own account.
    delete_self_enabled: Option<bool>,
}

/// Changes the environment's settings.
#[utoipa::path(request_body = InstanceUpdateRequest, responses((status = 200, body = api::InstanceSettings), ApiErrors))]
#[patch("/v1/instance")]
async fn update_instance(
    Write { cx, body: Document(change), .. }: Write<Document>,
    engine: Data<Engine>,
) -> Result<Json<api::InstanceSettings>, ApiError> {
    let env = changes::update(&engine, &cx, change).await?;
    Ok(Json(api::InstanceSettings::from(&*env)))
}

/// Which identifiers may sign up.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body; the domain merges it")]
pub(crate) struct RestrictionsUpdateRequest {
    /// Only those on the allow list.
    allowlist_enabled: Option<bool>,
    /// None of the block list.
    blocklist_enabled: Option<bool>,
    /// `+tag` does not make another address.
    block_email_subaddresses: Option<bool>,
    /// Throw-away domains are refused.
    block_disposable_email_domains: Option<bool>,
    /// Dots in Gmail addresses do not make another address.
    ignore_dots_for_gmail_addresses: Option<bool>,
}

/// Changes which identifiers may sign up.
#[utoipa::path(request_body = RestrictionsUpdateRequest, responses((status = 200, body = api::InstanceSettings), ApiErrors))]
#[patch("/v1/instance/restrictions")]
async fn update_restrictions(
    Write { cx, body: Document(change), .. }: Write<Document>,
    engine: Data<Engine>,
) -> Result<Json<api::InstanceSettings>, ApiError> {
    let env = changes::update_restrictions(&engine, &cx, change).await?;
    Ok(Json(api::InstanceSettings::from(&*env)))
}

/// A change of the organization feature: what is not sent stays.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents the body; the domain merges it")]
pub(crate) struct OrganizationSettingsUpdateRequest {
    /// On or off.
    enabled: Option<bool>,
    /// So many members an organization has at most; null is no limit.
    max_allowed_memberships: Option<u32>,
    /// So many organizations somebody may make; null is no limit.
    max_organizations_per_user: Option<u32>,
    /// Whether people may make organizations.
    allow_user_created_organizations: Option<bool>,
    /// Whether admins may delete their organization.
    admin_delete_enabled: Option<bool>,
    /// Whether organizations may have domains.
    domains_enabled: Option<bool>,
    /// The ways into an organization by a domain that may be chosen.
    domains_enrollment_modes: Option<Vec<settings::EnrollmentMode>>,
    /// The role of whoever makes an organization; it has to exist.
    creator_role: Option<String>,
    /// The role of a new member; it has to exist.
    default_role: Option<String>,
    /// The role of who comes by a domain; it has to exist.
    domains_default_role: Option<String>,
}

/// Changes the organization feature.
#[utoipa::path(request_body = OrganizationSettingsUpdateRequest, responses((status = 200, body = api::OrganizationSettings), ApiErrors))]
#[patch("/v1/instance/organization-settings")]
async fn update_organization_settings(
    Write { cx, body: Document(change), .. }: Write<Document>,
    engine: Data<Engine>,
) -> Result<Json<api::OrganizationSettings>, ApiError> {
    let env = changes::update_organizations(&engine, &cx, change).await?;
    Ok(Json(api::OrganizationSettings::from(&env.settings.organizations)))
}

/// The answer of a probe.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pong {
    /// The type tag.
    object: &'static str,
    /// Which environment the key opens.
    environment_id: domain::EnvironmentId,
}

/// Says that the key works, and which environment it opens.
#[utoipa::path(responses((status = 200, body = Pong), ApiErrors))]
#[get("/v1/_ping")]
async fn ping(caller: SecretKey) -> Result<Json<Pong>, ApiError> {
    Ok(Json(Pong { object: "pong", environment_id: caller.env.id }))
}
