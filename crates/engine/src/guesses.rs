//! Guessing is counted per identity and purpose, before the secret is looked at, for known and unknown alike.

use domain::audit::Denial;
use domain::session::{Session, SessionStatus};
use domain::settings::Settings;
use domain::{Context, Timestamp, UserId};
use storage::failures::{Budget, Limit, Reserved};
use storage::{Error, Tx};

/// What is being guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The password, at sign-in, step-up and change.
    Password,
    /// A code sent to an address, at sign-in.
    EmailCode,
    /// A code sent to an address that lets a new password be chosen; a locked password does not shut it.
    ResetCode,
    /// A code that proves an address.
    AddressCode,
    /// A code sent to a phone number, at sign-in.
    PhoneCode,
    /// A code sent to a phone number for the second step: whoever begins sign-ins with the number cannot use it up.
    SecondPhoneCode,
    /// A code that proves a phone number.
    NumberCode,
    /// A code of an authenticator app.
    Totp,
    /// A backup code.
    BackupCode,
    /// A code that shows that a new device is the person's own: only whoever knows the password can use it up.
    ClientTrust,
    /// A code of an authenticator app, asked by a backend on somebody's behalf.
    BackendTotp,
    /// The password, asked by a backend on somebody's behalf.
    BackendPassword,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::EmailCode => "email_code",
            Self::ResetCode => "reset_code",
            Self::AddressCode => "address_code",
            Self::PhoneCode => "phone_code",
            Self::SecondPhoneCode => "second_phone_code",
            Self::NumberCode => "number_code",
            Self::Totp => "totp",
            Self::BackupCode => "backup_code",
            Self::ClientTrust => "client_trust",
            Self::BackendTotp => "backend_totp",
            Self::BackendPassword => "backend_password",
        }
    }

    /// What a wrong guess is called in the audit log.
    fn denial(self, identity: &str) -> Denial {
        match self {
            Self::BackendPassword | Self::BackendTotp => Denial::SecretCheckFailed,
            Self::AddressCode | Self::NumberCode => Denial::VerificationFailed,
            _ if identity.ends_with(":self") => Denial::StepUpFailed,
            _ => Denial::SignInFailed,
        }
    }

    fn limit(self, settings: &Settings) -> Option<Limit> {
        let brute = &settings.attack_protection.brute_force;
        match self {
            Self::Password => {
                let on = brute.enabled && brute.lockout_duration_seconds > 0;
                on.then_some(Limit {
                    max: brute.max_attempts,
                    window_seconds: brute.lockout_duration_seconds,
                    lock_seconds: brute.lockout_duration_seconds,
                })
            }
            // 20 wrong codes an hour, which no new code and no restart resets.
            Self::EmailCode
            | Self::ResetCode
            | Self::AddressCode
            | Self::PhoneCode
            | Self::SecondPhoneCode
            | Self::NumberCode
            | Self::Totp
            | Self::BackupCode
            | Self::ClientTrust => Some(Limit { max: 20, window_seconds: 3600, lock_seconds: 3600 }),
            Self::BackendPassword | Self::BackendTotp => {
                Some(Limit { max: 10, window_seconds: 600, lock_seconds: 600 })
            }
        }
    }
}

/// How many codes are looked at once each while their counter is locked, in an hour: more than can be asked for by the
/// limit of what is sent to one address. With the 20 before it, one in 12,500 guessers an hour has luck.
const BEHIND_LOCK: Budget = Budget { max: 60, window_seconds: 3600 };

/// Whose secret is guessed: a known person whatever identifier was typed, or an identifier nobody has.
pub(crate) fn identity(user: Option<UserId>, canonical: &str) -> String {
    match user {
        Some(user) => format!("user:{user}"),
        // The address itself is not kept.
        None => format!("identifier:{}", &crypto::digest::sha256_hex(canonical.as_bytes())[..32]),
    }
}

/// The counter of a device that held a session of the person before: strangers cannot fill it.
pub(crate) fn known_device(user: UserId, client: domain::ClientId) -> String {
    format!("user:{user}:{client}")
}

/// The counter of somebody who is signed in: strangers at the sign-in page cannot fill it. Those who have not proven
/// their second factor yet have one of their own: nor can whoever knows the password alone.
pub(crate) fn signed_in(session: &Session) -> String {
    let user = identity(Some(session.user_id), "");
    match session.status {
        SessionStatus::Pending => format!("{user}:pending:self"),
        _ => format!("{user}:self"),
    }
}

/// Counts a try that is about to be looked at; `Some` says until when none is.
pub(crate) async fn reserve(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    identity: &str,
    purpose: Purpose,
) -> Result<Option<Timestamp>, Error> {
    // Refused until it succeeds, for the audit log as well.
    cx.attempts.begin(purpose.denial(identity), identity);
    let Some(limit) = purpose.limit(settings) else { return Ok(None) };
    match storage::failures::reserve(tx, cx.env, identity, purpose.as_str(), limit, cx.now).await? {
        Reserved::Open { .. } => Ok(None),
        Reserved::Locked { until } => Ok(Some(until)),
    }
}

/// Takes one of the first answers that are looked at behind a lock; true when there are no more for now.
pub(crate) async fn is_spent_behind_lock(
    tx: &mut Tx<'_>,
    cx: &Context,
    identity: &str,
    purpose: Purpose,
) -> Result<bool, Error> {
    let purpose = format!("{}_behind_lock", purpose.as_str());
    let again = storage::failures::spend(tx, cx.env, identity, &purpose, BEHIND_LOCK, 1, cx.now).await?;
    Ok(again.is_some())
}

/// Takes a try back that was counted and could not be looked at.
pub(crate) async fn give_back(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    identity: &str,
    purpose: Purpose,
) -> Result<(), Error> {
    cx.attempts.end(purpose.denial(identity), identity);
    match purpose.limit(settings) {
        Some(limit) => storage::failures::give_back(tx, cx.env, identity, purpose.as_str(), limit, cx.now).await,
        None => Ok(()),
    }
}

/// Forgets the failures of a purpose after a success.
pub(crate) async fn succeed(tx: &mut Tx<'_>, cx: &Context, identity: &str, purpose: Purpose) -> Result<(), Error> {
    cx.attempts.end(purpose.denial(identity), identity);
    storage::failures::succeed(tx, cx.env, identity, purpose.as_str()).await
}

/// Until when the purpose is shut, after a failure was counted.
pub(crate) async fn locked(
    tx: &mut Tx<'_>,
    cx: &Context,
    identity: &str,
    purpose: Purpose,
) -> Result<Option<Timestamp>, Error> {
    let state = storage::failures::state(tx, cx.env, identity, purpose.as_str()).await?;
    Ok(state.and_then(|s| s.locked_at(cx.now)))
}
