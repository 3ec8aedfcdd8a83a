//! The settings of an environment, as its backend changes them.

use crate::refusals::stored;
use crate::{Engine, StorageError, idempotency, tenancy};
use domain::environment::Environment;
use domain::{Context, Problem, Refusal, Verdict};
use serde_json::{Map, Value};
use std::sync::Arc;

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

/// Merges a change into the settings. Every process follows within a second, this one at once.
pub async fn update(
    engine: &Engine,
    cx: &Context,
    change: Map<String, Value>,
) -> Result<Arc<Environment>, SettingsError> {
    let gone = || tenancy::fault("the environment is gone");
    engine
        .write(cx, async move |tx, cx| {
            let mut env = storage::environments::lock(tx, cx.env).await?.ok_or_else(gone)?;
            env.settings = env.settings.changed(change.clone(), env.kind).map_err(SettingsError::Fields)?;
            env.updated_at = cx.now;
            storage::environments::save(tx, &env).await?;
            idempotency::keep(tx, cx, 200, &api::InstanceSettings::from(&env), None).await?;
            Ok::<_, SettingsError>(())
        })
        .await?;
    engine.shared().tenants.forget(cx.env);
    Ok(tenancy::environment(engine, cx.env).await?)
}
