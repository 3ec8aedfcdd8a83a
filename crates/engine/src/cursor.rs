//! Cursors: opaque, authenticated, bound to the list, its filters and its order.

use crate::{Engine, tenancy};
use domain::environment::Environment;
use storage::Error;

/// Makes a cursor that goes on after a row.
pub async fn seal(engine: &Engine, env: &Environment, binding: &str, value: i64, id: &str) -> Result<String, Error> {
    let keys = tenancy::tenant(engine, env.id).await?;
    let position = format!("1.{value}.{id}");
    let tag = keys.keys.cursor.tag(&[binding.as_bytes(), position.as_bytes()]);
    Ok(crypto::base64url::encode(&[tag.as_slice(), position.as_bytes()].concat()))
}

/// Reads a cursor; `None` when it is forged or belongs to another list.
pub async fn open(
    engine: &Engine,
    env: &Environment,
    binding: &str,
    text: &str,
) -> Result<Option<(i64, String)>, Error> {
    let keys = tenancy::tenant(engine, env.id).await?;
    if text.len() > 512 {
        return Ok(None);
    }
    let Ok(bytes) = crypto::base64url::decode(text) else { return Ok(None) };
    let Some((tag, position)) = bytes.split_at_checked(32) else { return Ok(None) };
    if !keys.keys.cursor.verify(&[binding.as_bytes(), position], tag) {
        return Ok(None);
    }
    let Ok(position) = std::str::from_utf8(position) else { return Ok(None) };
    let mut parts = position.splitn(3, '.');
    Ok(match (parts.next(), parts.next().and_then(|v| v.parse().ok()), parts.next()) {
        (Some("1"), Some(value), Some(id)) => Some((value, id.to_owned())),
        _ => None,
    })
}
