//! Which second factors people have enrolled, besides phone numbers.

use crate::schema::{backup_codes, totp_secrets};
use crate::{Conn, Result, Tx};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::user::SecondFactors;
use domain::{EnvironmentId, UserId};
use std::collections::HashMap;

/// Those of a person.
pub async fn of_user(conn: &mut Conn, env: EnvironmentId, user: UserId) -> Result<SecondFactors> {
    let (env, user) = (env.to_string(), user.to_string());
    let totp: Option<String> = totp_secrets::table
        .find((&env, &user))
        .filter(totp_secrets::verified_at.is_not_null())
        .select(totp_secrets::id)
        .first(conn)
        .await
        .optional()?;
    let left: i64 = backup_codes::table
        .filter(
            backup_codes::environment_id
                .eq(&env)
                .and(backup_codes::user_id.eq(&user))
                .and(backup_codes::consumed_at.is_null()),
        )
        .select(count_star())
        .get_result(conn)
        .await?;
    Ok(SecondFactors { totp: totp.is_some(), backup_codes: u32::try_from(left).unwrap_or(u32::MAX) })
}

/// Drops all of them, the unfinished and the spent as well.
pub async fn drop_all(tx: &mut Tx<'_>, env: EnvironmentId, user: UserId) -> Result<()> {
    let (env, user) = (env.to_string(), user.to_string());
    diesel::delete(totp_secrets::table.find((&env, &user))).execute(&mut **tx).await?;
    diesel::delete(
        backup_codes::table.filter(backup_codes::environment_id.eq(&env).and(backup_codes::user_id.eq(&user))),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Those of several people, by the id's text.
pub(crate) async fn of_users(
    conn: &mut Conn,
    env: EnvironmentId,
    users: Vec<String>,
) -> Result<HashMap<String, SecondFactors>> {
    let mut by_user: HashMap<String, SecondFactors> = HashMap::new();
    if users.is_empty() {
        return Ok(by_user);
    }
    let env = env.to_string();
    let enrolled: Vec<String> = totp_secrets::table
        .filter(
            totp_secrets::environment_id
                .eq(&env)
                .and(totp_secrets::user_id.eq_any(&users))
                .and(totp_secrets::verified_at.is_not_null()),
        )
        .select(totp_secrets::user_id)
        .load(conn)
        .await?;
    for user in enrolled {
        by_user.entry(user).or_default().totp = true;
    }
    let left: Vec<String> = backup_codes::table
        .filter(
            backup_codes::environment_id
                .eq(&env)
                .and(backup_codes::user_id.eq_any(&users))
                .and(backup_codes::consumed_at.is_null()),
        )
        .select(backup_codes::user_id)
        .load(conn)
        .await?;
    for user in left {
        by_user.entry(user).or_default().backup_codes += 1;
    }
    Ok(by_user)
}
