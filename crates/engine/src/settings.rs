//! The settings of an environment, as its backend changes them.

use crate::captcha::SECRET_PLACE;
use crate::configuration::told;
use crate::refusals::stored;
use crate::{Engine, StorageError, events, idempotency, tenancy};
use crypto::Secret;
use domain::environment::{Environment, EnvironmentKind};
use domain::event::{Event, EventType};
use domain::settings::{SessionSettings, Settings, TestMode};
use domain::{Context, Kind, Patch, Problem, Refusal, Verdict, code};
use outbound::BreachSource;
use protocols::webauthn::RelyingParty;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use storage::Tx;

const RP_ID: &str = "authentication_strategies.passkey.rp_id";

/// Why settings are not changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// What was sent cannot be taken.
    #[error("the settings cannot be taken")]
    Fields(Vec<Problem>),
    /// The database failed.
    #[error("the settings cannot be changed")]
    Storage(#[from] StorageError),
}
stored!(SettingsError);

impl Refusal for SettingsError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Fields(problems) => Verdict::Refused(problems.clone()),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// What is no domain name, or one that strangers share, would leave everybody without passkeys.
fn check_rp_id(settings: &Settings) -> Result<(), SettingsError> {
    let Some(id) = &settings.authentication_strategies.passkey.rp_id else { return Ok(()) };
    let problem = || Problem::of_param(Kind::Invalid, code::PARAM_VALUE_INVALID, RP_ID);
    RelyingParty::new(id, "", &[]).map(drop).map_err(|_| SettingsError::Fields(vec![problem()]))
}

/// A template that tokens shall be minted by has to be there. One that is renamed or deleted takes the setting along.
async fn check_template(
    tx: &mut Tx<'_>,
    cx: &Context,
    before: &SessionSettings,
    after: &SessionSettings,
) -> Result<(), SettingsError> {
    let Some(name) = after.own_template().filter(|name| before.own_template() != Some(name)) else { return Ok(()) };
    match storage::jwt_templates::by_name(tx, cx.env, name).await? {
        Some(_) => Ok(()),
        None => Err(SettingsError::Fields(vec![of_value("sessions.session_token_template")])),
    }
}

/// Which part of the settings a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Instance,
    Organizations,
}

/// Merges a change into the settings. Every process follows within a second, this one at once.
pub async fn update(
    engine: &Engine,
    cx: &Context,
    change: Map<String, Value>,
) -> Result<Arc<Environment>, SettingsError> {
    write(engine, cx, change, Door::Instance).await
}

/// Merges a change of the restrictions; a problem names the key as it was sent, without its group.
pub async fn update_restrictions(
    engine: &Engine,
    cx: &Context,
    change: Map<String, Value>,
) -> Result<Arc<Environment>, SettingsError> {
    const GROUP: &str = "restrictions";
    let whole = Map::from_iter([(GROUP.to_owned(), Value::Object(change))]);
    write(engine, cx, whole, Door::Instance).await.map_err(|error| bare(error, GROUP))
}

/// Merges a change of the organization feature; problems name keys without their group, too.
pub async fn update_organizations(
    engine: &Engine,
    cx: &Context,
    change: Map<String, Value>,
) -> Result<Arc<Environment>, SettingsError> {
    write(engine, cx, change, Door::Organizations).await.map_err(|error| bare(error, "organizations"))
}

fn bare(error: SettingsError, group: &str) -> SettingsError {
    let bare = |problem: Problem| match problem.meta.get("param").and_then(Value::as_str) {
        Some(param) => {
            let bare = param.strip_prefix(group).and_then(|rest| rest.strip_prefix('.')).unwrap_or(param).to_owned();
            problem.with("param", bare)
        }
        None => problem,
    };
    match error {
        SettingsError::Fields(problems) => SettingsError::Fields(problems.into_iter().map(bare).collect()),
        other => other,
    }
}

async fn write(
    engine: &Engine,
    cx: &Context,
    change: Map<String, Value>,
    door: Door,
) -> Result<Arc<Environment>, SettingsError> {
    let gone = || tenancy::fault("the environment is gone");
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let has_file = engine.shared().breached().has_file();
    let mut change = change;
    let secret_key = secret_key(&mut change).map_err(|problem| SettingsError::Fields(vec![*problem]))?;
    engine
        .write(cx, async move |tx, cx| {
            let mut env = storage::environments::lock(tx, cx.env).await?.ok_or_else(gone)?;
            let before = env.clone();
            match &secret_key {
                Patch::Keep => {}
                Patch::Clear => env.settings.secrets.captcha_secret_key = None,
                Patch::Set(secret) => {
                    let (table, column) = SECRET_PLACE;
                    let sealed = tenant.keys.seal(table, column, &env.id.to_string(), secret.expose().as_bytes());
                    env.settings.secrets.captcha_secret_key = Some(sealed);
                }
            }
            let settings = match door {
                Door::Instance => env.settings.changed(change.clone(), env.kind),
                Door::Organizations => env.settings.with_organizations(change.clone(), env.kind),
            };
            env.settings = settings.map_err(SettingsError::Fields)?;
            let breached = &env.settings.attack_protection.breached_passwords;
            if breached.enabled && breached.source == BreachSource::LocalFile.as_str() && !has_file {
                // It would let every password pass.
                let param = "attack_protection.breached_passwords.source";
                return Err(SettingsError::Fields(vec![of_value(param)]));
            }
            check_rp_id(&env.settings)?;
            check_template(tx, cx, &before.settings.sessions, &env.settings.sessions).await?;
            env.updated_at = cx.now;
            storage::environments::save(tx, &env).await?;
            tell(tx, cx, &before, &env, &change).await?;
            match door {
                Door::Instance => idempotency::keep(tx, cx, 200, &api::InstanceSettings::from(&env), None).await?,
                Door::Organizations => {
                    let body = api::OrganizationSettings::from(&env.settings.organizations);
                    idempotency::keep(tx, cx, 200, &body, None).await?;
                }
            }
            Ok::<_, SettingsError>(())
        })
        .await?;
    engine.shared().tenants.forget(cx.env);
    Ok(tenancy::environment(engine, cx.env).await?)
}

/// Tells of the changes that others build on, and of the one that nobody should make unseen.
async fn tell(
    tx: &mut Tx<'_>,
    cx: &Context,
    before: &Environment,
    after: &Environment,
    change: &Map<String, Value>,
) -> Result<(), StorageError> {
    let sent = |group: &str| change.get(group).and_then(Value::as_object).cloned().unwrap_or_default();
    let (old, new) = (&before.settings, &after.settings);
    let mut news = Vec::new();
    if old.multi_factor != new.multi_factor {
        let data = told(&old.multi_factor, &new.multi_factor, &sent("multi_factor"));
        news.push((EventType::InstanceConfigMultiFactorUpdated, data));
    }
    if old.attribute_settings != new.attribute_settings {
        let data = told(&old.attribute_settings, &new.attribute_settings, &sent("attribute_settings"));
        news.push((EventType::InstanceConfigAttributesUpdated, data));
    }
    let (was, is) = (old.test_mode(before.kind), new.test_mode(after.kind));
    if after.kind == EnvironmentKind::Production && is == TestMode::Enabled && was != is {
        let data = json!({ "previous": { "test_mode": was }, "current": { "test_mode": is } });
        news.push((EventType::SystemTestmodeEnabledInProduction, data));
    }
    for (what, data) in news {
        events::push(tx, cx, Event::new(what, "environment", cx.env, data).changed_within()).await?;
    }
    Ok(())
}

/// Takes the secret key of the captcha out of a change: it is sealed, and never one of the settings that are shown.
fn secret_key(change: &mut Map<String, Value>) -> Result<Patch<Secret<String>>, Box<Problem>> {
    const PARAM: &str = "attack_protection.captcha.secret_key";
    let captcha =
        change.get_mut("attack_protection").and_then(|group| group.get_mut("captcha")).and_then(Value::as_object_mut);
    match captcha.and_then(|captcha| captcha.shift_remove("secret_key")) {
        None => Ok(Patch::Keep),
        Some(Value::Null) => Ok(Patch::Clear),
        Some(Value::String(text)) if (1..=512).contains(&text.trim().len()) => {
            Ok(Patch::Set(Secret::new(text.trim().to_owned())))
        }
        Some(Value::String(_)) => Err(Box::new(of_value(PARAM))),
        Some(_) => Err(Box::new(Problem::of_param(Kind::Invalid, code::PARAM_FORMAT_INVALID, PARAM))),
    }
}

fn of_value(param: &str) -> Problem {
    Problem::of_param(Kind::Invalid, code::PARAM_VALUE_INVALID, param)
}
