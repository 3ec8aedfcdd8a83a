//! Templates that tokens of an operator's own shape are minted by.
//!
//! Such a token never counts as a session token: its header says what it is, and none of the claims that a verifier
//! reads a session, an organization or a second factor from can stand in a template.

use crate::id::JwtTemplateId;
use crate::time::Timestamp;
use crypto::jws::KeyKind;
use serde_json::{Map, Value};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The `typ` of every token that is minted by a template.
pub const TOKEN_TYPE: &str = "template+jwt";

/// The longest token, in bytes: what a cookie holds.
pub const TOKEN_MAX: usize = 4096;

/// The largest claims, in bytes of their JSON text.
pub const CLAIMS_MAX: usize = 8 * 1024;
/// How deep claims may nest, the object itself counted.
pub const CLAIMS_DEPTH: usize = 5;
/// How many members claims may have, at all depths together.
pub const CLAIMS_KEYS: usize = 100;

/// How long a token may live, in seconds.
pub const LIFETIME: RangeInclusive<i64> = 30..=86_400;
/// How far a token may be dated back, in seconds.
pub const CLOCK_SKEW: RangeInclusive<i64> = 0..=300;

/// The name of the token that is no template's: the session token in its ordinary shape.
pub const DEFAULT: &str = "default";
/// The name of the session token in its flat shape.
pub const FLAT: &str = "flat";

/// Names that mean something else where a template's name can stand.
const RESERVED_NAMES: [&str; 3] = [DEFAULT, FLAT, "preview"];

/// What is written at the mint, whatever a template says.
pub const FORCED_CLAIMS: [&str; 4] = ["iat", "nbf", "exp", "jti"];

/// What a verifier reads a session, an organization or a second factor from.
const SESSION_CLAIMS: [&str; 10] = ["sid", "azp", "org", "act", "fva", "v", "sts", "token_use", "entcon", "entacc"];

/// Whether a template may not hold this claim.
pub fn is_reserved(claim: &str) -> bool {
    FORCED_CLAIMS.contains(&claim) || SESSION_CLAIMS.contains(&claim)
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// A secret that both sides know, with SHA-256.
    Hs256,
}

impl SigningAlgorithm {
    /// The word of the wire and the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }
    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256, Self::Hs256].into_iter().find(|algorithm| algorithm.as_str() == text)
    }
    /// The kind of key that signs so.
    pub const fn key_kind(self) -> KeyKind {
        match self {
            Self::Rs256 => KeyKind::Rsa,
            Self::Es256 => KeyKind::P256,
            Self::Hs256 => KeyKind::Shared,
        }
    }
    /// The environment's own algorithm of this name; a shared secret is never the environment's.
    pub const fn of_environment(self) -> Option<crypto::jws::Algorithm> {
        match self {
            Self::Rs256 => Some(crypto::jws::Algorithm::Rs256),
            Self::Es256 => Some(crypto::jws::Algorithm::Es256),
            Self::Hs256 => None,
        }
    }
}

/// A name that a template may be asked for by: letters, digits, `_`, `-`; upper case is asked in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateName(String);

impl TemplateName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is the name of no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It has another form than names have.
    #[error("a name is a letter of a-z, then up to 63 of a-z, 0-9, `_` and `-`")]
    Form,
    /// It means something else already.
    #[error("the name is reserved")]
    Reserved,
}

impl FromStr for TemplateName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let proper = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if proper { Ok(Self(text.to_owned())) } else { Err(BadName::Form) }
    }
}

/// Reads the name of a new template.
pub fn new_name(text: &str) -> Result<String, BadName> {
    let proper = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.parse::<TemplateName>().is_ok()
        && !text.bytes().any(|b| b.is_ascii_uppercase());
    match proper {
        false => Err(BadName::Form),
        true if RESERVED_NAMES.contains(&text) => Err(BadName::Reserved),
        true => Ok(text.to_owned()),
    }
}

/// A key that an operator brought for one template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomKey {
    /// What it is.
    pub kind: KeyKind,
    /// The private part, sealed under the environment's data key.
    pub sealed: String,
    /// Tells it from others: the second half of the `kid`.
    pub fingerprint: String,
    /// The public half of a pair, without `kid`.
    pub public_jwk: Option<Value>,
}

/// A template.
#[derive(Debug, Clone, PartialEq)]
pub struct JwtTemplate {
    /// Its id.
    pub id: JwtTemplateId,
    /// What it is asked for by.
    pub name: String,
    /// The claims, with placeholders.
    pub claims: Map<String, Value>,
    /// How long a token lives, in seconds.
    pub lifetime: i64,
    /// How far a token is dated back, in seconds.
    pub allowed_clock_skew: i64,
    /// How a token is signed.
    pub signing_algorithm: SigningAlgorithm,
    /// The operator's own key; else the environment's signs.
    pub custom_key: Option<CustomKey>,
    /// When a token was last minted, about.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Why a key cannot sign a template's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyMismatch {
    /// A shared secret has to be brought.
    #[error("HS256 needs a custom signing key")]
    Missing,
    /// The key is for another algorithm.
    #[error("the key is of another kind than the algorithm needs")]
    OtherKind,
}

impl JwtTemplate {
    /// Whether its key signs what it says.
    pub fn check_key(&self) -> Result<(), KeyMismatch> {
        let wanted = self.signing_algorithm.key_kind();
        match &self.custom_key {
            None if wanted == KeyKind::Shared => Err(KeyMismatch::Missing),
            Some(key) if key.kind != wanted => Err(KeyMismatch::OtherKind),
            _ => Ok(()),
        }
    }

    /// The `kid` of its own key: it changes when the key does.
    pub fn custom_kid(&self) -> Option<String> {
        self.custom_key.as_ref().map(|key| format!("{}.{}", self.id, key.fingerprint))
    }

    /// The environment's algorithm that signs; none when its own key does.
    pub fn environment_algorithm(&self) -> Option<crypto::jws::Algorithm> {
        if self.custom_key.is_some() { None } else { self.signing_algorithm.of_environment() }
    }

    /// Whether both say the same; when they were last used is nothing that they say.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let said = |template: &Self| Self { last_used_at: None, ..template.clone() };
        said(self) == said(other)
    }
}

/// What is wrong with the form of claims, before anything in them is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadClaims {
    /// Longer than [`CLAIMS_MAX`].
    TooLong,
    /// Deeper than [`CLAIMS_DEPTH`].
    TooDeep,
    /// More members than [`CLAIMS_KEYS`].
    TooMany,
}

impl BadClaims {
    /// The word that programs match on.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::TooDeep => "too_deep",
            Self::TooMany => "too_many_keys",
        }
    }
}

/// Checks the form of claims.
pub fn check_claims(claims: &Map<String, Value>) -> Result<(), BadClaims> {
    if serde_json::to_vec(claims).map_or(true, |text| text.len() > CLAIMS_MAX) {
        return Err(BadClaims::TooLong);
    }
    let mut keys = 0;
    check_members(claims, 1, &mut keys)?;
    if keys > CLAIMS_KEYS { Err(BadClaims::TooMany) } else { Ok(()) }
}

// Goes no deeper than is allowed.
fn check_members(members: &Map<String, Value>, depth: usize, keys: &mut usize) -> Result<(), BadClaims> {
    *keys += members.len();
    members.values().try_for_each(|value| check_value(value, depth + 1, keys))
}

fn check_value(value: &Value, depth: usize, keys: &mut usize) -> Result<(), BadClaims> {
    if depth > CLAIMS_DEPTH && (value.is_object() || value.is_array()) {
        return Err(BadClaims::TooDeep);
    }
    match value {
        Value::Object(members) => check_members(members, depth, keys),
        Value::Array(list) => list.iter().try_for_each(|value| check_value(value, depth + 1, keys)),
        _ => Ok(()),
    }
}

/// The members of claims that may not stand there.
pub fn reserved_claims(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    claims.keys().map(String::as_str).filter(|name| is_reserved(name))
}

/// The members of claims that the standard gives another type (RFC 7519 section 4.1).
pub fn mistyped_claims(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let proper = |name: &str, value: &Value| match name {
        "iss" | "sub" => value.is_string(),
        "aud" => match value {
            Value::Array(list) => list.iter().all(Value::is_string),
            other => other.is_string(),
        },
        _ => true,
    };
    claims.iter().filter(move |(name, value)| !proper(name, value)).map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(claims: Value) -> Result<(), BadClaims> {
        check_claims(claims.as_object().unwrap())
    }

    #[test]
    fn names_are_short_and_lower_case_and_none_is_taken_by_us() {
        for name in ["a", "hasura", "a-b_c9", &format!("a{}", "b".repeat(63))] {
            assert_eq!(new_name(name).as_deref(), Ok(name));
            assert!(name.parse::<TemplateName>().is_ok());
        }
        for name in ["", "A", "9a", "-a", "_a", "a b", "a.b", "ä", "a/b", &format!("a{}", "b".repeat(64))] {
            assert_eq!(new_name(name), Err(BadName::Form), "{name}");
        }
        for name in ["default", "flat", "preview"] {
            assert_eq!(new_name(name), Err(BadName::Reserved));
        }
        for (asked, fits) in
            [("Any-Case_9", true), ("9", true), ("", false), ("a.b", false), ("a/b", false), ("é", false)]
        {
            assert_eq!(asked.parse::<TemplateName>().is_ok(), fits, "{asked}");
        }
    }

    #[test]
    fn claims_have_bounds() {
        assert_eq!(checked(json!({})), Ok(()));
        assert_eq!(checked(json!({ "a": { "b": { "c": { "d": 1 } } } })), Ok(()));
        assert_eq!(checked(json!({ "a": { "b": [[{ "d": 1 }]] } })), Ok(()));
        assert_eq!(checked(json!({ "a": { "b": { "c": { "d": { "e": {} } } } } })), Err(BadClaims::TooDeep));
        assert_eq!(checked(json!({ "a": [[[[[]]]]] })), Err(BadClaims::TooDeep));
        let many = |n: usize| Value::Object((0..n).map(|n| (format!("k{n}"), json!(1))).collect());
        assert_eq!((checked(many(100)), checked(many(101))), (Ok(()), Err(BadClaims::TooMany)));
        assert_eq!(checked(json!({ "a": many(50), "b": [many(30), many(18)] })), Ok(()));
        assert_eq!(checked(json!({ "a": many(50), "b": [many(30), many(19)] })), Err(BadClaims::TooMany));
        let long = |n: usize| json!({ "a": "x".repeat(n) });
        assert_eq!((checked(long(8192 - 8)), checked(long(8192 - 7))), (Ok(()), Err(BadClaims::TooLong)));
    }

    #[test]
    fn no_claim_that_tells_of_a_session_can_stand_in_a_template() {
        let claims = json!({ "sub": "x", "iat": 1, "nbf": 1, "exp": 1, "jti": "x", "sid": "x", "azp": "x", "org": {},
            "act": {}, "fva": [0, 0], "v": 2, "sts": "active", "token_use": "cookie", "entcon": "x", "entacc": "x",
            "nested": { "sid": "fine" }, "Sid": "another name", "pnv": true, "was_test": true });
        let reserved: Vec<&str> = reserved_claims(claims.as_object().unwrap()).collect();
        assert_eq!(reserved.len(), 14, "{reserved:?}");
        assert!(!reserved.contains(&"sub") && !reserved.contains(&"nested") && !reserved.contains(&"Sid"));
    }

    #[test]
    fn standard_claims_have_their_types() {
        let wrong = json!({ "iss": 1, "sub": {}, "aud": ["a", 1], "x": 1 });
        assert_eq!(mistyped_claims(wrong.as_object().unwrap()).count(), 3);
        for aud in [json!("a"), json!(["a", "{{user.id}}"]), json!([])] {
            assert_eq!(mistyped_claims(json!({ "aud": aud, "iss": "", "sub": "x" }).as_object().unwrap()).count(), 0);
        }
    }

    #[test]
    fn a_key_signs_with_its_own_algorithm_only() {
        let mut template = JwtTemplate {
            id: crate::NewId::new(Timestamp::from_millis(1), [1; 10]),
            name: "a".into(),
            claims: Map::new(),
            lifetime: 60,
            allowed_clock_skew: 5,
            signing_algorithm: SigningAlgorithm::Hs256,
            custom_key: None,
            last_used_at: None,
            created_at: Timestamp::from_millis(1),
            updated_at: Timestamp::from_millis(1),
        };
        assert_eq!(template.check_key(), Err(KeyMismatch::Missing));
        for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Es256, SigningAlgorithm::Hs256] {
            template.signing_algorithm = algorithm;
            for kind in KeyKind::ALL {
                let key = CustomKey { kind, sealed: "s".into(), fingerprint: "f".into(), public_jwk: None };
                template.custom_key = Some(key);
                assert_eq!(template.check_key().is_ok(), kind == algorithm.key_kind(), "{algorithm:?} {kind:?}");
            }
        }
        assert_eq!(template.custom_kid(), Some(format!("{}.f", template.id)));
    }
}
