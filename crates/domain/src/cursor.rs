//! Cursors: opaque, authenticated, bound to the list, its filters and its order.

use crypto::mac::MacKey;

/// The longest cursor that is looked at, in bytes.
pub const LONGEST: usize = 512;

/// Makes a cursor that goes on after a row.
pub fn seal(key: &MacKey, binding: &str, value: i64, id: &str) -> String {
    let position = format!("1.{value}.{id}");
    let tag = key.tag(&[binding.as_bytes(), position.as_bytes()]);
    crypto::base64url::encode(&[tag.as_slice(), position.as_bytes()].concat())
}

/// Reads a cursor; `None` when it is forged or belongs to another list.
pub fn open(key: &MacKey, binding: &str, text: &str) -> Option<(i64, String)> {
    if text.len() > LONGEST {
        return None;
    }
    let bytes = crypto::base64url::decode(text).ok()?;
    let (tag, position) = bytes.split_at_checked(32)?;
    if !key.verify(&[binding.as_bytes(), position], tag) {
        return None;
    }
    let mut parts = std::str::from_utf8(position).ok()?.splitn(3, '.');
    match (parts.next(), parts.next().and_then(|value| value.parse().ok()), parts.next()) {
        (Some("1"), Some(value), Some(id)) => Some((value, id.to_owned())),
        _ => None,
    }
}
