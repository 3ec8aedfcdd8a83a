use std::collections::HashSet;
use std::sync::LazyLock;

/// What a person may choose as a password.
#[derive(Debug, Clone, Copy)]
pub struct Policy;

/// A password of a length nobody may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    #[error("the password has fewer than {} characters", Policy::MIN_CHARS)]
    TooShort,
    #[error("the password has more than {} characters", Policy::MAX_CHARS)]
    TooLong,
}

impl Policy {
    pub const MIN_CHARS: usize = 8;
    pub const MAX_CHARS: usize = 1024;
    pub const MAX_BYTES: usize = 4096;

    /// Checks the length in characters (Unicode scalar values), and in bytes above.
    pub fn check_length(password: &str) -> Result<(), LengthError> {
        if password.len() > Self::MAX_BYTES {
            return Err(LengthError::TooLong);
        }
        match password.chars().count() {
            0..Self::MIN_CHARS => Err(LengthError::TooShort),
            Self::MIN_CHARS..=Self::MAX_CHARS => Ok(()),
            _ => Err(LengthError::TooLong),
        }
    }

    /// Whether the password stands in the bundled list of the most common ones, in any case.
    pub fn is_common(password: &str) -> bool {
        static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common.txt").lines().collect());
        COMMON.contains(password.to_lowercase().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        for (password, verdict) in [
            ("sevenxx".to_owned(), Err(LengthError::TooShort)),
            ("eightxxx".to_owned(), Ok(())),
            ("äöüäöüä".to_owned(), Err(LengthError::TooShort)),
            ("äöüäöüäö".to_owned(), Ok(())),
            ("x".repeat(1024), Ok(())),
            ("x".repeat(1025), Err(LengthError::TooLong)),
            ("🔑".repeat(1024), Ok(())),
            ("x".repeat(1_000_000), Err(LengthError::TooLong)),
            (String::new(), Err(LengthError::TooShort)),
        ] {
            assert_eq!(Policy::check_length(&password), verdict);
        }
    }

    #[test]
    fn common_passwords_are_known_in_any_case() {
        for password in [
            "password",
            "PASSWORD",
            "Password1",
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "letmein1",
            "P@ssw0rd",
            "password123",
            "Passw0rd!",
            "Sunshine",
            "trustno1",
        ] {
            assert!(Policy::is_common(password), "{password}");
        }
        for password in ["", "correct horse battery staple", "xK9#mQ2vL7", "passwort-für-mich"] {
            assert!(!Policy::is_common(password), "{password}");
        }
    }

    #[test]
    fn the_list_is_sorted_lower_case_and_holds_only_what_the_length_lets_through() {
        let lines: Vec<&str> = include_str!("common.txt").lines().collect();

        assert!(lines.len() >= 10_000);
        assert!(lines.is_sorted_by(|a, b| a < b));
        assert!(lines.iter().all(|line| line.to_lowercase() == **line));
        assert!(lines.iter().all(|line| Policy::check_length(line).is_ok()));
    }
}
