//! Messages to people, mail and SMS: what they are about, and what an operator changed of their texts.

use crate::id::{NewId, TemplateId};
use crate::{EnvironmentId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// By which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Mail.
    Email,
    /// A short message.
    Sms,
}

impl Channel {
    /// The word of the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
    /// Reads the word of the tables.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Email, Self::Sms].into_iter().find(|c| c.as_str() == text)
    }
}

/// The text names no message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such message")]
pub struct NoSuchMessage;

macro_rules! slugs {
    ($(#[$doc:meta])* $name:ident [$($slug:literal),* $(,)?]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(&'static str);

        impl $name {
            /// All of them, in their order.
            pub const ALL: &'static [Self] = &[$(Self($slug)),*];
            /// The word of the wire and of the tables.
            pub const fn as_str(self) -> &'static str {
                self.0
            }
        }
        impl FromStr for $name {
            type Err = NoSuchMessage;
            fn from_str(text: &str) -> Result<Self, NoSuchMessage> {
                Self::ALL.iter().copied().find(|slug| slug.0 == text).ok_or(NoSuchMessage)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }
    };
}

slugs! {
    /// What a mail is about.
    EmailSlug [
        "account_exists",
        "account_locked",
        "backup_codes_generated",
        "invitation",
        "magic_link",
        "mfa_disabled",
        "organization_invitation",
        "organization_invitation_accepted",
        "passkey_added",
        "passkey_removed",
        "password_changed",
        "password_removed",
        "primary_email_address_changed",
        "reset_password_code",
        "totp_enabled",
        "verification_code",
    ]
}
slugs! {
    /// What a short message is about.
    SmsSlug ["invitation", "reset_password_code", "verification_code"]
}

/// The texts that an operator has put in place of ours; none keeps ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Texts {
    /// The subject of a mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The HTML part of a mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_html: Option<String>,
    /// The plain part of a mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_text: Option<String>,
    /// Whom a mail is from: a name; none is the application's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_email_name: Option<String>,
    /// Whom answers to a mail go to: a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to_email_name: Option<String>,
    /// What a short message says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// A message of an environment, as its operator wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTemplate {
    /// Its id.
    pub id: TemplateId,
    /// By which way it goes.
    pub channel: Channel,
    /// What it is about.
    pub slug: String,
    /// What is not as we wrote it.
    pub texts: Texts,
    /// Whether the platform sends it; else the environment's webhooks get its text.
    pub delivered_by_us: bool,
    /// The number a short message is from; none is that of the installation.
    pub from_number_override: Option<String>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl MessageTemplate {
    /// A message that nobody has changed. Its id is the same at every reading, though nothing is stored.
    pub fn unchanged(env: EnvironmentId, created_at: Timestamp, channel: Channel, slug: &str) -> Self {
        let digest = crypto::digest::sha256(format!("{env} {} {slug}", channel.as_str()).as_bytes());
        let mut chance = [0; 10];
        chance.copy_from_slice(&digest[..10]);
        Self {
            id: TemplateId::new(created_at, chance),
            channel,
            slug: slug.to_owned(),
            texts: Texts::default(),
            delivered_by_us: true,
            from_number_override: None,
            created_at,
            updated_at: created_at,
        }
    }

    /// Whether everything is as we ship it.
    pub fn is_default(&self) -> bool {
        self.texts == Texts::default() && self.delivered_by_us && self.from_number_override.is_none()
    }

    /// Takes every change back.
    pub fn revert(&mut self, now: Timestamp) {
        self.texts = Texts::default();
        self.delivered_by_us = true;
        self.from_number_override = None;
        self.updated_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_nobody_changed_has_one_id() {
        let env = EnvironmentId::new(Timestamp::from_millis(1), [1; 10]);
        let made = |channel, slug: &str| MessageTemplate::unchanged(env, Timestamp::from_millis(5), channel, slug);
        let first = made(Channel::Sms, "invitation");
        assert_eq!(first, made(Channel::Sms, "invitation"));
        assert_ne!(first.id, made(Channel::Email, "invitation").id);
        assert_ne!(first.id, made(Channel::Sms, "verification_code").id);
        assert!(first.is_default());
    }

    #[test]
    fn reverting_keeps_who_it_is() {
        let env = EnvironmentId::new(Timestamp::from_millis(1), [1; 10]);
        let before = MessageTemplate::unchanged(env, Timestamp::from_millis(5), Channel::Sms, "invitation");
        let mut changed = MessageTemplate { delivered_by_us: false, ..before.clone() };
        changed.texts.body = Some("x".into());
        assert!(!changed.is_default());
        changed.revert(Timestamp::from_millis(9));
        assert_eq!(changed, MessageTemplate { updated_at: Timestamp::from_millis(9), ..before });
    }

    #[test]
    fn slugs_are_in_their_order() {
        assert!(EmailSlug::ALL.is_sorted() && SmsSlug::ALL.is_sorted());
        assert_eq!("invitation".parse::<SmsSlug>().map(SmsSlug::as_str), Ok("invitation"));
        assert_eq!("passkey_added".parse::<SmsSlug>(), Err(NoSuchMessage));
    }
}
