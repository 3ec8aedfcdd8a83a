//! Phone numbers of people: added, proven, made primary or a second factor, removed; by their owner or by a backend.

mod proof;

pub use crate::people::Addition;
pub use proof::{answer, challenge, prepare};
pub use storage::phone_numbers::Shown;

use crate::challenges::Wrong;
use crate::factors::{self, LastFactor};
use crate::mail::{self, Letter, To};
use crate::people::{self, TestRefused};
use crate::refusals::{stored, texted};
use crate::restrictions::{self, Refused, Voucher, Wanted};
use crate::sms::SmsRefused;
use crate::standing::{self, Unfit};
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, events, idempotency, sessions};
use domain::challenge::Parent;
use domain::code as codes;
use domain::event::EventType;
use domain::page::{Page, PageRequest};
use domain::phone::NotAPhone;
use domain::session::{Proof, Session, SessionStatus};
use domain::settings::Settings;
use domain::strategy::Strategy;
use domain::user::{IDENTIFIERS_MAX, NumberChange, NumberRefused, Person, PhoneNumber, User};
use domain::{Actor, Context, Kind, Phone, PhoneNumberId, Refusal, SessionId, Surface, UserId, Verdict};
use storage::Tx;

/// Why a number cannot be read or changed. A backend hears some of these by other codes.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// There is none, or it is another's.
    #[error("there is no such number")]
    NotFound,
    /// The person is gone.
    #[error("there is no such user")]
    NoUser,
    /// The challenge is not under this number.
    #[error("there is no such challenge")]
    NoChallenge,
    /// The environment keeps no numbers.
    #[error("phone numbers are switched off")]
    Off,
    /// The environment does not let it become somebody's.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The text is no number.
    #[error("the text is no phone number")]
    Format,
    /// Somebody has it.
    #[error("the number is taken")]
    Taken,
    /// The person has as many as people may add.
    #[error("the person has too many numbers")]
    Full,
    /// It is proven already.
    #[error("the number is verified already")]
    AlreadyVerified,
    /// It serves as a second factor.
    #[error("the number serves as a second factor")]
    Reserved,
    /// The change is not possible.
    #[error(transparent)]
    Change(#[from] NumberRefused),
    /// The person would have no identifier left.
    #[error("the last identifier cannot be removed")]
    Last,
    /// The person could not sign in any more.
    #[error("the person would have no way to sign in")]
    LastMethod(Option<&'static str>),
    /// The strategy is unknown, or not possible now.
    #[error("the strategy is not possible")]
    Strategy,
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// The body names another number than the path.
    #[error("the body names another number")]
    AnotherNumber,
    /// A test number, where those are refused.
    #[error(transparent)]
    Test(#[from] TestRefused),
    /// The answer was not taken.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// No code is sent.
    #[error(transparent)]
    Sms(SmsRefused),
    /// The session began with this very number: it is no second factor of the same session.
    #[error("the session began with this number")]
    BeganWithIt,
    /// The session waits for a second factor, and this is no step to one.
    #[error("the session waits for a second factor")]
    Pending,
    /// The person must keep a second factor.
    #[error(transparent)]
    LastFactor(#[from] LastFactor),
    /// The session does not bear the change (any more).
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The database failed.
    #[error("the number cannot be read or changed")]
    Storage(#[source] StorageError),
}
stored!(PhoneError);
texted!(PhoneError);

impl From<StorageError> for PhoneError {
    fn from(error: StorageError) -> Self {
        if storage::phone_numbers::is_taken(&error) { Self::Taken } else { Self::Storage(error) }
    }
}

impl Refusal for PhoneError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound | Self::Change(NumberRefused::NotFound) => Kind::NotFound.code(codes::PHONE_NOT_FOUND),
            Self::NoUser => Kind::NotFound.code(codes::USER_NOT_FOUND),
            Self::NoChallenge => Kind::NotFound.code(codes::CHALLENGE_NOT_FOUND),
            Self::Off => Kind::Invalid.code(codes::PARAM_UNKNOWN).param("phone_number"),
            Self::Refused(refused) => refused.verdict(),
            Self::Format => Kind::Invalid.code(codes::PARAM_FORMAT_INVALID).param("phone_number"),
            Self::Taken => Kind::Taken.code(codes::IDENTIFIER_EXISTS).param("phone_number"),
            Self::Full => Kind::Invalid.code(codes::IDENTIFIER_QUOTA_EXCEEDED).param("phone_number"),
            Self::AlreadyVerified => Kind::Invalid.code(codes::VERIFICATION_ALREADY_VERIFIED),
            Self::Reserved => Kind::Conflict.code(codes::PHONE_RESERVED_FOR_SECOND_FACTOR),
            Self::Change(NumberRefused::NotVerified(param)) => {
                Kind::Invalid.code(codes::PHONE_NOT_VERIFIED).param(param)
            }
            Self::Change(NumberRefused::MfaOff) => {
                Kind::Invalid.code(codes::MFA_NOT_ENABLED).param("reserved_for_second_factor")
            }
            Self::Change(NumberRefused::NotReserved) => {
                Kind::Invalid.code(codes::PARAM_VALUE_INVALID).param("default_second_factor")
            }
            Self::Change(NumberRefused::StaysPrimary) => {
                Kind::Invalid.code(codes::PARAM_VALUE_INVALID).param("is_primary")
            }
            Self::Change(NumberRefused::InUse) => Kind::Invalid.code(codes::PARAM_VALUE_INVALID).param("verified"),
            Self::Last => Kind::Invalid.code(codes::LAST_IDENTIFIER_NOT_REMOVABLE),
            Self::LastMethod(None) => Kind::Invalid.code(codes::LAST_SIGN_IN_METHOD_NOT_REMOVABLE),
            Self::LastMethod(Some(param)) => Kind::Invalid.code(codes::LAST_SIGN_IN_METHOD_NOT_REMOVABLE).param(param),
            Self::Strategy => Kind::Invalid.code(codes::STRATEGY_NOT_SUPPORTED).param("strategy"),
            Self::Missing(param) => Kind::Invalid.code(codes::PARAM_NIL).param(param),
            Self::AnotherNumber => Kind::Invalid.code(codes::PARAM_VALUE_INVALID).param("phone_number_id"),
            Self::Test(_) => Kind::Invalid.code(codes::TEST_IDENTIFIER_FORBIDDEN).param("phone_number"),
            Self::Wrong(wrong) => wrong.verdict(),
            Self::Sms(refused) => refused.verdict(),
            Self::BeganWithIt => Kind::Invalid.code(codes::PARAM_VALUE_INVALID).param("reserved_for_second_factor"),
            Self::Pending => Kind::Forbidden.code(codes::SESSION_PENDING),
            Self::LastFactor(last) => last.verdict(),
            Self::Unfit(unfit) => unfit.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Reads a number as people write it, with its country code.
pub fn read(text: &str) -> Result<Phone, NotAPhone> {
    people::read_number(text).ok_or(NotAPhone)
}

/// Reads a number that somebody adds to themselves, where numbers are kept at all.
pub fn read_own(settings: &Settings, text: &str) -> Result<Phone, PhoneError> {
    if !settings.attribute_settings.phone_number.enabled {
        return Err(PhoneError::Off);
    }
    people::read_number(text).ok_or(PhoneError::Format)
}

/// Refuses what is no step to a second factor in a session that waits for one: everything where codes by SMS are none,
/// and another primary number.
pub fn may_enrol(session: &Session, settings: &Settings, is_primary: Option<bool>) -> Result<(), PhoneError> {
    let waits = session.status == SessionStatus::Pending;
    if waits && (!settings.multi_factor.phone_code.enabled || is_primary.is_some()) {
        return Err(PhoneError::Pending);
    }
    Ok(())
}

/// Finds a number of the environment.
pub async fn find(engine: &Engine, cx: &Context, id: PhoneNumberId) -> Result<Shown, PhoneError> {
    storage::phone_numbers::find_shown(&mut *engine.read().await?, cx.env, id).await?.ok_or(PhoneError::NotFound)
}

/// Finds a number of a person.
pub async fn own(engine: &Engine, cx: &Context, user: UserId, id: PhoneNumberId) -> Result<Shown, PhoneError> {
    let found = find(engine, cx, id).await?;
    if found.number.user_id == user { Ok(found) } else { Err(PhoneError::NotFound) }
}

/// The numbers of a person, oldest first.
pub async fn of_user(engine: &Engine, cx: &Context, user: &User) -> Result<Vec<Shown>, StorageError> {
    let numbers = storage::phone_numbers::of_user(&mut *engine.read().await?, cx.env, user.id).await?;
    Ok(numbers.into_iter().map(|number| shown(user, number)).collect())
}

/// One page of the numbers of everybody, or of one person.
pub async fn list(
    engine: &Engine,
    cx: &Context,
    user: Option<UserId>,
    request: PageRequest<()>,
) -> Result<Page<Shown>, StorageError> {
    let env = cx.env;
    let total = engine.scan(async move |conn| storage::phone_numbers::count(conn, env, user).await).await?;
    let mut page = storage::phone_numbers::page(&mut *engine.read().await?, env, user, &request).await?;
    page.total = total;
    Ok(page)
}

fn shown(user: &User, number: PhoneNumber) -> Shown {
    Shown { is_primary: user.primary_phone_number_id == Some(number.id), number }
}

/// The number of a person, as it is shown.
fn shown_of(person: &Person, id: PhoneNumberId) -> Result<Shown, PhoneError> {
    let number = person.phone_numbers.iter().find(|n| n.id == id).cloned().ok_or(PhoneError::NotFound)?;
    Ok(shown(&person.user, number))
}

fn body(shown: &Shown) -> api::PhoneNumber {
    api::PhoneNumber::new(&shown.number, shown.is_primary)
}

/// Adds a number to a person; its owner's addition is unproven. That somebody has a number may be told.
pub async fn add(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    number: Phone,
    how: Addition,
) -> Result<Shown, PhoneError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    people::test_mode(&tenant.env.settings, tenant.env.kind, number.is_test())?;
    engine
        .write(cx, async move |tx, cx| {
            // A backend's word passes the rules for people.
            if cx.surface == Surface::Fapi
                && let Some(refused) =
                    restrictions::refused(tx, &tenant.env, Wanted::phone(&number), Voucher::Account).await?
            {
                return Err(refused.into());
            }
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(PhoneError::NoUser)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let claimed = storage::phone_numbers::by_number(tx, cx.env, &number).await?;
            if claimed.iter().any(|n| n.verified || n.user_id == user) {
                return Err(PhoneError::Taken);
            }
            if cx.surface == Surface::Fapi && person.phone_numbers.len() >= IDENTIFIERS_MAX {
                return Err(PhoneError::Full);
            }
            let added = people::number_of(cx, user, cx.id(), &number, how.verified);
            if how.verified {
                people::drop_number_squatters(tx, cx, &added).await?;
            }
            storage::phone_numbers::insert(tx, cx.env, &added).await?;
            person.phone_numbers.push(added.clone());
            if how.verified && (how.primary || person.user.primary_phone_number_id.is_none()) {
                person.user.primary_phone_number_id = Some(added.id);
            }
            let shown = shown(&person.user, added);
            events::number(tx, cx, EventType::PhoneNumberCreated, &shown.number, shown.is_primary).await?;
            if how.verified {
                events::number(tx, cx, EventType::PhoneNumberVerified, &shown.number, shown.is_primary).await?;
            }
            people::save(tx, cx, &tenant.env.settings, &mut person).await?;
            idempotency::keep(tx, cx, how.status, &body(&shown), Some(shown.number.id.to_string())).await?;
            Ok(shown)
        })
        .await
}

/// Changes a number; every flag of the change is made, or none.
pub async fn change(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    id: PhoneNumberId,
    change: NumberChange,
) -> Result<Shown, PhoneError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            if change.verified == Some(true) {
                lock_claimants(tx, cx, user, id).await?;
            }
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(PhoneError::NotFound)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let had_none = person.second_factors_after(None).is_empty();
            let held = factors::held(&tenant.env.settings, &person)?;
            apply(tx, cx, &tenant, &mut person, id, change).await?;
            factors::keeps_one(cx, &tenant.env.settings, held, &person)??;
            let shown = shown_of(&person, id)?;
            if shown.number.reserved_for_second_factor
                // The first one only: else one fresh moment would be renewed for ever by taking it back and setting it.
                && had_none
                && let Actor::User { session, .. } = cx.actor
            {
                enrolled(tx, cx, &tenant.env.settings, session, id).await?;
            }
            idempotency::keep(tx, cx, 200, &body(&shown), Some(id.to_string())).await?;
            Ok(shown)
        })
        .await
}

/// Enrolling counts as proving: whoever enrols has proven everything that was there before just now. Not so in a pending
/// session, in which the password was shown and perhaps nothing else: a number that was proven long ago is then to be
/// proven by a step-up, and the number that the session began with would be one factor shown twice.
async fn enrolled(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    session: SessionId,
    number: PhoneNumberId,
) -> Result<(), PhoneError> {
    let Some(mut session) = storage::sessions::lock(tx, cx.env, session).await? else { return Ok(()) };
    if session.status == SessionStatus::Pending {
        let is_first = session.factors.first_number == Some(number);
        return if is_first { Err(PhoneError::BeganWithIt) } else { Ok(()) };
    }
    Ok(sessions::prove(tx, cx, settings, &mut session, Proof::Second(Strategy::PhoneCode)).await?)
}

/// Changes a number of a person whose row is held, and everything that goes with it.
async fn apply(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    person: &mut Person,
    id: PhoneNumberId,
    change: NumberChange,
) -> Result<(), PhoneError> {
    let settings = &tenant.env.settings;
    let before = person.clone();
    person.change_number(id, change, settings.multi_factor.phone_code.enabled, cx.now)?;
    if *person == before {
        return Ok(());
    }
    // Backends have their reasons; owners would find out at the next sign-in.
    if cx.surface == Surface::Fapi && person.is_locked_out_since(&before, settings) {
        return Err(PhoneError::LastMethod(Some("reserved_for_second_factor")));
    }
    let changed = person.phone_numbers.iter().zip(&before.phone_numbers).filter(|(after, before)| after != before);
    let (defaults, others): (Vec<_>, Vec<_>) = changed.partition(|(after, _)| after.default_second_factor);
    // The one that is default no more comes before the one that is now: there is one at every moment.
    for (after, before) in others.into_iter().chain(defaults) {
        if after.verified && !before.verified {
            people::drop_number_squatters(tx, cx, after).await?;
        }
        storage::phone_numbers::save(tx, cx.env, after).await?;
        if after.verified && !before.verified {
            let is_primary = person.user.primary_phone_number_id == Some(after.id);
            events::number(tx, cx, EventType::PhoneNumberVerified, after, is_primary).await?;
        }
    }
    people::save(tx, cx, settings, person).await?;
    if before.factor_summary().two_factor()
        && !person.factor_summary().two_factor()
        && let Some(address) = person.primary_email().filter(|a| a.verified)
    {
        mail::enqueue(tx, cx, tenant, Letter::MfaDisabled, To::Address(address)).await?;
    }
    Ok(())
}

/// Holds everybody who claims a number of a person, before the person alone is held.
async fn lock_claimants(tx: &mut Tx<'_>, cx: &Context, user: UserId, id: PhoneNumberId) -> Result<(), PhoneError> {
    let number = storage::phone_numbers::find(tx, cx.env, id).await?.filter(|n| n.user_id == user);
    let number = number.ok_or(PhoneError::NotFound)?;
    Ok(people::lock_number_claimants(tx, cx, &number.number).await?)
}

/// Removes a number; shows what it was. One that serves as a second factor stays until it no longer does.
pub async fn remove(engine: &Engine, cx: &Context, user: UserId, id: PhoneNumberId) -> Result<Shown, PhoneError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(PhoneError::NotFound)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            let shown = shown_of(&person, id)?;
            if shown.number.reserved_for_second_factor {
                return Err(PhoneError::Reserved);
            }
            if person.identifiers() == 1 {
                return Err(PhoneError::Last);
            }
            let before = person.clone();
            person.phone_numbers.retain(|n| n.id != id);
            // What is left may be reserved for the second step.
            if cx.surface == Surface::Fapi && person.is_locked_out_since(&before, &tenant.env.settings) {
                return Err(PhoneError::LastMethod(None));
            }
            storage::challenges::supersede(tx, cx.env, &Parent::PhoneNumber(id), cx.now).await?;
            storage::phone_numbers::delete(tx, cx.env, id).await?;
            idempotency::forget(tx, cx, &id.to_string()).await?;
            if shown.is_primary {
                person.user.primary_phone_number_id = person.primary_candidate(id);
            }
            events::number(tx, cx, EventType::PhoneNumberRemoved, &shown.number, shown.is_primary).await?;
            people::save(tx, cx, &tenant.env.settings, &mut person).await?;
            Ok(shown)
        })
        .await
}
