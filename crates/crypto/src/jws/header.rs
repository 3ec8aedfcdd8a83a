use serde_json::{Map, Value};

use super::{Algorithm, JwsError, is_key_id};
use crate::{base64url, strict_json};

/// The longest token anyone is asked to look at.
pub const MAX_TOKEN_LEN: usize = 16 * 1024;

/// Parameters that would let a token bring its own key, change its meaning, or hide another token.
const REFUSED: [&str; 9] = ["crit", "jku", "jwk", "x5u", "x5c", "b64", "cty", "zip", "enc"];

/// What a token says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub alg: Algorithm,
    pub kid: String,
    pub typ: Option<String>,
}

/// A token taken apart, nothing verified.
pub(super) struct Parts<'a> {
    pub(super) header: Header,
    pub(super) signing_input: &'a str,
    pub(super) claims: &'a str,
    pub(super) signature: &'a str,
}

/// Reads a token's header to find its key; nothing in it may be trusted before the signature.
pub fn parse_unverified_header(token: &str) -> Result<Header, JwsError> {
    take_apart(token).map(|parts| parts.header)
}

pub(super) fn take_apart(token: &str) -> Result<Parts<'_>, JwsError> {
    if token.len() > MAX_TOKEN_LEN {
        return Err(JwsError::TooLong);
    }
    let (signing_input, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
    let (header, claims) = signing_input.split_once('.').ok_or(JwsError::Malformed)?;
    if header.is_empty() || signature.is_empty() || claims.contains('.') {
        return Err(JwsError::Malformed);
    }
    let header = base64url::decode(header).map_err(|_| JwsError::Malformed)?;
    let header = strict_json::parse_object(&header, 4).map_err(JwsError::Header)?;
    Ok(Parts { header: read(&header)?, signing_input, claims, signature })
}

fn read(header: &Map<String, Value>) -> Result<Header, JwsError> {
    if let Some(name) = REFUSED.iter().find(|name| header.contains_key(**name)) {
        return Err(JwsError::Parameter(name));
    }
    let alg = text(header, "alg")?.ok_or(JwsError::Parameter("alg"))?;
    let alg = alg.parse().map_err(|_| JwsError::UnsupportedAlgorithm)?;
    let kid = text(header, "kid")?.filter(|kid| is_key_id(kid)).ok_or(JwsError::Parameter("kid"))?.to_owned();
    let typ = text(header, "typ")?.map(str::to_owned);
    Ok(Header { alg, kid, typ })
}

fn text<'a>(header: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, JwsError> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwsError::Parameter(name)),
    }
}
