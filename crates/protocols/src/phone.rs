//! Telephone numbers, in the one form that is stored and compared: E.164.

use phonenumber::{Mode, PhoneNumber};

/// The longest text that is looked at: numbers with their white space and brackets.
const LONGEST: usize = 32;

/// Reads a number that begins with `+` and is in use somewhere, as E.164.
///
/// Every digit that was typed is kept, but for a national prefix in brackets (`+44 (0)20 ...`): a reader that
/// drops another digit would send somebody else's code. Numbers of the test range need not exist.
pub fn normalise(text: &str) -> Option<String> {
    let text = text.trim();
    let typed = digits_of(text)?;
    if !text.starts_with('+') || !typed.starts_with(|c: char| ('1'..='9').contains(&c)) {
        return None;
    }
    let plain = format!("+{typed}");
    if is_test(&plain) {
        return Some(plain);
    }
    let without_prefix = format!("+{}", digits_of(&text.replacen("(0)", "", 1))?);
    [plain, without_prefix].into_iter().find(|typed| valid(typed).as_ref() == Some(typed))
}

/// Reads a number as it is dialled in a region (`DE`, `US`); with a `+` the region does not count.
pub fn normalise_in(text: &str, region: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('+') {
        return normalise(text);
    }
    digits_of(text)?;
    let region = region.parse::<phonenumber::country::Id>().ok()?;
    let number = phonenumber::parse(Some(region), text).ok()?;
    let number = number.format().mode(Mode::E164).to_string();
    // What came out has to be a number of its own: it will be read again in that form.
    normalise(&number).filter(|again| *again == number)
}

/// Whether a number in E.164 belongs to the range that is never sent to: +1 (555) 555-0100 to 0199.
pub fn is_test(number: &str) -> bool {
    number
        .strip_prefix("+155555501")
        .is_some_and(|last| last.len() == 2 && last.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The region of a number in E.164, such as `DE`; `None` when it has none, as satellites do.
pub fn country(number: &str) -> Option<String> {
    if is_test(number) {
        return Some("US".to_owned());
    }
    Some(phonenumber::parse(None, number).ok()?.country().id()?.as_ref().to_owned())
}

/// The digits of a text that holds nothing but what people put into numbers.
fn digits_of(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}');
    let rest = text.strip_prefix('+').unwrap_or(text);
    let fits = text.len() <= LONGEST && rest.chars().all(plain);
    fits.then(|| rest.chars().filter(char::is_ascii_digit).collect())
}

/// Reads `+` and digits; `None` unless such a number can be in use.
fn valid(plain: &str) -> Option<String> {
    let number: PhoneNumber = phonenumber::parse(None, plain).ok()?;
    let e164 = number.format().mode(Mode::E164).to_string();
    let digits = e164.strip_prefix('+')?;
    let shaped = (2..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    (number.is_valid() && shaped).then_some(e164)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_number_has_one_form() {
        for text in ["+41446681800", "+41 44 668 18 00", "+41 (0)44 668-18-00", " +41.44.668.1800 ", "+41/446681800"] {
            assert_eq!(normalise(text).as_deref(), Some("+41446681800"), "{text}");
        }
        assert_eq!(normalise("+39 06 698 12345").as_deref(), Some("+390669812345"));
        assert_eq!(normalise("+1 (650) 253-0000").as_deref(), Some("+16502530000"));
    }

    #[test]
    fn a_region_stands_in_for_the_plus() {
        assert_eq!(normalise_in("044 668 18 00", "CH").as_deref(), Some("+41446681800"));
        assert_eq!(normalise_in("(650) 253-0000", "US").as_deref(), Some("+16502530000"));
        assert_eq!(normalise_in("+41446681800", "US").as_deref(), Some("+41446681800"));
        assert_eq!(normalise_in("044 668 18 00", "US"), None);
        assert_eq!(normalise_in("044 668 18 00", "??"), None);
        assert_eq!(normalise("044 668 18 00"), None);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "+",
            "+1",
            "+0446681800",
            "+10000000000",
            "+999123456789",
            "+41446681800 ext. 5",
            "tel:+41446681800",
            "+41446681800;ext=5",
            "+41 44 668 18 00 +41",
            "++41446681800",
            "+4144668180\u{0660}",
            "+41446681800\0",
            "+414466818001234567890123456789012",
            "hello",
        ] {
            assert_eq!(normalise(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_test_range_is_a_hundred_numbers() {
        assert_eq!(normalise("+1 (555) 555-0100").as_deref(), Some("+15555550100"));
        assert_eq!(normalise("+15555550199").as_deref(), Some("+15555550199"));
        for text in ["+15555550099", "+15555550200", "+155555501000", "+1555555010", "+15555550a00"] {
            assert!(!is_test(text) && normalise(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_region_of_a_number_is_known() {
        assert_eq!(country("+41446681800").as_deref(), Some("CH"));
        assert_eq!(country("+16502530000").as_deref(), Some("US"));
        assert_eq!(country("+15555550100").as_deref(), Some("US"));
        assert_eq!(country("nonsense"), None);
    }

    #[test]
    fn the_example_of_every_region_is_kept_digit_by_digit() {
        let examples: Vec<String> = phonenumber::metadata::DATABASE
            .iter()
            .flat_map(|region| {
                let kinds = region.descriptors();
                [kinds.fixed_line(), kinds.mobile()]
                    .into_iter()
                    .flatten()
                    .filter_map(|kind| kind.example().map(|example| format!("+{}{example}", region.country_code())))
                    .collect::<Vec<_>>()
            })
            .collect();

        let refused: Vec<&String> = examples.iter().filter(|text| normalise(text).as_ref() != Some(*text)).collect();

        assert!(examples.len() > 400, "{}", examples.len());
        assert_eq!(refused, Vec::<&String>::new());
    }

    proptest! {
        #[test]
        fn whatever_is_typed_the_result_reads_as_itself(text in "\\+?[0-9() ./-]{0,24}") {
            if let Some(number) = normalise(&text) {
                prop_assert_eq!(normalise(&number), Some(number.clone()));
                prop_assert!(number.len() <= 16 && number.starts_with('+'));
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}", region in "[A-Z]{2}") {
            let _ = normalise(&text);
            let _ = normalise_in(&text, &region);
            let _ = country(&text);
        }
    }
}
