//! Sign-in by a mailed link: confirmed anywhere, collected by the client that asked.

use super::{Moved, SignInError, advance, awaits_first_factor, hold, let_go, person_of, trust};
use crate::challenges::Wrong;
use crate::handshake::{Confirmed, HandshakeError, Outcome, must_be_own};
use crate::sessions::Begun;
use crate::tenancy::{self, Tenant};
use crate::{Engine, people};
use domain::challenge::{ChallengeStatus, NotAnswerable, Parent};
use domain::client::Client;
use domain::sign_in::{FirstProof, SignIn, SignInStatus};
use domain::strategy::Strategy;
use domain::user::Person;
use domain::{ChallengeId, ClientId, Context, SignInId, code};
use storage::Tx;

/// Takes what a person answers on the page of a link. A session begins here only when this browser is the client that
/// asked: any other gets nothing.
pub(crate) async fn confirm(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    here: Option<ClientId>,
    (id, challenge): (SignInId, ChallengeId),
    yes: bool,
) -> Result<Confirmed, HandshakeError> {
    let env = &tenant.env;
    let origin = storage::sign_ins::anywhere(tx, cx.env, id).await?.ok_or(HandshakeError::Dead)?.client_id;
    let held = hold(tx, cx, origin, id).await;
    let (mut client, mut sign_in) = match held {
        Err(SignInError::NoClient | SignInError::NotFound) => return Err(HandshakeError::Dead),
        held => held?,
    };
    let challenge = storage::challenges::lock(tx, cx.env, &Parent::SignIn(id), challenge).await?;
    let mut challenge = challenge.filter(|c| c.answerable(cx.now).is_ok()).ok_or(HandshakeError::Dead)?;
    let is_trust = sign_in.status_at(cx.now) == SignInStatus::NeedsClientTrust;
    if !is_trust && awaits_first_factor(&sign_in, cx.now).is_err() {
        return Err(HandshakeError::Dead);
    }
    if !yes {
        challenge.fail(code::VERIFICATION_FAILED, cx.now);
        storage::challenges::save(tx, cx.env, &challenge).await?;
        let_go(tx, cx, &mut sign_in, &challenge).await?;
        return Ok(Confirmed::new(&challenge, Outcome::Denied, None));
    }
    if is_trust {
        return trust::confirm(tx, cx, tenant, here, &mut client, &mut sign_in, &mut challenge).await;
    }
    let is_own = here == Some(origin);
    if !is_own && must_be_own(env) {
        return Err(HandshakeError::Elsewhere);
    }
    let cx = &Context { was_test: sign_in.was_test, ..cx.clone() };
    let canonical = challenge.target.clone().unwrap_or_default();
    let known = people::by_email(tx, env, &canonical).await?;
    if known.as_ref().and_then(|k| k.address.as_ref()).is_some_and(|a| !a.verified) {
        people::lock_claimants(tx, cx, &canonical).await?;
    }
    let person = match &known {
        Some(known) => storage::users::lock(tx, cx.env, known.user).await?,
        None => None,
    };
    let proof = FirstProof { strategy: Strategy::EmailLink, at: cx.now, number: None };
    let owns = |p: &Person| p.email_addresses.iter().any(|a| a.canonical == canonical);
    let Some(mut person) = person.filter(owns) else {
        // Nobody has the address: whoever holds the mailbox may sign up with it.
        challenge.transfer(cx.now);
        storage::challenges::save(tx, cx.env, &challenge).await?;
        sign_in.first = Some(proof);
        sign_in.go_on(SignInStatus::Transferable, cx.now);
        storage::sign_ins::save(tx, cx.env, &sign_in).await?;
        return Ok(Confirmed::new(&challenge, Outcome::Transferable, None));
    };
    // Of a link that was confirmed elsewhere, the browser that asked says nothing of whoever holds the mailbox.
    let is_known_device = is_own && storage::sessions::client_knows(tx, cx.env, client.id, person.user.id).await?;
    people::take_over(tx, cx, &env.settings, &mut person, &canonical, is_known_device).await?;
    challenge.verify(cx.now);
    storage::challenges::save(tx, cx.env, &challenge).await?;
    let begun = match is_own {
        true => advance::first(tx, cx, env, &mut client, &mut sign_in, &mut person, proof).await?,
        false => {
            advance::elsewhere(tx, cx, &mut sign_in, &person, proof).await?;
            None
        }
    };
    let outcome = if begun.is_some() { Outcome::Complete } else { Outcome::Verified };
    Ok(Confirmed::new(&challenge, outcome, begun))
}

/// Answers for the client that asked: pending until the link is confirmed, then the session.
pub(super) async fn answer(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (mut client, mut sign_in) = hold(tx, cx, client, id).await?;
            let challenge = storage::challenges::lock(tx, cx.env, &Parent::SignIn(id), challenge).await?;
            let challenge = challenge.ok_or(SignInError::NoChallenge)?;
            let (person, begun) = match challenge.status_at(cx.now) {
                ChallengeStatus::Verified => go_on(tx, cx, &tenant, &mut client, &mut sign_in).await?,
                ChallengeStatus::Pending | ChallengeStatus::Transferable => {
                    (person_of(tx, &tenant.env, &sign_in).await?, None)
                }
                ChallengeStatus::Expired => return Err(Wrong::Over(NotAnswerable::Expired).into()),
                ChallengeStatus::Failed => return Err(Wrong::Over(NotAnswerable::Failed).into()),
            };
            Ok(Moved { sign_in, person, challenge: Some(challenge), begun })
        })
        .await
}

/// Begins the session that waits for the client.
pub(crate) async fn collect(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (mut client, mut sign_in) = hold(tx, cx, client, id).await?;
            let (person, begun) = go_on(tx, cx, &tenant, &mut client, &mut sign_in).await?;
            Ok(Moved { sign_in, person, challenge: None, begun })
        })
        .await
}

/// Goes on with a proof that was given in another browser, when one waits.
async fn go_on(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    client: &mut Client,
    sign_in: &mut SignIn,
) -> Result<(Option<Person>, Option<Begun>), SignInError> {
    let env = &tenant.env;
    let proof = sign_in.first.clone().filter(|_| sign_in.waits_for_its_client(cx.now));
    let (Some(proof), Some(user)) = (proof, sign_in.user_id) else {
        return Ok((person_of(tx, env, sign_in).await?, None));
    };
    let cx = &Context { was_test: sign_in.was_test, ..cx.clone() };
    let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(SignInError::Unknown)?;
    // The address may have left the person since: its mailbox proves nothing of them then.
    let link = storage::challenges::verified(tx, cx.env, &Parent::SignIn(sign_in.id), Strategy::EmailLink).await?;
    let proven = link.and_then(|link| link.target);
    if !person.email_addresses.iter().any(|a| a.verified && Some(&a.canonical) == proven.as_ref()) {
        return Err(SignInError::Unknown);
    }
    let begun = advance::first(tx, cx, env, client, sign_in, &mut person, proof).await?;
    Ok((Some(person), begun))
}
