//! What has to be done from time to time, whoever asks for nothing.

use crate::{Engine, activity, signing, tenancy};
use domain::{Context, Timestamp};
use std::time::Duration;
use storage::{Error, Tx};

/// How many rows one pass touches at most.
const BATCH: i64 = 500;

/// Who does the upkeep of the whole installation at the moment.
const LEASE: &str = "upkeep";

/// How many attempts and challenges of an environment one pass deletes at most.
const SWEPT: i64 = 2000;

/// How long an attempt stays to be read, a day after its own is over; and a challenge after its ten minutes.
const ATTEMPTS_KEPT: Duration = domain::time::hours(48);
const CHALLENGES_KEPT: Duration = domain::time::hours(24);

/// One pass; called about each second. What was seen is written each time; each minute one process goes through
/// the environments.
pub async fn tick(engine: &Engine) -> Result<(), Error> {
    activity::flush(engine).await?;
    let now = engine.now();
    if !engine.shared().is_due(now) || !lead(engine, now).await? {
        return Ok(());
    }
    for env in tenancy::all(engine).await? {
        let cx = Context::system(env, now);
        engine
            .write(&cx, async move |tx, cx| storage::sessions::stamp_expired(tx, cx.env, cx.now, BATCH).await)
            .await?;
        sweep(engine, &cx).await?;
        if let Err(error) = signing::keep_in_time(engine, &cx).await {
            tracing::error!(environment.id = %env, error = &error as &dyn std::error::Error, "signing keys could not be kept in time");
        }
    }
    let max = usize::try_from(BATCH).unwrap_or(500);
    // Until nothing is left: every count adds up what waits here, and a rush leaves more than one batch.
    while engine.db().write(async move |tx: &mut Tx<'_>| storage::counts::fold(tx, max).await).await? == max {}
    engine
        .db()
        .write(async move |tx: &mut Tx<'_>| {
            storage::idempotency::sweep(tx, now, max).await?;
            storage::failures::sweep(tx, now, max).await.map(drop)
        })
        .await
}

/// Deletes what nobody can go on with any more.
async fn sweep(engine: &Engine, cx: &Context) -> Result<(), Error> {
    engine
        .write(cx, async move |tx, cx| {
            let idle = cx.now - Duration::from_secs(30 * 86_400);
            storage::clients::sweep(tx, cx.env, idle, BATCH).await?;
            storage::challenges::sweep(tx, cx.env, cx.now - CHALLENGES_KEPT, SWEPT).await?;
            storage::sign_ins::sweep(tx, cx.env, cx.now - ATTEMPTS_KEPT, SWEPT).await?;
            storage::sign_ups::sweep(tx, cx.env, cx.now - ATTEMPTS_KEPT, SWEPT).await?;
            Ok::<_, Error>(())
        })
        .await
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
