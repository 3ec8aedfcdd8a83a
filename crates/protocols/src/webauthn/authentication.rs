//! The use of a passkey.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webauthn_rs_core::proto::{
    AuthenticationState, AuthenticatorAssertionResponseRaw, Credential, PublicKeyCredential,
};

use super::wire::{Assertion, check_client_data, descriptors};
use super::{Begun, Known, Refused, RelyingParty, TIMEOUT_MS, UserVerification};
use crypto::base64url;

/// What an assertion says of itself: enough to look the passkey up, and not to be believed before that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    /// The credential that it claims to be signed with.
    pub credential_id: Vec<u8>,
    /// The user that it names.
    pub user_handle: Option<Vec<u8>>,
}

/// A passkey that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asserted {
    /// The signature counter. It was greater than the one in the stored credential, or both are 0; two answers that
    /// race are the caller's to tell apart, by storing it only over the counter that was read.
    pub sign_count: u32,
    /// Whether the person was verified, not just present: signed by the authenticator.
    pub user_verified: bool,
    /// Whether the key has left its authenticator.
    pub backup_state: bool,
    /// What is stored instead of the credential that was given.
    pub credential: String,
}

#[derive(Serialize, Deserialize)]
struct State {
    ceremony: AuthenticationState,
    challenge: String,
    allow: Vec<String>,
}

/// Reads whose passkey an assertion claims to be, believing nothing.
pub fn peek(assertion: &Value) -> Result<Peeked, Refused> {
    let answer = Assertion::read(assertion)?;
    Ok(Peeked { credential_id: answer.credential_id().to_vec(), user_handle: answer.user_handle().map(<[u8]>::to_vec) })
}

/// Whether a stored passkey verified its person when it was made, and so does at every use.
pub fn verifies(credential: &str) -> Result<bool, Refused> {
    let credential: Credential = serde_json::from_str(credential).map_err(|_| Refused::Damaged)?;
    Ok(credential.user_verified)
}

impl RelyingParty {
    /// Asks for the use of one of `allow`, or of any passkey when it is empty: then the answer has to name its user.
    pub fn begin_authentication(&self, allow: &[Known<'_>], verification: UserVerification) -> Begun {
        let core = self.core(Vec::new());
        let builder = core
            .new_challenge_authenticate_builder(Vec::new(), Some(verification.policy()))
            .expect("the policy is given, not taken from credentials");
        let (request, ceremony) = core.generate_challenge_authenticate(builder).expect("a minute fits into 32 bits");
        let challenge = base64url::encode(&request.public_key.challenge);
        let options = json!({
            "rp_id": self.id,
            "challenge": challenge,
            "timeout": TIMEOUT_MS,
            "allow_credentials": descriptors(allow),
            "user_verification": verification.word(),
        });
        let allow = allow.iter().map(|known| base64url::encode(known.credential_id)).collect();
        let state = State { ceremony, challenge: challenge.clone(), allow };
        let state = serde_json::to_string(&state).expect("a state is texts and numbers");
        Begun { options, challenge, state }
    }

    /// Believes the answer to [`Self::begin_authentication`], or says why not.
    ///
    /// `credential` is the stored one whose id [`peek`] gave, `handle` that of the user who owns it. A passkey that
    /// verified its person when it was made has to do so at every use: without, somebody else holds the device.
    pub fn finish_authentication(
        &self,
        state: &str,
        assertion: &Value,
        credential: &str,
        handle: [u8; 16],
    ) -> Result<Asserted, Refused> {
        let state: State = serde_json::from_str(state).map_err(|_| Refused::Damaged)?;
        let challenge = base64url::decode(&state.challenge).map_err(|_| Refused::Damaged)?;
        let mut credential: Credential = serde_json::from_str(credential).map_err(|_| Refused::Damaged)?;
        let answer = Assertion::read(assertion)?;
        let listed = state.allow.is_empty() || state.allow.contains(&base64url::encode(answer.credential_id()));
        if !listed {
            return Err(Refused::Invalid);
        }
        let origin = check_client_data(self, answer.client_data(), "webauthn.get", &challenge)?;
        let result = self.core(vec![origin]).authenticate_single_credential(
            &answer.for_library(),
            &state.ceremony,
            &credential,
        )?;
        let named = match answer.user_handle() {
            Some(named) => named == handle,
            // Whoever was named before may leave it out: keys that are no passkeys do.
            None => !state.allow.is_empty(),
        };
        if !named {
            return Err(Refused::UserHandleMismatch);
        }
        credential.counter = result.counter();
        credential.backup_state = result.backup_state();
        Ok(Asserted {
            sign_count: result.counter(),
            // Both times, or whoever enrolled it without being verified could say otherwise later.
            user_verified: result.user_verified() && credential.user_verified,
            backup_state: result.backup_state(),
            credential: serde_json::to_string(&credential).expect("a credential is texts and numbers"),
        })
    }
}

impl Assertion {
    fn for_library(&self) -> PublicKeyCredential {
        PublicKeyCredential {
            id: base64url::encode(self.credential_id()),
            raw_id: self.credential_id().to_vec(),
            response: AuthenticatorAssertionResponseRaw {
                authenticator_data: self.authenticator_data().to_vec(),
                client_data_json: self.client_data().to_vec(),
                signature: self.signature().to_vec(),
                user_handle: self.user_handle().map(<[u8]>::to_vec),
            },
            extensions: Default::default(),
            type_: "public-key".to_owned(),
        }
    }
}
