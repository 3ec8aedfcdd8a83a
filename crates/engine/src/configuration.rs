//! How an application's pages look and what they say: documents that a backend replaces or changes key by key, and that
//! everybody reads.

use crate::refusals::stored;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, events, idempotency};
use domain::appearance::Appearance;
use domain::etag::{ETag, Named};
use domain::event::{Event, EventType};
use domain::localization::{Locale, Localization, Texts};
use domain::{Context, Kind, Problem, Refusal, Verdict, code};
use serde::Serialize;
use serde_json::{Map, Value, json};
use storage::Tx;
use storage::configuration::Documents;

/// Why a document is not changed or shown.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// What was sent cannot be taken.
    #[error("the document cannot be taken")]
    Fields(Vec<Problem>),
    /// The caller has seen another version than the one that stands by now.
    #[error("the document was changed meanwhile")]
    Outdated,
    /// The language is not on offer.
    #[error("the language is not offered")]
    Unsupported,
    /// The database failed.
    #[error("the document cannot be read or changed")]
    Storage(#[from] StorageError),
}
stored!(ConfigurationError);

impl Refusal for ConfigurationError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Fields(problems) => Verdict::Refused(problems.clone()),
            Self::Outdated => Kind::Outdated.code(code::PRECONDITION_FAILED),
            Self::Unsupported => Kind::NotFound.code(code::UNSUPPORTED_LOCALE),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// The documents of an environment with their tags, as a process keeps them.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// How pages look.
    pub appearance: Appearance,
    /// The tag of that.
    pub appearance_tag: ETag,
    /// What pages say.
    pub localization: Localization,
    /// The tag of every catalogue of texts.
    pub catalog_tag: ETag,
}

impl From<Documents> for Configuration {
    fn from(documents: Documents) -> Self {
        Self {
            appearance_tag: ETag::of(&documents.appearance),
            catalog_tag: documents.localization.catalog_tag(),
            appearance: documents.appearance,
            localization: documents.localization,
        }
    }
}

/// Everything that a browser may know of an environment.
pub async fn environment(engine: &Engine, cx: &Context) -> Result<api::Environment, StorageError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let Tenant { env, configuration, .. } = &*tenant;
    let look = api::EnvironmentAppearance::new(&configuration.appearance, &configuration.appearance_tag);
    let languages = api::EnvironmentLocalization::new(&configuration.localization, &configuration.catalog_tag);
    Ok(api::Environment::new(env, look, languages))
}

/// Every text in a language, and its tag.
pub async fn catalog(engine: &Engine, cx: &Context, locale: &Locale) -> Result<(Texts, ETag), ConfigurationError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let texts = tenant.configuration.localization.catalog(locale).ok_or(ConfigurationError::Unsupported)?;
    Ok((texts, tenant.configuration.catalog_tag.clone()))
}

/// How pages look, as it stands this moment.
pub async fn appearance(engine: &Engine, cx: &Context) -> Result<Appearance, StorageError> {
    Ok(storage::configuration::documents(&mut *engine.read().await?, cx.env).await?.appearance)
}

/// What pages say, as it stands this moment.
pub async fn localization(engine: &Engine, cx: &Context) -> Result<Localization, StorageError> {
    Ok(storage::configuration::documents(&mut *engine.read().await?, cx.env).await?.localization)
}

/// How a document is changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// What was sent.
    pub sent: Map<String, Value>,
    /// It is the whole document, not a part to merge.
    pub is_whole: bool,
    /// The version that it is meant for.
    pub seen: Named,
}

/// Changes how pages look. Changes come after each other: of two at once, each finds what the other left.
pub async fn change_appearance(
    engine: &Engine,
    cx: &Context,
    change: Change,
) -> Result<Appearance, ConfigurationError> {
    let after = engine
        .write(cx, async move |tx, cx| {
            let (mut env, documents) = hold(tx, cx).await?;
            let before = documents.appearance;
            if !change.seen.lets_write(&ETag::of(&before)) {
                return Err(ConfigurationError::Outdated);
            }
            let sent = change.sent.clone();
            let after = if change.is_whole { Appearance::replaced(sent) } else { before.changed(sent) };
            let after = after.map_err(ConfigurationError::Fields)?;
            if after != before {
                storage::configuration::save_appearance(tx, cx.env, &after, cx.now).await?;
                env.updated_at = cx.now;
                storage::environments::save(tx, &env).await?;
                let data = told(&before, &after, &change.sent);
                let event = Event::new(EventType::InstanceConfigAppearanceUpdated, "environment", cx.env, data);
                events::push(tx, cx, event.changed_within()).await?;
            }
            idempotency::keep_tagged(tx, cx, &after).await?;
            Ok(after)
        })
        .await?;
    engine.shared().tenants.forget(cx.env);
    Ok(after)
}

/// What a change of the texts came to.
pub struct Localized {
    /// The outcome.
    pub localization: Localization,
    /// Values that new texts no longer show.
    pub dropped: Vec<String>,
}

/// Changes what pages say, like [`change_appearance`].
pub async fn change_localization(
    engine: &Engine,
    cx: &Context,
    change: Change,
) -> Result<Localized, ConfigurationError> {
    let outcome = engine
        .write(cx, async move |tx, cx| {
            let (mut env, documents) = hold(tx, cx).await?;
            let before = documents.localization;
            if !change.seen.lets_write(&ETag::of(&before)) {
                return Err(ConfigurationError::Outdated);
            }
            let sent = &change.sent;
            let after = if change.is_whole { Localization::replaced(sent) } else { before.changed(sent) };
            let after = after.map_err(ConfigurationError::Fields)?;
            if after != before {
                storage::configuration::save_localization(tx, cx.env, &after, cx.now).await?;
                env.updated_at = cx.now;
                storage::environments::save(tx, &env).await?;
                let mut data = told(&before, &after, sent);
                data["override_etag"] = after.catalog_tag().as_str().into();
                let event = Event::new(EventType::LocalizationUpdated, "environment", cx.env, data);
                events::push(tx, cx, event.changed_within()).await?;
            }
            idempotency::keep_tagged(tx, cx, &after).await?;
            Ok(Localized { dropped: after.dropped(sent), localization: after })
        })
        .await?;
    engine.shared().tenants.forget(cx.env);
    Ok(outcome)
}

/// Holds the environment, so that changes come after each other, and reads its documents.
async fn hold(
    tx: &mut Tx<'_>,
    cx: &Context,
) -> Result<(domain::environment::Environment, Documents), ConfigurationError> {
    let gone = || tenancy::fault("the environment is gone");
    let env = storage::environments::lock(tx, cx.env).await?.ok_or_else(gone)?;
    let documents = storage::configuration::documents(tx, cx.env).await?;
    Ok((env, documents))
}

/// What an event about a change of configuration tells: how it was, how it is, and what was sent.
pub(crate) fn told(previous: &impl Serialize, current: &impl Serialize, sent: &Map<String, Value>) -> Value {
    json!({ "previous": events::body(previous), "current": events::body(current), "diff": sent })
}
