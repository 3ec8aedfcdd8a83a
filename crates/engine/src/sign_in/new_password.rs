//! The new password of a reset: set after the mailbox was proven, before the second factor is asked for.

use super::{Moved, SignInError, advance, hold, let_go};
use crate::challenges::{self, Tries, Wrong};
use crate::guesses::{self, Purpose};
use crate::mail::{self, Letter, To};
use crate::passwords::{self, PasswordError};
use crate::tenancy::{self, Tenant};
use crate::{Engine, people, sessions};
use crypto::Secret;
use domain::challenge::{Challenge, Parent};
use domain::sign_in::{SignIn, SignInOver, SignInStatus};
use domain::strategy::Strategy;
use domain::user::{PasswordDigest, Person};
use domain::{ChallengeId, ClientId, Context, SignInId, code};
use storage::Tx;

/// Says which password somebody has, without a way back to it: what a reset was begun with. When the password is
/// another one by now, whoever changed it, the reset is over.
pub(super) fn mark_of(tenant: &Tenant, digest: Option<&PasswordDigest>) -> String {
    let digest = digest.map_or("", PasswordDigest::as_str);
    crypto::base64url::encode(&tenant.keys.code.tag(&[b"password", digest.as_bytes()]))
}

/// The mark of the password that a person has now.
pub(super) fn mark(tenant: &Tenant, person: &Person) -> String {
    mark_of(tenant, person.user.password_digest.as_ref())
}

/// Takes a new password: it is not the old one, ends every session of the person, every open reset and every ticket.
/// The second factor follows.
pub(super) async fn answer(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
    password: Secret<String>,
) -> Result<Moved, SignInError> {
    passwords::accept(&password)?;
    let place = (client, id, challenge);
    let old = reserve(engine, cx, place).await?;
    let env = tenancy::environment(engine, cx.env).await?;
    if let Err(error) = passwords::not_breached(engine, &env.settings, &password).await {
        // A published password is no guess at the old one.
        give_back(engine, cx, place).await?;
        return Err(error.into());
    }
    match renew(engine, old.as_ref(), password).await {
        Ok(Some(fresh)) => set(engine, cx, place, old, fresh).await,
        Ok(None) => refuse(engine, cx, place).await,
        Err(error) => {
            // There was no room to look: it was no try of theirs.
            give_back(engine, cx, place).await?;
            Err(error.into())
        }
    }
}

type Place = (ClientId, SignInId, ChallengeId);

/// Nobody's secret is guessed here: the mailbox is proven. The tries of the challenge bound what is hashed.
const FREE: Tries<'static> = Tries { identity: "", purpose: Purpose::Password, free: true };

/// The hash of the new password; none when it is the old one.
async fn renew(
    engine: &Engine,
    old: Option<&PasswordDigest>,
    password: Secret<String>,
) -> Result<Option<PasswordDigest>, PasswordError> {
    if let Some(old) = old
        && passwords::verify(engine, Some(old), password.clone()).await?
    {
        return Ok(None);
    }
    passwords::hash(engine, password).await.map(Some)
}

/// The person of a sign-in that waits for a new password, whose row is held. None when the password was changed since
/// the mailbox was proven: the sign-in is over then.
async fn due(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    sign_in: &mut SignIn,
) -> Result<Option<Person>, SignInError> {
    if sign_in.open(cx.now)? != SignInStatus::NeedsNewPassword {
        return Err(SignInError::NoNewPasswordDue);
    }
    let user = sign_in.user_id.ok_or(SignInError::NoNewPasswordDue)?;
    let parent = Parent::SignIn(sign_in.id);
    let proof = storage::challenges::verified(tx, cx.env, &parent, Strategy::ResetPasswordEmailCode).await?;
    let person = storage::users::lock(tx, cx.env, user).await?.ok_or(SignInError::Unknown)?;
    if proof.and_then(|proof| proof.state) == Some(mark(tenant, &person)) {
        return Ok(Some(person));
    }
    sign_in.abandon(cx.now);
    storage::sign_ins::save(tx, cx.env, sign_in).await?;
    Ok(None)
}

async fn held(tx: &mut Tx<'_>, cx: &Context, id: SignInId, challenge: ChallengeId) -> Result<Challenge, SignInError> {
    storage::challenges::lock(tx, cx.env, &Parent::SignIn(id), challenge).await?.ok_or(SignInError::NoChallenge)
}

/// Counts the try, and reads what the new password must not be.
async fn reserve(
    engine: &Engine,
    cx: &Context,
    (client, id, challenge): Place,
) -> Result<Option<PasswordDigest>, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (_, mut sign_in) = hold(tx, cx, client, id).await?;
            let mut challenge = held(tx, cx, id, challenge).await?;
            challenges::begin_try(tx, cx, &tenant, &mut challenge, FREE).await??;
            let Some(person) = due(tx, cx, &tenant, &mut sign_in).await? else {
                return Ok(Err(SignInOver::Abandoned.into()));
            };
            storage::challenges::save(tx, cx.env, &challenge).await?;
            Ok::<_, SignInError>(Ok(person.user.password_digest))
        })
        .await?
}

async fn give_back(engine: &Engine, cx: &Context, (_, id, challenge): Place) -> Result<(), SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut challenge = held(tx, cx, id, challenge).await?;
            Ok::<_, SignInError>(challenges::give_back(tx, cx, &tenant, &mut challenge, FREE).await?)
        })
        .await
}

async fn refuse(engine: &Engine, cx: &Context, (client, id, challenge): Place) -> Result<Moved, SignInError> {
    engine
        .write(cx, async move |tx, cx| {
            let (_, mut sign_in) = hold(tx, cx, client, id).await?;
            let mut challenge = held(tx, cx, id, challenge).await?;
            if let Err(over) = challenge.answerable(cx.now) {
                return Ok(Err(Wrong::from(over).into()));
            }
            let refused = challenges::end_try(tx, cx, &mut challenge, FREE, Err(code::PASSWORD_VALIDATION_FAILED));
            let refused = match refused.await? {
                Err(wrong) if wrong != Wrong::Answer(code::PASSWORD_VALIDATION_FAILED) => SignInError::Wrong(wrong),
                _ => SignInError::Password(PasswordError::Policy),
            };
            let_go(tx, cx, &mut sign_in, &challenge).await?;
            // A failed answer is kept: the transaction commits.
            Ok::<_, SignInError>(Err(refused))
        })
        .await?
}

async fn set(
    engine: &Engine,
    cx: &Context,
    (client, id, challenge): Place,
    old: Option<PasswordDigest>,
    fresh: PasswordDigest,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (mut client, mut sign_in) = hold(tx, cx, client, id).await?;
            let mut challenge = held(tx, cx, id, challenge).await?;
            if let Err(over) = challenge.answerable(cx.now) {
                // Of many that answer at once, one has set its password.
                return Ok(Err(Wrong::from(over).into()));
            }
            let person = due(tx, cx, &tenant, &mut sign_in).await?;
            let Some(mut person) = person.filter(|p| p.user.password_digest == old) else {
                return Ok(Err(SignInOver::Abandoned.into()));
            };
            advance::admit(cx, &person)?;
            let (settings, user) = (&tenant.env.settings, person.user.id);
            person.user.password_digest = Some(fresh.clone());
            person.user.devices_since = Some(cx.now);
            // Counters before sessions, in the order every operation takes them. What was guessed wrong is guessed anew.
            person.user.lock = None;
            for counted in [guesses::identity(Some(user), ""), guesses::known_device(user, client.id)] {
                guesses::succeed(tx, cx, &counted, Purpose::Password).await?;
            }
            people::save(tx, cx, settings, &mut person).await?;
            sessions::revoke_all(tx, cx, settings, user, None).await?;
            people::end_open_proofs(tx, cx, user, Some(id)).await?;
            challenges::end_try(tx, cx, &mut challenge, FREE, Ok(())).await??;
            if let Some(address) = person.primary_email().filter(|a| a.verified) {
                mail::enqueue(tx, cx, &tenant, Letter::PasswordChanged, To::Address(address)).await?;
            }
            let begun =
                advance::after_first(tx, cx, &tenant.env, &mut client, &mut sign_in, &mut person, false).await?;
            Ok::<_, SignInError>(Ok(Moved { sign_in, person: Some(person), challenge: Some(challenge), begun }))
        })
        .await?
}
