//! The rounds that a worker makes.

use boot::Platform;
use engine::tenancy::UNSEEN_AT_MOST;
use engine::{Engine, StorageError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const SECOND: Duration = Duration::from_secs(1);

// How long after a fault the next attempt is made: long enough not to flood the log of a broken database.
pub(crate) const AFTER_A_FAULT: Duration = Duration::from_secs(5);

/// Makes rounds until told to stop.
pub(crate) async fn run(platform: &Platform, stopping: watch::Receiver<bool>) {
    let engine = platform.engine();
    let owner = format!("worker-{}", crypto::random::jti());
    let settings = &platform.config.worker;
    let poll = Duration::from_millis(settings.poll_milliseconds);
    if !ready(&engine, stopping.clone()).await {
        return;
    }
    tracing::info!(worker.id = owner, "the worker takes jobs");
    let (wake, woken) = watch::channel(());
    let rounds = async {
        tokio::join!(
            again("jobs", poll, Some(woken.clone()), stopping.clone(), async || {
                let done = engine::jobs::run_due(&engine, &owner, settings.batch).await?;
                metrics::counter!("worker_jobs_total").increment(done as u64);
                Ok(done > 0)
            }),
            again("events", poll, Some(woken.clone()), stopping.clone(), async || {
                let sequenced = engine::events::sequence(&engine).await?;
                // Right behind, so that whoever listens hears at once.
                Ok(engine::webhooks::fan_out(&engine).await? + sequenced > 0)
            }),
            crate::webhooks::push(&engine, &owner, poll, woken, stopping.clone()),
            again("upkeep", SECOND, None, stopping.clone(), async || engine::upkeep::tick(&engine)
                .await
                .map(|()| false)),
            again("caches", UNSEEN_AT_MOST / 2, None, stopping, async || engine::tenancy::refresh(&engine)
                .await
                .map(|()| false)),
        );
    };
    // One call of the engine wakes every round that waits for it.
    let pass_on = async {
        loop {
            platform.shared.woken().await;
            wake.send_replace(());
        }
    };
    tokio::select! {
        () = rounds => {}
        () = pass_on => {}
    }
    tracing::info!(worker.id = owner, "the worker has stopped");
}

/// Waits until the database has this version's form; false if told to stop before.
async fn ready(engine: &Engine, mut stopping: watch::Receiver<bool>) -> bool {
    let mut told = false;
    while !*stopping.borrow() {
        match engine::health::ready(engine).await {
            Ok(()) => return true,
            Err(reason) if !told => {
                tracing::warn!(%reason, "the worker waits");
                told = true;
            }
            Err(_) => {}
        }
        pause(SECOND, None, &mut stopping).await;
    }
    false
}

/// Does something again and again: at once while there is more, else after the pause or when woken.
async fn again(
    what: &'static str,
    every: Duration,
    mut wake: Option<watch::Receiver<()>>,
    mut stopping: watch::Receiver<bool>,
    round: impl AsyncFn() -> Result<bool, StorageError>,
) {
    while !*stopping.borrow() {
        if let Some(wake) = &mut wake {
            // What woke us until here is what this round sees.
            wake.mark_unchanged();
        }
        let started = Instant::now();
        let done = round().await;
        metrics::histogram!("worker_round_seconds", "round" => what).record(started.elapsed().as_secs_f64());
        match done {
            Ok(true) => {}
            Ok(false) => pause(every, wake.as_mut(), &mut stopping).await,
            Err(error) => {
                fault(what, &error);
                pause(AFTER_A_FAULT, None, &mut stopping).await;
            }
        }
    }
}

pub(crate) fn fault(what: &'static str, error: &StorageError) {
    metrics::counter!("worker_faults_total", "round" => what).increment(1);
    tracing::error!(worker.round = what, error = boot::process::chain(error), "a round of the worker failed");
}

pub(crate) async fn pause(
    length: Duration,
    wake: Option<&mut watch::Receiver<()>>,
    stopping: &mut watch::Receiver<bool>,
) {
    let woken = async {
        let Some(wake) = wake else { return std::future::pending().await };
        if wake.changed().await.is_err() {
            // Nobody wakes us any more.
            std::future::pending().await
        }
    };
    tokio::select! {
        () = tokio::time::sleep(length) => {}
        () = woken => {}
        // An error means that the owner is gone, and nobody will ask for anything any more.
        _ = stopping.changed() => {}
    }
}
