//! Keys at rest: a master key wraps one data key per environment, a data key seals values.
//!
//! A sealed value is bound to its environment, table, column and row: copied anywhere else it
//! does not open. Envelope: `v1.<key id>.<nonce>.<ciphertext>`, the last two base64url.

mod data;
mod master;

pub use data::{DataKey, Place, SealError};
pub use master::{MasterKeyError, MasterKeys};

/// Why a key could not be wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    #[error("no master key has the id `{0}`")]
    UnknownKey(String),
    #[error("the wrapped key is damaged or belongs elsewhere")]
    Refused,
    #[error("the key service could not be used")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What keeps data keys: the master key file, or a key service.
pub trait WrapKey: Send + Sync {
    /// The id of the key that wraps from now on: `[A-Za-z0-9_-]`, no dots.
    fn key_id(&self) -> &str;

    /// Encrypts a key under the current master key, bound to `aad`.
    fn wrap(&self, plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, WrapError>;

    /// Decrypts a key that the named master key wrapped with the same `aad`.
    fn unwrap(&self, key_id: &str, wrapped: &[u8], aad: &[u8]) -> Result<crate::Secret<Vec<u8>>, WrapError>;
}

/// AES-256-GCM with a random nonce: good for 2^32 values a key.
mod aead {
    use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    use crate::{Secret, random};

    pub(super) const NONCE_LEN: usize = 12;

    pub(super) struct Refused;

    fn key(bytes: &[u8; 32]) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes 32 bytes"))
    }

    pub(super) fn seal(key_bytes: &[u8; 32], aad: &[u8], plain: &[u8]) -> ([u8; NONCE_LEN], Vec<u8>) {
        let nonce = random::bytes::<NONCE_LEN>();
        // Room for the tag from the start, so that growing leaves no copy of the plain text behind.
        let mut buffer = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        buffer.extend_from_slice(plain);
        key(key_bytes)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut buffer)
            .expect("a value in memory is far below the limit of AES-GCM");
        (nonce, buffer)
    }

    pub(super) fn open(
        key_bytes: &[u8; 32],
        aad: &[u8],
        nonce: &[u8],
        sealed: Vec<u8>,
    ) -> Result<Secret<Vec<u8>>, Refused> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Refused)?;
        let mut buffer = sealed;
        let length = key(key_bytes).open_in_place(nonce, Aad::from(aad), &mut buffer).map_err(|_| Refused)?.len();
        buffer.truncate(length);
        Ok(Secret::new(buffer))
    }
}

#[cfg(test)]
mod tests;
