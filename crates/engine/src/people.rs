//! Steps about people that several operations share: who is meant by an identifier, and how one is made.

use crate::mail::{self, Letter, To};
use crate::tenancy::Tenant;
use crate::{StorageError, events, idempotency, sessions};
use domain::challenge::Parent;
use domain::environment::{Environment, EnvironmentKind};
use domain::event::EventType;
use domain::identifier::{Identifier, IdentifierKind};
use domain::settings::{Settings, TestMode};
use domain::user::{EmailAddress, Person, PhoneNumber, SecondFactors, User};
use domain::{Context, Email, EmailAddressId, Phone, PhoneNumberId, UserId, code};
use std::collections::BTreeSet;
use storage::{Conn, Tx};

/// The counter of an environment's people.
pub(crate) const COUNTER: &str = "users";

/// The fixed code of test addresses.
pub(crate) const TEST_CODE: &str = "424242";

/// Whom an identifier means, and the address or number behind it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) user: UserId,
    pub(crate) address: Option<EmailAddress>,
    pub(crate) number: Option<PhoneNumber>,
}

/// Reads a phone number as people write it, with its country code; every spelling of one number is that number.
pub(crate) fn read_number(text: &str) -> Option<Phone> {
    Phone::from_e164(&protocols::phone::normalise(text)?).ok()
}

/// Reads what somebody types to say who they are; `None` when it has the form of nothing that names a person.
pub(crate) fn identifier(settings: &Settings, text: &str) -> Option<Identifier> {
    if text.trim().starts_with('+')
        && let Some(number) = read_number(text)
    {
        return Some(Identifier::phone(&number));
    }
    Identifier::parse(text, settings.email_rules())
}

/// Finds whom an identifier means. A proven address is its owner's; an unproven one counts only when it is
/// the primary address of exactly one person, so that nobody can claim another's mailbox into the way. An unproven
/// number is nobody's.
pub(crate) async fn resolve(
    conn: &mut Conn,
    env: &Environment,
    identifier: &Identifier,
) -> Result<Option<Known>, StorageError> {
    match identifier.kind {
        IdentifierKind::EmailAddress => match Email::parse(&identifier.shown) {
            Ok(email) => by_spelling(conn, env, &email).await,
            Err(_) => Ok(None),
        },
        IdentifierKind::Username => {
            let user = storage::users::by_username(conn, env.id, &identifier.canonical).await?;
            Ok(user.map(|u| Known { user: u.id, address: None, number: None }))
        }
        IdentifierKind::PhoneNumber => match Phone::from_e164(&identifier.canonical) {
            Ok(number) => by_number(conn, env, &number).await,
            Err(_) => Ok(None),
        },
    }
}

/// Finds whom an address means. Rows keep the form of the rules that they were made under, so the spelling itself
/// finds its row whatever the rules are by now: a change of them shuts nobody out.
async fn by_spelling(conn: &mut Conn, env: &Environment, email: &Email) -> Result<Option<Known>, StorageError> {
    let canonical = env.settings.canonical(email);
    let mut found = claimed(conn, env, &canonical).await?;
    // One form for nearly every address; with several, each is looked up, found or not.
    for form in email.forms().into_iter().filter(|form| *form != canonical) {
        let rows = storage::email_addresses::by_canonical(conn, env.id, &form).await?;
        if let Some(address) = rows.into_iter().find(|row| row.verified && row.email == *email) {
            found = Some(Known { user: address.user_id, address: Some(address), number: None });
        }
    }
    Ok(found)
}

/// Finds whose mailbox an identifier is. As with [`resolve`], but an unproven address counts only while its owner has
/// proven no other: who holds the mailbox would else get into an account that is somebody else's.
pub(crate) async fn mailbox(
    conn: &mut Conn,
    env: &Environment,
    identifier: &Identifier,
) -> Result<Option<Known>, StorageError> {
    if identifier.kind != IdentifierKind::EmailAddress {
        return Ok(None);
    }
    let known = resolve(conn, env, identifier).await?;
    owned(conn, env, known).await
}

/// Finds whose mailbox the canonical form of an address is.
pub(crate) async fn by_email(
    conn: &mut Conn,
    env: &Environment,
    canonical: &str,
) -> Result<Option<Known>, StorageError> {
    let known = claimed(conn, env, canonical).await?;
    owned(conn, env, known).await
}

async fn owned(conn: &mut Conn, env: &Environment, known: Option<Known>) -> Result<Option<Known>, StorageError> {
    let Some(known) = known else { return Ok(None) };
    if known.address.as_ref().is_none_or(|address| address.verified) {
        return Ok(Some(known));
    }
    let others = storage::email_addresses::of_user(conn, env.id, known.user).await?;
    let numbers = storage::phone_numbers::of_user(conn, env.id, known.user).await?;
    let is_owned = others.iter().any(|a| a.verified) || numbers.iter().any(|n| n.verified);
    Ok(if is_owned { None } else { Some(known) })
}

async fn claimed(conn: &mut Conn, env: &Environment, canonical: &str) -> Result<Option<Known>, StorageError> {
    let rows = storage::email_addresses::by_canonical(conn, env.id, canonical).await?;
    if let Some(address) = rows.iter().find(|r| r.verified) {
        return Ok(Some(Known { user: address.user_id, address: Some(address.clone()), number: None }));
    }
    let mut primaries = Vec::new();
    for address in rows {
        let owner = storage::users::find(conn, env.id, address.user_id).await?;
        if owner.is_some_and(|u| u.primary_email_address_id == Some(address.id)) {
            primaries.push(address);
        }
    }
    Ok(match primaries.len() {
        1 => primaries.pop().map(|address| Known { user: address.user_id, address: Some(address), number: None }),
        _ => None,
    })
}

/// Finds who has proven a number.
pub(crate) async fn by_number(
    conn: &mut Conn,
    env: &Environment,
    number: &Phone,
) -> Result<Option<Known>, StorageError> {
    let rows = storage::phone_numbers::by_number(conn, env.id, number).await?;
    let proven = rows.into_iter().find(|row| row.verified);
    Ok(proven.map(|number| Known { user: number.user_id, address: None, number: Some(number) }))
}

/// Whose the address is, so that nobody else may sign up with it: who has proven it, or has it as the primary one
/// and has proven no other.
pub(crate) async fn holder(
    conn: &mut Conn,
    env: &Environment,
    email: &Email,
) -> Result<Option<EmailAddress>, StorageError> {
    let known = by_spelling(conn, env, email).await?;
    Ok(owned(conn, env, known).await?.and_then(|known| known.address))
}

/// What a test address is worth here: `Err` when it is refused, else whether it takes the fixed code.
pub(crate) fn test_mode(settings: &Settings, kind: EnvironmentKind, is_test: bool) -> Result<bool, TestRefused> {
    match settings.test_mode(kind) {
        TestMode::Enabled => Ok(is_test),
        TestMode::Disabled => Ok(false),
        TestMode::Rejected if is_test => Err(TestRefused),
        TestMode::Rejected => Ok(false),
    }
}

/// Test addresses are refused in this environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("test addresses are refused in this environment")]
pub struct TestRefused;

/// What a person who is made is found by; the first of each is primary.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    /// The addresses.
    pub(crate) emails: &'a [Email],
    /// Whether the addresses are proven.
    pub(crate) emails_verified: bool,
    /// The numbers.
    pub(crate) numbers: &'a [Phone],
    /// Whether the numbers are proven; one that is not is no primary one.
    pub(crate) numbers_verified: bool,
}

/// Adds a person with addresses and numbers, proven or not, and tells of it.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    mut user: User,
    names: Names<'_>,
) -> Result<Person, StorageError> {
    // Made in one moment: their ids keep the order in which they were given.
    let mut ids: Vec<EmailAddressId> = names.emails.iter().map(|_| cx.id()).collect();
    ids.sort_unstable();
    let addresses: Vec<EmailAddress> = names
        .emails
        .iter()
        .zip(ids)
        .map(|(email, id)| EmailAddress {
            id,
            user_id: user.id,
            email: email.clone(),
            canonical: env.settings.canonical(email),
            verified: names.emails_verified,
            current_challenge_id: None,
            created_at: cx.now,
            updated_at: cx.now,
        })
        .collect();
    let mut ids: Vec<PhoneNumberId> = names.numbers.iter().map(|_| cx.id()).collect();
    ids.sort_unstable();
    let numbers: Vec<PhoneNumber> = names
        .numbers
        .iter()
        .zip(ids)
        .map(|(number, id)| number_of(cx, user.id, id, number, names.numbers_verified))
        .collect();
    user.primary_email_address_id = addresses.first().map(|a| a.id);
    user.primary_phone_number_id = numbers.first().filter(|n| n.verified).map(|n| n.id);
    let mut person = Person { email_addresses: addresses, phone_numbers: numbers, ..Person::bare(user) };
    person.user.note_factors(person.factor_summary(), cx.now);
    storage::users::insert(tx, cx.env, &person).await?;
    for address in &person.email_addresses {
        // Who has proven nothing takes nothing away from others.
        if address.verified {
            drop_squatters(tx, cx, address).await?;
        }
        storage::email_addresses::insert(tx, cx.env, address).await?;
    }
    for number in &person.phone_numbers {
        if number.verified {
            drop_number_squatters(tx, cx, number).await?;
        }
        storage::phone_numbers::insert(tx, cx.env, number).await?;
    }
    storage::counts::add(tx, cx.env, COUNTER, 1).await?;
    events::person(tx, cx, EventType::UserCreated, &person, &env.settings).await?;
    Ok(person)
}

/// A number that is added to a person now.
pub(crate) fn number_of(
    cx: &Context,
    user_id: UserId,
    id: PhoneNumberId,
    number: &Phone,
    verified: bool,
) -> PhoneNumber {
    PhoneNumber {
        id,
        user_id,
        number: number.clone(),
        verified,
        reserved_for_second_factor: false,
        default_second_factor: false,
        current_challenge_id: None,
        created_at: cx.now,
        updated_at: cx.now,
    }
}

/// Drops the unproven claims of others on a number that somebody proves now.
pub(crate) async fn drop_number_squatters(
    tx: &mut Tx<'_>,
    cx: &Context,
    proven: &PhoneNumber,
) -> Result<(), StorageError> {
    let mut claims = storage::phone_numbers::by_number(tx, cx.env, &proven.number).await?;
    claims.sort_unstable_by_key(|claim| claim.user_id);
    for other in claims {
        if other.verified || other.user_id == proven.user_id {
            continue;
        }
        let Some(mut owner) = storage::users::lock(tx, cx.env, other.user_id).await? else { continue };
        // Removed or proven while we waited for its owner: the unique index decides then.
        if !owner.phone_numbers.iter().any(|n| n.id == other.id && !n.verified) {
            continue;
        }
        storage::phone_numbers::delete(tx, cx.env, other.id).await?;
        idempotency::forget(tx, cx, &other.id.to_string()).await?;
        owner.phone_numbers.retain(|n| n.id != other.id);
        owner.user.updated_at = cx.now;
        storage::users::save(tx, cx.env, &owner).await?;
        events::number(tx, cx, EventType::PhoneNumberRemoved, &other, false).await?;
    }
    Ok(())
}

/// Holds everybody who claims a number, like [`lock_claimants`].
pub(crate) async fn lock_number_claimants(tx: &mut Tx<'_>, cx: &Context, number: &Phone) -> Result<(), StorageError> {
    let claims = storage::phone_numbers::by_number(tx, cx.env, number).await?;
    let owners: BTreeSet<UserId> = claims.iter().map(|claim| claim.user_id).collect();
    for owner in owners {
        storage::users::lock(tx, cx.env, owner).await?;
    }
    Ok(())
}

/// Drops the unproven claims of others on an address that somebody proves now.
pub(crate) async fn drop_squatters(tx: &mut Tx<'_>, cx: &Context, proven: &EmailAddress) -> Result<(), StorageError> {
    let mut claims = storage::email_addresses::by_canonical(tx, cx.env, &proven.canonical).await?;
    claims.sort_unstable_by_key(|claim| claim.user_id);
    for other in claims {
        if other.verified || other.user_id == proven.user_id {
            continue;
        }
        let Some(mut owner) = storage::users::lock(tx, cx.env, other.user_id).await? else { continue };
        // Removed or proven while we waited for its owner: the unique index decides then.
        if !owner.email_addresses.iter().any(|a| a.id == other.id && !a.verified) {
            continue;
        }
        let parent = Parent::EmailAddress(other.id);
        storage::challenges::fail_open(tx, cx.env, &parent, code::IDENTIFIER_EXISTS, cx.now).await?;
        storage::email_addresses::delete(tx, cx.env, other.id).await?;
        idempotency::forget(tx, cx, &other.id.to_string()).await?;
        owner.email_addresses.retain(|a| a.id != other.id);
        if owner.user.primary_email_address_id == Some(other.id) {
            owner.user.primary_email_address_id = owner.email_addresses.iter().find(|a| a.verified).map(|a| a.id);
        }
        owner.user.updated_at = cx.now;
        owner.user.note_factors(owner.factor_summary(), cx.now);
        storage::users::save(tx, cx.env, &owner).await?;
    }
    Ok(())
}

/// Takes an unproven primary address as proven by its mailbox. Unless this browser held a session of the person
/// before, whoever was here until now had proven nothing: the password, the sessions and every factor that they left
/// open nothing any more. The claimants and the person are held.
pub(crate) async fn take_over(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    person: &mut Person,
    canonical: &str,
    is_known_device: bool,
) -> Result<(), StorageError> {
    let unproven = person.email_addresses.iter_mut().find(|a| a.canonical == canonical && !a.verified);
    let Some(address) = unproven else { return Ok(()) };
    address.verified = true;
    address.current_challenge_id = None;
    address.updated_at = cx.now;
    let address = address.clone();
    if !is_known_device {
        person.user.password_digest = None;
        person.user.devices_since = Some(cx.now);
        sessions::revoke_all(tx, cx, settings, person.user.id, None).await?;
        for mut key in std::mem::take(&mut person.passkeys) {
            key.removed_at = Some(cx.now);
            key.updated_at = cx.now;
            storage::passkeys::save(tx, cx.env, &key).await?;
        }
        for number in std::mem::take(&mut person.phone_numbers) {
            storage::phone_numbers::delete(tx, cx.env, number.id).await?;
            idempotency::forget(tx, cx, &number.id.to_string()).await?;
        }
        person.user.primary_phone_number_id = None;
        storage::second_factors::drop_all(tx, cx.env, person.user.id).await?;
        person.second = SecondFactors::default();
        end_open_proofs(tx, cx, person.user.id, None).await?;
        // What else was claimed without a proof goes with whoever claimed it.
        let (kept, dropped): (Vec<_>, Vec<_>) =
            std::mem::take(&mut person.email_addresses).into_iter().partition(|a| a.verified || a.id == address.id);
        for other in dropped {
            storage::email_addresses::delete(tx, cx.env, other.id).await?;
            idempotency::forget(tx, cx, &other.id.to_string()).await?;
        }
        person.email_addresses = kept;
    }
    drop_squatters(tx, cx, &address).await?;
    storage::email_addresses::save(tx, cx.env, &address).await?;
    save(tx, cx, settings, person).await
}

/// Ends what was begun with what somebody knew or had until now: tickets, what mailed invitations prove, and sign-ins
/// that wait for their second step. The step of every change of a password and of every taking over.
pub(crate) async fn end_open_proofs(
    tx: &mut Tx<'_>,
    cx: &Context,
    user: UserId,
    but: Option<domain::SignInId>,
) -> Result<(), StorageError> {
    storage::sign_ins::abandon_of_user(tx, cx.env, user, but, cx.now).await?;
    storage::invitations::forget_mailed(tx, cx.env, user).await?;
    storage::tickets::revoke_all(tx, cx.env, user, cx.now).await
}

/// Holds everybody who claims an address, in the order of their ids, so that two who prove it at once never
/// wait for each other in a circle. Comes before any other lock of a person.
pub(crate) async fn lock_claimants(tx: &mut Tx<'_>, cx: &Context, canonical: &str) -> Result<(), StorageError> {
    let claims = storage::email_addresses::by_canonical(tx, cx.env, canonical).await?;
    let owners: BTreeSet<UserId> = claims.iter().map(|claim| claim.user_id).collect();
    for owner in owners {
        storage::users::lock(tx, cx.env, owner).await?;
    }
    Ok(())
}

/// How an address or a number of a person is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addition {
    /// It counts as proven: a backend's word.
    pub verified: bool,
    /// It becomes the primary one, if it is proven.
    pub primary: bool,
    /// The answer status that is kept for a repeated request.
    pub status: i32,
}

/// Writes a person whose row is held, and tells of it.
pub(crate) async fn save(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    person: &mut Person,
) -> Result<(), StorageError> {
    person.user.updated_at = cx.now;
    person.user.note_factors(person.factor_summary(), cx.now);
    storage::users::save(tx, cx.env, person).await?;
    events::person(tx, cx, EventType::UserUpdated, person, settings).await
}

/// Writes a person and tells of it, with the names of what is another than it was before.
pub(crate) async fn save_changed(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    before: &Person,
    person: &mut Person,
) -> Result<(), StorageError> {
    person.user.updated_at = cx.now;
    person.user.note_factors(person.factor_summary(), cx.now);
    storage::users::save(tx, cx.env, person).await?;
    let was = events::body(&api::User::for_bapi(before, settings, cx.now));
    let mut event = events::of_person(cx, EventType::UserUpdated, person, settings).changed_since(&was);
    if before.user.password_digest != person.user.password_digest {
        // The body does not show one password for another.
        event.changed_fields.push("password".to_owned());
    }
    events::push(tx, cx, event).await
}

/// Writes a person one of whose second factors came or went, and tells of it; the mailbox hears when the last one is
/// gone.
pub(crate) async fn save_second_factors(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    person: &mut Person,
) -> Result<(), StorageError> {
    let had = person.user.factors.two_factor();
    save(tx, cx, &tenant.env.settings, person).await?;
    if had && !person.user.factors.two_factor() {
        tell(tx, cx, tenant, person, Letter::MfaDisabled).await?;
    }
    Ok(())
}

/// Sends a notice to the primary address, if that is proven.
pub(crate) async fn tell(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    person: &Person,
    letter: Letter,
) -> Result<(), StorageError> {
    match person.primary_email().filter(|address| address.verified) {
        Some(address) => mail::enqueue(tx, cx, tenant, letter, To::Address(address)).await,
        None => Ok(()),
    }
}

/// Notes a lock by failures on the person it is about, so that operators see it; takes it off when `until` is none.
pub(crate) async fn show_lock(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    user: UserId,
    until: Option<domain::Timestamp>,
) -> Result<(), StorageError> {
    use domain::user::{Lock, LockedBy};
    // Deleted while the secret was being looked at: nobody is left to show it.
    let Some(mut person) = storage::users::lock(tx, cx.env, user).await? else { return Ok(()) };
    match (person.user.live_lock(cx.now), until) {
        // An operator's lock says more.
        (Some(lock), _) if lock.by == LockedBy::Operator => return Ok(()),
        (None, Some(until)) => {
            person.user.lock = Some(Lock { until: Some(until), by: LockedBy::Failures });
            person.user.updated_at = cx.now;
            storage::users::save(tx, cx.env, &person).await?;
            events::person(tx, cx, EventType::UserLockedOut, &person, settings).await?;
        }
        (Some(_), None) => {
            person.user.lock = None;
            save(tx, cx, settings, &mut person).await?;
        }
        _ => {}
    }
    Ok(())
}
