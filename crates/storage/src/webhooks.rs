//! Endpoints that events are pushed to, and how far the log was looked through for them.
//!
//! Whoever changes an endpoint's queue holds the endpoint's row; whoever moves the cursor of an environment holds the
//! cursor's row, and takes it before any endpoint.

use crate::log_schema::{events, webhook_cursors, webhook_endpoints as rows, webhook_queue};
use crate::paging::paged;
use crate::row::{at, corrupt, one_row, read};
use crate::webhook_queue::Wanted;
use crate::{Conn, Result, Tx, event_texts, webhook_queue as queue};
use anydb::{Any, Doc, Lock as _};
use crypto::MacKey;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use domain::event_pattern::EventPattern;
use domain::page::{Page, PageRequest};
use domain::webhook::{BodyKind, OldSecret, Sealed, WebhookEndpoint};
use domain::{EnvironmentId, Timestamp, WebhookEndpointId};
use std::time::Duration;

/// When an endpoint is due for which nothing waits.
pub(crate) const NEVER: i64 = i64::MAX;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = rows, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct Row {
    pub(crate) environment_id: String,
    id: String,
    url: String,
    patterns: Doc<Vec<String>>,
    include_meta: bool,
    enabled: bool,
    disabled_at: Option<i64>,
    active_after: i64,
    secret: String,
    secret_prefix: String,
    old_secret: Option<String>,
    old_secret_until: Option<i64>,
    failing_since: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for WebhookEndpoint {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        let pattern = |text: &String| -> Result<EventPattern> { read(text, "webhook_endpoints.patterns") };
        let old_secret = match (row.old_secret, row.old_secret_until) {
            (Some(secret), Some(until)) => Some(OldSecret { secret: Sealed(secret), until: at(until) }),
            (None, None) => None,
            _ => return Err(corrupt("webhook_endpoints.old_secret")),
        };
        Ok(Self {
            id: read(&row.id, "webhook_endpoints.id")?,
            url: row.url,
            patterns: row.patterns.0.iter().map(pattern).collect::<Result<_>>()?,
            include_meta: row.include_meta,
            enabled: row.enabled,
            disabled_at: row.disabled_at.map(at),
            active_after: row.active_after,
            secret: Sealed(row.secret),
            secret_prefix: row.secret_prefix,
            old_secret,
            failing_since: row.failing_since.map(at),
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, endpoint: &WebhookEndpoint) -> Row {
    let (old_secret, old_secret_until) =
        endpoint.old_secret.as_ref().map(|old| (old.secret.0.clone(), old.until.millis())).unzip();
    Row {
        environment_id: env.to_string(),
        id: endpoint.id.to_string(),
        url: endpoint.url.clone(),
        patterns: Doc(endpoint.patterns.iter().map(ToString::to_string).collect()),
        include_meta: endpoint.include_meta,
        enabled: endpoint.enabled,
        disabled_at: endpoint.disabled_at.map(Timestamp::millis),
        active_after: endpoint.active_after,
        secret: endpoint.secret.0.clone(),
        secret_prefix: endpoint.secret_prefix.clone(),
        old_secret,
        old_secret_until,
        failing_since: endpoint.failing_since.map(Timestamp::millis),
        created_at: endpoint.created_at.millis(),
        updated_at: endpoint.updated_at.millis(),
    }
}

/// Finds an endpoint.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: WebhookEndpointId) -> Result<Option<WebhookEndpoint>> {
    let row: Option<Row> =
        rows::table.find((env.to_string(), id.to_string())).select(Row::as_select()).first(conn).await.optional()?;
    row.map(WebhookEndpoint::try_from).transpose()
}

/// Finds an endpoint and holds its row, and with it its queue, until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, id: WebhookEndpointId) -> Result<Option<WebhookEndpoint>> {
    let row: Option<Row> = rows::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(WebhookEndpoint::try_from).transpose()
}

/// How many endpoints there are.
pub async fn count(conn: &mut Conn, env: EnvironmentId) -> Result<i64> {
    Ok(rows::table.filter(rows::environment_id.eq(env.to_string())).select(count_star()).get_result(conn).await?)
}

/// What a list of endpoints can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// When they were made.
    CreatedAt,
    /// When they were last changed.
    UpdatedAt,
}

/// One page of the endpoints.
pub async fn page(conn: &mut Conn, env: EnvironmentId, request: &PageRequest<Key>) -> Result<Page<WebhookEndpoint>> {
    let total = count(conn, env).await?;
    let query = rows::table.filter(rows::environment_id.eq(env.to_string())).into_boxed::<Any>();
    let query = match request.order.key {
        Key::CreatedAt => paged(query, request, rows::created_at, rows::id),
        Key::UpdatedAt => paged(query, request, rows::updated_at, rows::id),
    };
    let found: Vec<Row> = query.select(Row::as_select()).load(conn).await?;
    let endpoints: Vec<WebhookEndpoint> = found.into_iter().map(WebhookEndpoint::try_from).collect::<Result<_>>()?;
    let by = |endpoint: &WebhookEndpoint| match request.order.key {
        Key::CreatedAt => endpoint.created_at,
        Key::UpdatedAt => endpoint.updated_at,
    };
    Ok(Page::cut(endpoints, request.limit, total, |one| (by(one).millis(), one.id.to_string())))
}

/// Adds an endpoint.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, endpoint: &WebhookEndpoint) -> Result<()> {
    let values = (row(env, endpoint), rows::due_at.eq(NEVER));
    diesel::insert_into(rows::table).values(values).execute(&mut **tx).await?;
    Ok(())
}

/// Writes an endpoint that was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, endpoint: &WebhookEndpoint) -> Result<()> {
    let target = rows::table.find((env.to_string(), endpoint.id.to_string()));
    let hit = diesel::update(target).set(row(env, endpoint)).execute(&mut **tx).await?;
    one_row(hit, "webhook_endpoints")
}

/// Deletes an endpoint that was locked, and what waits for it.
pub async fn delete(tx: &mut Tx<'_>, env: EnvironmentId, id: WebhookEndpointId) -> Result<()> {
    queue::drop_all(tx, env, id).await?;
    let hit = diesel::delete(rows::table.find((env.to_string(), id.to_string()))).execute(&mut **tx).await?;
    one_row(hit, "webhook_endpoints")
}

/// Notes when something of an endpoint's queue is due.
pub(crate) async fn set_due(tx: &mut Tx<'_>, env: EnvironmentId, id: WebhookEndpointId, due: i64) -> Result<()> {
    diesel::update(rows::table.find((env.to_string(), id.to_string())))
        .set(rows::due_at.eq(due))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Since when the endpoint that waits longest has something due; none when nothing is due.
pub async fn due_since(conn: &mut Conn, now: Timestamp) -> Result<Option<Timestamp>> {
    let first: Option<i64> = rows::table
        .filter(rows::due_at.le(now.millis()))
        .order(rows::due_at)
        .select(rows::due_at)
        .first(conn)
        .await
        .optional()?;
    Ok(first.map(at))
}

/// For how long an endpoint that this version cannot read is left alone.
const UNREADABLE: Duration = Duration::from_secs(60);

/// Takes the endpoints for which something is due, of all environments, but those that somebody else is at.
pub(crate) async fn take_due(
    tx: &mut Tx<'_>,
    now: Timestamp,
    max: i64,
) -> Result<Vec<(EnvironmentId, WebhookEndpoint)>> {
    let due: Vec<Row> = rows::table
        .filter(rows::due_at.le(now.millis()))
        .order((rows::served_at, rows::due_at))
        .limit(max)
        .select(Row::as_select())
        .locked_skipping()
        .load(&mut **tx)
        .await?;
    let mut taken = Vec::with_capacity(due.len());
    for row in due {
        let (environment, id) = (row.environment_id.clone(), row.id.clone());
        match (read(&environment, "webhook_endpoints.environment_id"), WebhookEndpoint::try_from(row)) {
            (Ok(env), Ok(endpoint)) => taken.push((env, endpoint)),
            // A newer version has written it, for one: its own operations say so, and nobody else waits for it.
            _ => {
                diesel::update(rows::table.find((environment, id)))
                    .set(rows::due_at.eq((now + UNREADABLE).millis()))
                    .execute(&mut **tx)
                    .await?;
            }
        }
    }
    Ok(taken)
}

/// Notes that an endpoint has its turn: who waits longest is next, however old the backlog of another is.
pub(crate) async fn serve(tx: &mut Tx<'_>, env: EnvironmentId, id: WebhookEndpointId, now: Timestamp) -> Result<()> {
    diesel::update(rows::table.find((env.to_string(), id.to_string())))
        .set(rows::served_at.eq(now.millis()))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(Any))]
struct Unseen {
    #[diesel(sql_type = Text)]
    environment_id: String,
}

/// The environments in which events wait to be handed to endpoints.
pub async fn with_unseen(conn: &mut Conn) -> Result<Vec<EnvironmentId>> {
    let found: Vec<Unseen> = diesel::sql_query(
        "SELECT DISTINCT e.environment_id FROM webhook_endpoints e \
         JOIN event_positions p ON p.environment_id = e.environment_id \
         LEFT JOIN webhook_cursors c ON c.environment_id = e.environment_id \
         WHERE e.enabled = TRUE AND p.last_position > COALESCE(c.position, 0)",
    )
    .load(conn)
    .await?;
    found.iter().map(|row| read(&row.environment_id, "webhook_endpoints.environment_id")).collect()
}

/// Holds the cursor of an environment until the transaction ends, and says where it stands; none when somebody else
/// holds it, unless that is waited for.
async fn lock_cursor(tx: &mut Tx<'_>, env: EnvironmentId, wait: bool) -> Result<Option<i64>> {
    let conn: &mut Conn = tx;
    let env = env.to_string();
    diesel::insert_into(webhook_cursors::table)
        .values((webhook_cursors::environment_id.eq(&env), webhook_cursors::position.eq(0_i64)))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    let query = webhook_cursors::table.find(env).select(webhook_cursors::position);
    Ok(match wait {
        true => Some(query.locked().get_result(conn).await?),
        false => query.locked_skipping().get_result(conn).await.optional()?,
    })
}

/// How many events are handed over in one go.
const BATCH: i64 = 500;

/// Gives every endpoint that is switched on its rows of the next events, and says how many events were looked at.
pub async fn fan_out(tx: &mut Tx<'_>, env: EnvironmentId, now: Timestamp) -> Result<usize> {
    match lock_cursor(tx, env, false).await? {
        Some(position) => fan_out_from(tx, env, position, now).await.map(|(_, seen)| seen),
        None => Ok(0),
    }
}

/// Hands over what happened so far, so that what is changed after it counts for later events only; holds the cursor
/// until the transaction ends. Says the position up to which the log is told.
///
/// A long backlog is left to the worker: then the position is that of the last event all the same.
pub async fn catch_up(tx: &mut Tx<'_>, env: EnvironmentId, key: &MacKey, now: Timestamp) -> Result<i64> {
    const BATCHES: usize = 4;
    const AT_ONCE: usize = 2000;
    // Committed events that have no position yet belong to what happened so far, whoever is about to give them one: all
    // of them, or a rush of writes a moment ago would look as if it came after the change.
    while crate::events::sequence_after_others(tx, (env, key), AT_ONCE).await? == AT_ONCE {}
    let mut position = lock_cursor(tx, env, true).await?.unwrap_or(0);
    for _ in 0..BATCHES {
        let (reached, seen) = fan_out_from(tx, env, position, now).await?;
        position = reached;
        if seen == 0 {
            break;
        }
    }
    crate::events::last_position(tx, env).await
}

type Header = (String, Option<i64>, String, String);

async fn fan_out_from(tx: &mut Tx<'_>, env: EnvironmentId, position: i64, now: Timestamp) -> Result<(i64, usize)> {
    let listening: Vec<Row> = rows::table
        .filter(rows::environment_id.eq(env.to_string()).and(rows::enabled.eq(true)))
        .order(rows::id)
        .select(Row::as_select())
        .locked()
        .load(&mut **tx)
        .await?;
    let listening: Vec<WebhookEndpoint> =
        listening.into_iter().map(WebhookEndpoint::try_from).collect::<Result<_>>()?;
    if listening.is_empty() {
        let last = crate::events::last_position(tx, env).await?;
        if last > position {
            move_cursor(tx, env, last).await?;
        }
        return Ok((last, 0));
    }
    let headers: Vec<Header> = events::table
        .filter(events::environment_id.eq(env.to_string()).and(events::position.gt(position)))
        .order(events::position)
        .limit(BATCH)
        .select((events::id, events::position, events::event_type, events::subject_id))
        .load(&mut **tx)
        .await?;
    let Some(last) = headers.last().and_then(|(_, position, ..)| *position) else { return Ok((position, 0)) };
    for endpoint in &listening {
        let wanted = wanted(tx, env, endpoint, &headers, now).await?;
        if !wanted.is_empty() {
            queue::enqueue(tx, env, endpoint, &wanted, now).await?;
        }
    }
    move_cursor(tx, env, last).await?;
    Ok((last, headers.len()))
}

/// What an endpoint hears of these events.
async fn wanted(
    conn: &mut Conn,
    env: EnvironmentId,
    endpoint: &WebhookEndpoint,
    headers: &[Header],
    now: Timestamp,
) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for (event_id, position, event_type, subject_id) in headers {
        let sequence = position.ok_or_else(|| corrupt("events.position"))?;
        if sequence > endpoint.active_after && endpoint.wants(event_type) {
            let event_id = read(event_id, "events.id")?;
            // Most events have none, and most endpoints do not ask by name.
            let may_have_text = matches!(event_type.as_str(), "email.created" | "sms.queued");
            let with_text = may_have_text
                && endpoint.names(event_type)
                && event_texts::find(conn, env, event_id, now).await?.is_some();
            wanted.push(Wanted {
                event_id,
                event_type: event_type.clone(),
                sequence,
                subject_id: subject_id.clone(),
                delivery_id: None,
                body: BodyKind { with_meta: endpoint.include_meta, with_text, sample: None },
            });
        }
    }
    Ok(wanted)
}

/// Which events a replay is about.
#[derive(Debug, Clone)]
pub struct Range {
    /// From this position on.
    pub from: i64,
    /// Up to this one.
    pub until: i64,
    /// Of these names; every one of the endpoint's when none is given.
    pub types: Vec<EventPattern>,
    /// Without those that the endpoint has already.
    pub only_failed: bool,
}

/// Puts the next events of a range into the queue of an endpoint that is locked; says where to go on, if anywhere,
/// and how many were put.
pub async fn replay(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    endpoint: &WebhookEndpoint,
    range: &Range,
    now: Timestamp,
) -> Result<(Option<i64>, usize)> {
    let headers: Vec<Header> = events::table
        .filter(events::environment_id.eq(env.to_string()))
        .filter(events::position.ge(range.from).and(events::position.le(range.until)))
        .order(events::position)
        .limit(BATCH)
        .select((events::id, events::position, events::event_type, events::subject_id))
        .load(&mut **tx)
        .await?;
    let next = headers.last().and_then(|(_, position, ..)| *position).map(|last| last + 1);
    let chosen =
        |header: &Header| range.types.is_empty() || range.types.iter().any(|pattern| pattern.matches(&header.2));
    let mut headers: Vec<Header> = headers.into_iter().filter(chosen).collect();
    if range.only_failed {
        let ids = headers.iter().map(|(id, ..)| id.clone()).collect();
        let taken = crate::webhook_deliveries::taken(tx, env, endpoint.id, ids).await?;
        headers.retain(|(id, ..)| !taken.contains(id));
    }
    // Also what happened before it was made: that is what is asked for.
    let asked = WebhookEndpoint { active_after: 0, ..endpoint.clone() };
    let wanted = wanted(tx, env, &asked, &headers, now).await?;
    queue::enqueue(tx, env, endpoint, &wanted, now).await?;
    Ok((next, wanted.len()))
}

async fn move_cursor(conn: &mut Conn, env: EnvironmentId, position: i64) -> Result<()> {
    let hit = diesel::update(webhook_cursors::table.find(env.to_string()))
        .set(webhook_cursors::position.eq(position))
        .execute(conn)
        .await?;
    one_row(hit, "webhook_cursors")
}

async fn cursor(conn: &mut Conn, env: EnvironmentId) -> Result<i64> {
    let position = webhook_cursors::table.find(env.to_string()).select(webhook_cursors::position);
    Ok(position.get_result(conn).await.optional()?.unwrap_or(0))
}

/// The first position that may still have to be pushed to somebody: what the log must keep from. None when nobody
/// listens and nothing waits.
pub async fn oldest_undelivered(conn: &mut Conn, env: EnvironmentId) -> Result<Option<i64>> {
    // The cursor before the queue: what is handed over in between is seen in both, and not in neither.
    let listening: Option<String> = rows::table
        .filter(rows::environment_id.eq(env.to_string()).and(rows::enabled.eq(true)))
        .select(rows::id)
        .first(conn)
        .await
        .optional()?;
    let unseen = match listening {
        Some(_) => Some(cursor(conn, env).await? + 1),
        None => None,
    };
    let queued: Option<i64> = webhook_queue::table
        .filter(webhook_queue::environment_id.eq(env.to_string()).and(webhook_queue::sequence.gt(0)))
        .order(webhook_queue::sequence)
        .select(webhook_queue::sequence)
        .first(conn)
        .await
        .optional()?;
    Ok(queued.into_iter().chain(unseen).min())
}
