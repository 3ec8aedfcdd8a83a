//! What is deleted because the time it is kept for is over: the oldest first, a batch in a transaction, so that
//! whoever was stopped goes on where the rows are.

use crate::log_schema::{event_payloads, events};
use crate::schema::{clients, sessions};
use crate::{Conn, Result, Tx};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
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

/// Deletes at most `max` events that happened before `before`, with their payloads, and says how many.
///
/// They go from the oldest end of the log, so that what remains has no gap: an event that is kept keeps all that
/// come after it. Positions are never given out again: the last one stands in a row of its own.
pub async fn events(tx: &mut Tx<'_>, env: EnvironmentId, before: Timestamp, max: i64) -> Result<usize> {
    let env = env.to_string();
    // The oldest alone first: most of the time nothing is due.
    if oldest(tx, &env, before, 1).await?.is_empty() {
        return Ok(0);
    }
    let Some(last) = oldest(tx, &env, before, max).await?.pop() else { return Ok(0) };
    let due = events::table.filter(events::environment_id.eq(&env).and(events::position.le(last))).select(events::id);
    diesel::delete(event_payloads::table)
        .filter(event_payloads::environment_id.eq(&env).and(event_payloads::event_id.eq_any(due)))
        .execute(&mut **tx)
        .await?;
    let gone = diesel::delete(events::table)
        .filter(events::environment_id.eq(&env).and(events::position.le(last)))
        .execute(&mut **tx)
        .await?;
    Ok(gone)
}

/// The positions at the beginning of the log whose events happened before `before`.
async fn oldest(conn: &mut Conn, env: &str, before: Timestamp, max: i64) -> Result<Vec<i64>> {
    let rows: Vec<(Option<i64>, i64)> = events::table
        .filter(events::environment_id.eq(env).and(events::position.gt(0)))
        .order(events::position)
        .select((events::position, events::created_at))
        .limit(max)
        .load(conn)
        .await?;
    let due = rows.into_iter().take_while(|(_, created_at)| *created_at < before.millis());
    Ok(due.filter_map(|(position, _)| position).collect())
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
