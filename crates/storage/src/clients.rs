//! Browsers and devices.

use crate::row::{at, corrupt, one_row, read, read_opt};
use crate::schema::{clients, sessions};
use crate::{Conn, Result, Tx};
use anydb::{Any, Lock as _};
use crypto::TokenHash;
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::client::Client;
use domain::{ClientId, EnvironmentId, Timestamp};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = clients, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct Row {
    environment_id: String,
    id: String,
    secret_hash: Vec<u8>,
    previous_hash: Option<Vec<u8>>,
    previous_until: Option<i64>,
    last_active_session_id: Option<String>,
    created_at: i64,
    updated_at: i64,
}

fn hash(bytes: &[u8]) -> Result<TokenHash> {
    TokenHash::from_bytes(bytes).ok_or_else(|| corrupt("clients.secret_hash"))
}

impl TryFrom<Row> for Client {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        let previous = match (row.previous_hash, row.previous_until) {
            (Some(bytes), Some(until)) => Some((hash(&bytes)?, at(until))),
            _ => None,
        };
        Ok(Self {
            id: read(&row.id, "clients.id")?,
            secret_hash: hash(&row.secret_hash)?,
            previous,
            last_active_session_id: read_opt(row.last_active_session_id.as_ref(), "clients.last_active_session_id")?,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, client: &Client) -> Row {
    Row {
        environment_id: env.to_string(),
        id: client.id.to_string(),
        secret_hash: client.secret_hash.as_bytes().to_vec(),
        previous_hash: client.previous.as_ref().map(|(hash, _)| hash.as_bytes().to_vec()),
        previous_until: client.previous.as_ref().map(|(_, until)| until.millis()),
        last_active_session_id: client.last_active_session_id.map(|id| id.to_string()),
        created_at: client.created_at.millis(),
        updated_at: client.updated_at.millis(),
    }
}

/// Finds a client.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: ClientId) -> Result<Option<Client>> {
    let row: Option<Row> =
        clients::table.find((env.to_string(), id.to_string())).select(Row::as_select()).first(conn).await.optional()?;
    row.map(Client::try_from).transpose()
}

/// Finds a client and holds its row until the transaction ends: everything on one client is written under this lock.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, id: ClientId) -> Result<Option<Client>> {
    let row: Option<Row> = clients::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(Client::try_from).transpose()
}

/// Adds a client.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, client: &Client) -> Result<()> {
    diesel::insert_into(clients::table).values(row(env, client)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes a client that was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, client: &Client) -> Result<()> {
    let hit = diesel::update(clients::table.find((env.to_string(), client.id.to_string())))
        .set(row(env, client))
        .execute(&mut **tx)
        .await?;
    one_row(hit, "clients")
}

/// Deletes clients that nobody has used since `before` and that hold no session, a few at a time.
pub async fn sweep(tx: &mut Tx<'_>, env: EnvironmentId, before: Timestamp, max: i64) -> Result<usize> {
    // Among a partial index's few: who points to a session holds one.
    let idle = || {
        let unused = clients::updated_at.lt(before.millis()).and(clients::last_active_session_id.is_null());
        let held = sessions::table
            .filter(sessions::environment_id.eq(clients::environment_id).and(sessions::client_id.eq(clients::id)));
        unused.and(not(exists(held)))
    };
    let mut found: Vec<String> = clients::table
        .filter(clients::environment_id.eq(env.to_string()).and(idle()))
        .select(clients::id)
        .limit(max)
        .load(&mut **tx)
        .await?;
    found.sort_unstable();
    let count = found.len();
    for id in found {
        // The test again: a sign-in may have begun a session on it since the look.
        diesel::delete(clients::table.find((env.to_string(), id)).filter(idle())).execute(&mut **tx).await?;
    }
    Ok(count)
}
