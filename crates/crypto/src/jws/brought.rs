//! Keys that somebody brings along to have tokens signed by them.
//!
//! Only here may a token be signed with a shared secret (HS256). Nothing of ours verifies one: [`Algorithm`], which a
//! verifier is pinned to, does not know it, so that a public key can never be taken for a secret of ours.

use std::fmt;

use josekit::jwk::KeyPair as _;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use ring::hmac;
use serde_json::Value;

use super::{Algorithm, SignError, Signer, Verifier, is_key_id};
use crate::{Secret, base64url, digest};

/// The shortest secret that HS256 is trusted with (RFC 7518 section 3.2).
const SECRET_MIN: usize = 32;
const SECRET_MAX: usize = 1024;

/// The largest RSA key that is used: signing with a larger one takes a worker too long.
const RSA_MAX_BITS: usize = 4096;

/// What a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// An RSA key pair of 2048 to 4096 bits.
    Rsa,
    /// A key pair on the curve P-256.
    P256,
    /// A shared secret of at least 32 bytes.
    Shared,
}

impl KeyKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rsa, Self::P256, Self::Shared];

    /// The word of the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::P256 => "p256",
            Self::Shared => "shared",
        }
    }
}

/// Why a key is not taken. It never says anything of the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BroughtKeyError {
    /// Neither a private key in PEM nor a secret in base64.
    #[error("neither a private key in PEM nor a secret in base64")]
    Unreadable,
    /// The public half of a pair; it signs nothing, and as a secret it would be one that everybody knows.
    #[error("a public key signs nothing")]
    Public,
    /// Too short to be trusted.
    #[error("the key is too weak")]
    Weak,
    /// An RSA key of a size, or a curve, that nothing here signs with.
    #[error("keys of this size or curve are not used")]
    Unsupported,
}

/// A key as it was brought, checked: it signs what its public half verifies.
pub struct BroughtKey {
    kind: KeyKind,
    bytes: Secret<Vec<u8>>,
    public_jwk: Option<Value>,
    fingerprint: String,
}

impl BroughtKey {
    /// Reads a private key in PEM (PKCS#8, PKCS#1 or SEC 1) or a secret in base64. An RSA key takes its time: call it
    /// where waiting is allowed.
    pub fn read(text: &Secret<String>) -> Result<Self, BroughtKeyError> {
        let text = text.expose().trim();
        if text.starts_with("-----BEGIN") { Self::read_pem(text) } else { Self::read_secret(text) }
    }

    fn read_pem(text: &str) -> Result<Self, BroughtKeyError> {
        if text.contains("PUBLIC KEY-----") || text.contains("CERTIFICATE-----") {
            return Err(BroughtKeyError::Public);
        }
        if let Ok(pair) = RsaKeyPair::from_pem(text) {
            return match pair.key_len() as usize * 8 {
                ..2048 => Err(BroughtKeyError::Weak),
                2048..=RSA_MAX_BITS => Self::pair(Algorithm::Rs256, Secret::new(pair.to_der_private_key())),
                _ => Err(BroughtKeyError::Unsupported),
            };
        }
        match EcKeyPair::from_pem(text, Some(EcCurve::P256)) {
            Ok(pair) => Self::pair(Algorithm::Es256, pkcs8(&pair).ok_or(BroughtKeyError::Unreadable)?),
            Err(_) if EcKeyPair::from_pem(text, None).is_ok() => Err(BroughtKeyError::Unsupported),
            Err(_) => Err(BroughtKeyError::Unreadable),
        }
    }

    fn pair(algorithm: Algorithm, bytes: Secret<Vec<u8>>) -> Result<Self, BroughtKeyError> {
        let signer = Signer::new(algorithm, "probe", &bytes).map_err(|_| BroughtKeyError::Unreadable)?;
        let mut public_jwk = signer.public_jwk().clone();
        // Halves that do not belong together would sign what nobody can verify.
        let probe = signer.sign_bytes(None, b"{}").map_err(|_| BroughtKeyError::Unreadable)?;
        let verifier = Verifier::from_jwk(&public_jwk).map_err(|_| BroughtKeyError::Unsupported)?;
        verifier.verify(&probe).map_err(|_| BroughtKeyError::Unreadable)?;
        // Whose key it is, is said by whoever publishes it.
        if let Some(members) = public_jwk.as_object_mut() {
            members.remove("kid");
        }
        let kind = if algorithm == Algorithm::Rs256 { KeyKind::Rsa } else { KeyKind::P256 };
        Ok(Self { kind, bytes, public_jwk: Some(public_jwk), fingerprint: signer.thumbprint().to_owned() })
    }

    fn read_secret(text: &str) -> Result<Self, BroughtKeyError> {
        let bytes = Secret::new(base64(text).ok_or(BroughtKeyError::Unreadable)?);
        let key = bytes.expose();
        if key.len() < SECRET_MIN {
            return Err(BroughtKeyError::Weak);
        }
        if key.len() > SECRET_MAX {
            return Err(BroughtKeyError::Unsupported);
        }
        // What verifies RS256 or ES256 is known to everybody. As the secret of HS256, in DER or in PEM, it would let
        // everybody sign (RFC 8725 section 2.1).
        if key.windows(10).any(|part| part == b"-----BEGIN") || is_der_key(key) {
            return Err(BroughtKeyError::Public);
        }
        // A hash that has this one purpose: it names the key and is of no use for guessing another place's.
        let fingerprint = digest::sha256(&[b"latchkey token secret v1\0", key.as_slice()].concat());
        let fingerprint = base64url::encode(&fingerprint[..16]);
        Ok(Self { kind: KeyKind::Shared, bytes, public_jwk: None, fingerprint })
    }

    /// What it is.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// What has to be sealed to keep it: PKCS#8, or the bytes of the secret.
    pub const fn bytes(&self) -> &Secret<Vec<u8>> {
        &self.bytes
    }

    /// The public half of a pair as a JWK without `kid`; a secret has none.
    pub const fn public_jwk(&self) -> Option<&Value> {
        self.public_jwk.as_ref()
    }

    /// Tells the key from others and nothing about it: the thumbprint of a pair (RFC 7638), a hash of a secret.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl fmt::Debug for BroughtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroughtKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A key pair on P-256 in the one form that is read again (RFC 5958, RFC 5915): with its public half, without the
/// curve's name inside. What others write differs in both.
fn pkcs8(pair: &EcKeyPair) -> Option<Secret<Vec<u8>>> {
    const HEAD: [u8; 36] = [
        0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
        0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
    ];
    // The bit string of an uncompressed point (SEC 1 section 2.3.3).
    const POINT: [u8; 6] = [0xa1, 0x44, 0x03, 0x42, 0x00, 0x04];
    let jwk = pair.to_jwk_key_pair();
    let number = |name: &str| {
        let bytes = base64url::decode(jwk.parameter(name)?.as_str()?).ok()?;
        (bytes.len() == 32).then(|| Secret::new(bytes))
    };
    let (d, x, y) = (number("d")?, number("x")?, number("y")?);
    Some(Secret::new([&HEAD[..], d.expose(), &POINT, x.expose(), y.expose()].concat()))
}

/// Reads either alphabet of base64, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let url: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    base64url::decode(Secret::new(url).expose()).ok()
}

/// Whether bytes are an ASN.1 sequence to their very end that begins as the DER form of a key does.
fn is_der_key(bytes: &[u8]) -> bool {
    let (content, length) = match *bytes {
        [0x30, length @ ..=0x7f, ..] => (2, usize::from(length)),
        [0x30, 0x81, length, ..] => (3, usize::from(length)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(high) << 8 | usize::from(low)),
        _ => return false,
    };
    // A sequence names the algorithm of a public key, an integer is a version or a modulus.
    bytes.len() == content + length && bytes.get(content).is_some_and(|tag| matches!(tag, 0x30 | 0x02))
}

/// A shared secret ready to sign (HS256, RFC 7518 section 3.2).
pub struct MacSigner {
    kid: String,
    key: hmac::Key,
}

impl MacSigner {
    /// A secret that is to sign as `kid`.
    pub fn new(kid: &str, secret: &Secret<Vec<u8>>) -> Option<Self> {
        let fits = is_key_id(kid) && secret.expose().len() >= SECRET_MIN;
        fits.then(|| Self { kid: kid.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose()) })
    }

    /// The id that tokens name this key by.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs claims that are JSON text already.
    pub fn sign_bytes(&self, typ: &str, claims: &[u8]) -> String {
        // A key id needs no escaping: its alphabet is checked above.
        let header = format!(r#"{{"alg":"HS256","kid":"{}","typ":{}}}"#, self.kid, Value::from(typ));
        let mut token = base64url::encode(header.as_bytes());
        token.push('.');
        base64url::append(&mut token, claims);
        let signature = hmac::sign(&self.key, token.as_bytes());
        token.push('.');
        base64url::append(&mut token, signature.as_ref());
        token
    }
}

impl fmt::Debug for MacSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacSigner").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A brought key ready to sign.
#[derive(Debug)]
pub enum BroughtSigner {
    /// A pair.
    Pair(Box<Signer>),
    /// A shared secret.
    Shared(MacSigner),
}

impl BroughtSigner {
    /// Brings a key back from what was kept of it; `None` when the bytes are of another kind.
    pub fn new(kind: KeyKind, kid: &str, bytes: &Secret<Vec<u8>>) -> Option<Self> {
        let pair = |algorithm| Signer::new(algorithm, kid, bytes).ok().map(|signer| Self::Pair(Box::new(signer)));
        match kind {
            KeyKind::Rsa => pair(Algorithm::Rs256),
            KeyKind::P256 => pair(Algorithm::Es256),
            KeyKind::Shared => MacSigner::new(kid, bytes).map(Self::Shared),
        }
    }

    /// Signs claims that are JSON text already.
    pub fn sign_bytes(&self, typ: &str, claims: &[u8]) -> Result<String, SignError> {
        match self {
            Self::Pair(signer) => signer.sign_bytes(Some(typ), claims),
            Self::Shared(signer) => Ok(signer.sign_bytes(typ, claims)),
        }
    }
}

#[cfg(test)]
mod tests;
