//! The second factor of a sign-in, for the person whom the first one has pinned.

use super::{Moved, SignInError, advance, hold, let_go};
use crate::challenges::Wrong;
use crate::guesses;
use crate::{Engine, factors, tenancy};
use domain::challenge::Parent;
use domain::sign_in::SignInStatus;
use domain::{ChallengeId, ClientId, Context, SignInId};

/// Takes a code of a second factor. One transaction decides who consumed it.
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
            if let Err(over) = challenge.answerable(cx.now) {
                // Of fifty that answer at once, forty-nine hear that it is done.
                return Ok(Err(Wrong::from(over).into()));
            }
            if sign_in.open(cx.now)? != SignInStatus::NeedsSecondFactor {
                return Err(SignInError::Strategy);
            }
            let user = sign_in.user_id.ok_or(SignInError::Strategy)?;
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(SignInError::Unknown)?;
            // Somebody else who knows the password cannot use up the tries of a browser that was theirs before.
            let identity = match storage::sessions::client_knows(tx, cx.env, client.id, user).await? {
                true => guesses::known_device(user, client.id),
                false => guesses::identity(Some(user), ""),
            };
            let first_number = sign_in.first_number();
            let shown = factors::Shown { identity: &identity, code: &code, first_number };
            if let Err(wrong) = factors::answer(tx, cx, &tenant, &mut challenge, &mut person, shown).await? {
                let_go(tx, cx, &mut sign_in, &challenge).await?;
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            let strategy = challenge.strategy;
            let begun = advance::second(tx, cx, &tenant.env, &mut client, &mut sign_in, &mut person, strategy).await?;
            Ok::<_, SignInError>(Ok(Moved { sign_in, person: Some(person), challenge: Some(challenge), begun }))
        })
        .await?
}
