//! From an address to its environment, and what is cached of one.
//!
//! Environments, settings and signing keys are read at every request and change rarely: each process keeps
//! them, stamped with the environment's `config_version`, and asks for changed versions about twice a second.
//! A copy is believed for a second since that was last asked, then the next request asks: however long the
//! background is held up, nothing that was changed elsewhere counts for longer. The process that changes
//! something drops its own copy when the change has committed.

use crate::Engine;
use crate::configuration::Configuration;
use crate::jwt_templates::Templates;
use crate::messages::Forms;
use domain::environment::Environment;
use domain::{EnvironmentId, Timestamp};
use keys::{EnvironmentKeys, KeysError};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use storage::Error;

/// For how long a change of another process may go unseen.
pub const UNSEEN_AT_MOST: Duration = Duration::from_secs(1);

/// An environment with its keys, as it was when it was loaded.
pub struct Tenant {
    /// The environment.
    pub env: Arc<Environment>,
    /// Its keys.
    pub keys: EnvironmentKeys,
    /// What it changed of its mails and short messages.
    pub(crate) forms: Forms,
    /// The templates that tokens were minted by.
    pub(crate) templates: Templates,
    /// How its pages look and what they say.
    pub(crate) configuration: Configuration,
}

#[derive(Default)]
struct Cached {
    tenants: HashMap<EnvironmentId, Arc<Tenant>>,
    /// By host, then by the first segment of the path.
    hosts: HashMap<String, HashMap<String, EnvironmentId>>,
}

/// What a process keeps of its environments.
#[derive(Default)]
pub(crate) struct Tenants {
    cached: RwLock<Cached>,
    /// When the versions were last asked for, and when that was last tried: Unix milliseconds, 0 is never.
    asked_at: AtomicI64,
    tried_at: AtomicI64,
}

impl Tenants {
    fn tenant(&self, id: EnvironmentId) -> Option<Arc<Tenant>> {
        self.cached.read().unwrap_or_else(PoisonError::into_inner).tenants.get(&id).cloned()
    }
    fn put(&self, tenant: Arc<Tenant>, read_at: Timestamp) {
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        // The versions were asked for meanwhile: this copy was not among those that were compared.
        if read_at.millis() < self.asked_at.load(Ordering::Acquire) {
            return;
        }
        // A slow load must not overwrite what a faster one has read after a change.
        let newer = |known: &Arc<Tenant>| known.env.config_version > tenant.env.config_version;
        if !cached.tenants.get(&tenant.env.id).is_some_and(newer) {
            cached.tenants.insert(tenant.env.id, tenant);
        }
    }
    pub(crate) fn forget(&self, id: EnvironmentId) {
        self.cached.write().unwrap_or_else(PoisonError::into_inner).tenants.remove(&id);
    }
    /// Forgets an environment that is deleted, with the addresses that led to it.
    pub(crate) fn gone(&self, id: EnvironmentId) {
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        cached.tenants.remove(&id);
        for segments in cached.hosts.values_mut() {
            segments.retain(|_, other| *other != id);
        }
    }
    fn host(&self, host: &str, segment: &str) -> Option<EnvironmentId> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
        cached.hosts.get(host)?.get(segment).copied()
    }
    /// Whether what is kept may have been changed elsewhere for longer than is allowed.
    fn is_stale(&self, now: Timestamp) -> bool {
        is_long_ago(&self.asked_at, now)
    }
    /// The same, unless somebody has just tried to ask in vain: then the database is out of reach.
    fn is_worth_asking(&self, now: Timestamp) -> bool {
        self.is_stale(now) && is_long_ago(&self.tried_at, now)
    }
}

/// Either way: a clock that was set back must not make old copies young.
fn is_long_ago(then: &AtomicI64, now: Timestamp) -> bool {
    u128::from(now.millis().abs_diff(then.load(Ordering::Acquire))) > UNSEEN_AT_MOST.as_millis()
}

/// The environment behind an address.
#[derive(Clone)]
pub struct Resolved {
    /// The environment.
    pub env: Arc<Environment>,
    /// How many bytes of the path named it.
    pub prefix_len: usize,
}

/// Finds the environment of a request by its host and the first segment of its path.
pub async fn resolve(engine: &Engine, host: &str, path: &str) -> Result<Option<Resolved>, Error> {
    let segment = path.strip_prefix('/').and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let host = if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    };
    let host = host.as_ref();
    let label = if domain::environment::is_routing_label(segment) { segment } else { "" };
    for (host, segment) in [(host, label), (host, ""), ("", label), ("", "")] {
        let Some(id) = by_host(engine, host, segment).await? else { continue };
        // A path that begins with a label never falls through to another environment's root.
        if segment.is_empty() && !label.is_empty() && host.is_empty() {
            return Ok(None);
        }
        let prefix_len = if segment.is_empty() { 0 } else { segment.len() + 1 };
        // One that was deleted a moment ago has no address any more, whatever was cached.
        return Ok(there(engine, id).await?.map(|tenant| Resolved { env: tenant.env.clone(), prefix_len }));
    }
    Ok(None)
}

async fn by_host(engine: &Engine, host: &str, segment: &str) -> Result<Option<EnvironmentId>, Error> {
    let tenants = &engine.shared().tenants;
    if let Some(id) = tenants.host(host, segment) {
        return Ok(Some(id));
    }
    // Custom hosts are few and known at the last poll; labels are looked up, so that a new one works at once.
    if !host.is_empty() {
        return Ok(None);
    }
    // Boxed: every request waits here, and nearly none comes this far.
    Box::pin(async move {
        let found = storage::environments::by_host(&mut *engine.read().await?, host, segment).await?;
        if let Some(id) = found {
            let mut cached = tenants.cached.write().unwrap_or_else(PoisonError::into_inner);
            cached.hosts.entry(host.to_owned()).or_default().insert(segment.to_owned(), id);
        }
        Ok(found)
    })
    .await
}

/// An environment by its id.
pub async fn environment(engine: &Engine, id: EnvironmentId) -> Result<Arc<Environment>, Error> {
    Ok(tenant(engine, id).await?.env.clone())
}

/// An environment with its keys, for whoever trusts them: never one that was changed elsewhere more than a second
/// ago, and none at all while that cannot be asked. A withdrawn signing key counts no longer than that, anywhere.
pub(crate) async fn trusted(engine: &Engine, id: EnvironmentId) -> Result<Arc<Tenant>, Error> {
    if engine.shared().tenants.is_stale(engine.now()) {
        Box::pin(refresh(engine)).await?;
    }
    known(engine, id).await
}

/// An environment with its keys; the copy at hand while the database is out of reach.
pub async fn tenant(engine: &Engine, id: EnvironmentId) -> Result<Arc<Tenant>, Error> {
    refresh_if_stale(engine).await;
    known(engine, id).await
}

async fn refresh_if_stale(engine: &Engine) {
    if engine.shared().tenants.is_worth_asking(engine.now())
        // Boxed, as above.
        && let Err(error) = Box::pin(refresh(engine)).await
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "caches could not be refreshed");
    }
}

/// The same for an environment that may be none, or be deleted.
pub(crate) async fn there(engine: &Engine, id: EnvironmentId) -> Result<Option<Arc<Tenant>>, Error> {
    refresh_if_stale(engine).await;
    found(engine, id).await
}

async fn known(engine: &Engine, id: EnvironmentId) -> Result<Arc<Tenant>, Error> {
    found(engine, id).await?.ok_or_else(|| fault("the environment is gone"))
}

async fn found(engine: &Engine, id: EnvironmentId) -> Result<Option<Arc<Tenant>>, Error> {
    match engine.shared().tenants.tenant(id) {
        Some(tenant) => Ok(Some(tenant)),
        // Boxed, as above.
        None => Box::pin(load(engine, id)).await,
    }
}

async fn load(engine: &Engine, id: EnvironmentId) -> Result<Option<Arc<Tenant>>, Error> {
    let read_at = engine.now();
    let mut conn = engine.read().await?;
    // The environment is read first: a change in between leaves a copy that looks older than it is, never newer.
    let Some(env) = storage::environments::find(&mut conn, id).await? else { return Ok(None) };
    let keys = keys::load(&mut conn, engine.shared().master(), id).await.map_err(into_storage)?;
    let forms = Forms::of(id, storage::message_templates::list(&mut conn, id).await?);
    let configuration = storage::configuration::documents(&mut conn, id).await?.into();
    let templates = Templates::default();
    let tenant = Arc::new(Tenant { env: Arc::new(env), keys, forms, templates, configuration });
    engine.shared().tenants.put(tenant.clone(), read_at);
    Ok(Some(tenant))
}

/// Drops what has changed elsewhere; called twice in [`UNSEEN_AT_MOST`], so that requests seldom have to.
pub async fn refresh(engine: &Engine) -> Result<(), Error> {
    let (tenants, now) = (&engine.shared().tenants, engine.now());
    tenants.tried_at.store(now.millis(), Ordering::Release);
    let (versions, hosts) = {
        let mut conn = engine.read().await?;
        (storage::environments::versions(&mut conn).await?, storage::environments::hosts(&mut conn).await?)
    };
    let versions: HashMap<EnvironmentId, i64> = versions.into_iter().collect();
    let mut cached = tenants.cached.write().unwrap_or_else(PoisonError::into_inner);
    cached.tenants.retain(|id, tenant| versions.get(id) == Some(&tenant.env.config_version));
    cached.hosts.clear();
    for (host, segment, id) in hosts {
        cached.hosts.entry(host).or_default().insert(segment, id);
    }
    // When it was asked, not when it was answered: what was changed in between is not among it.
    tenants.asked_at.store(now.millis(), Ordering::Release);
    Ok(())
}

/// All environments, oldest first, for the work that goes through each of them.
pub(crate) async fn all(engine: &Engine) -> Result<Vec<EnvironmentId>, Error> {
    let versions = storage::environments::versions(&mut *engine.read().await?).await?;
    let mut ids: Vec<EnvironmentId> = versions.into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Changes an environment's settings; every process follows within a second, this one at once.
pub async fn change(
    engine: &Engine,
    cx: &domain::Context,
    change: impl Fn(&mut Environment, Timestamp) + Send + 'static,
) -> Result<Arc<Environment>, Error> {
    let id = cx.env;
    engine
        .write(cx, async move |tx, cx| {
            let mut env =
                storage::environments::lock(tx, cx.env).await?.ok_or_else(|| fault("the environment is gone"))?;
            change(&mut env, cx.now);
            env.updated_at = cx.now;
            storage::environments::save(tx, &env).await?;
            Ok::<_, Error>(())
        })
        .await?;
    engine.shared().tenants.forget(id);
    environment(engine, id).await
}

/// A state that no version of ours leaves behind.
pub(crate) fn fault(what: &'static str) -> Error {
    storage::fault(what)
}

pub(crate) fn into_storage(error: KeysError) -> Error {
    match error {
        KeysError::Storage(error) => error,
        other => storage::fault_from(other),
    }
}
