//! Sign-in by passkey, of whoever is named, or of whoever the passkey names.

use super::{Moved, SignInError, advance, awaits_first_factor, hold};
use crate::challenges::Wrong;
use crate::passkeys::ceremony;
use crate::tenancy::{self, Tenant};
use crate::{Engine, people};
use domain::challenge::{Challenge, Parent, Step};
use domain::code;
use domain::sign_in::{FirstProof, SignIn, SignInStatus};
use domain::strategy::Strategy;
use domain::user::Person;
use domain::{ChallengeId, ClientId, Context, SignInId};
use protocols::webauthn::UserVerification;
use serde_json::Value;
use storage::Tx;

/// Whether a passkey may be asked for whatever is offered: where they are switched off, those enrolled go on working.
pub(super) fn is_possible(sign_in: &SignIn, cx: &Context, strategy: Strategy) -> bool {
    let waits = matches!(sign_in.status_at(cx.now), SignInStatus::NeedsIdentifier | SignInStatus::NeedsFirstFactor);
    strategy == Strategy::Passkey && waits
}

/// Issues the challenge. `person` is there only where it may be told who is known: then it lists the keys.
pub(super) async fn issue(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    sign_in: &mut SignIn,
    person: Option<&Person>,
) -> Result<Challenge, SignInError> {
    if person.is_some_and(|person| person.passkeys.is_empty()) {
        return Err(SignInError::NoPasskey);
    }
    let keys = person.map(|person| person.passkeys.clone()).unwrap_or_default();
    let about = (Parent::SignIn(sign_in.id), Step::First);
    let challenge = ceremony::issue(tx, cx, tenant, about, keys, UserVerification::Preferred).await?;
    if sign_in.status == SignInStatus::NeedsIdentifier {
        // The passkey will say who it is.
        sign_in.go_on(SignInStatus::NeedsFirstFactor, cx.now);
    }
    challenge.ok_or(SignInError::Strategy)
}

/// Takes an assertion. One transaction decides who consumed the challenge.
pub(super) async fn answer(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: Challenge,
    assertion: Value,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let checked = match ceremony::check(engine, cx, &tenant, &challenge, assertion).await? {
        Ok(checked) => checked,
        Err(code) => return refuse(engine, cx, client, id, challenge.id, code).await,
    };
    let challenge = challenge.id;
    engine
        .write(cx, async move |tx, cx| {
            let (mut client, mut sign_in) = hold(tx, cx, client, id).await?;
            let held = storage::challenges::lock(tx, cx.env, &Parent::SignIn(id), challenge).await?;
            let mut challenge = held.ok_or(SignInError::NoChallenge)?;
            if let Err(over) = challenge.reservable(cx.now) {
                // Of fifty that answer at once, forty-nine hear that it is done.
                return Ok(Err(Wrong::from(over).into()));
            }
            awaits_first_factor(&sign_in, cx.now)?;
            // Somebody else was named than the passkey's owner, or nobody who is known.
            let named = match &sign_in.identifier {
                Some(identifier) => {
                    let known = people::resolve(tx, &tenant.env, identifier).await?;
                    known.is_some_and(|known| known.user == checked.key.user_id)
                }
                None => true,
            };
            let mut person = match storage::users::lock(tx, cx.env, checked.key.user_id).await? {
                Some(person) if named => person,
                _ => {
                    return Ok(Err(ceremony::refuse(tx, cx, &mut challenge, code::PASSKEY_USER_HANDLE_MISMATCH)
                        .await?
                        .into()));
                }
            };
            let verified = match ceremony::take(tx, cx, &tenant, &challenge, &mut person, &checked).await? {
                Ok(verified) => verified,
                // A failed answer is kept: the transaction commits.
                Err(code) => return Ok(Err(ceremony::refuse(tx, cx, &mut challenge, code).await?.into())),
            };
            challenge.count_attempt(cx.now);
            challenge.verify(cx.now);
            storage::challenges::save(tx, cx.env, &challenge).await?;
            let satisfied = verified && tenant.env.settings.multi_factor.passkey_counts_as_mfa;
            let proof = FirstProof { strategy: Strategy::Passkey, at: cx.now, number: None };
            let begun = if satisfied {
                advance::both(tx, cx, &tenant.env, &mut client, &mut sign_in, &mut person, proof).await?
            } else {
                advance::first(tx, cx, &tenant.env, &mut client, &mut sign_in, &mut person, proof).await?
            };
            Ok::<_, SignInError>(Ok(Moved { sign_in, person: Some(person), challenge: Some(challenge), begun }))
        })
        .await?
}

/// Writes a wrong answer, unless the attempt went on without it.
async fn refuse(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
    why: code::Code,
) -> Result<Moved, SignInError> {
    let wrong = engine
        .write(cx, async move |tx, cx| {
            let (_, sign_in) = hold(tx, cx, client, id).await?;
            let held = storage::challenges::lock(tx, cx.env, &Parent::SignIn(id), challenge).await?;
            let mut challenge = held.ok_or(SignInError::NoChallenge)?;
            if challenge.reservable(cx.now).is_ok() {
                awaits_first_factor(&sign_in, cx.now)?;
            }
            Ok::<_, SignInError>(ceremony::refuse(tx, cx, &mut challenge, why).await?)
        })
        .await?;
    Err(wrong.into())
}
