//! The proof of a sign-up's address.

use super::{Moved, SignUpError, complete};
use crate::challenges::{self, About, CodeTarget};
use crate::guesses::{self, Purpose};
use crate::mail::To;
use crate::{Engine, people, tenancy};
use domain::challenge::{Parent, Step};
use domain::strategy::Strategy;
use domain::{ChallengeId, ClientId, Context, SignUpId};

/// Issues a challenge on a sign-up.
pub async fn prepare(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignUpId,
    strategy: &str,
) -> Result<Moved, SignUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let strategy = strategy.to_owned();
    engine
        .write(cx, async move |tx, cx| {
            let mut sign_up = storage::sign_ups::lock(tx, cx.env, client, id).await?.ok_or(SignUpError::NotFound)?;
            sign_up.open(cx.now)?;
            let strategy = Strategy::parse(&strategy).ok_or(SignUpError::Strategy)?;
            let Some(email) = sign_up.email_address.clone() else {
                return Err(if strategy == Strategy::EmailCode {
                    SignUpError::Missing("email_address")
                } else {
                    SignUpError::Strategy
                });
            };
            if strategy != Strategy::EmailCode
                || !sign_up.supported_strategies(cx.now, &tenant.env.settings).contains(&strategy)
            {
                return Err(SignUpError::Strategy);
            }
            // An address with an account gets a mail that says so; from outside nothing differs.
            let taken = people::is_taken(tx, &tenant.env, &email).await?;
            let letter = if taken { About::TakenAddress } else { About::Code };
            let canonical = tenant.env.settings.canonical(&email);
            let target = CodeTarget {
                canonical: &canonical,
                to: To::Email(&email),
                letter,
                is_test: sign_up.was_test && !taken,
            };
            let parent = Parent::SignUp(sign_up.id);
            let challenge = challenges::issue_code(tx, cx, &tenant, (parent, Step::Single, strategy), target).await?;
            sign_up.current_challenge_id = Some(challenge.id);
            sign_up.updated_at = cx.now;
            storage::sign_ups::save(tx, cx.env, &sign_up).await?;
            Ok(Moved { sign_up, challenge: Some(challenge), begun: None })
        })
        .await
}

/// Takes a code. One transaction decides who consumed it, and completes the sign-up when nothing else is missing.
pub async fn answer(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignUpId,
    challenge: ChallengeId,
    code: Option<String>,
) -> Result<Moved, SignUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignUpError::NoClient)?;
            let mut sign_up = storage::sign_ups::lock(tx, cx.env, client.id, id).await?.ok_or(SignUpError::NotFound)?;
            let parent = Parent::SignUp(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(SignUpError::NoChallenge)?;
            let code = code.as_deref().ok_or(SignUpError::Missing("code"))?;
            if let Err(over) = challenge.answerable(cx.now) {
                return Ok(Err(SignUpError::Wrong(over.into())));
            }
            sign_up.open(cx.now)?;
            let cx = &Context { was_test: sign_up.was_test, ..cx.clone() };
            let email = sign_up.email_address.clone().ok_or(SignUpError::Missing("email_address"))?;
            let canonical = tenant.env.settings.canonical(&email);
            let identity = guesses::identity(None, &canonical);
            let looked =
                challenges::answer_code(tx, cx, &tenant, &mut challenge, &identity, Purpose::AddressCode, code).await?;
            if let Err(wrong) = looked {
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            if challenge.target.as_deref() != Some(canonical.as_str()) {
                // The address was changed after the code was sent: the proof is of another one.
                return Err(SignUpError::Strategy);
            }
            sign_up.email_verified = true;
            sign_up.proven_at = Some(cx.now);
            sign_up.current_challenge_id = None;
            sign_up.updated_at = cx.now;
            storage::sign_ups::save(tx, cx.env, &sign_up).await?;
            let begun = complete::if_ready(tx, cx, &tenant, &mut client, &mut sign_up).await?;
            Ok::<_, SignUpError>(Ok(Moved { sign_up, challenge: Some(challenge), begun }))
        })
        .await?
}
