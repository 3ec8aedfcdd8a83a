//! An authenticator in software, on a page in software: passkeys for tests, honest or not.
//!
//! It answers the options of the API in the API's own `snake_case`. A [`Lie`] changes one thing, and everything
//! else stays right and rightly signed, so that a refusal has one possible reason.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

use crypto::{base64url, digest, random};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;

/// The base point of P-384: a good key of an algorithm that nobody asked for.
const P384: (&str, &str) = (
    "qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3",
    "NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f",
);

/// What an answer says wrongly; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct Lie {
    /// The relying party that the authenticator was asked by.
    pub rp_id: Option<String>,
    /// The page.
    pub origin: Option<String>,
    /// The page is a frame in a page of another origin.
    pub cross_origin: bool,
    /// That other origin.
    pub top_origin: Option<String>,
    /// The ceremony: `webauthn.create` or `webauthn.get`.
    pub ceremony: Option<String>,
    /// The challenge, as base64url.
    pub challenge: Option<String>,
    /// Nobody touched the authenticator.
    pub nobody: bool,
    /// The person was not verified.
    pub unverified: bool,
    /// The signature counter.
    pub counter: Option<u32>,
    /// The user that is named: another, or none.
    pub user_handle: Option<Option<Vec<u8>>>,
    /// The id that stands beside the signed data.
    pub credential_id: Option<Vec<u8>>,
    /// The new key is one of P-384.
    pub other_algorithm: bool,
    /// One bit of the signature is another.
    pub forged: bool,
    /// The key says that it may be synchronised.
    pub synchronised: bool,
}

/// One passkey and the key behind it.
#[derive(Clone)]
struct Passkey {
    id: Vec<u8>,
    rp_id: String,
    user_handle: Vec<u8>,
    key: SigningKey,
    counter: u32,
}

/// Holds passkeys and answers for a page of one origin.
#[derive(Clone)]
pub struct Authenticator {
    origin: String,
    /// Its model; all zero tells none.
    pub aaguid: [u8; 16],
    /// Whether it counts its signatures; many that synchronise do not.
    pub counts: bool,
    passkeys: Vec<Passkey>,
}

impl Authenticator {
    /// An empty authenticator in a browser that shows a page of this origin.
    pub fn on(origin: &str) -> Self {
        Self { origin: origin.to_owned(), aaguid: *b"latchkey-testkit", counts: true, passkeys: Vec::new() }
    }

    /// Makes a passkey and answers a registration.
    pub fn create(&mut self, options: &Value) -> Value {
        self.create_with(options, Lie::default())
    }

    /// Makes a passkey and answers a registration with a lie.
    pub fn create_with(&mut self, options: &Value, lie: Lie) -> Value {
        let passkey = Passkey {
            id: random::bytes::<32>().to_vec(),
            rp_id: text(&options["rp"]["id"]),
            user_handle: base64url::decode(&text(&options["user"]["id"])).expect("a handle is base64url"),
            key: fresh_key(),
            counter: 0,
        };
        let client_data = self.client_data("webauthn.create", options, &lie);
        let mut data = authenticator_data(&passkey, HAS_CREDENTIAL, &lie);
        data.extend(self.aaguid);
        data.extend((passkey.id.len() as u16).to_be_bytes());
        data.extend(&passkey.id);
        data.extend(if lie.other_algorithm { cose_p384() } else { cose_p256(&passkey.key) });
        let object = cbor_map(&[
            (cbor_text("fmt"), cbor_text("none")),
            (cbor_text("attStmt"), cbor_map(&[])),
            (cbor_text("authData"), cbor_bytes(&data)),
        ]);
        let id = base64url::encode(lie.credential_id.as_deref().unwrap_or(&passkey.id));
        self.passkeys.push(passkey);
        json!({
            "id": id,
            "raw_id": id,
            "type": "public-key",
            "response": {
                "client_data_json": base64url::encode(&client_data),
                "attestation_object": base64url::encode(&object),
            },
            "transports": ["internal", "hybrid"],
        })
    }

    /// Uses a passkey: one that is asked for, or the newest for this relying party.
    pub fn get(&mut self, options: &Value) -> Value {
        self.get_with(options, Lie::default())
    }

    /// Uses a passkey with a lie.
    pub fn get_with(&mut self, options: &Value, lie: Lie) -> Value {
        let client_data = self.client_data("webauthn.get", options, &lie);
        let asked = options["allow_credentials"].as_array().expect("a list of credentials").clone();
        let rp_id = text(&options["rp_id"]);
        let fits = |passkey: &Passkey| {
            let listed = asked.iter().any(|known| known["id"] == base64url::encode(&passkey.id).as_str());
            passkey.rp_id == rp_id && (asked.is_empty() || listed)
        };
        let counts = self.counts;
        let passkey =
            self.passkeys.iter_mut().rev().find(|passkey| fits(passkey)).expect("a passkey for these options");
        passkey.counter += u32::from(counts);
        let data = authenticator_data(passkey, 0, &lie);
        let signed = [&data[..], &digest::sha256(&client_data)].concat();
        let signature: Signature = passkey.key.sign(&signed);
        let mut signature = signature.to_der().as_bytes().to_vec();
        if lie.forged {
            let last = signature.last_mut().expect("a signature is not empty");
            *last ^= 1;
        }
        let handle = lie.user_handle.clone().unwrap_or_else(|| Some(passkey.user_handle.clone()));
        let id = base64url::encode(lie.credential_id.as_deref().unwrap_or(&passkey.id));
        json!({
            "id": id,
            "raw_id": id,
            "type": "public-key",
            "response": {
                "client_data_json": base64url::encode(&client_data),
                "authenticator_data": base64url::encode(&data),
                "signature": base64url::encode(&signature),
                "user_handle": handle.map(|handle| base64url::encode(&handle)),
            },
        })
    }

    fn client_data(&self, ceremony: &str, options: &Value, lie: &Lie) -> Vec<u8> {
        let mut data = json!({
            "type": lie.ceremony.as_deref().unwrap_or(ceremony),
            "challenge": lie.challenge.clone().unwrap_or_else(|| text(&options["challenge"])),
            "origin": lie.origin.as_deref().unwrap_or(&self.origin),
            "crossOrigin": lie.cross_origin,
        });
        if let Some(top) = &lie.top_origin {
            data["topOrigin"] = json!(top);
        }
        data.to_string().into_bytes()
    }
}

fn authenticator_data(passkey: &Passkey, flags: u8, lie: &Lie) -> Vec<u8> {
    let rp_id = lie.rp_id.as_deref().unwrap_or(&passkey.rp_id);
    let flags = flags
        | if lie.nobody { 0 } else { PRESENT }
        | if lie.unverified { 0 } else { VERIFIED }
        | if lie.synchronised { BACKUP_ELIGIBLE | BACKED_UP } else { 0 };
    let counter = lie.counter.unwrap_or(passkey.counter);
    [&digest::sha256(rp_id.as_bytes())[..], &[flags], &counter.to_be_bytes()].concat()
}

fn fresh_key() -> SigningKey {
    loop {
        // Nearly every 32 bytes are a key.
        if let Ok(key) = SigningKey::from_slice(&random::bytes::<32>()) {
            return key;
        }
    }
}

/// A key as RFC 9053 writes it: EC2, ES256, P-256.
fn cose_p256(key: &SigningKey) -> Vec<u8> {
    let point = key.verifying_key().to_sec1_point(false);
    let point = point.as_bytes();
    cose_ec2(-7, 1, &point[1..33], &point[33..])
}

fn cose_p384() -> Vec<u8> {
    let coordinate = |text: &str| base64url::decode(text).expect("a coordinate is base64url");
    cose_ec2(-35, 2, &coordinate(P384.0), &coordinate(P384.1))
}

fn cose_ec2(algorithm: i64, curve: i64, x: &[u8], y: &[u8]) -> Vec<u8> {
    cbor_map(&[
        (cbor_int(1), cbor_int(2)),
        (cbor_int(3), cbor_int(algorithm)),
        (cbor_int(-1), cbor_int(curve)),
        (cbor_int(-2), cbor_bytes(x)),
        (cbor_int(-3), cbor_bytes(y)),
    ])
}

/// The head of a CBOR item (RFC 8949, section 3), for what is shorter than 64 KiB.
fn cbor_head(major: u8, length: u16) -> Vec<u8> {
    match length {
        0..24 => vec![major << 5 | length as u8],
        24..256 => vec![major << 5 | 24, length as u8],
        _ => [&[major << 5 | 25][..], &length.to_be_bytes()].concat(),
    }
}

fn cbor_int(number: i64) -> Vec<u8> {
    let (major, number) = if number < 0 { (1, -1 - number) } else { (0, number) };
    cbor_head(major, number as u16)
}

fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    [cbor_head(2, bytes.len() as u16), bytes.to_vec()].concat()
}

fn cbor_text(text: &str) -> Vec<u8> {
    [cbor_head(3, text.len() as u16), text.as_bytes().to_vec()].concat()
}

fn cbor_map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let pairs_in_order = pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]);
    std::iter::once(cbor_head(5, pairs.len() as u16)).chain(pairs_in_order).flatten().collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}
