//! The audit log: every row of the event log that has its place in the chain.

use crate::log_schema::{event_payloads, event_positions, events};
use crate::row::{at, corrupt};
use crate::{Conn, Result};
use anydb::Any;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::EnvironmentId;
use domain::audit::{AuditRecord, GENESIS, Outcome};
use domain::page::{Direction, Page, PageRequest, Start};

/// What is hashed of a row, as it is stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = events, check_for_backend(Any))]
pub(crate) struct AuditRow {
    pub(crate) id: String,
    pub(crate) position: Option<i64>,
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
    pub(crate) is_event: bool,
    outcome: String,
    actor_type: String,
    organization_id: Option<String>,
    changed_fields: String,
    origin_ip: Option<String>,
    user_agent: Option<String>,
    reason: Option<String>,
    omitted: i64,
}

impl AuditRow {
    /// The row at a place in the chain of its environment.
    pub(crate) fn record(
        self,
        environment_id: EnvironmentId,
        sequence: i64,
        position: Option<i64>,
        prev_hash: String,
    ) -> Result<AuditRecord> {
        let changed_fields =
            serde_json::from_str(&self.changed_fields).map_err(|_| corrupt("events.changed_fields"))?;
        Ok(AuditRecord {
            environment_id,
            id: self.id,
            sequence,
            is_event: self.is_event,
            position,
            event_type: self.event_type,
            version: self.version,
            outcome: self.outcome,
            actor_type: self.actor_type,
            actor_id: self.actor_id,
            impersonator: self.impersonator,
            surface: self.surface,
            subject_type: self.subject_type,
            subject_id: self.subject_id,
            organization_id: self.organization_id,
            changed_fields,
            origin_ip: self.origin_ip,
            user_agent: self.user_agent,
            reason: self.reason,
            omitted: self.omitted,
            request_id: self.trace_id,
            created_at: at(self.created_at),
            was_test: self.was_test,
            data_sha256: crypto::digest::hex(&self.data_sha256),
            prev_hash,
        })
    }
}

/// Which entries are meant: AND across filters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// One of these names; all when there is none.
    pub types: Option<Vec<&'static str>>,
    /// By this actor.
    pub actor_id: Option<String>,
    /// About this thing.
    pub subject_id: Option<String>,
    /// In this organization.
    pub organization_id: Option<String>,
    /// From one of these addresses or networks, as they are stored; from anywhere when there is none.
    pub origins: Vec<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// After this time.
    pub created_at_after: Option<i64>,
    /// Before this time.
    pub created_at_before: Option<i64>,
}

impl AuditFilter {
    /// Whether every entry is meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A row with its hash.
pub type Chained = (AuditRecord, String);

type Places = (Option<i64>, Option<String>, Option<String>);

fn chained(env: EnvironmentId, (row, (sequence, prev_hash, hash)): (AuditRow, Places)) -> Result<Chained> {
    let (Some(sequence), Some(prev_hash), Some(hash)) = (sequence, prev_hash, hash) else {
        return Err(corrupt("events.audit_sequence"));
    };
    let position = row.position;
    Ok((row.record(env, sequence, position, prev_hash)?, hash))
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let (mut query, filter) = ($query, $filter);
        if let Some(types) = &filter.types {
            query = query.filter(events::event_type.eq_any(types.clone()));
        }
        if let Some(id) = &filter.actor_id {
            query = query.filter(events::actor_id.eq(id.clone()));
        }
        if let Some(id) = &filter.subject_id {
            query = query.filter(events::subject_id.eq(id.clone()));
        }
        if let Some(id) = &filter.organization_id {
            query = query.filter(events::organization_id.eq(id.clone()));
        }
        if !filter.origins.is_empty() {
            query = query.filter(events::origin_ip.eq_any(filter.origins.clone()));
        }
        if let Some(outcome) = filter.outcome {
            query = query.filter(events::outcome.eq(outcome.as_str()));
        }
        if let Some(after) = filter.created_at_after {
            query = query.filter(events::created_at.gt(after));
        }
        if let Some(before) = filter.created_at_before {
            query = query.filter(events::created_at.lt(before));
        }
        query
    }};
}

/// One page of the audit log by its chain, without its total.
pub async fn page(
    conn: &mut Conn,
    env: EnvironmentId,
    filter: &AuditFilter,
    request: &PageRequest<()>,
) -> Result<Page<Chained>> {
    let ascending = request.order.direction == Direction::Ascending;
    let mut query = events::table
        .filter(events::environment_id.eq(env.to_string()).and(events::audit_sequence.gt(0)))
        .select((AuditRow::as_select(), (events::audit_sequence, events::prev_hash, events::hash)))
        .limit(request.limit + 1)
        .into_boxed::<Any>();
    query = filtered!(query, filter);
    match &request.start {
        Start::Offset(offset) if *offset > 0 => query = query.offset(*offset),
        Start::Offset(_) => {}
        Start::After { value, .. } if ascending => query = query.filter(events::audit_sequence.gt(*value)),
        Start::After { value, .. } => query = query.filter(events::audit_sequence.lt(*value)),
    }
    query =
        if ascending { query.order(events::audit_sequence.asc()) } else { query.order(events::audit_sequence.desc()) };
    let rows: Vec<(AuditRow, Places)> = query.load(conn).await?;
    let found: Vec<Chained> = rows.into_iter().map(|row| chained(env, row)).collect::<Result<_>>()?;
    Ok(Page::cut(found, request.limit, 0, |(record, _)| (record.sequence, record.id.clone())))
}

/// How many entries are meant.
pub async fn count(conn: &mut Conn, env: EnvironmentId, filter: &AuditFilter) -> Result<i64> {
    if filter.is_empty() {
        // The chain has no gaps.
        let (end, _) = end(conn, env).await?;
        let begin = crate::retention::anchor(conn, env).await?.map_or(0, |(anchor, _)| anchor.sequence);
        return Ok(end - begin);
    }
    let query = events::table
        .filter(events::environment_id.eq(env.to_string()).and(events::audit_sequence.gt(0)))
        .into_boxed::<Any>();
    Ok(filtered!(query, filter).select(count_star()).get_result(conn).await?)
}

/// Finds an entry by the id of its row.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: &str) -> Result<Option<Chained>> {
    let row: Option<(AuditRow, Places)> = events::table
        .find((env.to_string(), id))
        .filter(events::audit_sequence.is_not_null())
        .select((AuditRow::as_select(), (events::audit_sequence, events::prev_hash, events::hash)))
        .first(conn)
        .await
        .optional()?;
    row.map(|row| chained(env, row)).transpose()
}

/// The end of the chain: the place and the hash of the last row, as the sequencer noted them.
pub async fn end(conn: &mut Conn, env: EnvironmentId) -> Result<(i64, String)> {
    let end: Option<(i64, String)> = event_positions::table
        .find(env.to_string())
        .select((event_positions::last_audit_sequence, event_positions::last_hash))
        .first(conn)
        .await
        .optional()?;
    Ok(end.unwrap_or_else(|| (0, GENESIS.to_owned())))
}

/// The end of the chain with what proves that it is ours; none when it was taken away.
pub async fn head(conn: &mut Conn, env: EnvironmentId) -> Result<Option<(i64, String, Option<String>)>> {
    let head = event_positions::table.find(env.to_string()).select((
        event_positions::last_audit_sequence,
        event_positions::last_hash,
        event_positions::head_tag,
    ));
    Ok(head.first(conn).await.optional()?)
}

/// A row as somebody may have left it.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its place.
    pub sequence: i64,
    /// What it says; none when that is nothing a version of ours has written.
    pub record: Option<Chained>,
    /// Whether its payload, if it is still there, is the one that was hashed.
    pub payload_fits: bool,
}

/// Reads the chain after a place, in order.
pub async fn links(conn: &mut Conn, env: EnvironmentId, after: i64, limit: i64) -> Result<Vec<Link>> {
    let of_row = event_payloads::environment_id.eq(events::environment_id).and(event_payloads::event_id.eq(events::id));
    let rows: Vec<(AuditRow, Places, Option<String>)> = events::table
        .left_join(event_payloads::table.on(of_row))
        .filter(events::environment_id.eq(env.to_string()).and(events::audit_sequence.gt(after)))
        .order(events::audit_sequence)
        .limit(limit)
        .select((
            AuditRow::as_select(),
            (events::audit_sequence, events::prev_hash, events::hash),
            event_payloads::data.nullable(),
        ))
        .load(conn)
        .await?;
    let link = |(row, places, data): (AuditRow, Places, Option<String>)| {
        let digest = data.map(|data| crypto::digest::sha256(data.as_bytes()));
        Link {
            sequence: places.0.unwrap_or(0),
            payload_fits: digest.is_none_or(|digest| digest[..] == row.data_sha256[..]),
            record: chained(env, (row, places)).ok(),
        }
    };
    Ok(rows.into_iter().map(link).collect())
}
