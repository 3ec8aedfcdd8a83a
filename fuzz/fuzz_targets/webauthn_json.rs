#![no_main]

use std::sync::LazyLock;

use crypto::base64url;
use libfuzzer_sys::fuzz_target;
use protocols::webauthn::{Begun, Registrant, RelyingParty, UserVerification, peek};
use serde_json::{Value, json};

const PAGE: &str = "https://example.com";

/// A credential whose key is the base point of P-256: nobody signs with it.
const CREDENTIAL: &str = r#"{"cred_id":"b25l","cred":{"type_":"ES256","key":{"EC_EC2":{"curve":"SECP256R1",
    "x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}}},
    "counter":0,"transports":null,"user_verified":false,"backup_eligible":false,"backup_state":false,
    "registration_policy":"preferred","extensions":{},"attestation":{"data":"None","metadata":"None"},
    "attestation_format":"none"}"#;

static RP: LazyLock<RelyingParty> =
    LazyLock::new(|| RelyingParty::new("example.com", "Acme", &[PAGE.to_owned()]).expect("a relying party"));
static REGISTRATION: LazyLock<Begun> =
    LazyLock::new(|| RP.begin_registration(Registrant { handle: [7; 16], name: "ann", display_name: "Ann" }, &[]));
static AUTHENTICATION: LazyLock<Begun> = LazyLock::new(|| RP.begin_authentication(&[], UserVerification::Preferred));

fn client_data(ceremony: &str, begun: &Begun) -> String {
    let data = json!({ "type": ceremony, "challenge": begun.challenge, "origin": PAGE, "crossOrigin": false });
    base64url::encode(data.to_string().as_bytes())
}

fn register(answer: &Value) {
    // A stranger's attestation object may be a good one: there is no secret in it. It must not panic.
    let _ = RP.finish_registration(&REGISTRATION.state, answer);
}

fn assert(answer: &Value) {
    let _ = peek(answer);
    assert!(RP.finish_authentication(&AUTHENTICATION.state, answer, CREDENTIAL, [7; 16]).is_err());
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 3 {
        0 => {
            if let Ok(answer) = serde_json::from_slice(data) {
                register(&answer);
                assert(&answer);
            }
        }
        1 => register(&json!({
            "id": "b25l", "raw_id": "b25l", "type": "public-key",
            "response": {
                "client_data_json": client_data("webauthn.create", &REGISTRATION),
                "attestation_object": base64url::encode(data),
            },
        })),
        _ => {
            let (signature, data) = data.split_at(data.len() / 2);
            assert(&json!({
                "id": "b25l", "raw_id": "b25l", "type": "public-key",
                "response": {
                    "client_data_json": client_data("webauthn.get", &AUTHENTICATION),
                    "authenticator_data": base64url::encode(data),
                    "signature": base64url::encode(signature),
                    "user_handle": base64url::encode(&[7; 16]),
                },
            }));
        }
    }
});
