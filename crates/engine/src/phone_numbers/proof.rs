//! The proof that a number is a person's own: a code by SMS.

use super::{PhoneError, apply, lock_claimants, own};
use crate::challenges::{self, NumberTarget};
use crate::guesses::{self, Purpose};
use crate::sessions;
use crate::{Engine, people, standing, tenancy};
use domain::challenge::{Challenge, Parent, Step};
use domain::session::{Proof, SessionStatus};
use domain::strategy::Strategy;
use domain::user::NumberChange;
use domain::{Actor, ChallengeId, Context, PhoneNumberId, UserId};

/// Finds a challenge of a number.
pub async fn challenge(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: PhoneNumberId,
    challenge: ChallengeId,
) -> Result<Challenge, PhoneError> {
    own(engine, cx, user, id).await?;
    challenges::find(engine, cx, Parent::PhoneNumber(id), challenge).await?.ok_or(PhoneError::NoChallenge)
}

/// Sends a code to a number of a person.
pub async fn prepare(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: PhoneNumberId,
    strategy: &str,
) -> Result<Challenge, PhoneError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let strategy = Strategy::parse(strategy);
    engine
        .write(cx, async move |tx, cx| {
            let person = storage::users::lock(tx, cx.env, user).await?.ok_or(PhoneError::NotFound)?;
            standing::still_live(tx, cx, &tenant.env.settings, &person).await??;
            let mut number = person.phone_numbers.into_iter().find(|n| n.id == id).ok_or(PhoneError::NotFound)?;
            if strategy != Some(Strategy::PhoneCode) {
                return Err(PhoneError::Strategy);
            }
            if number.verified {
                return Err(PhoneError::AlreadyVerified);
            }
            let env = &tenant.env;
            let is_test = people::test_mode(&env.settings, env.kind, number.number.is_test())?;
            if people::by_number(tx, env, &number.number).await?.is_some() {
                return Err(PhoneError::Taken);
            }
            let target = NumberTarget { number: &number.number, user: Some(user), answerable: true, is_test };
            let parent = Parent::PhoneNumber(id);
            let challenge = challenges::issue_texted(tx, cx, &tenant, (parent, Step::Single), target).await?;
            number.current_challenge_id = Some(challenge.id);
            number.updated_at = cx.now;
            storage::phone_numbers::save(tx, cx.env, &number).await?;
            Ok(challenge)
        })
        .await
}

/// Takes the code of a number of a person.
pub async fn answer(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: PhoneNumberId,
    challenge: ChallengeId,
    code: Option<String>,
) -> Result<Challenge, PhoneError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            lock_claimants(tx, cx, user, id).await?;
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(PhoneError::NotFound)?;
            standing::still_live(tx, cx, &tenant.env.settings, &person).await??;
            let number = person.phone_numbers.iter().find(|n| n.id == id).cloned().ok_or(PhoneError::NotFound)?;
            let parent = Parent::PhoneNumber(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(PhoneError::NoChallenge)?;
            let code = code.as_deref().ok_or(PhoneError::Missing("code"))?;
            let env = &tenant.env;
            let cx = &Context {
                was_test: people::test_mode(&env.settings, env.kind, number.number.is_test())?,
                ..cx.clone()
            };
            let identity = guesses::identity(Some(user), number.number.as_str());
            let looked =
                challenges::answer_code(tx, cx, &tenant, &mut challenge, &identity, Purpose::NumberCode, code).await?;
            if let Err(wrong) = looked {
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            // In a pending session the code is that of a second factor, and the number is none but one: whoever has stolen a
            // password must not leave a way of their own to sign in.
            let waiting = match cx.actor {
                Actor::User { session, .. } => storage::sessions::lock(tx, cx.env, session).await?,
                _ => None,
            }
            .filter(|session| session.status == SessionStatus::Pending);
            let reserved_for_second_factor = waiting.as_ref().map(|_| true);
            let proven = NumberChange { verified: Some(true), reserved_for_second_factor, ..NumberChange::default() };
            apply(tx, cx, &tenant, &mut person, id, proven).await?;
            if let Some(mut session) = waiting {
                let proof = Proof::Second(Strategy::PhoneCode);
                sessions::prove(tx, cx, &env.settings, &mut session, proof).await?;
            }
            Ok::<_, PhoneError>(Ok(challenge))
        })
        .await?
}
