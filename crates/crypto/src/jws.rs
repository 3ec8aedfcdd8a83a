//! Signed tokens: compact JWS (RFC 7515), two algorithms, one reading.
//!
//! ES256 goes through ring; RS256 is signed by OpenSSL, which is twice as fast at it, and
//! verified by ring. A verifier is pinned to one key and one algorithm: the header of a token
//! chooses neither (RFC 8725 sections 3.1 and 3.2).

mod brought;
mod claims;
mod header;
mod signer;
mod verifier;

use std::fmt;
use std::str::FromStr;

pub use brought::{BroughtKey, BroughtKeyError, BroughtSigner, KeyKind, MacSigner};
pub use claims::{ClaimError, audience_contains, integer, require_issuer, string, validate_times};
pub use header::{Header, MAX_TOKEN_LEN, parse_unverified_header};
pub use signer::{KeyError, SignError, Signer, generate_pkcs8};
pub use verifier::{Claims, JwkError, Verified, Verifier, thumbprint};

use crate::strict_json::StrictJsonError;

/// A signature algorithm this platform signs with and accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Es256,
    Rs256,
}

impl Algorithm {
    /// The name in the JOSE registry (RFC 7518 section 3.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnsupportedAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnsupportedAlgorithm> {
        match name {
            "ES256" => Ok(Self::Es256),
            "RS256" => Ok(Self::Rs256),
            _ => Err(UnsupportedAlgorithm),
        }
    }
}

/// A name that is none of our algorithms, `none` and the HMAC family included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a supported signature algorithm")]
pub struct UnsupportedAlgorithm;

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    #[error("longer than a token may be")]
    TooLong,
    #[error("not three base64url parts")]
    Malformed,
    #[error("the header is not strict JSON")]
    Header(#[source] StrictJsonError),
    #[error("the header parameter `{0}` is missing, malformed or not allowed")]
    Parameter(&'static str),
    #[error("signed with an algorithm that is not supported")]
    UnsupportedAlgorithm,
    #[error("meant for another key or algorithm")]
    OtherKey,
    #[error("the signature is wrong")]
    BadSignature,
    #[error("the claims are not a strict JSON object")]
    Claims(#[source] StrictJsonError),
}

/// Whether a key id is one that may be looked up: no separators, no quotes, bounded.
fn is_key_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests;
