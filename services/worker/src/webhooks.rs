//! The round that pushes events: unlike the others it waits for nobody. What is slow stays under way while the rest
//! goes on.

use crate::rounds::{AFTER_A_FAULT, fault, pause};
use engine::Engine;
use engine::webhooks::delivery::Pushing;
use std::time::Duration;
use tokio::sync::watch;

const NAME: &str = "webhooks";

/// Pushes until told to stop, and finishes what is under way then.
pub(crate) async fn push(
    engine: &Engine,
    owner: &str,
    poll: Duration,
    mut wake: watch::Receiver<()>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut pushing = Pushing::new(engine.clone(), owner);
    while !*stopping.borrow() {
        // What woke us until here is what this look sees.
        wake.mark_unchanged();
        let filled = pushing.fill().await;
        let (rest, wakes) = match &filled {
            Ok(()) => (poll, Some(&mut wake)),
            Err(error) => {
                fault(NAME, error);
                (AFTER_A_FAULT, None)
            }
        };
        tokio::select! {
            Some(done) = pushing.next() => {
                report(done);
                // Many are done with one commit: the next look is for the places of all of them.
                while let Some(done) = pushing.at_hand() {
                    report(done);
                }
            }
            () = pause(rest, wakes, &mut stopping) => {}
        }
    }
    while let Some(done) = pushing.next().await {
        report(done);
    }
}

fn report(done: Result<(), engine::StorageError>) {
    if let Err(error) = done {
        fault(NAME, &error);
    }
}
