//! What a signed-in person does to their own account.

use crate::guesses::{self, Purpose};
use crate::mail::{self, Letter, To};
use crate::passwords::{self, PasswordError};
use crate::refusals::stored;
use crate::standing::{self, Unfit};
use crate::users::{self, UserError};
use crate::{Engine, StorageError, people, sessions, tenancy};
use crypto::Secret;
use domain::code as codes;
use domain::environment::Environment;
use domain::session::Session;
use domain::settings::Settings;
use domain::text::{Metadata, Username};
use domain::user::{Person, User};
use domain::{Context, Kind, Patch, Refusal, Timestamp, UserId, Verdict};

/// Why an account is not changed.
#[derive(Debug, thiserror::Error)]
pub enum MeError {
    /// The person is gone.
    #[error("there is no such user")]
    NotFound,
    /// The session does not bear the change.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Somebody has the user name.
    #[error("the user name is taken")]
    UsernameTaken,
    /// The last identifier would be gone.
    #[error("the last identifier cannot be removed")]
    Last,
    /// Metadata is over its size.
    #[error("the metadata is too large")]
    Metadata,
    /// The attribute is switched off.
    #[error("the attribute {0} is switched off")]
    Off(&'static str),
    /// Passwords are switched off.
    #[error("passwords are switched off")]
    PasswordsOff,
    /// The environment asks for a password.
    #[error("a password is required")]
    PasswordRequired,
    /// There is no password to remove.
    #[error("there is no password")]
    PasswordNotSet,
    /// There would be no way left to sign in.
    #[error("the last way to sign in cannot be removed")]
    LastMethod,
    /// People do not delete their accounts here.
    #[error("accounts are not deleted by their owners")]
    DeletionOff,
    /// The confirmation is not the person's id.
    #[error("the confirmation is not the id of the user")]
    Confirmation,
    /// The account cannot be deleted.
    #[error(transparent)]
    Deletion(#[from] UserError),
    /// The current password is missing.
    #[error("the current password is missing")]
    CurrentMissing,
    /// The current password is wrong.
    #[error("the current password is wrong")]
    CurrentWrong,
    /// Too many wrong passwords.
    #[error("the password is locked")]
    Locked {
        /// Until when.
        until: Timestamp,
    },
    /// The new password cannot be taken.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error("the account cannot be changed")]
    Storage(#[source] StorageError),
}
stored!(MeError);

impl From<StorageError> for MeError {
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::Conflict(c) if c.is_on("users_username", &["users.environment_id", "users.username_key"]) => {
                Self::UsernameTaken
            }
            _ => Self::Storage(error),
        }
    }
}

impl Refusal for MeError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::Unauthenticated.code(codes::SESSION_REVOKED),
            Self::Unfit(unfit) => unfit.verdict(),
            Self::UsernameTaken => Kind::Taken.code(codes::IDENTIFIER_EXISTS).param("username"),
            Self::Last => Kind::Invalid.code(codes::LAST_IDENTIFIER_NOT_REMOVABLE).param("username"),
            Self::Metadata => Kind::Invalid.code(codes::METADATA_TOO_LARGE).param("unsafe_metadata"),
            Self::Off(param) => Kind::Invalid.code(codes::PARAM_UNKNOWN).param(param),
            Self::PasswordsOff => Kind::Invalid.code(codes::ADD_PASSWORD_DISABLED),
            Self::PasswordRequired => Kind::Invalid.code(codes::PASSWORD_REQUIRED),
            Self::PasswordNotSet => Kind::Invalid.code(codes::PASSWORD_NOT_SET),
            Self::LastMethod => Kind::Invalid.code(codes::LAST_SIGN_IN_METHOD_NOT_REMOVABLE),
            Self::DeletionOff => Kind::Forbidden.code(codes::DELETE_SELF_DISABLED),
            Self::Confirmation => Kind::Invalid.code(codes::PARAM_FORMAT_INVALID).param("confirmation"),
            Self::Deletion(error) => error.verdict(),
            Self::CurrentMissing => Kind::Invalid.code(codes::PARAM_NIL).param("current_password"),
            Self::CurrentWrong => Kind::Invalid.code(codes::PASSWORD_INCORRECT).param("current_password"),
            Self::Locked { until } => {
                Kind::Forbidden.code(codes::USER_LOCKED).with("lockout_expires_at", until.millis())
            }
            Self::Password(error @ (PasswordError::Policy | PasswordError::Breached)) => {
                error.verdict().param("new_password")
            }
            Self::Password(error) => error.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// A person with the addresses.
pub async fn person(engine: &Engine, cx: &Context, user: UserId) -> Result<Person, MeError> {
    storage::users::person(&mut *engine.read().await?, cx.env, user).await?.ok_or(MeError::NotFound)
}

/// A person who was read already, with everything that belongs to one.
pub async fn whole(engine: &Engine, cx: &Context, user: User) -> Result<Person, StorageError> {
    storage::users::whole(&mut *engine.read().await?, cx.env, user).await
}

/// What a person may change of the profile.
#[derive(Default)]
pub struct Profile {
    /// The user name.
    pub username: Patch<Username>,
    /// The given name.
    pub first_name: Patch<String>,
    /// The family name.
    pub last_name: Patch<String>,
    /// The person's own data, replaced whole.
    pub unsafe_metadata: Option<Metadata>,
    /// The language of mails.
    pub locale: Patch<String>,
}

/// Changes the profile.
pub async fn update(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    user: UserId,
    change: Profile,
) -> Result<Person, MeError> {
    let attributes = &env.settings.attribute_settings;
    for (name, set, on) in [
        ("username", change.username.set().is_some(), attributes.username.enabled),
        ("first_name", change.first_name.set().is_some(), attributes.first_name.enabled),
        ("last_name", change.last_name.set().is_some(), attributes.last_name.enabled),
    ] {
        if set && !on {
            return Err(MeError::Off(name));
        }
    }
    if change.unsafe_metadata.as_ref().is_some_and(|m| !domain::text::metadata_fits(m)) {
        return Err(MeError::Metadata);
    }
    let settings = env.settings.clone();
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(MeError::NotFound)?;
            standing::still_live(tx, cx, &settings, &person).await??;
            let before = person.clone();
            if matches!(change.username, Patch::Clear) && person.user.username.is_some() && person.identifiers() == 1 {
                return Err(MeError::Last);
            }
            change.username.clone().apply(&mut person.user.username);
            if person.is_locked_out_since(&before, &settings) {
                return Err(MeError::LastMethod);
            }
            change.first_name.clone().apply(&mut person.user.first_name);
            change.last_name.clone().apply(&mut person.user.last_name);
            change.locale.clone().apply(&mut person.user.locale);
            if let Some(metadata) = &change.unsafe_metadata {
                person.user.unsafe_metadata.clone_from(metadata);
            }
            if person != before {
                people::save_changed(tx, cx, &settings, &before, &mut person).await?;
            }
            Ok(person)
        })
        .await
}

/// A change of the password.
pub struct NewPassword {
    /// The one that is set; needed when one is.
    pub current: Option<Secret<String>>,
    /// The new one.
    pub new: Secret<String>,
    /// Ends every other session.
    pub sign_out_of_other_sessions: bool,
}

/// Changes the password: the others' sessions end, and the mailbox hears of it.
pub async fn change_password(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    me: &Session,
    change: NewPassword,
) -> Result<Person, MeError> {
    if !env.settings.attribute_settings.password.enabled {
        return Err(MeError::PasswordsOff);
    }
    passwords::accept(&change.new)?;
    let user = me.user_id;
    let digest = person(engine, cx, user).await?.user.password_digest;
    if let Some(digest) = &digest {
        let current = change.current.ok_or(MeError::CurrentMissing)?;
        check(engine, cx, env, user, digest, current).await?;
    }
    passwords::not_breached(engine, &env.settings, &change.new).await?;
    let fresh = passwords::hash(engine, change.new).await?;
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let (mine, others) = (me.id, change.sign_out_of_other_sessions);
    engine
        .write(cx, async move |tx, cx| {
            let settings = &tenant.env.settings;
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(MeError::NotFound)?;
            standing::still_fresh(tx, cx, settings, &person).await??;
            if person.user.password_digest != digest {
                // Somebody changed it while this one was being hashed.
                return Err(MeError::CurrentWrong);
            }
            person.user.password_digest = Some(fresh.clone());
            if others {
                // This device is in use; every other one is new again.
                person.user.devices_since = Some(cx.now);
            }
            people::end_open_proofs(tx, cx, user, None).await?;
            people::save(tx, cx, settings, &mut person).await?;
            if others {
                sessions::revoke_all(tx, cx, settings, user, Some(mine)).await?;
            }
            if let Some(address) = person.primary_email().filter(|a| a.verified) {
                mail::enqueue(tx, cx, &tenant, Letter::PasswordChanged, To::Address(address)).await?;
            }
            Ok(person)
        })
        .await
}

/// Removes the password, where the person has another way to sign in.
pub async fn remove_password(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    me: &Session,
    current: Secret<String>,
) -> Result<Person, MeError> {
    let attribute = &env.settings.attribute_settings.password;
    if attribute.enabled && attribute.required {
        return Err(MeError::PasswordRequired);
    }
    let user = me.user_id;
    let before = person(engine, cx, user).await?;
    let digest = before.user.password_digest.clone().ok_or(MeError::PasswordNotSet)?;
    without_password(before, &env.settings)?;
    check(engine, cx, env, user, &digest, current).await?;
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let settings = &tenant.env.settings;
            let person = storage::users::lock(tx, cx.env, user).await?.ok_or(MeError::NotFound)?;
            standing::still_fresh(tx, cx, settings, &person).await??;
            if person.user.password_digest.as_ref() != Some(&digest) {
                // Somebody changed it while this one was being checked.
                return Err(MeError::CurrentWrong);
            }
            let mut person = without_password(person, settings)?;
            people::save(tx, cx, settings, &mut person).await?;
            if let Some(address) = person.primary_email().filter(|a| a.verified) {
                mail::enqueue(tx, cx, &tenant, Letter::PasswordRemoved, To::Address(address)).await?;
            }
            Ok(person)
        })
        .await
}

/// A person whose password is gone and who still has a way to sign in.
fn without_password(mut person: Person, settings: &Settings) -> Result<Person, MeError> {
    person.user.password_digest = None;
    if person.sign_in_methods(settings) == 0 { Err(MeError::LastMethod) } else { Ok(person) }
}

/// Deletes the account of a person who asks for it; every session ends.
pub async fn delete(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    user: &User,
    confirmation: Option<&str>,
) -> Result<Person, MeError> {
    if confirmation.is_some_and(|text| text != user.id.to_string()) {
        return Err(MeError::Confirmation);
    }
    if !env.settings.delete_self_enabled || !user.delete_self_enabled {
        return Err(MeError::DeletionOff);
    }
    Ok(users::delete(engine, cx, user.id).await?)
}

/// Checks the current password of a signed-in person; wrong ones count like those of a sign-in.
async fn check(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    user: UserId,
    digest: &domain::user::PasswordDigest,
    current: Secret<String>,
) -> Result<(), MeError> {
    let identity = format!("{}:self", guesses::identity(Some(user), ""));
    let (settings, counted) = (env.settings.clone(), identity.clone());
    let locked = engine
        .write(cx, async move |tx, cx| {
            Ok::<_, MeError>(guesses::reserve(tx, cx, &settings, &counted, Purpose::Password).await?)
        })
        .await?;
    if let Some(until) = locked {
        return Err(MeError::Locked { until });
    }
    let right = match passwords::verify(engine, Some(digest), current).await {
        Ok(right) => right,
        Err(error) => {
            // There was no room to look: it was no wrong try of theirs.
            let settings = env.settings.clone();
            engine
                .write(cx, async move |tx, cx| {
                    guesses::give_back(tx, cx, &settings, &identity, Purpose::Password).await
                })
                .await?;
            return Err(error.into());
        }
    };
    if !right {
        return Err(MeError::CurrentWrong);
    }
    engine
        .write(cx, async move |tx, cx| Ok::<_, MeError>(guesses::succeed(tx, cx, &identity, Purpose::Password).await?))
        .await
}
