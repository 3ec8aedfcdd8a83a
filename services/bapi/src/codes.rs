//! Codes that this surface has another word for than the browser-facing one.

use domain::code::{IDENTIFIER_EXISTS, PHONE_NOT_FOUND, PHONE_NUMBER_IN_USE, PHONE_NUMBER_NOT_FOUND};
use domain::{Refusal, Verdict};
use engine::phone_numbers::PhoneError;
use web::ApiError;

/// What a backend hears of a phone number.
pub(crate) fn of_number(error: PhoneError) -> ApiError {
    let Verdict::Refused(mut problems) = error.verdict() else { return ApiError::from(error) };
    for problem in &mut problems {
        problem.code = match problem.code {
            PHONE_NOT_FOUND => PHONE_NUMBER_NOT_FOUND,
            IDENTIFIER_EXISTS => PHONE_NUMBER_IN_USE,
            other => other,
        };
    }
    ApiError::problems(problems)
}
