//! What leaves the house: mail, short messages, every call to a stranger, and the files that are kept.
//!
//! The secret kept here is how strangers are spoken to. Callers hand over a finished [`Mail`] and hear
//! one of two things back: it can never work, or it may work later. Whether an SMTP server or the inbox of
//! a developer is behind the [`Mailer`], and who the [`SmsCarrier`] is, is decided once, at start.

mod breached;
mod captcha;
pub mod fake;
mod http;
mod inbox;
mod mail;
mod objects;
mod sms;
mod smtp;

pub use breached::{
    BreachError, BreachSource, Breached, BreachedSettings, RANGE_API, check_file as check_breached_file,
};
pub use captcha::{Captcha, CaptchaProof, CaptchaProvider, CaptchaVerdict};
pub use http::{
    BadTarget, Cause, Http, HttpError, HttpSettings, HttpStartError, LookUp, Method, Names, Request, Response, Seen,
    is_public,
};
pub use inbox::{BadCursor, Channel, Inbox, InboxMessage, InboxPage, InboxQuery, KEPT};
pub use mail::{Mail, MailError, Mailer, Sender, Sending};
pub use objects::{ObjectError, ObjectSettings, Objects, S3Settings};
pub use sms::{
    NoCarrier, NoSms, Sms, SmsCarrier, SmsError, SmsSending, Twilio, TwilioSettings, Vonage, VonageSettings,
};
pub use smtp::{SmtpMailer, SmtpSettings, SmtpTls};
