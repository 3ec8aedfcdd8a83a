//! What is left of an environment that was deleted goes table by table, a batch in a transaction.

use crate::schema::{environments, users};
use crate::{Conn, Result, Tx};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::EnvironmentId;

/// Every table of a tenant, with what tells its rows apart within an environment. Rows that others point to come after
/// those; the queue comes late, so that what waits there can still be done; the keys come last.
///
/// A test holds this list against the database: whoever adds a table adds it here.
pub const TABLES: &[(&str, &str)] = &[
    ("challenges", "id"),
    ("sign_ins", "id"),
    ("sign_ups", "id"),
    ("tickets", "id"),
    ("sessions", "id"),
    ("clients", "id"),
    ("backup_codes", "id"),
    ("totp_secrets", "user_id"),
    ("passkeys", "id"),
    ("phone_numbers", "id"),
    ("email_addresses", "id"),
    ("invitations", "id"),
    (USERS, "id"),
    ("deleted_users", "id"),
    ("message_templates", "id"),
    ("listed_identifiers", "id"),
    ("redirect_urls", "id"),
    ("jwt_templates", "id"),
    ("configuration_documents", "name"),
    ("webhook_deliveries", "id"),
    ("webhook_queue", "event_id, endpoint_id"),
    ("webhook_cursors", "environment_id"),
    ("webhook_endpoints", "id"),
    ("event_texts", "event_id"),
    ("event_payloads", "event_id"),
    ("events", "id"),
    ("event_positions", "environment_id"),
    ("audit_anchors", "environment_id"),
    ("idempotency_keys", "claim"),
    ("counts", "counter"),
    ("count_deltas", "id"),
    ("failure_counters", "identity, purpose"),
    ("jobs", "id"),
    ("api_keys", "id"),
    ("hosts", "host, segment"),
    ("signing_keys", "id"),
    ("data_keys", "id"),
];

/// The table of people, who may have pictures.
pub const USERS: &str = "users";

/// Deletes at most `max` rows of an environment from one of [`TABLES`], and says how many.
pub async fn batch(tx: &mut Tx<'_>, env: EnvironmentId, table: &(&str, &str), max: i64) -> Result<usize> {
    let (table, key) = table;
    let conn: &mut Conn = tx;
    // The names are ours, out of the list.
    let sql = format!(
        "DELETE FROM {table} WHERE environment_id = $1 AND ({key}) IN ( \
             SELECT {key} FROM {table} WHERE environment_id = $1 LIMIT $2)"
    );
    Ok(diesel::sql_query(sql).bind::<Text, _>(env.to_string()).bind::<BigInt, _>(max).execute(conn).await?)
}

/// A few people of an environment with the names of their pictures.
pub async fn pictures(conn: &mut Conn, env: EnvironmentId, max: i64) -> Result<Vec<(String, Option<String>)>> {
    Ok(users::table
        .filter(users::environment_id.eq(env.to_string()))
        .order(users::id)
        .select((users::id, users::image_key))
        .limit(max)
        .load(conn)
        .await?)
}

/// Deletes one person, with what belongs to nobody else.
pub async fn person(tx: &mut Tx<'_>, env: EnvironmentId, user: &str) -> Result<()> {
    diesel::delete(users::table.find((env.to_string(), user))).execute(&mut **tx).await?;
    Ok(())
}

/// The tables that still hold rows of an environment.
pub async fn left(conn: &mut Conn, env: EnvironmentId) -> Result<Vec<&'static str>> {
    let mut left = Vec::new();
    for (table, _) in TABLES {
        let sql = format!("SELECT environment_id FROM {table} WHERE environment_id = $1 LIMIT 1");
        let found: Vec<Found> = diesel::sql_query(sql).bind::<Text, _>(env.to_string()).load(conn).await?;
        if found.iter().any(|row| !row.environment_id.is_empty()) {
            left.push(*table);
        }
    }
    Ok(left)
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(anydb::Any))]
struct Found {
    #[diesel(sql_type = Text)]
    environment_id: String,
}

/// Deletes the environment itself, when it was deleted and nothing of it is left; whether it is gone.
pub async fn environment(tx: &mut Tx<'_>, env: EnvironmentId) -> Result<bool> {
    if !left(tx, env).await?.is_empty() {
        return Ok(false);
    }
    let gone = environments::table.find(env.to_string()).filter(environments::deleted_at.is_not_null());
    diesel::delete(gone).execute(&mut **tx).await?;
    Ok(true)
}
