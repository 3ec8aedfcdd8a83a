//! Short texts with a shape: user names, person names, locales, metadata.

use serde_json::{Map, Value};

/// A text that does not have its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text does not have the right form")]
pub struct BadText;

/// A user name: 4 to 64 of letters, digits, `_`, `.`, `-`; unique without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Reads a user name.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        let text = text.trim();
        let proper = (4..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if proper { Ok(Self(text.to_owned())) } else { Err(BadText) }
    }
    /// As it was chosen.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The form that is unique.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Reads a person's name or another short label: trimmed, not empty, at most `max` characters, no control characters.
pub fn label(text: &str, max: usize) -> Result<String, BadText> {
    let text = text.trim();
    let proper = !text.is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control);
    if proper { Ok(text.to_owned()) } else { Err(BadText) }
}

/// Reads a BCP 47 language tag, as far as its form goes.
pub fn locale(text: &str) -> Result<String, BadText> {
    let text = text.trim();
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let proper = text.len() <= 35
        && (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    if proper { Ok(text.to_owned()) } else { Err(BadText) }
}

/// The most a metadata bucket may hold, in bytes of its JSON text.
pub const METADATA_MAX: usize = 8 * 1024;

/// A bucket of metadata: an open JSON object of at most 8 KiB.
pub type Metadata = Map<String, Value>;

/// Whether the bucket fits.
pub fn metadata_fits(bucket: &Metadata) -> bool {
    serde_json::to_vec(bucket).is_ok_and(|text| text.len() <= METADATA_MAX)
}

/// Merges top-level keys: a value overwrites, null removes, nested objects are replaced.
pub fn merge_metadata(bucket: &mut Metadata, change: Metadata) {
    for (key, value) in change {
        if value.is_null() {
            bucket.shift_remove(&key);
        } else {
            bucket.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_user_name_has_its_shape() {
        assert!(Username::parse("ann_lee").is_ok());
        for bad in ["ann", "ann lee", "änne", "a@bc", &"a".repeat(65)] {
            assert!(Username::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Username::parse("AnnLee").unwrap().key(), "annlee");
    }

    #[test]
    fn metadata_merges_at_the_top_level_only() {
        let mut bucket = json!({"a": 1, "b": {"x": 1}, "c": 3}).as_object().unwrap().clone();
        merge_metadata(&mut bucket, json!({"a": null, "b": {"y": 2}, "d": 4}).as_object().unwrap().clone());
        assert_eq!(Value::Object(bucket), json!({"b": {"y": 2}, "c": 3, "d": 4}));
    }

    #[test]
    fn a_locale_is_a_language_tag() {
        assert!(locale("en").is_ok() && locale("pt-BR").is_ok() && locale("zh-Hant-TW").is_ok());
        assert!(locale("e").is_err() && locale("en_US").is_err() && locale("en-").is_err());
    }
}
