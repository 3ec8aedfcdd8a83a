//! What happens later: jobs, the order of the event log, upkeep.
//!
//! Several workers may run beside each other: leases in the database decide who does what. A worker that is
//! asked to stop finishes the job in hand.

mod health;
mod rounds;
mod webhooks;

pub use health::{Health, serve_health};

use anyhow::Context as _;
use boot::clock::SystemClock;
use boot::master_key::Missing;
use boot::{Config, Mail, Platform, Wiring};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A worker on a thread of its own.
pub struct Worker {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Starts a worker.
pub fn start(platform: &Platform) -> io::Result<Worker> {
    let (stop, stopping) = watch::channel(false);
    let platform = platform.clone();
    let thread = std::thread::Builder::new().name("worker".to_owned()).spawn(move || {
        // A thread and runtime of its own: engines stay on the thread that made them, and a slow mail server slows
        // no request.
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(rounds::run(&platform, stopping)),
            Err(error) => tracing::error!(%error, "the worker cannot start"),
        }
    })?;
    Ok(Worker { stop, thread })
}

impl Worker {
    /// Asks the worker to stop and waits until the job in hand is done; false if that took too long.
    pub fn stop(self, patience: Duration) -> bool {
        self.stop.send_replace(true);
        let deadline = Instant::now() + patience;
        while !self.thread.is_finished() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.thread.join().is_ok()
    }
}

/// The worker as a process of its own: runs until it is asked to stop.
pub fn serve(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let patience = config.shutdown_timeout;
        let wiring = Wiring {
            clock: Arc::new(SystemClock),
            mail: Mail::Smtp,
            missing_master_key: Missing::Refuse,
            // The worker's own thread, and the one that answers probes.
            threads: 2,
        };
        let platform = boot::start(config, wiring).await?;
        serve_health(&platform).context("the port of the worker's probes cannot be used")?;
        let worker = start(&platform)?;
        boot::process::asked_to_stop().await?;
        if !worker.stop(patience) {
            tracing::warn!("a job was still in hand: another worker takes it over when its lease ends");
        }
        platform.database.shutdown().await;
        Ok(())
    })
}
