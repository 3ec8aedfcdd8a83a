//! Sign-up: what somebody says of themselves, the proof of the address, a person and a session.

mod complete;
mod link;
mod phone;
mod ticket;
mod transfer;
mod verify;

pub use verify::{answer, prepare};

pub(crate) use link::{collect, confirm};

use crate::captcha::Cleared;
use crate::challenges::Wrong;
use crate::passwords::{self, PasswordError};
use crate::people::{self, TestRefused};
use crate::restrictions::{self, Refused, Voucher, Wanted};
use crate::sessions::Begun;
use crate::sms::SmsRefused;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, challenges};
use crypto::Secret;
use domain::challenge::{Challenge, Parent};
use domain::client::Client;
use domain::code as codes;
use domain::environment::Environment;
use domain::sign_up::{SignUp, SignUpOver, SignUpStatus, is_enabled};
use domain::text::{Metadata, Username, metadata_fits};
use domain::user::PasswordDigest;
use domain::{ChallengeId, ClientId, Context, Email, Kind, Phone, Problem, Refusal, SignUpId, Verdict};
use storage::Tx;

/// Why a sign-up does not go on.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    /// There is none on this client.
    #[error("there is no such sign-up")]
    NotFound,
    /// The client is gone.
    #[error("there is no such client")]
    NoClient,
    /// The challenge is not under this sign-up.
    #[error("there is no such challenge")]
    NoChallenge,
    /// It is over.
    #[error("the sign-up is over")]
    Over(#[from] SignUpOver),
    /// What was sent cannot be taken.
    #[error("the fields cannot be taken")]
    Fields(Vec<Problem>),
    /// The strategy is unknown, or not possible now.
    #[error("the strategy is not possible")]
    Strategy,
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// Somebody has the user name.
    #[error("the user name is taken")]
    UsernameTaken,
    /// The terms were not accepted.
    #[error("the terms were not accepted")]
    Legal,
    /// Somebody has the number.
    #[error("the number is taken")]
    NumberTaken,
    /// No code is sent.
    #[error(transparent)]
    Sms(SmsRefused),
    /// The environment does not let this identifier sign up.
    #[error(transparent)]
    Refused(#[from] Refused),
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
    /// The password cannot be taken.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error("the sign-up cannot be read or changed")]
    Storage(#[source] StorageError),
}

impl storage::Retry for SignUpError {
    fn is_retryable(&self) -> bool {
        // Whoever comes second to an address or a number finds it taken when the work is run again.
        matches!(self, Self::Storage(error) if error.is_retryable()
            || storage::email_addresses::is_taken(error)
            || storage::phone_numbers::is_taken(error))
    }
}
crate::refusals::texted!(SignUpError);

impl From<StorageError> for SignUpError {
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::Conflict(c) if c.is_on("users_username", &["users.environment_id", "users.username_key"]) => {
                Self::UsernameTaken
            }
            _ => Self::Storage(error),
        }
    }
}

impl Refusal for SignUpError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(codes::SIGN_UP_NOT_FOUND),
            Self::NoClient => Kind::Unauthenticated.code(codes::CLIENT_NOT_FOUND),
            Self::NoChallenge => Kind::NotFound.code(codes::CHALLENGE_NOT_FOUND),
            Self::Over(over) => Kind::Invalid.code(over.code()),
            Self::Fields(problems) => Verdict::Refused(problems.clone()),
            Self::Strategy => Kind::Invalid.code(codes::STRATEGY_NOT_SUPPORTED).param("strategy"),
            Self::Missing(param) => Kind::Invalid.code(codes::PARAM_NIL).param(param),
            Self::Legal => Kind::Invalid.code(codes::LEGAL_ACCEPTED_REQUIRED).param("legal_accepted"),
            Self::UsernameTaken => Kind::Taken.code(codes::IDENTIFIER_EXISTS).param("username"),
            Self::NumberTaken => Kind::Taken.code(codes::IDENTIFIER_EXISTS).param("phone_number"),
            Self::Sms(refused) => refused.verdict(),
            Self::Refused(refused) => refused.verdict(),
            Self::Redirect => Kind::Invalid.code(codes::REDIRECT_URL_NOT_ALLOWED).param("redirect_url"),
            Self::NoTransfer => Kind::Invalid.code(codes::TRANSFER_NOT_SUPPORTED).param("transfer"),
            Self::Ticket => Kind::Invalid.code(codes::TICKET_INVALID).param("ticket"),
            Self::TicketExpired => Kind::Invalid.code(codes::TICKET_EXPIRED).param("ticket"),
            Self::Test(_) => Kind::Invalid.code(codes::TEST_IDENTIFIER_FORBIDDEN).param("email_address"),
            Self::Wrong(wrong) => wrong.verdict(),
            Self::Password(error @ (PasswordError::Policy | PasswordError::Breached)) => {
                error.verdict().param("password")
            }
            Self::Password(error) => error.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// A sign-up after a step, and the session when it is complete.
pub struct Moved {
    /// The sign-up.
    pub sign_up: SignUp,
    /// The challenge the step was about, if it was about one.
    pub challenge: Option<Challenge>,
    /// What the browser is left with.
    pub begun: Option<Begun>,
}

/// What somebody says of themselves.
#[derive(Default)]
pub struct Fields {
    /// The address.
    pub email_address: Option<Email>,
    /// The user name.
    pub username: Option<Username>,
    /// The phone number, as it was typed.
    pub phone_number: Option<String>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The password.
    pub password: Option<Secret<String>>,
    /// The person's own data.
    pub unsafe_metadata: Option<Metadata>,
    /// Whether the terms are accepted.
    pub legal_accepted: Option<bool>,
    /// Ticket of an invitation.
    pub ticket: Option<Secret<String>>,
    /// Goes on with a sign-in.
    pub transfer: bool,
}

impl Fields {
    fn is_empty(&self) -> bool {
        self.email_address.is_none()
            && self.phone_number.is_none()
            && self.username.is_none()
            && self.first_name.is_none()
            && self.last_name.is_none()
            && self.password.is_none()
            && self.unsafe_metadata.is_none()
            && self.legal_accepted.is_none()
    }

    /// Everything that is wrong with what was sent, together.
    fn problems(&self, env: &Environment) -> Vec<Problem> {
        let sent = [
            ("email_address", self.email_address.is_some()),
            ("phone_number", self.phone_number.is_some()),
            ("username", self.username.is_some()),
            ("first_name", self.first_name.is_some()),
            ("last_name", self.last_name.is_some()),
            ("password", self.password.is_some()),
        ];
        let mut problems: Vec<Problem> = sent
            .into_iter()
            .filter(|(field, sent)| *sent && !is_enabled(&env.settings, field))
            .map(|(field, _)| Problem::of_param(Kind::Invalid, codes::PARAM_UNKNOWN, field))
            .collect();
        if self.email_address.as_ref().is_some_and(|email| !env.settings.takes_address(email)) {
            problems.push(Problem::of_param(Kind::Invalid, codes::IDENTIFIER_DISPOSABLE, "email_address"));
        }
        if self.password.as_ref().is_some_and(|p| passwords::accept(p).is_err()) {
            problems.push(Problem::of_param(Kind::Invalid, codes::PASSWORD_VALIDATION_FAILED, "password"));
        }
        if self.unsafe_metadata.as_ref().is_some_and(|m| !metadata_fits(m)) {
            problems.push(Problem::of_param(Kind::Invalid, codes::METADATA_TOO_LARGE, "unsafe_metadata"));
        }
        problems
    }
}

/// Finds a sign-up of a client.
pub async fn find(engine: &Engine, cx: &Context, client: ClientId, id: SignUpId) -> Result<SignUp, SignUpError> {
    storage::sign_ups::find(&mut *engine.read().await?, cx.env, client, id).await?.ok_or(SignUpError::NotFound)
}

/// Finds a challenge of a sign-up.
pub async fn challenge(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignUpId,
    challenge: ChallengeId,
) -> Result<Challenge, SignUpError> {
    find(engine, cx, client, id).await?;
    challenges::find(engine, cx, Parent::SignUp(id), challenge).await?.ok_or(SignUpError::NoChallenge)
}

/// Begins a sign-up, or goes on with the one that is open when nothing is sent.
pub async fn create(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    _: Cleared,
    mut fields: Fields,
) -> Result<Moved, SignUpError> {
    if let Some(ticket) = fields.ticket.take() {
        return ticket::create(engine, cx, client, ticket, fields).await;
    }
    if fields.transfer {
        return transfer::create(engine, cx, client).await;
    }
    let (staged, is_test) = stage(engine, env, fields, None).await?;
    let cx = &Context { was_test: is_test, ..cx.clone() };
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignUpError::NoClient)?;
            let newest = storage::sign_ups::newest(tx, cx.env, client.id).await?;
            if let Some(open) = newest.filter(|s| s.open(cx.now).is_ok()) {
                if staged.is_empty() {
                    return Ok(Moved { sign_up: open, challenge: None, begun: None });
                }
                abandon(tx, cx, open).await?;
            }
            if tenant.env.settings.require_legal_accepted && staged.legal_accepted != Some(true) {
                return Err(SignUpError::Legal);
            }
            let mut sign_up = SignUp::begin(cx.id(), client.id, cx.now);
            sign_up.was_test = is_test;
            storage::sign_ups::insert(tx, cx.env, &sign_up).await?;
            let begun = apply(tx, cx, &tenant, &mut client, &mut sign_up, &staged).await?;
            Ok(Moved { sign_up, challenge: None, begun })
        })
        .await
}

/// Lets an open sign-up give way to another.
async fn abandon(tx: &mut Tx<'_>, cx: &Context, open: SignUp) -> Result<(), SignUpError> {
    let held = storage::sign_ups::lock(tx, cx.env, open.client_id, open.id).await?;
    let mut open = held.ok_or(SignUpError::NotFound)?;
    open.abandon(cx.now);
    Ok(storage::sign_ups::save(tx, cx.env, &open).await?)
}

/// Adds to a sign-up; a later value overwrites an earlier one.
pub async fn update(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    id: SignUpId,
    fields: Fields,
) -> Result<Moved, SignUpError> {
    let before = find(engine, cx, client, id).await?;
    before.open(cx.now)?;
    let (staged, is_test) = stage(engine, env, fields, Some(&before)).await?;
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignUpError::NoClient)?;
            let mut sign_up = storage::sign_ups::lock(tx, cx.env, client.id, id).await?.ok_or(SignUpError::NotFound)?;
            sign_up.open(cx.now)?;
            if tenant.env.settings.require_legal_accepted && staged.legal_accepted == Some(false) {
                return Err(SignUpError::Legal);
            }
            sign_up.was_test = is_test || still_test(&tenant, &sign_up, &staged);
            let cx = &Context { was_test: sign_up.was_test, ..cx.clone() };
            let begun = apply(tx, cx, &tenant, &mut client, &mut sign_up, &staged).await?;
            Ok(Moved { sign_up, challenge: None, begun })
        })
        .await
}

/// Whether what was staged before and stays is a test person's.
fn still_test(tenant: &Tenant, sign_up: &SignUp, staged: &Staged) -> bool {
    let email = sign_up.email_address.as_ref().filter(|_| staged.email_address.is_none());
    let number = sign_up.phone_number.as_ref().filter(|_| staged.phone_number.is_none());
    let is_test = email.is_some_and(Email::is_test) || number.is_some_and(Phone::is_test);
    matches!(people::test_mode(&tenant.env.settings, tenant.env.kind, is_test), Ok(true))
}

/// What was sent, checked and with its password hashed.
struct Staged {
    email_address: Option<Email>,
    phone_number: Option<Phone>,
    username: Option<Username>,
    first_name: Option<String>,
    last_name: Option<String>,
    password: Option<PasswordDigest>,
    unsafe_metadata: Option<Metadata>,
    legal_accepted: Option<bool>,
}

impl Staged {
    fn is_empty(&self) -> bool {
        self.email_address.is_none()
            && self.phone_number.is_none()
            && self.username.is_none()
            && self.first_name.is_none()
            && self.last_name.is_none()
            && self.password.is_none()
            && self.unsafe_metadata.is_none()
            && self.legal_accepted.is_none()
    }
}

/// Checks what was sent beside what was sent before, and hashes the password: one hash, whether the address is known or
/// not.
async fn stage(
    engine: &Engine,
    env: &Environment,
    fields: Fields,
    before: Option<&SignUp>,
) -> Result<(Staged, bool), SignUpError> {
    let is_test =
        people::test_mode(&env.settings, env.kind, fields.email_address.as_ref().is_some_and(Email::is_test))?;
    let mut problems = fields.problems(env);
    let phone_number = number(env, &fields, &mut problems);
    let test_number = people::test_mode(&env.settings, env.kind, phone_number.as_ref().is_some_and(Phone::is_test));
    if test_number.is_err() {
        problems.push(Problem::of_param(Kind::Invalid, codes::TEST_IDENTIFIER_FORBIDDEN, "phone_number"));
    }
    if !problems.is_empty() {
        return Err(SignUpError::Fields(problems));
    }
    if !fields.is_empty() {
        let known = before.map(Wanted::of).unwrap_or_default();
        let wanted = Wanted {
            email: fields.email_address.as_ref().or(known.email),
            phone: phone_number.as_ref().or(known.phone),
        };
        let is_vouched_for = before.is_some_and(|sign_up| sign_up.is_vouched_for(fields.email_address.as_ref()));
        let voucher = if is_vouched_for { Voucher::Invitation } else { Voucher::Nobody };
        // Said as early as it is known, before a hash is spent on it.
        let refused = restrictions::refused(&mut *engine.read().await?, env, wanted, voucher).await?;
        if let Some(refused) = refused {
            return Err(refused.into());
        }
    }
    let password = match fields.password {
        Some(password) => {
            passwords::not_breached(engine, &env.settings, &password).await?;
            Some(passwords::hash(engine, password).await?)
        }
        None => None,
    };
    let staged = Staged {
        email_address: fields.email_address,
        phone_number,
        username: fields.username,
        first_name: fields.first_name,
        last_name: fields.last_name,
        password,
        unsafe_metadata: fields.unsafe_metadata,
        legal_accepted: fields.legal_accepted,
    };
    Ok((staged, is_test || test_number.unwrap_or(false)))
}

/// The number that was sent, in its one form; what is switched off was told already.
fn number(env: &Environment, fields: &Fields, problems: &mut Vec<Problem>) -> Option<Phone> {
    let text = fields.phone_number.as_deref().filter(|_| is_enabled(&env.settings, "phone_number"))?;
    let number = people::read_number(text);
    if number.is_none() {
        problems.push(Problem::of_param(Kind::Invalid, codes::PARAM_FORMAT_INVALID, "phone_number"));
    }
    number
}

/// Writes what was sent into a sign-up whose row is held, and completes it when nothing is missing any more.
async fn apply(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    client: &mut Client,
    sign_up: &mut SignUp,
    staged: &Staged,
) -> Result<Option<Begun>, SignUpError> {
    let settings = &tenant.env.settings;
    if let Some(username) = &staged.username
        && storage::users::by_username(tx, cx.env, &username.key()).await?.is_some()
    {
        return Err(SignUpError::UsernameTaken);
    }
    if let Some(email) = &staged.email_address {
        let another = sign_up.email_address.as_ref() != Some(email);
        sign_up.stage_email(email.clone());
        if another {
            storage::challenges::supersede(tx, cx.env, &Parent::SignUp(sign_up.id), cx.now).await?;
        }
        // Whoever has proven the address may hear that it has an account.
        let telling = !settings.attack_protection.enumeration_protection || sign_up.email_verified;
        sign_up.status = if telling && people::holder(tx, &tenant.env, email).await?.is_some() {
            SignUpStatus::Transferable
        } else {
            SignUpStatus::MissingRequirements
        };
    }
    if let Some(number) = &staged.phone_number {
        if people::by_number(tx, &tenant.env, number).await?.is_some() {
            return Err(SignUpError::NumberTaken);
        }
        if sign_up.phone_number.as_ref() != Some(number) {
            storage::challenges::supersede(tx, cx.env, &Parent::SignUp(sign_up.id), cx.now).await?;
        }
        sign_up.stage_phone(number.clone());
    }
    if staged.username.is_some() {
        sign_up.username.clone_from(&staged.username);
    }
    if staged.first_name.is_some() {
        sign_up.first_name.clone_from(&staged.first_name);
    }
    if staged.last_name.is_some() {
        sign_up.last_name.clone_from(&staged.last_name);
    }
    if staged.password.is_some() {
        sign_up.password_digest.clone_from(&staged.password);
    }
    if let Some(accepted) = staged.legal_accepted {
        sign_up.legal_accepted = accepted;
    }
    if let Some(metadata) = &staged.unsafe_metadata {
        sign_up.unsafe_metadata.clone_from(metadata);
    }
    sign_up.updated_at = cx.now;
    storage::sign_ups::save(tx, cx.env, sign_up).await?;
    complete::if_ready(tx, cx, tenant, client, sign_up).await
}
