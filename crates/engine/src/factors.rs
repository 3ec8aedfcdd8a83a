//! The second factors of a known person: asked for and answered alike at sign-in and at step-up. Each has a file of
//! its own for the part that differs.

use crate::StorageError;
use crate::challenges::{self, Tries, Wrong};
use crate::guesses::Purpose;
use crate::tenancy::Tenant;
use domain::challenge::{Challenge, Parent, Step};
use domain::code::{self, Code};
use domain::strategy::Strategy;
use domain::user::Person;
use domain::{Context, Kind, PhoneNumberId, Verdict};
use storage::Tx;

/// Why a second factor cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// The person does not have it.
    #[error("the strategy is not possible")]
    Strategy,
    /// The database failed.
    #[error("the factor cannot be read or changed")]
    Storage(#[from] StorageError),
}
crate::refusals::stored!(FactorError);

impl FactorError {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Strategy => Kind::Invalid.code(code::STRATEGY_NOT_SUPPORTED).param("strategy"),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Which second factor is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// The way.
    pub(crate) strategy: Strategy,
    /// The number to send to, where the caller names one.
    #[expect(dead_code, reason = "read by the code that is sent to a phone")]
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
    let _ = tenant;
    if !person.second_factors_after(ask.first_number).contains(&ask.strategy) {
        return Err(FactorError::Strategy);
    }
    match ask.strategy {
        Strategy::Totp | Strategy::BackupCode => {
            Ok(challenges::issue_plain(tx, cx, (parent, Step::Second, ask.strategy)).await?)
        }
        _ => Err(FactorError::Strategy),
    }
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
        _ => Purpose::PhoneCode,
    };
    let free = challenges::takes_test_code(tenant, cx, challenge);
    let tries = Tries { identity: shown.identity, purpose, free };
    if let Err(wrong) = challenges::begin_try(tx, cx, tenant, challenge, tries).await? {
        return Ok(Err(wrong));
    }
    let outcome = match challenge.strategy {
        // Removed since it was asked for: no code of it is right.
        strategy if !person.second_factors_after(shown.first_number).contains(&strategy) => Err(code::CODE_INCORRECT),
        strategy => check(tx, cx, tenant, challenge, person, strategy, shown.code).await?,
    };
    challenges::end_try(tx, cx, challenge, tries, outcome).await
}

/// Whether a code is right; what is good once is spent by it.
async fn check(
    _tx: &mut Tx<'_>,
    _cx: &Context,
    _tenant: &Tenant,
    _challenge: &Challenge,
    _person: &mut Person,
    _strategy: Strategy,
    _code: &str,
) -> Result<Result<(), Code>, StorageError> {
    Ok(Err(code::CODE_INCORRECT))
}
