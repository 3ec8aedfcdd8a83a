//! Webhooks: where events are pushed to. How they get there is `webhooks::delivery`, how they get there again is
//! `webhooks::replay`.

mod body;
pub mod delivery;
pub mod replay;

use crate::refusals::stored;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, idempotency};
use crypto::webhook::WebhookSecret;
use domain::environment::EnvironmentKind;
use domain::event_pattern::EventPattern;
use domain::page::{Page, PageRequest};
use domain::webhook::{ENDPOINTS_MAX, Sealed, WebhookDelivery, WebhookEndpoint};
use domain::{Context, Kind, Refusal, Verdict, WebhookDeliveryId, WebhookEndpointId, code};
use outbound::BadTarget;
use std::time::Duration;
use storage::Tx;
use storage::webhook_deliveries::{Filter, Key as DeliveryKey};
use storage::webhooks::Key;

/// Why an endpoint or a delivery is not made, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is no such endpoint.
    #[error("there is no such webhook endpoint")]
    NotFound,
    /// There is no such delivery.
    #[error("there is no such webhook delivery")]
    NoDelivery,
    /// The URL cannot be read.
    #[error("the URL is none")]
    Url,
    /// The URL may not be called.
    #[error("the URL may not be called")]
    Insecure,
    /// There are enough endpoints.
    #[error("the environment has enough webhook endpoints")]
    Full,
    /// The endpoint of the delivery is gone.
    #[error("the endpoint of the delivery was deleted")]
    EndpointDeleted,
    /// What was sent is not kept any more.
    #[error("what was sent is not kept any more")]
    BodyGone,
    /// The text is no event cursor of this environment.
    #[error("`{0}` is no event cursor of this environment")]
    Cursor(&'static str),
    /// What comes after the cursor is not kept any more.
    #[error("the log begins later")]
    Expired {
        /// Where it begins.
        oldest_cursor: String,
    },
    /// Inside a transaction, the same by the position before the oldest event.
    #[error("the log begins later")]
    BeginsAfter(i64),
    /// The range has no beginning.
    #[error("the range has no beginning")]
    NoBegin,
    /// The range is too long.
    #[error("the range has too many events")]
    Range,
    /// The database failed.
    #[error("the webhook cannot be read or changed")]
    Storage(#[from] StorageError),
}
stored!(WebhookError);

impl Refusal for WebhookError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(code::WEBHOOK_ENDPOINT_NOT_FOUND),
            Self::NoDelivery => Kind::NotFound.code(code::WEBHOOK_DELIVERY_NOT_FOUND),
            Self::Url => Kind::Invalid.code(code::PARAM_FORMAT_INVALID).param("url"),
            Self::Insecure => Kind::Invalid.code(code::WEBHOOK_URL_INSECURE).param("url"),
            Self::Full => Kind::Invalid.code(code::WEBHOOK_ENDPOINTS_MAX).with("limit", ENDPOINTS_MAX),
            Self::EndpointDeleted => Kind::Conflict.code(code::WEBHOOK_ENDPOINT_DELETED),
            Self::BodyGone => Kind::Conflict.code(code::WEBHOOK_BODY_GONE),
            Self::Cursor(param) => Kind::Invalid.code(code::PARAM_FORMAT_INVALID).param(param),
            Self::Expired { oldest_cursor } => {
                Kind::Gone.code(code::EVENT_CURSOR_EXPIRED).with("oldest_cursor", oldest_cursor.clone())
            }
            // The operation says it by a cursor.
            Self::BeginsAfter(_) => Kind::Gone.code(code::EVENT_CURSOR_EXPIRED),
            Self::NoBegin => Kind::Invalid.code(code::PARAM_NIL).param("since"),
            Self::Range => Kind::Invalid.code(code::PARAM_VALUE_INVALID).param("since"),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// An endpoint to make.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// The receiver.
    pub url: String,
    /// Which events it hears of.
    pub patterns: Vec<EventPattern>,
    /// Whether events are pushed.
    pub enabled: bool,
    /// Whether it hears who did it.
    pub include_meta: bool,
}

/// A change of an endpoint: what is not named stays.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    /// The receiver.
    pub url: Option<String>,
    /// Which events it hears of.
    pub patterns: Option<Vec<EventPattern>>,
    /// Whether events are pushed.
    pub enabled: Option<bool>,
    /// Whether it hears who did it.
    pub include_meta: Option<bool>,
}

/// Refuses what can be refused of a URL without asking anybody; at every send the guard asks again.
fn check_url(engine: &Engine, tenant: &Tenant, url: &str) -> Result<(), WebhookError> {
    let seen = match engine.shared().http().look_at(url) {
        Ok(seen) => seen,
        Err(BadTarget::Form) => return Err(WebhookError::Url),
        Err(_) => return Err(WebhookError::Insecure),
    };
    let is_test = tenant.env.kind != EnvironmentKind::Production;
    let proper = (seen.is_https || is_test && seen.is_loopback) && !seen.has_fragment;
    if proper { Ok(()) } else { Err(WebhookError::Insecure) }
}

/// A new secret: sealed, how it begins, and the text for the receiver.
fn new_secret(tenant: &Tenant, id: WebhookEndpointId) -> (Sealed, String, String) {
    let secret = WebhookSecret::generate();
    let text = secret.to_text().expose().clone();
    let prefix = text.chars().take(8).collect();
    (Sealed(tenant.keys.seal("webhook_endpoints", "secret", &id.to_string(), secret.expose())), prefix, text)
}

/// Makes an endpoint; its secret is in this answer alone. It hears of what is committed from then on.
pub async fn create(engine: &Engine, cx: &Context, new: NewEndpoint) -> Result<api::WebhookEndpoint, WebhookError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    check_url(engine, &tenant, &new.url)?;
    engine
        .write(cx, async move |tx, cx| {
            // Holds the environment's cursor: of two creations at a time one counts the other.
            let active_after = storage::webhooks::catch_up(tx, cx.env, &tenant.keys.audit_head, cx.now).await?;
            if storage::webhooks::count(tx, cx.env).await? >= ENDPOINTS_MAX {
                return Err(WebhookError::Full);
            }
            let id = cx.id();
            let (secret, secret_prefix, text) = new_secret(&tenant, id);
            let endpoint = WebhookEndpoint {
                id,
                url: new.url.clone(),
                patterns: new.patterns.clone(),
                include_meta: new.include_meta,
                enabled: new.enabled,
                disabled_at: None,
                active_after,
                secret,
                secret_prefix,
                old_secret: None,
                failing_since: None,
                created_at: cx.now,
                updated_at: cx.now,
            };
            storage::webhooks::insert(tx, cx.env, &endpoint).await?;
            let body = api::WebhookEndpoint::new(&endpoint, Some(text), cx.now);
            idempotency::keep_sealed(tx, cx, &tenant.keys, 201, &body, id.to_string()).await?;
            Ok(body)
        })
        .await
}

/// One page of the endpoints.
pub async fn list(
    engine: &Engine,
    cx: &Context,
    request: PageRequest<Key>,
) -> Result<Page<WebhookEndpoint>, StorageError> {
    storage::webhooks::page(&mut *engine.read().await?, cx.env, &request).await
}

/// Finds an endpoint.
pub async fn find(engine: &Engine, cx: &Context, id: WebhookEndpointId) -> Result<WebhookEndpoint, WebhookError> {
    storage::webhooks::find(&mut *engine.read().await?, cx.env, id).await?.ok_or(WebhookError::NotFound)
}

async fn lock(tx: &mut Tx<'_>, cx: &Context, id: WebhookEndpointId) -> Result<WebhookEndpoint, WebhookError> {
    storage::webhooks::lock(tx, cx.env, id).await?.ok_or(WebhookError::NotFound)
}

/// Changes an endpoint: what happened before is pushed as it was asked for until then. One that is switched off
/// loses what waits for it.
pub async fn change(
    engine: &Engine,
    cx: &Context,
    id: WebhookEndpointId,
    change: EndpointChange,
) -> Result<api::WebhookEndpoint, WebhookError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    find(engine, cx, id).await?;
    if let Some(url) = &change.url {
        check_url(engine, &tenant, url)?;
    }
    engine
        .write(cx, async move |tx, cx| {
            // The cursor before the endpoint, as everybody takes them.
            let position = storage::webhooks::catch_up(tx, cx.env, &tenant.keys.audit_head, cx.now).await?;
            let mut endpoint = lock(tx, cx, id).await?;
            let EndpointChange { url, patterns, enabled, include_meta } = change.clone();
            endpoint.url = url.unwrap_or(endpoint.url);
            endpoint.patterns = patterns.unwrap_or(endpoint.patterns);
            endpoint.include_meta = include_meta.unwrap_or(endpoint.include_meta);
            match enabled {
                Some(true) => endpoint.enable(position),
                Some(false) => {
                    endpoint.enabled = false;
                    storage::webhook_queue::drop_all(tx, cx.env, id).await?;
                }
                None => {}
            }
            endpoint.updated_at = cx.now;
            storage::webhooks::save(tx, cx.env, &endpoint).await?;
            let body = api::WebhookEndpoint::new(&endpoint, None, cx.now);
            idempotency::keep(tx, cx, 200, &body, Some(id.to_string())).await?;
            Ok(body)
        })
        .await
}

/// Deletes an endpoint and what waits for it; what was tried stays to be read.
pub async fn delete(engine: &Engine, cx: &Context, id: WebhookEndpointId) -> Result<(), WebhookError> {
    engine
        .write(cx, async move |tx, cx| {
            lock(tx, cx, id).await?;
            storage::webhooks::delete(tx, cx.env, id).await?;
            Ok(idempotency::forget(tx, cx, &id.to_string()).await?)
        })
        .await
}

/// Gives an endpoint another secret, which is in this answer alone; the one before signs as well for a while.
pub async fn rotate(
    engine: &Engine,
    cx: &Context,
    id: WebhookEndpointId,
    overlap: Duration,
) -> Result<api::WebhookEndpoint, WebhookError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut endpoint = lock(tx, cx, id).await?;
            let (secret, prefix, text) = new_secret(&tenant, id);
            endpoint.rotate(secret, prefix, overlap, cx.now);
            storage::webhooks::save(tx, cx.env, &endpoint).await?;
            let body = api::WebhookEndpoint::new(&endpoint, Some(text), cx.now);
            idempotency::keep_sealed(tx, cx, &tenant.keys, 200, &body, id.to_string()).await?;
            Ok(body)
        })
        .await
}

/// One page of the attempts.
pub async fn deliveries(
    engine: &Engine,
    cx: &Context,
    filter: Filter,
    request: PageRequest<DeliveryKey>,
) -> Result<Page<WebhookDelivery>, StorageError> {
    let (env, counted) = (cx.env, filter.clone());
    let total = engine.scan(async move |conn| storage::webhook_deliveries::count(conn, env, &counted).await).await?;
    let mut page =
        engine.scan(async move |conn| storage::webhook_deliveries::page(conn, env, &filter, &request).await).await?;
    page.total = total;
    Ok(page)
}

/// Finds an attempt.
pub async fn find_delivery(
    engine: &Engine,
    cx: &Context,
    id: WebhookDeliveryId,
) -> Result<WebhookDelivery, WebhookError> {
    storage::webhook_deliveries::find(&mut *engine.read().await?, cx.env, id).await?.ok_or(WebhookError::NoDelivery)
}

/// Hands new events to the endpoints that want them; says how many events were looked at.
pub async fn fan_out(engine: &Engine) -> Result<usize, StorageError> {
    let now = engine.now();
    let waiting = storage::webhooks::with_unseen(&mut *engine.read().await?).await?;
    let mut seen = 0;
    for env in waiting {
        match engine.db().write(async move |tx: &mut Tx<'_>| storage::webhooks::fan_out(tx, env, now).await).await {
            Ok(handed) => seen += handed,
            Err(error @ (StorageError::Unavailable(_) | StorageError::Closed)) => return Err(error),
            // The other environments wait for nothing of this one.
            Err(error) => {
                metrics::counter!("worker_faults_total", "round" => "fan_out").increment(1);
                tracing::error!(
                    environment.id = %env,
                    error = &error as &dyn std::error::Error,
                    "the events of an environment are not handed to its webhooks"
                );
            }
        }
    }
    if seen > 0 {
        engine.shared().wake.notify_one();
    }
    Ok(seen)
}
