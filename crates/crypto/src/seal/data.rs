use std::fmt;

use ring::hkdf;

use super::{WrapError, WrapKey, aead};
use crate::{MacKey, Secret, base64url, digest, mac, random};

const VERSION: &str = "v1";
const WRAPPED: &[u8] = b"latchkey wrapped data key v1";
const SEALED: &[u8] = b"latchkey sealed value v1";

/// Where a sealed value lives, and the only place where it opens.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub environment: &'a str,
    pub table: &'a str,
    pub column: &'a str,
    pub row: &'a str,
}

/// Why an envelope was not opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("not a sealed value")]
    Malformed,
    #[error("sealed by another key, `{0}`")]
    OtherKey(String),
    #[error("the sealed value is damaged or belongs elsewhere")]
    Refused,
    #[error("the data key could not be wrapped or unwrapped")]
    Wrap(#[from] WrapError),
}

/// The key of one environment; wiped when dropped.
#[derive(Clone)]
pub struct DataKey {
    root: Secret<[u8; 32]>,
    sealing: Secret<[u8; 32]>,
    id: String,
}

impl DataKey {
    /// Draws a new key.
    pub fn generate() -> Self {
        Self::from_root(Secret::new(random::bytes()))
    }

    /// The key's id, derived from the key itself: it names the key and tells nothing about it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Wraps the key for storage as `v1.<master key id>.<wrapped>`, bound to its environment.
    pub fn wrap(&self, master: &dyn WrapKey, environment_id: &str) -> Result<String, SealError> {
        let aad = mac::framed(&[WRAPPED, environment_id.as_bytes()]);
        let wrapped = master.wrap(self.root.expose(), &aad)?;
        let (id, wrapped) = (master.key_id(), base64url::encode(&wrapped));
        Ok(format!("{VERSION}.{id}.{wrapped}"))
    }

    /// Brings back a key that was wrapped for the same environment.
    pub fn unwrap(master: &dyn WrapKey, environment_id: &str, wrapped: &str) -> Result<Self, SealError> {
        let [id, body] = split(wrapped)?;
        let body = base64url::decode(body).map_err(|_| SealError::Malformed)?;
        let aad = mac::framed(&[WRAPPED, environment_id.as_bytes()]);
        let root = master.unwrap(id, &body, &aad)?;
        let root = root.expose().as_slice().try_into();
        Ok(Self::from_root(Secret::new(root.map_err(|_| SealError::Malformed)?)))
    }

    /// The id of the master key that wrapped a data key, to find what to wrap again after a rotation.
    pub fn wrapped_by(wrapped: &str) -> Option<&str> {
        split::<2>(wrapped).ok().map(|[id, _]| id)
    }

    /// Encrypts a value for one place.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> String {
        let (nonce, sealed) = aead::seal(self.sealing.expose(), &self.aad(place), plain);
        format!("{VERSION}.{}.{}.{}", self.id, base64url::encode(&nonce), base64url::encode(&sealed))
    }

    /// Decrypts a value that was sealed for this very place.
    pub fn open(&self, place: &Place<'_>, envelope: &str) -> Result<Secret<Vec<u8>>, SealError> {
        let [id, nonce, sealed] = split(envelope)?;
        if id != self.id {
            return Err(SealError::OtherKey(id.to_owned()));
        }
        let nonce = base64url::decode(nonce).map_err(|_| SealError::Malformed)?;
        let sealed = base64url::decode(sealed).map_err(|_| SealError::Malformed)?;
        if nonce.len() != aead::NONCE_LEN {
            return Err(SealError::Malformed);
        }
        aead::open(self.sealing.expose(), &self.aad(place), &nonce, sealed).map_err(|aead::Refused| SealError::Refused)
    }

    /// Derives a key for tags (RFC 5869): another for each purpose, none tells about the others.
    pub fn derive_mac(&self, purpose: &str) -> MacKey {
        MacKey::new(derive(&self.root, &[b"mac:", purpose.as_bytes()]))
    }

    fn from_root(root: Secret<[u8; 32]>) -> Self {
        let sealing = derive(&root, &[b"seal"]);
        let name = derive(&root, &[b"id"]);
        let id = format!("dk_{}", digest::hex(&name.expose()[..8]));
        Self { root, sealing, id }
    }

    fn aad(&self, place: &Place<'_>) -> Vec<u8> {
        mac::framed(&[
            SEALED,
            self.id.as_bytes(),
            place.environment.as_bytes(),
            place.table.as_bytes(),
            place.column.as_bytes(),
            place.row.as_bytes(),
        ])
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id)
    }
}

fn derive(root: &Secret<[u8; 32]>, info: &[&[u8]]) -> Secret<[u8; 32]> {
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"latchkey data key v1")
        .extract(root.expose())
        .expand(info, hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("HKDF-SHA256 gives up to 8160 bytes");
    let secret = Secret::new(key);
    zeroize::Zeroize::zeroize(&mut key);
    secret
}

/// Splits the fields that follow the version: exactly `N` of them, the first a key id.
fn split<const N: usize>(envelope: &str) -> Result<[&str; N], SealError> {
    let mut parts = envelope.split('.');
    let mut fields = [""; N];
    if parts.next() != Some(VERSION) {
        return Err(SealError::Malformed);
    }
    for field in &mut fields {
        *field = parts.next().ok_or(SealError::Malformed)?;
    }
    let id_fits = (1..=64).contains(&fields[0].len())
        && fields[0].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    match parts.next() {
        None if id_fits => Ok(fields),
        _ => Err(SealError::Malformed),
    }
}
