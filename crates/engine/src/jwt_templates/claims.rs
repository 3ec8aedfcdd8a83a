//! The claims of one token, and how long it gets. First what the platform says, then what the template says, last
//! what nobody else may say.

use domain::environment::Environment;
use domain::jwt_template::{JwtTemplate, SigningAlgorithm, TOKEN_TYPE, is_reserved};
use domain::{SigningKeyId, Timestamp};
use serde_json::{Map, Value};
use templates::claims::{ClaimError, Claims};

/// What the claims of one token are made from.
pub(super) struct TokenClaims<'a> {
    issuer: &'a str,
    subject: String,
    lifetime: i64,
    allowed_clock_skew: i64,
    values: Map<String, Value>,
    now: Timestamp,
}

impl<'a> TokenClaims<'a> {
    /// The claims of a token by this template, about whom the values tell of.
    pub(super) fn of(env: &'a Environment, template: &JwtTemplate, values: Map<String, Value>, now: Timestamp) -> Self {
        let spans = (template.lifetime, template.allowed_clock_skew);
        Self::new(env, spans, values, now)
    }

    /// The same of a template that nobody has stored: how long a token lives and how far it is dated back.
    pub(super) fn new(
        env: &'a Environment,
        (lifetime, allowed_clock_skew): (i64, i64),
        values: Map<String, Value>,
        now: Timestamp,
    ) -> Self {
        let subject = values.get("user").and_then(|user| user["id"].as_str()).unwrap_or_default().to_owned();
        Self { issuer: &env.issuer, subject, lifetime, allowed_clock_skew, values, now }
    }
}

/// Makes the claims.
pub(super) fn rendered(claims: &Claims, token: &TokenClaims<'_>) -> Result<Map<String, Value>, ClaimError> {
    let mut made = Map::new();
    made.insert("iss".to_owned(), Value::from(token.issuer));
    made.insert("sub".to_owned(), Value::from(token.subject.as_str()));
    for (name, value) in claims.render(&token.values)? {
        match name.as_str() {
            // Nothing that is stored says so; a verifier must not be lied to all the same.
            name if is_reserved(name) => {}
            // What resolves to nothing overrides nothing: people without the value must not be taken for each other.
            "iss" | "sub" => {
                if let Some(text) = text(&value) {
                    made.insert(name, Value::String(text));
                }
            }
            "aud" => {
                if let Some(audience) = audience(value) {
                    made.insert(name, audience);
                }
            }
            _ => {
                made.insert(name, value);
            }
        }
    }
    let iat = token.now.seconds();
    made.insert("iat".to_owned(), Value::from(iat));
    made.insert("nbf".to_owned(), Value::from(iat - token.allowed_clock_skew));
    made.insert("exp".to_owned(), Value::from(iat + token.lifetime));
    made.insert("jti".to_owned(), Value::from(crypto::random::jti()));
    Ok(made)
}

/// A value as a text (RFC 7519 section 2, StringOrURI); none of nothing.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

/// An audience is a text or a list of texts (RFC 7519 section 4.1.3).
fn audience(value: Value) -> Option<Value> {
    match value {
        Value::Array(list) => {
            let texts: Vec<Value> = list.iter().filter_map(text).map(Value::String).collect();
            (!texts.is_empty()).then_some(Value::Array(texts))
        }
        other => text(&other).map(Value::String),
    }
}

/// What the length of a token depends on beside its claims.
pub(super) struct Shape {
    header: usize,
    signature: usize,
}

impl Shape {
    /// The shape of a template's tokens.
    pub(super) fn of(template: &JwtTemplate) -> Self {
        // A key id of the environment: its prefix, an underscore and a ULID.
        let own = template.custom_kid().map_or(SigningKeyId::PREFIX.len() + 27, |kid| kid.len());
        let modulus = template.custom_key.as_ref().and_then(|key| key.public_jwk.as_ref()?.get("n")?.as_str());
        // Three bytes are four characters of base64url.
        let modulus = modulus.map_or(256, |n| n.len() * 3 / 4);
        Self::new(template.signing_algorithm, own, modulus)
    }

    /// The shape of tokens that the environment signs, or somebody with a secret.
    pub(super) fn of_algorithm(algorithm: SigningAlgorithm) -> Self {
        Self::new(algorithm, SigningKeyId::PREFIX.len() + 27, 256)
    }

    fn new(algorithm: SigningAlgorithm, kid: usize, modulus: usize) -> Self {
        let header = format!(r#"{{"alg":"{}","kid":"","typ":"{TOKEN_TYPE}"}}"#, algorithm.as_str());
        let signature = match algorithm {
            SigningAlgorithm::Rs256 => modulus,
            SigningAlgorithm::Es256 => 64,
            SigningAlgorithm::Hs256 => 32,
        };
        Self { header: header.len() + kid, signature }
    }

    /// How long the whole token is with these claims.
    pub(super) fn of_token(&self, claims: &Map<String, Value>) -> usize {
        self.of_payload(serde_json::to_vec(claims).map_or(usize::MAX / 8, |text| text.len()))
    }

    /// The same with claims of this many bytes.
    pub(super) fn of_payload(&self, payload: usize) -> usize {
        let encoded = |bytes: usize| (bytes * 4).div_ceil(3);
        encoded(self.header) + 1 + encoded(payload) + 1 + encoded(self.signature)
    }
}
