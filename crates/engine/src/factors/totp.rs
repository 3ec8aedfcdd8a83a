//! The code of an authenticator app.

use crate::StorageError;
use crate::tenancy::Tenant;
use domain::Context;
use domain::code::{CODE_INCORRECT, Code};
use domain::user::Person;
use storage::Tx;

/// Takes a code, once: none of its step or of one before is taken again.
pub(super) async fn check(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    person: &Person,
    code: &str,
) -> Result<Result<(), Code>, StorageError> {
    let Some(secret) = crate::totp::enrolled(tx, cx, person.user.id).await? else { return Ok(Err(CODE_INCORRECT)) };
    let right = crate::totp::take(tx, cx, tenant, &secret, code).await?;
    Ok(if right { Ok(()) } else { Err(CODE_INCORRECT) })
}
