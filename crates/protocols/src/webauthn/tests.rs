#[path = "../../../testkit/src/authenticator.rs"]
mod authenticator;

use authenticator::{Authenticator, Lie};
use crypto::base64url;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const PAGE: &str = "https://app.example.com";
const ANN: [u8; 16] = *b"the handle of an";
const BOB: [u8; 16] = *b"the handle of bo";

fn rp() -> RelyingParty {
    RelyingParty::new("example.com", "Acme", &[PAGE.to_owned(), "http://localhost:*".to_owned()]).unwrap()
}

fn begin(rp: &RelyingParty) -> Begun {
    rp.begin_registration(Registrant { handle: ANN, name: "ann@example.com", display_name: "Ann" }, &[])
}

/// An authenticator with a passkey of Ann's, and what the server has stored of it.
fn enrolled() -> (Authenticator, NewPasskey) {
    let mut device = Authenticator::on(PAGE);
    let begun = begin(&rp());
    let passkey = rp().finish_registration(&begun.state, &device.create(&begun.options)).unwrap();
    (device, passkey)
}

fn register_with(lie: Lie) -> Result<NewPasskey, Refused> {
    let begun = begin(&rp());
    rp().finish_registration(&begun.state, &Authenticator::on(PAGE).create_with(&begun.options, lie))
}

/// Answers a usernameless sign-in of Ann's with a lie.
fn assert_with(lie: Lie) -> Result<Asserted, Refused> {
    assert_verified(UserVerification::Preferred, lie)
}

fn assert_verified(verification: UserVerification, lie: Lie) -> Result<Asserted, Refused> {
    let (mut device, passkey) = enrolled();
    let begun = rp().begin_authentication(&[], verification);
    rp().finish_authentication(&begun.state, &device.get_with(&begun.options, lie), &passkey.credential, ANN)
}

#[test]
fn a_passkey_is_made_and_used() {
    let (mut device, passkey) = enrolled();
    assert_eq!(passkey.aaguid.as_deref(), Some("6c617463-686b-6579-2d74-6573746b6974"));
    assert_eq!((passkey.sign_count, passkey.user_verified, passkey.backup_eligible), (0, true, false));
    assert_eq!(passkey.transports, ["internal", "hybrid"]);

    let begun = rp().begin_authentication(&[], UserVerification::Preferred);
    let assertion = device.get(&begun.options);
    let peeked = peek(&assertion).unwrap();
    let asserted = rp().finish_authentication(&begun.state, &assertion, &passkey.credential, ANN).unwrap();

    assert_eq!((peeked.credential_id, peeked.user_handle), (passkey.credential_id, Some(ANN.to_vec())));
    assert_eq!((asserted.sign_count, asserted.user_verified), (1, true));

    let begun = rp().begin_authentication(&[], UserVerification::Preferred);
    let again = rp().finish_authentication(&begun.state, &device.get(&begun.options), &asserted.credential, ANN);
    assert_eq!(again.unwrap().sign_count, 2);
}

#[test]
fn the_options_are_those_of_the_contract() {
    let known = Known { credential_id: b"one", transports: &["usb".to_owned()] };
    let bare = Known { credential_id: b"two", transports: &[] };
    let registrant = Registrant { handle: ANN, name: "ann@example.com", display_name: "Ann" };

    let creation = rp().begin_registration(registrant, &[known, bare]);
    let request = rp().begin_authentication(&[known], UserVerification::Preferred);

    assert_eq!(base64url::decode(&creation.challenge).unwrap().len(), 32);
    assert_ne!(creation.challenge, request.challenge);
    assert_eq!(
        creation.options,
        json!({
            "rp": { "id": "example.com", "name": "Acme" },
            "user": { "id": base64url::encode(&ANN), "name": "ann@example.com", "display_name": "Ann" },
            "challenge": creation.challenge,
            "pub_key_cred_params": [{ "type": "public-key", "alg": -7 }, { "type": "public-key", "alg": -257 }],
            "timeout": 60000,
            "attestation": "none",
            "authenticator_selection": {
                "authenticator_attachment": null, "resident_key": "preferred", "user_verification": "preferred",
            },
            "exclude_credentials": [
                { "id": "b25l", "type": "public-key", "transports": ["usb"] },
                { "id": "dHdv", "type": "public-key" },
            ],
        })
    );
    assert_eq!(
        request.options,
        json!({
            "rp_id": "example.com",
            "challenge": request.challenge,
            "timeout": 60000,
            "allow_credentials": [{ "id": "b25l", "type": "public-key", "transports": ["usb"] }],
            "user_verification": "preferred",
        })
    );
}

#[test]
fn the_form_that_browsers_write_themselves_is_read() {
    let camel = |mut value: Value, names: &[(&str, &str)]| {
        let rename = |map: &mut serde_json::Map<String, Value>| {
            for (ours, theirs) in names {
                if let Some(value) = map.remove(*ours) {
                    map.insert((*theirs).to_owned(), value);
                }
            }
        };
        rename(value.as_object_mut().unwrap());
        rename(value["response"].as_object_mut().unwrap());
        value["clientExtensionResults"] = json!({});
        value["authenticatorAttachment"] = json!("platform");
        value
    };
    let names = [
        ("raw_id", "rawId"),
        ("client_data_json", "clientDataJSON"),
        ("attestation_object", "attestationObject"),
        ("authenticator_data", "authenticatorData"),
        ("user_handle", "userHandle"),
    ];
    let mut device = Authenticator::on("http://localhost:3000");
    let begun = begin(&rp());
    let mut attestation = camel(device.create(&begun.options), &names);
    attestation["response"]["transports"] = attestation.as_object_mut().unwrap().remove("transports").unwrap();
    let passkey = rp().finish_registration(&begun.state, &attestation).unwrap();
    let begun = rp().begin_authentication(&[], UserVerification::Preferred);

    let assertion = camel(device.get(&begun.options), &names);

    assert_eq!(passkey.transports, ["internal", "hybrid"]);
    assert!(rp().finish_authentication(&begun.state, &assertion, &passkey.credential, ANN).is_ok());
}

#[test]
fn a_public_suffix_or_an_address_is_no_relying_party() {
    for id in ["com", "co.uk", "github.io", "", "127.0.0.1", "[::1]", "Example.com", "example.com.", "a b", "x.com/y"] {
        assert_eq!(RelyingParty::new(id, "Acme", &[]).unwrap_err(), Unfit::Id(id.to_owned()), "{id}");
    }
    for id in ["example.com", "auth.example.co.uk", "localhost", "intranet"] {
        assert!(RelyingParty::new(id, "Acme", &[]).is_ok(), "{id}");
    }
    for origin in ["example.com", "https://example.com/", "https://example.com:443", "https://*.example.com", "null"] {
        assert!(RelyingParty::new("example.com", "Acme", &[origin.to_owned()]).is_err(), "{origin}");
    }
}

#[test]
fn only_the_very_origin_is_believed() {
    for origin in [
        "https://badexample.com",
        "https://app.example.com.evil.com",
        "https://evil.app.example.com",
        "https://example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com/",
        "https://APP.example.com",
        "https://app.example.com:443",
        "https://app.example.com@evil.com",
        "http://localhost.evil.com:3000",
        "https://localhost:3000",
        "null",
        "",
        "android:apk-key-hash:abc",
    ] {
        let lie = || Lie { origin: Some(origin.to_owned()), ..Lie::default() };

        assert_eq!(register_with(lie()).unwrap_err(), Refused::OriginMismatch, "{origin}");
        assert_eq!(assert_with(lie()).unwrap_err(), Refused::OriginMismatch, "{origin}");
    }
    for origin in ["http://localhost:3000", "http://localhost", "http://localhost:1"] {
        assert!(assert_with(Lie { origin: Some(origin.to_owned()), ..Lie::default() }).is_ok(), "{origin}");
    }
}

#[test]
fn a_frame_in_a_foreign_page_is_refused() {
    let framed = || Lie { cross_origin: true, ..Lie::default() };
    let topped = || Lie { top_origin: Some("https://evil.com".to_owned()), ..Lie::default() };

    for lie in [framed(), topped()] {
        assert_eq!(register_with(lie.clone()).unwrap_err(), Refused::OriginMismatch);
        assert_eq!(assert_with(lie).unwrap_err(), Refused::OriginMismatch);
    }
}

#[test]
fn another_relying_party_is_refused() {
    for rp_id in ["app.example.com", "badexample.com", "com"] {
        let lie = || Lie { rp_id: Some(rp_id.to_owned()), ..Lie::default() };

        assert_eq!(register_with(lie()).unwrap_err(), Refused::Invalid, "{rp_id}");
        assert_eq!(assert_with(lie()).unwrap_err(), Refused::Invalid, "{rp_id}");
    }
}

#[test]
fn a_challenge_answers_only_its_own_ceremony() {
    let other = rp().begin_authentication(&[], UserVerification::Preferred).challenge;
    let replayed = || Lie { challenge: Some(other.clone()), ..Lie::default() };

    assert_eq!(register_with(replayed()).unwrap_err(), Refused::Invalid);
    assert_eq!(assert_with(replayed()).unwrap_err(), Refused::Invalid);
    let get = Lie { ceremony: Some("webauthn.get".to_owned()), ..Lie::default() };
    let create = Lie { ceremony: Some("webauthn.create".to_owned()), ..Lie::default() };
    assert_eq!(register_with(get).unwrap_err(), Refused::Invalid);
    assert_eq!(assert_with(create).unwrap_err(), Refused::Invalid);
}

#[test]
fn nobody_at_the_authenticator_is_refused() {
    let nobody = || Lie { nobody: true, ..Lie::default() };

    assert_eq!(register_with(nobody()).unwrap_err(), Refused::Invalid);
    assert_eq!(assert_with(nobody()).unwrap_err(), Refused::Invalid);
}

#[test]
fn an_unverified_person_is_refused_where_verification_is_required() {
    let begun = begin(&rp());
    let mut device = Authenticator::on(PAGE);
    let lie = || Lie { unverified: true, ..Lie::default() };
    let passkey = rp().finish_registration(&begun.state, &device.create_with(&begun.options, lie())).unwrap();
    let mut answer = |verification| {
        let begun = rp().begin_authentication(&[], verification);
        let assertion = device.get_with(&begun.options, lie());
        rp().finish_authentication(&begun.state, &assertion, &passkey.credential, ANN)
    };

    assert!(!passkey.user_verified);
    assert!(!answer(UserVerification::Preferred).unwrap().user_verified);
    assert_eq!(answer(UserVerification::Required).unwrap_err(), Refused::Invalid);
    assert!(assert_verified(UserVerification::Required, Lie::default()).unwrap().user_verified);
}

#[test]
fn a_passkey_made_with_verification_is_not_used_without() {
    assert_eq!(assert_with(Lie { unverified: true, ..Lie::default() }).unwrap_err(), Refused::Invalid);
}

#[test]
fn a_counter_that_does_not_grow_gives_a_copy_away() {
    let (mut device, passkey) = enrolled();
    let mut answer = |credential: &str, counter| {
        let begun = rp().begin_authentication(&[], UserVerification::Preferred);
        let assertion = device.get_with(&begun.options, Lie { counter: Some(counter), ..Lie::default() });
        rp().finish_authentication(&begun.state, &assertion, credential, ANN)
    };

    let seven = answer(&passkey.credential, 7).unwrap().credential;

    for counter in [0, 6, 7] {
        assert_eq!(answer(&seven, counter).unwrap_err(), Refused::Replayed, "{counter}");
    }
    assert_eq!(answer(&seven, 8).unwrap().sign_count, 8);
    // Authenticators without a counter say 0, always.
    assert_eq!(answer(&passkey.credential, 0).unwrap().sign_count, 0);
}

#[test]
fn another_users_handle_is_refused() {
    let named = |handle: Option<Vec<u8>>| Lie { user_handle: Some(handle), ..Lie::default() };

    assert_eq!(assert_with(named(Some(BOB.to_vec()))).unwrap_err(), Refused::UserHandleMismatch);
    assert_eq!(assert_with(named(Some(ANN[..15].to_vec()))).unwrap_err(), Refused::UserHandleMismatch);
    assert_eq!(assert_with(named(None)).unwrap_err(), Refused::UserHandleMismatch);
    assert_eq!(assert_with(named(Some(Vec::new()))).unwrap_err(), Refused::UserHandleMismatch);
    let (mut device, passkey) = enrolled();
    let begun = rp().begin_authentication(&[], UserVerification::Preferred);
    let as_bob = rp().finish_authentication(&begun.state, &device.get(&begun.options), &passkey.credential, BOB);
    assert_eq!(as_bob.unwrap_err(), Refused::UserHandleMismatch);
}

#[test]
fn only_a_passkey_that_was_asked_for_answers() {
    let (mut device, passkey) = enrolled();
    let (_, other) = enrolled();
    fn known(passkey: &NewPasskey) -> Known<'_> {
        Known { credential_id: &passkey.credential_id, transports: &passkey.transports }
    }

    let begun = rp().begin_authentication(&[known(&passkey)], UserVerification::Preferred);
    let nameless = device.get_with(&begun.options, Lie { user_handle: Some(None), ..Lie::default() });
    assert!(rp().finish_authentication(&begun.state, &nameless, &passkey.credential, ANN).is_ok());

    let begun = rp().begin_authentication(&[known(&other)], UserVerification::Preferred);
    let open = json!({ "rp_id": "example.com", "challenge": begun.challenge, "allow_credentials": [] });
    let unasked = device.get(&open);
    assert_eq!(
        rp().finish_authentication(&begun.state, &unasked, &passkey.credential, ANN).unwrap_err(),
        Refused::Invalid
    );
}

#[test]
fn an_algorithm_that_was_not_offered_is_refused() {
    assert_eq!(register_with(Lie { other_algorithm: true, ..Lie::default() }).unwrap_err(), Refused::Invalid);
}

#[test]
fn a_signature_of_another_key_is_refused() {
    let (_, other) = enrolled();

    assert_eq!(assert_with(Lie { forged: true, ..Lie::default() }).unwrap_err(), Refused::Invalid);
    let lie = Lie { credential_id: Some(other.credential_id.clone()), ..Lie::default() };
    let (mut device, _) = enrolled();
    let begun = rp().begin_authentication(&[], UserVerification::Preferred);
    let assertion = device.get_with(&begun.options, lie);
    assert_eq!(
        rp().finish_authentication(&begun.state, &assertion, &other.credential, ANN).unwrap_err(),
        Refused::Invalid
    );
}

#[test]
fn the_id_beside_the_signed_data_is_not_believed() {
    let lie = Lie { credential_id: Some(b"somebody else's".to_vec()), ..Lie::default() };
    assert_eq!(register_with(lie.clone()).unwrap_err(), Refused::Invalid);
    assert_eq!(assert_with(lie).unwrap_err(), Refused::Invalid);

    let begun = begin(&rp());
    let mut attestation = Authenticator::on(PAGE).create(&begun.options);
    attestation["id"] = json!("b25l");
    assert_eq!(rp().finish_registration(&begun.state, &attestation).unwrap_err(), Refused::Invalid);
}

#[test]
fn a_credential_that_was_to_be_left_out_is_a_replay() {
    let (_, passkey) = enrolled();
    let mut device = Authenticator::on(PAGE);
    let first = begin(&rp());
    let attestation = device.create(&first.options);
    let made = rp().finish_registration(&first.state, &attestation).unwrap();
    // The same state with that credential excluded, as if it had been enrolled in between.
    let mut state: Value = serde_json::from_str(&first.state).unwrap();
    state["exclude"] = json!([base64url::encode(&passkey.credential_id), base64url::encode(&made.credential_id)]);

    let again = rp().finish_registration(&state.to_string(), &attestation);

    assert_eq!(again.unwrap_err(), Refused::Replayed);
}

#[test]
fn a_key_that_begins_to_synchronise_is_refused() {
    assert!(register_with(Lie { synchronised: true, ..Lie::default() }).unwrap().backup_eligible);
    assert_eq!(assert_with(Lie { synchronised: true, ..Lie::default() }).unwrap_err(), Refused::Invalid);
}

#[test]
fn a_model_of_zeroes_is_none() {
    let begun = begin(&rp());
    let mut device = Authenticator::on(PAGE);
    device.aaguid = [0; 16];

    let passkey = rp().finish_registration(&begun.state, &device.create(&begun.options)).unwrap();

    assert_eq!(passkey.aaguid, None);
}

#[test]
fn what_is_damaged_on_this_side_is_not_the_browsers_fault() {
    let (mut device, passkey) = enrolled();
    let begun = rp().begin_authentication(&[], UserVerification::Preferred);
    let assertion = device.get(&begun.options);

    let finish = |state: &str, credential: &str| rp().finish_authentication(state, &assertion, credential, ANN);

    assert_eq!(finish("{}", &passkey.credential).unwrap_err(), Refused::Damaged);
    assert_eq!(finish(&begun.state, "{}").unwrap_err(), Refused::Damaged);
    assert_eq!(finish(&begin(&rp()).state, &passkey.credential).unwrap_err(), Refused::Damaged);
    assert_eq!(rp().finish_registration(&begun.state, &json!({})).unwrap_err(), Refused::Damaged);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[A-Za-z0-9_=-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = prop::sample::select(vec!["id", "raw_id", "rawId", "response", "type", "user_handle", "transports"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name.prop_map(String::from), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_json_is_believed_or_makes_the_reader_panic(value in any_json()) {
        let registration = begin(&rp());
        let authentication = rp().begin_authentication(&[], UserVerification::Preferred);
        prop_assert_eq!(rp().finish_registration(&registration.state, &value), Err(Refused::Invalid));
        let _ = peek(&value);
        let asserted = rp().finish_authentication(&authentication.state, &value, "{}", ANN);
        prop_assert!(asserted.is_err());
    }

    #[test]
    fn no_byte_of_an_answer_can_be_changed(place in any::<prop::sample::Index>(), bit in 0..8_u8, part in 0..3_usize) {
        let (mut device, passkey) = enrolled();
        let begun = rp().begin_authentication(&[], UserVerification::Preferred);
        let mut assertion = device.get(&begun.options);
        let field = ["client_data_json", "authenticator_data", "signature"][part];
        let mut bytes = base64url::decode(assertion["response"][field].as_str().unwrap()).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        assertion["response"][field] = json!(base64url::encode(&bytes));
        prop_assert!(rp().finish_authentication(&begun.state, &assertion, &passkey.credential, ANN).is_err());
    }

    #[test]
    fn no_damaged_attestation_makes_the_reader_panic(
        wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let begun = begin(&rp());
        let mut attestation = Authenticator::on(PAGE).create(&begun.options);
        let mut bytes = base64url::decode(attestation["response"]["attestation_object"].as_str().unwrap()).unwrap();
        for (place, byte) in wounds {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        attestation["response"]["attestation_object"] = json!(base64url::encode(&bytes));
        let _ = rp().finish_registration(&begun.state, &attestation);
    }
}
