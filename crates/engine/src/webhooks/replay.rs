//! Pushing again, and trying out: both put something into the queue, and the worker does the rest.

use super::{WebhookError, body, lock};
use crate::{Engine, cursor, idempotency, tenancy};
use domain::event::EventType;
use domain::event_pattern::EventPattern;
use domain::webhook::{BodyKind, WebhookDelivery};
use domain::{Context, EventId, WebhookDeliveryId, WebhookEndpointId};
use serde_json::json;
use storage::webhook_queue::Wanted;
use storage::webhooks::Range;

/// The most events of one replay.
pub const EVENTS_MAX: i64 = 100_000;

/// Pushes the event of a delivery again, whatever became of it: the same bytes under the same id, signed anew.
pub async fn delivery(
    engine: &Engine,
    cx: &Context,
    id: WebhookDeliveryId,
) -> Result<api::WebhookDelivery, WebhookError> {
    let before = super::find_delivery(engine, cx, id).await?;
    if body::of_event(engine, cx.env, before.event_id, &before.body).await?.is_none() {
        super::find(engine, cx, before.endpoint_id).await.map_err(deleted)?;
        return Err(WebhookError::BodyGone);
    }
    let event = storage::events::find(&mut *engine.read().await?, cx.env, before.event_id).await?;
    let (sequence, subject_id) = match event {
        Some(event) => (event.position, event.subject_id),
        None => (0, before.event_id.to_string()),
    };
    engine
        .write(cx, async move |tx, cx| {
            let endpoint = lock(tx, cx, before.endpoint_id).await.map_err(deleted)?;
            let wanted = Wanted {
                event_id: before.event_id,
                event_type: before.event_type.clone(),
                sequence,
                subject_id: subject_id.clone(),
                delivery_id: Some(cx.id()),
                body: before.body.clone(),
            };
            if let Some(waiting) = storage::webhook_queue::find(tx, cx.env, endpoint.id, before.event_id).await?
                && let Some(last) = waiting.delivery_id
            {
                storage::webhook_deliveries::retried(tx, cx.env, last).await?;
            }
            let delivery = awaited(cx, endpoint.id, &wanted);
            storage::webhook_deliveries::put(tx, cx.env, &delivery).await?;
            storage::webhook_queue::restart(tx, cx.env, &endpoint, &wanted, cx.now).await?;
            let body = api::WebhookDelivery::from(&delivery);
            idempotency::keep(tx, cx, 201, &body, Some(endpoint.id.to_string())).await?;
            Ok(body)
        })
        .await
}

fn deleted(error: WebhookError) -> WebhookError {
    if matches!(error, WebhookError::NotFound) { WebhookError::EndpointDeleted } else { error }
}

/// The row of a first attempt that is still to be made.
fn awaited(cx: &Context, endpoint: WebhookEndpointId, wanted: &Wanted) -> WebhookDelivery {
    WebhookDelivery {
        id: wanted.delivery_id.unwrap_or_else(|| cx.id()),
        endpoint_id: endpoint,
        event_id: wanted.event_id,
        event_type: wanted.event_type.clone(),
        attempt: 1,
        response_status: None,
        response_body: None,
        next_retry_at: Some(cx.now),
        succeeded: false,
        body: wanted.body.clone(),
        created_at: cx.now,
    }
}

/// Pushes a sample event, once, to an endpoint that may be switched off.
pub async fn test(
    engine: &Engine,
    cx: &Context,
    id: WebhookEndpointId,
    event_type: Option<EventType>,
) -> Result<api::WebhookDelivery, WebhookError> {
    engine
        .write(cx, async move |tx, cx| {
            let endpoint = lock(tx, cx, id).await?;
            let first = endpoint.patterns.iter().find_map(|pattern| match pattern {
                EventPattern::Exact(event_type) => Some(*event_type),
                _ => None,
            });
            let event_type = event_type.or(first).unwrap_or(EventType::UserCreated);
            let event_id: EventId = cx.id();
            let data = json!({ "object": event_type.as_str().split('.').next(), "id": null });
            let sample = body::text(&api::PushedEvent {
                id: event_id,
                object: "event",
                event_type: event_type.as_str(),
                data: &data,
                timestamp: cx.now,
                instance_id: cx.env.to_string(),
                was_test: true,
                meta: None,
            });
            let wanted = Wanted {
                event_id,
                event_type: event_type.as_str().to_owned(),
                sequence: 0,
                // About nothing that is: it waits for nothing.
                subject_id: event_id.to_string(),
                delivery_id: Some(cx.id()),
                body: BodyKind { sample: Some(sample), ..BodyKind::default() },
            };
            let delivery = awaited(cx, id, &wanted);
            storage::webhook_deliveries::put(tx, cx.env, &delivery).await?;
            storage::webhook_queue::enqueue(tx, cx.env, &endpoint, std::slice::from_ref(&wanted), cx.now).await?;
            let body = api::WebhookDelivery::from(&delivery);
            idempotency::keep(tx, cx, 201, &body, Some(id.to_string())).await?;
            Ok(body)
        })
        .await
}

/// Which events are asked for again.
#[derive(Debug, Clone)]
pub struct Asked {
    /// From this one on, or from the one behind it; required.
    pub begin: Option<Begin>,
    /// Up to this one; to the end of the log when none is named.
    pub until: Option<String>,
    /// Of these names; all that the endpoint hears of when none is given.
    pub types: Vec<EventPattern>,
    /// Without those that the endpoint has already.
    pub only_failed: bool,
}

/// Where a replay begins: a cursor of the pull API, or the id of an event.
#[derive(Debug, Clone)]
pub enum Begin {
    /// With this event.
    Since(String),
    /// Behind this event.
    After(String),
}

/// The position that a cursor or an event's id names.
async fn position(engine: &Engine, cx: &Context, param: &'static str, text: &str) -> Result<i64, WebhookError> {
    if let Ok(id) = text.parse::<EventId>() {
        let event = storage::events::find(&mut *engine.read().await?, cx.env, id).await?;
        return event.map(|event| event.position).ok_or(WebhookError::Cursor(param));
    }
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let opened = cursor::open(engine, &tenant.env, "events", text).await?;
    opened.map(|(position, _)| position).ok_or(WebhookError::Cursor(param))
}

/// Pushes the events of a range again, in their order; says how many.
///
/// They are put into the queue piece by piece: who is cut off in the middle asks again, and what waits already waits
/// once. Where retention has taken part of the range the answer is that of the pull API: nothing is left out in silence.
pub async fn range(
    engine: &Engine,
    cx: &Context,
    id: WebhookEndpointId,
    asked: Asked,
) -> Result<api::WebhookReplay, WebhookError> {
    super::find(engine, cx, id).await?;
    let from = match asked.begin.as_ref().ok_or(WebhookError::NoBegin)? {
        Begin::Since(text) => position(engine, cx, "since", text).await?,
        Begin::After(text) => position(engine, cx, "after", text).await? + 1,
    };
    let last = storage::events::last_position(&mut *engine.read().await?, cx.env).await?;
    let until = match &asked.until {
        Some(text) => position(engine, cx, "until", text).await?.min(last),
        None => last,
    };
    let first = storage::events::before_first(&mut *engine.read().await?, cx.env).await?;
    // Of what is gone only a cursor can tell: the one where the log begins now has all before it.
    let is_since = matches!(asked.begin, Some(Begin::Since(_)));
    let from = if is_since && from == first { first + 1 } else { from.max(1) };
    if from > last + 1 {
        // The database is an older one than the cursor has seen.
        return expired(engine, cx, last).await;
    }
    if until - from >= EVENTS_MAX {
        return Err(WebhookError::Range);
    }
    let mut next = Range { from, until, types: asked.types, only_failed: asked.only_failed };
    let mut queued = 0;
    loop {
        let piece = next.clone();
        let put = engine
            .write(cx, async move |tx, cx| {
                let endpoint = lock(tx, cx, id).await?;
                let first = storage::events::before_first(tx, cx.env).await?;
                if piece.from <= first {
                    return Err(WebhookError::BeginsAfter(first));
                }
                let (on, put) = storage::webhooks::replay(tx, cx.env, &endpoint, &piece, cx.now).await?;
                let body = api::WebhookReplay::new(queued + put);
                if on.is_none() {
                    idempotency::keep(tx, cx, 202, &body, Some(id.to_string())).await?;
                }
                Ok::<_, WebhookError>((on, put))
            })
            .await;
        let put = match put {
            Err(WebhookError::BeginsAfter(first)) => return expired(engine, cx, first).await,
            other => other?,
        };
        queued += put.1;
        match put.0 {
            Some(from) => next.from = from,
            None => return Ok(api::WebhookReplay::new(queued)),
        }
    }
}

/// The refusal of a range whose beginning is not kept, with the cursor where the log begins.
async fn expired<T>(engine: &Engine, cx: &Context, first: i64) -> Result<T, WebhookError> {
    let env = tenancy::environment(engine, cx.env).await?;
    Err(WebhookError::Expired { oldest_cursor: crate::pull::seal(engine, &env, first).await? })
}
