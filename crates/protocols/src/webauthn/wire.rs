//! The JSON of both ways: the contract's `snake_case`, and on the way in the browsers' `camelCase` as well.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{Known, Refused, RelyingParty};
use crypto::base64url;

/// The transports that the contract knows.
const TRANSPORTS: [&str; 5] = ["usb", "nfc", "ble", "internal", "hybrid"];

/// What `navigator.credentials.create` gave.
#[derive(Deserialize)]
pub(super) struct Attestation {
    id: String,
    #[serde(alias = "rawId")]
    raw_id: Bytes,
    response: AttestationResponse,
    r#type: String,
    #[serde(default)]
    transports: Vec<String>,
}

#[derive(Deserialize)]
struct AttestationResponse {
    #[serde(alias = "clientDataJSON", alias = "clientDataJson")]
    client_data_json: Bytes,
    #[serde(alias = "attestationObject")]
    attestation_object: Bytes,
    /// Where browsers themselves put them.
    #[serde(default)]
    transports: Vec<String>,
}

impl Attestation {
    pub(super) fn read(value: &Value) -> Result<Self, Refused> {
        let this = Self::deserialize(value).map_err(|_| Refused::Invalid)?;
        names_itself(&this.id, &this.raw_id.0, &this.r#type)?;
        Ok(this)
    }

    pub(super) fn credential_id(&self) -> &[u8] {
        &self.raw_id.0
    }

    pub(super) fn client_data(&self) -> &[u8] {
        &self.response.client_data_json.0
    }

    pub(super) fn object(&self) -> &[u8] {
        &self.response.attestation_object.0
    }

    /// The known transports that were named, each once.
    pub(super) fn transports(&self) -> Vec<String> {
        let named = |word: &&str| self.transports.iter().chain(&self.response.transports).any(|text| text == word);
        TRANSPORTS.iter().filter(|word| named(word)).map(|word| (*word).to_owned()).collect()
    }
}

/// What `navigator.credentials.get` gave.
#[derive(Deserialize)]
pub(super) struct Assertion {
    id: String,
    #[serde(alias = "rawId")]
    raw_id: Bytes,
    response: AssertionResponse,
    r#type: String,
}

#[derive(Deserialize)]
struct AssertionResponse {
    #[serde(alias = "clientDataJSON", alias = "clientDataJson")]
    client_data_json: Bytes,
    #[serde(alias = "authenticatorData")]
    authenticator_data: Bytes,
    signature: Bytes,
    #[serde(default, alias = "userHandle")]
    user_handle: Option<Bytes>,
}

impl Assertion {
    pub(super) fn read(value: &Value) -> Result<Self, Refused> {
        let this = Self::deserialize(value).map_err(|_| Refused::Invalid)?;
        names_itself(&this.id, &this.raw_id.0, &this.r#type)?;
        Ok(this)
    }

    pub(super) fn credential_id(&self) -> &[u8] {
        &self.raw_id.0
    }

    pub(super) fn client_data(&self) -> &[u8] {
        &self.response.client_data_json.0
    }

    pub(super) fn authenticator_data(&self) -> &[u8] {
        &self.response.authenticator_data.0
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.response.signature.0
    }

    /// The user that the authenticator names; some write "none" as an empty text.
    pub(super) fn user_handle(&self) -> Option<&[u8]> {
        self.response.user_handle.as_ref().map(|handle| handle.0.as_slice()).filter(|handle| !handle.is_empty())
    }
}

/// What the browser saw and had signed.
#[derive(Deserialize)]
struct ClientData {
    r#type: String,
    challenge: Bytes,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<String>,
}

/// Checks the browser's part of an answer and gives the origin that it was made on.
///
/// The library checks all of it again except for two: that an assertion was not made in another site's frame, and
/// that the origin is written as browsers write it.
pub(super) fn check_client_data(
    rp: &RelyingParty,
    client_data: &[u8],
    ceremony: &str,
    challenge: &[u8],
) -> Result<url::Url, Refused> {
    let data: ClientData = serde_json::from_slice(client_data).map_err(|_| Refused::Invalid)?;
    if data.r#type != ceremony || data.challenge.0 != challenge {
        return Err(Refused::Invalid);
    }
    let origin = rp.admit(&data.origin)?;
    if data.cross_origin || data.top_origin.is_some() {
        return Err(Refused::OriginMismatch);
    }
    Ok(origin)
}

/// Lists credentials for a browser.
pub(super) fn descriptors(known: &[Known<'_>]) -> Vec<Value> {
    known
        .iter()
        .map(|known| {
            let id = base64url::encode(known.credential_id);
            if known.transports.is_empty() {
                return json!({ "id": id, "type": "public-key" });
            }
            json!({ "id": id, "type": "public-key", "transports": known.transports })
        })
        .collect()
}

fn names_itself(id: &str, raw_id: &[u8], kind: &str) -> Result<(), Refused> {
    let consistent = kind == "public-key" && !raw_id.is_empty() && base64url::encode(raw_id) == id;
    consistent.then_some(()).ok_or(Refused::Invalid)
}

/// Bytes as base64url in its one form.
pub(super) struct Bytes(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        base64url::decode(&text).map(Self).map_err(serde::de::Error::custom)
    }
}
