//! How a backend shuts people out and lets them in again. Each is done at once and can be asked for twice.

use super::UserError;
use crate::{Engine, guesses, idempotency, people, sessions, tenancy};
use domain::user::Person;
use domain::{Context, UserId};
use std::time::Duration;

/// Refuses a person for good: every live session is revoked in the same transaction.
pub async fn ban(engine: &Engine, cx: &Context, id: UserId) -> Result<Person, UserError> {
    change(engine, cx, id, Revoke::Sessions, |person, _| {
        person.user.ban();
    })
    .await
}

/// Takes a ban back; sessions stay revoked.
pub async fn unban(engine: &Engine, cx: &Context, id: UserId) -> Result<Person, UserError> {
    change(engine, cx, id, Revoke::Nothing, |person, _| {
        person.user.unban();
    })
    .await
}

/// Refuses a person for a time; none is the environment's, zero is until somebody unlocks.
pub async fn lock(engine: &Engine, cx: &Context, id: UserId, minutes: Option<u32>) -> Result<Person, UserError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let usual = tenant.env.settings.attack_protection.brute_force.lockout_duration_seconds;
    let seconds = minutes.map_or(u64::from(usual), |m| u64::from(m) * 60);
    let length = (seconds > 0).then(|| Duration::from_secs(seconds));
    change(engine, cx, id, Revoke::Sessions, move |person, cx| person.user.lock_by_operator(cx.now, length)).await
}

/// Takes every lock off, and forgets the failures.
pub async fn unlock(engine: &Engine, cx: &Context, id: UserId) -> Result<Person, UserError> {
    change(engine, cx, id, Revoke::Failures, |person, _| person.user.lock = None).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Revoke {
    Sessions,
    Failures,
    Nothing,
}

async fn change(
    engine: &Engine,
    cx: &Context,
    id: UserId,
    revoke: Revoke,
    how: impl Fn(&mut Person, &Context) + Send + 'static,
) -> Result<Person, UserError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let settings = &tenant.env.settings;
            let mut person = storage::users::lock(tx, cx.env, id).await?.ok_or(UserError::NotFound)?;
            let before = person.clone();
            how(&mut person, cx);
            if person != before {
                people::save_changed(tx, cx, settings, &before, &mut person).await?;
            }
            match revoke {
                Revoke::Sessions => sessions::revoke_all(tx, cx, settings, id, None).await?,
                Revoke::Failures => {
                    storage::failures::unlock(tx, cx.env, &guesses::identity(Some(id), "")).await?;
                }
                Revoke::Nothing => {}
            }
            idempotency::keep(tx, cx, 200, &api::User::for_bapi(&person, settings, cx.now), Some(id.to_string()))
                .await?;
            Ok(person)
        })
        .await
}
