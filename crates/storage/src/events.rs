//! The event log: written inside the transaction of a change, read by position.
//!
//! Writers never number what readers see. One sequencer at a time gives committed events a position
//! without gaps, in the order of `serial`; on PostgreSQL a transaction may commit after one with higher
//! serials, and then its events simply get later positions. Events of one subject are pushed under that
//! subject's row lock, so the serials of one subject are in the order of its commits.

use crate::log_schema::{event_payloads, event_positions, events};
use crate::row::{at, corrupt, read};
use crate::{Conn, Error, Result, Tx};
use anydb::{Any, Lock};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::event::Event;
use domain::{Context, EnvironmentId, EventId, RequestId, Timestamp};

/// An event as a reader of the log sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvent {
    /// Its id.
    pub id: EventId,
    /// Its place in the environment's log: 1, 2, 3 and so on, without gaps.
    pub position: i64,
    /// The name on the wire.
    pub event_type: String,
    /// The version of the payload's form.
    pub version: i32,
    /// The kind of thing it is about.
    pub subject_type: String,
    /// The id of the thing it is about.
    pub subject_id: String,
    /// Who did it, when that is somebody with an id.
    pub actor_id: Option<String>,
    /// Who acted in the actor's place.
    pub impersonator: Option<String>,
    /// The word for the door it came through.
    pub surface: String,
    /// The request that caused it.
    pub trace_id: RequestId,
    /// When it happened.
    pub created_at: Timestamp,
    /// Whether it was a test person's doing.
    pub was_test: bool,
    /// SHA-256 of the payload's text.
    pub data_sha256: Vec<u8>,
    /// The payload; none once it was erased.
    pub data: Option<serde_json::Value>,
}

#[derive(Insertable)]
#[diesel(table_name = events, check_for_backend(Any), treat_none_as_default_value = false)]
struct NewHeader {
    environment_id: String,
    id: String,
    #[diesel(column_name = event_type)]
    event_type: &'static str,
    version: i32,
    subject_type: &'static str,
    subject_id: String,
    actor_id: Option<String>,
    impersonator: Option<String>,
    surface: &'static str,
    trace_id: String,
    created_at: i64,
    was_test: bool,
    data_sha256: Vec<u8>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = events, check_for_backend(Any))]
struct Header {
    id: String,
    position: Option<i64>,
    event_type: String,
    version: i32,
    subject_type: String,
    subject_id: String,
    actor_id: Option<String>,
    impersonator: Option<String>,
    surface: String,
    trace_id: String,
    created_at: i64,
    was_test: bool,
    data_sha256: Vec<u8>,
}

impl TryFrom<(Header, Option<String>)> for LoggedEvent {
    type Error = Error;

    fn try_from((row, data): (Header, Option<String>)) -> Result<Self> {
        let data = data.map(|text| serde_json::from_str(&text)).transpose();
        Ok(Self {
            id: read(&row.id, "events.id")?,
            position: row.position.ok_or_else(|| corrupt("events.position"))?,
            event_type: row.event_type,
            version: row.version,
            subject_type: row.subject_type,
            subject_id: row.subject_id,
            actor_id: row.actor_id,
            impersonator: row.impersonator,
            surface: row.surface,
            trace_id: read(&row.trace_id, "events.trace_id")?,
            created_at: at(row.created_at),
            was_test: row.was_test,
            data_sha256: row.data_sha256,
            data: data.map_err(|_| corrupt("event_payloads.data"))?,
        })
    }
}

/// Logs what happened, to be seen if and when the transaction commits.
///
/// The caller holds the row of the event's subject, or has just made it.
pub async fn push(tx: &mut Tx<'_>, cx: &Context, event: &Event) -> Result<EventId> {
    let conn: &mut Conn = tx;
    let id: EventId = cx.id();
    let data = event.data.to_string();
    let header = NewHeader {
        environment_id: cx.env.to_string(),
        id: id.to_string(),
        event_type: event.event_type.as_str(),
        version: event.version,
        subject_type: event.subject_type,
        subject_id: event.subject_id.clone(),
        actor_id: cx.actor.id(),
        impersonator: cx.impersonator.clone(),
        surface: cx.surface.as_str(),
        trace_id: cx.request_id.to_string(),
        created_at: cx.now.millis(),
        was_test: cx.was_test,
        data_sha256: crypto::digest::sha256(data.as_bytes()).to_vec(),
    };
    diesel::insert_into(events::table).values(&header).execute(conn).await?;
    diesel::insert_into(event_payloads::table)
        .values((
            event_payloads::environment_id.eq(header.environment_id),
            event_payloads::event_id.eq(header.id),
            event_payloads::data.eq(data),
        ))
        .execute(conn)
        .await?;
    Ok(id)
}

/// Gives at most `max` committed events their positions, of one environment or of all, and says how many.
///
/// Environments that another sequencer is at are left to it.
pub async fn sequence(tx: &mut Tx<'_>, env: Option<EnvironmentId>, max: usize) -> Result<usize> {
    let environments = match env {
        Some(env) => vec![env.to_string()],
        None => with_unsequenced(tx, max).await?,
    };
    let mut left = max;
    for environment in environments {
        if left == 0 {
            break;
        }
        left -= sequence_one(tx, &environment, left).await?;
    }
    Ok(max - left)
}

// In the order of their ids, so that two sequencers never wait for each other in a circle.
async fn with_unsequenced(conn: &mut Conn, max: usize) -> Result<Vec<String>> {
    Ok(events::table
        .filter(events::position.is_null())
        .select(events::environment_id)
        .distinct()
        .order(events::environment_id)
        .limit(limit(max))
        .load(conn)
        .await?)
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(Any))]
struct Given {
    #[diesel(sql_type = BigInt)]
    position: i64,
}

async fn sequence_one(conn: &mut Conn, environment: &str, max: usize) -> Result<usize> {
    let Some(last) = lock_position(conn, environment).await? else {
        return Ok(0);
    };
    // A statement of its own, after the lock: on PostgreSQL each sees what was committed before it
    // began, and so all that the sequencer before this one did.
    let given: Vec<Given> = diesel::sql_query(
        "UPDATE events SET position = $1 + ranked.place FROM ( \
             SELECT id, ROW_NUMBER() OVER (ORDER BY serial) AS place FROM events \
             WHERE environment_id = $2 AND position IS NULL ORDER BY serial LIMIT $3 \
         ) AS ranked WHERE events.environment_id = $2 AND events.id = ranked.id \
         RETURNING position",
    )
    .bind::<BigInt, _>(last)
    .bind::<Text, _>(environment)
    .bind::<BigInt, _>(limit(max))
    .load(conn)
    .await?;
    if let Some(last) = given.iter().map(|row| row.position).max() {
        diesel::update(event_positions::table.find(environment))
            .set(event_positions::last_position.eq(last))
            .execute(conn)
            .await?;
    }
    Ok(given.len())
}

/// Becomes the sequencer of an environment until the transaction ends; none while there is another.
async fn lock_position(conn: &mut Conn, environment: &str) -> Result<Option<i64>> {
    let query =
        || event_positions::table.find(environment.to_owned()).select(event_positions::last_position).locked_skipping();
    if let Some(last) = query().get_result(conn).await.optional()? {
        return Ok(Some(last));
    }
    // Asked before the insert, which would wait for whoever has changed the row.
    let taken = event_positions::table.find(environment).select(event_positions::last_position);
    if taken.get_result::<i64>(conn).await.optional()?.is_some() {
        return Ok(None);
    }
    diesel::insert_into(event_positions::table)
        .values((event_positions::environment_id.eq(environment), event_positions::last_position.eq(0_i64)))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(query().get_result(conn).await.optional()?)
}

/// Reads the log after a position, oldest first; whatever has no position yet is not there.
pub async fn list(conn: &mut Conn, env: EnvironmentId, after_position: i64, limit: i64) -> Result<Vec<LoggedEvent>> {
    let rows: Vec<(Header, Option<String>)> = events::table
        .left_join(event_payloads::table.on(payload_of_event()))
        .filter(events::environment_id.eq(env.to_string()))
        .filter(events::position.gt(after_position))
        .order(events::position)
        .limit(limit)
        .select((Header::as_select(), event_payloads::data.nullable()))
        .load(conn)
        .await?;
    rows.into_iter().map(LoggedEvent::try_from).collect()
}

/// Finds an event that has a position.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: EventId) -> Result<Option<LoggedEvent>> {
    let row: Option<(Header, Option<String>)> = events::table
        .left_join(event_payloads::table.on(payload_of_event()))
        .filter(events::environment_id.eq(env.to_string()))
        .filter(events::id.eq(id.to_string()))
        .filter(events::position.is_not_null())
        .select((Header::as_select(), event_payloads::data.nullable()))
        .first(conn)
        .await
        .optional()?;
    row.map(LoggedEvent::try_from).transpose()
}

#[diesel::dsl::auto_type(no_type_alias)]
fn payload_of_event() -> _ {
    event_payloads::environment_id.eq(events::environment_id).and(event_payloads::event_id.eq(events::id))
}

/// The position of the newest event that readers can see; 0 before the first.
pub async fn last_position(conn: &mut Conn, env: EnvironmentId) -> Result<i64> {
    let last = event_positions::table
        .find(env.to_string())
        .select(event_positions::last_position)
        .get_result(conn)
        .await
        .optional()?;
    Ok(last.unwrap_or(0))
}

/// How many events of all environments still wait for a position.
pub async fn unsequenced_count(conn: &mut Conn) -> Result<i64> {
    Ok(events::table.filter(events::position.is_null()).count().get_result(conn).await?)
}

fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
