//! Secret API keys, in a form that leak scanners recognize offline.
//!
//! `sk_test_` or `sk_live_`, 43 characters of base62 (32 random bytes), then 6 characters of
//! base62: the CRC-32 of all that stands before. The checksum is no protection, only a label.
//! Never change the prefixes or the alphabet: scanners are configured with them.

use crate::{Secret, base62, random};

const LENGTH: usize = 8 + 43 + 6;
const CHECKED: usize = 8 + 43;

/// Which kind of environment a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    Live,
    Test,
}

/// Text that cannot be a secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a secret key")]
pub struct Malformed;

/// Draws a new key.
pub fn generate(live: bool) -> Secret<String> {
    let raw = Secret::new(random::bytes::<32>());
    let mut key = String::with_capacity(LENGTH);
    key.push_str(if live { "sk_live_" } else { "sk_test_" });
    key.push_str(&base62::encode_256(raw.expose()));
    key.push_str(&checksum(&key));
    Secret::new(key)
}

/// Checks form and checksum before anything is looked up.
pub fn check(key: &str) -> Result<Segment, Malformed> {
    let segment = match key.get(..8) {
        Some("sk_live_") => Segment::Live,
        Some("sk_test_") => Segment::Test,
        _ => return Err(Malformed),
    };
    if key.len() != LENGTH || !key[8..].bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Malformed);
    }
    if checksum(&key[..CHECKED]) != key[CHECKED..] {
        return Err(Malformed);
    }
    Ok(segment)
}

/// The first 12 characters, which may be kept and shown.
pub fn prefix(key: &str) -> &str {
    key.char_indices().nth(12).map_or(key, |(end, _)| &key[..end])
}

fn checksum(text: &str) -> String {
    base62::encode_32(crc32fast::hash(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_new_key_passes_its_own_check() {
        for (live, start, segment) in [(true, "sk_live_", Segment::Live), (false, "sk_test_", Segment::Test)] {
            let key = generate(live);
            assert!(key.expose().starts_with(start));
            assert_eq!(key.expose().len(), 57);
            assert_eq!(check(key.expose()), Ok(segment));
            assert_eq!(prefix(key.expose()), &key.expose()[..12]);
        }
    }

    #[test]
    fn a_known_key_keeps_its_checksum_for_ever() {
        let known = format!("sk_test_{}{}", "0".repeat(43), KNOWN_CHECKSUM);
        assert_eq!(check(&known), Ok(Segment::Test));
    }

    // CRC-32 (ISO-HDLC) of `sk_test_` and 43 zeros, in base62, reckoned apart from this code.
    const KNOWN_CHECKSUM: &str = "1NyHUD";

    #[test]
    fn every_change_of_one_character_is_noticed() {
        let key = generate(true);
        for at in 0..key.expose().len() {
            let mut bytes = key.expose().clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(check(&changed), Err(Malformed), "position {at}");
        }
    }

    #[test]
    fn shortened_and_lengthened_keys_are_refused() {
        let key = generate(false);
        for end in 0..57 {
            assert_eq!(check(&key.expose()[..end]), Err(Malformed));
        }
        assert_eq!(check(&format!("{}0", key.expose())), Err(Malformed));
        assert_eq!(check(&format!("{} ", key.expose())), Err(Malformed));
        assert_eq!(check("pk_test_abc"), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_check(text in "\\PC{0,80}") {
            let _ = check(&text);
            prop_assert!(text.starts_with(prefix(&text)));
        }

        #[test]
        fn a_key_of_the_right_form_needs_its_checksum(tail in "[0-9A-Za-z]{49}") {
            let key = format!("sk_live_{tail}");
            let right = checksum(&key[..CHECKED]) == key[CHECKED..];
            prop_assert_eq!(check(&key).is_ok(), right);
        }
    }
}
