use josekit::jwk::Jwk;
use josekit::jws::JwsSigner as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

use super::*;
use crate::base64url::encode;

fn signer(alg: Algorithm, kid: &str) -> Signer {
    let pkcs8 = generate_pkcs8(alg).expect("a new key");
    Signer::new(alg, kid, &pkcs8).expect("a fresh key fits")
}

// Making an RSA key takes seconds without optimization: one serves all tests.
static RSA: LazyLock<Signer> = LazyLock::new(|| signer(Algorithm::Rs256, "rsa-1"));
static EC: LazyLock<Signer> = LazyLock::new(|| signer(Algorithm::Es256, "ec-1"));

fn verifier(signer: &Signer) -> Verifier {
    Verifier::from_jwk(signer.public_jwk()).expect("our own JWK")
}

/// A token with the given header and claims, signed rightly by the key.
fn forge(signer: &Signer, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let token = sign_input(signer, &input);
    format!("{input}.{token}")
}

fn sign_input(signer: &Signer, input: &str) -> String {
    signer.signature(input.as_bytes()).expect("signed")
}

#[test]
fn both_algorithms_sign_what_they_verify() {
    for signer in [&*EC, &*RSA] {
        let token = signer.sign(Some("JWT"), &json!({"sub": "user_1", "n": [1, {"a": null}]})).expect("signed");

        let verified = verifier(signer).verify(&token).expect("its own key");

        assert_eq!(verified.header.alg, signer.algorithm());
        assert_eq!(verified.header.kid, signer.kid());
        assert_eq!(verified.header.typ.as_deref(), Some("JWT"));
        assert_eq!(Value::from(verified.claims), json!({"sub": "user_1", "n": [1, {"a": null}]}));
        let header = parse_unverified_header(&token).expect("a header");
        assert_eq!(header, verified.header);
    }
}

#[test]
fn a_token_needs_no_typ_and_a_strange_typ_is_escaped() {
    for typ in [None, Some("at+jwt"), Some(r#"","alg":"none"#)] {
        let token = EC.sign_bytes(typ, b"{}").expect("signed");

        let verified = verifier(&EC).verify(&token).expect("its own key");

        assert_eq!(verified.header.typ.as_deref(), typ);
    }
}

#[test]
fn another_implementation_reads_our_tokens() {
    for signer in [&*EC, &*RSA] {
        let token = signer.sign(Some("JWT"), &json!({"sub": "user_1"})).expect("signed");
        let jwk: Jwk = serde_json::from_value(signer.public_jwk().clone()).expect("a JWK");
        let verifier: Box<dyn josekit::jws::JwsVerifier> = match signer.algorithm() {
            Algorithm::Es256 => Box::new(josekit::jws::ES256.verifier_from_jwk(&jwk).expect("EC")),
            Algorithm::Rs256 => Box::new(josekit::jws::RS256.verifier_from_jwk(&jwk).expect("RSA")),
        };

        let (payload, _) = josekit::jwt::decode_with_verifier(&token, &*verifier).expect("valid");

        assert_eq!(payload.subject(), Some("user_1"));
    }
}

#[test]
fn the_es256_example_of_rfc_7515_verifies() {
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "kid": "rfc",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let input = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = crate::base64url::decode(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    )
    .expect("base64url");
    let verifier = Verifier::from_jwk(&jwk).expect("an EC key");

    assert_eq!(verifier.check(input.as_bytes(), &signature), Ok(()));
    assert_eq!(verifier.check(&input.as_bytes()[1..], &signature), Err(JwsError::BadSignature));
}

#[test]
fn the_thumbprint_example_of_rfc_7638_agrees() {
    let jwk = json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
    });

    assert_eq!(thumbprint(&jwk).as_deref(), Ok("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    assert_eq!(EC.thumbprint(), thumbprint(EC.public_jwk()).expect("our own JWK"));
}

#[test]
fn an_unsigned_token_is_refused() {
    let claims = encode(b"{}");
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = encode(json!({"alg": alg, "kid": "ec-1"}).to_string().as_bytes());
        assert_eq!(verifier(&EC).verify(&format!("{header}.{claims}.AAAA")), Err(JwsError::UnsupportedAlgorithm));
        assert_eq!(verifier(&EC).verify(&format!("{header}.{claims}.")), Err(JwsError::Malformed));
    }
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    let jwk_text = RSA.public_jwk().to_string();
    let modulus = RSA.public_jwk()["n"].as_str().expect("n").to_owned();
    for secret in [jwk_text.into_bytes(), modulus.into_bytes()] {
        for alg in ["HS256", "RS256"] {
            let header = format!(r#"{{"alg":"{alg}","kid":"rsa-1"}}"#);
            let input = format!("{}.{}", encode(header.as_bytes()), encode(b"{}"));
            let mac = josekit::jws::HS256
                .signer_from_bytes(&secret)
                .expect("a long secret")
                .sign(input.as_bytes())
                .expect("signed");

            let refused = verifier(&RSA).verify(&format!("{input}.{}", encode(&mac)));

            assert!(matches!(refused, Err(JwsError::UnsupportedAlgorithm | JwsError::BadSignature)));
        }
    }
}

#[test]
fn a_token_of_another_key_or_algorithm_is_refused() {
    let other = signer(Algorithm::Es256, "ec-2");
    let same_name = signer(Algorithm::Es256, "ec-1");
    let wrong_alg = forge(&EC, r#"{"alg":"RS256","kid":"ec-1"}"#, "{}");

    for (token, error) in [
        (other.sign_bytes(None, b"{}").expect("signed"), JwsError::OtherKey),
        (RSA.sign_bytes(None, b"{}").expect("signed"), JwsError::OtherKey),
        (same_name.sign_bytes(None, b"{}").expect("signed"), JwsError::BadSignature),
        (wrong_alg, JwsError::OtherKey),
    ] {
        assert_eq!(verifier(&EC).verify(&token), Err(error));
    }
}

#[test]
fn a_header_may_not_bring_keys_or_extensions() {
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["MII"])),
        ("jwk", EC.public_jwk().clone()),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
    ] {
        let header = json!({"alg": "ES256", "kid": "ec-1", name: value}).to_string();
        assert_eq!(
            verifier(&EC).verify(&forge(&EC, &header, "{}")),
            Err(JwsError::Parameter(
                ["crit", "jku", "x5u", "x5c", "jwk", "b64", "cty", "zip", "enc"]
                    .into_iter()
                    .find(|known| *known == name)
                    .expect("a listed name")
            ))
        );
    }
}

#[test]
fn a_key_id_can_only_be_a_name() {
    for kid in [
        json!("../../etc/passwd"),
        json!("' OR 1=1 --"),
        json!("ec-1\u{0}"),
        json!(""),
        json!("k".repeat(129)),
        json!(1),
        json!(null),
        json!(["ec-1"]),
    ] {
        let header = json!({"alg": "ES256", "kid": kid}).to_string();
        let refused = verifier(&EC).verify(&forge(&EC, &header, "{}"));
        assert!(matches!(refused, Err(JwsError::Parameter("kid") | JwsError::Header(_))), "{header}");
    }
    for header in [r#"{"alg":"ES256"}"#, r#"{"kid":"ec-1"}"#, r#"{"alg":1,"kid":"ec-1"}"#, "[]"] {
        assert!(parse_unverified_header(&forge(&EC, header, "{}")).is_err());
    }
    let pkcs8 = generate_pkcs8(Algorithm::Es256).expect("a new key");
    assert!(matches!(Signer::new(Algorithm::Es256, "a\"b", &pkcs8), Err(KeyError::KeyId)));
}

#[test]
fn names_given_twice_are_refused_in_header_and_claims() {
    let header = r#"{"alg":"ES256","kid":"ec-1"}"#;
    let twice = r#"{"alg":"none","alg":"ES256","kid":"ec-1"}"#;

    assert!(matches!(
        verifier(&EC).verify(&forge(&EC, twice, "{}")),
        Err(JwsError::Header(StrictJsonError::DuplicateKey(_)))
    ));
    assert!(matches!(
        verifier(&EC).verify(&forge(&EC, header, r#"{"sub":"a","sub":"b"}"#)),
        Err(JwsError::Claims(StrictJsonError::DuplicateKey(_)))
    ));
}

#[test]
fn claims_are_one_shallow_object() {
    let header = r#"{"alg":"ES256","kid":"ec-1"}"#;
    let inner = EC.sign_bytes(None, b"{}").expect("signed");
    let deep = format!("{}1{}", r#"{"a":"#.repeat(40), "}".repeat(40));

    for claims in [&*inner, &format!("\"{inner}\""), "[]", "null", "", "{} {}", &deep] {
        assert!(matches!(verifier(&EC).verify(&forge(&EC, header, claims)), Err(JwsError::Claims(_))), "{claims}");
    }
}

#[test]
fn every_damage_to_a_token_is_noticed() {
    let token = EC.sign(Some("JWT"), &json!({"sub": "user_1"})).expect("signed");
    let verifier = verifier(&EC);

    for end in 0..token.len() {
        assert!(verifier.verify(&token[..end]).is_err(), "cut at {end}");
    }
    for at in 0..token.len() {
        for bit in [0, 3, 5] {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).expect("seven bits stay ASCII");
            assert!(verifier.verify(&changed).is_err(), "bit {bit} of {at}");
        }
    }
    for extended in [
        format!("{token}A"),
        format!("{token}="),
        format!("{token}."),
        format!("{token}.AAAA"),
        format!(".{token}"),
        format!("{token}\n"),
        format!(" {token}"),
    ] {
        assert!(verifier.verify(&extended).is_err());
    }
    assert_eq!(verifier.verify(&"a".repeat(MAX_TOKEN_LEN + 1)), Err(JwsError::TooLong));
}

#[test]
fn a_der_encoded_signature_is_refused() {
    let input = format!("{}.{}", encode(br#"{"alg":"ES256","kid":"ec-1"}"#), encode(b"{}"));
    let pkcs8 = generate_pkcs8(Algorithm::Es256).expect("a new key");
    let rng = ring::rand::SystemRandom::new();
    let pair = ring::signature::EcdsaKeyPair::from_pkcs8(
        &ring::signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        pkcs8.expose(),
        &rng,
    )
    .expect("the key");
    let der = pair.sign(&rng, input.as_bytes()).expect("signed");
    let same_key = Signer::new(Algorithm::Es256, "ec-1", &pkcs8).expect("the key");

    let refused = verifier(&same_key).verify(&format!("{input}.{}", encode(der.as_ref())));

    assert_eq!(refused, Err(JwsError::BadSignature));
}

#[test]
fn only_fitting_public_keys_make_a_verifier() {
    let with = |name: &str, value: Value| {
        let mut jwk = EC.public_jwk().clone();
        jwk[name] = value;
        Verifier::from_jwk(&jwk).err()
    };

    assert_eq!(with("kty", json!("oct")), Some(JwkError::Member("kty")));
    assert_eq!(with("crv", json!("P-384")), Some(JwkError::Member("crv")));
    assert_eq!(with("alg", json!("RS256")), Some(JwkError::Member("alg")));
    assert_eq!(with("use", json!("enc")), Some(JwkError::Member("use")));
    assert_eq!(with("x", json!("AQAB")), Some(JwkError::Member("x")));
    assert_eq!(with("kid", json!("a b")), Some(JwkError::Member("kid")));
    assert_eq!(with("kid", json!("other")), None);
    let weak = json!({"kty": "RSA", "kid": "weak", "n": encode(&[0xff; 128]), "e": "AQAB"});
    assert_eq!(Verifier::from_jwk(&weak).err(), Some(JwkError::Size));
    assert_eq!(Verifier::from_jwk(&json!(null)).err(), Some(JwkError::Member("kid")));
}

#[test]
fn a_private_key_fits_only_its_own_algorithm() {
    let ec = generate_pkcs8(Algorithm::Es256).expect("a new key");

    assert!(matches!(Signer::new(Algorithm::Rs256, "k", &ec), Err(KeyError::PrivateKey(Algorithm::Rs256))));
    let half = crate::Secret::new(ec.expose()[..40].to_vec());
    assert!(Signer::new(Algorithm::Es256, "k", &half).is_err());
}

#[test]
fn a_published_key_has_no_private_member() {
    for signer in [&*EC, &*RSA] {
        let jwk = signer.public_jwk().as_object().expect("an object");
        assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|name| !jwk.contains_key(*name)));
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["kid"], signer.kid());
        assert_eq!(jwk["alg"], signer.algorithm().as_str());
    }
}

fn claims(value: Value) -> Claims {
    value.as_object().expect("an object").clone()
}

#[test]
fn times_are_checked_to_the_second() {
    let check = |value: Value| validate_times(&claims(value), 1000, 5);

    assert_eq!(check(json!({"exp": 1001})), Ok(()));
    assert_eq!(check(json!({"exp": 996})), Ok(()));
    assert_eq!(check(json!({"exp": 995})), Err(ClaimError::Expired));
    assert_eq!(check(json!({"exp": 2000, "nbf": 1005, "iat": 1005})), Ok(()));
    assert_eq!(check(json!({"exp": 2000, "nbf": 1006})), Err(ClaimError::NotYet));
    assert_eq!(check(json!({"exp": 2000, "iat": 1006})), Err(ClaimError::NotYet));
    assert_eq!(check(json!({"exp": i64::MAX, "nbf": i64::MIN})), Ok(()));
    assert_eq!(check(json!({})), Err(ClaimError::Missing("exp")));
    for strange in [json!("1001"), json!(1001.5), json!(1e3), json!(null), json!(u64::MAX)] {
        assert_eq!(check(json!({"exp": strange})), Err(ClaimError::WrongType("exp")));
    }
}

#[test]
fn issuer_and_audience_are_compared_whole() {
    let some = claims(json!({"iss": "https://a.example", "aud": ["one", "two", 3]}));

    assert_eq!(require_issuer(&some, "https://a.example"), Ok(()));
    for other in ["https://a.example/", "https://A.example", ""] {
        assert_eq!(require_issuer(&some, other), Err(ClaimError::OtherIssuer));
    }
    assert_eq!(require_issuer(&claims(json!({})), ""), Err(ClaimError::Missing("iss")));
    assert!(audience_contains(&some, "two") && !audience_contains(&some, "tw"));
    assert!(audience_contains(&claims(json!({"aud": "one"})), "one"));
    assert!(!audience_contains(&claims(json!({})), ""));
    assert_eq!(string(&some, "aud"), Err(ClaimError::WrongType("aud")));
    assert_eq!(integer(&some, "none"), Ok(None));
}

proptest! {
    #[test]
    fn no_text_breaks_the_token_reader(text in "\\PC{0,120}") {
        prop_assert!(parse_unverified_header(&text).is_err());
    }

    #[test]
    fn no_header_breaks_the_token_reader(header in "\\{?[\"a-z:,0-9{}\\[\\] ]{0,40}\\}?") {
        let token = format!("{}.{}.AAAA", encode(header.as_bytes()), encode(b"{}"));
        let _ = parse_unverified_header(&token);
        prop_assert!(verifier(&EC).verify(&token).is_err());
    }

    #[test]
    fn every_claim_text_comes_back(text in "[^\0]{0,40}") {
        let token = EC.sign(None, &json!({"sub": text})).expect("signed");
        let verified = verifier(&EC).verify(&token).expect("its own key");
        prop_assert_eq!(string(&verified.claims, "sub"), Ok(Some(&*text)));
    }
}
