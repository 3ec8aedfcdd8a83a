//! The secrets of authenticator apps: one row of a person at most.

use crate::row::{at, one_row, read};
use crate::schema::totp_secrets;
use crate::{Conn, Result, Tx};
use anydb::Any;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::user::TotpSecret;
use domain::{EnvironmentId, Timestamp, UserId};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = totp_secrets, primary_key(environment_id, user_id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    user_id: String,
    id: String,
    sealed_secret: String,
    verified_at: Option<i64>,
    last_step: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for TotpSecret {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "totp_secrets.id")?,
            user_id: read(&row.user_id, "totp_secrets.user_id")?,
            sealed_secret: row.sealed_secret,
            verified_at: row.verified_at.map(at),
            last_step: row.last_step,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, secret: &TotpSecret) -> Row {
    Row {
        environment_id: env.to_string(),
        user_id: secret.user_id.to_string(),
        id: secret.id.to_string(),
        sealed_secret: secret.sealed_secret.clone(),
        verified_at: secret.verified_at.map(Timestamp::millis),
        last_step: secret.last_step,
        created_at: secret.created_at.millis(),
        updated_at: secret.updated_at.millis(),
    }
}

/// Finds the secret of a person, confirmed or not.
pub async fn find(conn: &mut Conn, env: EnvironmentId, user: UserId) -> Result<Option<TotpSecret>> {
    let row: Option<Row> = totp_secrets::table
        .find((env.to_string(), user.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(TotpSecret::try_from).transpose()
}

/// Begins an enrolment of a person who was locked, in place of one that nobody confirmed.
pub async fn put(tx: &mut Tx<'_>, env: EnvironmentId, secret: &TotpSecret) -> Result<()> {
    delete(tx, env, secret.user_id).await?;
    diesel::insert_into(totp_secrets::table).values(row(env, secret)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes the secret of a person who was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, secret: &TotpSecret) -> Result<()> {
    let target = totp_secrets::table.find((env.to_string(), secret.user_id.to_string()));
    let hit = diesel::update(target).set(row(env, secret)).execute(&mut **tx).await?;
    one_row(hit, "totp_secrets")
}

/// Takes the code of a step, unless one of it or of a later step was taken before. The one statement decides,
/// whoever else shows the same code at the same moment to another process.
pub async fn take_step(tx: &mut Tx<'_>, env: EnvironmentId, user: UserId, step: i64, now: Timestamp) -> Result<bool> {
    let target = totp_secrets::table
        .find((env.to_string(), user.to_string()))
        .filter(totp_secrets::verified_at.is_not_null().and(totp_secrets::last_step.lt(step)));
    let hit = diesel::update(target)
        .set((totp_secrets::last_step.eq(step), totp_secrets::updated_at.eq(now.millis())))
        .execute(&mut **tx)
        .await?;
    Ok(hit == 1)
}

/// Deletes the secret of a person, if there is one.
pub async fn delete(tx: &mut Tx<'_>, env: EnvironmentId, user: UserId) -> Result<bool> {
    let hit = diesel::delete(totp_secrets::table.find((env.to_string(), user.to_string()))).execute(&mut **tx).await?;
    Ok(hit == 1)
}

/// Deletes enrolments that began before a time and that nobody confirmed, at most `max`.
pub async fn sweep(tx: &mut Tx<'_>, env: EnvironmentId, before: Timestamp, max: i64) -> Result<usize> {
    // The outer test again: what was confirmed or begun anew since the inner one looked must stay.
    Ok(diesel::sql_query(
        "DELETE FROM totp_secrets WHERE environment_id = $1 AND verified_at IS NULL AND created_at < $2 \
         AND user_id IN ( \
             SELECT user_id FROM totp_secrets \
             WHERE environment_id = $1 AND verified_at IS NULL AND created_at < $2 ORDER BY created_at LIMIT $3)",
    )
    .bind::<Text, _>(env.to_string())
    .bind::<BigInt, _>(before.millis())
    .bind::<BigInt, _>(max)
    .execute(&mut **tx)
    .await?)
}
