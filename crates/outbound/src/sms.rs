//! A finished short message, and whoever carries it.

mod twilio;
mod vonage;

pub use twilio::{Twilio, TwilioSettings};
pub use vonage::{Vonage, VonageSettings};

use crate::http::HttpError;
use domain::{EnvironmentId, MessageId, Timestamp};
use std::fmt;
use std::pin::Pin;

/// A finished short message to one number.
#[derive(Clone, PartialEq, Eq)]
pub struct Sms {
    /// Names the message: a retry carries the same id.
    pub id: MessageId,
    /// The environment that sends it.
    pub environment_id: EnvironmentId,
    /// Whom it is for, in E.164 form.
    pub to: String,
    /// Whom it is from: a number or a name; none is the sender of the settings.
    pub from: Option<String>,
    /// What it says.
    pub body: String,
    /// The code inside, for the development inbox.
    pub code: Option<String>,
    /// Which template it was made from.
    pub template_slug: String,
    /// When it was made.
    pub created_at: Timestamp,
}

// Numbers and codes stay out of logs.
impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sms")
            .field("id", &self.id)
            .field("environment_id", &self.environment_id)
            .field("template_slug", &self.template_slug)
            .finish_non_exhaustive()
    }
}

/// Why a short message was not taken; says nothing of its content or number.
#[derive(Debug, thiserror::Error)]
pub enum SmsError {
    /// It will never be taken: no retry.
    #[error("the short message was refused for good")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It may be taken later.
    #[error("the SMS carrier cannot be used at the moment")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SmsError {
    /// Whether another attempt may succeed.
    pub const fn may_retry(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// What a carrier answered; its own words may hold the number, so they are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the carrier answered {status}, code {code}")]
pub(crate) struct Unacceptable {
    status: u16,
    code: i64,
}

impl From<Unacceptable> for SmsError {
    fn from(problem: Unacceptable) -> Self {
        match problem.status {
            429 | 500.. => Self::Unreachable(Box::new(problem)),
            _ => Self::Refused(Box::new(problem)),
        }
    }
}

impl From<HttpError> for SmsError {
    fn from(error: HttpError) -> Self {
        if error.may_retry() { Self::Unreachable(Box::new(error)) } else { Self::Refused(Box::new(error)) }
    }
}

/// A short message on its way.
pub type SmsSending<'a> = Pin<Box<dyn Future<Output = Result<(), SmsError>> + Send + 'a>>;

/// Carries short messages.
pub trait SmsCarrier: Send + Sync {
    /// Hands the message over; an `Ok` means that the carrier has taken charge of it.
    fn send<'a>(&'a self, sms: &'a Sms) -> SmsSending<'a>;
}

/// Where no carrier is named: every message is refused for good.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSms;

/// The settings name nobody who carries short messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sms.driver is none")]
pub struct NoCarrier;

impl SmsCarrier for NoSms {
    fn send<'a>(&'a self, _: &'a Sms) -> SmsSending<'a> {
        Box::pin(std::future::ready(Err(SmsError::Refused(Box::new(NoCarrier)))))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use domain::id::NewId;

    pub(crate) fn sms(to: &str) -> Sms {
        let now = Timestamp::from_millis(1_700_000_000_000);
        Sms {
            id: MessageId::new(now, crypto::random::bytes()),
            environment_id: EnvironmentId::new(now, [1; 10]),
            to: to.to_owned(),
            from: None,
            body: "123456 is your code.".to_owned(),
            code: Some("123456".to_owned()),
            template_slug: "verification_code".to_owned(),
            created_at: now,
        }
    }

    #[test]
    fn a_short_message_never_shows_its_number_or_code() {
        let shown = format!("{:?}", sms("+4915112345678"));

        assert!(shown.contains("verification_code"));
        for secret in ["4915112345678", "123456"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[tokio::test]
    async fn without_a_carrier_a_message_is_refused_for_good() {
        let error = NoSms.send(&sms("+4915112345678")).await.unwrap_err();

        assert!(!error.may_retry());
    }
}
