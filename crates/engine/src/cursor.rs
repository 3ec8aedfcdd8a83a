//! Cursors of an environment's lists, under its own key.

use crate::{Engine, tenancy};
use domain::cursor;
use domain::environment::Environment;
use storage::Error;

/// Makes a cursor that goes on after a row.
pub async fn seal(engine: &Engine, env: &Environment, binding: &str, value: i64, id: &str) -> Result<String, Error> {
    Ok(cursor::seal(&tenancy::tenant(engine, env.id).await?.keys.cursor, binding, value, id))
}

/// Reads a cursor; `None` when it is forged or belongs to another list.
pub async fn open(
    engine: &Engine,
    env: &Environment,
    binding: &str,
    text: &str,
) -> Result<Option<(i64, String)>, Error> {
    Ok(cursor::open(&tenancy::tenant(engine, env.id).await?.keys.cursor, binding, text))
}
