//! Sign-in: an identifier, a challenge, an answer, a session.

mod advance;
mod code;
mod create;
mod invited;
mod link;
mod new_password;
mod passkey;
mod password;
mod phone;
mod prepare;
mod second;
mod ticket;
mod transfer;
mod trust;

pub use create::{Create, create};
pub use prepare::{Prepare, prepare};

pub(crate) use link::{collect, confirm};

use crate::challenges::{self, Wrong};
use crate::factors::FactorError;
use crate::passwords::PasswordError;
use crate::people::{self, TestRefused};
use crate::sessions::Begun;
use crate::sms::SmsRefused;
use crate::{Engine, StorageError};
use crypto::Secret;
use domain::challenge::{Challenge, Parent, Step};
use domain::client::Client;
use domain::code as codes;
use domain::environment::Environment;
use domain::identifier::Identifier;
use domain::settings::Settings;
use domain::sign_in::{SignIn, SignInOver, SignInStatus};
use domain::strategy::Strategy;
use domain::user::Person;
use domain::{ChallengeId, ClientId, Context, Kind, Refusal, SignInId, Timestamp, Verdict};
use storage::{Conn, Tx};

/// Why a sign-in does not go on.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// There is none on this client.
    #[error("there is no such sign-in")]
    NotFound,
    /// The client is gone.
    #[error("there is no such client")]
    NoClient,
    /// The challenge is not under this sign-in.
    #[error("there is no such challenge")]
    NoChallenge,
    /// It is over.
    #[error("the sign-in is over")]
    Over(#[from] SignInOver),
    /// The strategy is unknown, or not possible now.
    #[error("the strategy is not possible")]
    Strategy,
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// The identifier has the form of none that is taken here.
    #[error("the identifier has no form that is taken")]
    Identifier,
    /// Nobody is known by it, and here that may be said.
    #[error("nobody is known by this identifier")]
    Unknown,
    /// The page to land on is on no allowed origin.
    #[error("the redirect target is not allowed")]
    Redirect,
    /// There is nothing to transfer.
    #[error("there is nothing to transfer")]
    NoTransfer,
    /// The ticket is worth nothing.
    #[error("the ticket is not valid")]
    Ticket,
    /// The ticket is past its time.
    #[error("the ticket is past its time")]
    TicketExpired,
    /// A test address, where those are refused.
    #[error(transparent)]
    Test(#[from] TestRefused),
    /// The answer was not taken.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// The person has no passkey, and here that may be said.
    #[error("the user has no passkey")]
    NoPasskey,
    /// The person is banned.
    #[error("the user is banned")]
    Banned,
    /// The person is locked.
    #[error("the user is locked")]
    Locked {
        /// Until when.
        until: Option<Timestamp>,
    },
    /// The person is signed in on this client already, where one session is allowed.
    #[error("the user is signed in already")]
    AlreadySignedIn,
    /// A new password is due before anything else.
    #[error("a new password is due")]
    NeedsNewPassword,
    /// No new password is due.
    #[error("no new password is due")]
    NoNewPasswordDue,
    /// The factor cannot be asked for.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// No code is sent.
    #[error(transparent)]
    Sms(SmsRefused),
    /// The password cannot be checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error("the sign-in cannot be read or changed")]
    Storage(#[from] StorageError),
}

crate::refusals::texted!(SignInError);

impl storage::Retry for SignInError {
    fn is_retryable(&self) -> bool {
        // Whoever comes second to an address finds it taken when the work is run again.
        matches!(self, Self::Storage(error) if error.is_retryable() || storage::email_addresses::is_taken(error))
    }
}

impl Refusal for SignInError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(codes::SIGN_IN_NOT_FOUND),
            Self::NoClient => Kind::Unauthenticated.code(codes::CLIENT_NOT_FOUND),
            Self::NoChallenge => Kind::NotFound.code(codes::CHALLENGE_NOT_FOUND),
            Self::Over(over) => Kind::Invalid.code(over.code()),
            Self::Strategy => Kind::Invalid.code(codes::STRATEGY_NOT_SUPPORTED).param("strategy"),
            Self::Missing(param) => Kind::Invalid.code(codes::PARAM_NIL).param(param),
            Self::Identifier => Kind::Invalid.code(codes::PARAM_FORMAT_INVALID).param("identifier"),
            Self::Unknown => Kind::Invalid.code(codes::IDENTIFIER_NOT_FOUND).param("identifier"),
            Self::Redirect => Kind::Invalid.code(codes::REDIRECT_URL_NOT_ALLOWED).param("redirect_url"),
            Self::NoTransfer => Kind::Invalid.code(codes::TRANSFER_NOT_SUPPORTED).param("transfer"),
            Self::Ticket => Kind::Invalid.code(codes::TICKET_INVALID).param("ticket"),
            Self::TicketExpired => Kind::Invalid.code(codes::TICKET_EXPIRED).param("ticket"),
            Self::Test(_) => Kind::Invalid.code(codes::TEST_IDENTIFIER_FORBIDDEN).param("identifier"),
            Self::Wrong(wrong) => wrong.verdict(),
            Self::NoPasskey => Kind::Invalid.code(codes::PASSKEY_NO_CREDENTIALS),
            Self::Banned => Kind::Forbidden.code(codes::USER_BANNED),
            Self::Locked { until } => {
                Kind::Forbidden.code(codes::USER_LOCKED).with("lockout_expires_at", until.map(Timestamp::millis))
            }
            Self::AlreadySignedIn => Kind::Invalid.code(codes::ALREADY_SIGNED_IN),
            Self::NeedsNewPassword => Kind::Invalid.code(codes::NEEDS_NEW_PASSWORD),
            Self::NoNewPasswordDue => Kind::Invalid.code(codes::NOT_IN_NEEDS_NEW_PASSWORD_STATE),
            Self::Factor(error) => error.verdict(),
            Self::Sms(refused) => refused.verdict(),
            Self::Password(error @ (PasswordError::Policy | PasswordError::Breached)) => {
                error.verdict().param("password")
            }
            Self::Password(error) => error.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// A sign-in after a step, and the session when it is complete.
pub struct Moved {
    /// The sign-in.
    pub sign_in: SignIn,
    /// Whom it is about, where that is known by now.
    pub person: Option<Person>,
    /// The challenge the step was about, if it was about one.
    pub challenge: Option<Challenge>,
    /// What the browser is left with.
    pub begun: Option<Begun>,
}

/// What is shown for a challenge.
#[derive(Default)]
pub struct Answer {
    /// For codes.
    pub code: Option<String>,
    /// For the password.
    pub password: Option<Secret<String>>,
    /// For tickets.
    pub ticket: Option<Secret<String>>,
    /// For a passkey: what the browser's authenticator gave.
    pub assertion: Option<serde_json::Value>,
}

/// Reads what somebody types to say who they are: an address, a number in any spelling with its country code, or a
/// user name. `None` when it has the form of none of them.
pub fn identifier(settings: &Settings, text: &str) -> Option<Identifier> {
    people::identifier(settings, text)
}

/// Finds a sign-in of a client, with the person it is about where that may be known by now.
pub async fn find(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    id: SignInId,
) -> Result<(SignIn, Option<Person>), SignInError> {
    let mut conn = engine.read().await?;
    let sign_in = storage::sign_ins::find(&mut conn, cx.env, client, id).await?.ok_or(SignInError::NotFound)?;
    let person = person_of(&mut conn, env, &sign_in).await?;
    Ok((sign_in, person))
}

/// The person a sign-in is about: pinned by the first proof; before it whoever the identifier names, and that only
/// where it may be told.
pub(crate) async fn person_of(
    conn: &mut Conn,
    env: &Environment,
    sign_in: &SignIn,
) -> Result<Option<Person>, StorageError> {
    let user = match (sign_in.user_id, &sign_in.identifier) {
        (Some(user), _) => Some(user),
        (None, Some(identifier)) if !env.settings.attack_protection.enumeration_protection => {
            people::resolve(conn, env, identifier).await?.map(|known| known.user)
        }
        _ => None,
    };
    match user {
        Some(user) => storage::users::person(conn, env.id, user).await,
        None => Ok(None),
    }
}

/// Finds a challenge of a sign-in.
pub async fn challenge(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
) -> Result<Challenge, SignInError> {
    storage::sign_ins::find(&mut *engine.read().await?, cx.env, client, id).await?.ok_or(SignInError::NotFound)?;
    challenges::find(engine, cx, Parent::SignIn(id), challenge).await?.ok_or(SignInError::NoChallenge)
}

/// Answers a challenge of a sign-in.
pub async fn answer(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
    answer: Answer,
) -> Result<Moved, SignInError> {
    let (sign_in, open) = {
        let mut conn = engine.read().await?;
        let sign_in = storage::sign_ins::find(&mut conn, cx.env, client, id).await?.ok_or(SignInError::NotFound)?;
        let open = storage::challenges::find(&mut conn, cx.env, &Parent::SignIn(id), challenge).await?;
        (sign_in, open.ok_or(SignInError::NoChallenge)?)
    };
    let cx = &Context { was_test: sign_in.was_test, ..cx.clone() };
    match (open.step, open.strategy) {
        (_, Strategy::EmailLink) => link::answer(engine, cx, client, id, challenge).await,
        (Step::Second, _) if sign_in.status == SignInStatus::NeedsClientTrust => {
            let code = answer.code.ok_or(SignInError::Missing("code"))?;
            trust::answer(engine, cx, client, id, challenge, code).await
        }
        (Step::Second, _) => {
            let code = answer.code.ok_or(SignInError::Missing("code"))?;
            second::answer(engine, cx, client, id, challenge, code).await
        }
        // The new password comes after the code, not in its place.
        (_, Strategy::ResetPasswordEmailCode) if answer.code.is_none() && answer.password.is_some() => {
            Err(SignInError::NoNewPasswordDue)
        }
        (_, Strategy::EmailCode | Strategy::ResetPasswordEmailCode) => {
            let code = answer.code.ok_or(SignInError::Missing("code"))?;
            code::answer(engine, cx, client, id, challenge, code).await
        }
        (_, Strategy::Passkey) => {
            let assertion = answer.assertion.ok_or(SignInError::Missing("assertion"))?;
            passkey::answer(engine, cx, client, id, open, assertion).await
        }
        (_, Strategy::PhoneCode) => {
            let code = answer.code.ok_or(SignInError::Missing("code"))?;
            phone::answer(engine, cx, client, id, challenge, code).await
        }
        (_, Strategy::Password) => {
            let password = answer.password.ok_or(SignInError::Missing("password"))?;
            if sign_in.status == SignInStatus::NeedsNewPassword {
                return new_password::answer(engine, cx, client, id, challenge, password).await;
            }
            password::answer(engine, cx, env, client, id, challenge, password).await
        }
        (_, Strategy::Ticket) => {
            let ticket = answer.ticket.ok_or(SignInError::Missing("ticket"))?;
            ticket::answer(engine, cx, client, id, challenge, ticket).await
        }
        _ => Err(SignInError::Strategy),
    }
}

/// Holds a client and a sign-in that may go on, in the order every operation takes them.
async fn hold(tx: &mut Tx<'_>, cx: &Context, client: ClientId, id: SignInId) -> Result<(Client, SignIn), SignInError> {
    let client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignInError::NoClient)?;
    let sign_in = storage::sign_ins::lock(tx, cx.env, client.id, id).await?.ok_or(SignInError::NotFound)?;
    Ok((client, sign_in))
}

/// Takes a challenge that is over off its sign-in, whose row is held.
async fn let_go(
    tx: &mut Tx<'_>,
    cx: &Context,
    sign_in: &mut SignIn,
    challenge: &Challenge,
) -> Result<(), StorageError> {
    if sign_in.let_go(challenge, cx.now) {
        storage::sign_ins::save(tx, cx.env, sign_in).await?;
    }
    Ok(())
}

/// Whether the sign-in waits for its first factor.
fn awaits_first_factor(sign_in: &SignIn, now: Timestamp) -> Result<(), SignInError> {
    match sign_in.open(now)? {
        SignInStatus::NeedsFirstFactor | SignInStatus::NeedsIdentifier => Ok(()),
        SignInStatus::NeedsNewPassword => Err(SignInError::NeedsNewPassword),
        _ => Err(SignInError::Strategy),
    }
}
