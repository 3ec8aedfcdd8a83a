//! Backup codes: the keyed hash of each is all there is of it.

use crate::row::at;
use crate::schema::backup_codes;
use crate::{Conn, Result, Tx};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::{BackupCodeId, EnvironmentId, Timestamp, UserId};

/// Puts a new batch in place of the codes of a person that were not spent. Spent ones stay, to be told from unknown
/// ones.
pub async fn replace(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    user: UserId,
    batch: &[(BackupCodeId, [u8; 32])],
    now: Timestamp,
) -> Result<()> {
    delete_unspent(tx, env, user).await?;
    for (id, mac) in batch {
        diesel::insert_into(backup_codes::table)
            .values((
                backup_codes::environment_id.eq(env.to_string()),
                backup_codes::id.eq(id.to_string()),
                backup_codes::user_id.eq(user.to_string()),
                backup_codes::code_mac.eq(mac.to_vec()),
                backup_codes::consumed_at.eq(None::<i64>),
                backup_codes::created_at.eq(now.millis()),
            ))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// What became of a code that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It is spent by this very call.
    Now,
    /// It was spent before.
    Before,
    /// There is none.
    Unknown,
}

/// Spends a code of a person: one statement decides who did, whoever else shows it at the same moment.
pub async fn spend(tx: &mut Tx<'_>, env: EnvironmentId, user: UserId, mac: &[u8; 32], now: Timestamp) -> Result<Spent> {
    let this = || {
        backup_codes::environment_id
            .eq(env.to_string())
            .and(backup_codes::user_id.eq(user.to_string()))
            .and(backup_codes::code_mac.eq(mac.to_vec()))
    };
    let hit = diesel::update(backup_codes::table.filter(this().and(backup_codes::consumed_at.is_null())))
        .set(backup_codes::consumed_at.eq(Some(now.millis())))
        .execute(&mut **tx)
        .await?;
    if hit == 1 {
        return Ok(Spent::Now);
    }
    let known: Option<String> =
        backup_codes::table.filter(this()).select(backup_codes::id).first(&mut **tx).await.optional()?;
    Ok(if known.is_some() { Spent::Before } else { Spent::Unknown })
}

/// How many codes of a person are left, and when the newest batch was made, if there was one.
pub async fn left(conn: &mut Conn, env: EnvironmentId, user: UserId) -> Result<(u32, Option<Timestamp>)> {
    let theirs = || backup_codes::environment_id.eq(env.to_string()).and(backup_codes::user_id.eq(user.to_string()));
    let count: i64 = backup_codes::table
        .filter(theirs().and(backup_codes::consumed_at.is_null()))
        .select(count_star())
        .get_result(conn)
        .await?;
    let newest: Option<i64> = backup_codes::table
        .filter(theirs())
        .order(backup_codes::created_at.desc())
        .select(backup_codes::created_at)
        .first(conn)
        .await
        .optional()?;
    Ok((u32::try_from(count).unwrap_or(u32::MAX), newest.map(at)))
}

/// Deletes the codes of a person that were not spent.
pub async fn delete_unspent(tx: &mut Tx<'_>, env: EnvironmentId, user: UserId) -> Result<()> {
    diesel::delete(
        backup_codes::table.filter(
            backup_codes::environment_id
                .eq(env.to_string())
                .and(backup_codes::user_id.eq(user.to_string()))
                .and(backup_codes::consumed_at.is_null()),
        ),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
