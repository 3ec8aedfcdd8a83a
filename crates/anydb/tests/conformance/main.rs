//! What `anydb` promises, on both engines.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cancellation;
mod language;
mod limits;
mod migrations;
mod place;
mod property;
mod queries;
mod schema;
mod texts;
mod transactions;
mod writers;
