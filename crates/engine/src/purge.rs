//! What is left of environments that were deleted.

use crate::{Engine, images};
use domain::{EnvironmentId, Timestamp};
use std::time::Duration;
use storage::purge::{self, TABLES, USERS};
use storage::{Error, Tx};

/// How long after its deletion an environment is cleared: whatever request was in hand is over by then, in every
/// process.
const WAIT: Duration = Duration::from_secs(60);

/// How many rows one transaction deletes at most; and how many people, each with all that hangs on one.
const ROWS: i64 = 2000;
const PEOPLE: i64 = 200;

/// How many transactions a pass has at most: a large environment takes several.
const BATCHES: u32 = 100;

/// Clears environments that were deleted a minute ago or longer; what a pass does not come to is the next one's.
pub(crate) async fn deleted(engine: &Engine, now: Timestamp) -> Result<(), Error> {
    let due = storage::operator::deleted(&mut *engine.read().await?, now - WAIT).await?;
    let mut left = BATCHES;
    for env in due {
        match clear(engine, env, &mut left).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error @ (Error::Unavailable(_) | Error::Closed)) => return Err(error),
            // The others have their turn, and the rest of the upkeep has its own.
            Err(error) => {
                metrics::counter!("worker_faults_total", "round" => "purge").increment(1);
                tracing::error!(
                    environment.id = %env,
                    error = &error as &dyn std::error::Error,
                    "a deleted environment is not cleared"
                );
            }
        }
    }
    Ok(())
}

/// Clears one environment, as far as the pass goes; whether it goes further. What was written meanwhile is the next
/// pass's.
async fn clear(engine: &Engine, env: EnvironmentId, left: &mut u32) -> Result<bool, Error> {
    for table in TABLES {
        loop {
            if *left == 0 {
                return Ok(false);
            }
            *left -= 1;
            let (deleted, full) = match table.0 {
                USERS => (people(engine, env).await?, PEOPLE),
                _ => (
                    engine.db().write(async move |tx: &mut Tx<'_>| purge::batch(tx, env, table, ROWS).await).await?,
                    ROWS,
                ),
            };
            if i64::try_from(deleted).is_ok_and(|deleted| deleted < full) {
                break;
            }
        }
    }
    if engine.db().write(async move |tx: &mut Tx<'_>| purge::environment(tx, env).await).await? {
        tracing::info!(environment.id = %env, "nothing is left of a deleted environment");
    }
    Ok(true)
}

/// Deletes some people and their pictures.
async fn people(engine: &Engine, env: EnvironmentId) -> Result<usize, Error> {
    let some = purge::pictures(&mut *engine.read().await?, env, PEOPLE).await?;
    for picture in some.iter().filter_map(|(_, picture)| picture.as_deref()) {
        if let Err(error) = images::purge(engine, env, picture).await {
            // Nobody points to it any more; the people go all the same.
            tracing::warn!(error = &error as &dyn std::error::Error, "a picture of a deleted environment stays");
        }
    }
    let count = some.len();
    engine
        .db()
        .write(async move |tx: &mut Tx<'_>| {
            for (user, _) in &some {
                purge::person(tx, env, user).await?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    Ok(count)
}
