//! Sign-in: an identifier, a challenge, an answer, a session.

mod code;
mod create;
mod password;

pub use create::{Create, create};

use crate::challenges::{self, About, CodeTarget, Wrong};
use crate::guesses::{self, Purpose};
use crate::mail::To;
use crate::passwords::PasswordError;
use crate::people::{self, TestRefused};
use crate::sessions::{self, Begun};
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError};
use crypto::Secret;
use domain::challenge::{Challenge, Parent, Step};
use domain::client::Client;
use domain::code as codes;
use domain::environment::Environment;
use domain::session::Factors;
use domain::sign_in::{SignIn, SignInOver, SignInStatus};
use domain::strategy::Strategy;
use domain::user::Person;
use domain::{ChallengeId, ClientId, Context, EmailAddressId, Kind, Refusal, SignInId, Timestamp, Verdict};
use storage::Tx;

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
    /// There is nothing to transfer.
    #[error("there is nothing to transfer")]
    NoTransfer,
    /// The ticket is worth nothing.
    #[error("the ticket is not valid")]
    Ticket,
    /// A test address, where those are refused.
    #[error(transparent)]
    Test(#[from] TestRefused),
    /// The answer was not taken.
    #[error(transparent)]
    Wrong(#[from] Wrong),
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
    /// The password cannot be checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error("the sign-in cannot be read or changed")]
    Storage(#[from] StorageError),
}

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
            Self::NoTransfer => Kind::Invalid.code(codes::TRANSFER_NOT_SUPPORTED).param("transfer"),
            Self::Ticket => Kind::Invalid.code(codes::TICKET_INVALID).param("ticket"),
            Self::Test(_) => Kind::Invalid.code(codes::TEST_IDENTIFIER_FORBIDDEN).param("identifier"),
            Self::Wrong(wrong) => wrong.verdict(),
            Self::Banned => Kind::Forbidden.code(codes::USER_BANNED),
            Self::Locked { until } => {
                Kind::Forbidden.code(codes::USER_LOCKED).with("lockout_expires_at", until.map(Timestamp::millis))
            }
            Self::AlreadySignedIn => Kind::Invalid.code(codes::ALREADY_SIGNED_IN),
            Self::Password(error) => error.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// A sign-in after a step, and the session when it is complete.
pub struct Moved {
    /// The sign-in.
    pub sign_in: SignIn,
    /// The challenge the step was about, if it was about one.
    pub challenge: Option<Challenge>,
    /// What the browser is left with.
    pub begun: Option<Begun>,
}

/// What is shown for a challenge.
pub struct Answer {
    /// For codes.
    pub code: Option<String>,
    /// For the password.
    pub password: Option<Secret<String>>,
}

/// Finds a sign-in of a client.
pub async fn find(engine: &Engine, cx: &Context, client: ClientId, id: SignInId) -> Result<SignIn, SignInError> {
    storage::sign_ins::find(&mut *engine.read().await?, cx.env, client, id).await?.ok_or(SignInError::NotFound)
}

/// Finds a challenge of a sign-in.
pub async fn challenge(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
) -> Result<Challenge, SignInError> {
    find(engine, cx, client, id).await?;
    challenges::find(engine, cx, Parent::SignIn(id), challenge).await?.ok_or(SignInError::NoChallenge)
}

/// Issues a challenge on a sign-in.
pub async fn prepare(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    strategy: &str,
    address: Option<String>,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let strategy = strategy.to_owned();
    engine
        .write(cx, async move |tx, cx| {
            let mut sign_in = storage::sign_ins::lock(tx, cx.env, client, id).await?.ok_or(SignInError::NotFound)?;
            sign_in.open(cx.now)?;
            let strategy = Strategy::parse(&strategy).ok_or(SignInError::Strategy)?;
            let challenge = issue(tx, cx, &tenant, &mut sign_in, strategy, address.as_deref()).await?;
            Ok(Moved { sign_in, challenge: Some(challenge), begun: None })
        })
        .await
}

/// Issues a challenge on a sign-in whose row is held.
async fn issue(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    sign_in: &mut SignIn,
    strategy: Strategy,
    address: Option<&str>,
) -> Result<Challenge, SignInError> {
    let env = &tenant.env;
    if !sign_in.supported_strategies(cx.now, &env.settings).contains(&strategy) {
        return Err(SignInError::Strategy);
    }
    let identifier = sign_in.identifier.clone().ok_or(SignInError::Missing("identifier"))?;
    let parent = Parent::SignIn(sign_in.id);
    let challenge = match strategy {
        Strategy::Password => challenges::issue_password(tx, cx, parent, Step::First).await?,
        Strategy::EmailCode => {
            let known = people::resolve(tx, env, &identifier).await?;
            let target = known.as_ref().and_then(|k| k.address.as_ref());
            if let Some(wanted) = address {
                // An address that is not this person's is nobody's.
                let wanted: Option<EmailAddressId> = wanted.parse().ok();
                if wanted.is_none() || wanted != target.map(|a| a.id) {
                    return Err(SignInError::Unknown);
                }
            }
            if target.is_none() && !env.settings.attack_protection.enumeration_protection {
                return Err(SignInError::Unknown);
            }
            let to = target.map_or(To::Nobody, To::Address);
            // The fixed code opens an address that is itself a test address, and only where somebody has it.
            let is_test = sign_in.was_test && target.is_some_and(|a| a.email.is_test());
            let to_or_nobody = CodeTarget { canonical: &identifier.canonical, to, letter: About::Code, is_test };
            challenges::issue_code(tx, cx, tenant, parent, Step::First, to_or_nobody).await?
        }
    };
    sign_in.current_challenge_id = Some(challenge.id);
    sign_in.updated_at = cx.now;
    storage::sign_ins::save(tx, cx.env, sign_in).await?;
    Ok(challenge)
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
    let sign_in = find(engine, cx, client, id).await?;
    let open = challenges::find(engine, cx, Parent::SignIn(id), challenge).await?.ok_or(SignInError::NoChallenge)?;
    let cx = &Context { was_test: sign_in.was_test, ..cx.clone() };
    match open.strategy {
        Strategy::EmailCode => {
            let code = answer.code.ok_or(SignInError::Missing("code"))?;
            code::answer(engine, cx, client, id, challenge, code).await
        }
        Strategy::Password => {
            let password = answer.password.ok_or(SignInError::Missing("password"))?;
            password::answer(engine, cx, env, client, id, challenge, password).await
        }
    }
}

/// Ends a sign-in with a session, for a person whose first factor was proven. The client's and the sign-in's
/// rows are held.
async fn complete(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    client: &mut Client,
    sign_in: &mut SignIn,
    mut person: Person,
    strategy: Strategy,
) -> Result<Begun, SignInError> {
    // Said only now: before the proof it would tell who has an account.
    if person.user.banned {
        return Err(SignInError::Banned);
    }
    if let Some(lock) = person.user.operator_lock(cx.now) {
        return Err(SignInError::Locked { until: lock.until });
    }
    if !env.settings.sessions.multi_session {
        let live = storage::sessions::lock_live_of_client(tx, cx.env, client.id).await?;
        let here = |s: &domain::session::Session| {
            s.user_id == person.user.id && s.status_at(cx.now, &env.settings.sessions).is_live()
        };
        if live.iter().any(here) {
            return Err(SignInError::AlreadySignedIn);
        }
    }
    // A success opens what strangers' failures have shut.
    if person.user.lock.take().is_some() {
        person.user.updated_at = cx.now;
        let identity = guesses::identity(Some(person.user.id), "");
        guesses::succeed(tx, cx, &identity, Purpose::Password).await?;
    }
    let factors = Factors { first: strategy, first_at: cx.now, second_at: None };
    let begun = sessions::begin(tx, cx, &env.settings, client, &mut person, factors).await?;
    sign_in.complete(person.user.id, begun.session.id, cx.now);
    storage::sign_ins::save(tx, cx.env, sign_in).await?;
    Ok(begun)
}

/// Holds a client and a sign-in that may go on, in the order every operation takes them.
async fn hold(tx: &mut Tx<'_>, cx: &Context, client: ClientId, id: SignInId) -> Result<(Client, SignIn), SignInError> {
    let client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignInError::NoClient)?;
    let sign_in = storage::sign_ins::lock(tx, cx.env, client.id, id).await?.ok_or(SignInError::NotFound)?;
    Ok((client, sign_in))
}

/// Whether the sign-in waits for its first factor.
fn awaits_first_factor(sign_in: &SignIn, now: Timestamp) -> Result<(), SignInError> {
    match sign_in.open(now)? {
        SignInStatus::NeedsFirstFactor => Ok(()),
        _ => Err(SignInError::Strategy),
    }
}
