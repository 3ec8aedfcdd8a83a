//! What has to be done from time to time, whoever asks for nothing.

use crate::signing::SigningError;
use crate::{Engine, activity, audit, purge, signing, tenancy};
use domain::{Context, EnvironmentId, Timestamp};
use std::time::Duration;
use storage::{Error, Tx};

/// How many rows one transaction touches at most, where it touches each by itself.
const BATCH: i64 = 500;

/// How many rows one statement deletes at most.
const SWEPT: i64 = 2000;

/// How many batches of one kind a pass has at most: a rush of one environment must not keep the others waiting.
const BATCHES: usize = 40;

/// Who does the upkeep of the whole installation at the moment.
const LEASE: &str = "upkeep";

const DAY: Duration = domain::time::hours(24);

/// How long an attempt stays to be read, a day after its own is over; and a challenge after its ten minutes.
const ATTEMPTS_KEPT: Duration = domain::time::hours(48);
/// How long a ticket that ran out can still be told from one that never was.
const TICKETS_KEPT: Duration = domain::time::hours(30 * 24);
/// How long an attempt to push an event stays to be read.
const DELIVERIES_KEPT: Duration = domain::time::hours(30 * 24);
const CHALLENGES_KEPT: Duration = domain::time::hours(24);

/// How long a client without a session stays after its last use.
const CLIENTS_KEPT: Duration = domain::time::hours(30 * 24);

/// How long a session stays to be read after its end.
const SESSIONS_KEPT: Duration = domain::time::hours(90 * 24);

/// How long a job that was given up stays to be looked at.
const BURIED_KEPT: Duration = domain::time::hours(30 * 24);

/// Why the upkeep of an environment was cut short.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Storage(#[from] Error),
}

impl Fault {
    /// The error, if it is the database's as a whole: the next environment would meet it as well.
    fn of_all(self) -> Result<Error, Self> {
        match self {
            Self::Storage(error) | Self::Signing(SigningError::Storage(error))
                if matches!(error, Error::Unavailable(_) | Error::Closed) =>
            {
                Ok(error)
            }
            own => Err(own),
        }
    }
}

/// One pass; called about each second. What was seen is written each time; each minute one process goes through
/// the environments. What fails in one environment is logged and counted, and the others have their turn.
pub async fn tick(engine: &Engine) -> Result<(), Error> {
    activity::flush(engine).await?;
    let now = engine.now();
    if !engine.shared().is_due(now) || !lead(engine, now).await? {
        return Ok(());
    }
    for env in tenancy::all(engine).await? {
        let Err(fault) = look_after(engine, &Context::system(env, now)).await else { continue };
        let fault = match fault.of_all() {
            Ok(error) => return Err(error),
            Err(own) => own,
        };
        failed(env, &fault);
    }
    purge::deleted(engine, now).await?;
    let max = usize::try_from(BATCH).unwrap_or(500);
    // Until nothing is left: every count adds up what waits here, and a rush leaves more than one batch.
    while engine.db().write(async move |tx: &mut Tx<'_>| storage::counts::fold(tx, max).await).await? == max {}
    engine
        .db()
        .write(async move |tx: &mut Tx<'_>| {
            storage::idempotency::sweep(tx, now, max).await?;
            storage::event_texts::sweep(tx, now, max).await?;
            storage::failures::sweep(tx, now, max).await?;
            storage::retention::buried_jobs(tx, now - BURIED_KEPT, SWEPT).await.map(drop)
        })
        .await
}

fn failed(env: EnvironmentId, fault: &Fault) {
    metrics::counter!("worker_faults_total", "round" => "upkeep").increment(1);
    tracing::error!(
        environment.id = %env,
        error = fault as &dyn std::error::Error,
        "the upkeep of an environment was cut short"
    );
}

/// Everything that is due in one environment. Signing keys come first: people wait for nothing else of it.
async fn look_after(engine: &Engine, cx: &Context) -> Result<(), Fault> {
    let keys = signing::keep_in_time(engine, cx).await;
    sweep(engine, cx).await?;
    keys?;
    // Last, because it needs the settings, and with them the keys.
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let before = cx.now - DAY * tenant.env.settings.audit_log_retention_days;
    in_batches(engine, cx, SWEPT, async move |tx: &mut Tx<'_>, cx: &Context| {
        let Some(anchor) = storage::retention::due(tx, cx.env, before, SWEPT).await? else { return Ok(0) };
        if let Err(sequence) = audit::is_sound_until(tx, &tenant.keys, cx.env, &anchor).await? {
            metrics::counter!("audit_log_broken_total").increment(1);
            tracing::error!(
                environment.id = %cx.env,
                audit.sequence = sequence,
                "the audit log is not what was written: nothing of it is deleted"
            );
            return Ok(0);
        }
        let tag = audit::tag_of(&tenant.keys, &anchor);
        storage::retention::events(tx, cx.env, &anchor, &tag, cx.now).await
    })
    .await?;
    Ok(())
}

/// Stamps what is over, and deletes what nobody can go on with or reads any more.
async fn sweep(engine: &Engine, cx: &Context) -> Result<(), Error> {
    in_batches(engine, cx, BATCH, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::sessions::stamp_expired(tx, cx.env, cx.now, BATCH).await
    })
    .await?;
    in_batches(engine, cx, BATCH, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::sessions::stamp_abandoned(tx, cx.env, cx.now, BATCH).await
    })
    .await?;
    in_batches(engine, cx, BATCH, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::invitations::stamp_expired(tx, cx.env, cx.now, BATCH).await
    })
    .await?;
    in_batches(engine, cx, BATCH, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::retention::sessions(tx, cx.env, cx.now - SESSIONS_KEPT, BATCH).await
    })
    .await?;
    in_batches(engine, cx, BATCH, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::clients::sweep(tx, cx.env, cx.now - CLIENTS_KEPT, BATCH).await
    })
    .await?;
    in_batches(engine, cx, SWEPT, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::challenges::sweep(tx, cx.env, cx.now - CHALLENGES_KEPT, SWEPT).await
    })
    .await?;
    in_batches(engine, cx, SWEPT, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::sign_ins::sweep(tx, cx.env, cx.now - ATTEMPTS_KEPT, SWEPT).await
    })
    .await?;
    in_batches(engine, cx, SWEPT, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::tickets::sweep(tx, cx.env, cx.now - TICKETS_KEPT, SWEPT).await
    })
    .await?;
    in_batches(engine, cx, SWEPT, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::webhook_deliveries::sweep(tx, cx.env, cx.now - DELIVERIES_KEPT, SWEPT).await
    })
    .await?;
    in_batches(engine, cx, SWEPT, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::sign_ups::sweep(tx, cx.env, cx.now - ATTEMPTS_KEPT, SWEPT).await
    })
    .await?;
    in_batches(engine, cx, SWEPT, async |tx: &mut Tx<'_>, cx: &Context| {
        storage::totp::sweep(tx, cx.env, cx.now - domain::user::ENROLMENT_LIFETIME, SWEPT).await
    })
    .await
}

/// Does the same again, each time in a transaction of its own, until a batch is not full.
async fn in_batches<F>(engine: &Engine, cx: &Context, batch: i64, work: F) -> Result<(), Error>
where
    F: AsyncFn(&mut Tx<'_>, &Context) -> Result<usize, Error> + Clone + Send + 'static,
{
    let full = usize::try_from(batch).unwrap_or(usize::MAX);
    for _ in 0..BATCHES {
        if engine.write(cx, work.clone()).await? < full {
            break;
        }
    }
    Ok(())
}

/// Takes the lead for the next minute, unless another process has it.
async fn lead(engine: &Engine, now: Timestamp) -> Result<bool, Error> {
    let owner = engine.shared().name().to_owned();
    engine
        .db()
        .write(async move |tx: &mut Tx<'_>| {
            storage::leases::acquire(tx, LEASE, &owner, now, Duration::from_secs(60)).await
        })
        .await
}
