//! Sign-in by password: the try is counted, the hash is checked with no transaction open, the outcome is written.

use super::{Moved, SignInError, advance, awaits_first_factor, hold, let_go};
use crate::challenges::{self, Tries};
use crate::guesses::{self, Purpose};
use crate::{Engine, passwords, people, tenancy};
use crypto::Secret;
use domain::challenge::Parent;
use domain::code;
use domain::environment::Environment;
use domain::sign_in::FirstProof;
use domain::strategy::Strategy;
use domain::user::PasswordDigest;
use domain::{ChallengeId, ClientId, Context, SignInId, UserId};

/// What is known before the hash is checked.
struct Reserved {
    user: Option<UserId>,
    digest: Option<PasswordDigest>,
    identity: String,
}

/// Takes a password. Unknown person, no password and wrong password are one answer and cost one hash each.
pub(super) async fn answer(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
    password: Secret<String>,
) -> Result<Moved, SignInError> {
    let reserved = reserve(engine, cx, client, id, challenge).await?;
    let right = match passwords::verify(engine, reserved.digest.as_ref(), password.clone()).await {
        Ok(right) => right,
        Err(error) => {
            // There was no room to look: it was no wrong try of theirs.
            give_back(engine, cx, id, challenge, reserved.identity).await?;
            return Err(error.into());
        }
    };
    let moved = match (right, reserved.user, reserved.digest.clone()) {
        (true, Some(user), Some(digest)) => {
            take(engine, cx, client, id, challenge, user, digest, reserved.identity).await?
        }
        _ => return refuse(engine, cx, (client, id), challenge, reserved.user, reserved.identity).await,
    };
    if let (Some(user), Some(digest)) = (reserved.user, reserved.digest)
        && passwords::is_outdated(engine, &digest)
    {
        rehash(engine, cx, env, user, digest, password).await?;
    }
    Ok(moved)
}

/// Counts the try before the secret is looked at, so that tries in parallel cannot pass the limit.
async fn reserve(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
) -> Result<Reserved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (client, sign_in) = hold(tx, cx, client, id).await?;
            let parent = Parent::SignIn(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(SignInError::NoChallenge)?;
            awaits_first_factor(&sign_in, cx.now)?;
            let identifier = sign_in.identifier.as_ref().ok_or(SignInError::Missing("identifier"))?;
            let known = people::resolve(tx, &tenant.env, identifier).await?;
            let user = known.map(|k| k.user);
            let identity = match user {
                // Strangers' failures do not keep a person out of a browser that was theirs before.
                Some(user) if storage::sessions::client_knows(tx, cx.env, client.id, user).await? => {
                    guesses::known_device(user, client.id)
                }
                _ => guesses::identity(user, &identifier.canonical),
            };
            challenges::begin_try(tx, cx, &tenant, &mut challenge, tries(cx, &identity)).await??;
            storage::challenges::save(tx, cx.env, &challenge).await?;
            let digest = match user {
                Some(user) => storage::users::find(tx, cx.env, user).await?.and_then(|u| u.password_digest),
                None => None,
            };
            Ok::<_, SignInError>(Reserved { user, digest, identity })
        })
        .await
}

/// The password's own counter; test people are not counted.
fn tries<'a>(cx: &Context, identity: &'a str) -> Tries<'a> {
    Tries { identity, purpose: Purpose::Password, free: cx.was_test }
}

async fn give_back(
    engine: &Engine,
    cx: &Context,
    id: SignInId,
    challenge: ChallengeId,
    identity: String,
) -> Result<(), SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let parent = Parent::SignIn(id);
            let Some(mut challenge) = storage::challenges::lock(tx, cx.env, &parent, challenge).await? else {
                return Ok(());
            };
            Ok::<_, SignInError>(challenges::give_back(tx, cx, &tenant, &mut challenge, tries(cx, &identity)).await?)
        })
        .await
}

#[expect(
    clippy::too_many_arguments,
    reason = "the outcome of the two steps before, taken apart so that the closure owns it"
)]
async fn take(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
    user: UserId,
    digest: PasswordDigest,
    identity: String,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (mut client, mut sign_in) = hold(tx, cx, client, id).await?;
            let parent = Parent::SignIn(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(SignInError::NoChallenge)?;
            challenge.answerable(cx.now).map_err(crate::challenges::Wrong::from)?;
            awaits_first_factor(&sign_in, cx.now)?;
            let person = storage::users::lock(tx, cx.env, user).await?;
            // The password was changed while the old one was being checked: the old one is wrong.
            let Some(mut person) = person.filter(|p| p.user.password_digest.as_ref() == Some(&digest)) else {
                challenge.refuse(code::PASSWORD_INCORRECT, cx.now);
                storage::challenges::save(tx, cx.env, &challenge).await?;
                let_go(tx, cx, &mut sign_in, &challenge).await?;
                return Ok(Err(SignInError::Wrong(crate::challenges::Wrong::Answer(code::PASSWORD_INCORRECT))));
            };
            challenges::end_try(tx, cx, &mut challenge, tries(cx, &identity), Ok(())).await??;
            let proof = FirstProof { strategy: Strategy::Password, at: cx.now, number: None };
            let begun = advance::first(tx, cx, &tenant.env, &mut client, &mut sign_in, &mut person, proof).await?;
            Ok::<_, SignInError>(Ok(Moved { sign_in, person: Some(person), challenge: Some(challenge), begun }))
        })
        .await?
}

async fn refuse(
    engine: &Engine,
    cx: &Context,
    (client, id): (ClientId, SignInId),
    challenge: ChallengeId,
    user: Option<UserId>,
    identity: String,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let wrong = engine
        .write(cx, async move |tx, cx| {
            let mut sign_in = storage::sign_ins::lock(tx, cx.env, client, id).await?.ok_or(SignInError::NotFound)?;
            let parent = Parent::SignIn(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(SignInError::NoChallenge)?;
            let wrong = match challenge.answerable(cx.now) {
                Ok(()) => challenge.refuse(code::PASSWORD_INCORRECT, cx.now),
                Err(over) => over.code(),
            };
            storage::challenges::save(tx, cx.env, &challenge).await?;
            let_go(tx, cx, &mut sign_in, &challenge).await?;
            if let Some(user) = user
                && let Some(until) = guesses::locked(tx, cx, &identity, Purpose::Password).await?
            {
                people::show_lock(tx, cx, &tenant.env.settings, user, Some(until)).await?;
            }
            Ok::<_, SignInError>(wrong)
        })
        .await?;
    Err(crate::challenges::Wrong::Answer(wrong).into())
}

/// Replaces an old or imported hash by one of today's, now that the password is at hand.
async fn rehash(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    user: UserId,
    old: PasswordDigest,
    password: Secret<String>,
) -> Result<(), SignInError> {
    let new = match passwords::hash(engine, password).await {
        Ok(new) => new,
        // The sign-in is done; the next one tries again.
        Err(error) => {
            tracing::warn!(environment.id = %env.id, error = &error as &dyn std::error::Error, "a password could not be re-hashed");
            return Ok(());
        }
    };
    engine
        .write(cx, async move |tx, cx| {
            Ok::<_, SignInError>(storage::users::rehash(tx, cx.env, user, &old, &new).await?)
        })
        .await?;
    Ok(())
}
