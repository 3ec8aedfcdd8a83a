//! The event log, the job queue and their neighbours, on both engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod base;
mod counts;
mod events;
mod failures;
mod form;
mod idempotency;
mod jobs;
mod retention;

use domain::{NewId, Timestamp};
use std::time::Duration;

/// The time at which every test begins.
const T0: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn new<I: NewId>() -> I {
    I::new(T0, crypto::random::bytes())
}

macro_rules! on_both_engines {
    ($($name:ident)*) => {
        mod sqlite { $(
            #[tokio::test]
            async fn $name() {
                let base = crate::base::Base::sqlite().await;
                super::$name(&base.db.handle()).await;
                base.end().await;
            }
        )* }
        mod postgres { $(
            #[tokio::test]
            async fn $name() {
                let Some(base) = crate::base::Base::postgres().await else { return };
                super::$name(&base.db.handle()).await;
                base.end().await;
            }
        )* }
    };
}
use on_both_engines;
