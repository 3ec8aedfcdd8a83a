use std::fmt;
use std::hash::{Hash, Hasher};

use subtle::ConstantTimeEq;

use crate::digest;

/// The SHA-256 of a random token: what is stored instead of it.
///
/// Only for values of at least 128 random bits; anything a person chose belongs in `password`.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Hashes a token.
    pub fn of(plain: &[u8]) -> Self {
        Self(digest::sha256(plain))
    }

    /// Hashes a token given as text.
    pub fn of_str(plain: &str) -> Self {
        Self::of(plain.as_bytes())
    }

    /// Reads a stored hash; `None` unless it is exactly 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this is the hash of the given token, in constant time.
    pub fn matches(&self, plain: &[u8]) -> bool {
        *self == Self::of(plain)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl Hash for TokenHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({})", digest::hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_only_its_own_hash() {
        let hash = TokenHash::of_str("token");

        assert!(hash.matches(b"token"));
        for wrong in [&b"Token"[..], b"toke", b"token ", b""] {
            assert!(!hash.matches(wrong));
        }
    }

    #[test]
    fn a_stored_hash_comes_back_and_a_damaged_one_does_not() {
        let hash = TokenHash::of_str("token");

        assert_eq!(TokenHash::from_bytes(hash.as_bytes()), Some(hash));
        assert_eq!(TokenHash::from_bytes(&hash.as_bytes()[..31]), None);
        assert_eq!(TokenHash::from_bytes(&[0; 33]), None);
    }
}
