//! What leaves the house: mail and short messages.
//!
//! The secret kept here is how strangers are spoken to. Callers hand over a finished [`Mail`] and hear
//! one of two things back: it can never work, or it may work later. Whether an SMTP server or the inbox of
//! a developer is behind the [`Mailer`], and who the [`SmsCarrier`] is, is decided once, at start.

mod inbox;
mod mail;
mod sms;
mod smtp;

pub use inbox::{BadCursor, Channel, Inbox, InboxMessage, InboxPage, InboxQuery, KEPT};
pub use mail::{Mail, MailError, Mailer, Sender, Sending};
pub use sms::{NoCarrier, NoSms, Sms, SmsCarrier, SmsError, SmsSending};
pub use smtp::{SmtpMailer, SmtpSettings, SmtpTls};
