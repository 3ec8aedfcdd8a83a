//! The ways to prove something. The words are the wire's; a strategy joins this list with its module.

/// A way to prove who one is, or that an address is one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// The password.
    Password,
    /// Six digits sent by e-mail.
    EmailCode,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Password, Self::EmailCode];

    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::EmailCode => "email_code",
        }
    }
    /// Reads the word of the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}
