//! Backup codes of people: a batch is shown once, each code of it is good once.

use crate::factors::{self, LastFactor};
use crate::mail::Letter;
use crate::refusals::stored;
use crate::standing::{self, Unfit};
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, people};
use crypto::Secret;
use domain::code as codes;
use domain::{BackupCodeId, Context, Kind, Refusal, Timestamp, UserId, Verdict};

/// Why backup codes are not made or removed.
#[derive(Debug, thiserror::Error)]
pub enum BackupCodeError {
    /// The environment has switched them off.
    #[error("backup codes are switched off")]
    Off,
    /// The person is gone.
    #[error("there is no such user")]
    NoUser,
    /// The person must keep a second factor.
    #[error(transparent)]
    LastFactor(#[from] LastFactor),
    /// The session does not bear the change (any more).
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The database failed.
    #[error("the backup codes cannot be read or changed")]
    Storage(#[from] StorageError),
}
stored!(BackupCodeError);

impl Refusal for BackupCodeError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Off => Kind::Invalid.code(codes::MFA_NOT_ENABLED),
            Self::NoUser => Kind::Unauthenticated.code(codes::SESSION_REVOKED),
            Self::LastFactor(last) => last.verdict(),
            Self::Unfit(unfit) => unfit.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// The codes of a person, as far as they can be shown.
pub struct Batch {
    /// How many are left.
    pub count: u32,
    /// The codes themselves, where they were made just now.
    pub codes: Vec<Secret<String>>,
    /// When they were made; none if there never were any.
    pub generated_at: Option<Timestamp>,
}

/// Makes a new batch in place of the codes that were not spent.
pub async fn generate(engine: &Engine, cx: &Context, user: UserId) -> Result<Batch, BackupCodeError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let settings = &tenant.env.settings.multi_factor.backup_codes;
    if !settings.enabled {
        return Err(BackupCodeError::Off);
    }
    let count = settings.default_count;
    let codes: Vec<Secret<String>> = (0..count).map(|_| crypto::random::backup_code()).collect();
    let batch: Vec<(BackupCodeId, [u8; 32])> = codes
        .iter()
        .map(|code| {
            let code = domain::user::backup_code(code.expose()).expect("a code that was drawn has the form of one");
            (cx.id(), mac(&tenant, user, &code))
        })
        .collect();
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(BackupCodeError::NoUser)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            storage::backup_codes::replace(tx, cx.env, user, &batch, cx.now).await?;
            person.second.backup_codes = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            people::save_second_factors(tx, cx, &tenant, &mut person).await?;
            people::tell(tx, cx, &tenant, &person, Letter::BackupCodesGenerated).await?;
            Ok::<_, BackupCodeError>(())
        })
        .await?;
    Ok(Batch { count: u32::try_from(codes.len()).unwrap_or(u32::MAX), codes, generated_at: Some(cx.now) })
}

/// How many codes are left.
pub async fn count(engine: &Engine, cx: &Context, user: UserId) -> Result<Batch, StorageError> {
    let (count, generated_at) = storage::backup_codes::left(&mut *engine.read().await?, cx.env, user).await?;
    Ok(Batch { count, codes: Vec::new(), generated_at })
}

/// Removes the codes that were not spent; done as well when there are none.
pub async fn remove(engine: &Engine, cx: &Context, user: UserId) -> Result<Batch, BackupCodeError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(BackupCodeError::NoUser)?;
            standing::still_fresh(tx, cx, &tenant.env.settings, &person).await??;
            if person.second.backup_codes > 0 {
                storage::backup_codes::delete_unspent(tx, cx.env, user).await?;
                let held = factors::held(&tenant.env.settings, &person)?;
                person.second.backup_codes = 0;
                factors::keeps_one(cx, &tenant.env.settings, held, &person)??;
                people::save_second_factors(tx, cx, &tenant, &mut person).await?;
            }
            Ok::<_, BackupCodeError>(())
        })
        .await?;
    Ok(Batch { count: 0, codes: Vec::new(), generated_at: Some(cx.now) })
}

/// The keyed hash of a code of a person.
pub(crate) fn mac(tenant: &Tenant, user: UserId, code: &str) -> [u8; 32] {
    tenant.keys.backup_code.tag(&[user.to_string().as_bytes(), code.as_bytes()])
}
