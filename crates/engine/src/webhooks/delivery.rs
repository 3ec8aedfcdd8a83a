//! Pushing: what is due is leased, sent outside of any transaction, and settled. A worker that dies in between loses
//! nothing: its lease runs out, and another sends the same bytes under the same id again. One that was only held up
//! finds its lease gone, and what it has to report is dropped. Leases are short, because an endpoint has few places and
//! those of a dead worker stay taken; who waits for a slow receiver asks for more time.

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
const LEASE: Duration = Duration::from_secs(10);

/// After this long it asks for more.
const SLOW_AFTER: Duration = Duration::from_secs(5);

/// How long a receiver may take for everything.
const PATIENCE: Duration = Duration::from_secs(15);

/// How much it gets: all that the receiver may still take, and some to settle.
const MORE: Duration = Duration::from_secs(15);

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
    let clock = engine.clone();
    // The lease begins when the writer's turn has come, not when it began to wait for it.
    let lease = async move |tx: &mut Tx<'_>| storage::webhook_queue::lease(tx, &owner, clock.now(), LEASE, max).await;
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

/// Makes one attempt and notes what came of it. A worker that was held up for so long that its lease may be over before
/// it can ask for more time asks at once, and leaves the event to whoever has taken over.
pub async fn attempt(engine: &Engine, mut leased: Leased) -> Result<(), StorageError> {
    if engine.now() + SLOW_AFTER > leased.until {
        let until = prolong(engine, leased.clone()).await?;
        if until == leased.until {
            metrics::counter!("webhook_deliveries_total", "outcome" => "late").increment(1);
            return Ok(());
        }
        leased.until = until;
    }
    // Nobody is left who asked for it when the environment was deleted.
    let Some(tenant) = tenancy::there(engine, leased.env).await? else { return settle(engine, leased, None).await };
    let body = body::of_event(engine, leased.env, leased.wanted.event_id, &leased.wanted.body).await?;
    let answer = match body {
        Some(body) => {
            let sending = send(engine, &tenant, &leased, body);
            let (sent, until) = holding(engine, &leased, sending).await;
            leased.until = until;
            Some(sent?)
        }
        None => None,
    };
    settle(engine, leased, answer).await
}

/// Waits for a receiver, and keeps others from taking over while it takes its time. Says when they may after all.
async fn holding<T>(engine: &Engine, leased: &Leased, sending: impl Future<Output = T>) -> (T, Timestamp) {
    let mut sending = std::pin::pin!(sending);
    if let Ok(sent) = tokio::time::timeout(SLOW_AFTER, &mut sending).await {
        return (sent, leased.until);
    }
    // Beside it, not before it: the receiver may answer meanwhile.
    let (sent, prolonged) = futures_util::future::join(sending, prolong(engine, leased.clone())).await;
    let until = match prolonged {
        Ok(until) => until,
        Err(error) => {
            // At worst it is sent twice.
            tracing::warn!(
                webhook.endpoint = %leased.endpoint.id,
                error = &error as &dyn std::error::Error,
                "the lease of a webhook's event was not prolonged"
            );
            leased.until
        }
    };
    (sent, until)
}

/// Makes a lease longer, unless somebody has taken over, and says when it ends.
async fn prolong(engine: &Engine, leased: Leased) -> Result<Timestamp, StorageError> {
    let now = engine.now();
    let work = async move |tx: &mut Tx<'_>| {
        let Some(endpoint) = storage::webhooks::lock(tx, leased.env, leased.endpoint.id).await? else {
            return Ok(leased.until);
        };
        if !storage::webhook_queue::prolong(tx, &leased, now + MORE).await? {
            return Ok(leased.until);
        }
        storage::webhook_queue::refresh(tx, leased.env, &endpoint, now).await?;
        Ok::<_, StorageError>(now + MORE)
    };
    engine.db().write(work).await
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
    let (endpoint, event) = (leased.endpoint.id, leased.wanted.event_id);
    // Not by the engine's door: it would wake every round for what this one looks for by itself.
    let noted =
        engine.db().write(async move |tx: &mut Tx<'_>| note(tx, &cx, &leased, delivery.clone(), judged).await).await?;
    let counted = if noted == Noted::Late { "late" } else { counted };
    metrics::counter!("webhook_deliveries_total", "outcome" => counted).increment(1);
    match noted {
        Noted::Done => {}
        Noted::SwitchedOff => {
            tracing::warn!(webhook.endpoint = %endpoint, "a webhook endpoint was switched off: it does nothing but fail");
        }
        Noted::Late => {
            tracing::warn!(
                webhook.endpoint = %endpoint,
                event.id = %event,
                "what came of an attempt counts for nothing: its lease was taken over"
            );
        }
    }
    Ok(())
}

/// What became of the report of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    /// It is noted.
    Done,
    /// It is noted, and was one failure too many: the endpoint is switched off.
    SwitchedOff,
    /// It came too late: somebody else may have the event by now, and nothing is changed.
    Late,
}

/// Notes an attempt if its lease still counts. Whoever was held up for longer than that writes over nothing: neither the
/// attempts of whoever took over, nor what is known of the endpoint, nor whose turn it is.
async fn note(
    tx: &mut Tx<'_>,
    cx: &Context,
    leased: &Leased,
    mut delivery: WebhookDelivery,
    judged: Option<Outcome>,
) -> Result<Noted, StorageError> {
    let (env, id, event) = (leased.env, leased.endpoint.id, leased.wanted.event_id);
    // While the endpoint is held nobody leases, takes over or restarts anything of its queue.
    let held = storage::webhooks::lock(tx, env, id).await?;
    let waiting = storage::webhook_queue::find(tx, env, id, event).await?;
    let is_ours = waiting.is_some_and(|row| row.owner.as_deref() == Some(leased.owner.as_str()));
    let Some(mut endpoint) = held.filter(|_| is_ours) else {
        if cx.now >= leased.until {
            return Ok(Noted::Late);
        }
        // Nobody has taken over: the endpoint was deleted or switched off, or the event asked for anew. What was tried is
        // still told.
        delivery.next_retry_at = None;
        storage::webhook_deliveries::put(tx, env, &delivery).await?;
        return Ok(Noted::Done);
    };
    let before = endpoint.clone();
    let switched_off = judged.is_some_and(|outcome| endpoint.note(outcome, cx.now));
    if switched_off {
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
        return Ok(Noted::SwitchedOff);
    }
    match delivery.next_retry_at {
        Some(at) => storage::webhook_queue::retry(tx, leased, delivery.id, at).await?,
        None => storage::webhook_queue::remove(tx, leased).await?,
    }
    if leased.wanted.body.with_text && !storage::webhook_queue::needs_text(tx, env, event).await? {
        storage::event_texts::delete(tx, env, event).await?;
    }
    storage::webhook_queue::refresh(tx, env, &endpoint, cx.now).await?;
    Ok(Noted::Done)
}
