//! The queue: work that happens after its transaction, and is tried again until it is done.

use crate::{Engine, events, images, mail, sms};
use domain::event::Event;
use domain::{Context, Timestamp};
use std::time::Duration;
use storage::jobs::LeasedJob;
use storage::{Error, Tx};

/// How long a worker may take for its batch before others take it over.
const LEASE: Duration = Duration::from_secs(60);

/// What becomes of the row of a job that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is to be removed.
    Done,
    /// It was removed in the transaction that did the work.
    Already,
}

/// A job that did not go well.
struct Failed {
    may_retry: bool,
    error: Box<dyn std::error::Error + Send + Sync>,
    /// What is told when it is given up.
    given_up: Option<Event>,
}

impl From<mail::SendError> for Failed {
    fn from(error: mail::SendError) -> Self {
        Self { may_retry: error.may_retry(), given_up: None, error: Box::new(error) }
    }
}

impl From<images::SweepError> for Failed {
    fn from(error: images::SweepError) -> Self {
        Self { may_retry: error.may_retry(), given_up: None, error: Box::new(error) }
    }
}

impl From<sms::SendError> for Failed {
    fn from(error: sms::SendError) -> Self {
        Self { may_retry: error.may_retry(), given_up: error.given_up(), error: Box::new(error) }
    }
}

/// Nobody knows what this job is.
#[derive(Debug, thiserror::Error)]
#[error("no job is called {0}")]
struct Unknown(String);

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

async fn run(engine: &Engine, owner: &str, job: LeasedJob) -> Result<(), Error> {
    // Held up until somebody else may have it: what was not begun is theirs. What was begun settles under its owner's
    // name, and so for nothing once that is another's.
    if engine.now() >= job.leased_until {
        return Ok(());
    }
    let outcome = match job.kind.as_str() {
        mail::JOB => mail::send(engine, &job, owner).await.map_err(Failed::from),
        sms::JOB => sms::send(engine, &job, owner).await.map_err(Failed::from),
        images::JOB => images::sweep(engine, &job).await.map(|()| Settled::Done).map_err(Failed::from),
        other => Err(Failed { may_retry: false, error: Box::new(Unknown(other.to_owned())), given_up: None }),
    };
    let (owner, id) = (owner.to_owned(), job.id);
    let cx = Context::system(job.env, engine.now());
    match outcome {
        Ok(Settled::Already) => Ok(()),
        Ok(Settled::Done) => {
            let done = async move |tx: &mut Tx<'_>| storage::jobs::complete(tx, cx.env, id, &owner).await;
            engine.db().write(done).await.map(drop)
        }
        Err(failed) => {
            let again = failed.may_retry && job.attempts < job.max_attempts;
            tracing::warn!(
                job.id = %id,
                job.kind = job.kind,
                job.attempts = job.attempts,
                job.again = again,
                error = without_addresses(&*failed.error),
                "a job failed"
            );
            metrics::counter!("jobs_failed_total", "kind" => job.kind.clone()).increment(1);
            let (text, attempts, given_up) = (failed.error.to_string(), job.attempts, failed.given_up);
            engine
                .db()
                .write(async move |tx: &mut Tx<'_>| {
                    if again {
                        let at = cx.now + backoff(attempts);
                        storage::jobs::retry(tx, cx.env, id, &owner, at, &text).await?;
                    } else if storage::jobs::bury(tx, cx.env, id, &owner, cx.now, &text).await?
                        && let Some(event) = &given_up
                    {
                        events::push(tx, &cx, event.clone()).await?;
                    }
                    Ok::<_, Error>(())
                })
                .await
        }
    }
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
