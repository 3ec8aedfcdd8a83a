//! Sign-in by a code that is sent to a phone.

use super::prepare::Prepare;
use super::{Moved, SignInError, advance, awaits_first_factor, hold};
use crate::challenges::{self, NumberTarget, Tries, Wrong};
use crate::guesses::{self, Purpose};
use crate::tenancy::{self, Tenant};
use crate::{Engine, factors, people};
use domain::challenge::{Challenge, Parent, Step};
use domain::sign_in::{FirstProof, SignIn};
use domain::strategy::Strategy;
use domain::user::{Person, PhoneNumber};
use domain::{ChallengeId, ClientId, Context, Phone, PhoneNumberId, SignInId, code as codes};
use storage::Tx;

/// A challenge by a code to the number that was typed. Where nobody has it, or it is all that its owner has for the
/// second step, nothing is sent and no code is right; with enumeration protection that looks like any other.
pub(super) async fn issue(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    sign_in: &SignIn,
    wanted: &Prepare,
) -> Result<Challenge, SignInError> {
    let env = &tenant.env;
    let identifier = sign_in.identifier.clone().ok_or(SignInError::Missing("identifier"))?;
    let typed = Phone::from_e164(&identifier.canonical).map_err(|_| SignInError::Strategy)?;
    let known = people::by_number(tx, env, &typed).await?.and_then(|known| known.number);
    if let Some(wanted) = &wanted.phone_number_id {
        // A number that is not this person's is nobody's.
        let wanted: Option<PhoneNumberId> = wanted.parse().ok();
        if wanted.is_none() || wanted != known.as_ref().map(|n| n.id) {
            return Err(SignInError::Unknown);
        }
    }
    let telling = !env.settings.attack_protection.enumeration_protection;
    let Some(number) = known else {
        if telling {
            return Err(SignInError::Unknown);
        }
        return nobody(tx, cx, tenant, sign_in, &typed).await;
    };
    let person = storage::users::person(tx, cx.env, number.user_id).await?.ok_or(SignInError::Unknown)?;
    if !person.is_first_factor_number(&number) {
        if telling {
            return Err(SignInError::Strategy);
        }
        return nobody(tx, cx, tenant, sign_in, &typed).await;
    }
    let target = NumberTarget {
        number: &number.number,
        user: Some(number.user_id),
        answerable: true,
        is_test: sign_in.was_test && factors::takes_fixed_code(tenant, &number),
    };
    Ok(challenges::issue_texted(tx, cx, tenant, (Parent::SignIn(sign_in.id), Step::First), target).await?)
}

async fn nobody(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    sign_in: &SignIn,
    typed: &Phone,
) -> Result<Challenge, SignInError> {
    let target = NumberTarget { number: typed, user: None, answerable: false, is_test: false };
    Ok(challenges::issue_texted(tx, cx, tenant, (Parent::SignIn(sign_in.id), Step::First), target).await?)
}

/// The number of a person that a code went to, if it may still begin a sign-in.
fn first_number<'p>(person: &'p Person, sent_to: &Phone) -> Option<&'p PhoneNumber> {
    person.phone_numbers.iter().find(|n| n.number == *sent_to && person.is_first_factor_number(n))
}

/// Takes a code. One transaction decides who consumed it.
pub(super) async fn answer(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
    code: String,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (mut client, mut sign_in) = hold(tx, cx, client, id).await?;
            let parent = Parent::SignIn(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(SignInError::NoChallenge)?;
            if sign_in.open(cx.now).is_err()
                && let Err(over) = challenge.answerable(cx.now)
            {
                // Of fifty that answer at once, forty-nine hear that it is done.
                return Ok(Err(Wrong::from(over).into()));
            }
            awaits_first_factor(&sign_in, cx.now)?;
            let sent_to = challenge.target.as_deref().and_then(|target| Phone::from_e164(target).ok());
            let sent_to = sent_to.ok_or(SignInError::Strategy)?;
            let known = people::by_number(tx, &tenant.env, &sent_to).await?;
            // The person before the counter, in the order every operation takes them.
            let person = match &known {
                Some(known) => storage::users::lock(tx, cx.env, known.user).await?,
                None => None,
            };
            let is_known_device = match &known {
                Some(known) => storage::sessions::client_knows(tx, cx.env, client.id, known.user).await?,
                None => false,
            };
            let identity = match &known {
                // Strangers' failures do not keep a person out of a browser that was theirs before.
                Some(known) if is_known_device => guesses::known_device(known.user, client.id),
                known => guesses::identity(known.as_ref().map(|k| k.user), sent_to.as_str()),
            };
            let free = challenges::takes_test_code(&tenant, cx, &challenge);
            let tries = Tries { identity: &identity, purpose: Purpose::PhoneCode, free };
            if let Err(wrong) = challenges::begin_try(tx, cx, &tenant, &mut challenge, tries).await? {
                return Ok(Err(wrong.into()));
            }
            let right = challenges::is_code(&tenant, &challenge, &code);
            // The number was removed, or became all there is for the second step, since the code was sent: then the
            // code proves nothing.
            let number = person.as_ref().and_then(|p| first_number(p, &sent_to)).map(|n| n.id);
            let outcome = if right && number.is_some() { Ok(()) } else { Err(codes::CODE_INCORRECT) };
            if let Err(wrong) = challenges::end_try(tx, cx, &mut challenge, tries, outcome).await? {
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            let mut person = person.ok_or(SignInError::Unknown)?;
            let proof = FirstProof { strategy: Strategy::PhoneCode, at: cx.now, number };
            let begun = advance::first(tx, cx, &tenant.env, &mut client, &mut sign_in, &mut person, proof).await?;
            Ok::<_, SignInError>(Ok(Moved { sign_in, person: Some(person), challenge: Some(challenge), begun }))
        })
        .await?
}
