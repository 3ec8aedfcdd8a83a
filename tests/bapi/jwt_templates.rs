//! JWT templates: made, changed, looked at, and minted by from a backend.

use crate::fapi::steps::{jwks, verified};
use domain::time::minutes;
use josekit::jwk::KeyPair as _;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::{HS256, deserialize_compact};
use serde_json::{Value, json};
use testkit::{Reply, TestApp, both};

const PATH: &str = "/v1/jwt-templates";

/// A secret of 44 bytes in base64.
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWI=";

async fn created(app: &TestApp, body: Value) -> Reply {
    let made = app.bapi().post(PATH, body).await;
    made.has_status(201);
    made
}

/// Mints for a person by a template.
async fn minted(app: &TestApp, user: &str, name: &str) -> Reply {
    app.bapi().post(format!("/v1/users/{user}/jwt-templates/{name}/tokens"), json!({})).await
}

fn pem(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("PEM is text")
}

/// Header and claims of a token, as they stand there.
fn parts(token: &str) -> (Value, Value) {
    let part = |at: usize| {
        let text = token.split('.').nth(at).expect("a token has parts");
        serde_json::from_slice(&crypto::base64url::decode(text).expect("base64url")).expect("JSON")
    };
    (part(0), part(1))
}

both! {
    async fn a_template_is_made_with_its_defaults_and_read_again(app: TestApp) {
        let claims = json!({ "email": "{{user.primary_email_address}}", "nested": { "list": ["{{user.id}}", 1, null] } });

        let made = created(&app, json!({ "name": "hasura", "claims": claims })).await;

        let expected = json!({ "object": "jwt_template", "name": "hasura", "claims": claims, "lifetime": 60,
            "allowed_clock_skew": 5, "signing_algorithm": "RS256", "created_at": made.at("/updated_at") });
        made.is(201, expected.clone());
        assert!(made.str("/id").starts_with("jtmpl_"));
        assert_eq!(made.json().as_object().map(serde_json::Map::len), Some(9));
        app.bapi().get(format!("{PATH}/{}", made.str("/id"))).await.is(200, expected);
        app.bapi().get(PATH).await.is(200, json!({ "data": [{ "name": "hasura" }], "total_count": 1 }));
        assert_eq!(app.events().await, ["jwtTemplate.created"]);
        let event = app.logged_events(&app.env).await.pop().expect("an event");
        assert_eq!(event.data.as_ref(), Some(made.json()));
    }

    async fn templates_are_pages(app: TestApp) {
        for n in 0..5 {
            created(&app, json!({ "name": format!("t{n}"), "claims": {}, "signing_algorithm": "ES256" })).await;
            app.advance(minutes(1));
        }
        let mut names = Vec::new();
        let mut path = format!("{PATH}?limit=2");
        loop {
            let page = app.bapi().get(&path).await;
            assert_eq!(page.at("/total_count"), 5);
            names.extend(page.json()["data"].as_array().into_iter().flatten().map(|t| t["name"].as_str().unwrap_or_default().to_owned()));
            match page.json().pointer("/meta/next_cursor").and_then(Value::as_str) {
                Some(cursor) => path = format!("{PATH}?limit=2&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(names, ["t4", "t3", "t2", "t1", "t0"]);
        app.bapi().get(format!("{PATH}?order_by=%2Bupdated_at&limit=1&offset=1")).await.is(200, json!({ "data": [{ "name": "t1" }] }));
        app.bapi().get(format!("{PATH}?order_by=name")).await.is_refused_for(422, "form_param_value_invalid", "order_by");
    }

    async fn a_name_is_given_once_in_an_environment(app: TestApp) {
        let (other, es) = (app.second_environment().await, "ES256");
        let made = created(&app, json!({ "name": "a", "claims": {}, "signing_algorithm": es })).await;
        let second = created(&app, json!({ "name": "b", "claims": {}, "signing_algorithm": es })).await;

        let again = app.bapi().post(PATH, json!({ "name": "a", "claims": {}, "signing_algorithm": es })).await;
        again.is_refused_for(409, "jwt_template_name_taken", "name");
        let renamed = app.bapi().patch(format!("{PATH}/{}", second.str("/id")), json!({ "name": "a" })).await;
        renamed.is_refused_for(409, "jwt_template_name_taken", "name");
        app.bapi_of(&other).post(PATH, json!({ "name": "a", "claims": {}, "signing_algorithm": es })).await.has_status(201);
        app.bapi_of(&other).get(format!("{PATH}/{}", made.str("/id"))).await.is_refused(404, "jwt_template_not_found");
        app.bapi().delete(format!("{PATH}/{}", made.str("/id"))).await.has_status(204);
        created(&app, json!({ "name": "a", "claims": {}, "signing_algorithm": es })).await;
    }

    async fn what_cannot_be_used_is_refused_all_at_once(app: TestApp) {
        let backend = app.bapi();
        let refused = backend.post(PATH, json!({
            "name": "Wrong Name", "lifetime": 29, "allowed_clock_skew": 301, "signing_algorithm": "none", "colour": 1,
        })).await;
        for (code, param) in [
            ("form_param_format_invalid", "name"), ("form_param_nil", "claims"), ("form_param_value_invalid", "lifetime"),
            ("form_param_value_invalid", "allowed_clock_skew"), ("form_param_value_invalid", "signing_algorithm"),
            ("form_param_unknown", "colour"),
        ] {
            refused.is_refused_for(422, code, param);
        }
        for name in ["default", "flat", "preview"] {
            backend.post(PATH, json!({ "name": name, "claims": {} })).await.is_refused_for(422, "form_param_value_invalid", "name");
        }
        let refused = backend.post(PATH, json!({ "name": "a", "signing_algorithm": "HS256", "claims": {
            "sid": "x", "org": {}, "exp": 1, "sub": 7, "aud": [1], "fine": "{{user.id}}", "broken": "{{user.id",
            "deep": { "list": ["", "{% if x %}"] }, "private": "{{ user.id | default: user.private_metadata.x }}",
        }})).await;
        for (code, param) in [
            ("form_param_value_invalid", "claims.sid"), ("form_param_value_invalid", "claims.org"),
            ("form_param_value_invalid", "claims.exp"), ("form_param_format_invalid", "claims.sub"),
            ("form_param_format_invalid", "claims.aud"), ("form_param_format_invalid", "claims.broken"),
            ("form_param_format_invalid", "claims.deep.list.1"),
            ("jwt_template_private_metadata_rejected", "claims.private"),
            ("jwt_template_signing_key_invalid", "custom_signing_key"),
        ] {
            refused.is_refused_for(422, code, param);
        }
        assert_eq!(refused.codes().len(), 9, "{}", refused.text());
        let many: Value = (0..101).map(|n| (format!("k{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
        for claims in [json!({ "a": { "b": { "c": { "d": { "e": {} } } } } }), many, json!({ "a": "x".repeat(8200) })] {
            let refused = backend.post(PATH, json!({ "name": "a", "claims": claims })).await;
            refused.is_refused_for(422, "form_param_value_invalid", "claims");
        }
        // Within every bound, and still no token.
        let refused = backend.post(PATH, json!({ "name": "a", "claims": { "a": "x".repeat(3000) } })).await;
        refused.is_refused_for(422, "jwt_template_too_large", "claims");
        assert!(refused.json()["errors"][0]["meta"]["byte_size"].as_i64() > Some(4096));
        assert_eq!(backend.get(PATH).await.at("/total_count"), 0);
        assert!(app.events().await.is_empty());
    }

    async fn a_change_is_merged_and_then_checked(app: TestApp) {
        let made = created(&app, json!({ "name": "a", "claims": { "x": 1 }, "signing_algorithm": "ES256" })).await;
        let path = format!("{PATH}/{}", made.str("/id"));
        app.advance(minutes(1));
        let change = |body: Value| app.bapi().patch(&path, body);

        change(json!({ "name": "b", "lifetime": 300 })).await.is(200, json!({ "name": "b", "lifetime": 300, "claims": { "x": 1 }, "signing_algorithm": "ES256" }));
        change(json!({ "claims": { "y": "{{user.id}}" } })).await.is(200, json!({ "name": "b", "claims": { "y": "{{user.id}}" } }));
        let all = app.bapi().get(&path).await;
        assert!(all.at("/updated_at").as_i64() > made.at("/updated_at").as_i64() && all.at("/created_at") == made.at("/created_at"));
        assert_eq!(all.at("/claims").as_object().map(serde_json::Map::len), Some(1), "claims are replaced as a whole");
        change(json!({ "signing_algorithm": "HS256" })).await.is_refused(422, "jwt_template_signing_key_invalid");
        change(json!({ "signing_algorithm": "HS256", "custom_signing_key": SECRET })).await.is(200, json!({ "signing_algorithm": "HS256" }));
        // Kept when it is not sent or empty; without it HS256 has nothing to sign with.
        change(json!({ "lifetime": 60, "custom_signing_key": "" })).await.is(200, json!({ "signing_algorithm": "HS256" }));
        change(json!({ "custom_signing_key": null })).await.is_refused(422, "jwt_template_signing_key_invalid");
        change(json!({ "signing_algorithm": "RS256" })).await.is_refused(422, "jwt_template_signing_key_invalid");
        change(json!({ "signing_algorithm": "RS256", "custom_signing_key": null })).await.is(200, json!({ "signing_algorithm": "RS256" }));
        for (body, code) in [
            (json!({ "name": null }), "form_param_format_invalid"), (json!({ "name": "" }), "form_param_format_invalid"),
            (json!({ "claims": null }), "form_param_format_invalid"), (json!({ "claims": { "sid": 1 } }), "form_param_value_invalid"),
            (json!({ "lifetime": null }), "form_param_format_invalid"), (json!({ "id": "x" }), "form_param_unknown"),
            (json!({ "custom_signing_key": "no key" }), "jwt_template_signing_key_invalid"),
        ] {
            change(body).await.is_refused(422, code);
        }
        let gone = app.bapi().patch(format!("{PATH}/jtmpl_01ARZ3NDEKTSV4RRFFQ69G5FAV"), json!({})).await;
        gone.is_refused(404, "jwt_template_not_found");
    }

    async fn a_write_is_done_once_for_its_key(app: TestApp) {
        let body = json!({ "name": "a", "claims": {}, "signing_algorithm": "HS256", "custom_signing_key": SECRET });
        let first = app.bapi().post(PATH, body.clone()).idempotency_key("k").await;
        let again = app.bapi().post(PATH, body.clone()).idempotency_key("k").await;
        assert_eq!((first.status(), first.json()), (again.status(), again.json()));
        app.bapi().delete(format!("{PATH}/{}", first.str("/id"))).await.has_status(204);
        let anew = app.bapi().post(PATH, body).idempotency_key("k").await;
        assert_ne!(anew.has_status(201).str("/id"), first.str("/id"));
        assert_eq!(app.events().await, ["jwtTemplate.created", "jwtTemplate.deleted", "jwtTemplate.created"]);
    }

    async fn a_backend_gets_a_token_of_somebody_who_is_not_signed_in(app: TestApp) {
        let alice = app.user("alice").created().await;
        let change = json!({ "public_metadata": { "plan": "pro", "seats": 3, "tags": ["a"] }, "private_metadata": { "x": "secret" } });
        app.bapi().patch(format!("/v1/users/{}/metadata", alice.id), change).await.has_status(200);
        created(&app, json!({ "name": "own", "lifetime": 600, "allowed_clock_skew": 10, "claims": {
            "aud": ["api", "{{env.id}}"], "mail": "{{user.primary_email_address}}", "ok": "{{user.primary_email_address.verified}}",
            "plan": "{{user.public_metadata.plan | upcase}}", "seats": "{{user.public_metadata.seats}}", "all": "{{user.public_metadata}}",
            "session": "{{session.id}}", "who": "<{{user.first_name}}{{organization.id}}>", "user": "{{user}}", "orgs": "{{org_memberships}}",
        }})).await;

        let reply = minted(&app, &alice.id, "own").await;

        reply.is(200, json!({ "object": "token" }));
        let (header, claims) = verified(&reply.str("/jwt"), &jwks(&app.anyone()).await);
        assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("template+jwt")));
        let now = app.now().seconds();
        let number = |name: &str| claims[name].as_i64().expect("a number");
        assert!((now - number("iat")).abs() <= 5 && number("exp") == number("iat") + 600 && number("nbf") == number("iat") - 10);
        assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() == 22));
        for (name, value) in [
            ("iss", json!(app.env.issuer)), ("sub", json!(alice.id)), ("aud", json!(["api", app.env.id.to_string()])),
            ("mail", json!(alice.email)), ("ok", json!(true)), ("plan", json!("PRO")), ("seats", json!(3)),
            ("all", json!({ "plan": "pro", "seats": 3, "tags": ["a"] })), ("session", json!("")), ("who", json!("<>")), ("orgs", json!([])),
        ] {
            assert_eq!(claims[name], value, "{name}");
        }
        assert!(claims["user"]["id"] == alice.id.as_str() && claims["user"].get("private_metadata").is_none(), "{claims}");
        assert!(["sid", "azp", "v", "sts", "fva"].iter().all(|name| claims.get(name).is_none()));
        let again = parts(&minted(&app, &alice.id, "own").await.str("/jwt")).1;
        assert_ne!(again["jti"], claims["jti"]);
    }

    async fn what_a_template_may_override_it_overrides(app: TestApp) {
        let alice = app.user("alice").created().await;
        created(&app, json!({ "name": "own", "signing_algorithm": "ES256", "claims": {
            "iss": "https://issuer.example", "sub": "{{user.public_metadata.legacy_id}}", "aud": "{{user.public_metadata.aud}}", "was_test": true, "pnv": "x",
        }})).await;
        // Nobody without an id of their own shares the empty one.
        let claims = parts(&minted(&app, &alice.id, "own").await.str("/jwt")).1;
        assert_eq!((&claims["iss"], &claims["sub"], claims.get("aud")), (&json!("https://issuer.example"), &json!(alice.id), None));
        let change = json!({ "public_metadata": { "legacy_id": 42, "aud": ["a", 7] } });
        app.bapi().patch(format!("/v1/users/{}/metadata", alice.id), change).await.has_status(200);
        let claims = parts(&minted(&app, &alice.id, "own").await.str("/jwt")).1;
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!("42"), &json!(["a", "7"])), "texts, as the standard wants them");
    }

    async fn who_may_not_sign_in_gets_no_token_of_a_backend(app: TestApp) {
        let alice = app.user("alice").created().await;
        created(&app, json!({ "name": "own", "claims": {}, "signing_algorithm": "ES256" })).await;
        let user = format!("/v1/users/{}", alice.id);

        app.bapi().post_empty(format!("{user}/ban")).await.has_status(200);
        minted(&app, &alice.id, "own").await.is_refused(422, "user_banned");
        app.bapi().post_empty(format!("{user}/unban")).await.has_status(200);
        app.bapi().post_empty(format!("{user}/lock")).await.has_status(200);
        minted(&app, &alice.id, "own").await.is_refused(422, "user_locked");
        app.bapi().post_empty(format!("{user}/unlock")).await.has_status(200);
        minted(&app, &alice.id, "own").await.has_status(200);

        for name in ["nothing", "Own", "default", "flat"] {
            minted(&app, &alice.id, name).await.is_refused(404, "jwt_template_not_found");
        }
        minted(&app, "user_01ARZ3NDEKTSV4RRFFQ69G5FAV", "own").await.is_refused(404, "user_not_found");
        let path = format!("{user}/jwt-templates/own/tokens");
        let organization = json!({ "organization_id": "org_01ARZ3NDEKTSV4RRFFQ69G5FAV" });
        app.bapi().post(&path, organization).await.is_refused(404, "organization_not_found");
        app.bapi().post(&path, json!({ "organization_id": null })).await.has_status(200);
        app.bapi().post_empty(&path).await.has_status(200);
        app.bapi().delete(&user).await.has_status(204);
        minted(&app, &alice.id, "own").await.is_refused(404, "user_not_found");
    }

    async fn a_backend_mints_for_a_live_session_by_a_template(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        created(&app, json!({ "name": "own", "claims": { "session": "{{session.id}}", "state": "{{session.status}}",
            "until": "{{ session.expire_at | date_unix }}" }, "signing_algorithm": "ES256" })).await;
        let path = format!("/v1/sessions/{}/tokens/own", alice.session);

        let (_, claims) = verified(&app.bapi().post_empty(&path).await.has_status(200).str("/jwt"), &jwks(&app.anyone()).await);

        assert_eq!((&claims["session"], &claims["state"]), (&json!(alice.session), &json!("active")));
        let shown = app.bapi().get(format!("/v1/sessions/{}", alice.session)).await;
        assert_eq!(claims["until"].as_i64(), shown.at("/expire_at").as_i64().map(|at| at / 1000));
        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.has_status(200);
        app.bapi().post_empty(&path).await.is_refused(409, "session_not_live");
    }

    async fn a_key_of_ones_own_signs_and_its_public_half_is_published(app: TestApp) {
        let alice = app.user("alice").created().await;
        let rsa = RsaKeyPair::generate(2048).expect("a key");
        let ec = EcKeyPair::generate(EcCurve::P256).expect("a key");
        let mut last = String::new();
        for (name, algorithm, key) in [
            ("rsa", "RS256", pem(rsa.to_pem_private_key())), ("pkcs1", "RS256", pem(rsa.to_traditional_pem_private_key())),
            ("ec", "ES256", pem(ec.to_pem_private_key())),
        ] {
            let made = created(&app, json!({ "name": name, "claims": {}, "signing_algorithm": algorithm, "custom_signing_key": key })).await;
            last = made.str("/id");
            let token = minted(&app, &alice.id, name).await.has_status(200).str("/jwt");
            let keys = app.anyone().get(format!("/.well-known/jwt-template-jwks/{name}.json")).await;
            let (header, _) = verified(&token, keys.has_status(200).json());
            let kid = header["kid"].as_str().expect("a kid");
            assert!(kid.starts_with(&format!("{}.", made.str("/id"))), "{kid}");
            assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some(algorithm), Some("template+jwt")));
            assert!(keys.json()["keys"][0].get("d").is_none() && keys.header("etag").is_some());
            assert_eq!(keys.header("access-control-allow-origin"), Some("*"));
            assert!(!jwks(&app.anyone()).await.to_string().contains(kid), "it is no key of the environment");
        }
        // Another key has another name.
        let first = app.anyone().get("/.well-known/jwt-template-jwks/ec.json").await;
        let next = pem(EcKeyPair::generate(EcCurve::P256).expect("a key").to_pem_private_key());
        app.bapi().patch(format!("{PATH}/{last}"), json!({ "custom_signing_key": next })).await.has_status(200);
        let second = app.anyone().get("/.well-known/jwt-template-jwks/ec.json").await;
        assert_ne!(first.str("/keys/0/kid"), second.str("/keys/0/kid"));
        let tag = second.header("etag").expect("a tag").to_owned();
        app.anyone().get("/.well-known/jwt-template-jwks/ec.json").header("if-none-match", tag).await.has_status(304);
        // Without a key of its own there is nothing to publish.
        app.bapi().patch(format!("{PATH}/{last}"), json!({ "custom_signing_key": null })).await.has_status(200);
        for name in ["ec", "nothing", "Ec", "a%20b"] {
            let path = format!("/.well-known/jwt-template-jwks/{name}.json");
            app.anyone().get(path).await.is_refused(404, "jwt_template_not_found");
        }
    }

    async fn a_shared_secret_signs_and_is_never_published(app: TestApp) {
        let alice = app.user("alice").created().await;
        created(&app, json!({ "name": "shared", "claims": {}, "signing_algorithm": "HS256", "custom_signing_key": SECRET })).await;

        let token = minted(&app, &alice.id, "shared").await.has_status(200).str("/jwt");

        let verifier = HS256.verifier_from_bytes(b"0123456789abcdef0123456789abcdef0123456789ab").expect("a secret");
        let (claims, header) = deserialize_compact(&token, &verifier).expect("the secret is the one that was brought");
        assert_eq!((header.algorithm(), header.token_type()), (Some("HS256"), Some("template+jwt")));
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        assert_eq!(claims["sub"], alice.id.as_str());
        app.anyone().get("/.well-known/jwt-template-jwks/shared.json").await.is_refused(404, "jwt_template_not_found");
    }

    async fn a_key_that_cannot_sign_is_refused_with_its_reason(app: TestApp) {
        let rsa = RsaKeyPair::generate(2048).expect("a key");
        let small = pem(RsaKeyPair::generate(1024).expect("a key").to_pem_private_key());
        let ec = pem(EcKeyPair::generate(EcCurve::P256).expect("a key").to_pem_private_key());
        let p384 = pem(EcKeyPair::generate(EcCurve::P384).expect("a key").to_pem_private_key());
        let public = rsa.to_der_public_key();
        for (algorithm, key, reason) in [
            ("RS256", ec, "other_kind"), ("ES256", pem(rsa.to_pem_private_key()), "other_kind"),
            ("HS256", pem(rsa.to_pem_private_key()), "other_kind"), ("RS256", SECRET.to_owned(), "other_kind"),
            ("RS256", small, "too_weak"), ("ES256", p384, "unsupported"), ("RS256", pem(rsa.to_pem_public_key()), "public_key"),
            ("HS256", "c2hvcnQ=".to_owned(), "too_weak"), ("HS256", "not base64!".to_owned(), "unreadable"),
            // What everybody can read would be a secret that everybody knows.
            ("HS256", crypto::base64url::encode(&public), "public_key"),
            ("HS256", crypto::base64url::encode(&rsa.to_pem_public_key()), "public_key"),
        ] {
            let body = json!({ "name": "a", "claims": {}, "signing_algorithm": algorithm, "custom_signing_key": key });
            let refused = app.bapi().post(PATH, body).await;
            refused.is_refused_for(422, "jwt_template_signing_key_invalid", "custom_signing_key");
            assert_eq!(refused.json()["errors"][0]["meta"]["reason"], reason, "{algorithm}");
            assert_eq!(refused.codes().len(), 1);
            assert!(!refused.text().contains(&key[..16.min(key.len())]) || key.starts_with("-----"), "it is not echoed");
        }
        assert_eq!(app.bapi().get(PATH).await.at("/total_count"), 0);
    }

    async fn a_preview_shows_the_claims_and_signs_nothing(app: TestApp) {
        let alice = app.user("alice").created().await;
        app.skip_events().await;
        let claims = json!({ "mail": "{{user.primary_email_address}}", "own": "{{user.unsafe_metadata.x}}", "typo": "{{user.frist_name}}" });

        let made_up = app.bapi().post("/v1/jwt-templates/preview", json!({ "claims": claims, "lifetime": 120 })).await;
        let real = app.bapi().post("/v1/jwt-templates/preview", json!({ "claims": claims, "user_id": alice.id, "signing_algorithm": "ES256" })).await;

        made_up.is(200, json!({ "object": "jwt_template_preview", "fits_cookie": true, "claims": { "mail": "ada.lovelace@example.com", "typo": "" } }));
        assert_eq!(made_up.at("/claims/exp").as_i64(), made_up.at("/claims/iat").as_i64().map(|iat| iat + 120));
        real.is(200, json!({ "claims": { "mail": alice.email, "sub": alice.id } }));
        let codes: Vec<&str> = real.json()["warnings"].as_array().into_iter().flatten().filter_map(|w| w["code"].as_str()).collect();
        assert_eq!(codes, ["path_unknown", "unsafe_metadata"]);
        let large = app.bapi().post("/v1/jwt-templates/preview", json!({ "claims": { "x": "y".repeat(4000) } })).await;
        large.is(200, json!({ "fits_cookie": false, "warnings": [{ "code": "too_large" }] }));
        app.bapi().post("/v1/jwt-templates/preview", json!({ "claims": { "a": "{{", "sid": 1 } })).await.is_refused(422, "form_param_format_invalid");
        for nobody in ["user_01ARZ3NDEKTSV4RRFFQ69G5FAV", "nobody"] {
            app.bapi().post("/v1/jwt-templates/preview", json!({ "claims": {}, "user_id": nobody })).await.is_refused(404, "user_not_found");
        }
        app.bapi().post("/v1/jwt-templates/preview", json!({ "claims": {}, "organization_id": "org_01ARZ3NDEKTSV4RRFFQ69G5FAV" })).await
            .is_refused(404, "organization_not_found");
        assert!(app.events().await.is_empty());
        assert_eq!(app.bapi().get(PATH).await.at("/total_count"), 0);
    }

    async fn the_size_of_a_preview_is_that_of_the_token(app: TestApp) {
        let alice = app.user("alice").created().await;
        let claims = json!({ "x": "y".repeat(100), "mail": "{{user.primary_email_address}}" });
        for (name, algorithm) in [("rs", "RS256"), ("es", "ES256")] {
            created(&app, json!({ "name": name, "claims": claims, "signing_algorithm": algorithm })).await;
            let token = minted(&app, &alice.id, name).await.has_status(200).str("/jwt");
            let asked = json!({ "claims": claims, "signing_algorithm": algorithm, "user_id": alice.id });
            let preview = app.bapi().post("/v1/jwt-templates/preview", asked).await;
            assert_eq!(preview.at("/byte_size"), token.len(), "{algorithm}");
        }
    }

    async fn a_token_that_grew_too_large_is_refused_at_the_mint(app: TestApp) {
        let alice = app.user("alice").created().await;
        created(&app, json!({ "name": "own", "claims": { "a": "{{user.public_metadata}}", "b": "{{user.public_metadata.n}}" }, "signing_algorithm": "ES256" })).await;
        minted(&app, &alice.id, "own").await.has_status(200);

        for (size, param) in [(3500, "claims"), (6000, "claims.a")] {
            let change = json!({ "public_metadata": { "x": "y".repeat(size) } });
            app.bapi().patch(format!("/v1/users/{}/metadata", alice.id), change).await.has_status(200);
            let refused = minted(&app, &alice.id, "own").await;
            refused.is_refused_for(422, "jwt_template_too_large", param);
            assert!(refused.text().len() < 1000);
        }
    }

    async fn a_mint_is_noted_without_being_waited_for(app: TestApp) {
        let alice = app.user("alice").created().await;
        let made = created(&app, json!({ "name": "own", "claims": {}, "signing_algorithm": "ES256" })).await;
        let noted = async || {
            app.tick().await;
            let mut conn = app.engine.db().read().await.expect("a connection");
            let id = made.str("/id").parse().expect("an id");
            let template = storage::jwt_templates::find(&mut conn, app.env.id, id).await.expect("it is read");
            template.expect("it is there").last_used_at
        };
        assert_eq!(noted().await, None);
        minted(&app, &alice.id, "own").await.has_status(200);
        let first = noted().await.expect("it was used");
        minted(&app, &alice.id, "own").await.has_status(200);
        assert_eq!(noted().await, Some(first), "once a minute is enough");
        app.advance(minutes(2));
        minted(&app, &alice.id, "own").await.has_status(200);
        assert!(noted().await > Some(first));
        assert!(app.bapi().get(PATH).await.json()["data"][0].get("last_used_at").is_none(), "it is nobody's business");
    }

    async fn a_deleted_template_mints_nothing_in_any_process(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let made = created(&app, json!({ "name": "own", "claims": { "v1": true }, "signing_algorithm": "ES256" })).await;
        let elsewhere = app.anyone_at_another_process();
        elsewhere.jar().set("__client", &alice.jar().get("__client").expect("a client"));
        let path = format!("/v1/client/sessions/{}/tokens/own", alice.session);
        elsewhere.post_empty(&path).await.has_status(200);

        app.bapi().patch(format!("{PATH}/{}", made.str("/id")), json!({ "claims": { "v2": true } })).await.has_status(200);
        let here = parts(&alice.post_empty(&path).await.has_status(200).str("/jwt")).1;
        assert_eq!((here.get("v1"), here["v2"].as_bool()), (None, Some(true)), "a change counts at once where it was made");
        app.advance(std::time::Duration::from_millis(1100));
        let there = parts(&elsewhere.post_empty(&path).await.has_status(200).str("/jwt")).1;
        assert_eq!(there["v2"].as_bool(), Some(true), "and within a second elsewhere");

        app.bapi().delete(format!("{PATH}/{}", made.str("/id"))).await.has_status(204);
        alice.post_empty(&path).await.is_refused(404, "jwt_template_not_found");
        app.advance(std::time::Duration::from_millis(1100));
        elsewhere.post_empty(&path).await.is_refused(404, "jwt_template_not_found");
        app.bapi().delete(format!("{PATH}/{}", made.str("/id"))).await.is_refused(404, "jwt_template_not_found");
    }
}
