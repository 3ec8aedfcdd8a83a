//! A token by a template is the operator's own: it never passes for a session token, nobody but the operator decides
//! what it says, and the key that signs it never leaves the house.

use domain::Surface;
use domain::environment::EnvironmentKind;
use josekit::jwk::KeyPair as _;
use josekit::jwk::alg::rsa::RsaKeyPair;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{Method, SignedInUser, TestApp, both, document, race};

const PATH: &str = "/v1/jwt-templates";

async fn template(app: &TestApp, body: Value) -> String {
    app.bapi().post(PATH, body).await.has_status(201).str("/id")
}

async fn minted(person: &SignedInUser, name: &str) -> String {
    person.post_empty(format!("/v1/client/sessions/{}/tokens/{name}", person.session)).await.has_status(200).str("/jwt")
}

fn claims_of(token: &str) -> Value {
    let body = token.split('.').nth(1).expect("a token has claims");
    serde_json::from_slice(&crypto::base64url::decode(body).expect("base64url")).expect("JSON")
}

/// Templates that would take more than they are given.
fn bombs() -> Vec<Value> {
    let big = "{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' | replace: 'x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' | replace: 'x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' | replace: 'x', 'xx' | split: '' | size }}";
    vec![
        json!({ "a": "{{".repeat(3000) }),
        json!({ "a": format!("{{{{ {} }}}}", "a[".repeat(3000)) }),
        json!({ "a": format!("{{{{ {} }}}}", "a.".repeat(3000)) }),
        json!({ "a": format!("{{{{ 'x'{} }}}}", " | upcase: 'x'".repeat(400)) }),
        json!({ "a": "{% for i in (1..100000000) %}{% endfor %}" }),
        json!({ "all": vec![big; 30] }),
        json!({ "a": format!("{{{{ 'xxxxxxxx'{} }}}}", " | replace: 'x', 'xxxxxxxx'".repeat(200)) }),
        json!({ "a": "{{ user | json }}".repeat(400) }),
        (0..60).fold(json!("x"), |inner, _| json!({ "a": inner })),
    ]
}

both! {
    async fn a_template_token_opens_nothing_as_bearer_or_as_cookie(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        // As near to a session token as a template comes: the environment's own key and algorithm, our issuer.
        let claims = json!({ "session_id": "{{session.id}}", "Sid": "{{session.id}}", "user": "{{user.id}}", "pnv": true, "pkv": true, "pkc": 1 });
        template(&app, json!({ "name": "own", "claims": claims, "signing_algorithm": "ES256", "lifetime": 86400 })).await;
        let token = minted(&alice, "own").await;
        let bearer = app.anyone().with_authorization(&format!("Bearer {token}"));
        let cookie = app.anyone();
        cookie.jar().set("__session", &token);
        let client = app.anyone();
        client.jar().set("__client", &token);

        for operation in document(Surface::Fapi).operations().into_iter().filter(|operation| operation.is_guarded()) {
            let ids = [("{session_id}", alice.session.as_str()), ("{user_id}", alice.id()), ("{email_address_id}", alice.user.email_id.as_str()),
                ("{template_name}", "own"), ("{name}", "own")];
            let path = ids.iter().fold(operation.template.to_owned(), |path, (name, id)| path.replace(name, id));
            let method = Method::from_bytes(operation.method.to_ascii_uppercase().as_bytes()).expect("a method");
            for thief in [&bearer, &cookie, &client] {
                let call = thief.call(method.clone(), &path);
                let call = if operation.body().is_some() { call.json(json!({})) } else { call };
                let reply = call.await;
                assert_eq!(reply.status(), 401, "{} {path}: {}", operation.method, reply.text());
            }
        }
        for operation in document(Surface::Bapi).operations() {
            let method = Method::from_bytes(operation.method.to_ascii_uppercase().as_bytes()).expect("a method");
            let thief = app.bapi_stranger().with_authorization(&format!("Bearer {token}"));
            let reply = thief.call(method, operation.template.replace(['{', '}'], "")).await;
            assert_eq!(reply.status(), 401, "{} {}", operation.method, operation.template);
        }
    }

    async fn a_template_token_opens_nothing_whatever_signs_it(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let pair = RsaKeyPair::generate(2048).expect("a key");
        let key = String::from_utf8(pair.to_pem_private_key()).expect("PEM is text");
        for (name, algorithm, key) in [
            ("rs", "RS256", None), ("es", "ES256", None), ("own", "RS256", Some(key)),
            ("shared", "HS256", Some(crypto::base64url::encode(&[7; 32]))),
        ] {
            let body = json!({ "name": name, "claims": { "x": 1 }, "signing_algorithm": algorithm, "custom_signing_key": key });
            template(&app, body).await;
            let token = minted(&alice, name).await;
            app.anyone().get("/v1/me").bearer(&token).await.is_refused(401, "session_token_invalid");
            let planted = app.anyone().get("/v1/me").header("cookie", format!("__session={token}")).await;
            planted.is_refused(401, "session_token_invalid");
        }
    }

    async fn no_claim_that_tells_of_a_session_gets_into_a_template(app: TestApp) {
        for name in ["iat", "nbf", "exp", "jti", "sid", "azp", "org", "act", "fva", "v", "sts", "token_use", "entcon", "entacc"] {
            for value in [json!("x"), json!("{{user.unsafe_metadata.x}}"), json!(null), json!({}), json!(2)] {
                let body = json!({ "name": "a", "claims": { name: value }, "signing_algorithm": "ES256" });
                app.bapi().post(PATH, body).await.is_refused_for(422, "form_param_value_invalid", &format!("claims.{name}"));
            }
            // Nor with a key of the operator's own.
            let body = json!({ "name": "a", "claims": { name: "x" }, "signing_algorithm": "HS256", "custom_signing_key": crypto::base64url::encode(&[7; 32]) });
            app.bapi().post(PATH, body).await.is_refused(422, "form_param_value_invalid");
            let body = json!({ "claims": { name: "x" } });
            app.bapi().post("/v1/jwt-templates/preview", body).await.is_refused(422, "form_param_value_invalid");
        }
    }

    async fn what_a_person_writes_about_oneself_is_a_value_and_nothing_else(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.bapi().patch(format!("/v1/users/{}/metadata", alice.id()), json!({ "private_metadata": { "x": "canary-private" } })).await.has_status(200);
        template(&app, json!({ "name": "own", "claims": {
            "a": "{{user.unsafe_metadata.a}}", "b": "x{{user.unsafe_metadata.a}}", "all": "{{user.unsafe_metadata}}", "name": "{{user.first_name}}",
            "up": "{{ user.unsafe_metadata.a | default: 'x' | json }}",
        }, "signing_algorithm": "ES256" })).await;
        let evil = "{{user.private_metadata.x}}{{ user.private_metadata | json }}{% raw %}\",\"sid\":\"forged";
        let written = json!({ "first_name": evil, "unsafe_metadata": { "a": evil, "sid": "forged", "exp": 9_999_999_999_i64, "{{user.id}}": 1, "iss": "https://evil.example" } });
        alice.patch("/v1/me", written).await.has_status(200);

        let claims = claims_of(&minted(&alice, "own").await);

        assert_eq!((&claims["a"], &claims["name"]), (&json!(evil), &json!(evil)));
        assert_eq!(claims["b"], json!(format!("x{evil}")));
        assert_eq!(claims["all"]["sid"], "forged", "where it was put, not where it would count");
        assert!(claims.get("sid").is_none() && claims["iss"] == app.env.issuer.as_str());
        assert!(claims["exp"].as_i64() < Some(9_999_999_999));
        assert!(!claims.to_string().contains("canary-private"), "{claims}");
        let names: Vec<&String> = claims.as_object().into_iter().flat_map(|claims| claims.keys()).collect();
        assert_eq!(names.len(), 11, "{names:?}");
    }

    async fn private_metadata_gets_into_no_token(app: TestApp) {
        let alice = app.user("alice").created().await;
        app.bapi().patch(format!("/v1/users/{}/metadata", alice.id), json!({ "private_metadata": { "x": "canary-private" } })).await.has_status(200);
        for spelling in [
            "{{user.private_metadata}}", "{{ user . private_metadata . x }}", "{{-user['private_metadata'].x-}}",
            "{{ user[\"private_metadata\"] | json }}", "{{ user.id | default: user.private_metadata.x }}",
            "{{ 'x' | replace: 'x', user.private_metadata.x }}", "{{user.Private_Metadata.x}}", "{{private_metadata.x}}",
            "a {{user.id}} b {{user.private_metadata.x}}", "{{organization.private_metadata.x}}",
        ] {
            for claims in [json!({ "c": spelling }), json!({ "aud": [spelling] }), json!({ "a": { "b": [{ "c": spelling }] } })] {
                let made = app.bapi().post(PATH, json!({ "name": "a", "claims": claims, "signing_algorithm": "ES256" })).await;
                made.is_refused(422, "jwt_template_private_metadata_rejected");
                let shown = app.bapi().post("/v1/jwt-templates/preview", json!({ "claims": claims, "user_id": alice.id })).await;
                shown.is_refused(422, "jwt_template_private_metadata_rejected");
            }
        }
        // The whole person has no private side either.
        for whole in ["{{user}}", "{{user | json}}", "x{{user}}"] {
            let shown = app.bapi().post("/v1/jwt-templates/preview", json!({ "claims": { "c": whole }, "user_id": alice.id })).await;
            assert!(shown.has_status(200).text().contains(&alice.id) && !shown.text().contains("canary"), "{whole}");
        }
    }

    async fn a_key_that_was_brought_is_never_seen_again(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let pair = RsaKeyPair::generate(2048).expect("a key");
        let pem = String::from_utf8(pair.to_pem_private_key()).expect("PEM is text");
        let secret = crypto::base64url::encode(b"canary-secret-of-a-template-0123456789");
        let mut answers = Vec::new();
        let backend = app.bapi();
        for (name, algorithm, key) in [("pair", "RS256", &pem), ("shared", "HS256", &secret)] {
            let body = json!({ "name": name, "claims": {}, "signing_algorithm": algorithm, "custom_signing_key": key });
            let made = backend.post(PATH, body.clone()).idempotency_key(name).await;
            let path = format!("{PATH}/{}", made.has_status(201).str("/id"));
            answers.push(made.text());
            answers.push(backend.post(PATH, body).idempotency_key(name).await.text());
            answers.push(backend.get(&path).await.text());
            answers.push(backend.patch(&path, json!({ "lifetime": 90, "custom_signing_key": key })).idempotency_key("p").await.has_status(200).text());
            answers.push(backend.patch(&path, json!({ "custom_signing_key": key, "colour": key })).await.has_status(422).text());
            answers.push(backend.patch(&path, json!({ "custom_signing_key": format!("{key}!") })).await.has_status(422).text());
            answers.push(app.anyone().get(format!("/.well-known/jwt-template-jwks/{name}.json")).await.text());
            answers.push(minted(&alice, name).await);
            answers.push(backend.get(PATH).await.text());
        }
        app.run_jobs().await;
        app.tick().await;
        let events: Vec<String> = app.logged_events(&app.env).await.iter().map(|event| format!("{:?}", event.data)).collect();
        let places = [answers.join("\n"), events.join("\n"), app.database_text().await, testkit::logs()];
        assert!(places[2].contains("jwtTemplate.created") && places[3].contains("answered"), "the looking finds what is there");
        let body = pem.lines().nth(3).expect("a line of the key").to_owned();
        let raw = crypto::digest::hex(b"canary-secret-of-a-template-0123456789");
        for secret in [body.as_str(), secret.as_str(), "canary-secret-of-a-template", "PRIVATE KEY", "\"custom_signing_key\":\"", &raw, &raw.to_uppercase()] {
            for (at, place) in places.iter().enumerate() {
                assert!(!place.contains(secret), "{secret} stands in place {at}");
            }
        }
    }

    async fn a_public_key_never_serves_as_a_shared_secret(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let pair = RsaKeyPair::generate(2048).expect("a key");
        let pem = String::from_utf8(pair.to_pem_private_key()).expect("PEM is text");
        let id = template(&app, json!({ "name": "own", "claims": {}, "custom_signing_key": pem })).await;
        // Neither the bytes that are kept of a pair, nor its public half in any form.
        let path = format!("{PATH}/{id}");
        app.bapi().patch(&path, json!({ "signing_algorithm": "HS256" })).await.is_refused(422, "jwt_template_signing_key_invalid");
        for public in [pair.to_der_public_key(), pair.to_raw_public_key(), pair.to_pem_public_key(), pair.to_traditional_pem_public_key()] {
            let texts = [crypto::base64url::encode(&public), String::from_utf8_lossy(&public).into_owned()];
            for text in texts.into_iter().filter(|text| !text.contains('\0')) {
                let body = json!({ "signing_algorithm": "HS256", "custom_signing_key": text });
                app.bapi().patch(&path, body).await.is_refused(422, "jwt_template_signing_key_invalid");
            }
        }
        // Two changes at once, each fine alone: one of them is refused, and what is kept fits together.
        let shared = json!({ "signing_algorithm": "HS256", "custom_signing_key": crypto::base64url::encode(&[9; 32]) });
        let app = &app;
        let (path, shared) = (&path, &shared);
        race(10, |i| async move {
            let change = if i % 2 == 0 { shared.clone() } else { json!({ "signing_algorithm": "RS256", "custom_signing_key": null }) };
            app.bapi().patch(path, change).await.status()
        }).await;
        let kept = app.bapi().get(path).await.str("/signing_algorithm");
        let header = minted(&alice, "own").await.split('.').next().map(str::to_owned).expect("a header");
        let header: Value = serde_json::from_slice(&crypto::base64url::decode(&header).expect("base64url")).expect("JSON");
        assert_eq!(header["alg"], kept.as_str());
    }

    async fn a_template_of_another_environment_does_not_exist(app: TestApp) {
        let other = app.second_environment().await;
        let body = json!({ "name": "theirs", "claims": { "x": 1 }, "signing_algorithm": "ES256" });
        let id = app.bapi_of(&other).post(PATH, body).await.has_status(201).str("/id");
        let alice = app.user("alice").signed_in().await;
        let path = format!("{PATH}/{id}");

        for call in [app.bapi().get(&path), app.bapi().patch(&path, json!({ "lifetime": 90 })), app.bapi().delete(&path),
            app.bapi().post_empty(format!("/v1/users/{}/jwt-templates/theirs/tokens", alice.id())),
            app.bapi().post_empty(format!("/v1/sessions/{}/tokens/theirs", alice.session)),
            alice.post_empty(format!("/v1/client/sessions/{}/tokens/theirs", alice.session))] {
            call.await.is_refused(404, "jwt_template_not_found");
        }
        app.bapi().get(PATH).await.is(200, json!({ "data": [], "total_count": 0 }));
        app.bapi_of(&other).get(&path).await.is(200, json!({ "lifetime": 60 }));
    }

    async fn a_bomb_is_refused_in_no_time(app: TestApp) {
        for (at, bomb) in bombs().into_iter().enumerate() {
            let started = Instant::now();
            for call in [
                app.bapi().post(PATH, json!({ "name": "a", "claims": bomb, "signing_algorithm": "ES256" })),
                app.bapi().post("/v1/jwt-templates/preview", json!({ "claims": bomb })),
            ] {
                let refused = call.await;
                assert_eq!(refused.status(), 422, "{at}: {}", &refused.text()[..300.min(refused.text().len())]);
                assert!(refused.text().len() < 20_000, "{at}: a refusal does not echo the bomb");
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{at}");
        }
        assert_eq!(app.bapi().get(PATH).await.at("/total_count"), 0);
    }

    async fn the_largest_values_make_no_bomb_of_a_template(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let costly = "{{ user.unsafe_metadata.x | replace: 'x', 'xxxxxxxx' | split: '' | size }}";
        template(&app, json!({ "name": "own", "claims": { "all": vec![costly; 60] }, "signing_algorithm": "ES256" })).await;
        alice.patch("/v1/me", json!({ "unsafe_metadata": { "x": "x".repeat(8000) } })).await.has_status(200);
        let path = format!("/v1/client/sessions/{}/tokens/own", alice.session);

        let (alice, path) = (&alice, &path);
        let started = Instant::now();
        let replies = race(20, |i| async move {
            if i % 2 == 0 { alice.post_empty(path).await } else { alice.get("/v1/me").await }
        }).await;

        for (i, reply) in replies.iter().enumerate() {
            match i % 2 {
                0 => reply.is_refused(422, "jwt_template_too_large"),
                _ => reply.has_status(200),
            };
        }
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

both! {
    on |engine| testkit::Setup::on(engine).kind(EnvironmentKind::Production);

    async fn a_key_mints_thirty_tokens_a_minute_for_each_person(app: TestApp) {
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").created().await);
        template(&app, json!({ "name": "own", "claims": {}, "signing_algorithm": "ES256" })).await;
        let mint = |user: &str| app.bapi().post_empty(format!("/v1/users/{user}/jwt-templates/own/tokens"));

        for _ in 0..30 {
            mint(&alice.id).await.has_status(200);
        }
        let refused = mint(&alice.id).await;
        refused.is_refused(429, "rate_limit_exceeded");
        assert!(refused.header("retry-after").is_some());
        // One backend mints for everybody: nobody stands in another's way.
        mint(&bob.id).await.has_status(200);
    }
}
