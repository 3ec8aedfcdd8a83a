//! Pushing: what is due is leased, sent outside of any transaction, and settled. A worker that dies in between loses
//! nothing: its lease runs out, and another sends the same bytes under the same id again.

use super::body;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError};
use crypto::webhook::WebhookSecret;
use domain::webhook::{Outcome, Sealed, WebhookDelivery, WebhookEndpoint, retry_delay};
use domain::{Context, NewId as _, Timestamp, WebhookDeliveryId, WebhookEndpointId};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use outbound::{Request, Response};
use std::collections::VecDeque;
use std::time::Duration;
use storage::Tx;
use storage::webhook_queue::Leased;

/// How long a worker may take before others take over.
const LEASE: Duration = Duration::from_secs(60);

/// How long a receiver may take for everything.
const PATIENCE: Duration = Duration::from_secs(15);

/// How much of a receiver's answer is kept, in bytes.
const ANSWER_KEPT: usize = 4096;

const USER_AGENT: &str = concat!("Latchkey-Webhooks/", env!("CARGO_PKG_VERSION"));

/// What came back.
struct Answer {
    outcome: Outcome,
    status: Option<u16>,
    body: Option<String>,
}

impl Answer {
    const NONE: Self = Self { outcome: Outcome::Failed { asked: None }, status: None, body: None };

    fn of(response: &Response, keeps_body: bool) -> Self {
        let outcome = match response.status {
            200..=299 => Outcome::Taken,
            410 => Outcome::Gone,
            429 | 503 => Outcome::Failed { asked: asked_wait(response.header("retry-after")) },
            _ => Outcome::Failed { asked: None },
        };
        // PostgreSQL keeps no U+0000, and half a character is none.
        let text = || String::from_utf8_lossy(&response.body).replace('\0', "\u{fffd}");
        let body = (keeps_body && !response.body.is_empty()).then(text);
        Self { outcome, status: Some(response.status), body }
    }
}

/// How long the receiver asks to be left alone, in the form of seconds (RFC 9110 section 10.2.3).
fn asked_wait(header: Option<&str>) -> Option<Duration> {
    header?.trim().parse().ok().map(Duration::from_secs)
}

/// Leases at most `max` events that are due. `worker` names the worker.
pub async fn lease(engine: &Engine, worker: &str, max: usize) -> Result<Vec<Leased>, StorageError> {
    let now = engine.now();
    // Asked first: a look that finds nothing waits for no writer.
    let due_since = storage::webhooks::due_since(&mut *engine.read().await?, now).await?;
    let late = due_since.map_or(0, |since| now.seconds_since(since));
    metrics::gauge!("webhook_lag_seconds").set(late as f64);
    if due_since.is_none() || max == 0 {
        return Ok(Vec::new());
    }
    // Another name at every call: it tells this lease from one that took it over.
    let owner = format!("{worker}:{}", crypto::random::jti());
    let lease = async move |tx: &mut Tx<'_>| storage::webhook_queue::lease(tx, &owner, now, LEASE, max).await;
    engine.db().write(lease).await
}

/// Pushes everything that is due, each beside the others, and says how many attempts were made.
pub async fn run_due(engine: &Engine, worker: &str, max: usize) -> Result<usize, StorageError> {
    let leased = lease(engine, worker, max).await?;
    let count = leased.len();
    let done = futures_util::future::join_all(leased.into_iter().map(|one| attempt(engine, one))).await;
    done.into_iter().collect::<Result<Vec<()>, StorageError>>()?;
    Ok(count)
}

/// How many attempts of one worker are under way at a time.
const UNDER_WAY_MAX: usize = 200;

/// The attempts of one worker that are under way, each beside the others: nobody waits for who is slow.
pub struct Pushing {
    engine: Engine,
    worker: String,
    under_way: FuturesUnordered<LocalBoxFuture<'static, Result<(), StorageError>>>,
    /// What was done while others were leased.
    done: VecDeque<Result<(), StorageError>>,
}

impl Pushing {
    /// A worker, by its name, that has nothing under way.
    pub fn new(engine: Engine, worker: &str) -> Self {
        Self { engine, worker: worker.to_owned(), under_way: FuturesUnordered::new(), done: VecDeque::new() }
    }

    /// Begins with whatever is due and has room.
    pub async fn fill(&mut self) -> Result<(), StorageError> {
        let Self { engine, worker, under_way, done } = self;
        let room = UNDER_WAY_MAX.saturating_sub(under_way.len());
        let mut leasing = std::pin::pin!(lease(engine, worker, room));
        // What is under way goes on meanwhile: it may hold the very connection that this waits for.
        let leased = loop {
            tokio::select! {
                leased = &mut leasing => break leased?,
                Some(one) = under_way.next() => done.push_back(one),
            }
        };
        for one in leased {
            let engine = engine.clone();
            under_way.push(async move { attempt(&engine, one).await }.boxed_local());
        }
        Ok(())
    }

    /// Waits until one of them is done; none when nothing is under way.
    pub async fn next(&mut self) -> Option<Result<(), StorageError>> {
        match self.done.pop_front() {
            Some(done) => Some(done),
            None => self.under_way.next().await,
        }
    }

    /// One that is done at this moment; waits for nothing.
    pub fn at_hand(&mut self) -> Option<Result<(), StorageError>> {
        self.next().now_or_never().flatten()
    }
}

/// Makes one attempt and notes what came of it.
pub async fn attempt(engine: &Engine, leased: Leased) -> Result<(), StorageError> {
    // Nobody is left who asked for it when the environment was deleted.
    let Some(tenant) = tenancy::there(engine, leased.env).await? else { return settle(engine, leased, None).await };
    let body = body::of_event(engine, leased.env, leased.wanted.event_id, &leased.wanted.body).await?;
    let answer = match body {
        Some(body) => Some(send(engine, &tenant, &leased, body).await?),
        None => None,
    };
    settle(engine, leased, answer).await
}

/// Sends a body that is signed now.
async fn send(engine: &Engine, tenant: &Tenant, leased: &Leased, body: String) -> Result<Answer, StorageError> {
    let wanted = &leased.wanted;
    let (id, now) = (wanted.event_id.to_string(), engine.now());
    let signatures = signatures(tenant, &leased.endpoint, now, &id, &body)?;
    let timestamp = now.seconds().to_string();
    let mut request = Request::post(&leased.endpoint.url)
        .header("user-agent", USER_AGENT)
        .timeout(PATIENCE)
        .cut_after(ANSWER_KEPT)
        .body("application/json", body);
    for name in ["svix", "webhook"] {
        request = request
            .header(&format!("{name}-id"), id.as_str())
            .header(&format!("{name}-timestamp"), timestamp.as_str())
            .header(&format!("{name}-signature"), signatures.as_str());
    }
    if wanted.sequence > 0 {
        request = request.header("x-authn-event-sequence", wanted.sequence.to_string());
    }
    match engine.shared().http().send(request).await {
        // Who is sent a credential may send it back.
        Ok(response) => Ok(Answer::of(&response, !wanted.body.with_text)),
        Err(error) => {
            tracing::info!(
                webhook.endpoint = %leased.endpoint.id,
                event.id = id,
                error = &error as &dyn std::error::Error,
                "a webhook's receiver did not answer"
            );
            Ok(Answer::NONE)
        }
    }
}

/// One signature by each secret that counts at this time, the newest first.
fn signatures(
    tenant: &Tenant,
    endpoint: &WebhookEndpoint,
    now: Timestamp,
    id: &str,
    body: &str,
) -> Result<String, StorageError> {
    let old = endpoint.overlapping(now).map(|old| &old.secret);
    let mut signatures = Vec::with_capacity(2);
    for secret in std::iter::once(&endpoint.secret).chain(old) {
        signatures.push(open(tenant, endpoint.id, secret)?.sign(id, now.seconds(), body.as_bytes()));
    }
    Ok(signatures.join(" "))
}

fn open(tenant: &Tenant, id: WebhookEndpointId, secret: &Sealed) -> Result<WebhookSecret, StorageError> {
    let opened = tenant.keys.open("webhook_endpoints", "secret", &id.to_string(), &secret.0);
    let opened = opened.map_err(storage::fault_from)?;
    WebhookSecret::from_bytes(opened.expose()).map_err(storage::fault_from)
}

/// Notes what came of an attempt, and when the next one is made. Without an answer there was nothing to send.
async fn settle(engine: &Engine, leased: Leased, answer: Option<Answer>) -> Result<(), StorageError> {
    let now = engine.now();
    let cx = Context::system(leased.env, now);
    let attempt = leased.attempts + 1;
    let gone = answer.is_none();
    let Answer { outcome, status, body } = answer.unwrap_or(Answer::NONE);
    let asked = if let Outcome::Failed { asked } = outcome { asked } else { None };
    let is_sample = leased.wanted.body.sample.is_some();
    // A sample shows how it goes now, and is not worth a week of attempts.
    let delay = if gone || is_sample {
        None
    } else {
        retry_delay(attempt, asked, u16::from_le_bytes(crypto::random::unique()))
    };
    let next = if outcome == Outcome::Taken { None } else { delay.map(|delay| now + delay) };
    let delivery = WebhookDelivery {
        // A replay's row waits for its first attempt.
        id: match leased.wanted.delivery_id {
            Some(id) if leased.attempts == 0 => id,
            _ => WebhookDeliveryId::new(now, crypto::random::bytes()),
        },
        endpoint_id: leased.endpoint.id,
        event_id: leased.wanted.event_id,
        event_type: leased.wanted.event_type.clone(),
        attempt,
        response_status: status,
        response_body: body,
        next_retry_at: next,
        succeeded: outcome == Outcome::Taken,
        body: leased.wanted.body.clone(),
        created_at: now,
    };
    let counted = match (outcome, next) {
        (Outcome::Taken, _) => "delivered",
        (_, Some(_)) => "failed",
        (_, None) => "given_up",
    };
    let judged = (!gone && !is_sample).then_some(outcome);
    // Not by the engine's door: it would wake every round for what this one looks for by itself.
    let noted =
        engine.db().write(async move |tx: &mut Tx<'_>| note(tx, &cx, &leased, delivery.clone(), judged).await).await?;
    metrics::counter!("webhook_deliveries_total", "outcome" => counted).increment(1);
    if let Some(endpoint) = noted {
        tracing::warn!(webhook.endpoint = %endpoint, "a webhook endpoint was switched off: it does nothing but fail");
    }
    Ok(())
}

/// The endpoint, when this attempt was one failure too many.
async fn note(
    tx: &mut Tx<'_>,
    cx: &Context,
    leased: &Leased,
    mut delivery: WebhookDelivery,
    judged: Option<Outcome>,
) -> Result<Option<WebhookEndpointId>, StorageError> {
    let (env, id, event) = (leased.env, leased.endpoint.id, leased.wanted.event_id);
    let Some(mut endpoint) = storage::webhooks::lock(tx, env, id).await? else {
        // Deleted meanwhile, and its queue with it: what was tried is still told.
        delivery.next_retry_at = None;
        storage::webhook_deliveries::put(tx, env, &delivery).await?;
        return Ok(None);
    };
    let before = endpoint.clone();
    let waiting = storage::webhook_queue::find(tx, env, id, event).await?;
    let is_ours = waiting.as_ref().is_some_and(|row| row.owner.as_deref() == Some(leased.owner.as_str()));
    let switched_off = judged.is_some_and(|outcome| endpoint.note(outcome, cx.now));
    if !is_ours || switched_off {
        delivery.next_retry_at = None;
    }
    if let Some(before) = leased.wanted.delivery_id {
        storage::webhook_deliveries::retried(tx, env, before).await?;
    }
    storage::webhook_deliveries::put(tx, env, &delivery).await?;
    // One success after another changes nothing of it.
    if endpoint != before {
        storage::webhooks::save(tx, env, &endpoint).await?;
    }
    if switched_off {
        storage::webhook_queue::drop_all(tx, env, id).await?;
        return Ok(Some(id));
    }
    if is_ours {
        match delivery.next_retry_at {
            Some(at) => storage::webhook_queue::retry(tx, leased, delivery.id, at).await?,
            None => storage::webhook_queue::remove(tx, leased).await?,
        }
    }
    if leased.wanted.body.with_text && !storage::webhook_queue::needs_text(tx, env, event).await? {
        storage::event_texts::delete(tx, env, event).await?;
    }
    storage::webhook_queue::refresh(tx, env, &endpoint, cx.now).await?;
    Ok(None)
}
