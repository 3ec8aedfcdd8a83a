//! Tokens that were not signed by us, by whatever trick they claim to be.

use crypto::base64url;
use crypto::jws::{Algorithm, Signer, generate_pkcs8};
use josekit::jws::{ES256, HS256, HS384, HS512, JwsSigner};
use serde_json::{Map, Value, json};
use testkit::{TestApp, both};

/// A token in its parts, each as JSON.
struct Taken {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    text: [String; 3],
}

fn take_apart(token: &str) -> Taken {
    let text: Vec<String> = token.split('.').map(str::to_owned).collect();
    let read = |part: &str| {
        let bytes = base64url::decode(part).expect("a part of a token is base64url");
        serde_json::from_slice(&bytes).expect("a part of a token is JSON")
    };
    Taken { header: read(&text[0]), claims: read(&text[1]), text: text.try_into().expect("three parts") }
}

fn encode(value: &impl serde::Serialize) -> String {
    base64url::encode(&serde_json::to_vec(value).expect("JSON"))
}

/// Signs header and claims, both as text, with a key of the attacker's choice.
fn forge(header: &str, claims: &str, signer: &dyn JwsSigner) -> String {
    let input = format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(claims.as_bytes()));
    let signature = signer.sign(input.as_bytes()).expect("the attacker's key signs");
    format!("{input}.{}", base64url::encode(&signature))
}

/// A header with more or other parameters.
fn with(header: &Map<String, Value>, more: Value) -> String {
    let mut header = header.clone();
    header.extend(more.as_object().expect("an object").clone());
    Value::Object(header).to_string()
}

/// Every one of these is refused as a bearer and as a session cookie.
async fn are_refused(app: &TestApp, forged: Vec<(String, String)>) {
    for (what, token) in forged {
        let bearer = app.anyone().get("/v1/me").header("authorization", format!("Bearer {token}")).await;
        assert_eq!(bearer.status(), 401, "{what}: {}", bearer.text());
        let write = app.anyone().patch("/v1/me", json!({ "first_name": "Mallory" }));
        let write = write.header("authorization", format!("Bearer {token}")).await;
        assert_eq!(write.status(), 401, "{what}: {}", write.text());
        if token.bytes().all(|b| b.is_ascii_graphic() && b != b';') {
            let cookie = app.anyone().get("/v1/me").header("cookie", format!("__session={token}")).await;
            assert_eq!(cookie.status(), 401, "{what}: {}", cookie.text());
        }
    }
}

both! {
    async fn a_token_without_our_signature_is_worth_nothing(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let real = alice.token().await;
        let Taken { header, claims, text: [head, body, signature] } = take_apart(&real);
        let mut forged = Vec::new();

        for alg in ["none", "None", "NONE", "nOnE", "", "ES384", "PS256", "RS256", "HS256", "EdDSA"] {
            let head = base64url::encode(with(&header, json!({ "alg": alg })).as_bytes());
            forged.push((format!("alg {alg}, no signature"), format!("{head}.{body}.")));
            forged.push((format!("alg {alg}, no third part"), format!("{head}.{body}")));
            forged.push((format!("alg {alg}, the old signature"), format!("{head}.{body}.{signature}")));
        }
        let mut raised = claims.clone();
        raised.insert("sub".to_owned(), json!("user_01ARZ3NDEKTSV4RRFFQ69G5FAV"));
        forged.push(("other claims".into(), format!("{head}.{}.{signature}", encode(&raised))));
        for (what, zeros) in [("zeros", vec![0_u8; 64]), ("one byte", vec![0]), ("DER", vec![0x30, 6, 2, 1, 1, 2, 1, 1]), ("ones", vec![0xff; 64])] {
            forged.push((format!("signature of {what}"), format!("{head}.{body}.{}", base64url::encode(&zeros))));
        }
        are_refused(&app, forged).await;
        alice.get("/v1/me").without_cookies().bearer(&real).await.is(200, json!({ "id": alice.id() }));
    }

    async fn the_public_key_is_no_secret_to_sign_with(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let Taken { header, claims, .. } = take_apart(&alice.token().await);
        let jwks = app.anyone().get("/.well-known/jwks.json").await;
        let jwk = jwks.at("/keys/0").clone();
        let point: Vec<u8> = ["x", "y"].iter().flat_map(|c| base64url::decode(jwk[*c].as_str().expect("a coordinate")).expect("base64url")).collect();
        let der = [&[0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0, 4][..], &point].concat();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64url::encode(&der));
        let secrets: [(&str, Vec<u8>); 6] = [
            ("JWK", jwk.to_string().into_bytes()),
            ("JWKS", jwks.text().into_bytes()),
            ("point", [&[4][..], &point].concat()),
            ("DER", der.clone()),
            ("PEM", pem.into_bytes()),
            ("coordinates", [point.clone(), vec![0; 64]].concat()),
        ];
        let mut forged = Vec::new();
        for (what, mut secret) in secrets {
            secret.resize(secret.len().max(64), 0);
            for alg in [HS256, HS384, HS512] {
                let signer = alg.signer_from_bytes(&secret).expect("long enough");
                let head = with(&header, json!({ "alg": signer.algorithm().name() }));
                forged.push((format!("{what} {}", signer.algorithm().name()), forge(&head, &Value::Object(claims.clone()).to_string(), &signer)));
            }
        }
        are_refused(&app, forged).await;
    }

    async fn a_token_cannot_bring_its_own_key(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let Taken { header, claims, .. } = take_apart(&alice.token().await);
        let claims = Value::Object(claims).to_string();
        let own = generate_pkcs8(Algorithm::Es256).expect("a key");
        let signer = ES256.signer_from_der(own.expose()).expect("a signer");
        let kid = header["kid"].as_str().expect("a key id").to_owned();
        let public = Signer::new(Algorithm::Es256, &kid, &own).expect("a signer").public_jwk().clone();
        let url = "https://evil.example/jwks.json";

        let mut forged = vec![
            ("the published key id".to_owned(), forge(&with(&header, json!({})), &claims, &signer)),
            ("no key id".to_owned(), forge(r#"{"alg":"ES256","typ":"JWT"}"#, &claims, &signer)),
        ];
        for (what, more) in [
            ("jwk", json!({ "jwk": public })),
            ("jku", json!({ "jku": url })),
            ("x5u", json!({ "x5u": url })),
            ("x5c", json!({ "x5c": ["MIIB"] })),
            ("x5t", json!({ "x5t": "abc" })),
            ("crit", json!({ "crit": ["exp"] })),
            ("crit of ours", json!({ "crit": ["b64"], "b64": false })),
            ("empty crit", json!({ "crit": [] })),
            ("cty", json!({ "cty": "JWT" })),
            ("zip", json!({ "zip": "DEF" })),
        ] {
            forged.push((what.to_owned(), forge(&with(&header, more.clone()), &claims, &signer)));
            // And with a key id of the attacker's own beside it.
            let mut more = more;
            more["kid"] = json!("mine");
            forged.push((format!("{what}, own kid"), forge(&with(&header, more), &claims, &signer)));
        }
        for kid in [
            json!("unknown"),
            json!(""),
            json!("../../../../../../dev/null"),
            json!("/dev/null"),
            json!("x' OR '1'='1"),
            json!("x'; DROP TABLE users; --"),
            json!(format!("{kid}\u{0}")),
            json!(kid.to_lowercase()),
            json!("a".repeat(5000)),
            json!([kid]),
            json!({ "kid": kid }),
            json!(0),
            json!(null),
            json!("http://evil.example/key"),
        ] {
            forged.push((format!("kid {kid}"), forge(&with(&header, json!({ "kid": kid })), &claims, &signer)));
        }
        are_refused(&app, forged).await;
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_token_is_read_in_one_way_only(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let real = alice.token().await;
        let Taken { header, claims, text: [head, body, signature] } = take_apart(&real);
        let own = generate_pkcs8(Algorithm::Es256).expect("a key");
        let signer = ES256.signer_from_der(own.expose()).expect("a signer");
        let kid = header["kid"].as_str().expect("a key id");
        let claims = Value::Object(claims).to_string();
        let twice = format!(r#"{{"alg":"none","alg":"ES256","kid":"{kid}","typ":"JWT"}}"#);
        let reversed = format!(r#"{{"alg":"ES256","alg":"none","kid":"{kid}","typ":"JWT"}}"#);
        let two_kids = format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"JWT","kid":"mine"}}"#);
        let two_subjects = format!(r#"{},"sub":"{}"}}"#, &claims[..claims.len() - 1], "user_01ARZ3NDEKTSV4RRFFQ69G5FAV");
        let plain = with(&header, json!({}));
        let json_form = json!({ "payload": body, "protected": head, "signature": signature }).to_string();

        are_refused(&app, vec![
            ("alg twice".into(), forge(&twice, &claims, &signer)),
            ("alg twice, no signature".into(), format!("{}.{body}.", base64url::encode(reversed.as_bytes()))),
            ("kid twice".into(), forge(&two_kids, &claims, &signer)),
            ("sub twice".into(), forge(&plain, &two_subjects, &signer)),
            ("nested".into(), forge(&plain, &real, &signer)),
            ("nested in claims".into(), forge(&plain, &json!({ "jws": real }).to_string(), &signer)),
            ("JSON serialization".into(), json_form.replace(' ', "")),
            ("five parts".into(), format!("{head}.{body}.{signature}.a.b")),
            ("four parts".into(), format!("{real}.")),
            ("detached".into(), format!("{head}..{signature}")),
            ("padding".into(), format!("{head}=.{body}.{signature}")),
            ("padded signature".into(), format!("{real}==")),
            ("standard alphabet".into(), format!("{head}.{body}.+/{}", &signature[2..])),
            ("truncated".into(), real[..real.len() - 1].to_owned()),
            ("extended".into(), format!("{real}A")),
            ("blank inside".into(), format!("{head}. {body}.{signature}")),
            ("comma".into(), format!("{real},{real}")),
            ("nothing".into(), String::new()),
            ("a word".into(), "undefined".into()),
            ("100 kB".into(), format!("{head}.{}.{signature}", "A".repeat(20_000))),
            ("deep".into(), forge(&plain, &format!("{}1{}", "[".repeat(5000), "]".repeat(5000)), &signer)),
        ])
        .await;
        alice.get("/v1/me").without_cookies().bearer(&real).await.has_status(200);
    }

    async fn every_bit_of_a_token_counts(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let real = alice.token().await;
        let mut forged = Vec::new();
        for at in (0..real.len()).step_by(7) {
            let mut bytes = real.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            forged.push((format!("changed at {at}"), String::from_utf8(bytes).expect("ASCII")));
        }
        are_refused(&app, forged).await;
    }

    async fn a_bad_bearer_is_never_replaced_by_a_cookie(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        for value in ["Bearer nonsense", "Bearer ", "Bearer", "Basic YTpi", "nonsense", ""] {
            alice.get("/v1/me").header("authorization", value).await.is_refused(401, "session_token_invalid");
        }
        let real = alice.token().await;
        let twice = app.anyone().get("/v1/me").bearer(&real).bearer(&real).await;
        twice.is_refused(401, "session_token_invalid");
    }
}
