//! What is deleted because the time it is kept for is over: the oldest first, a batch in a transaction, so that
//! whoever was stopped goes on where the rows are.

use crate::log_schema::{audit_anchors, event_payloads, events};
use crate::schema::{clients, sessions};
use crate::{Conn, Result, Tx};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use domain::{EnvironmentId, Timestamp};

/// Deletes at most `max` sessions that came to their end before `before`, and says how many.
///
/// A client that was last used for one of them points to none from then on.
pub async fn sessions(tx: &mut Tx<'_>, env: EnvironmentId, before: Timestamp, max: i64) -> Result<usize> {
    let env = env.to_string();
    let mut due: Vec<(String, String)> = sessions::table
        .filter(sessions::environment_id.eq(&env).and(sessions::ended_at.lt(before.millis())))
        .order(sessions::ended_at)
        .select((sessions::client_id, sessions::id))
        .limit(max)
        .load(&mut **tx)
        .await?;
    // Clients before sessions and each in the order of their ids, as every transaction takes them.
    due.sort_unstable();
    for (client, session) in &due {
        diesel::update(clients::table.find((&env, client)).filter(clients::last_active_session_id.eq(session)))
            .set(clients::last_active_session_id.eq(None::<String>))
            .execute(&mut **tx)
            .await?;
    }
    due.sort_unstable_by(|(_, a), (_, b)| a.cmp(b));
    for (_, session) in &due {
        diesel::delete(sessions::table.find((&env, session))).execute(&mut **tx).await?;
    }
    Ok(due.len())
}

/// Where the chain begins when its oldest part is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The place of the last row that was deleted.
    pub sequence: i64,
    /// The greatest position that was deleted.
    pub position: i64,
    /// The hash of that row, which the next one carries on.
    pub hash: String,
}

/// Where the log of an environment would begin if at most `max` rows that happened before `before` were deleted; none
/// when nothing is due.
///
/// They go from the oldest end, so that what remains has no gap: a row that is kept keeps all that come after it, and
/// what nobody could read yet is kept, as is what still has to be pushed.
pub async fn due(tx: &mut Tx<'_>, env: EnvironmentId, before: Timestamp, max: i64) -> Result<Option<Anchor>> {
    // The oldest alone first: most of the time nothing is due.
    if oldest(tx, env, before, None, 1).await?.is_none() {
        return Ok(None);
    }
    // Nothing that somebody still waits for is deleted.
    let undelivered = crate::webhooks::oldest_undelivered(tx, env).await?;
    let Some(mut due) = oldest(tx, env, before, undelivered, max).await? else { return Ok(None) };
    if let Some((known, _)) = anchor(tx, env).await? {
        // A part without events ends no later than the one before it.
        due.position = due.position.max(known.position);
    }
    Ok(Some(due))
}

type OldRow = (Option<i64>, Option<i64>, i64, Option<String>);

async fn oldest(
    conn: &mut Conn,
    env: EnvironmentId,
    before: Timestamp,
    undelivered: Option<i64>,
    max: i64,
) -> Result<Option<Anchor>> {
    let rows: Vec<OldRow> = events::table
        .filter(events::environment_id.eq(env.to_string()).and(events::audit_sequence.gt(0)))
        .order(events::audit_sequence)
        .select((events::audit_sequence, events::position, events::created_at, events::hash))
        .limit(max)
        .load(conn)
        .await?;
    let needed = |position: Option<i64>| undelivered.zip(position).is_some_and(|(from, position)| position >= from);
    let (mut last, mut highest) = (None, 0);
    for (sequence, position, created_at, hash) in rows {
        if created_at >= before.millis() || needed(position) {
            break;
        }
        highest = highest.max(position.unwrap_or(0));
        last = sequence.zip(hash);
    }
    Ok(last.map(|(sequence, hash)| Anchor { sequence, position: highest, hash }))
}

/// Deletes the rows up to an anchor with their payloads, keeps the anchor with what proves that it is ours, and says
/// how many rows went.
///
/// Places are never given out again: the last ones stand in a row of their own.
pub async fn events(tx: &mut Tx<'_>, env: EnvironmentId, anchor: &Anchor, tag: &str, now: Timestamp) -> Result<usize> {
    let env = env.to_string();
    let gone = || events::environment_id.eq(env.clone()).and(events::audit_sequence.le(anchor.sequence));
    diesel::delete(event_payloads::table)
        .filter(event_payloads::environment_id.eq(&env))
        .filter(event_payloads::event_id.eq_any(events::table.filter(gone()).select(events::id)))
        .execute(&mut **tx)
        .await?;
    let hit = diesel::delete(events::table).filter(gone()).execute(&mut **tx).await?;
    diesel::insert_into(audit_anchors::table)
        .values((
            audit_anchors::environment_id.eq(&env),
            audit_anchors::audit_sequence.eq(anchor.sequence),
            audit_anchors::position.eq(anchor.position),
            audit_anchors::hash.eq(&anchor.hash),
            audit_anchors::tag.eq(tag),
            audit_anchors::deleted_at.eq(now.millis()),
        ))
        .on_conflict(audit_anchors::environment_id)
        .do_update()
        .set((
            audit_anchors::audit_sequence.eq(excluded(audit_anchors::audit_sequence)),
            audit_anchors::position.eq(excluded(audit_anchors::position)),
            audit_anchors::hash.eq(excluded(audit_anchors::hash)),
            audit_anchors::tag.eq(excluded(audit_anchors::tag)),
            audit_anchors::deleted_at.eq(excluded(audit_anchors::deleted_at)),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(hit)
}

/// Where the chain of an environment begins, and what proves that it is ours to begin there; none before anything was
/// deleted.
pub async fn anchor(conn: &mut Conn, env: EnvironmentId) -> Result<Option<(Anchor, String)>> {
    let row: Option<(i64, i64, String, String)> = audit_anchors::table
        .find(env.to_string())
        .select((audit_anchors::audit_sequence, audit_anchors::position, audit_anchors::hash, audit_anchors::tag))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(sequence, position, hash, tag)| (Anchor { sequence, position, hash }, tag)))
}

/// Deletes at most `max` jobs of all environments that were given up before `before`, and says how many.
pub async fn buried_jobs(tx: &mut Tx<'_>, before: Timestamp, max: i64) -> Result<usize> {
    let conn: &mut Conn = tx;
    // The outer test again: what was dug out since the inner one looked must stay.
    Ok(diesel::sql_query(
        "DELETE FROM jobs WHERE dead_at < $1 AND (environment_id, id) IN ( \
             SELECT environment_id, id FROM jobs WHERE dead_at < $1 ORDER BY dead_at LIMIT $2)",
    )
    .bind::<BigInt, _>(before.millis())
    .bind::<BigInt, _>(max)
    .execute(conn)
    .await?)
}
