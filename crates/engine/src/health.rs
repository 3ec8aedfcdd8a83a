//! Whether this process can serve.

use crate::Engine;
use storage::Error;

/// Why it cannot.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The database does not answer.
    #[error("the database does not answer")]
    Database(#[source] Error),
}

/// Asks the database for an answer.
pub async fn ready(engine: &Engine) -> Result<(), NotReady> {
    engine.db().ping().await.map_err(NotReady::Database)?;
    // The tables of this version must be there: a process never serves on a schema that does not fit.
    let mut conn = engine.read().await.map_err(NotReady::Database)?;
    storage::environments::versions(&mut conn).await.map_err(NotReady::Database)?;
    Ok(())
}
