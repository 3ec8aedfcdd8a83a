//! Step-up by passkey.

use super::{StepUpError, stamp};
use crate::Engine;
use crate::challenges::Wrong;
use crate::passkeys::ceremony;
use crate::tenancy::{self, Tenant};
use domain::Context;
use domain::challenge::{Challenge, Parent, Step};
use domain::session::{Proof, Session, SessionStatus};
use domain::strategy::Strategy;
use domain::user::Person;
use protocols::webauthn::UserVerification;
use serde_json::Value;
use storage::Tx;

/// Issues the challenge, for the keys that the person has.
pub(super) async fn issue(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    session: &Session,
    person: &Person,
) -> Result<Challenge, StepUpError> {
    if person.passkeys.is_empty() {
        return Err(StepUpError::Strategy);
    }
    // It stands for a second factor only if it is one: then the person has to be verified.
    let verification =
        if counts_twice(tenant, session, person) { UserVerification::Required } else { UserVerification::Preferred };
    let about = (Parent::Session(session.id), Step::First);
    let issued = ceremony::issue(tx, cx, tenant, about, person.passkeys.clone(), verification).await?;
    issued.ok_or(StepUpError::Strategy)
}

/// Whether a verified passkey is as good as the second factor that this person has, or that the session waits for.
fn counts_twice(tenant: &Tenant, session: &Session, person: &Person) -> bool {
    let asks_for_two = person.factor_summary().two_factor() || session.status == SessionStatus::Pending;
    tenant.env.settings.multi_factor.passkey_counts_as_mfa && asks_for_two
}

/// Takes an assertion. One transaction decides who consumed the challenge.
pub(super) async fn answer(
    engine: &Engine,
    cx: &Context,
    session: &Session,
    challenge: Challenge,
    assertion: Value,
) -> Result<(Session, Challenge), StepUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let (id, user, challenge_id) = (session.id, session.user_id, challenge.id);
    let (parent, waiting) = (Parent::Session(id), session.clone());
    let checked = ceremony::check(engine, cx, &tenant, &challenge, assertion).await?;
    engine
        .write(cx, async move |tx, cx| {
            let held = storage::challenges::lock(tx, cx.env, &parent, challenge_id).await?;
            let mut challenge = held.ok_or(StepUpError::NoChallenge)?;
            if let Err(over) = challenge.reservable(cx.now) {
                return Ok(Err(Wrong::from(over).into()));
            }
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(StepUpError::NotLive)?;
            // A passkey of somebody else is none of this person's keys.
            let taken = match &checked {
                Ok(checked) => ceremony::take(tx, cx, &tenant, &challenge, &mut person, checked).await?,
                Err(code) => Err(*code),
            };
            let verified = match taken {
                Ok(verified) => verified,
                // A failed answer is kept: the transaction commits.
                Err(code) => return Ok(Err(ceremony::refuse(tx, cx, &mut challenge, code).await?.into())),
            };
            challenge.count_attempt(cx.now);
            challenge.verify(cx.now);
            storage::challenges::save(tx, cx.env, &challenge).await?;
            if verified && counts_twice(&tenant, &waiting, &person) {
                stamp(tx, cx, &tenant.env, id, Proof::Second(Strategy::Passkey)).await?;
            }
            let session = stamp(tx, cx, &tenant.env, id, Proof::First { number: None }).await?;
            Ok::<_, StepUpError>(Ok((session, challenge)))
        })
        .await?
}
