//! Steps about people that several operations share: who is meant by an identifier, and how one is made.

use crate::{StorageError, events};
use domain::environment::{Environment, EnvironmentKind};
use domain::event::EventType;
use domain::identifier::{Identifier, IdentifierKind};
use domain::settings::{Settings, TestMode};
use domain::user::{EmailAddress, Person, User};
use domain::{Context, Email, EmailAddressId, UserId};
use storage::{Conn, Tx};

/// The counter of an environment's people.
pub(crate) const COUNTER: &str = "users";

/// The fixed code of test addresses.
pub(crate) const TEST_CODE: &str = "424242";

/// Whom an identifier means, and the address behind it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) user: UserId,
    pub(crate) address: Option<EmailAddress>,
}

/// Finds whom an identifier means. A proven address is its owner's; an unproven one counts only when it is
/// the primary address of exactly one person, so that nobody can claim another's mailbox into the way.
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
            Ok(user.map(|u| Known { user: u.id, address: None }))
        }
        IdentifierKind::PhoneNumber => Ok(None),
    }
}

/// Finds whom an address means. Rows keep the form of the rules that they were made under, so the spelling itself
/// finds its row whatever the rules are by now: a change of them shuts nobody out.
async fn by_spelling(conn: &mut Conn, env: &Environment, email: &Email) -> Result<Option<Known>, StorageError> {
    let canonical = env.settings.canonical(email);
    let mut found = by_email(conn, env, &canonical).await?;
    // One form for nearly every address; with several, each is looked up, found or not.
    for form in email.forms().into_iter().filter(|form| *form != canonical) {
        let rows = storage::email_addresses::by_canonical(conn, env.id, &form).await?;
        if let Some(address) = rows.into_iter().find(|row| row.verified && row.email == *email) {
            found = Some(Known { user: address.user_id, address: Some(address) });
        }
    }
    Ok(found)
}

pub(crate) async fn by_email(
    conn: &mut Conn,
    env: &Environment,
    canonical: &str,
) -> Result<Option<Known>, StorageError> {
    let rows = storage::email_addresses::by_canonical(conn, env.id, canonical).await?;
    if let Some(address) = rows.iter().find(|r| r.verified) {
        return Ok(Some(Known { user: address.user_id, address: Some(address.clone()) }));
    }
    let mut primaries = Vec::new();
    for address in rows {
        let owner = storage::users::find(conn, env.id, address.user_id).await?;
        if owner.is_some_and(|u| u.primary_email_address_id == Some(address.id)) {
            primaries.push(address);
        }
    }
    Ok(match primaries.len() {
        1 => primaries.pop().map(|address| Known { user: address.user_id, address: Some(address) }),
        _ => None,
    })
}

/// Whether somebody has proven the address.
pub(crate) async fn is_taken(conn: &mut Conn, env: &Environment, email: &Email) -> Result<bool, StorageError> {
    Ok(by_spelling(conn, env, email).await?.is_some())
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

/// Adds a person with addresses, proven or not, the first of them primary, and tells of it.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    mut user: User,
    emails: &[Email],
    verified: bool,
) -> Result<Person, StorageError> {
    // Made in one moment: their ids keep the order in which they were given.
    let mut ids: Vec<EmailAddressId> = emails.iter().map(|_| cx.id()).collect();
    ids.sort_unstable();
    let addresses: Vec<EmailAddress> = emails
        .iter()
        .zip(ids)
        .map(|(email, id)| EmailAddress {
            id,
            user_id: user.id,
            email: email.clone(),
            canonical: env.settings.canonical(email),
            verified,
            current_challenge_id: None,
            created_at: cx.now,
            updated_at: cx.now,
        })
        .collect();
    user.primary_email_address_id = addresses.first().map(|a| a.id);
    let person = Person { email_addresses: addresses, ..Person::bare(user) };
    storage::users::insert(tx, cx.env, &person).await?;
    for address in &person.email_addresses {
        // Who has proven nothing takes nothing away from others.
        if verified {
            drop_squatters(tx, cx, address).await?;
        }
        storage::email_addresses::insert(tx, cx.env, address).await?;
    }
    storage::counts::add(tx, cx.env, COUNTER, 1).await?;
    events::person(tx, cx, EventType::UserCreated, &person, &env.settings).await?;
    Ok(person)
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
        storage::email_addresses::delete(tx, cx.env, other.id).await?;
        owner.email_addresses.retain(|a| a.id != other.id);
        if owner.user.primary_email_address_id == Some(other.id) {
            owner.user.primary_email_address_id = owner.email_addresses.iter().find(|a| a.verified).map(|a| a.id);
        }
        owner.user.updated_at = cx.now;
        storage::users::save(tx, cx.env, &owner).await?;
    }
    Ok(())
}

/// Holds everybody who claims an address, in the order of their ids, so that two who prove it at once never
/// wait for each other in a circle. Comes before any other lock of a person.
pub(crate) async fn lock_claimants(tx: &mut Tx<'_>, cx: &Context, canonical: &str) -> Result<(), StorageError> {
    let claims = storage::email_addresses::by_canonical(tx, cx.env, canonical).await?;
    let owners: std::collections::BTreeSet<UserId> = claims.iter().map(|claim| claim.user_id).collect();
    for owner in owners {
        storage::users::lock(tx, cx.env, owner).await?;
    }
    Ok(())
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
