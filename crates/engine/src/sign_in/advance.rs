//! What a proof brings a sign-in to: the second factor, a new password, the trust in a new device, or a session.

use super::{SignInError, trust};
use crate::guesses::{self, Purpose};
use crate::invitations;
use crate::sessions::{self, Begun};
use domain::client::Client;
use domain::environment::Environment;
use domain::session::{Factors, SessionStatus};
use domain::sign_in::{FirstProof, SignIn, SignInStatus};
use domain::strategy::Strategy;
use domain::user::Person;
use domain::{Context, PhoneNumberId};
use storage::Tx;

/// Takes a first factor that was proven just now. The client's, the sign-in's and the person's rows are held.
pub(super) async fn first(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    client: &mut Client,
    sign_in: &mut SignIn,
    person: &mut Person,
    proof: FirstProof,
) -> Result<Option<Begun>, SignInError> {
    admit(cx, person)?;
    // A number that is all there is for the second step would be both of them.
    let begins =
        |id: PhoneNumberId| person.phone_numbers.iter().any(|n| n.id == id && person.is_first_factor_number(n));
    if proof.number.is_some_and(|id| !begins(id)) {
        return Err(SignInError::Strategy);
    }
    let resets = proof.strategy == Strategy::ResetPasswordEmailCode;
    sign_in.prove_first(person.user.id, proof, cx.now);
    if resets {
        sign_in.go_on(SignInStatus::NeedsNewPassword, cx.now);
        storage::sign_ins::save(tx, cx.env, sign_in).await?;
        return Ok(None);
    }
    after_first(tx, cx, env, client, sign_in, person, false).await
}

/// Notes a first factor that was proven in another browser. The session begins when the client comes for it: only
/// then there is somebody to give its new secret to.
pub(super) async fn elsewhere(
    tx: &mut Tx<'_>,
    cx: &Context,
    sign_in: &mut SignIn,
    person: &Person,
    proof: FirstProof,
) -> Result<(), SignInError> {
    admit(cx, person)?;
    sign_in.prove_first(person.user.id, proof, cx.now);
    if !person.second_factors_after(sign_in.first_number()).is_empty() {
        sign_in.go_on(SignInStatus::NeedsSecondFactor, cx.now);
    }
    Ok(storage::sign_ins::save(tx, cx.env, sign_in).await?)
}

/// Takes a first factor that was proven just now and is as good as two.
pub(super) async fn both(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    client: &mut Client,
    sign_in: &mut SignIn,
    person: &mut Person,
    proof: FirstProof,
) -> Result<Option<Begun>, SignInError> {
    admit(cx, person)?;
    sign_in.prove_first(person.user.id, proof, cx.now);
    after_first(tx, cx, env, client, sign_in, person, true).await
}

/// Goes on after the first factor, and a new password where one was due. `satisfied` says that the first factor was
/// as good as two.
pub(super) async fn after_first(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    client: &mut Client,
    sign_in: &mut SignIn,
    person: &mut Person,
    satisfied: bool,
) -> Result<Option<Begun>, SignInError> {
    // What is enrolled is asked for, whatever the environment has switched off since.
    if !satisfied && !person.second_factors_after(sign_in.first_number()).is_empty() {
        sign_in.go_on(SignInStatus::NeedsSecondFactor, cx.now);
        storage::sign_ins::save(tx, cx.env, sign_in).await?;
        return Ok(None);
    }
    if !satisfied && trust::is_due(tx, cx, env, client, sign_in, person).await? {
        sign_in.go_on(SignInStatus::NeedsClientTrust, cx.now);
        storage::sign_ins::save(tx, cx.env, sign_in).await?;
        return Ok(None);
    }
    let second = satisfied.then(|| sign_in.first.as_ref().map(|first| first.strategy)).flatten();
    finish(tx, cx, env, client, sign_in, person, second).await.map(Some)
}

/// Takes a second factor that was proven just now.
pub(super) async fn second(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    client: &mut Client,
    sign_in: &mut SignIn,
    person: &mut Person,
    strategy: Strategy,
) -> Result<Option<Begun>, SignInError> {
    finish(tx, cx, env, client, sign_in, person, Some(strategy)).await.map(Some)
}

/// Goes on after the device was shown to be the person's own. The mailbox or number that showed it is no second factor.
pub(super) async fn trusted(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    client: &mut Client,
    sign_in: &mut SignIn,
    person: &mut Person,
) -> Result<Option<Begun>, SignInError> {
    // Enrolled since: what proves more is asked for.
    if !person.second_factors_after(sign_in.first_number()).is_empty() {
        sign_in.go_on(SignInStatus::NeedsSecondFactor, cx.now);
        storage::sign_ins::save(tx, cx.env, sign_in).await?;
        return Ok(None);
    }
    finish(tx, cx, env, client, sign_in, person, None).await.map(Some)
}

/// Said only after a proof: before it, it would tell who has an account.
pub(super) fn admit(cx: &Context, person: &Person) -> Result<(), SignInError> {
    if person.user.banned {
        return Err(SignInError::Banned);
    }
    match person.user.operator_lock(cx.now) {
        Some(lock) => Err(SignInError::Locked { until: lock.until }),
        None => Ok(()),
    }
}

/// Ends a sign-in with a session: every factor that the person has was proven.
async fn finish(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    client: &mut Client,
    sign_in: &mut SignIn,
    person: &mut Person,
    second: Option<Strategy>,
) -> Result<Begun, SignInError> {
    admit(cx, person)?;
    let first = sign_in.first.clone().ok_or(SignInError::Strategy)?;
    if !env.settings.sessions.multi_session {
        let live = storage::sessions::lock_live_of_client(tx, cx.env, client.id).await?;
        let here = |s: &domain::session::Session| {
            // One that waits for its second factor gives way: it may be that no factor is required any more.
            s.user_id == person.user.id && s.status_at(cx.now, &env.settings.sessions) == SessionStatus::Active
        };
        if live.iter().any(here) {
            return Err(SignInError::AlreadySignedIn);
        }
    }
    // A success opens what strangers' failures have shut.
    if person.user.lock.take().is_some() {
        person.user.updated_at = cx.now;
        let identity = guesses::identity(Some(person.user.id), "");
        guesses::succeed(tx, cx, &identity, Purpose::Password).await?;
    }
    // Whoever came by an invitation that proved nothing has proven enough by now to accept it.
    if let Some(id) = sign_in.invitation_id.take() {
        invitations::accept_by_owner(tx, cx, env, id, person).await?;
    }
    let factors = Factors {
        first: first.strategy,
        first_at: first.at,
        first_number: first.number,
        second_at: second.map(|_| cx.now),
        second,
    };
    let begun = sessions::begin(tx, cx, &env.settings, client, person, factors).await?;
    sign_in.complete(person.user.id, begun.session.id, cx.now);
    storage::sign_ins::save(tx, cx.env, sign_in).await?;
    Ok(begun)
}
