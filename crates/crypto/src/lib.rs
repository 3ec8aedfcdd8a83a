//! Everything cryptographic and nothing else.
//!
//! The secret kept here: which primitive serves which purpose, and how its input is framed. No
//! input or output, no product rows; callers see secrets only as [`Secret`], stored tokens only
//! as [`TokenHash`], and compare both in constant time without knowing it.

pub mod base64url;
pub mod canonical_json;
pub mod digest;
pub mod jws;
pub mod mac;
pub mod password;
pub mod random;
pub mod seal;
pub mod secret_key;
pub mod strict_json;
pub mod totp;

mod base62;
mod secret;
mod token_hash;

pub use mac::MacKey;
pub use secret::Secret;
pub use token_hash::TokenHash;
