//! Passkeys: what a browser is asked, and whether its answer is believed (W3C Web Authentication, level 2).
//!
//! A ceremony is two calls. `begin_..` gives the options for the browser and a state; the caller keeps the state
//! on the server, bound to whom it was made for, gives it back to `finish_..` once, and throws it away after ten
//! minutes. The options suit a button as well as an autofill: a page that wants the latter passes
//! `mediation: "conditional"` to `navigator.credentials.get` beside them, and nothing here needs to know.
//!
//! Cryptography and the reading of authenticator data are webauthn-rs-core's; decision 7 tells what is added.

mod authentication;
mod origin;
mod registration;
mod relying_party;
mod wire;

pub use authentication::{Asserted, Peeked, peek, verifies};
pub use registration::{NewPasskey, Registrant};
pub use relying_party::{RelyingParty, Unfit};

use webauthn_rs_core::error::WebauthnError;
use webauthn_rs_core::proto::UserVerificationPolicy;

/// How long a browser may take, in milliseconds. The caller's own limit for a state is longer.
const TIMEOUT_MS: u32 = 60_000;

/// A credential that the caller knows of.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its id.
    pub credential_id: &'a [u8],
    /// How its authenticator is reached; a hint for the browser.
    pub transports: &'a [String],
}

/// A ceremony that has begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// What the browser gets, in the contract's `snake_case`.
    pub options: serde_json::Value,
    /// The challenge within, as base64url.
    pub challenge: String,
    /// What the caller keeps and gives back once; not for the browser.
    pub state: String,
}

/// Whether the authenticator has to ask for a finger, a face or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserVerification {
    /// If it can. The answer says whether it did.
    Preferred,
    /// An answer without it is refused.
    Required,
}

impl UserVerification {
    const fn word(self) -> &'static str {
        match self {
            Self::Preferred => "preferred",
            Self::Required => "required",
        }
    }

    const fn policy(self) -> UserVerificationPolicy {
        match self {
            Self::Preferred => UserVerificationPolicy::Preferred,
            Self::Required => UserVerificationPolicy::Required,
        }
    }
}

/// Why an answer is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It was made on a page of another origin, or in a frame of one.
    #[error("the passkey was used on a page of another origin")]
    OriginMismatch,
    /// It names another user than the credential's, or none where nobody had been named before.
    #[error("the passkey belongs to another user")]
    UserHandleMismatch,
    /// The signature counter did not grow, or the credential is one that was to be left out.
    #[error("the passkey was copied or is enrolled already")]
    Replayed,
    /// Anything else: another challenge or ceremony, another relying party, no person present, a wrong signature.
    #[error("the passkey's answer is not valid")]
    Invalid,
    /// What the caller has kept does not read: a fault of this side, not of the browser.
    #[error("the stored passkey or challenge cannot be read")]
    Damaged,
}

impl From<WebauthnError> for Refused {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::InvalidRPOrigin | WebauthnError::CredentialCrossOrigin => Self::OriginMismatch,
            WebauthnError::CredentialPossibleCompromise => Self::Replayed,
            _ => Self::Invalid,
        }
    }
}

#[cfg(test)]
mod tests;
