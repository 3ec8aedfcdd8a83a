//! What a person types to say who they are.

use crate::email::{Email, EmailRules};
use crate::phone::Phone;
use crate::text::Username;

/// Which kind of name an identifier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifierKind {
    /// An e-mail address.
    EmailAddress,
    /// A phone number in E.164 form.
    PhoneNumber,
    /// A user name.
    Username,
}

impl IdentifierKind {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmailAddress => "email_address",
            Self::PhoneNumber => "phone_number",
            Self::Username => "username",
        }
    }
    /// Reads the word of the wire.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::EmailAddress, Self::PhoneNumber, Self::Username].into_iter().find(|k| k.as_str() == text)
    }
}

/// An identifier: as it is shown, and as it is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// Its kind.
    pub kind: IdentifierKind,
    /// As it is shown: trimmed, e-mail in lower case.
    pub shown: String,
    /// As it is compared.
    pub canonical: String,
}

impl Identifier {
    /// Reads an identifier: with `@` an e-mail address, in E.164 form a phone number, else a user name.
    /// `None` when it has the form of none of them.
    pub fn parse(text: &str, rules: EmailRules) -> Option<Self> {
        let text = text.trim();
        if text.contains('@') {
            let email = Email::parse(text).ok()?;
            return Some(Self::email(&email, rules));
        }
        let digits = text.strip_prefix('+').unwrap_or_default();
        if (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') {
            let text = text.to_owned();
            return Some(Self { kind: IdentifierKind::PhoneNumber, shown: text.clone(), canonical: text });
        }
        let username = Username::parse(text).ok()?;
        Some(Self { kind: IdentifierKind::Username, shown: username.as_str().to_owned(), canonical: username.key() })
    }

    /// The identifier that an e-mail address is.
    pub fn email(email: &Email, rules: EmailRules) -> Self {
        Self { kind: IdentifierKind::EmailAddress, shown: email.as_str().to_owned(), canonical: email.canonical(rules) }
    }

    /// The identifier that a phone number is.
    pub fn phone(number: &Phone) -> Self {
        let text = number.as_str().to_owned();
        Self { kind: IdentifierKind::PhoneNumber, shown: text.clone(), canonical: text }
    }

    /// Whether it is a test person's.
    pub fn is_test(&self) -> bool {
        match self.kind {
            IdentifierKind::EmailAddress => Email::parse(&self.shown).is_ok_and(|e| e.is_test()),
            IdentifierKind::PhoneNumber => Phone::from_e164(&self.canonical).is_ok_and(|p| p.is_test()),
            IdentifierKind::Username => false,
        }
    }
}
