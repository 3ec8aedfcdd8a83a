//! What every operation's error has in common: it may hold a fault of the database, and says whether that was a collision.

/// Makes an error usable with the write door: its `Storage` variant is a fault that may be tried again.
macro_rules! stored {
    ($($error:ty),+ $(,)?) => { $(
        impl storage::Retry for $error {
            fn is_retryable(&self) -> bool {
                matches!(self, Self::Storage(error) if error.is_retryable())
            }
        }
    )+ };
}
pub(crate) use stored;

/// Makes a short message that is not sent an error of these: what the database did is theirs, the rest is told.
macro_rules! texted {
    ($($error:ty),+ $(,)?) => { $(
        impl From<crate::sms::SmsRefused> for $error {
            fn from(refused: crate::sms::SmsRefused) -> Self {
                match refused {
                    crate::sms::SmsRefused::Storage(error) => error.into(),
                    refused => Self::Sms(refused),
                }
            }
        }
    )+ };
}
pub(crate) use texted;
