//! The texts of messages that an environment delivers itself. They hold codes and links: sealed by the caller,
//! kept apart from the event log, and gone after a day.

use crate::log_schema::event_texts as rows;
use crate::{Conn, Result, Tx};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use domain::{EnvironmentId, EventId, Timestamp};

/// Keeps the sealed text of an event until it expires.
pub async fn insert(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    event: EventId,
    sealed: &str,
    expires_at: Timestamp,
) -> Result<()> {
    diesel::insert_into(rows::table)
        .values((
            rows::environment_id.eq(env.to_string()),
            rows::event_id.eq(event.to_string()),
            rows::sealed.eq(sealed),
            rows::expires_at.eq(expires_at.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The sealed text of an event, unless it has expired.
pub async fn find(conn: &mut Conn, env: EnvironmentId, event: EventId, now: Timestamp) -> Result<Option<String>> {
    Ok(rows::table
        .find((env.to_string(), event.to_string()))
        .filter(rows::expires_at.gt(now.millis()))
        .select(rows::sealed)
        .first(conn)
        .await
        .optional()?)
}

/// Drops the text of an event: it has arrived.
pub async fn delete(tx: &mut Tx<'_>, env: EnvironmentId, event: EventId) -> Result<()> {
    diesel::delete(rows::table.find((env.to_string(), event.to_string()))).execute(&mut **tx).await?;
    Ok(())
}

/// Deletes at most `max` texts that have expired.
pub async fn sweep(tx: &mut Tx<'_>, now: Timestamp, max: usize) -> Result<usize> {
    let conn: &mut Conn = tx;
    Ok(diesel::sql_query(
        "DELETE FROM event_texts WHERE expires_at <= $1 AND (environment_id, event_id) IN ( \
             SELECT environment_id, event_id FROM event_texts \
             WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind::<BigInt, _>(now.millis())
    .bind::<BigInt, _>(i64::try_from(max).unwrap_or(i64::MAX))
    .execute(conn)
    .await?)
}
