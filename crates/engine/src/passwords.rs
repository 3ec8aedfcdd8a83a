//! Passwords: what is accepted, and hashing on the pool of their own.

use crate::Engine;
use crypto::Secret;
use crypto::password::{LengthError, Policy, PoolError, StoredHash};
use domain::settings::Settings;
use domain::user::PasswordDigest;
use domain::{Kind, Verdict, code};
use outbound::BreachSource;

/// Why a password cannot be taken or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short, too long or too common.
    #[error("the password does not meet the policy")]
    Policy,
    /// Known from a breach.
    #[error("the password is known from a breach")]
    Breached,
    /// No room to hash at the moment.
    #[error("the password pool is full")]
    Busy {
        /// When to try again, in seconds.
        retry_after: u64,
    },
    /// The pool failed, or a stored hash cannot be read.
    #[error("the password cannot be hashed")]
    Pool(#[source] PoolError),
}

impl PasswordError {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Policy => Kind::Invalid.code(code::PASSWORD_VALIDATION_FAILED),
            Self::Breached => Kind::Invalid.code(code::PASSWORD_PWNED),
            Self::Busy { retry_after } => Kind::Busy.code(code::SERVER_BUSY).with("retry_after_seconds", *retry_after),
            Self::Pool(_) => Verdict::Fault,
        }
    }
}

impl From<PoolError> for PasswordError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Busy { retry_after } => Self::Busy { retry_after: retry_after.as_secs().max(1) },
            other => Self::Pool(other),
        }
    }
}

/// Whether a new password may be taken: 8 to 1024 characters, 4096 bytes at most, not a common one.
pub(crate) fn accept(password: &Secret<String>) -> Result<(), PasswordError> {
    check_length(password)?;
    if Policy::is_common(password.expose()) { Err(PasswordError::Policy) } else { Ok(()) }
}

/// Whether a new password is in no published breach, where the environment asks for that. Somebody else is asked:
/// it stands outside of every transaction. Who cannot be asked lets the password pass.
pub(crate) async fn not_breached(
    engine: &Engine,
    settings: &Settings,
    password: &Secret<String>,
) -> Result<(), PasswordError> {
    let wanted = &settings.attack_protection.breached_passwords;
    if !wanted.enabled {
        return Ok(());
    }
    let local = wanted.source == BreachSource::LocalFile.as_str();
    let source = if local { BreachSource::LocalFile } else { BreachSource::RangeApi };
    match engine.shared().breached().contains(source, password).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(PasswordError::Breached),
        Err(error) => {
            metrics::counter!("breached_passwords_unreachable_total", "source" => source.as_str()).increment(1);
            tracing::warn!(
                breach.source = source.as_str(),
                error = &error as &dyn std::error::Error,
                "a password could not be looked up"
            );
            Ok(())
        }
    }
}

/// Whether a password has a length that is ever hashed.
pub(crate) fn check_length(password: &Secret<String>) -> Result<(), PasswordError> {
    Policy::check_length(password.expose()).map_err(|_: LengthError| PasswordError::Policy)
}

/// Hashes a new password.
pub(crate) async fn hash(engine: &Engine, password: Secret<String>) -> Result<PasswordDigest, PasswordError> {
    Ok(PasswordDigest::new(engine.shared().passwords().hash(password).await?))
}

/// Checks a password; without a stored hash it costs the same and is wrong.
pub(crate) async fn verify(
    engine: &Engine,
    stored: Option<&PasswordDigest>,
    password: Secret<String>,
) -> Result<bool, PasswordError> {
    let pool = engine.shared().passwords();
    // What nobody can have as a password is wrong without a hash, for everybody alike. A short one somebody may
    // have: imported hashes come from houses with other rules.
    if Policy::check_length(password.expose()) == Err(LengthError::TooLong) {
        return Ok(false);
    }
    Ok(match stored {
        Some(digest) => pool.verify(digest.as_str().to_owned(), password).await?,
        None => pool.verify_dummy(password).await?,
    })
}

/// Whether a stored hash is older than today's parameters, or imported.
pub(crate) fn is_outdated(engine: &Engine, stored: &PasswordDigest) -> bool {
    StoredHash::parse(stored.as_str())
        .is_ok_and(|hash| crypto::password::needs_rehash(&hash, engine.shared().passwords().params()))
}
