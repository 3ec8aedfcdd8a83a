//! Keys of an environment that is not the operator's own.

use super::{OperatorError, Seen, at, look, looked, tenant, told};
use crate::api_keys::{self, ApiKeyError, Asker, Made, NewKey};
use crate::signing::{self, Rotation};
use crate::{Engine, events, idempotency, tenancy};
use crypto::jws::Algorithm;
use domain::event::{Event, EventType};
use domain::key::ApiKey;
use domain::page::{Page, PageRequest};
use domain::{ApiKeyId, Context, EnvironmentId};
use storage::api_keys::Key;

fn event(what: EventType, key: &ApiKey) -> Event {
    Event::new(what, "api_key", key.id, events::body(&api::ApiKey::from(key)))
}

/// One page of the keys of an environment, live and revoked.
pub async fn keys_of(
    engine: &Engine,
    cx: &Context,
    env: EnvironmentId,
    request: PageRequest<Key>,
) -> Result<Page<ApiKey>, OperatorError> {
    looked(engine, cx, Seen::All("api_key", env.to_string())).await?;
    tenant(engine, env).await?;
    Ok(api_keys::page(engine, &at(cx, env), request).await?)
}

/// Makes a key of an environment; the secret is shown once. An operator's key that is restricted gives no more than it
/// has.
pub async fn create_key(
    engine: &Engine,
    cx: &Context,
    asker: Asker,
    env: EnvironmentId,
    wanted: NewKey,
) -> Result<Made, OperatorError> {
    let (tenant, home) = (tenant(engine, env).await?, tenancy::tenant(engine, cx.env).await?);
    engine
        .write(cx, async move |tx, cx| {
            // Held, so that no key is made in an environment that is being deleted.
            storage::environments::lock(tx, env).await?.ok_or(OperatorError::NoEnvironment)?;
            let made = api_keys::give(tx, &at(cx, env), &tenant.env, Some(&asker), &wanted).await?;
            if env != cx.env {
                events::push(tx, cx, event(EventType::ApiKeyCreated, &made.key)).await?;
            }
            idempotency::keep_sealed(tx, cx, &home.keys, 201, &made.body(), made.key.id.to_string()).await?;
            Ok::<_, OperatorError>(made)
        })
        .await
}

/// Makes a key of an environment worth nothing. Of their own environment, an operator's key that is restricted ends none
/// that may do more.
pub async fn revoke_key(
    engine: &Engine,
    cx: &Context,
    asker: Asker,
    env: EnvironmentId,
    id: ApiKeyId,
) -> Result<ApiKey, OperatorError> {
    tenant(engine, env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let before = storage::api_keys::find(tx, env, id).await?.ok_or(ApiKeyError::NotFound)?;
            let key = api_keys::take_back(tx, &at(cx, env), Some(&asker), id).await?;
            match before.revoked_at {
                Some(_) => look(tx, cx, &Seen::One("api_key", id.to_string())).await?,
                None if env != cx.env => events::push(tx, cx, event(EventType::ApiKeyRevoked, &key)).await?,
                None => {}
            }
            Ok::<_, OperatorError>(key)
        })
        .await
}

/// Brings the next signing key of an environment, of the algorithm of its session tokens if none is named.
pub async fn rotate_signing_keys(
    engine: &Engine,
    cx: &Context,
    env: EnvironmentId,
    algorithm: Option<Algorithm>,
    how: Rotation,
) -> Result<api::SigningKeyList, OperatorError> {
    let tenant = tenant(engine, env).await?;
    let algorithm = algorithm.unwrap_or_else(|| signing::session_algorithm(&tenant.env));
    let fresh = signing::generate(algorithm, cx.now).await?;
    let list = engine
        .write(cx, async move |tx, cx| {
            storage::environments::lock(tx, env).await?.ok_or(OperatorError::NoEnvironment)?;
            let settings = &tenant.env.settings.signing_keys;
            let rows = keys::rotate(tx, env, &tenant.keys, &fresh, how, settings, cx.now).await?;
            let list = api::SigningKeyList::new(rows.iter().map(|row| api::SigningKey::new(row, settings)).collect());
            let compromised = how == Rotation::Compromised;
            let data = serde_json::json!({ "object": "signing_keys", "compromised": compromised, "keys": list.data });
            told(tx, cx, Some(env), Event::new(EventType::SigningKeyRotated, "environment", env, data)).await?;
            idempotency::keep(tx, cx, 200, &list, None).await?;
            Ok::<_, OperatorError>(list)
        })
        .await?;
    engine.shared().tenants.forget(env);
    Ok(list)
}
