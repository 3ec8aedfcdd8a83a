//! Whether this process can serve.

use crate::Engine;
use storage::Error;

/// Why it cannot.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The database does not answer.
    #[error("the database does not answer")]
    Database(#[source] Error),
    /// A migration of this version has not run.
    #[error("the database is not migrated to this version; run `latchkey migrate`")]
    Schema,
}

/// Asks the database for an answer.
pub async fn ready(engine: &Engine) -> Result<(), NotReady> {
    engine.db().ping().await.map_err(NotReady::Database)?;
    // A process never serves on tables that its queries were not written for.
    let mut conn = engine.read().await.map_err(NotReady::Database)?;
    match storage::form::fits(&mut conn).await.map_err(NotReady::Database)? {
        true => Ok(()),
        false => Err(NotReady::Schema),
    }
}
