//! The queue of what happens later or must be retried.
//!
//! A job is leased, not taken: when its worker dies, the lease runs out and another takes it over. So a
//! job may run twice, and whoever runs it must be ready for that.

use crate::log_schema::jobs;
use crate::row::{at, read};
use crate::{Conn, Result, Tx};
use anydb::{Any, Lock};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::{EnvironmentId, JobId, Timestamp};
use std::time::Duration;

/// How many times a job is tried unless its maker says otherwise.
pub const MAX_ATTEMPTS: i32 = 12;

/// A job that its holder alone may run until `leased_until`.
#[derive(Clone, PartialEq, Eq)]
pub struct LeasedJob {
    /// Whose it is.
    pub env: EnvironmentId,
    /// Its id.
    pub id: JobId,
    /// What to do.
    pub kind: String,
    /// What to do it with.
    pub payload: String,
    /// Which try this is, from 1.
    pub attempts: i32,
    /// After how many tries it should be given up.
    pub max_attempts: i32,
    /// When it was due.
    pub run_at: Timestamp,
    /// When others may take it over.
    pub leased_until: Timestamp,
}

// A payload may hold what must not be seen in a log.
impl std::fmt::Debug for LeasedJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeasedJob")
            .field("env", &self.env)
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = jobs, check_for_backend(Any), treat_none_as_default_value = false)]
struct Row {
    environment_id: String,
    id: String,
    kind: String,
    payload: String,
    run_at: i64,
    attempts: i32,
    max_attempts: i32,
}

impl Row {
    fn leased(self, until: Timestamp) -> Result<LeasedJob> {
        Ok(LeasedJob {
            env: read(&self.environment_id, "jobs.environment_id")?,
            id: read(&self.id, "jobs.id")?,
            kind: self.kind,
            payload: self.payload,
            attempts: self.attempts + 1,
            max_attempts: self.max_attempts,
            run_at: at(self.run_at),
            leased_until: until,
        })
    }
}

/// Puts a job into the queue, to run once the transaction has committed and `run_at` has come.
pub async fn enqueue(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    id: JobId,
    kind: &str,
    payload: String,
    run_at: Timestamp,
) -> Result<()> {
    let conn: &mut Conn = tx;
    let row = Row {
        environment_id: env.to_string(),
        id: id.to_string(),
        kind: kind.to_owned(),
        payload,
        run_at: run_at.millis(),
        attempts: 0,
        max_attempts: MAX_ATTEMPTS,
    };
    diesel::insert_into(jobs::table).values(&row).execute(conn).await?;
    Ok(())
}

/// Leases at most `max` due jobs of all environments, those of dead workers first.
///
/// `owner` must be another at every call: it is what tells a lease from the one that took it over.
pub async fn lease(
    tx: &mut Tx<'_>,
    owner: &str,
    now: Timestamp,
    lease_for: Duration,
    max: usize,
) -> Result<Vec<LeasedJob>> {
    let conn: &mut Conn = tx;
    bury_deadly(conn, now).await?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let mut rows: Vec<Row> = jobs::table
        .filter(jobs::dead_at.is_null())
        .filter(jobs::leased_until.le(now.millis()))
        .order(jobs::leased_until)
        .limit(max)
        .select(Row::as_select())
        .locked_skipping()
        .load(conn)
        .await?;
    let left = max.saturating_sub(i64::try_from(rows.len()).unwrap_or(i64::MAX));
    let waiting: Vec<Row> = jobs::table
        .filter(jobs::dead_at.is_null())
        .filter(jobs::leased_until.is_null())
        .filter(jobs::run_at.le(now.millis()))
        .order(jobs::run_at)
        .limit(left)
        .select(Row::as_select())
        .locked_skipping()
        .load(conn)
        .await?;
    rows.extend(waiting);
    let until = now + lease_for;
    let mut leased = Vec::with_capacity(rows.len());
    for row in rows {
        diesel::update(jobs::table.find((&row.environment_id, &row.id)))
            .set((
                jobs::leased_until.eq(until.millis()),
                jobs::lease_owner.eq(owner),
                jobs::attempts.eq(jobs::attempts + 1),
            ))
            .execute(conn)
            .await?;
        leased.push(row.leased(until)?);
    }
    Ok(leased)
}

// A job whose lease ran out on its last try may well be what kills the workers.
async fn bury_deadly(conn: &mut Conn, now: Timestamp) -> Result<()> {
    diesel::update(jobs::table)
        .filter(jobs::dead_at.is_null())
        .filter(jobs::leased_until.le(now.millis()))
        .filter(jobs::attempts.ge(jobs::max_attempts))
        .set((
            jobs::dead_at.eq(now.millis()),
            jobs::last_error.eq("its last worker did not report back"),
            jobs::leased_until.eq(None::<i64>),
            jobs::lease_owner.eq(None::<String>),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes a job that is done; false when its lease was taken over, and then the work must be undone.
pub async fn complete(tx: &mut Tx<'_>, env: EnvironmentId, id: JobId, owner: &str) -> Result<bool> {
    let conn: &mut Conn = tx;
    let hit = diesel::delete(jobs::table.find((env.to_string(), id.to_string())))
        .filter(jobs::lease_owner.eq(owner))
        .execute(conn)
        .await?;
    Ok(hit == 1)
}

/// Gives a job back to be run again; false when its lease was taken over.
pub async fn retry(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    id: JobId,
    owner: &str,
    run_at: Timestamp,
    error: &str,
) -> Result<bool> {
    let conn: &mut Conn = tx;
    let hit = diesel::update(jobs::table.find((env.to_string(), id.to_string())))
        .filter(jobs::lease_owner.eq(owner))
        .set((
            jobs::run_at.eq(run_at.millis()),
            jobs::last_error.eq(error),
            jobs::leased_until.eq(None::<i64>),
            jobs::lease_owner.eq(None::<String>),
        ))
        .execute(conn)
        .await?;
    Ok(hit == 1)
}

/// Gives a job up and keeps it for the operator to see; false when its lease was taken over.
pub async fn bury(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    id: JobId,
    owner: &str,
    now: Timestamp,
    error: &str,
) -> Result<bool> {
    let conn: &mut Conn = tx;
    let hit = diesel::update(jobs::table.find((env.to_string(), id.to_string())))
        .filter(jobs::lease_owner.eq(owner))
        .set((
            jobs::dead_at.eq(now.millis()),
            jobs::last_error.eq(error),
            jobs::leased_until.eq(None::<i64>),
            jobs::lease_owner.eq(None::<String>),
        ))
        .execute(conn)
        .await?;
    Ok(hit == 1)
}

/// When the worker should look again, never before `now`; none while the queue is empty.
pub async fn next_due(conn: &mut Conn, now: Timestamp) -> Result<Option<Timestamp>> {
    let waiting: Option<i64> = jobs::table
        .filter(jobs::dead_at.is_null())
        .filter(jobs::leased_until.is_null())
        .order(jobs::run_at)
        .select(jobs::run_at)
        .first(conn)
        .await
        .optional()?;
    let leased: Option<Option<i64>> = jobs::table
        .filter(jobs::dead_at.is_null())
        .filter(jobs::leased_until.is_not_null())
        .order(jobs::leased_until)
        .select(jobs::leased_until)
        .first(conn)
        .await
        .optional()?;
    let first = waiting.into_iter().chain(leased.flatten()).min();
    Ok(first.map(|millis| at(millis).max(now)))
}

/// How many jobs are due and not in anybody's hands, and how many were given up.
pub async fn depth(conn: &mut Conn, now: Timestamp) -> Result<(i64, i64)> {
    let waiting: i64 = jobs::table
        .filter(jobs::dead_at.is_null())
        .filter(jobs::leased_until.is_null())
        .filter(jobs::run_at.le(now.millis()))
        .count()
        .get_result(conn)
        .await?;
    let abandoned: i64 = jobs::table
        .filter(jobs::dead_at.is_null())
        .filter(jobs::leased_until.le(now.millis()))
        .count()
        .get_result(conn)
        .await?;
    let dead: i64 = jobs::table.filter(jobs::dead_at.is_not_null()).count().get_result(conn).await?;
    Ok((waiting + abandoned, dead))
}
