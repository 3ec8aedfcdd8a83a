//! What the operator's commands share: a platform that serves nobody, and the environment that is meant.

use anyhow::{Context as _, bail};
use boot::clock::SystemClock;
use boot::master_key::Missing;
use boot::{Config, Mail, Platform, Wiring};
use domain::Context;
use domain::environment::Environment;
use engine::Engine;
use std::sync::Arc;

/// A platform for one command.
pub(crate) async fn platform(config: Config, missing_master_key: Missing) -> anyhow::Result<Platform> {
    let pending = storage::pending(config.database.url.expose()).await.context("the database cannot be read")?;
    if !pending.is_empty() {
        bail!("the database is not up to date: run `latchkey migrate` first");
    }
    let wiring = Wiring { clock: Arc::new(SystemClock), mail: Mail::Unused, missing_master_key, threads: 1 };
    Ok(boot::start(config, wiring).await?)
}

/// Runs a command's work and leaves the database in order, whatever came of it.
pub(crate) async fn with_engine<T>(
    config: Config,
    missing_master_key: Missing,
    work: impl AsyncFnOnce(&Engine) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let platform = platform(config, missing_master_key).await?;
    let done = work(&platform.engine()).await;
    platform.database.shutdown().await;
    done
}

/// The environment with this id or slug; without either, the only one there is.
pub(crate) async fn environment(engine: &Engine, name: Option<&str>) -> anyhow::Result<Environment> {
    let mut all = engine::bootstrap::list_environments(engine).await?;
    match name {
        Some(name) => {
            let found = all.into_iter().find(|env| env.slug == name || env.id.to_string() == name);
            found.with_context(|| format!("there is no environment `{name}`; `latchkey environments list` shows them"))
        }
        None => {
            all.retain(|env| !env.is_admin());
            match <[Environment; 1]>::try_from(all) {
                Ok([only]) => Ok(only),
                Err(all) if all.is_empty() => bail!("there is no environment yet: run `latchkey bootstrap`"),
                Err(_) => bail!("there are several environments: name one with --environment"),
            }
        }
    }
}

/// The operator acting on an environment.
pub(crate) fn context(engine: &Engine, environment: &Environment) -> Context {
    Context::operator(environment.id, engine.now())
}
