//! The event log: written inside the transaction of a change, read by position.
//!
//! Writers never number what readers see. One sequencer at a time gives committed events a position
//! without gaps, in the order of `serial`; on PostgreSQL a transaction may commit after one with higher
//! serials, and then its events simply get later positions. Events of one subject are pushed under that
//! subject's row lock, so the serials of one subject are in the order of its commits.

mod sequencer;

pub use domain::event::LoggedEvent;
pub use sequencer::{begin, seal, sequence, sequence_after_others, unsequenced, unsequenced_count};

use crate::log_schema::{event_payloads, event_positions, events};
use crate::row::{at, corrupt, read};
use crate::{Conn, Result, Tx};
use anydb::Any;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::audit::{Denial, Outcome, kept_ip};
use domain::event::Event;
use domain::{Context, EnvironmentId, EventId};

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
    is_event: bool,
    outcome: &'static str,
    actor_type: &'static str,
    organization_id: Option<String>,
    changed_fields: String,
    origin_ip: Option<String>,
    user_agent: Option<String>,
    reason: Option<String>,
    omitted: i64,
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

fn logged((row, data): (Header, Option<String>)) -> Result<LoggedEvent> {
    let data = data.map(|text| serde_json::from_str(&text)).transpose();
    Ok(LoggedEvent {
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

/// Logs what happened, to be seen if and when the transaction commits.
///
/// The caller holds the row of the event's subject, or has just made it.
pub async fn push(tx: &mut Tx<'_>, cx: &Context, event: &Event) -> Result<EventId> {
    let conn: &mut Conn = tx;
    let id: EventId = cx.id();
    let data = event.data.to_string();
    let header = NewHeader {
        event_type: event.event_type.as_str(),
        version: event.version,
        organization_id: event.organization_id.clone(),
        changed_fields: serde_json::to_string(&event.changed_fields).unwrap_or_else(|_| "[]".to_owned()),
        ..header(cx, id, (event.subject_type, event.subject_id.clone()), &data)
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

/// What was refused, for the audit log alone.
#[derive(Debug, Clone)]
pub struct Denied {
    /// What.
    pub denial: Denial,
    /// The kind of thing it was about.
    pub subject_type: &'static str,
    /// The thing it was about; never an address.
    pub subject_id: String,
    /// How many alike refusals before this one were only counted.
    pub omitted: i64,
}

/// Logs what was refused. It is no event: it changes nothing, gets no position, and has no payload.
pub async fn deny(tx: &mut Tx<'_>, cx: &Context, denied: &Denied) -> Result<EventId> {
    let conn: &mut Conn = tx;
    let id: EventId = cx.id();
    let header = NewHeader {
        event_type: denied.denial.as_str(),
        is_event: false,
        outcome: Outcome::Denied.as_str(),
        omitted: denied.omitted,
        ..header(cx, id, (denied.subject_type, denied.subject_id.clone()), "")
    };
    diesel::insert_into(events::table).values(&header).execute(conn).await?;
    Ok(id)
}

fn header(cx: &Context, id: EventId, subject: (&'static str, String), data: &str) -> NewHeader {
    NewHeader {
        environment_id: cx.env.to_string(),
        id: id.to_string(),
        event_type: "",
        version: 1,
        subject_type: subject.0,
        subject_id: subject.1,
        actor_id: cx.actor.id(),
        impersonator: cx.impersonator.clone(),
        surface: cx.surface.as_str(),
        trace_id: cx.request_id.to_string(),
        created_at: cx.now.millis(),
        was_test: cx.was_test,
        data_sha256: crypto::digest::sha256(data.as_bytes()).to_vec(),
        is_event: true,
        outcome: Outcome::Success.as_str(),
        actor_type: cx.actor.kind().as_str(),
        organization_id: None,
        changed_fields: "[]".to_owned(),
        origin_ip: cx.ip.map(|ip| kept_ip(ip, cx.keeps_full_ip)),
        user_agent: cx.user_agent.clone(),
        reason: cx.reason.clone(),
        omitted: 0,
    }
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
    rows.into_iter().map(logged).collect()
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
    row.map(logged).transpose()
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

/// Which events are wanted of the log.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Those with one of these names; all when there is none.
    pub types: Vec<&'static str>,
    /// Those about this thing alone.
    pub subject_id: Option<String>,
}

/// Reads what is wanted of the log after a position and up to another, oldest first.
pub async fn range(
    conn: &mut Conn,
    env: EnvironmentId,
    (after, upto): (i64, i64),
    wanted: &Wanted,
    limit: i64,
) -> Result<Vec<LoggedEvent>> {
    let mut query = events::table
        .left_join(event_payloads::table.on(payload_of_event()))
        .filter(events::environment_id.eq(env.to_string()))
        .filter(events::position.gt(after).and(events::position.le(upto)))
        .order(events::position)
        .limit(limit)
        .select((Header::as_select(), event_payloads::data.nullable()))
        .into_boxed::<Any>();
    if let Some(subject) = &wanted.subject_id {
        query = query.filter(events::subject_id.eq(subject.clone()));
    }
    if !wanted.types.is_empty() {
        query = query.filter(events::event_type.eq_any(wanted.types.clone()));
    }
    let rows: Vec<(Header, Option<String>)> = query.load(conn).await?;
    rows.into_iter().map(logged).collect()
}

/// The position before the oldest event that is kept.
pub async fn before_first(conn: &mut Conn, env: EnvironmentId) -> Result<i64> {
    let first: Option<Option<i64>> = events::table
        .filter(events::environment_id.eq(env.to_string()).and(events::position.gt(0)))
        .order(events::position)
        .select(events::position)
        .first(conn)
        .await
        .optional()?;
    match first.flatten() {
        Some(first) => Ok(first - 1),
        None => last_position(conn, env).await,
    }
}
