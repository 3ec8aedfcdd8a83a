//! The second factors of a known person: asked for and answered alike at sign-in and at step-up. Each has a file of
//! its own for the part that differs.

mod backup_code;
mod totp;

use crate::challenges::{self, NumberTarget, Tries, Wrong};
use crate::guesses::Purpose;
use crate::sms::SmsRefused;
use crate::tenancy::Tenant;
use crate::{StorageError, people, tenancy};
use domain::challenge::{Challenge, Parent, Step};
use domain::code::{self, Code};
use domain::settings::Settings;
use domain::strategy::Strategy;
use domain::user::{Person, PhoneNumber};
use domain::{Actor, Context, Kind, PhoneNumberId, Verdict};
use protocols::webauthn;
use storage::Tx;

/// Why a second factor cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// The person does not have it.
    #[error("the strategy is not possible")]
    Strategy,
    /// The number that is named is none that serves as a second factor.
    #[error("there is no such number among the second factors")]
    NoNumber,
    /// No code is sent.
    #[error(transparent)]
    Sms(SmsRefused),
    /// The database failed.
    #[error("the factor cannot be read or changed")]
    Storage(#[from] StorageError),
}
crate::refusals::stored!(FactorError);
crate::refusals::texted!(FactorError);

impl FactorError {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Strategy => Kind::Invalid.code(code::STRATEGY_NOT_SUPPORTED).param("strategy"),
            Self::NoNumber => Kind::Invalid.code(code::PHONE_NOT_FOUND).param("phone_number_id"),
            Self::Sms(refused) => refused.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Whether a person has something by which a session gets its second factor: one of those that sign-in asks for, or a
/// passkey that verifies its person, where such a one counts as both.
pub(crate) fn has_second(settings: &Settings, person: &Person) -> Result<bool, StorageError> {
    if person.factor_summary().two_factor() {
        return Ok(true);
    }
    if !settings.multi_factor.passkey_counts_as_mfa {
        return Ok(false);
    }
    for key in &person.passkeys {
        if webauthn::verifies(&key.credential).map_err(|_| tenancy::fault("a stored passkey cannot be read"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a person has of second factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    any: bool,
    /// One that is not used up, as backup codes are.
    lasting: bool,
}

/// What a person has of second factors at this moment.
pub(crate) fn held(settings: &Settings, person: &Person) -> Result<Held, StorageError> {
    let mut without_codes = person.clone();
    without_codes.second.backup_codes = 0;
    Ok(Held { any: has_second(settings, person)?, lasting: has_second(settings, &without_codes)? })
}

/// The last second factor of somebody who must have one stays: a person takes it off by enrolling another first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the last second factor cannot be removed")]
pub struct LastFactor;

impl LastFactor {
    pub(crate) fn verdict(self) -> Verdict {
        Kind::Invalid.code(code::LAST_SECOND_FACTOR_NOT_REMOVABLE)
    }
}

/// Refuses a person's own change that took the last second factor away where one is required, or the last one that is
/// not used up. A backend's change is its own affair.
pub(crate) fn keeps_one(
    cx: &Context,
    settings: &Settings,
    before: Held,
    after: &Person,
) -> Result<Result<(), LastFactor>, StorageError> {
    let is_own = matches!(cx.actor, Actor::User { .. });
    if !is_own || !settings.multi_factor.required {
        return Ok(Ok(()));
    }
    let after = held(settings, after)?;
    let lost = (before.any && !after.any) || (before.lasting && !after.lasting);
    Ok(if lost { Err(LastFactor) } else { Ok(()) })
}

/// Which second factor is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// The way.
    pub(crate) strategy: Strategy,
    /// The number to send to, where the caller names one.
    pub(crate) number: Option<&'a str>,
    /// The number that was the first factor: it does not serve again.
    pub(crate) first_number: Option<PhoneNumberId>,
}

/// What is shown for a second factor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// Whose tries are counted.
    pub(crate) identity: &'a str,
    /// The code.
    pub(crate) code: &'a str,
    /// The number that was the first factor.
    pub(crate) first_number: Option<PhoneNumberId>,
}

/// Issues a challenge for a second factor that the person has.
pub(crate) async fn issue(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    parent: Parent,
    person: &Person,
    ask: Ask<'_>,
) -> Result<Challenge, FactorError> {
    if !person.second_factors_after(ask.first_number).contains(&ask.strategy) {
        return Err(FactorError::Strategy);
    }
    match ask.strategy {
        Strategy::Totp | Strategy::BackupCode => {
            Ok(challenges::issue_plain(tx, cx, (parent, Step::Second, ask.strategy)).await?)
        }
        Strategy::PhoneCode => {
            // What is no id at all is no number of the person's either.
            let wanted = ask.number.map(str::parse).transpose().map_err(|_| FactorError::NoNumber)?;
            let number = person.second_factor_number(wanted, ask.first_number).ok_or(FactorError::NoNumber)?;
            let target = NumberTarget {
                number: &number.number,
                user: Some(person.user.id),
                answerable: true,
                is_test: takes_fixed_code(tenant, number),
            };
            Ok(challenges::issue_texted(tx, cx, tenant, (parent, Step::Second), target).await?)
        }
        _ => Err(FactorError::Strategy),
    }
}

/// Whether a number is a test number that takes the fixed code here.
pub(crate) fn takes_fixed_code(tenant: &Tenant, number: &PhoneNumber) -> bool {
    let env = &tenant.env;
    matches!(people::test_mode(&env.settings, env.kind, number.number.is_test()), Ok(true))
}

/// Looks at a code for a challenge whose row is held, of a person whose row is held. Whatever comes of it is written:
/// the caller commits.
pub(crate) async fn answer(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    challenge: &mut Challenge,
    person: &mut Person,
    shown: Shown<'_>,
) -> Result<Result<(), Wrong>, StorageError> {
    let purpose = match challenge.strategy {
        Strategy::Totp => Purpose::Totp,
        Strategy::BackupCode => Purpose::BackupCode,
        _ => Purpose::SecondPhoneCode,
    };
    let free = challenges::takes_test_code(tenant, cx, challenge);
    let tries = Tries { identity: shown.identity, purpose, free };
    if let Err(wrong) = challenges::begin_try(tx, cx, tenant, challenge, tries).await? {
        return Ok(Err(wrong));
    }
    let outcome = match challenge.strategy {
        // Removed since it was asked for: no code of it is right.
        strategy if !person.second_factors_after(shown.first_number).contains(&strategy) => Err(code::CODE_INCORRECT),
        Strategy::PhoneCode => {
            // The number that the code went to still serves, and is not the one that was the first factor.
            let serves = person.phone_numbers.iter().any(|n| {
                n.is_second_factor()
                    && Some(n.id) != shown.first_number
                    && challenge.target.as_deref() == Some(n.number.as_str())
            });
            // Looked at first: a code costs the same whether its number serves or not.
            let right = challenges::is_code(tenant, challenge, shown.code);
            if right && serves { Ok(()) } else { Err(code::CODE_INCORRECT) }
        }
        strategy => check(tx, cx, tenant, challenge, person, strategy, shown.code).await?,
    };
    challenges::end_try(tx, cx, challenge, tries, outcome).await
}

/// Whether a code is right; what is good once is spent by it.
async fn check(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    _challenge: &Challenge,
    person: &mut Person,
    strategy: Strategy,
    code: &str,
) -> Result<Result<(), Code>, StorageError> {
    match strategy {
        Strategy::Totp => totp::check(tx, cx, tenant, person, code).await,
        Strategy::BackupCode => backup_code::check(tx, cx, tenant, person, code).await,
        _ => Ok(Err(code::CODE_INCORRECT)),
    }
}
