//! Sign-in by a code from the mailbox.

use super::{Moved, SignInError, awaits_first_factor, complete, hold};
use crate::challenges;
use crate::guesses::{self, Purpose};
use crate::{Engine, people, tenancy};
use domain::challenge::Parent;
use domain::strategy::Strategy;
use domain::{ChallengeId, ClientId, Context, SignInId};

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
            if sign_in.open(cx.now).is_err() && challenge.answerable(cx.now).is_err() {
                // Of fifty that answer at once, forty-nine hear that it is done.
                return Ok(Err(SignInError::Wrong(challenge.answerable(cx.now).expect_err("checked above").into())));
            }
            awaits_first_factor(&sign_in, cx.now)?;
            let canonical = challenge.target.clone().unwrap_or_default();
            let known = people::by_email(tx, &tenant.env, &canonical).await?;
            let identity = guesses::identity(known.as_ref().map(|k| k.user), &canonical);
            let looked =
                challenges::answer_code(tx, cx, &tenant, &mut challenge, &identity, Purpose::EmailCode, &code).await?;
            if let Err(wrong) = looked {
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            // The address changed hands between the code and its answer: the code proves nothing of the new owner.
            let Some(known) = known else { return Err(SignInError::Unknown) };
            let mut person = storage::users::lock(tx, cx.env, known.user).await?.ok_or(SignInError::Unknown)?;
            if let Some(address) = person.email_addresses.iter_mut().find(|a| a.canonical == canonical && !a.verified) {
                // The person's own primary address, proven by this very answer.
                address.verified = true;
                address.updated_at = cx.now;
                let address = address.clone();
                people::drop_squatters(tx, cx, &address).await?;
                storage::email_addresses::save(tx, cx.env, &address).await?;
                people::save(tx, cx, &tenant.env.settings, &mut person).await?;
            }
            let begun = complete(tx, cx, &tenant.env, &mut client, &mut sign_in, person, Strategy::EmailCode).await?;
            Ok::<_, SignInError>(Ok(Moved { sign_in, challenge: Some(challenge), begun: Some(begun) }))
        })
        .await?
}
