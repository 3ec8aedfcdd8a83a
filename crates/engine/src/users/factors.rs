//! How a backend lets somebody in again who has lost every second factor.

use super::UserError;
use crate::{Engine, people, tenancy};
use domain::user::{Person, SecondFactors};
use domain::{Context, UserId};

/// Takes every second factor of a person away: the authenticator app, the backup codes that were not spent, and
/// numbers out of that service. Passkeys stay. Done as well when there are none.
pub async fn remove_second_factors(engine: &Engine, cx: &Context, id: UserId) -> Result<Person, UserError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, id).await?.ok_or(UserError::NotFound)?;
            let before = person.clone();
            // An enrolment that is open goes as well: whoever began it may be whom the backend shuts out.
            storage::totp::delete(tx, cx.env, id).await?;
            storage::backup_codes::delete_unspent(tx, cx.env, id).await?;
            person.second = SecondFactors::default();
            for number in &mut person.phone_numbers {
                if number.reserved_for_second_factor || number.default_second_factor {
                    (number.reserved_for_second_factor, number.default_second_factor) = (false, false);
                    number.updated_at = cx.now;
                    storage::phone_numbers::save(tx, cx.env, number).await?;
                }
            }
            if person != before {
                people::save_second_factors(tx, cx, &tenant, &mut person).await?;
            }
            Ok(person)
        })
        .await
}
