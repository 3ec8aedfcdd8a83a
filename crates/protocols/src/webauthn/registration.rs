//! A new passkey.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webauthn_rs_core::proto::{
    AttestationFormat, AuthenticatorAttestationResponseRaw, COSEAlgorithm, Credential, ParsedAttestation,
    RegisterPublicKeyCredential, RegistrationState, UserVerificationPolicy,
};

use super::wire::{Attestation, check_client_data, descriptors};
use super::{Begun, Known, Refused, RelyingParty, TIMEOUT_MS};
use crypto::base64url;

/// What is accepted, the best first.
const ALGORITHMS: [COSEAlgorithm; 2] = [COSEAlgorithm::ES256, COSEAlgorithm::RS256];

/// Whom a passkey is made for.
#[derive(Debug, Clone, Copy)]
pub struct Registrant<'a> {
    /// The random handle by which an authenticator knows the user; never an id that appears elsewhere.
    pub handle: [u8; 16],
    /// What the person signs in with.
    pub name: &'a str,
    /// What the person is called.
    pub display_name: &'a str,
}

/// A passkey that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPasskey {
    /// Unique in the environment, or it is refused: the caller's to see to.
    pub credential_id: Vec<u8>,
    /// What is stored and given to `finish_authentication`.
    pub credential: String,
    /// The model of the authenticator; `None` if it does not tell.
    pub aaguid: Option<String>,
    /// The signature counter; 0 from authenticators that have none.
    pub sign_count: u32,
    /// How the authenticator is reached.
    pub transports: Vec<String>,
    /// Whether the key may leave its authenticator.
    pub backup_eligible: bool,
    /// Whether it has.
    pub backup_state: bool,
    /// Whether the person was verified, not just present.
    pub user_verified: bool,
}

#[derive(Serialize, Deserialize)]
struct State {
    ceremony: RegistrationState,
    challenge: String,
    exclude: Vec<String>,
}

impl RelyingParty {
    /// Asks for a new passkey, on an authenticator that holds none of `exclude`.
    pub fn begin_registration(&self, registrant: Registrant<'_>, exclude: &[Known<'_>]) -> Begun {
        let core = self.core(Vec::new());
        // Names and options are written below; the library makes the challenge and remembers the terms.
        let builder = core
            .new_challenge_register_builder(&registrant.handle, "-", "-")
            .expect("a handle of 16 bytes and the names are not empty")
            .credential_algorithms(ALGORITHMS.to_vec())
            .user_verification_policy(UserVerificationPolicy::Preferred);
        let (request, ceremony) = core.generate_challenge_register(builder).expect("a minute fits into 32 bits");
        let challenge = base64url::encode(&request.public_key.challenge);
        let algorithms: Vec<Value> =
            ALGORITHMS.iter().map(|algorithm| json!({ "type": "public-key", "alg": *algorithm as i64 })).collect();
        let options = json!({
            "rp": { "id": self.id, "name": self.name },
            "user": {
                "id": base64url::encode(&registrant.handle),
                "name": registrant.name,
                "display_name": registrant.display_name,
            },
            "challenge": challenge,
            "pub_key_cred_params": algorithms,
            "timeout": TIMEOUT_MS,
            "attestation": "none",
            "authenticator_selection": {
                "authenticator_attachment": null,
                "resident_key": "preferred",
                "user_verification": "preferred",
            },
            "exclude_credentials": descriptors(exclude),
        });
        let exclude = exclude.iter().map(|known| base64url::encode(known.credential_id)).collect();
        let state = State { ceremony, challenge: challenge.clone(), exclude };
        let state = serde_json::to_string(&state).expect("a state is texts and numbers");
        Begun { options, challenge, state }
    }

    /// Believes the answer to [`Self::begin_registration`], or says why not.
    pub fn finish_registration(&self, state: &str, attestation: &Value) -> Result<NewPasskey, Refused> {
        let state: State = serde_json::from_str(state).map_err(|_| Refused::Damaged)?;
        let challenge = base64url::decode(&state.challenge).map_err(|_| Refused::Damaged)?;
        let answer = Attestation::read(attestation)?;
        let origin = check_client_data(self, answer.client_data(), "webauthn.create", &challenge)?;
        let credential = self.core(vec![origin]).register_credential(&answer.for_library(), &state.ceremony, None)?;
        // The id beside the object is unsigned; the one inside counts.
        if credential.cred_id != answer.credential_id() {
            return Err(Refused::Invalid);
        }
        if state.exclude.contains(&base64url::encode(&credential.cred_id)) {
            return Err(Refused::Replayed);
        }
        Ok(NewPasskey {
            aaguid: aaguid(answer.object()),
            sign_count: credential.counter,
            transports: answer.transports(),
            backup_eligible: credential.backup_eligible,
            backup_state: credential.backup_state,
            user_verified: credential.user_verified,
            credential_id: credential.cred_id.clone(),
            credential: stored(credential),
        })
    }
}

impl Attestation {
    fn for_library(&self) -> RegisterPublicKeyCredential {
        RegisterPublicKeyCredential {
            id: base64url::encode(self.credential_id()),
            raw_id: self.credential_id().to_vec(),
            response: AuthenticatorAttestationResponseRaw {
                attestation_object: self.object().to_vec(),
                client_data_json: self.client_data().to_vec(),
                transports: None,
            },
            type_: "public-key".to_owned(),
            extensions: Default::default(),
        }
    }
}

/// Writes a credential without its attestation: none was asked for, and a certificate names the device's batch.
fn stored(credential: Credential) -> String {
    let credential = Credential {
        attestation: ParsedAttestation::default(),
        attestation_format: AttestationFormat::None,
        ..credential
    };
    serde_json::to_string(&credential).expect("a credential is texts and numbers")
}

/// The model of the authenticator, out of an attestation object that has been verified.
fn aaguid(object: &[u8]) -> Option<String> {
    use serde_cbor_2::Value as Cbor;
    let Cbor::Map(map) = serde_cbor_2::from_slice(object).ok()? else { return None };
    let Cbor::Bytes(data) = map.get(&Cbor::Text("authData".to_owned()))? else { return None };
    // Behind the hash of the relying party (32), the flags (1) and the counter (4).
    let model = data.get(37..53).filter(|model| model.iter().any(|byte| *byte != 0))?;
    let hex = crypto::digest::hex(model);
    Some([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}
