use super::stored::Bare;
use super::{HashPool, PoolError, StoredHash};
use crate::Secret;

/// Why a digest was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("no such password hasher")]
    UnknownHasher,
    #[error("the digest is not one of its hasher, or costs more than is allowed")]
    Invalid,
    #[error("the digest could not be wrapped")]
    Pool(#[from] PoolError),
}

/// Takes over a digest from another system, in the form in which it is stored.
///
/// Unsalted digests are hashed again at once; all others are kept until the first good sign-in.
pub async fn import(hasher: &str, digest: &str, pool: &HashPool) -> Result<StoredHash, ImportError> {
    match hasher {
        "md5" => wrap(Bare::Md5, digest, pool).await,
        "sha256" => wrap(Bare::Sha256, digest, pool).await,
        "bcrypt" | "argon2id" | "scrypt" | "pbkdf2_sha256" => {
            let stored = StoredHash::parse(digest).map_err(|_| ImportError::Invalid)?;
            // Our own mark for wrapped digests starts with `$` too, but its hasher is another.
            if stored.hasher() == hasher { Ok(stored) } else { Err(ImportError::Invalid) }
        }
        _ => Err(ImportError::UnknownHasher),
    }
}

async fn wrap(bare: Bare, digest: &str, pool: &HashPool) -> Result<StoredHash, ImportError> {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digest.len() != bare.hex_len() || !digest.bytes().all(lower_hex) {
        return Err(ImportError::Invalid);
    }
    let hash = pool.hash(Secret::new(digest.to_owned())).await?;
    StoredHash::parse(&bare.mark(&hash)).map_err(|_| ImportError::Invalid)
}
