use std::fmt;

use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};

use super::header::take_apart;
use super::{Algorithm, Header, JwsError, is_key_id};
use crate::{base64url, digest, strict_json};

/// What a token claims, in the order it was written.
pub type Claims = Map<String, Value>;

/// Claims nest no deeper than this.
const MAX_DEPTH: usize = 32;

/// Why a JWK cannot verify anything here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    #[error("the JWK member `{0}` is missing, malformed or not supported")]
    Member(&'static str),
    #[error("the RSA key has fewer than 2048 or more than 8192 bits")]
    Size,
}

/// A token whose signature is right; who may use it for what is still to be checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    pub header: Header,
    pub claims: Claims,
}

/// One public key, pinned to its id and its algorithm.
pub struct Verifier {
    alg: Algorithm,
    kid: String,
    key: Key,
}

enum Key {
    Es256(UnparsedPublicKey<Vec<u8>>),
    Rs256(RsaPublicKeyComponents<Vec<u8>>),
}

impl Verifier {
    /// Reads a public JWK (RFC 7517); the key type decides the algorithm, `alg` may only agree.
    pub fn from_jwk(jwk: &Value) -> Result<Self, JwkError> {
        let kid = member(jwk, "kid")?;
        if !is_key_id(kid) {
            return Err(JwkError::Member("kid"));
        }
        let (alg, key) = match member(jwk, "kty")? {
            "EC" => (Algorithm::Es256, ec_key(jwk)?),
            "RSA" => (Algorithm::Rs256, rsa_key(jwk)?),
            _ => return Err(JwkError::Member("kty")),
        };
        for (name, expected) in [("alg", alg.as_str()), ("use", "sig")] {
            if jwk.get(name).is_some_and(|value| value != expected) {
                return Err(JwkError::Member(name));
            }
        }
        let kid = kid.to_owned();
        Ok(Self { alg, kid, key })
    }

    /// The algorithm this key is pinned to.
    pub const fn algorithm(&self) -> Algorithm {
        self.alg
    }

    /// The id this key is pinned to.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Reads a token that this very key signed; times, issuer and audience are not looked at.
    pub fn verify(&self, token: &str) -> Result<Verified, JwsError> {
        let parts = take_apart(token)?;
        if parts.header.alg != self.alg || parts.header.kid != self.kid {
            return Err(JwsError::OtherKey);
        }
        let signature = base64url::decode(parts.signature).map_err(|_| JwsError::Malformed)?;
        let claims = base64url::decode(parts.claims).map_err(|_| JwsError::Malformed)?;
        self.check(parts.signing_input.as_bytes(), &signature)?;
        let claims = strict_json::parse_object(&claims, MAX_DEPTH).map_err(JwsError::Claims)?;
        let header = parts.header;
        Ok(Verified { header, claims })
    }

    pub(super) fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), JwsError> {
        match &self.key {
            Key::Es256(key) => key.verify(message, signature),
            Key::Rs256(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
        }
        .map_err(|_| JwsError::BadSignature)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The SHA-256 thumbprint of a public key (RFC 7638 section 3), in base64url.
pub fn thumbprint(jwk: &Value) -> Result<String, JwkError> {
    // The required members in lexical order, by hand: our JSON maps keep the order of insertion.
    let text = match member(jwk, "kty")? {
        "EC" => format!(
            r#"{{"crv":{},"kty":"EC","x":{},"y":{}}}"#,
            quoted(jwk, "crv")?,
            quoted(jwk, "x")?,
            quoted(jwk, "y")?
        ),
        "RSA" => format!(r#"{{"e":{},"kty":"RSA","n":{}}}"#, quoted(jwk, "e")?, quoted(jwk, "n")?),
        _ => return Err(JwkError::Member("kty")),
    };
    Ok(base64url::encode(&digest::sha256(text.as_bytes())))
}

fn member<'a>(jwk: &'a Value, name: &'static str) -> Result<&'a str, JwkError> {
    jwk.get(name).and_then(Value::as_str).ok_or(JwkError::Member(name))
}

fn quoted(jwk: &Value, name: &'static str) -> Result<String, JwkError> {
    member(jwk, name).map(|text| Value::from(text).to_string())
}

fn number(jwk: &Value, name: &'static str) -> Result<Vec<u8>, JwkError> {
    base64url::decode(member(jwk, name)?).map_err(|_| JwkError::Member(name))
}

fn ec_key(jwk: &Value) -> Result<Key, JwkError> {
    if member(jwk, "crv")? != "P-256" {
        return Err(JwkError::Member("crv"));
    }
    // An uncompressed point: 4, x, y (SEC 1 section 2.3.3); ring checks that it is on the curve.
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = number(jwk, name)?;
        if coordinate.len() != 32 {
            return Err(JwkError::Member(name));
        }
        point.extend(coordinate);
    }
    Ok(Key::Es256(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)))
}

fn rsa_key(jwk: &Value) -> Result<Key, JwkError> {
    let mut n = number(jwk, "n")?;
    let e = number(jwk, "e")?;
    // Some providers write the sign byte of ASN.1, against RFC 7518 section 2.
    if n.first() == Some(&0) {
        n.remove(0);
    }
    let bits = n.first().map_or(0, |top| n.len() * 8 - top.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(JwkError::Size);
    }
    if e.is_empty() || e.len() > 5 || e[0] == 0 {
        return Err(JwkError::Member("e"));
    }
    Ok(Key::Rs256(RsaPublicKeyComponents { n, e }))
}
