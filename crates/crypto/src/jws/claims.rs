use serde_json::Value;

use super::Claims;

/// Why verified claims are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    #[error("the claim `{0}` is missing")]
    Missing(&'static str),
    #[error("the claim `{0}` has the wrong type")]
    WrongType(&'static str),
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is of another issuer")]
    OtherIssuer,
}

/// Checks `exp` (required), `nbf` and `iat` (RFC 7519 section 4.1) against `now_s`, in seconds.
pub fn validate_times(claims: &Claims, now_s: i64, leeway_s: i64) -> Result<(), ClaimError> {
    let exp = integer(claims, "exp")?.ok_or(ClaimError::Missing("exp"))?;
    if now_s >= exp.saturating_add(leeway_s) {
        return Err(ClaimError::Expired);
    }
    for name in ["nbf", "iat"] {
        let start = integer(claims, name)?.unwrap_or(i64::MIN);
        if start > now_s.saturating_add(leeway_s) {
            return Err(ClaimError::NotYet);
        }
    }
    Ok(())
}

/// Checks that `iss` is exactly the one expected.
pub fn require_issuer(claims: &Claims, expected: &str) -> Result<(), ClaimError> {
    match string(claims, "iss")? {
        None => Err(ClaimError::Missing("iss")),
        Some(issuer) if issuer == expected => Ok(()),
        Some(_) => Err(ClaimError::OtherIssuer),
    }
}

/// Whether `aud` names the given audience, as one string or in a list (RFC 7519 section 4.1.3).
pub fn audience_contains(claims: &Claims, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(many)) => many.iter().any(|one| one == audience),
        _ => false,
    }
}

/// Reads an integer claim; a fraction, a numeral in quotes or null is of the wrong type.
pub fn integer(claims: &Claims, name: &'static str) -> Result<Option<i64>, ClaimError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or(ClaimError::WrongType(name)),
    }
}

/// Reads a string claim; anything else but absence is of the wrong type.
pub fn string<'a>(claims: &'a Claims, name: &'static str) -> Result<Option<&'a str>, ClaimError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(ClaimError::WrongType(name)),
    }
}
