//! A backup code: for whoever has lost the phone.

use crate::tenancy::Tenant;
use crate::{StorageError, backup_codes, people};
use domain::Context;
use domain::code::{CODE_ALREADY_USED, CODE_INCORRECT, Code};
use domain::user::Person;
use storage::Tx;
use storage::backup_codes::{Spent, spend};

/// Spends a code; with the last one the factor is gone.
pub(super) async fn check(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    person: &mut Person,
    code: &str,
) -> Result<Result<(), Code>, StorageError> {
    let Some(code) = domain::user::backup_code(code) else { return Ok(Err(CODE_INCORRECT)) };
    let user = person.user.id;
    let mac = backup_codes::mac(tenant, user, &code);
    match spend(tx, cx.env, user, &mac, cx.now).await? {
        Spent::Unknown => return Ok(Err(CODE_INCORRECT)),
        Spent::Before => return Ok(Err(CODE_ALREADY_USED)),
        Spent::Now => {}
    }
    person.second.backup_codes = person.second.backup_codes.saturating_sub(1);
    if person.second.backup_codes == 0 {
        people::save_second_factors(tx, cx, tenant, person).await?;
    }
    Ok(Ok(()))
}
