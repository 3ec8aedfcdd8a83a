//! HMAC-SHA256 over several parts that cannot run into each other.

use ring::hmac;

use crate::Secret;

/// A key for tags; wiped when dropped.
#[derive(Debug, Clone)]
pub struct MacKey(Secret<[u8; 32]>);

impl MacKey {
    /// Takes 32 secret bytes as the key.
    pub const fn new(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Tags the parts in their order: moving a byte from one part to the next changes the tag.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        hmac::sign(&self.key(), &framed(parts)).as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes")
    }

    /// Whether the tag belongs to the parts, in constant time.
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        hmac::verify(&self.key(), &framed(parts), tag).is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.expose())
    }
}

/// Joins parts so that different lists never give the same bytes: each behind its length.
pub(crate) fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> MacKey {
        MacKey::new(Secret::new([7; 32]))
    }

    #[test]
    fn bytes_cannot_move_between_parts() {
        let tag = key().tag(&[b"ab", b"c"]);

        assert!(key().verify(&[b"ab", b"c"], &tag));
        for other in [&[&b"a"[..], b"bc"][..], &[b"abc"], &[b"ab", b"c", b""], &[b"c", b"ab"]] {
            assert!(!key().verify(other, &tag));
        }
    }

    #[test]
    fn a_changed_tag_or_key_is_refused() {
        let tag = key().tag(&[b"message"]);

        for bit in 0..256 {
            let mut changed = tag;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!key().verify(&[b"message"], &changed));
        }
        assert!(!key().verify(&[b"message"], &tag[..31]));
        assert!(!key().verify(&[b"message"], b""));
        assert!(!MacKey::new(Secret::new([8; 32])).verify(&[b"message"], &tag));
    }

    proptest! {
        #[test]
        fn different_lists_are_framed_differently(
            a in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4),
            b in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4),
        ) {
            let bytes = |list: &[Vec<u8>]| framed(&list.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(a == b, bytes(&a) == bytes(&b));
        }
    }
}
