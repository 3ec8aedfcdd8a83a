//! Authenticator apps and backup codes: what of them is decided without a secret.

use crate::id::{TotpSecretId, UserId};
use crate::time::{Timestamp, hours};
use std::time::Duration;

/// How long an enrolment that nobody confirms stays open.
pub const ENROLMENT_LIFETIME: Duration = hours(24);

/// The secret of an authenticator app. A person has one at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpSecret {
    /// Its id.
    pub id: TotpSecretId,
    /// Whose it is.
    pub user_id: UserId,
    /// The secret, sealed for its row.
    pub sealed_secret: String,
    /// When a code of it was first shown; none while the enrolment is open.
    pub verified_at: Option<Timestamp>,
    /// The newest step whose code was taken: no code of it or of one before counts again.
    pub last_step: i64,
    /// When the enrolment began.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl TotpSecret {
    /// Whether it is anything at this time: confirmed, or an enrolment that may still be confirmed.
    pub fn stands(&self, now: Timestamp) -> bool {
        self.verified_at.is_some() || now < self.created_at + ENROLMENT_LIFETIME
    }

    /// Takes the first code of it, of this step.
    pub fn confirm(&mut self, step: i64, now: Timestamp) {
        self.verified_at = Some(now);
        self.last_step = step;
        self.updated_at = now;
    }
}

/// Reads the code of an authenticator app as people type it: six digits, with or without spaces.
pub fn totp_code(text: &str) -> Option<String> {
    let code: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    (code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())).then_some(code)
}

/// Reads a backup code as people type it: any case, the hyphen left out or not. The form that is hashed has none.
pub fn backup_code(text: &str) -> Option<String> {
    let typed = text.trim().to_ascii_lowercase();
    let code = match typed.split_once('-') {
        Some((head, tail)) if head.len() == 4 => format!("{head}{tail}"),
        Some(_) => return None,
        None => typed,
    };
    (code.len() == 8 && code.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NewId;

    #[test]
    fn an_open_enrolment_stands_for_a_day_and_a_confirmed_one_for_good() {
        let now = Timestamp::from_millis(1_000_000);
        let mut secret = TotpSecret {
            id: TotpSecretId::new(now, [0; 10]),
            user_id: UserId::new(now, [0; 10]),
            sealed_secret: String::new(),
            verified_at: None,
            last_step: 0,
            created_at: now,
            updated_at: now,
        };
        let later = now + ENROLMENT_LIFETIME;
        assert!(secret.stands(now) && secret.stands(later - Duration::from_millis(1)) && !secret.stands(later));
        secret.confirm(33, now);
        assert!(secret.stands(later));
        assert_eq!((secret.verified_at, secret.last_step), (Some(now), 33));
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        for typed in ["123456", "123 456", " 123456 ", "12 34 56"] {
            assert_eq!(totp_code(typed).as_deref(), Some("123456"), "{typed:?}");
        }
        for typed in ["", "12345", "1234567", "12345a", "１２３４５６", "-123456", "123-456"] {
            assert_eq!(totp_code(typed), None, "{typed:?}");
        }
        for typed in ["abcd-0123", "ABCD-0123", " abcd-0123\n", "abcd0123", "ABcd0123"] {
            assert_eq!(backup_code(typed).as_deref(), Some("abcd0123"), "{typed:?}");
        }
        for typed in
            ["", "-", "abcd-012", "abcd-01234", "abc-d0123", "abcd-0-23", "abcd--0123", "ab cd0123", "äbcd-012"]
        {
            assert_eq!(backup_code(typed), None, "{typed:?}");
        }
    }
}
