//! The ways to prove something. The words are the wire's; a strategy joins this list with its module.

/// A way to prove who one is, or that an address or a number is one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// The password.
    Password,
    /// Six digits sent by e-mail.
    EmailCode,
    /// A link sent by e-mail.
    EmailLink,
    /// Six digits sent by e-mail that let a new password be chosen.
    ResetPasswordEmailCode,
    /// Six digits sent by SMS.
    PhoneCode,
    /// Six digits of an authenticator app (RFC 6238).
    Totp,
    /// A code of a printed list, each good once.
    BackupCode,
    /// A key that a device holds (WebAuthn).
    Passkey,
    /// A secret that a backend or a mail handed out, good once.
    Ticket,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Password,
        Self::EmailCode,
        Self::EmailLink,
        Self::ResetPasswordEmailCode,
        Self::PhoneCode,
        Self::Totp,
        Self::BackupCode,
        Self::Passkey,
        Self::Ticket,
    ];

    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::EmailCode => "email_code",
            Self::EmailLink => "email_link",
            Self::ResetPasswordEmailCode => "reset_password_email_code",
            Self::PhoneCode => "phone_code",
            Self::Totp => "totp",
            Self::BackupCode => "backup_code",
            Self::Passkey => "passkey",
            Self::Ticket => "ticket",
        }
    }
    /// Reads the word of the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Wrong answers after which a challenge by it fails: a ceremony is tried once, a code a few times.
    pub const fn max_attempts(self) -> u32 {
        match self {
            Self::Passkey | Self::Ticket => 1,
            _ => 5,
        }
    }

    /// Whether a challenge by it sends something to a mailbox.
    pub const fn is_mailed(self) -> bool {
        matches!(self, Self::EmailCode | Self::EmailLink | Self::ResetPasswordEmailCode)
    }

    /// Whether a challenge by it sends something to a phone.
    pub const fn is_texted(self) -> bool {
        matches!(self, Self::PhoneCode)
    }
}
