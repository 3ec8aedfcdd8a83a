//! Cursors of lists: what we did not make opens nothing, what we made opens where it belongs.

use crypto::Secret;
use crypto::mac::MacKey;
use domain::cursor::{self, LONGEST};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Opens what strangers could send, and cursors of ours with one character changed.
pub fn check(data: &[u8]) {
    let key = MacKey::new(Secret::new([7; 32]));
    let text = String::from_utf8_lossy(data);
    assert_eq!(cursor::open(&key, "users", &text), None, "{text:?}");
    // Well-formed, and not signed by us.
    assert_eq!(cursor::open(&key, "users", &crypto::base64url::encode(data)), None);

    let value = data.iter().take(8).fold(0, |value: i64, byte| value << 8 | i64::from(*byte));
    let id: String = text.chars().take(60).collect();
    let sealed = cursor::seal(&key, "users", value, &id);
    assert!(sealed.len() <= LONGEST, "{} characters", sealed.len());
    let there = Some((value, id));
    assert_eq!(cursor::open(&key, "users", &sealed), there);
    assert_eq!(cursor::open(&key, "users?query=a", &sealed), None);
    assert_eq!(cursor::open(&MacKey::new(Secret::new([8; 32])), "users", &sealed), None);

    let sum = data.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let mut changed = sealed.into_bytes();
    let place = sum % changed.len();
    changed[place] = ALPHABET[sum / 512 % 64];
    let changed = String::from_utf8(changed).expect("the alphabet is ASCII");
    let opened = cursor::open(&key, "users", &changed);
    assert!(opened.is_none() || opened == there, "{changed} opens {opened:?}");
}
