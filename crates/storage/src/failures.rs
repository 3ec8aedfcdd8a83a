//! Counters that guard secrets: how often somebody may guess.
//!
//! An attempt is counted before the secret is looked at, in a transaction of its own that commits first:
//! a counter that rolls back with the attempt, or is read before a slow hash and written after it, lets
//! any number of guesses through side by side.

use crate::log_schema::failure_counters::{self as counters, dsl};
use crate::row::at;
use crate::{Conn, Result, Tx};
use anydb::Any;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::{EnvironmentId, Timestamp};
use std::time::Duration;

/// How many failures are allowed, in how long, and how long the lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Failures inside a window; the last one locks.
    pub max: u32,
    /// The window, from its first failure.
    pub window_seconds: u32,
    /// The lock, from the failure that caused it.
    pub lock_seconds: u32,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// The secret may be looked at.
    Open {
        /// Failures of this window, this attempt among them; at the limit, failing now locks.
        failures: u32,
    },
    /// The secret must not be looked at.
    Locked {
        /// When attempts are taken again; further attempts do not move it.
        until: Timestamp,
    },
}

/// A counter as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// When the first failure of the window was.
    pub window_started_at: Timestamp,
    /// Failures since then.
    pub failures: u32,
    /// The end of the lock, past or to come.
    pub locked_until: Option<Timestamp>,
}

impl State {
    /// The end of the lock that holds now.
    pub fn locked_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.locked_until.filter(|until| *until > now)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = counters, check_for_backend(Any))]
struct Row {
    window_started_at: i64,
    failures: i32,
    locked_until: Option<i64>,
}

impl From<Row> for State {
    fn from(row: Row) -> Self {
        Self {
            window_started_at: at(row.window_started_at),
            failures: u32::try_from(row.failures).unwrap_or(0),
            locked_until: row.locked_until.map(at),
        }
    }
}

/// Counts an attempt as failed until it succeeds, and says whether it may be made.
pub async fn reserve(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    identity: &str,
    purpose: &str,
    limit: Limit,
    now: Timestamp,
) -> Result<Reserved> {
    let conn: &mut Conn = tx;
    let before = lock(conn, env, identity, purpose, now).await?;
    if let Some(until) = before.locked_at(now) {
        return Ok(Reserved::Locked { until });
    }
    let (window, lock) = (seconds(limit.window_seconds), seconds(limit.lock_seconds));
    // A lock that is over starts anew: else the very next failure would lock again.
    let fresh = before.failures == 0 || before.locked_until.is_some() || before.window_started_at + window <= now;
    let started = if fresh { now } else { before.window_started_at };
    let failures = if fresh { 1 } else { before.failures.saturating_add(1) };
    let locked_until = (failures >= limit.max).then(|| now + lock);
    let expires_at = locked_until.map_or(started + window, |until| until.max(started + window));
    diesel::update(counters::table.find((env.to_string(), identity, purpose)))
        .set((
            dsl::window_started_at.eq(started.millis()),
            dsl::failures.eq(i32::try_from(failures).unwrap_or(i32::MAX)),
            dsl::locked_until.eq(locked_until.map(Timestamp::millis)),
            dsl::expires_at.eq(expires_at.millis()),
        ))
        .execute(conn)
        .await?;
    Ok(Reserved::Open { failures })
}

/// Takes an attempt back that was counted and could not be looked at: it was no failure of whoever made it.
pub async fn give_back(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    identity: &str,
    purpose: &str,
    limit: Limit,
    now: Timestamp,
) -> Result<()> {
    let conn: &mut Conn = tx;
    let before = lock(conn, env, identity, purpose, now).await?;
    let failures = before.failures.saturating_sub(1);
    let locked_until = before.locked_until.filter(|_| failures >= limit.max);
    diesel::update(counters::table.find((env.to_string(), identity, purpose)))
        .set((
            dsl::failures.eq(i32::try_from(failures).unwrap_or(i32::MAX)),
            dsl::locked_until.eq(locked_until.map(Timestamp::millis)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// So many of a thing within so long, from the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many.
    pub max: u32,
    /// Within how long.
    pub window_seconds: u32,
}

/// Takes `amount` out of a budget in the transaction of what it is spent on, so that nothing is spent when that does
/// not happen, and no two processes spend the same; `Some` says when there is something again. An amount of zero only
/// asks.
pub async fn spend(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    identity: &str,
    purpose: &str,
    budget: Budget,
    amount: u32,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let conn: &mut Conn = tx;
    let before = lock(conn, env, identity, purpose, now).await?;
    let window = seconds(budget.window_seconds);
    let fresh = before.failures == 0 || before.window_started_at + window <= now;
    let (started, spent) = if fresh { (now, 0) } else { (before.window_started_at, before.failures) };
    if spent >= budget.max {
        return Ok(Some(started + window));
    }
    diesel::update(counters::table.find((env.to_string(), identity, purpose)))
        .set((
            dsl::window_started_at.eq(started.millis()),
            dsl::failures.eq(i32::try_from(spent.saturating_add(amount)).unwrap_or(i32::MAX)),
            dsl::expires_at.eq((started + window).millis()),
        ))
        .execute(conn)
        .await?;
    Ok(None)
}

/// Whether one more of a kind is let through, `max` within a window from the first of them: `Some` says how many were
/// not since the last one that was, `None` that this one is only counted.
pub async fn admit(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    identity: &str,
    purpose: &str,
    budget: Budget,
    now: Timestamp,
) -> Result<Option<u32>> {
    let conn: &mut Conn = tx;
    let before = lock(conn, env, identity, purpose, now).await?;
    let window = seconds(budget.window_seconds);
    let fresh = before.failures == 0 || before.window_started_at + window <= now;
    let started = if fresh { now } else { before.window_started_at };
    let seen = if fresh { 1 } else { before.failures.saturating_add(1) };
    // What was only counted waits for the next one to tell of it, a day long.
    let kept = if seen > budget.max { Duration::from_secs(86_400) } else { window };
    diesel::update(counters::table.find((env.to_string(), identity, purpose)))
        .set((
            dsl::window_started_at.eq(started.millis()),
            dsl::failures.eq(i32::try_from(seen).unwrap_or(i32::MAX)),
            dsl::expires_at.eq((started + kept).millis()),
        ))
        .execute(conn)
        .await?;
    let left_out = if fresh { before.failures.saturating_sub(budget.max) } else { 0 };
    Ok((seen <= budget.max).then_some(left_out))
}

fn seconds(n: u32) -> Duration {
    Duration::from_secs(u64::from(n))
}

/// Holds the counter's row, made if missing, until the transaction ends.
async fn lock(conn: &mut Conn, env: EnvironmentId, identity: &str, purpose: &str, now: Timestamp) -> Result<State> {
    // The update changes nothing; it locks and reads in one statement, whoever resets meanwhile.
    let row: Row = diesel::insert_into(counters::table)
        .values((
            dsl::environment_id.eq(env.to_string()),
            dsl::identity.eq(identity),
            dsl::purpose.eq(purpose),
            dsl::window_started_at.eq(now.millis()),
            dsl::failures.eq(0),
            dsl::locked_until.eq(None::<i64>),
            dsl::expires_at.eq(now.millis()),
        ))
        .on_conflict((dsl::environment_id, dsl::identity, dsl::purpose))
        .do_update()
        .set(dsl::failures.eq(dsl::failures))
        .returning(Row::as_returning())
        .get_result(conn)
        .await?;
    Ok(row.into())
}

/// Forgets the failures of one purpose: the attempt was right.
pub async fn succeed(tx: &mut Tx<'_>, env: EnvironmentId, identity: &str, purpose: &str) -> Result<()> {
    let conn: &mut Conn = tx;
    diesel::delete(counters::table.find((env.to_string(), identity, purpose))).execute(conn).await?;
    Ok(())
}

/// Forgets the failures and locks of every purpose, those of the identity's devices (`identity:...`) among
/// them; false when there were none.
pub async fn unlock(tx: &mut Tx<'_>, env: EnvironmentId, identity: &str) -> Result<bool> {
    let conn: &mut Conn = tx;
    let hit = diesel::sql_query(
        "DELETE FROM failure_counters WHERE environment_id = $1 AND (identity = $2 OR identity LIKE $3)",
    )
    .bind::<Text, _>(env.to_string())
    .bind::<Text, _>(identity)
    .bind::<Text, _>(format!("{identity}:%"))
    .execute(conn)
    .await?;
    Ok(hit > 0)
}

/// How a counter stands; none when nothing was counted.
pub async fn state(conn: &mut Conn, env: EnvironmentId, identity: &str, purpose: &str) -> Result<Option<State>> {
    let row: Option<Row> = counters::table
        .find((env.to_string(), identity, purpose))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(State::from))
}

/// Deletes at most `max` counters whose window and lock are both over.
pub async fn sweep(tx: &mut Tx<'_>, now: Timestamp, max: usize) -> Result<usize> {
    let conn: &mut Conn = tx;
    // The outer test again: a row that was used since the inner one looked must stay.
    Ok(diesel::sql_query(
        "DELETE FROM failure_counters WHERE expires_at <= $1 \
         AND (environment_id, identity, purpose) IN ( \
             SELECT environment_id, identity, purpose FROM failure_counters \
             WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind::<BigInt, _>(now.millis())
    .bind::<BigInt, _>(i64::try_from(max).unwrap_or(i64::MAX))
    .execute(conn)
    .await?)
}
