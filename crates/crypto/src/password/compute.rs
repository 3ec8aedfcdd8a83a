use argon2::{Algorithm, Argon2, Block, Version};
use md5::Digest;
use subtle::ConstantTimeEq;

use super::stored::{Argon2id, Bare, Form};
use super::{InvalidParams, Params, StoredHash};
use crate::{Secret, digest, random};

/// How long native salts and hashes are.
const SALT_LEN: usize = 16;
const HASH_LEN: usize = 32;

/// Memory for argon2id that is used again from one hash to the next.
#[derive(Default)]
pub(super) struct Arena(Vec<Block>);

impl Arena {
    fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            // Given back first: growing in place would hold both for a moment.
            self.0 = Vec::new();
            self.0.resize_with(count, Block::new);
        }
        &mut self.0[..count]
    }

    /// Gives back what a dear imported hash left, beyond what native hashes need.
    pub(super) fn trim(&mut self, params: &Params) {
        let keep = params.memory_kib as usize;
        if self.0.len() > keep {
            self.0 = Vec::new();
        }
    }

    #[cfg(test)]
    pub(super) fn kib(&self) -> usize {
        self.0.capacity()
    }
}

/// Whether the password is the one that was hashed; takes as long as the hash costs.
///
/// For tools and tests; a server computes in its `HashPool` only.
pub fn verify(stored: &StoredHash, password: &str) -> bool {
    verify_in(&mut Arena::default(), stored, password)
}

/// Whether a good sign-in should replace the hash by a native one of today's cost.
pub fn needs_rehash(stored: &StoredHash, params: &Params) -> bool {
    match &stored.form {
        Form::Argon2id(native) => {
            native.params != *params || native.salt.len() < SALT_LEN || native.hash.len() != HASH_LEN
        }
        _ => true,
    }
}

/// Hashes a new password; `params` were validated when they were configured.
pub(super) fn hash_in(arena: &mut Arena, params: &Params, password: &[u8]) -> Argon2id {
    let salt = random::bytes::<SALT_LEN>().to_vec();
    let hash =
        argon2id(arena, params, password, &salt, HASH_LEN).expect("validated costs, a salt and a hash of fixed length");
    let params = *params;
    Argon2id { params, salt, hash }
}

/// Does the work of verifying a native hash and matches nothing.
pub(super) fn verify_nothing_in(arena: &mut Arena, params: &Params, password: &[u8]) {
    let hash = argon2id(arena, params, password, &[0; SALT_LEN], HASH_LEN);
    std::hint::black_box(hash.ok());
}

pub(super) fn verify_in(arena: &mut Arena, stored: &StoredHash, password: &str) -> bool {
    let password = password.as_bytes();
    match &stored.form {
        Form::Argon2id(expected) => argon2id_matches(arena, expected, password),
        Form::Wrapped(bare, expected) => {
            let hex = bare_hex(*bare, password);
            argon2id_matches(arena, expected, hex.expose().as_bytes())
        }
        Form::Bcrypt { cost, salt, hash } => {
            // The C string every bcrypt hashes, ended by its zero, cut at 72 bytes as the source did.
            let mut text = [password, &[0]].concat();
            text.truncate(72);
            let text = Secret::new(text);
            let computed = bcrypt::bcrypt(*cost, *salt, text.expose());
            computed[..hash.len()].ct_eq(hash).into()
        }
        Form::Scrypt { log_n, r, p, salt, hash } => {
            let Ok(params) = scrypt::Params::new(*log_n, *r, *p) else {
                return false;
            };
            let mut computed = vec![0; hash.len()];
            scrypt::scrypt(password, salt, &params, &mut computed).is_ok() && computed.ct_eq(hash).into()
        }
        Form::Pbkdf2Sha256 { iterations, salt, hash } => {
            let mut computed = vec![0; hash.len()];
            pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, salt, *iterations, &mut computed);
            computed.ct_eq(hash).into()
        }
    }
}

fn argon2id_matches(arena: &mut Arena, expected: &Argon2id, password: &[u8]) -> bool {
    let Argon2id { params, salt, hash } = expected;
    argon2id(arena, params, password, salt, hash.len()).is_ok_and(|computed| computed.ct_eq(hash).into())
}

fn argon2id(
    arena: &mut Arena,
    params: &Params,
    password: &[u8],
    salt: &[u8],
    length: usize,
) -> Result<Vec<u8>, InvalidParams> {
    let params = argon2::Params::new(params.memory_kib, params.iterations, params.parallelism, Some(length))
        .map_err(|_| InvalidParams)?;
    let blocks = arena.blocks(params.block_count());
    let mut hash = vec![0; length];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, &mut hash, blocks)
        .map_err(|_| InvalidParams)?;
    Ok(hash)
}

fn bare_hex(bare: Bare, password: &[u8]) -> Secret<String> {
    Secret::new(match bare {
        Bare::Md5 => digest::hex(&md5::Md5::digest(password)),
        Bare::Sha256 => digest::sha256_hex(password),
    })
}
