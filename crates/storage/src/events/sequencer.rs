//! The sequencer: it gives committed rows their place, and chains them by their hashes.

use crate::audit::AuditRow;
use crate::log_schema::{event_positions, events};
use crate::{Conn, Result, Tx};
use anydb::{Any, Lock};
use crypto::MacKey;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;
use domain::EnvironmentId;
use domain::audit::{GENESIS, head_tag, is_head};

/// How many rows one statement stamps.
const STAMPED: usize = 250;

/// Gives at most `max` committed rows of these environments their place, and says how many. The end of each log is
/// sealed anew with the environment's key, if it was ours before: whatever somebody has cut off stays found out.
///
/// Environments that another sequencer is at are left to it. They come in the order of their ids, so that two
/// sequencers never wait for each other in a circle.
pub async fn sequence(tx: &mut Tx<'_>, environments: &[(EnvironmentId, MacKey)], max: usize) -> Result<usize> {
    // Each has its share: a rush of one does not keep the others waiting.
    let share = (max / environments.len().max(1)).max(1);
    let mut left = max;
    for (environment, key) in environments {
        if left == 0 {
            break;
        }
        if let Some(end) = lock_end(tx, *environment).await? {
            left -= sequence_one(tx, (*environment, key), end, left.min(share)).await?;
        }
    }
    Ok(max - left)
}

/// Gives at most `max` committed rows of an environment their place, and says how many: those, too, that another
/// sequencer is at, which is waited for. What was committed before the call has its place afterwards.
pub async fn sequence_after_others(tx: &mut Tx<'_>, (env, key): (EnvironmentId, &MacKey), max: usize) -> Result<usize> {
    let end = match lock_end(tx, env).await? {
        Some(end) => end,
        None => {
            let other = event_positions::table.find(env.to_string()).select(End::as_select()).locked();
            other.get_result(&mut **tx).await?
        }
    };
    sequence_one(tx, (env, key), end, max).await
}

/// How many rows of all environments still wait for their place.
pub async fn unsequenced_count(conn: &mut Conn) -> Result<i64> {
    Ok(events::table.filter(events::audit_sequence.is_null()).count().get_result(conn).await?)
}

/// At most `max` environments in which rows wait for their place, in the order of their ids.
pub async fn unsequenced(conn: &mut Conn, max: usize) -> Result<Vec<EnvironmentId>> {
    let ids: Vec<String> = events::table
        .filter(events::audit_sequence.is_null())
        .select(events::environment_id)
        .distinct()
        .order(events::environment_id)
        .limit(limit(max))
        .load(conn)
        .await?;
    ids.iter().map(|id| crate::row::read(id, "events.environment_id")).collect()
}

/// The end of an environment's log.
#[derive(Queryable, Selectable, AsChangeset)]
#[diesel(table_name = event_positions, check_for_backend(Any))]
struct End {
    last_position: i64,
    last_audit_sequence: i64,
    last_hash: String,
    /// What proves that it is ours; none leaves what there is as it is.
    head_tag: Option<String>,
}

/// The place of a row.
struct Stamp {
    id: String,
    position: Option<i64>,
    sequence: i64,
    prev_hash: String,
    hash: String,
}

/// Stamps the rows of an environment whose end is held.
async fn sequence_one(
    conn: &mut Conn,
    (env, key): (EnvironmentId, &MacKey),
    mut end: End,
    max: usize,
) -> Result<usize> {
    let environment = env.to_string();
    let is_ours =
        end.head_tag.take().is_some_and(|tag| is_head(key, env, end.last_audit_sequence, &end.last_hash, &tag));
    // A statement of its own, after the lock: on PostgreSQL each sees what was committed before it
    // began, and so all that the sequencer before this one did.
    let rows: Vec<AuditRow> = events::table
        .filter(events::environment_id.eq(&environment).and(events::audit_sequence.is_null()))
        .order(events::serial)
        .limit(limit(max))
        .select(AuditRow::as_select())
        .load(conn)
        .await?;
    let stamps: Vec<Stamp> = rows.into_iter().map(|row| end.stamp(env, row)).collect::<Result<_>>()?;
    for stamps in stamps.chunks(STAMPED) {
        StampAll { environment: &environment, stamps }.execute(conn).await?;
    }
    if !stamps.is_empty() {
        end.head_tag = is_ours.then(|| head_tag(key, env, end.last_audit_sequence, &end.last_hash));
        diesel::update(event_positions::table.find(&environment)).set(&end).execute(conn).await?;
    }
    Ok(stamps.len())
}

impl End {
    /// Takes a row in at the end.
    fn stamp(&mut self, env: EnvironmentId, row: AuditRow) -> Result<Stamp> {
        self.last_audit_sequence += 1;
        let position = match row.position {
            // It had one before there was a chain.
            Some(position) => Some(position),
            None if row.is_event => {
                self.last_position += 1;
                Some(self.last_position)
            }
            None => None,
        };
        let prev_hash = std::mem::take(&mut self.last_hash);
        let id = row.id.clone();
        let record = row.record(env, self.last_audit_sequence, position, prev_hash)?;
        self.last_hash = record.hash();
        let (sequence, hash) = (record.sequence, self.last_hash.clone());
        Ok(Stamp { id, position, sequence, prev_hash: record.prev_hash, hash })
    }
}

/// Becomes the sequencer of an environment until the transaction ends; none while there is another.
async fn lock_end(conn: &mut Conn, env: EnvironmentId) -> Result<Option<End>> {
    let environment = env.to_string();
    let query = || event_positions::table.find(&environment).select(End::as_select()).locked_skipping();
    if let Some(end) = query().get_result(conn).await.optional()? {
        return Ok(Some(end));
    }
    // Asked before the insert, which would wait for whoever has changed the row.
    let taken = event_positions::table.find(&environment).select(event_positions::last_position);
    if taken.get_result::<i64>(conn).await.optional()?.is_some() {
        return Ok(None);
    }
    insert_end(conn, &environment, None).await?;
    Ok(query().get_result(conn).await.optional()?)
}

/// Begins the log of an environment that is being made: it is sealed from the start.
pub async fn begin(tx: &mut Tx<'_>, env: EnvironmentId, key: &MacKey) -> Result<()> {
    insert_end(tx, &env.to_string(), Some(head_tag(key, env, 0, GENESIS))).await
}

/// Notes where a log ends that has no entry; nothing if that is noted already.
async fn insert_end(conn: &mut Conn, environment: &str, tag: Option<String>) -> Result<()> {
    diesel::insert_into(event_positions::table)
        .values((
            event_positions::environment_id.eq(environment),
            event_positions::last_position.eq(0_i64),
            event_positions::last_audit_sequence.eq(0_i64),
            event_positions::last_hash.eq(GENESIS),
            event_positions::head_tag.eq(tag),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

/// Seals the end of a log that never was, as it is; false when it was, or is another by now.
pub async fn seal(tx: &mut Tx<'_>, env: EnvironmentId, key: &MacKey, sequence: i64, hash: &str) -> Result<bool> {
    let conn: &mut Conn = tx;
    insert_end(conn, &env.to_string(), None).await?;
    let hit = diesel::update(event_positions::table.find(env.to_string()))
        .filter(event_positions::head_tag.is_null())
        .filter(event_positions::last_audit_sequence.eq(sequence).and(event_positions::last_hash.eq(hash)))
        .set(event_positions::head_tag.eq(head_tag(key, env, sequence, hash)))
        .execute(conn)
        .await?;
    Ok(hit == 1)
}

/// Writes the places of many rows in one statement.
struct StampAll<'a> {
    environment: &'a str,
    stamps: &'a [Stamp],
}

impl QueryFragment<Any> for StampAll<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Any>) -> QueryResult<()> {
        // As many texts as there are sizes of a batch.
        out.unsafe_to_cache_prepared();
        out.push_sql(
            "UPDATE events SET position = stamp.column2, audit_sequence = stamp.column3, \
             prev_hash = stamp.column4, hash = stamp.column5 FROM (VALUES ",
        );
        for (at, stamp) in self.stamps.iter().enumerate() {
            out.push_sql(if at == 0 { "(" } else { ", (" });
            out.push_bind_param::<Text, _>(&stamp.id)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<BigInt>, _>(&stamp.position)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&stamp.sequence)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(&stamp.prev_hash)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(&stamp.hash)?;
            out.push_sql(")");
        }
        out.push_sql(") AS stamp WHERE events.environment_id = ");
        out.push_bind_param::<Text, _>(self.environment)?;
        out.push_sql(" AND events.id = stamp.column1");
        Ok(())
    }
}

impl QueryId for StampAll<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
