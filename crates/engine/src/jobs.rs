//! The queue: work that happens after its transaction, and is tried again until it is done.

use crate::{Engine, images, mail};
use domain::Timestamp;
use std::time::Duration;
use storage::jobs::LeasedJob;
use storage::{Error, Tx};

/// How long a worker may take for its batch before others take it over.
const LEASE: Duration = Duration::from_secs(60);

/// Runs due jobs and says how many. `owner` names the worker.
pub async fn run_due(engine: &Engine, owner: &str, max: usize) -> Result<usize, Error> {
    // Another name at every call: it tells this lease from one that took it over.
    let owner = format!("{owner}:{}", crypto::random::jti());
    let now = engine.now();
    let lease_owner = owner.clone();
    let jobs = engine
        .db()
        .write(async move |tx: &mut Tx<'_>| storage::jobs::lease(tx, &lease_owner, now, LEASE, max).await)
        .await?;
    let count = jobs.len();
    // Beside each other: one slow mail server must not outlast the lease of the whole batch.
    let done = futures_util::future::join_all(jobs.into_iter().map(|job| run(engine, &owner, job))).await;
    done.into_iter().collect::<Result<Vec<()>, Error>>()?;
    Ok(count)
}

/// Whether another try may succeed, what is noted, and what is logged.
type Failure = (bool, String, Option<Box<dyn std::error::Error + Send + Sync>>);

async fn run(engine: &Engine, owner: &str, job: LeasedJob) -> Result<(), Error> {
    let outcome: Result<(), Failure> = match job.kind.as_str() {
        mail::JOB => mail::send(engine, &job).await.map_err(|e| (e.may_retry(), e.to_string(), Some(e.into()))),
        images::JOB => images::sweep(engine, &job).await.map_err(|e| (e.may_retry(), e.to_string(), Some(e.into()))),
        other => Err((false, format!("no job is called {other}"), None)),
    };
    let (owner, env, id, now) = (owner.to_owned(), job.env, job.id, engine.now());
    match outcome {
        Ok(()) => {
            engine.db().write(async move |tx: &mut Tx<'_>| storage::jobs::complete(tx, env, id, &owner).await).await?;
        }
        Err((may_retry, text, error)) => {
            let again = may_retry && job.attempts < job.max_attempts;
            tracing::warn!(
                job.id = %id,
                job.kind = job.kind,
                job.attempts = job.attempts,
                job.again = again,
                error = error.as_ref().map(|e| without_addresses(e.as_ref())),
                "a job failed"
            );
            metrics::counter!("jobs_failed_total", "kind" => job.kind.clone()).increment(1);
            engine
                .db()
                .write(async move |tx: &mut Tx<'_>| {
                    if again {
                        storage::jobs::retry(tx, env, id, &owner, now + backoff(job.attempts), &text).await
                    } else {
                        storage::jobs::bury(tx, env, id, &owner, now, &text).await
                    }
                })
                .await?;
        }
    }
    Ok(())
}

/// The whole chain of an error for the log, which holds no addresses; a mail server's answer may name one.
fn without_addresses(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    let words: Vec<&str> = text.split_whitespace().map(|w| if w.contains('@') { "[address]" } else { w }).collect();
    words.join(" ")
}

/// 2 s, 4 s, 8 s ... up to an hour.
fn backoff(attempts: i32) -> Duration {
    let exponent = u32::try_from(attempts.clamp(1, 12)).unwrap_or(1);
    Duration::from_secs(2_u64.pow(exponent).min(3600))
}

/// When the queue should be looked at again.
pub async fn next_due(engine: &Engine) -> Result<Option<Timestamp>, Error> {
    storage::jobs::next_due(&mut *engine.read().await?, engine.now()).await
}

/// How many jobs are due, and how many were given up.
pub async fn depth(engine: &Engine) -> Result<(i64, i64), Error> {
    storage::jobs::depth(&mut *engine.read().await?, engine.now()).await
}
