//! How everything is kept: tables, queries, the event log and the job queue.
//!
//! The secret kept here is SQL. Rows are private to their file and leave it as domain values; every query
//! takes the environment and filters by it. What changes rows takes a [`Tx`], which only the write door
//! of `anydb` makes.

pub mod api_keys;
pub mod audit;
pub mod backup_codes;
pub mod challenges;
pub mod clients;
pub mod configuration;
pub mod counts;
pub mod email_addresses;
pub mod environments;
pub mod event_texts;
pub mod events;
pub mod failures;
pub mod form;
pub mod idempotency;
pub mod invitations;
pub mod jobs;
pub mod jwt_templates;
pub mod leases;
pub mod listed_identifiers;
mod log_schema;
pub mod message_templates;
pub mod operator;
mod paging;
pub mod passkeys;
pub mod phone_numbers;
pub mod purge;
pub mod redirect_urls;
pub mod retention;
mod row;
mod schema;
pub mod second_factors;
pub mod sessions;
pub mod sign_ins;
pub mod sign_ups;
pub mod signing_keys;
pub mod tickets;
pub mod totp;
pub mod users;
pub mod webhook_deliveries;
pub mod webhook_queue;
pub mod webhooks;

pub use anydb::{Conn, Database, EngineKind, Error, Handle, Options, Reader, Retry, Synchronous, Tx};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// The result of a query.
pub type Result<T, E = Error> = std::result::Result<T, E>;

const SHARED: EmbeddedMigrations = embed_migrations!("migrations/shared");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Brings the database's tables to this version's form; safe to call from several processes at once.
pub async fn migrate(url: &str) -> Result<()> {
    anydb::migrate::run(url, SHARED, POSTGRES, SQLITE).await.map(drop)
}

/// The migrations that the database still lacks; empty when it fits.
pub async fn pending(url: &str) -> Result<Vec<String>> {
    anydb::migrate::pending(url, SHARED, POSTGRES, SQLITE).await
}

/// A state that no version of ours leaves behind, as the fault it is.
pub fn fault(what: &'static str) -> Error {
    Error::from(diesel::result::Error::QueryBuilderError(what.into()))
}

/// Another crate's failure inside a transaction or a load, as the fault it is.
pub fn fault_from(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::from(diesel::result::Error::QueryBuilderError(Box::new(cause)))
}
