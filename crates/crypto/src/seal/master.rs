use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{WrapError, WrapKey, aead};
use crate::{Secret, digest, mac, random};

/// Why a master key file is refused; the file's content never appears.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    #[error("the master key file holds no key")]
    Empty,
    #[error("line {0} of the master key file is not `mk_<id>.<base64 of 32 bytes>`")]
    Malformed(usize),
    #[error("the key on line {0} of the master key file does not belong to its id")]
    WrongId(usize),
    #[error("line {0} of the master key file repeats a key")]
    Repeated(usize),
}

/// The master keys of an installation: the newest wraps, all of them unwrap.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    keys: Vec<MasterKey>,
}

#[derive(Debug, Clone)]
struct MasterKey {
    id: String,
    bytes: Secret<[u8; 32]>,
}

impl MasterKeys {
    /// Draws a first master key.
    pub fn generate() -> Self {
        Self { keys: vec![MasterKey::generate()] }
    }

    /// Puts a new key before the ones there are: it wraps from now on, the old ones still unwrap.
    #[must_use]
    pub fn rotated(&self) -> Self {
        let mut keys = vec![MasterKey::generate()];
        keys.extend(self.keys.iter().cloned());
        Self { keys }
    }

    /// Reads the file form: one `mk_<id>.<base64>` a line, newest first, `#` lines are comments.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (id, encoded) = line.split_once('.').ok_or(MasterKeyError::Malformed(number))?;
            let decoded = STANDARD.decode(encoded).map(Secret::new);
            let decoded = decoded.map_err(|_| MasterKeyError::Malformed(number))?;
            let bytes = decoded.expose().as_slice().try_into();
            let bytes = bytes.map_err(|_| MasterKeyError::Malformed(number))?;
            let key = MasterKey::from_bytes(Secret::new(bytes));
            if key.id != id {
                return Err(MasterKeyError::WrongId(number));
            }
            if keys.iter().any(|other| other.id == key.id) {
                return Err(MasterKeyError::Repeated(number));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(MasterKeyError::Empty);
        }
        Ok(Self { keys })
    }

    /// Writes the file form.
    pub fn to_text(&self) -> Secret<String> {
        // Sized beforehand, so that growing leaves no copy of a key behind.
        let mut text = String::with_capacity(self.keys.len() * 80);
        for key in &self.keys {
            let encoded = Secret::new(STANDARD.encode(key.bytes.expose()));
            writeln!(text, "{}.{}", key.id, encoded.expose()).expect("a String takes any text");
        }
        Secret::new(text)
    }
}

impl MasterKey {
    fn generate() -> Self {
        Self::from_bytes(Secret::new(random::bytes()))
    }

    /// The id is a hash of the key, so that keys of two files never share one.
    fn from_bytes(bytes: Secret<[u8; 32]>) -> Self {
        let framed = Secret::new(mac::framed(&[b"latchkey master key id", bytes.expose()]));
        let hash = digest::sha256(framed.expose());
        let id = format!("mk_{}", digest::hex(&hash[..8]));
        Self { id, bytes }
    }
}

impl WrapKey for MasterKeys {
    fn key_id(&self) -> &str {
        &self.keys[0].id
    }

    fn wrap(&self, plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, WrapError> {
        let (nonce, sealed) = aead::seal(self.keys[0].bytes.expose(), aad, plain);
        Ok([&nonce[..], &sealed].concat())
    }

    fn unwrap(&self, key_id: &str, wrapped: &[u8], aad: &[u8]) -> Result<Secret<Vec<u8>>, WrapError> {
        let key = self.keys.iter().find(|key| key.id == key_id);
        let key = key.ok_or_else(|| WrapError::UnknownKey(key_id.to_owned()))?;
        let (nonce, sealed) = wrapped.split_at_checked(aead::NONCE_LEN).ok_or(WrapError::Refused)?;
        aead::open(key.bytes.expose(), aad, nonce, sealed.to_vec()).map_err(|aead::Refused| WrapError::Refused)
    }
}
