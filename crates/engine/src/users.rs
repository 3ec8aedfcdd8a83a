//! People, as backends read and change them.

mod change;
mod create;
mod factors;
mod moderate;

pub use change::{MetadataChange, UserChange, delete, update, update_metadata, verify_password};
pub use create::{NewUser, PasswordInput, create};
pub use factors::remove_second_factors;
pub use moderate::{ban, lock, unban, unlock};

use crate::passwords::PasswordError;
use crate::refusals::stored;
use crate::standing::Unfit;
use crate::{Engine, StorageError, people};
use domain::code as codes;
use domain::page::{Page, PageRequest};
use domain::user::Person;
use domain::{Context, Kind, Problem, Refusal, Timestamp, UserId, Verdict};
use storage::users::{Filter, Key};

/// Why a person cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is none.
    #[error("there is no such user")]
    NotFound,
    /// What was sent cannot be taken.
    #[error("the fields cannot be taken")]
    Fields(Vec<Problem>),
    /// Somebody has the identifier in this parameter.
    #[error("the identifier in {0} is taken")]
    Taken(&'static str),
    /// The address is not proven, or not the person's.
    #[error("the address cannot be primary")]
    NotVerified,
    /// The number is not proven, or not the person's.
    #[error("the number cannot be primary")]
    NumberNotVerified,
    /// The imported hash cannot be used.
    #[error("the password digest cannot be used")]
    Digest,
    /// The hasher is unknown.
    #[error("the password hasher is unknown")]
    Hasher,
    /// Too many wrong passwords were asked about.
    #[error("too many wrong passwords were asked about")]
    TooMany {
        /// Until when.
        until: Timestamp,
        /// When that is, in seconds.
        retry_after: i64,
    },
    /// The password cannot be taken or checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The session does not bear the change (any more).
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The database failed.
    #[error("the user cannot be read or changed")]
    Storage(#[source] StorageError),
}
stored!(UserError);

impl From<StorageError> for UserError {
    fn from(error: StorageError) -> Self {
        if storage::email_addresses::is_taken(&error) {
            return Self::Taken("email_address");
        }
        if storage::phone_numbers::is_taken(&error) {
            return Self::Taken("phone_number");
        }
        match &error {
            StorageError::Conflict(c) if c.is_on("users_username", &["users.environment_id", "users.username_key"]) => {
                Self::Taken("username")
            }
            StorageError::Conflict(c)
                if c.is_on("users_external_id", &["users.environment_id", "users.external_id"]) =>
            {
                Self::Taken("external_id")
            }
            _ => Self::Storage(error),
        }
    }
}

impl Refusal for UserError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(codes::USER_NOT_FOUND),
            Self::Fields(problems) => Verdict::Refused(problems.clone()),
            Self::Taken(param) => Kind::Taken.code(codes::IDENTIFIER_EXISTS).param(param),
            Self::NotVerified => Kind::Invalid.code(codes::EMAIL_NOT_VERIFIED).param("primary_email_address_id"),
            Self::NumberNotVerified => Kind::Invalid.code(codes::PHONE_NOT_VERIFIED).param("primary_phone_number_id"),
            Self::Digest => Kind::Invalid.code(codes::PASSWORD_HASH_INVALID).param("password_digest"),
            Self::Hasher => Kind::Invalid.code(codes::PARAM_VALUE_INVALID).param("password_hasher"),
            Self::TooMany { retry_after, .. } => Kind::TooMany
                .code(codes::RATE_LIMIT_EXCEEDED)
                .with("limit", 10)
                .with("retry_after_seconds", *retry_after),
            Self::Password(error @ (PasswordError::Policy | PasswordError::Breached)) => {
                error.verdict().param("password")
            }
            Self::Password(error) => error.verdict(),
            Self::Unfit(unfit) => unfit.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// A person with the addresses.
pub async fn find(engine: &Engine, cx: &Context, id: UserId) -> Result<Person, UserError> {
    storage::users::person(&mut *engine.read().await?, cx.env, id).await?.ok_or(UserError::NotFound)
}

/// How many people match; without a filter the count is kept, not counted.
pub async fn count(engine: &Engine, cx: &Context, filter: Filter) -> Result<i64, StorageError> {
    let env = cx.env;
    if filter.is_empty() {
        return storage::counts::total(&mut *engine.read().await?, env, people::COUNTER).await;
    }
    engine.scan(async move |conn| storage::users::count(conn, env, &filter).await).await
}

/// One page of the people who match.
pub async fn list(
    engine: &Engine,
    cx: &Context,
    filter: Filter,
    request: PageRequest<Key>,
) -> Result<Page<Person>, StorageError> {
    let total = count(engine, cx, filter.clone()).await?;
    let env = cx.env;
    let mut page = if filter.is_empty() {
        storage::users::page(&mut *engine.read().await?, env, &filter, &request).await?
    } else {
        engine.scan(async move |conn| storage::users::page(conn, env, &filter, &request).await).await?
    };
    page.total = total;
    Ok(page)
}
