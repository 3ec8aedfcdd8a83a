//! E-mail addresses of people: added, proven, made primary, removed; by their owner or by a backend.

mod link;

pub use crate::people::Addition;
pub(crate) use link::confirm;

use crate::challenges::{self, About, CodeTarget, Note, Wrong};
use crate::guesses::{self, Purpose};
use crate::mail::{self, Letter, To};
use crate::people::{self, TestRefused};
use crate::refusals::stored;
use crate::restrictions::{self, Refused, Voucher, Wanted};
use crate::standing::{self, Unfit};
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, idempotency, redirects, sessions};
use domain::challenge::{Challenge, ChallengeStatus, NotAnswerable, Parent, Step};
use domain::code as codes;
use domain::strategy::Strategy;
use domain::user::{EmailAddress, IDENTIFIERS_MAX, Person};
use domain::{Actor, ChallengeId, Context, Email, EmailAddressId, Kind, Refusal, UserId, Verdict};
use storage::Tx;

/// Why an address cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// There is none, or it is another's.
    #[error("there is no such address")]
    NotFound,
    /// The person is gone.
    #[error("there is no such user")]
    NoUser,
    /// The challenge is not under this address.
    #[error("there is no such challenge")]
    NoChallenge,
    /// The environment does not let it become somebody's.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Somebody has it.
    #[error("the address is taken")]
    Taken,
    /// The person has as many as people may add.
    #[error("the person has too many addresses")]
    Full,
    /// It must be proven first.
    #[error("the address is not verified")]
    NotVerified,
    /// It is proven already.
    #[error("the address is verified already")]
    AlreadyVerified,
    /// Another one must be primary first.
    #[error("the primary address cannot be removed")]
    Primary,
    /// The only primary address cannot be less than that.
    #[error("the primary address stays primary until another is")]
    StaysPrimary,
    /// A proof cannot be taken back.
    #[error("a verified address cannot be made unverified")]
    Unverify,
    /// The person would have no identifier left.
    #[error("the last identifier cannot be removed")]
    Last,
    /// The person could not sign in any more.
    #[error("the person would have no way to sign in")]
    LastMethod,
    /// The strategy is unknown, or not possible now.
    #[error("the strategy is not possible")]
    Strategy,
    /// The page to land on is on no allowed origin.
    #[error("the redirect target is not allowed")]
    Redirect,
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// A test address, where those are refused.
    #[error(transparent)]
    Test(#[from] TestRefused),
    /// The answer was not taken.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// The session does not bear the change (any more).
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The database failed.
    #[error("the address cannot be read or changed")]
    Storage(#[source] StorageError),
}
stored!(EmailError);

impl From<StorageError> for EmailError {
    fn from(error: StorageError) -> Self {
        if storage::email_addresses::is_taken(&error) { Self::Taken } else { Self::Storage(error) }
    }
}

impl Refusal for EmailError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(codes::EMAIL_NOT_FOUND),
            Self::NoUser => Kind::NotFound.code(codes::USER_NOT_FOUND),
            Self::NoChallenge => Kind::NotFound.code(codes::CHALLENGE_NOT_FOUND),
            Self::Refused(refused) => refused.verdict(),
            Self::Taken => Kind::Taken.code(codes::IDENTIFIER_EXISTS).param("email_address"),
            Self::Full => Kind::Invalid.code(codes::IDENTIFIER_QUOTA_EXCEEDED).param("email_address"),
            Self::NotVerified => Kind::Invalid.code(codes::EMAIL_NOT_VERIFIED).param("primary"),
            Self::AlreadyVerified => Kind::Invalid.code(codes::VERIFICATION_ALREADY_VERIFIED),
            Self::Primary => Kind::Invalid.code(codes::PRIMARY_EMAIL_NOT_REMOVABLE),
            Self::StaysPrimary => Kind::Invalid.code(codes::PARAM_VALUE_INVALID).param("primary"),
            Self::Unverify => Kind::Invalid.code(codes::PARAM_VALUE_INVALID).param("verified"),
            Self::Last => Kind::Invalid.code(codes::LAST_IDENTIFIER_NOT_REMOVABLE),
            Self::LastMethod => Kind::Invalid.code(codes::LAST_SIGN_IN_METHOD_NOT_REMOVABLE),
            Self::Strategy => Kind::Invalid.code(codes::STRATEGY_NOT_SUPPORTED).param("strategy"),
            Self::Redirect => Kind::Invalid.code(codes::REDIRECT_URL_NOT_ALLOWED).param("redirect_url"),
            Self::Missing(param) => Kind::Invalid.code(codes::PARAM_NIL).param(param),
            Self::Test(_) => Kind::Invalid.code(codes::TEST_IDENTIFIER_FORBIDDEN).param("email_address"),
            Self::Wrong(wrong) => wrong.verdict(),
            Self::Unfit(unfit) => unfit.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Finds an address of the environment.
pub async fn find(engine: &Engine, cx: &Context, id: EmailAddressId) -> Result<EmailAddress, EmailError> {
    storage::email_addresses::find(&mut *engine.read().await?, cx.env, id).await?.ok_or(EmailError::NotFound)
}

/// Finds an address of a person.
pub async fn own(engine: &Engine, cx: &Context, user: UserId, id: EmailAddressId) -> Result<EmailAddress, EmailError> {
    let address = find(engine, cx, id).await?;
    if address.user_id == user { Ok(address) } else { Err(EmailError::NotFound) }
}

/// The addresses of a person, oldest first.
pub async fn of_user(engine: &Engine, cx: &Context, user: UserId) -> Result<Vec<EmailAddress>, StorageError> {
    storage::email_addresses::of_user(&mut *engine.read().await?, cx.env, user).await
}

/// Adds an address to a person. Its owner's addition is unproven; where others' addresses are protected, one
/// that somebody has is taken in and fails when it is to be proven.
pub async fn add(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    email: Email,
    how: Addition,
) -> Result<EmailAddress, EmailError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    people::test_mode(&tenant.env.settings, tenant.env.kind, email.is_test())?;
    engine
        .write(cx, async move |tx, cx| {
            let settings = &tenant.env.settings;
            // A backend's word passes the rules for people.
            if cx.surface == domain::Surface::Fapi
                && let Some(refused) =
                    restrictions::refused(tx, &tenant.env, Wanted::email(&email), Voucher::Account).await?
            {
                return Err(refused.into());
            }
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(EmailError::NoUser)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let canonical = settings.canonical(&email);
            if person.email_addresses.iter().any(|a| a.canonical == canonical) {
                return Err(EmailError::Taken);
            }
            let claimed = storage::email_addresses::by_canonical(tx, cx.env, &canonical).await?;
            let quiet = settings.attack_protection.enumeration_protection && cx.surface == domain::Surface::Fapi;
            if claimed.iter().any(|a| a.verified) && !quiet {
                return Err(EmailError::Taken);
            }
            if cx.surface == domain::Surface::Fapi && person.email_addresses.len() >= IDENTIFIERS_MAX {
                return Err(EmailError::Full);
            }
            let address = EmailAddress {
                id: cx.id(),
                user_id: user,
                email: email.clone(),
                canonical,
                verified: how.verified,
                current_challenge_id: None,
                created_at: cx.now,
                updated_at: cx.now,
            };
            if how.verified {
                people::drop_squatters(tx, cx, &address).await?;
            }
            storage::email_addresses::insert(tx, cx.env, &address).await?;
            person.email_addresses.push(address.clone());
            if how.verified && (how.primary || person.user.primary_email_address_id.is_none()) {
                person.user.primary_email_address_id = Some(address.id);
            }
            people::save(tx, cx, settings, &mut person).await?;
            idempotency::keep(tx, cx, how.status, &api::EmailAddress::from(&address), Some(address.id.to_string()))
                .await?;
            Ok(address)
        })
        .await
}

/// What a change of an address asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Counts as proven from now on; a backend's word.
    pub verified: Option<bool>,
    /// Becomes the primary one.
    pub primary: Option<bool>,
}

/// Changes an address; the old primary address hears of a new one, and the owner's other sessions end.
pub async fn change(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: EmailAddressId,
    change: Change,
) -> Result<EmailAddress, EmailError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            if change.verified == Some(true) {
                lock_claimants(tx, cx, user, id).await?;
            }
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(EmailError::NotFound)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let mut address =
                person.email_addresses.iter().find(|a| a.id == id).cloned().ok_or(EmailError::NotFound)?;
            let before = (person.clone(), address.clone());
            match change.verified {
                Some(false) => return Err(EmailError::Unverify),
                Some(true) if !address.verified => prove(tx, cx, &mut person, &mut address).await?,
                _ => {}
            }
            match change.primary {
                Some(true) if !address.verified => return Err(EmailError::NotVerified),
                Some(true) => make_primary(tx, cx, &tenant, &mut person, &address).await?,
                Some(false) if person.user.primary_email_address_id == Some(id) => {
                    return Err(EmailError::StaysPrimary);
                }
                _ => {}
            }
            if (&person, &address) != (&before.0, &before.1) {
                people::save(tx, cx, &tenant.env.settings, &mut person).await?;
            }
            // Whoever was in the account under the old address is out; a backend ends sessions by itself.
            if person.user.primary_email_address_id != before.0.user.primary_email_address_id
                && let Actor::User { session, .. } = cx.actor
            {
                sessions::revoke_all(tx, cx, &tenant.env.settings, user, Some(session)).await?;
            }
            idempotency::keep(tx, cx, 200, &api::EmailAddress::from(&address), Some(id.to_string())).await?;
            Ok(address)
        })
        .await
}

/// Holds everybody who claims an address of a person, before the person alone is held.
async fn lock_claimants(tx: &mut Tx<'_>, cx: &Context, user: UserId, id: EmailAddressId) -> Result<(), EmailError> {
    let address = storage::email_addresses::find(tx, cx.env, id).await?.filter(|a| a.user_id == user);
    let address = address.ok_or(EmailError::NotFound)?;
    Ok(people::lock_claimants(tx, cx, &address.canonical).await?)
}

async fn make_primary(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    person: &mut Person,
    address: &EmailAddress,
) -> Result<(), EmailError> {
    if person.user.primary_email_address_id == Some(address.id) {
        return Ok(());
    }
    if let Some(old) = person.primary_email().filter(|a| a.verified).cloned() {
        mail::enqueue(tx, cx, tenant, Letter::PrimaryEmailAddressChanged, To::Address(&old)).await?;
    }
    person.user.primary_email_address_id = Some(address.id);
    if let Actor::User { session, .. } = cx.actor {
        // Whoever else is in the account would stay in it behind the owner's back.
        sessions::revoke_all(tx, cx, &tenant.env.settings, person.user.id, Some(session)).await?;
    }
    Ok(())
}

/// Marks an address as proven, in the person's list and in the table.
async fn prove(
    tx: &mut Tx<'_>,
    cx: &Context,
    person: &mut Person,
    address: &mut EmailAddress,
) -> Result<(), EmailError> {
    address.verified = true;
    address.current_challenge_id = None;
    address.updated_at = cx.now;
    people::drop_squatters(tx, cx, address).await?;
    storage::email_addresses::save(tx, cx.env, address).await?;
    if let Some(listed) = person.email_addresses.iter_mut().find(|a| a.id == address.id) {
        *listed = address.clone();
    }
    if person.user.primary_email_address_id.is_none() {
        person.user.primary_email_address_id = Some(address.id);
    }
    Ok(())
}

/// Who removes an address, which decides what becomes of a primary one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remover {
    /// Its owner: another must be primary first.
    Owner,
    /// A backend: the oldest proven one takes its place.
    Backend,
}

/// Removes an address; shows what it was.
pub async fn remove(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: EmailAddressId,
    by: Remover,
) -> Result<EmailAddress, EmailError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(EmailError::NotFound)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let address = person.email_addresses.iter().find(|a| a.id == id).cloned().ok_or(EmailError::NotFound)?;
            let primary = person.user.primary_email_address_id == Some(id);
            if primary && by == Remover::Owner && person.email_addresses.len() > 1 {
                return Err(EmailError::Primary);
            }
            if person.identifiers() == 1 {
                return Err(EmailError::Last);
            }
            let before = person.clone();
            person.email_addresses.retain(|a| a.id != id);
            if by == Remover::Owner && person.is_locked_out_since(&before, &tenant.env.settings) {
                return Err(EmailError::LastMethod);
            }
            storage::challenges::supersede(tx, cx.env, &Parent::EmailAddress(id), cx.now).await?;
            storage::email_addresses::delete(tx, cx.env, id).await?;
            idempotency::forget(tx, cx, &id.to_string()).await?;
            if primary {
                person.user.primary_email_address_id = person.email_addresses.iter().find(|a| a.verified).map(|a| a.id);
            }
            people::save(tx, cx, &tenant.env.settings, &mut person).await?;
            Ok(address)
        })
        .await
}

/// Finds a challenge of an address.
pub async fn challenge(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: EmailAddressId,
    challenge: ChallengeId,
) -> Result<Challenge, EmailError> {
    let found = challenges::find(engine, cx, Parent::EmailAddress(id), challenge).await?;
    match own(engine, cx, user, id).await {
        Ok(_) => found.ok_or(EmailError::NoChallenge),
        // Somebody else has proven the address meanwhile: all that is left of it here is the challenge that says so.
        Err(EmailError::NotFound) => found.filter(|c| lost_by(c, user)).ok_or(EmailError::NotFound),
        Err(error) => Err(error),
    }
}

/// Whether a challenge of a person failed because somebody else has proven the address.
fn lost_by(challenge: &Challenge, user: UserId) -> bool {
    challenge.error.as_deref() == Some(codes::IDENTIFIER_EXISTS.name) && Note::read(challenge).user == Some(user)
}

/// Holds everybody who claims an address of a person, as a proof needs it.
async fn lock_to_prove(
    tx: &mut Tx<'_>,
    cx: &Context,
    user: UserId,
    id: EmailAddressId,
    challenge: ChallengeId,
) -> Result<(), EmailError> {
    match lock_claimants(tx, cx, user, id).await {
        Err(EmailError::NotFound) => {
            let lost = storage::challenges::find(tx, cx.env, &Parent::EmailAddress(id), challenge).await?;
            Err(if lost.is_some_and(|c| lost_by(&c, user)) { EmailError::Taken } else { EmailError::NotFound })
        }
        held => held,
    }
}

/// Sends a code or a link to an address of a person.
pub async fn prepare(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: EmailAddressId,
    strategy: &str,
    redirect_url: Option<String>,
) -> Result<Challenge, EmailError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let strategy = strategy.to_owned();
    engine
        .write(cx, async move |tx, cx| {
            let person = storage::users::lock(tx, cx.env, user).await?.ok_or(EmailError::NotFound)?;
            standing::still_live(tx, cx, &tenant.env.settings, &person).await??;
            let mut address = person.email_addresses.into_iter().find(|a| a.id == id).ok_or(EmailError::NotFound)?;
            let env = &tenant.env;
            let strategy = Strategy::parse(&strategy).ok_or(EmailError::Strategy)?;
            let by_link = strategy == Strategy::EmailLink
                && env.settings.takes(&env.settings.attribute_settings.email_address, strategy);
            if !by_link && strategy != Strategy::EmailCode {
                return Err(EmailError::Strategy);
            }
            if address.verified {
                return Err(EmailError::AlreadyVerified);
            }
            let is_test = people::test_mode(&env.settings, env.kind, address.email.is_test())?;
            let rows = storage::email_addresses::by_canonical(tx, cx.env, &address.canonical).await?;
            // Somebody has proven it: the mailbox hears of it, and no answer is right.
            let taken = rows.iter().any(|a| a.verified);
            let letter = if taken { About::TakenAddress } else { About::Code };
            let target = CodeTarget {
                canonical: &address.canonical,
                to: To::Address(&address),
                letter,
                is_test: is_test && !taken,
            };
            let about = (Parent::EmailAddress(id), Step::Single, strategy);
            let challenge = if by_link {
                let redirect = match redirect_url.as_deref() {
                    Some(text) => Some(redirects::check(tx, env, text).await?.ok_or(EmailError::Redirect)?),
                    None => None,
                };
                let target = CodeTarget { is_test, ..target };
                challenges::issue_link(tx, cx, &tenant, about, target, redirect).await?
            } else {
                challenges::issue_code(tx, cx, &tenant, about, target).await?
            };
            address.current_challenge_id = Some(challenge.id);
            address.updated_at = cx.now;
            storage::email_addresses::save(tx, cx.env, &address).await?;
            Ok(challenge)
        })
        .await
}

/// Takes the code of an address of a person.
pub async fn answer(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: EmailAddressId,
    challenge: ChallengeId,
    code: Option<String>,
) -> Result<Challenge, EmailError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            lock_to_prove(tx, cx, user, id, challenge).await?;
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(EmailError::NotFound)?;
            standing::still_live(tx, cx, &tenant.env.settings, &person).await??;
            let mut address =
                person.email_addresses.iter().find(|a| a.id == id).cloned().ok_or(EmailError::NotFound)?;
            let parent = Parent::EmailAddress(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(EmailError::NoChallenge)?;
            if challenge.strategy == Strategy::EmailLink {
                // The link is confirmed on its page: here it is told how far that is.
                return Ok(match challenge.status_at(cx.now) {
                    ChallengeStatus::Expired => Err(Wrong::Over(NotAnswerable::Expired).into()),
                    ChallengeStatus::Failed => Err(Wrong::Over(NotAnswerable::Failed).into()),
                    _ => Ok(challenge),
                });
            }
            let code = code.as_deref().ok_or(EmailError::Missing("code"))?;
            let env = &tenant.env;
            let cx = &Context {
                was_test: people::test_mode(&env.settings, env.kind, address.email.is_test())?,
                ..cx.clone()
            };
            let identity = guesses::identity(Some(user), &address.canonical);
            let looked =
                challenges::answer_code(tx, cx, &tenant, &mut challenge, &identity, Purpose::AddressCode, code).await?;
            if let Err(wrong) = looked {
                if challenge.answerable(cx.now).is_err() && address.current_challenge_id == Some(challenge.id) {
                    address.current_challenge_id = None;
                    storage::email_addresses::save(tx, cx.env, &address).await?;
                }
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            prove(tx, cx, &mut person, &mut address).await?;
            people::save(tx, cx, &env.settings, &mut person).await?;
            Ok::<_, EmailError>(Ok(challenge))
        })
        .await?
}
