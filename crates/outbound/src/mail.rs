//! A finished message, and whoever carries it.

use domain::{Email, EnvironmentId, MessageId, Timestamp};
use lettre::message::Mailbox;
use std::fmt;
use std::pin::Pin;

/// A finished message to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Names the message: a retry carries the same id, so that a receiver can tell a repetition.
    pub id: MessageId,
    /// The environment that sends it.
    pub environment_id: EnvironmentId,
    /// Whom it is from: `Name <a@b>` or `a@b`.
    pub from: String,
    /// Whom answers go to, when not to whom it is from, in the same form.
    pub reply_to: Option<String>,
    /// Whom it is for.
    pub to: Email,
    /// The subject: one line.
    pub subject: String,
    /// The body for every reader.
    pub text: String,
    /// The body for readers of HTML.
    pub html: Option<String>,
    /// The code inside, for the development inbox.
    pub code: Option<String>,
    /// The link inside, for the development inbox.
    pub link: Option<String>,
    /// Which template it was made from.
    pub template_slug: String,
    /// When it was made.
    pub created_at: Timestamp,
}

// Addresses and codes stay out of logs.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("id", &self.id)
            .field("environment_id", &self.environment_id)
            .field("template_slug", &self.template_slug)
            .finish_non_exhaustive()
    }
}

/// Why a message was not taken; says nothing of its content or address.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It will never be taken: no retry.
    #[error("the message was refused for good")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It may be taken later.
    #[error("the mail server cannot be used at the moment")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl MailError {
    /// Whether another attempt may succeed.
    pub const fn may_retry(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// A message on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>>;

/// Carries messages.
pub trait Mailer: Send + Sync {
    /// Hands the message over; an `Ok` means that the next server has taken charge of it.
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a>;
}

/// Whom mail is from, checked: `Name <a@b>` or `a@b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(pub(crate) Mailbox);

/// The text names no sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a sender of the form `Name <address>`")]
pub struct NotASender;

impl Sender {
    /// Reads a sender; a line break or another control character is refused.
    pub fn parse(text: &str) -> Result<Self, NotASender> {
        if text.chars().any(char::is_control) {
            return Err(NotASender);
        }
        text.trim().parse().map(Self).map_err(|_| NotASender)
    }

    /// The same address under another name; a name that cannot stand in a header leaves the one it has.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(128).collect();
        if name.trim().is_empty() {
            return self;
        }
        let named = Self(Mailbox::new(Some(name.trim().to_owned()), self.0.email.clone()));
        // What is written must be read again by whoever sends it, as the same.
        if Self::parse(&named.to_string()).as_ref() == Ok(&named) { named } else { self }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use domain::id::NewId;

    pub(crate) fn mail(to: &str) -> Mail {
        let now = Timestamp::from_millis(1_700_000_000_000);
        Mail {
            id: MessageId::new(now, crypto::random::bytes()),
            environment_id: EnvironmentId::new(now, [1; 10]),
            from: "Latchkey <no-reply@example.com>".to_owned(),
            reply_to: None,
            to: Email::parse(to).unwrap(),
            subject: "Your code".to_owned(),
            text: "Your code is 123456.".to_owned(),
            html: Some("<p>Your code is <b>123456</b>.</p>".to_owned()),
            code: Some("123456".to_owned()),
            link: None,
            template_slug: "verification_code".to_owned(),
            created_at: now,
        }
    }

    #[test]
    fn a_message_never_shows_its_address_or_code() {
        let shown = format!("{:?}", mail("ann@example.com"));

        assert!(shown.contains("verification_code"));
        for secret in ["ann", "123456", "Your code"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn a_name_stays_a_name_whatever_it_holds() {
        let sender = || Sender::parse("Latchkey <no-reply@example.com>").unwrap();
        for name in ["Acme", "Acme, Inc.", "Ann \"A\" Lee", "a@b.test", "Köln <x@y.test>", "東京", "back\\slash", "(c)"]
        {
            let named = sender().named(name);
            let again = Sender::parse(&named.to_string()).unwrap();
            assert_eq!(again.0.email.to_string(), "no-reply@example.com", "{name}");
            assert_eq!(again, named, "{name}");
        }
        assert_eq!(sender().named("Evil\r\nBcc: x@y.test").to_string().lines().count(), 1);
        assert_eq!(sender().named("Acme").to_string(), "Acme <no-reply@example.com>");
        assert_eq!(sender().named(" \n"), sender());
    }

    #[test]
    fn a_sender_is_one_line_with_one_address() {
        assert!(Sender::parse("Latchkey <no-reply@example.com>").is_ok());
        assert!(Sender::parse("no-reply@example.com").is_ok());
        for bad in [
            "",
            "Latchkey",
            "Latchkey <no-reply>",
            "Latchkey <a@b.test>\r\nBcc: <victim@b.test>",
            "Latchkey\n<a@b.test>",
            "a@b.test, c@d.test",
        ] {
            assert_eq!(Sender::parse(bad), Err(NotASender), "{bad:?}");
        }
    }
}
