//! Entity tags (RFC 9110 section 8.8): what a document is called as long as it says the same.

use serde::Serialize;
use std::fmt;

/// The tag of a document: a hash of its canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of a value.
    pub fn of(value: &impl Serialize) -> Self {
        let value = serde_json::to_value(value).expect("a value of ours has a JSON form");
        Self(format!("sha256:{}", crypto::digest::sha256_hex(crypto::canonical_json::canonical(&value).as_bytes())))
    }

    /// The tag without the quotes that a header puts around it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag as a header carries it.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tags that a request names, in `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Named {
    /// The request has no such header.
    #[default]
    Nothing,
    /// `*`: whatever is there.
    Anything,
    /// These, as they were written.
    Tags(Vec<String>),
}

impl Named {
    /// Reads a header. What is no tag names none.
    pub fn read(header: Option<&str>) -> Self {
        match header.map(str::trim) {
            None => Self::Nothing,
            Some("*") => Self::Anything,
            // Tags of ours hold no comma.
            Some(list) => Self::Tags(list.split(',').map(|tag| tag.trim().to_owned()).collect()),
        }
    }

    /// Whether `If-Match` lets a write through. A weak tag promises too little to overwrite anything.
    pub fn lets_write(&self, current: &ETag) -> bool {
        match self {
            Self::Nothing | Self::Anything => true,
            Self::Tags(tags) => tags.contains(&current.quoted()),
        }
    }

    /// Whether `If-None-Match` says that the caller has this already.
    pub fn has(&self, current: &ETag) -> bool {
        let same = |tag: &String| tag.strip_prefix("W/").unwrap_or(tag) == current.quoted();
        match self {
            Self::Nothing => false,
            Self::Anything => true,
            Self::Tags(tags) => tags.iter().any(same),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tag_is_of_what_is_said_and_not_of_its_spelling() {
        let tag = ETag::of(&json!({"b": 1, "a": {"d": [], "c": null}}));
        assert_eq!(tag, ETag::of(&json!({"a": {"c": null, "d": []}, "b": 1})));
        assert_ne!(tag, ETag::of(&json!({"a": {"c": null, "d": []}, "b": 2})));
        assert!(tag.as_str().starts_with("sha256:") && tag.as_str().len() == 71);
    }

    #[test]
    fn a_write_needs_the_very_tag_and_a_read_takes_a_weak_one() {
        let tag = ETag::of(&1);
        let (strong, weak) = (tag.quoted(), format!("W/{}", tag.quoted()));
        for (header, writes, has) in [
            (None, true, false),
            (Some("*".to_owned()), true, true),
            (Some(strong.clone()), true, true),
            (Some(format!("\"x\" , {strong}")), true, true),
            (Some(weak), false, true),
            (Some("\"x\"".to_owned()), false, false),
            (Some(tag.to_string()), false, false),
            (Some(String::new()), false, false),
        ] {
            let named = Named::read(header.as_deref());
            assert_eq!((named.lets_write(&tag), named.has(&tag)), (writes, has), "{header:?}");
        }
    }
}
