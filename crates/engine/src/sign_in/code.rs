//! Sign-in by a code from the mailbox.

use super::{Moved, SignInError, advance, awaits_first_factor, hold, let_go, new_password};
use crate::challenges::{self, Wrong};
use crate::guesses::{self, Purpose};
use crate::{Engine, people, tenancy};
use domain::challenge::{NotAnswerable, Parent};
use domain::sign_in::FirstProof;
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
            if known.as_ref().and_then(|k| k.address.as_ref()).is_some_and(|a| !a.verified) {
                people::lock_claimants(tx, cx, &canonical).await?;
            }
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
                known => guesses::identity(known.as_ref().map(|k| k.user), &canonical),
            };
            // A new password has a counter of its own: who is locked out by failures comes back in by the mailbox.
            let purpose = match challenge.strategy {
                Strategy::ResetPasswordEmailCode => Purpose::ResetCode,
                _ => Purpose::EmailCode,
            };
            let looked = challenges::answer_code(tx, cx, &tenant, &mut challenge, &identity, purpose, &code).await?;
            if let Err(wrong) = looked {
                let_go(tx, cx, &mut sign_in, &challenge).await?;
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            // The address changed hands between the code and its answer: the code proves nothing of the new owner.
            let owns = |p: &domain::user::Person| p.email_addresses.iter().any(|a| a.canonical == canonical);
            let mut person = person.filter(owns).ok_or(SignInError::Unknown)?;
            let resets = challenge.strategy == Strategy::ResetPasswordEmailCode;
            if resets && challenge.state != Some(new_password::mark(&tenant, &person)) {
                // The password was changed after the code was sent: the reset is over.
                challenge.void(cx.now);
                storage::challenges::save(tx, cx.env, &challenge).await?;
                let_go(tx, cx, &mut sign_in, &challenge).await?;
                return Ok(Err(Wrong::Over(NotAnswerable::Expired).into()));
            }
            // The person's own primary address, proven by this very answer.
            let settings = &tenant.env.settings;
            people::take_over(tx, cx, settings, &mut person, &canonical, is_known_device).await?;
            if resets {
                challenge.state = Some(new_password::mark(&tenant, &person));
                storage::challenges::save(tx, cx.env, &challenge).await?;
            }
            let proof = FirstProof { strategy: challenge.strategy, at: cx.now, number: None };
            let begun = advance::first(tx, cx, &tenant.env, &mut client, &mut sign_in, &mut person, proof).await?;
            Ok::<_, SignInError>(Ok(Moved { sign_in, person: Some(person), challenge: Some(challenge), begun }))
        })
        .await?
}
