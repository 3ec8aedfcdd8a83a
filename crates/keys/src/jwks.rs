//! The published keys, ready to be served.

use serde_json::{Value, json};

/// A JWK set (RFC 7517 section 5) as bytes, with its strong entity tag.
#[derive(Debug, Clone)]
pub struct Jwks {
    /// The document.
    pub body: String,
    /// Its tag, quotes included (RFC 9110 section 8.8.3).
    pub etag: String,
}

impl Jwks {
    /// A set of these keys.
    pub fn of(keys: Vec<Value>) -> Self {
        let body = json!({ "keys": keys }).to_string();
        let etag = format!("\"{}\"", &crypto::digest::sha256_hex(body.as_bytes())[..32]);
        Self { body, etag }
    }
}
