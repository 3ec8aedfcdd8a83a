//! Password digests that another system made: taken as they are or refused, within bounds, before anything is computed.

use crypto::password::{Foreign, StoredHash};

const HASHERS: [&str; 7] = ["argon2id", "bcrypt", "scrypt", "pbkdf2_sha256", "md5", "sha256", "rot13"];

/// Reads a digest of the hasher that the first byte names.
pub fn check(data: &[u8]) {
    let Some((kind, digest)) = data.split_first() else { return };
    let hasher = HASHERS[usize::from(*kind) % HASHERS.len()];
    let digest = String::from_utf8_lossy(digest);
    let Ok(read) = Foreign::read(hasher, &digest) else { return };
    assert_ne!(hasher, "rot13");
    assert!(digest.len() <= 1024);
    match read.stored() {
        Some(stored) => {
            assert_eq!((stored.hasher(), stored.as_str()), (hasher, digest.as_ref()));
            assert_eq!(StoredHash::parse(&digest).as_ref(), Ok(stored), "it reads as itself");
            assert!(!format!("{read:?}").contains(digest.as_ref()), "no log shows it");
        }
        None => {
            assert!(["md5", "sha256"].contains(&hasher), "everything else is kept as it is");
            assert!(digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{digest:?}");
        }
    }
}
