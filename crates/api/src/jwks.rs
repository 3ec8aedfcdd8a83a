//! The public keys of an environment (RFC 7517).

use crate::words::{self, words};
use domain::jwt_template::JwtTemplate;
use domain::key::SigningKey;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

words! {
    /// The kinds of key that are published; a symmetric one never is.
    KeyType ["EC", "RSA"];
    /// What published keys are for.
    KeyUse ["sig"];
    /// The algorithms of published keys.
    KeyAlgorithm ["ES256", "RS256"];
}

/// A set of public keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// A public key; holds public members only, whatever it is made from.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    /// The kind of key.
    #[schema(schema_with = words::one::<KeyType>)]
    pub kty: KeyType,
    /// Its id.
    pub kid: String,
    /// What it is for.
    #[serde(rename = "use")]
    #[schema(schema_with = words::one::<KeyUse>)]
    pub purpose: KeyUse,
    /// The algorithm it verifies.
    #[schema(schema_with = words::one::<KeyAlgorithm>)]
    pub alg: KeyAlgorithm,
    /// The modulus of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub n: Option<String>,
    /// The exponent of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub e: Option<String>,
    /// The curve of an EC key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub crv: Option<String>,
    /// The x coordinate of an EC key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub x: Option<String>,
    /// The y coordinate of an EC key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub y: Option<String>,
}

impl Jwks {
    /// The keys that are published now, in the order given.
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Self {
        Self { keys: keys.into_iter().filter(|key| key.status.is_published()).filter_map(Jwk::of).collect() }
    }
}

impl Jwk {
    /// The public part of a key; `None` for a key that is neither ES256 nor RS256.
    pub fn of(key: &SigningKey) -> Option<Self> {
        Self::of_parts(key.id.to_string(), &key.algorithm, &key.public_jwk)
    }

    /// The public half of the key that was brought for a template; `None` when there is no such half.
    pub fn of_template(template: &JwtTemplate) -> Option<Self> {
        let jwk = template.custom_key.as_ref()?.public_jwk.as_ref()?;
        Self::of_parts(template.custom_kid()?, template.signing_algorithm.as_str(), jwk)
    }

    fn of_parts(kid: String, algorithm: &str, public_jwk: &Value) -> Option<Self> {
        let (kty, alg) = match algorithm {
            "ES256" => ("EC", "ES256"),
            "RS256" => ("RSA", "RS256"),
            _ => return None,
        };
        let member = |name: &str| public_jwk.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            kty: KeyType(kty),
            kid,
            purpose: KeyUse("sig"),
            alg: KeyAlgorithm(alg),
            n: member("n"),
            e: member("e"),
            crv: member("crv"),
            x: member("x"),
            y: member("y"),
        })
    }
}
