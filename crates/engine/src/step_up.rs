//! Step-up: a signed-in person proves a factor anew before a sensitive change.

mod passkey;
mod phone;

use crate::challenges::{self, About, CodeTarget, Tries, Wrong};
use crate::factors::{self, FactorError};
use crate::guesses::{self, Purpose};
use crate::mail::To;
use crate::passwords::PasswordError;
use crate::refusals::{stored, texted};
use crate::sign_in::Prepare;
use crate::sms::SmsRefused;
use crate::{Engine, StorageError, passwords, sessions, tenancy};
use crypto::Secret;
use domain::challenge::{Challenge, Parent, Step};
use domain::environment::Environment;
use domain::session::{Proof, Session};
use domain::strategy::Strategy;
use domain::user::{PasswordDigest, Person};
use domain::{ChallengeId, ClientId, Context, Kind, Refusal, SessionId, Verdict, code as codes};
use storage::{Conn, Tx};

/// Why a factor is not proven anew.
#[derive(Debug, thiserror::Error)]
pub enum StepUpError {
    /// The session is not on this client.
    #[error("there is no such session")]
    NotFound,
    /// The session is over.
    #[error("the session is over")]
    NotLive,
    /// The challenge is not under this session.
    #[error("there is no such challenge")]
    NoChallenge,
    /// The person does not have this factor.
    #[error("the strategy is not possible")]
    Strategy,
    /// The address is not one of the person's.
    #[error("the address is not the user's")]
    Address,
    /// The number is not one of the person's.
    #[error("the number is not the user's")]
    Number,
    /// No code is sent.
    #[error(transparent)]
    Sms(SmsRefused),
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// The answer was not taken.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// The second factor cannot be asked for.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// An operator acts in the person's place.
    #[error("an impersonation session proves no factor")]
    Impersonated,
    /// The password cannot be checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error("the factor cannot be proven")]
    Storage(#[from] StorageError),
}
stored!(StepUpError);
texted!(StepUpError);

impl Refusal for StepUpError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(codes::SESSION_NOT_FOUND),
            Self::NotLive => Kind::NotLive.code(codes::SESSION_NOT_LIVE),
            Self::NoChallenge => Kind::NotFound.code(codes::CHALLENGE_NOT_FOUND),
            Self::Strategy => Kind::Invalid.code(codes::STRATEGY_NOT_SUPPORTED).param("strategy"),
            Self::Address => Kind::Invalid.code(codes::IDENTIFIER_NOT_FOUND).param("email_address_id"),
            Self::Number => Kind::Invalid.code(codes::PHONE_NOT_FOUND).param("phone_number_id"),
            Self::Sms(refused) => refused.verdict(),
            Self::Missing(param) => Kind::Invalid.code(codes::PARAM_NIL).param(param),
            Self::Wrong(wrong) => wrong.verdict(),
            Self::Factor(error) => error.verdict(),
            Self::Impersonated => Kind::Forbidden.code(codes::ACTOR_SESSION_FORBIDDEN),
            Self::Password(error) => error.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// A live session of a client, with its person.
async fn live(
    conn: &mut Conn,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    id: SessionId,
) -> Result<(Session, Person), StepUpError> {
    let session = storage::sessions::find(conn, cx.env, id).await?;
    let session = session.filter(|s| s.client_id == client).ok_or(StepUpError::NotFound)?;
    if !session.status_at(cx.now, &env.settings.sessions).is_live() {
        return Err(StepUpError::NotLive);
    }
    let person = storage::users::person(conn, cx.env, session.user_id).await?.ok_or(StepUpError::NotLive)?;
    Ok((session, person))
}

/// Finds a challenge of a session.
pub async fn challenge(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SessionId,
    challenge: ChallengeId,
) -> Result<Challenge, StepUpError> {
    let session = storage::sessions::find(&mut *engine.read().await?, cx.env, id).await?;
    session.filter(|s| s.client_id == client).ok_or(StepUpError::NotFound)?;
    challenges::find(engine, cx, Parent::Session(id), challenge).await?.ok_or(StepUpError::NoChallenge)
}

/// Issues a challenge for a factor that the person has.
pub async fn prepare(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SessionId,
    wanted: Prepare,
) -> Result<Challenge, StepUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (session, person) = live(tx, cx, &tenant.env, client, id).await?;
            if session.actor.is_some() {
                return Err(StepUpError::Impersonated);
            }
            let parent = Parent::Session(id);
            let strategy = Strategy::parse(&wanted.strategy).ok_or(StepUpError::Strategy)?;
            let about = (parent, Step::First, strategy);
            match strategy {
                Strategy::Password if person.user.password_digest.is_some() => {
                    Ok(challenges::issue_plain(tx, cx, about).await?)
                }
                Strategy::Passkey => passkey::issue(tx, cx, &tenant, &session, &person).await,
                // Of somebody who has no second factor, a number is a first one.
                Strategy::PhoneCode if person.second_factors_after(None).is_empty() => {
                    phone::issue(tx, cx, &tenant, parent, &person, wanted.phone_number_id.as_deref()).await
                }
                Strategy::Totp | Strategy::BackupCode | Strategy::PhoneCode => {
                    let number = wanted.phone_number_id.as_deref();
                    let ask = factors::Ask { strategy, number, first_number: session.factors.first_number };
                    Ok(factors::issue(tx, cx, &tenant, parent, &person, ask).await?)
                }
                Strategy::EmailCode => {
                    let address = &wanted.email_address_id;
                    let wanted = match address {
                        Some(wanted) => person.email_addresses.iter().find(|a| a.id.to_string() == *wanted),
                        None => person.primary_email(),
                    };
                    let missing = if address.is_some() { StepUpError::Address } else { StepUpError::Strategy };
                    let target = wanted.filter(|a| a.verified).ok_or(missing)?;
                    let target = CodeTarget {
                        canonical: &target.canonical,
                        to: To::Address(target),
                        letter: About::Code,
                        is_test: session.was_test && target.email.is_test(),
                    };
                    Ok(challenges::issue_code(tx, cx, &tenant, about, target).await?)
                }
                _ => Err(StepUpError::Strategy),
            }
        })
        .await
}

/// Takes the answer; a right one stamps the session's factor.
pub async fn answer(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    id: SessionId,
    challenge: ChallengeId,
    answer: crate::sign_in::Answer,
) -> Result<(Session, Challenge), StepUpError> {
    let (session, person) = live(&mut *engine.read().await?, cx, env, client, id).await?;
    let open = challenges::find(engine, cx, Parent::Session(id), challenge).await?.ok_or(StepUpError::NoChallenge)?;
    let cx = &Context { was_test: session.was_test, ..cx.clone() };
    match open.strategy {
        _ if open.step == Step::Second => {
            let code = answer.code.ok_or(StepUpError::Missing("code"))?;
            by_second_factor(engine, cx, &session, challenge, code).await
        }
        Strategy::EmailCode => {
            let code = answer.code.ok_or(StepUpError::Missing("code"))?;
            by_code(engine, cx, &session, challenge, code).await
        }
        Strategy::Passkey => {
            let assertion = answer.assertion.ok_or(StepUpError::Missing("assertion"))?;
            passkey::answer(engine, cx, &session, open, assertion).await
        }
        Strategy::PhoneCode => {
            let code = answer.code.ok_or(StepUpError::Missing("code"))?;
            phone::answer(engine, cx, &session, challenge, code).await
        }
        Strategy::Password => {
            let password = answer.password.ok_or(StepUpError::Missing("password"))?;
            let digest = person.user.password_digest.ok_or(StepUpError::Strategy)?;
            by_password(engine, cx, &session, challenge, digest, password).await
        }
        _ => Err(StepUpError::Strategy),
    }
}

async fn by_second_factor(
    engine: &Engine,
    cx: &Context,
    session: &Session,
    challenge: ChallengeId,
    code: String,
) -> Result<(Session, Challenge), StepUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let (id, user, first_number) = (session.id, session.user_id, session.factors.first_number);
    let identity = guesses::signed_in(session);
    engine
        .write(cx, async move |tx, cx| {
            let parent = Parent::Session(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(StepUpError::NoChallenge)?;
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(StepUpError::NotLive)?;
            let shown = factors::Shown { identity: &identity, code: &code, first_number };
            if let Err(wrong) = factors::answer(tx, cx, &tenant, &mut challenge, &mut person, shown).await? {
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            let session = stamp(tx, cx, &tenant.env, id, Proof::Second(challenge.strategy)).await?;
            Ok::<_, StepUpError>(Ok((session, challenge)))
        })
        .await?
}

async fn by_code(
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
            let looked =
                challenges::answer_code(tx, cx, &tenant, &mut challenge, &identity, Purpose::EmailCode, &code).await?;
            if let Err(wrong) = looked {
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            let person = storage::users::person(tx, cx.env, user).await?.ok_or(StepUpError::NotLive)?;
            let is_theirs =
                |a: &domain::user::EmailAddress| a.verified && Some(&a.canonical) == challenge.target.as_ref();
            if !person.email_addresses.iter().any(is_theirs) {
                // The address was removed after the code was sent: its mailbox proves nothing of the person.
                return Err(StepUpError::Address);
            }
            let session = stamp(tx, cx, &tenant.env, id, Proof::First { number: None }).await?;
            Ok::<_, StepUpError>(Ok((session, challenge)))
        })
        .await?
}

async fn by_password(
    engine: &Engine,
    cx: &Context,
    session: &Session,
    challenge: ChallengeId,
    digest: PasswordDigest,
    password: Secret<String>,
) -> Result<(Session, Challenge), StepUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    // The counter of the password as a signed-in person uses it: strangers at the sign-in page cannot fill it.
    let identity = guesses::signed_in(session);
    let (id, user) = (session.id, session.user_id);
    let (counted, reserving) = (identity.clone(), tenant.clone());
    engine
        .write(cx, async move |tx, cx| {
            let parent = Parent::Session(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(StepUpError::NoChallenge)?;
            challenges::begin_try(tx, cx, &reserving, &mut challenge, tries(&counted)).await??;
            storage::challenges::save(tx, cx.env, &challenge).await?;
            Ok::<_, StepUpError>(())
        })
        .await?;
    let right = match passwords::verify(engine, Some(&digest), password).await {
        Ok(right) => right,
        Err(error) => {
            // There was no room to look: it was no wrong try of theirs.
            engine
                .write(cx, async move |tx, cx| {
                    let held = storage::challenges::lock(tx, cx.env, &Parent::Session(id), challenge).await?;
                    let Some(mut challenge) = held else { return Ok(()) };
                    let tries = tries(&identity);
                    Ok::<_, StepUpError>(challenges::give_back(tx, cx, &tenant, &mut challenge, tries).await?)
                })
                .await?;
            return Err(error.into());
        }
    };
    engine
        .write(cx, async move |tx, cx| {
            let parent = Parent::Session(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(StepUpError::NoChallenge)?;
            if let Err(over) = challenge.answerable(cx.now) {
                return Ok(Err(StepUpError::Wrong(over.into())));
            }
            let still =
                storage::users::find(tx, cx.env, user).await?.and_then(|u| u.password_digest) == Some(digest.clone());
            if !right || !still {
                let wrong = challenge.refuse(codes::PASSWORD_INCORRECT, cx.now);
                storage::challenges::save(tx, cx.env, &challenge).await?;
                return Ok(Err(StepUpError::Wrong(Wrong::Answer(wrong))));
            }
            challenges::end_try(tx, cx, &mut challenge, tries(&identity), Ok(())).await??;
            let session = stamp(tx, cx, &tenant.env, id, Proof::First { number: None }).await?;
            Ok::<_, StepUpError>(Ok((session, challenge)))
        })
        .await?
}

fn tries(identity: &str) -> Tries<'_> {
    Tries { identity, purpose: Purpose::Password, free: false }
}

/// Notes on the session that a factor was proven now; one that ended meanwhile stays ended, and one that waited for the
/// second factor is active when that was it.
async fn stamp(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    id: SessionId,
    proof: Proof,
) -> Result<Session, StepUpError> {
    let mut session = storage::sessions::lock(tx, cx.env, id).await?.ok_or(StepUpError::NotFound)?;
    if !session.status_at(cx.now, &env.settings.sessions).is_live() {
        return Err(StepUpError::NotLive);
    }
    sessions::prove(tx, cx, &env.settings, &mut session, proof).await?;
    Ok(session)
}
