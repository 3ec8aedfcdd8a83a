//! Step-up by a number of somebody who has no second factor: it proves what it proves at sign-in, the first one.

use super::{StepUpError, stamp};
use crate::challenges::{self, NumberTarget, Tries};
use crate::guesses::{self, Purpose};
use crate::tenancy::{self, Tenant};
use crate::{Engine, factors};
use domain::challenge::{Challenge, Parent, Step};
use domain::identifier::IdentifierKind;
use domain::session::{Proof, Session};
use domain::strategy::Strategy;
use domain::user::{Person, PhoneNumber};
use domain::{ChallengeId, Context, PhoneNumberId, code as codes};
use storage::Tx;

/// Sends a code to the number that is named, else to the primary one.
pub(super) async fn issue(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    parent: Parent,
    person: &Person,
    wanted: Option<&str>,
) -> Result<Challenge, StepUpError> {
    if !tenant.env.settings.first_factors(IdentifierKind::PhoneNumber).contains(&Strategy::PhoneCode) {
        return Err(StepUpError::Strategy);
    }
    let number = match wanted {
        Some(wanted) => {
            let id: PhoneNumberId = wanted.parse().map_err(|_| StepUpError::Number)?;
            let own = person.phone_numbers.iter().find(|n| n.id == id && n.verified);
            own.ok_or(StepUpError::Number)?
        }
        None => person.primary_phone().filter(|n| n.verified).ok_or(StepUpError::Strategy)?,
    };
    let target = NumberTarget {
        number: &number.number,
        user: Some(person.user.id),
        answerable: true,
        is_test: factors::takes_fixed_code(tenant, number),
    };
    Ok(challenges::issue_texted(tx, cx, tenant, (parent, Step::First), target).await?)
}

/// Takes the code; a right one stamps the session's first factor.
pub(super) async fn answer(
    engine: &Engine,
    cx: &Context,
    session: &Session,
    challenge: ChallengeId,
    code: String,
) -> Result<(Session, Challenge), StepUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    // As with the password: strangers at the sign-in page cannot fill the counter of a signed-in person.
    let (id, user) = (session.id, session.user_id);
    let identity = guesses::signed_in(session);
    engine
        .write(cx, async move |tx, cx| {
            let parent = Parent::Session(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(StepUpError::NoChallenge)?;
            let person = storage::users::lock(tx, cx.env, user).await?.ok_or(StepUpError::NotLive)?;
            let free = challenges::takes_test_code(&tenant, cx, &challenge);
            let tries = Tries { identity: &identity, purpose: Purpose::PhoneCode, free };
            if let Err(wrong) = challenges::begin_try(tx, cx, &tenant, &mut challenge, tries).await? {
                return Ok(Err(wrong.into()));
            }
            let right = challenges::is_code(&tenant, &challenge, &code);
            // Removed since the code was sent, the number proves nothing of the person.
            let shown = |n: &PhoneNumber| n.verified && challenge.target.as_deref() == Some(n.number.as_str());
            let number = person.phone_numbers.iter().find(|n| shown(n)).map(|n| n.id);
            let outcome = if right && number.is_some() { Ok(()) } else { Err(codes::CODE_INCORRECT) };
            if let Err(wrong) = challenges::end_try(tx, cx, &mut challenge, tries, outcome).await? {
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            let session = stamp(tx, cx, &tenant.env, id, Proof::First { number }).await?;
            Ok::<_, StepUpError>(Ok((session, challenge)))
        })
        .await?
}
