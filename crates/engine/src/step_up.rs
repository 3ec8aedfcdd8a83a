//! Step-up: a signed-in person proves a factor anew before a sensitive change.

use crate::challenges::{self, About, CodeTarget, Wrong};
use crate::guesses::{self, Purpose};
use crate::mail::To;
use crate::passwords::PasswordError;
use crate::refusals::stored;
use crate::{Engine, StorageError, passwords, tenancy};
use crypto::Secret;
use domain::challenge::{Challenge, Parent, Step};
use domain::environment::Environment;
use domain::session::Session;
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
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// The answer was not taken.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// The password cannot be checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error("the factor cannot be proven")]
    Storage(#[from] StorageError),
}
stored!(StepUpError);

impl Refusal for StepUpError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(codes::SESSION_NOT_FOUND),
            Self::NotLive => Kind::NotLive.code(codes::SESSION_NOT_LIVE),
            Self::NoChallenge => Kind::NotFound.code(codes::CHALLENGE_NOT_FOUND),
            Self::Strategy => Kind::Invalid.code(codes::STRATEGY_NOT_SUPPORTED).param("strategy"),
            Self::Address => Kind::Invalid.code(codes::IDENTIFIER_NOT_FOUND).param("email_address_id"),
            Self::Missing(param) => Kind::Invalid.code(codes::PARAM_NIL).param(param),
            Self::Wrong(wrong) => wrong.verdict(),
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
    strategy: &str,
    address: Option<String>,
) -> Result<Challenge, StepUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let strategy = strategy.to_owned();
    engine
        .write(cx, async move |tx, cx| {
            let (session, person) = live(tx, cx, &tenant.env, client, id).await?;
            let parent = Parent::Session(id);
            match Strategy::parse(&strategy).ok_or(StepUpError::Strategy)? {
                Strategy::Password if person.user.password_digest.is_some() => {
                    Ok(challenges::issue_password(tx, cx, parent, Step::First).await?)
                }
                Strategy::Password => Err(StepUpError::Strategy),
                Strategy::EmailCode => {
                    let wanted = match &address {
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
                    Ok(challenges::issue_code(tx, cx, &tenant, parent, Step::First, target).await?)
                }
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
        Strategy::EmailCode => {
            let code = answer.code.ok_or(StepUpError::Missing("code"))?;
            by_code(engine, cx, &session, challenge, code).await
        }
        Strategy::Password => {
            let password = answer.password.ok_or(StepUpError::Missing("password"))?;
            let digest = person.user.password_digest.ok_or(StepUpError::Strategy)?;
            by_password(engine, cx, &session, challenge, digest, password).await
        }
    }
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
    let identity = format!("{}:self", guesses::identity(Some(user), ""));
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
            let session = stamp(tx, cx, &tenant.env, id).await?;
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
    let identity = format!("{}:self", guesses::identity(Some(session.user_id), ""));
    let (id, user) = (session.id, session.user_id);
    let (counted, env) = (identity.clone(), tenant.env.clone());
    engine
        .write(cx, async move |tx, cx| {
            let parent = Parent::Session(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(StepUpError::NoChallenge)?;
            challenge.reservable(cx.now).map_err(Wrong::from)?;
            if let Some(until) = guesses::reserve(tx, cx, &env.settings, &counted, Purpose::Password).await? {
                return Err(Wrong::Locked(until).into());
            }
            challenge.count_attempt(cx.now);
            storage::challenges::save(tx, cx.env, &challenge).await?;
            Ok::<_, StepUpError>(())
        })
        .await?;
    let right = passwords::verify(engine, Some(&digest), password).await?;
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
            guesses::succeed(tx, cx, &identity, Purpose::Password).await?;
            challenge.verify(cx.now);
            storage::challenges::save(tx, cx.env, &challenge).await?;
            let session = stamp(tx, cx, &tenant.env, id).await?;
            Ok::<_, StepUpError>(Ok((session, challenge)))
        })
        .await?
}

/// Notes on the session that a factor was proven now; one that ended meanwhile stays ended.
async fn stamp(tx: &mut Tx<'_>, cx: &Context, env: &Environment, id: SessionId) -> Result<Session, StepUpError> {
    let mut session = storage::sessions::lock(tx, cx.env, id).await?.ok_or(StepUpError::NotFound)?;
    if !session.status_at(cx.now, &env.settings.sessions).is_live() {
        return Err(StepUpError::NotLive);
    }
    session.factors.first_at = cx.now;
    session.updated_at = cx.now;
    storage::sessions::save(tx, cx.env, &session).await?;
    Ok(session)
}
