//! What people hold in their hands: an authenticator app, and an authenticator with a passkey. Both in software, and
//! both as little of one as the server needs.

use anyhow::Context as _;
use boot::clock::SystemClock;
use crypto::jws::{Algorithm, Signer, generate_pkcs8};
use crypto::{base64url, digest, random, totp};
use domain::Clock as _;
use serde_json::{Value, json};

/// An authenticator app; it shows each code once.
pub(super) struct App {
    secret: Vec<u8>,
    last_step: i64,
}

impl App {
    /// Takes a secret as a person would type it in.
    pub(super) fn read(base32: &str) -> anyhow::Result<Self> {
        let secret = decoded(base32).context("the secret of an app is no base32")?;
        Ok(Self { secret, last_step: 0 })
    }

    /// The next code that the server takes: of the step before, the current one or the one after. None when all three
    /// were shown.
    pub(super) fn code(&mut self) -> Option<String> {
        let now = totp::step(SystemClock.now().seconds());
        let step = (self.last_step + 1).max(now - 1);
        if step > now + 1 {
            return None;
        }
        self.last_step = step;
        Some(totp::code(&self.secret, step * 30).expose().clone())
    }
}

/// RFC 4648, without padding.
fn decoded(base32: &str) -> Option<Vec<u8>> {
    let (mut held, mut bits, mut bytes) = (0_u32, 0_u32, Vec::new());
    for character in base32.bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'2'..=b'7' => character - b'2' + 26,
            _ => return None,
        };
        (held, bits) = ((held << 5 | u32::from(value)) & 0xfff, bits + 5);
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// One passkey of one person, on a page of the server's own origin.
pub(super) struct Passkey {
    id: [u8; 32],
    signer: Signer,
    origin: String,
    user_handle: String,
}

const VERIFIED: u8 = 0x05;
const HAS_CREDENTIAL: u8 = 0x40;

impl Passkey {
    /// Makes a passkey, and the attestation that answers a registration.
    pub(super) fn create(origin: &str, options: &Value) -> anyhow::Result<(Self, Value)> {
        let user_handle = options["user"]["id"].as_str().context("a registration names no user")?.to_owned();
        let signer = Signer::new(Algorithm::Es256, "bench", &generate_pkcs8(Algorithm::Es256)?)?;
        let passkey = Self { id: random::bytes(), signer, origin: origin.to_owned(), user_handle };
        let rp_id = options["rp"]["id"].as_str().context("a registration names no relying party")?;
        let mut data = authenticator_data(rp_id, VERIFIED | HAS_CREDENTIAL);
        data.extend([0; 16]);
        data.extend([0, 32]);
        data.extend(passkey.id);
        data.extend(passkey.cose()?);
        let length = u8::try_from(data.len()).context("authenticator data of one passkey is short")?;
        // {"fmt": "none", "attStmt": {}, "authData": h'...'} in CBOR.
        let object = [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".as_slice(), &[length], &data].concat();
        let answer = json!({
            "id": base64url::encode(&passkey.id),
            "raw_id": base64url::encode(&passkey.id),
            "type": "public-key",
            "response": {
                "client_data_json": base64url::encode(&passkey.client_data("webauthn.create", options)),
                "attestation_object": base64url::encode(&object),
            },
        });
        Ok((passkey, answer))
    }

    /// The assertion that answers a sign-in. Its counter stays zero, as that of a passkey in the cloud: many may be in
    /// flight.
    pub(super) fn get(&self, options: &Value) -> anyhow::Result<Value> {
        let rp_id = options["rp_id"].as_str().context("a sign-in names no relying party")?;
        let client_data = self.client_data("webauthn.get", options);
        let data = authenticator_data(rp_id, VERIFIED);
        let signed = [data.as_slice(), &digest::sha256(&client_data)].concat();
        let signature = base64url::decode(&self.signer.signature(&signed)?).context("our own signature")?;
        Ok(json!({
            "id": base64url::encode(&self.id),
            "raw_id": base64url::encode(&self.id),
            "type": "public-key",
            "response": {
                "client_data_json": base64url::encode(&client_data),
                "authenticator_data": base64url::encode(&data),
                "signature": base64url::encode(&der(&signature)),
                "user_handle": self.user_handle,
            },
        }))
    }

    fn client_data(&self, ceremony: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": ceremony, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false,
        });
        data.to_string().into_bytes()
    }

    /// The public key as RFC 9053 writes it: EC2, ES256, P-256.
    fn cose(&self) -> anyhow::Result<Vec<u8>> {
        let jwk = self.signer.public_jwk();
        let coordinate = |name: &str| {
            let text = jwk[name].as_str().context("a public key has two coordinates")?;
            base64url::decode(text).context("our own key")
        };
        let head = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        Ok([head.as_slice(), &coordinate("x")?, &[0x22, 0x58, 0x20], &coordinate("y")?].concat())
    }
}

fn authenticator_data(rp_id: &str, flags: u8) -> Vec<u8> {
    [digest::sha256(rp_id.as_bytes()).as_slice(), &[flags], &[0; 4]].concat()
}

/// A signature of two numbers side by side, in the DER that authenticators write.
fn der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let integer = |number: &[u8]| {
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len().saturating_sub(1));
        let number = &number[start..];
        let sign: &[u8] = if number.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
        [&[0x02, (number.len() + sign.len()) as u8], sign, number].concat()
    };
    let both = [integer(r), integer(s)].concat();
    [&[0x30, both.len() as u8], both.as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_reads_what_the_server_writes_and_shows_each_code_once() {
        let secret = b"12345678901234567890";
        assert_eq!(decoded(totp::base32(secret).expose()).as_deref(), Some(secret.as_slice()));
        let mut app = App::read(totp::base32(secret).expose()).unwrap();
        let now = SystemClock.now().seconds();
        let shown: Vec<String> = std::iter::from_fn(|| app.code()).take(9).collect();
        assert!((3..=4).contains(&shown.len()), "{shown:?}");
        let window = (-1..=2).map(|step| totp::code(secret, now + 30 * step).expose().clone()).collect::<Vec<_>>();
        assert!(shown.iter().all(|code| window.contains(code)), "{shown:?} of {window:?}");
        assert!(App::read("0189").is_err());
    }

    #[test]
    fn numbers_are_written_as_der_writes_them() {
        let mut signature = [0; 64];
        (signature[0], signature[31], signature[63]) = (0x80, 1, 7);
        let written = der(&signature);
        assert_eq!(written[..5], [0x30, 38, 0x02, 33, 0]);
        assert_eq!(written[37..], [0x02, 1, 7]);
    }
}
