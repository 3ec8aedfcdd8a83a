//! What waits to be pushed to endpoints.
//!
//! Of the rows of one endpoint and one subject one is the head: the one with the lowest sequence, or the one that is
//! under way. Only heads are sent, so that nothing of a subject overtakes what came before it. Every function that
//! changes rows wants the endpoint's row to be held.

use crate::log_schema::webhook_queue as rows;
use crate::row::{read, read_opt};
use crate::webhooks::{NEVER, set_due, take_due};
use crate::{Conn, Result, Tx};
use anydb::Any;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::webhook::{BodyKind, WebhookEndpoint};
use domain::{EnvironmentId, EventId, Timestamp, WebhookDeliveryId, WebhookEndpointId};
use std::collections::HashMap;
use std::time::Duration;

/// How many endpoints are looked at in one go.
const ENDPOINTS: i64 = 50;

/// How many rows one statement inserts: each has a parameter for every column, and engines bound their number.
const CHUNK: usize = 100;

/// An event that shall be pushed.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The event.
    pub event_id: EventId,
    /// Its name.
    pub event_type: String,
    /// Its position; 0 for a sample.
    pub sequence: i64,
    /// What it is about.
    pub subject_id: String,
    /// The row that waits for the first attempt.
    pub delivery_id: Option<WebhookDeliveryId>,
    /// What is pushed.
    pub body: BodyKind,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = rows, check_for_backend(Any), treat_none_as_default_value = false)]
struct Row {
    environment_id: String,
    event_id: String,
    endpoint_id: String,
    event_type: String,
    sequence: i64,
    subject_id: String,
    head: bool,
    due_at: i64,
    lease_owner: Option<String>,
    attempts: i32,
    delivery_id: Option<String>,
    with_meta: bool,
    with_text: bool,
    sample: Option<String>,
}

/// An event that its holder alone may push until the lease is over.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Whose it is.
    pub env: EnvironmentId,
    /// Where it goes, as it was when it was leased.
    pub endpoint: WebhookEndpoint,
    /// Who holds it.
    pub owner: String,
    /// When others may take it over.
    pub until: Timestamp,
    /// What goes there.
    pub wanted: Wanted,
    /// How many attempts were made before.
    pub attempts: i32,
}

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Who holds it.
    pub owner: Option<String>,
    /// The last attempt, or the row that waits for the first one.
    pub delivery_id: Option<WebhookDeliveryId>,
}

fn of_endpoint(env: EnvironmentId, endpoint: WebhookEndpointId) -> rows::BoxedQuery<'static, Any> {
    let of = rows::environment_id.eq(env.to_string()).and(rows::endpoint_id.eq(endpoint.to_string()));
    rows::table.filter(of).into_boxed::<Any>()
}

/// Puts events, in the order of their sequence, behind what waits for the endpoint; what waits already stays as it is.
pub async fn enqueue(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    endpoint: &WebhookEndpoint,
    wanted: &[Wanted],
    now: Timestamp,
) -> Result<()> {
    for chunk in wanted.chunks(CHUNK) {
        let subjects: Vec<&str> = chunk.iter().map(|one| one.subject_id.as_str()).collect();
        let known: Vec<(String, String, i64, Option<String>)> = of_endpoint(env, endpoint.id)
            .filter(rows::head.eq(true).and(rows::subject_id.eq_any(subjects)))
            .select((rows::subject_id, rows::event_id, rows::sequence, rows::lease_owner))
            .load(&mut **tx)
            .await?;
        let mut heads: HashMap<&str, i64> = HashMap::new();
        let mut fresh: Vec<Row> = Vec::with_capacity(chunk.len());
        for one in chunk {
            let head = match (heads.get(one.subject_id.as_str()), known.iter().find(|k| k.0 == one.subject_id)) {
                (Some(_), _) => false,
                (None, None) => true,
                // A replay of something older goes first, unless the head is on its way.
                (None, Some((_, event, sequence, None))) if *sequence > one.sequence => {
                    set_head(tx, env, endpoint.id, event, false).await?;
                    true
                }
                (None, Some(_)) => false,
            };
            heads.insert(&one.subject_id, one.sequence);
            fresh.push(Row {
                environment_id: env.to_string(),
                event_id: one.event_id.to_string(),
                endpoint_id: endpoint.id.to_string(),
                event_type: one.event_type.clone(),
                sequence: one.sequence,
                subject_id: one.subject_id.clone(),
                head,
                due_at: now.millis(),
                lease_owner: None,
                attempts: 0,
                delivery_id: one.delivery_id.map(|id| id.to_string()),
                with_meta: one.body.with_meta,
                with_text: one.body.with_text,
                sample: one.body.sample.clone(),
            });
        }
        diesel::insert_into(rows::table).values(&fresh).on_conflict_do_nothing().execute(&mut **tx).await?;
        // What waited already and goes first now is the head, although it was not inserted.
        let heads: Vec<&str> = fresh.iter().filter(|row| row.head).map(|row| row.event_id.as_str()).collect();
        let of = rows::environment_id.eq(env.to_string()).and(rows::endpoint_id.eq(endpoint.id.to_string()));
        diesel::update(rows::table.filter(of.and(rows::event_id.eq_any(heads)).and(rows::head.eq(false))))
            .set(rows::head.eq(true))
            .execute(&mut **tx)
            .await?;
    }
    refresh(tx, env, endpoint, now).await
}

/// Puts one event into the queue as if it had never been sent, whatever waits of it already.
pub async fn restart(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    endpoint: &WebhookEndpoint,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<()> {
    let target = rows::table.find((env.to_string(), wanted.event_id.to_string(), endpoint.id.to_string()));
    let hit = diesel::update(target)
        .set((
            rows::due_at.eq(now.millis()),
            rows::lease_owner.eq(None::<String>),
            rows::attempts.eq(0),
            rows::delivery_id.eq(wanted.delivery_id.map(|id| id.to_string())),
            rows::with_meta.eq(wanted.body.with_meta),
            rows::with_text.eq(wanted.body.with_text),
        ))
        .execute(&mut **tx)
        .await?;
    if hit == 0 {
        return enqueue(tx, env, endpoint, std::slice::from_ref(wanted), now).await;
    }
    refresh(tx, env, endpoint, now).await
}

async fn set_head(
    conn: &mut Conn,
    env: EnvironmentId,
    endpoint: WebhookEndpointId,
    event: &str,
    head: bool,
) -> Result<()> {
    diesel::update(rows::table.find((env.to_string(), event.to_owned(), endpoint.to_string())))
        .set(rows::head.eq(head))
        .execute(conn)
        .await?;
    Ok(())
}

/// When the leases end that are under way at an endpoint, the first one first.
async fn under_way(
    conn: &mut Conn,
    env: EnvironmentId,
    endpoint: &WebhookEndpoint,
    now: Timestamp,
) -> Result<Vec<i64>> {
    Ok(of_endpoint(env, endpoint.id)
        .filter(rows::head.eq(true).and(rows::due_at.gt(now.millis())))
        .filter(rows::lease_owner.is_not_null())
        .order(rows::due_at)
        .limit(i64::try_from(endpoint.at_once()).unwrap_or(i64::MAX))
        .select(rows::due_at)
        .load(conn)
        .await?)
}

/// Notes at the endpoint when something of its queue is due.
pub async fn refresh(tx: &mut Tx<'_>, env: EnvironmentId, endpoint: &WebhookEndpoint, now: Timestamp) -> Result<()> {
    let leases = under_way(tx, env, endpoint, now).await?;
    let due = match leases.as_slice().first() {
        // All places are taken: the next is free when somebody reports back, or does not.
        Some(first) if leases.len() >= endpoint.at_once() => *first,
        _ => {
            let first: Option<i64> = of_endpoint(env, endpoint.id)
                .filter(rows::head.eq(true))
                .order(rows::due_at)
                .select(rows::due_at)
                .first(&mut **tx)
                .await
                .optional()?;
            first.unwrap_or(NEVER)
        }
    };
    set_due(tx, env, endpoint.id, due).await
}

/// Leases at most `max` events that are due, of all environments and endpoints, no endpoint more than it may have at
/// once. `owner` must be another at every call.
pub async fn lease(
    tx: &mut Tx<'_>,
    owner: &str,
    now: Timestamp,
    lease_for: Duration,
    max: usize,
) -> Result<Vec<Leased>> {
    let mut leased = Vec::new();
    for (env, endpoint) in take_due(tx, now, ENDPOINTS).await? {
        // Only who has a turn now goes to the end of the line: whoever was looked at in vain is the next.
        crate::webhooks::serve(tx, env, endpoint.id, now).await?;
        let free = endpoint.at_once().saturating_sub(under_way(tx, env, &endpoint, now).await?.len());
        let room = free.min(max.saturating_sub(leased.len()));
        let due: Vec<Row> = of_endpoint(env, endpoint.id)
            .filter(rows::head.eq(true).and(rows::due_at.le(now.millis())))
            .order(rows::due_at)
            .limit(i64::try_from(room).unwrap_or(0))
            .select(Row::as_select())
            .load(&mut **tx)
            .await?;
        for row in due {
            diesel::update(rows::table.find((&row.environment_id, &row.event_id, &row.endpoint_id)))
                .set((rows::due_at.eq((now + lease_for).millis()), rows::lease_owner.eq(owner)))
                .execute(&mut **tx)
                .await?;
            leased.push(Leased {
                env,
                endpoint: endpoint.clone(),
                owner: owner.to_owned(),
                until: now + lease_for,
                attempts: row.attempts,
                wanted: Wanted {
                    event_id: read(&row.event_id, "webhook_queue.event_id")?,
                    event_type: row.event_type,
                    sequence: row.sequence,
                    subject_id: row.subject_id,
                    delivery_id: read_opt(row.delivery_id.as_ref(), "webhook_queue.delivery_id")?,
                    body: BodyKind { with_meta: row.with_meta, with_text: row.with_text, sample: row.sample },
                },
            });
        }
        refresh(tx, env, &endpoint, now).await?;
        if leased.len() >= max {
            break;
        }
    }
    Ok(leased)
}

/// Makes a lease longer; false for one that was taken over, which stays as it is.
pub async fn prolong(tx: &mut Tx<'_>, leased: &Leased, until: Timestamp) -> Result<bool> {
    let (env, event, endpoint) = (leased.env, leased.wanted.event_id, leased.endpoint.id);
    let hit = diesel::update(rows::table.find((env.to_string(), event.to_string(), endpoint.to_string())))
        .filter(rows::lease_owner.eq(&leased.owner))
        .set(rows::due_at.eq(until.millis()))
        .execute(&mut **tx)
        .await?;
    Ok(hit == 1)
}

/// Finds what waits of an event for an endpoint.
pub async fn find(
    conn: &mut Conn,
    env: EnvironmentId,
    endpoint: WebhookEndpointId,
    event: EventId,
) -> Result<Option<Waiting>> {
    let row: Option<(Option<String>, Option<String>)> = rows::table
        .find((env.to_string(), event.to_string(), endpoint.to_string()))
        .select((rows::lease_owner, rows::delivery_id))
        .first(conn)
        .await
        .optional()?;
    row.map(|(owner, delivery)| {
        Ok(Waiting { owner, delivery_id: read_opt(delivery.as_ref(), "webhook_queue.delivery_id")? })
    })
    .transpose()
}

/// Gives an event back to be sent again at a time.
pub async fn retry(tx: &mut Tx<'_>, leased: &Leased, delivery: WebhookDeliveryId, due: Timestamp) -> Result<()> {
    let wanted = &leased.wanted;
    let target =
        rows::table.find((leased.env.to_string(), wanted.event_id.to_string(), leased.endpoint.id.to_string()));
    diesel::update(target)
        .set((
            rows::attempts.eq(leased.attempts + 1),
            rows::due_at.eq(due.millis()),
            rows::lease_owner.eq(None::<String>),
            rows::delivery_id.eq(delivery.to_string()),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Takes an event out of the queue, taken or given up; the next of its subject is the head from then on.
pub async fn remove(tx: &mut Tx<'_>, leased: &Leased) -> Result<()> {
    let (env, endpoint, wanted) = (leased.env, leased.endpoint.id, &leased.wanted);
    diesel::delete(rows::table.find((env.to_string(), wanted.event_id.to_string(), endpoint.to_string())))
        .execute(&mut **tx)
        .await?;
    let next: Option<String> = of_endpoint(env, endpoint)
        .filter(rows::subject_id.eq(&wanted.subject_id))
        .order(rows::sequence)
        .select(rows::event_id)
        .first(&mut **tx)
        .await
        .optional()?;
    match next {
        Some(event) => set_head(tx, env, endpoint, &event, true).await,
        None => Ok(()),
    }
}

/// Takes everything out of an endpoint's queue.
pub async fn drop_all(tx: &mut Tx<'_>, env: EnvironmentId, endpoint: WebhookEndpointId) -> Result<()> {
    let of = rows::environment_id.eq(env.to_string()).and(rows::endpoint_id.eq(endpoint.to_string()));
    diesel::delete(rows::table.filter(of)).execute(&mut **tx).await?;
    crate::webhook_deliveries::no_more_retries(tx, env, endpoint).await?;
    set_due(tx, env, endpoint, NEVER).await
}

/// Whether the text of a message is still to be sent to somebody.
pub async fn needs_text(conn: &mut Conn, env: EnvironmentId, event: EventId) -> Result<bool> {
    let row: Option<String> = rows::table
        .filter(rows::environment_id.eq(env.to_string()).and(rows::event_id.eq(event.to_string())))
        .filter(rows::with_text.eq(true))
        .select(rows::endpoint_id)
        .first(conn)
        .await
        .optional()?;
    Ok(row.is_some())
}
