use std::fmt;

use josekit::jwk::KeyPair;
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::JwsSigner;
use josekit::jws::alg::rsassa::{RsassaJwsAlgorithm, RsassaJwsSigner};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Algorithm, is_key_id, thumbprint};
use crate::{Secret, base64url};

/// Why a private key could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key id is not 1 to 128 of A-Z a-z 0-9 _ . -")]
    KeyId,
    #[error("the private key does not fit {0}")]
    PrivateKey(Algorithm),
    #[error("no {0} key could be generated")]
    Generate(Algorithm),
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the claims cannot be written as JSON")]
    Claims(#[source] serde_json::Error),
    #[error("the signature could not be made")]
    Signature,
}

/// Draws a private key as PKCS#8 DER: P-256, or RSA with 2048 bits.
pub fn generate_pkcs8(alg: Algorithm) -> Result<Secret<Vec<u8>>, KeyError> {
    let failed = || KeyError::Generate(alg);
    match alg {
        Algorithm::Es256 => {
            let rng = SystemRandom::new();
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng)
                .map(|document| Secret::new(document.as_ref().to_vec()))
                .map_err(|_| failed())
        }
        Algorithm::Rs256 => {
            RsaKeyPair::generate(2048).map(|pair| Secret::new(pair.to_der_private_key())).map_err(|_| failed())
        }
    }
}

/// A private key ready to sign; built once, shared by every worker.
pub struct Signer {
    kid: String,
    head: String,
    /// The encoded header of a token of type `JWT`, which nearly all are, with its full stop.
    jwt_head: String,
    public_jwk: Value,
    thumbprint: String,
    key: Key,
}

enum Key {
    Es256(Box<EcdsaKeyPair>, SystemRandom),
    Rs256(RsassaJwsSigner),
}

impl Signer {
    /// Reads a PKCS#8 private key that is to sign as `kid`.
    pub fn new(alg: Algorithm, kid: &str, pkcs8: &Secret<Vec<u8>>) -> Result<Self, KeyError> {
        if !is_key_id(kid) {
            return Err(KeyError::KeyId);
        }
        let (key, public_jwk) = match alg {
            Algorithm::Es256 => es256(kid, pkcs8.expose()),
            Algorithm::Rs256 => rs256(kid, pkcs8.expose()),
        }
        .ok_or(KeyError::PrivateKey(alg))?;
        let thumbprint = thumbprint(&public_jwk).map_err(|_| KeyError::PrivateKey(alg))?;
        // A key id needs no escaping: its alphabet is checked above.
        let head = format!(r#"{{"alg":"{alg}","kid":"{kid}""#);
        Ok(Self { kid: kid.to_owned(), jwt_head: encoded(&head, Some("JWT")), head, public_jwk, thumbprint, key })
    }

    /// The algorithm this key signs with.
    pub const fn algorithm(&self) -> Algorithm {
        match self.key {
            Key::Es256(..) => Algorithm::Es256,
            Key::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// The id that tokens name this key by.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as it stands in a JWKS (RFC 7517).
    pub const fn public_jwk(&self) -> &Value {
        &self.public_jwk
    }

    /// The key's thumbprint (RFC 7638).
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Signs claims into a compact JWS with the given `typ`.
    pub fn sign<C: Serialize + ?Sized>(&self, typ: Option<&str>, claims: &C) -> Result<String, SignError> {
        let claims = serde_json::to_vec(claims).map_err(SignError::Claims)?;
        self.sign_bytes(typ, &claims)
    }

    /// Signs claims that are JSON text already.
    pub fn sign_bytes(&self, typ: Option<&str>, claims: &[u8]) -> Result<String, SignError> {
        let mut token = String::with_capacity(self.jwt_head.len() + claims.len() * 4 / 3 + 512);
        match typ {
            Some("JWT") => token.push_str(&self.jwt_head),
            _ => token.push_str(&encoded(&self.head, typ)),
        }
        base64url::append(&mut token, claims);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }

    /// The bare signature of a message, in base64url.
    pub fn signature(&self, message: &[u8]) -> Result<String, SignError> {
        match &self.key {
            Key::Es256(pair, rng) => pair
                .sign(rng, message)
                .map(|signature| base64url::encode(signature.as_ref()))
                .map_err(|_| SignError::Signature),
            Key::Rs256(signer) => {
                signer.sign(message).map(|signature| base64url::encode(&signature)).map_err(|_| SignError::Signature)
            }
        }
    }
}

/// A header in base64url, with the full stop behind it.
fn encoded(head: &str, typ: Option<&str>) -> String {
    let header = match typ {
        None => format!("{head}}}"),
        Some(typ) => format!(r#"{head},"typ":{}}}"#, Value::from(typ)),
    };
    let mut text = base64url::encode(header.as_bytes());
    text.push('.');
    text
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("alg", &self.algorithm()).field("kid", &self.kid).finish_non_exhaustive()
    }
}

fn es256(kid: &str, pkcs8: &[u8]) -> Option<(Key, Value)> {
    let rng = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &rng).ok()?;
    // An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
    let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
    let jwk = json!({
        "kty": "EC",
        "kid": kid,
        "use": "sig",
        "alg": "ES256",
        "crv": "P-256",
        "x": base64url::encode(x),
        "y": base64url::encode(y),
    });
    Some((Key::Es256(Box::new(pair), rng), jwk))
}

fn rs256(kid: &str, pkcs8: &[u8]) -> Option<(Key, Value)> {
    let pair = RsaKeyPair::from_der(pkcs8).ok()?;
    let public = pair.to_jwk_public_key();
    let signer = RsassaJwsAlgorithm::Rs256.signer_from_der(pkcs8).ok()?;
    let jwk = json!({
        "kty": "RSA",
        "kid": kid,
        "use": "sig",
        "alg": "RS256",
        "n": public.parameter("n")?,
        "e": public.parameter("e")?,
    });
    Some((Key::Rs256(signer), jwk))
}
