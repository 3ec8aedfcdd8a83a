use super::*;
use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use josekit::jws::{ES256, HS256, JwsVerifier, RS256, deserialize_compact};

fn read(text: &str) -> Result<BroughtKey, BroughtKeyError> {
    BroughtKey::read(&Secret::new(text.to_owned()))
}

fn pem(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("PEM is text")
}

fn signs(key: &BroughtKey, verifier: &dyn JwsVerifier) {
    let signer = BroughtSigner::new(key.kind(), "jtmpl_1.print", key.bytes()).expect("it fits its kind");
    let token = signer.sign_bytes("template+jwt", br#"{"sub":"user_1"}"#).expect("signed");
    let (claims, header) = deserialize_compact(&token, verifier).expect("another implementation verifies it");
    assert_eq!(claims, br#"{"sub":"user_1"}"#);
    assert_eq!((header.key_id(), header.token_type()), (Some("jtmpl_1.print"), Some("template+jwt")));
    let foreign = KeyKind::ALL.into_iter().filter(|kind| *kind != key.kind() && *kind != KeyKind::Shared);
    for kind in foreign {
        assert!(BroughtSigner::new(kind, "k", key.bytes()).is_none());
    }
    assert!(!format!("{key:?}{signer:?}").contains(&base64url::encode(key.bytes().expose())));
}

#[test]
fn an_rsa_key_comes_in_either_form() {
    let pair = RsaKeyPair::generate(2048).expect("a key");
    let verifier = RS256.verifier_from_pem(pair.to_pem_public_key()).expect("its public half");
    for text in [pair.to_pem_private_key(), pair.to_traditional_pem_private_key()] {
        let key = read(&format!("\n{}\n\n", pem(text))).expect("an RSA key");
        signs(&key, &verifier);
        assert_eq!(key.kind(), KeyKind::Rsa);
        let jwk = key.public_jwk().expect("a pair has one");
        assert!(jwk.get("kid").is_none() && jwk.get("d").is_none(), "{jwk}");
        assert_eq!(key.fingerprint(), super::super::thumbprint(jwk).expect("a JWK"));
    }
    assert_eq!(read(&pem(pair.to_pem_public_key())).err(), Some(BroughtKeyError::Public));
    assert_eq!(read(&pem(pair.to_traditional_pem_public_key())).err(), Some(BroughtKeyError::Public));
    let small = RsaKeyPair::generate(1024).expect("a key");
    assert_eq!(read(&pem(small.to_pem_private_key())).err(), Some(BroughtKeyError::Weak));
}

#[test]
fn an_ec_key_comes_in_either_form_and_on_one_curve() {
    let pair = EcKeyPair::generate(EcCurve::P256).expect("a key");
    let verifier = ES256.verifier_from_pem(pair.to_pem_public_key()).expect("its public half");
    for text in [pair.to_pem_private_key(), pair.to_traditional_pem_private_key()] {
        let key = read(&pem(text)).expect("an EC key");
        signs(&key, &verifier);
        assert_eq!(key.kind(), KeyKind::P256);
    }
    let other = EcKeyPair::generate(EcCurve::P384).expect("a key");
    assert_eq!(read(&pem(other.to_pem_private_key())).err(), Some(BroughtKeyError::Unsupported));
}

#[test]
fn a_secret_comes_in_either_alphabet_and_is_long_enough() {
    let secret: Vec<u8> = (0..48).map(|n| 255 - n * 5).collect();
    let verifier = HS256.verifier_from_bytes(&secret).expect("a secret");
    let padded = STANDARD.encode(&secret[..47]);
    assert_eq!(read(&padded).expect("padded").bytes().expose(), &secret[..47]);
    for text in [STANDARD.encode(&secret), base64url::encode(&secret)] {
        let key = read(&text).expect("a secret");
        signs(&key, &verifier);
        assert_eq!((key.kind(), key.public_jwk()), (KeyKind::Shared, None));
        assert!(!text.contains(key.fingerprint()));
    }
    for short in [&secret[..31], &[]] {
        assert_eq!(read(&base64url::encode(short)).err(), Some(BroughtKeyError::Weak));
    }
    assert_eq!(read(&base64url::encode(&[7; 1025])).err(), Some(BroughtKeyError::Unsupported));
    for text in [
        "not base64!",
        "c2VjcmV0\nc2VjcmV0",
        "-----BEGIN",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    ] {
        assert_eq!(read(text).err(), Some(BroughtKeyError::Unreadable), "{text}");
    }
}

#[test]
fn what_everybody_knows_is_no_secret() {
    let rsa = RsaKeyPair::generate(2048).expect("a key");
    let ec = EcKeyPair::generate(EcCurve::P256).expect("a key");
    for known in [
        rsa.to_der_public_key(),
        rsa.to_raw_public_key(),
        rsa.to_pem_public_key(),
        ec.to_der_public_key(),
        ec.to_pem_public_key(),
        rsa.to_der_private_key(),
    ] {
        let known = known.get(..1024.min(known.len())).expect("a part").to_vec();
        let whole = known.len() < 1024;
        let refused = read(&base64url::encode(&known)).err();
        assert!(refused == Some(BroughtKeyError::Public) || !whole, "{refused:?}");
    }
    let random: Vec<u8> = (0..=255).collect();
    assert!(read(&base64url::encode(&random)).is_ok());
}

#[test]
fn an_encrypted_key_is_not_asked_a_passphrase_for() {
    let text =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkqhkiG9w0BBQ0wSjAp\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!(read(text).err(), Some(BroughtKeyError::Unreadable));
}
