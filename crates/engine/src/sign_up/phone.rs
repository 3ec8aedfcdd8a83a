//! The proof of a sign-up's phone number. That a number is taken may be told.

use super::{Moved, SignUpError, complete};
use crate::challenges::{self, NumberTarget};
use crate::guesses::{self, Purpose};
use crate::people;
use crate::tenancy::Tenant;
use domain::Context;
use domain::challenge::{Challenge, Parent, Step};
use domain::client::Client;
use domain::sign_up::{SignUp, is_enabled};
use domain::strategy::Strategy;
use storage::Tx;

/// Sends a code to the number of a sign-up whose row is held.
pub(super) async fn prepare(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    mut sign_up: SignUp,
) -> Result<Moved, SignUpError> {
    let env = &tenant.env;
    let Some(number) = sign_up.phone_number.clone() else {
        let asked = is_enabled(&env.settings, "phone_number");
        return Err(if asked { SignUpError::Missing("phone_number") } else { SignUpError::Strategy });
    };
    if !sign_up.supported_strategies(cx.now, &env.settings).contains(&Strategy::PhoneCode) {
        return Err(SignUpError::Strategy);
    }
    if people::by_number(tx, env, &number).await?.is_some() {
        return Err(SignUpError::NumberTaken);
    }
    let target =
        NumberTarget { number: &number, user: None, answerable: true, is_test: sign_up.was_test && number.is_test() };
    let parent = Parent::SignUp(sign_up.id);
    let challenge = challenges::issue_texted(tx, cx, tenant, (parent, Step::Single), target).await?;
    sign_up.current_challenge_id = Some(challenge.id);
    sign_up.updated_at = cx.now;
    storage::sign_ups::save(tx, cx.env, &sign_up).await?;
    Ok(Moved { sign_up, challenge: Some(challenge), begun: None })
}

/// Looks at a code for a challenge whose row is held; the sign-up is complete when nothing else is missing. A failed
/// answer is kept: the caller commits.
pub(super) async fn answer(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    client: &mut Client,
    mut sign_up: SignUp,
    mut challenge: Challenge,
    code: &str,
) -> Result<Result<Moved, SignUpError>, SignUpError> {
    let number = sign_up.phone_number.clone().ok_or(SignUpError::Missing("phone_number"))?;
    let identity = guesses::identity(None, number.as_str());
    let looked = challenges::answer_code(tx, cx, tenant, &mut challenge, &identity, Purpose::NumberCode, code).await?;
    if let Err(wrong) = looked {
        return Ok(Err(wrong.into()));
    }
    if challenge.target.as_deref() != Some(number.as_str()) {
        // The number was changed after the code was sent: the proof is of another one.
        return Err(SignUpError::Strategy);
    }
    sign_up.phone_verified = true;
    // Proofs that are carried over together are as old as the older one.
    sign_up.proven_at = sign_up.proven_at.filter(|_| sign_up.email_verified).or(Some(cx.now));
    sign_up.current_challenge_id = None;
    sign_up.updated_at = cx.now;
    storage::sign_ups::save(tx, cx.env, &sign_up).await?;
    let begun = complete::if_ready(tx, cx, tenant, client, &mut sign_up).await?;
    Ok(Ok(Moved { sign_up, challenge: Some(challenge), begun }))
}
