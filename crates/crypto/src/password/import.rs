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

/// A digest from another system that was read and is one of its hasher; nothing was computed for it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign(Form);

#[derive(Clone, PartialEq, Eq)]
enum Form {
    Kept(StoredHash),
    /// Without salt: in hex.
    Bare(Bare, String),
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kept(stored) => stored.fmt(f),
            Self::Bare(bare, _) => write!(f, "Bare({}, ..)", bare.name()),
        }
    }
}

impl Foreign {
    /// Reads a digest.
    pub fn read(hasher: &str, digest: &str) -> Result<Self, ImportError> {
        match hasher {
            "md5" => bare(Bare::Md5, digest),
            "sha256" => bare(Bare::Sha256, digest),
            "bcrypt" | "argon2id" | "scrypt" | "pbkdf2_sha256" => {
                let stored = StoredHash::parse(digest).map_err(|_| ImportError::Invalid)?;
                // Our own mark for wrapped digests starts with `$` too, but its hasher is another.
                if stored.hasher() == hasher { Ok(Self(Form::Kept(stored))) } else { Err(ImportError::Invalid) }
            }
            _ => Err(ImportError::UnknownHasher),
        }
    }

    /// The form in which it is stored as it is; none for one that is hashed again first.
    pub fn stored(&self) -> Option<&StoredHash> {
        match &self.0 {
            Form::Kept(stored) => Some(stored),
            Form::Bare(..) => None,
        }
    }
}

/// Takes over a digest from another system, in the form in which it is stored.
///
/// Unsalted digests are hashed again at once; all others are kept until the first good sign-in.
pub async fn import(hasher: &str, digest: &str, pool: &HashPool) -> Result<StoredHash, ImportError> {
    match Foreign::read(hasher, digest)?.0 {
        Form::Kept(stored) => Ok(stored),
        Form::Bare(bare, digest) => {
            let hash = pool.hash(Secret::new(digest)).await?;
            StoredHash::parse(&bare.mark(&hash)).map_err(|_| ImportError::Invalid)
        }
    }
}

fn bare(bare: Bare, digest: &str) -> Result<Foreign, ImportError> {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digest.len() != bare.hex_len() || !digest.bytes().all(lower_hex) {
        return Err(ImportError::Invalid);
    }
    Ok(Foreign(Form::Bare(bare, digest.to_owned())))
}
