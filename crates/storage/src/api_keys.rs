//! Secret keys. Only the SHA-256 of a key is kept; the look-up by it finds the environment.

use crate::row::{at, corrupt, read};
use crate::schema::api_keys;
use crate::{Conn, Result, Tx};
use anydb::Any;
use crypto::TokenHash;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::key::{ApiKey, ApiKeyKind};
use domain::{ApiKeyId, EnvironmentId, Timestamp};

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(Any))]
struct Row {
    id: String,
    environment_id: String,
    kind: String,
    prefix: String,
    name: String,
    last_used_at: Option<i64>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    created_at: i64,
}

impl TryFrom<Row> for ApiKey {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "api_keys.id")?,
            environment_id: read(&row.environment_id, "api_keys.environment_id")?,
            kind: match row.kind.as_str() {
                "secret" => ApiKeyKind::Secret,
                "publishable" => ApiKeyKind::Publishable,
                _ => return Err(corrupt("api_keys.kind")),
            },
            prefix: row.prefix,
            name: row.name,
            last_used_at: row.last_used_at.map(at),
            expires_at: row.expires_at.map(at),
            revoked_at: row.revoked_at.map(at),
            created_at: at(row.created_at),
        })
    }
}

/// Finds a key by the hash of its secret, whatever its state.
pub async fn by_secret(conn: &mut Conn, secret: &TokenHash) -> Result<Option<ApiKey>> {
    let row: Option<Row> = api_keys::table
        .filter(api_keys::hashed_secret.eq(secret.as_bytes().as_slice()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(ApiKey::try_from).transpose()
}

/// Finds a key of an environment.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: ApiKeyId) -> Result<Option<ApiKey>> {
    let row: Option<Row> = api_keys::table
        .find(id.to_string())
        .filter(api_keys::environment_id.eq(env.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(ApiKey::try_from).transpose()
}

/// All keys of an environment, live and revoked, oldest first.
pub async fn list(conn: &mut Conn, env: EnvironmentId) -> Result<Vec<ApiKey>> {
    let rows: Vec<Row> = api_keys::table
        .filter(api_keys::environment_id.eq(env.to_string()))
        .order((api_keys::created_at.asc(), api_keys::id.asc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// Adds a key.
pub async fn insert(tx: &mut Tx<'_>, key: &ApiKey, secret: &TokenHash) -> Result<()> {
    diesel::insert_into(api_keys::table)
        .values((
            api_keys::id.eq(key.id.to_string()),
            api_keys::environment_id.eq(key.environment_id.to_string()),
            api_keys::kind.eq(key.kind.as_str()),
            api_keys::prefix.eq(&key.prefix),
            api_keys::hashed_secret.eq(secret.as_bytes().as_slice()),
            api_keys::name.eq(&key.name),
            api_keys::expires_at.eq(key.expires_at.map(Timestamp::millis)),
            api_keys::created_at.eq(key.created_at.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Makes a key worth nothing; `false` when it was so already or is not there.
pub async fn revoke(tx: &mut Tx<'_>, env: EnvironmentId, id: ApiKeyId, now: Timestamp) -> Result<bool> {
    let hit = diesel::update(
        api_keys::table.filter(
            api_keys::id
                .eq(id.to_string())
                .and(api_keys::environment_id.eq(env.to_string()))
                .and(api_keys::revoked_at.is_null()),
        ),
    )
    .set(api_keys::revoked_at.eq(now.millis()))
    .execute(&mut **tx)
    .await?;
    Ok(hit == 1)
}

/// Notes when keys were last used.
pub async fn touch(tx: &mut Tx<'_>, used: &[(ApiKeyId, Timestamp)]) -> Result<()> {
    for (id, when) in used {
        diesel::update(api_keys::table.find(id.to_string()))
            .set(api_keys::last_used_at.eq(when.millis()))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
