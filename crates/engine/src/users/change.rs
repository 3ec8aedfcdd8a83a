//! How a backend changes and deletes a person.

use super::{PasswordInput, UserError};
use crate::guesses::{self, Purpose};
use crate::mail::{self, Letter, To};
use crate::{Engine, events, idempotency, images, passwords, people, sessions, standing, tenancy};
use crypto::Secret;
use domain::code as codes;
use domain::event::EventType;
use domain::text::{Metadata, Username, merge_metadata, metadata_fits};
use domain::user::Person;
use domain::{Context, EmailAddressId, Kind, Patch, PhoneNumberId, Problem, UserId};

/// What a backend may change of a person; what is not sent stays.
#[derive(Default)]
pub struct UserChange {
    /// The caller's own id.
    pub external_id: Patch<String>,
    /// The user name.
    pub username: Patch<Username>,
    /// The given name.
    pub first_name: Patch<String>,
    /// The family name.
    pub last_name: Patch<String>,
    /// The primary address: one of the person's, proven.
    pub primary_email_address_id: Patch<String>,
    /// The primary number: one of the person's, proven.
    pub primary_phone_number_id: Patch<String>,
    /// A new password.
    pub password: PasswordInput,
    /// Ends every session.
    pub sign_out_of_other_sessions: bool,
    /// Replaced whole.
    pub public_metadata: Option<Metadata>,
    /// Replaced whole.
    pub private_metadata: Option<Metadata>,
    /// Replaced whole.
    pub unsafe_metadata: Option<Metadata>,
    /// The language of mails.
    pub locale: Patch<String>,
}

/// Changes a person.
pub async fn update(engine: &Engine, cx: &Context, id: UserId, change: UserChange) -> Result<Person, UserError> {
    let mut problems = change.password.problems();
    for (name, bucket) in [
        ("public_metadata", &change.public_metadata),
        ("private_metadata", &change.private_metadata),
        ("unsafe_metadata", &change.unsafe_metadata),
    ] {
        if bucket.as_ref().is_some_and(|b| !metadata_fits(b)) {
            problems.push(Problem::of_param(Kind::Invalid, codes::METADATA_TOO_LARGE, name));
        }
    }
    if !problems.is_empty() {
        return Err(UserError::Fields(problems));
    }
    super::find(engine, cx, id).await?;
    let UserChange { password, .. } = change;
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let digest = password.digest(engine, &tenant.env.settings).await?;
    let change = UserChange { password: PasswordInput::default(), ..change };
    engine
        .write(cx, async move |tx, cx| {
            let settings = &tenant.env.settings;
            let mut person = storage::users::lock(tx, cx.env, id).await?.ok_or(UserError::NotFound)?;
            let before = person.clone();
            apply(&mut person, &change)?;
            if let Some(digest) = &digest {
                person.user.password_digest = Some(digest.clone());
                person.user.devices_since = Some(cx.now);
                people::end_open_proofs(tx, cx, id, None).await?;
                if let Some(address) = person.primary_email().filter(|a| a.verified) {
                    mail::enqueue(tx, cx, &tenant, Letter::PasswordChanged, To::Address(address)).await?;
                }
            }
            if person != before {
                people::save_changed(tx, cx, settings, &before, &mut person).await?;
            }
            if change.sign_out_of_other_sessions {
                sessions::revoke_all(tx, cx, settings, id, None).await?;
            }
            let subject = Some(id.to_string());
            idempotency::keep(tx, cx, 200, &api::User::for_bapi(&person, settings, cx.now), subject).await?;
            Ok(person)
        })
        .await
}

fn apply(person: &mut Person, change: &UserChange) -> Result<(), UserError> {
    change.external_id.clone().apply(&mut person.user.external_id);
    change.username.clone().apply(&mut person.user.username);
    if person.identifiers() == 0 {
        let last = Problem::of_param(Kind::Invalid, codes::LAST_IDENTIFIER_NOT_REMOVABLE, "username");
        return Err(UserError::Fields(vec![last]));
    }
    change.first_name.clone().apply(&mut person.user.first_name);
    change.last_name.clone().apply(&mut person.user.last_name);
    change.locale.clone().apply(&mut person.user.locale);
    match &change.primary_email_address_id {
        Patch::Keep => {}
        Patch::Clear => person.user.primary_email_address_id = None,
        Patch::Set(wanted) => {
            let wanted: Option<EmailAddressId> = wanted.parse().ok();
            let own = person.email_addresses.iter().find(|a| Some(a.id) == wanted && a.verified);
            person.user.primary_email_address_id = Some(own.ok_or(UserError::NotVerified)?.id);
        }
    }
    match &change.primary_phone_number_id {
        Patch::Keep => {}
        Patch::Clear => person.user.primary_phone_number_id = None,
        Patch::Set(wanted) => {
            let wanted: Option<PhoneNumberId> = wanted.parse().ok();
            let own = person.phone_numbers.iter().find(|n| Some(n.id) == wanted && n.verified);
            person.user.primary_phone_number_id = Some(own.ok_or(UserError::NumberNotVerified)?.id);
        }
    }
    let user = &mut person.user;
    for (bucket, sent) in [
        (&mut user.public_metadata, &change.public_metadata),
        (&mut user.private_metadata, &change.private_metadata),
        (&mut user.unsafe_metadata, &change.unsafe_metadata),
    ] {
        if let Some(sent) = sent {
            bucket.clone_from(sent);
        }
    }
    Ok(())
}

/// Keys to merge into the buckets of a person: a value overwrites, null removes.
#[derive(Default)]
pub struct MetadataChange {
    /// Readable everywhere.
    pub public: Option<Metadata>,
    /// For backends only.
    pub private: Option<Metadata>,
    /// The person's own.
    pub unsafe_: Option<Metadata>,
}

/// Merges metadata.
pub async fn update_metadata(
    engine: &Engine,
    cx: &Context,
    id: UserId,
    change: MetadataChange,
) -> Result<Person, UserError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let settings = &tenant.env.settings;
            let mut person = storage::users::lock(tx, cx.env, id).await?.ok_or(UserError::NotFound)?;
            let before = person.clone();
            let user = &mut person.user;
            let mut problems = Vec::new();
            for (name, bucket, sent) in [
                ("public_metadata", &mut user.public_metadata, &change.public),
                ("private_metadata", &mut user.private_metadata, &change.private),
                ("unsafe_metadata", &mut user.unsafe_metadata, &change.unsafe_),
            ] {
                if let Some(sent) = sent {
                    merge_metadata(bucket, sent.clone());
                }
                if !metadata_fits(bucket) {
                    problems.push(Problem::of_param(Kind::Invalid, codes::METADATA_TOO_LARGE, name));
                }
            }
            if !problems.is_empty() {
                return Err(UserError::Fields(problems));
            }
            if person != before {
                people::save_changed(tx, cx, settings, &before, &mut person).await?;
            }
            let subject = Some(id.to_string());
            idempotency::keep(tx, cx, 200, &api::User::for_bapi(&person, settings, cx.now), subject).await?;
            Ok(person)
        })
        .await
}

/// Deletes a person: sessions end, identifiers are free again, the id is never anybody else's.
pub async fn delete(engine: &Engine, cx: &Context, id: UserId) -> Result<Person, UserError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let settings = &tenant.env.settings;
            let person = storage::users::lock(tx, cx.env, id).await?.ok_or(UserError::NotFound)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            // Counters before sessions, in the order every operation takes them.
            storage::failures::unlock(tx, cx.env, &guesses::identity(Some(id), "")).await?;
            sessions::revoke_all(tx, cx, settings, id, None).await?;
            events::person(tx, cx, EventType::UserDeleted, &person, settings).await?;
            images::forget(tx, cx, &person).await?;
            storage::users::delete(tx, cx.env, id, cx.now).await?;
            storage::counts::add(tx, cx.env, people::COUNTER, -1).await?;
            // Kept answers hold addresses and numbers as well as the person.
            let addresses = person.email_addresses.iter().map(|a| a.id.to_string());
            let numbers = person.phone_numbers.iter().map(|n| n.id.to_string());
            let keys = person.passkeys.iter().map(|key| key.id.to_string());
            for subject in std::iter::once(id.to_string()).chain(addresses).chain(numbers).chain(keys) {
                idempotency::forget(tx, cx, &subject).await?;
            }
            Ok(person)
        })
        .await
}

/// Says whether a password is a person's. Wrong ones are counted per person: one key serves a whole backend.
pub async fn verify_password(
    engine: &Engine,
    cx: &Context,
    id: UserId,
    password: Secret<String>,
) -> Result<bool, UserError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let identity = guesses::identity(Some(id), "");
    let counted = identity.clone();
    let (digest, locked) = engine
        .write(cx, async move |tx, cx| {
            let user = storage::users::find(tx, cx.env, id).await?.ok_or(UserError::NotFound)?;
            let locked = guesses::reserve(tx, cx, &tenant.env.settings, &counted, Purpose::BackendPassword).await?;
            Ok::<_, UserError>((user.password_digest, locked))
        })
        .await?;
    if let Some(until) = locked {
        return Err(UserError::TooMany { until, retry_after: until.seconds_since(cx.now).max(1) });
    }
    let right = passwords::verify(engine, digest.as_ref(), password).await?;
    if right {
        engine
            .write(cx, async move |tx, cx| {
                Ok::<_, UserError>(guesses::succeed(tx, cx, &identity, Purpose::BackendPassword).await?)
            })
            .await?;
    }
    Ok(right)
}
