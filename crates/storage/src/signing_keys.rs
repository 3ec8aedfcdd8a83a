//! Signing keys. Their private parts come and go sealed.

use crate::row::{at, corrupt, one_row, read};
use crate::schema::signing_keys;
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::key::{SigningKey, SigningKeyStatus};
use domain::{EnvironmentId, Timestamp};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_keys, check_for_backend(Any), treat_none_as_default_value = false)]
struct Row {
    environment_id: String,
    id: String,
    algorithm: String,
    status: String,
    sealed_private_key: String,
    public_jwk: Doc<serde_json::Value>,
    activated_at: Option<i64>,
    retire_at: Option<i64>,
    created_at: i64,
}

impl TryFrom<Row> for SigningKey {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "signing_keys.id")?,
            algorithm: row.algorithm,
            status: SigningKeyStatus::parse(&row.status).ok_or_else(|| corrupt("signing_keys.status"))?,
            sealed_private_key: row.sealed_private_key,
            public_jwk: row.public_jwk.0,
            activated_at: row.activated_at.map(at),
            retire_at: row.retire_at.map(at),
            created_at: at(row.created_at),
        })
    }
}

/// All keys of an environment that are not expired, newest first.
pub async fn published(conn: &mut Conn, env: EnvironmentId) -> Result<Vec<SigningKey>> {
    let rows: Vec<Row> = signing_keys::table
        .filter(signing_keys::environment_id.eq(env.to_string()).and(signing_keys::status.ne("expired")))
        .order((signing_keys::created_at.desc(), signing_keys::id.desc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(SigningKey::try_from).collect()
}

/// The same, holding the rows until the transaction ends.
pub async fn lock_published(tx: &mut Tx<'_>, env: EnvironmentId) -> Result<Vec<SigningKey>> {
    let rows: Vec<Row> = signing_keys::table
        .filter(signing_keys::environment_id.eq(env.to_string()).and(signing_keys::status.ne("expired")))
        .order((signing_keys::created_at.desc(), signing_keys::id.desc()))
        .select(Row::as_select())
        .locked()
        .load(&mut **tx)
        .await?;
    rows.into_iter().map(SigningKey::try_from).collect()
}

/// Adds a key.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, key: &SigningKey) -> Result<()> {
    let row = Row {
        environment_id: env.to_string(),
        id: key.id.to_string(),
        algorithm: key.algorithm.clone(),
        status: key.status.as_str().to_owned(),
        sealed_private_key: key.sealed_private_key.clone(),
        public_jwk: Doc(key.public_jwk.clone()),
        activated_at: key.activated_at.map(Timestamp::millis),
        retire_at: key.retire_at.map(Timestamp::millis),
        created_at: key.created_at.millis(),
    };
    diesel::insert_into(signing_keys::table).values(row).execute(&mut **tx).await?;
    Ok(())
}

/// Writes where a key stands.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, key: &SigningKey) -> Result<()> {
    let hit = diesel::update(signing_keys::table.find((env.to_string(), key.id.to_string())))
        .set((
            signing_keys::status.eq(key.status.as_str()),
            signing_keys::activated_at.eq(key.activated_at.map(Timestamp::millis)),
            signing_keys::retire_at.eq(key.retire_at.map(Timestamp::millis)),
        ))
        .execute(&mut **tx)
        .await?;
    one_row(hit, "signing_keys")
}
