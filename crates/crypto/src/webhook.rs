//! What signs webhooks: the scheme of Standard Webhooks, which the libraries of Svix verify as well.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use zeroize::Zeroize as _;

use crate::{Secret, random};

const PREFIX: &str = "whsec_";

/// The key of an endpoint: 32 random bytes, wiped when dropped.
#[derive(Debug, Clone)]
pub struct WebhookSecret(Secret<[u8; 32]>);

/// Bytes that are no key of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a webhook secret of 32 bytes")]
pub struct NotASecret;

impl WebhookSecret {
    /// Draws a key.
    pub fn generate() -> Self {
        Self(Secret::new(random::bytes()))
    }

    /// Takes a key from its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotASecret> {
        bytes.try_into().map(|key| Self(Secret::new(key))).map_err(|_| NotASecret)
    }

    /// The bytes, to be sealed.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The text that receivers are given: `whsec_` and standard base64 with padding.
    pub fn to_text(&self) -> Secret<String> {
        let mut encoded = STANDARD.encode(self.0.expose());
        let text = Secret::new(format!("{PREFIX}{encoded}"));
        encoded.zeroize();
        text
    }

    /// The entry of the signature header for a message: `v1,` and the tag of `id.timestamp.body` in base64.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose());
        let mut signed = hmac::Context::with_key(&key);
        signed.update(format!("{id}.{timestamp}.").as_bytes());
        signed.update(body);
        format!("v1,{}", STANDARD.encode(signed.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_the_form_that_receivers_read() {
        let secret = WebhookSecret::generate();
        let text = secret.to_text();
        let encoded = text.expose().strip_prefix("whsec_").expect("the prefix");

        assert_eq!(STANDARD.decode(encoded).expect("base64"), secret.expose());
        assert_eq!(encoded.len(), 44);
        assert!(WebhookSecret::from_bytes(&[1; 31]).is_err());
        assert_ne!(WebhookSecret::generate().expose(), secret.expose());
        assert_eq!(format!("{secret:?}"), "WebhookSecret(Secret(..))");
    }

    #[test]
    fn a_signature_is_the_one_that_openssl_makes() {
        // printf 'msg_1.1674087231.{"a":1}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101... -binary | base64
        let secret = WebhookSecret::from_bytes(&[1; 32]).expect("32 bytes");

        let signature = secret.sign("msg_1", 1_674_087_231, br#"{"a":1}"#);

        assert_eq!(signature, "v1,13CwSp20Rq9Jr63U04xGSEFFHl45yAd5um13bst/wik=");
        assert_ne!(signature, secret.sign("msg_1", 1_674_087_232, br#"{"a":1}"#));
    }
}
