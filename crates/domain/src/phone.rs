//! Phone numbers in E.164 form. Reading what people type is `protocols::phone`; here only the form counts.

use std::fmt;

/// A phone number in E.164 form: `+`, a country code, at most 15 digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone(String);

/// The text is no phone number in E.164 form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number in E.164 form")]
pub struct NotAPhone;

impl Phone {
    /// Reads a number that is in E.164 form already.
    pub fn from_e164(text: &str) -> Result<Self, NotAPhone> {
        let digits = text.strip_prefix('+').ok_or(NotAPhone)?;
        let proper =
            (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if proper { Ok(Self(text.to_owned())) } else { Err(NotAPhone) }
    }

    /// The number as it is shown and sent to.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the number is a test person's: `+15555550100` to `+15555550199`. Nothing is ever sent to one.
    pub fn is_test(&self) -> bool {
        self.0.len() == 12 && self.0.starts_with("+155555501")
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_e_164_form_is_a_number() {
        for good in ["+15555550100", "+4930123456", "+18", "+123456789012345"] {
            assert_eq!(Phone::from_e164(good).unwrap().as_str(), good);
        }
        for bad in ["", "+", "+0123456", "15555550100", "+1 555", "+1234567890123456", "+1٢345678"] {
            assert_eq!(Phone::from_e164(bad), Err(NotAPhone), "{bad}");
        }
    }

    #[test]
    fn a_hundred_numbers_are_for_tests() {
        let is_test = |text: &str| Phone::from_e164(text).unwrap().is_test();
        assert!(is_test("+15555550100") && is_test("+15555550199"));
        assert!(!is_test("+15555550200") && !is_test("+155555501000") && !is_test("+1555555010"));
    }
}
