//! The audit log: who did what, from where and why, and who was refused.

use crate::fapi::steps::try_password;
use serde_json::{Value, json};
use testkit::{Caller, Lie, Reply, TestApp, both, minutes};

fn rows(page: &Reply) -> &[Value] {
    page.at("/data").as_array().map(Vec::as_slice).expect("a page has rows")
}

/// The entries that a query finds, newest first.
async fn entries(app: &TestApp, query: &str) -> Vec<Value> {
    app.run_jobs().await;
    let page = app.bapi().get(format!("/v1/audit-log?limit=500&{query}")).await;
    page.has_status(200);
    assert_eq!(page.at("/total_count"), rows(&page).len());
    rows(&page).to_vec()
}

fn types(entries: &[Value]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry["type"].as_str()).collect()
}

/// What the guide tells an auditor to compute.
fn hash(entry: &Value) -> String {
    let mut bare = entry.clone();
    bare.as_object_mut().expect("an entry").retain(|key, _| key != "hash");
    let canonical = crypto::canonical_json::canonical(&bare);
    crypto::digest::sha256_hex(format!("{}{canonical}", entry["prev_hash"].as_str().expect("a hash")).as_bytes())
}

async fn guess(app: &TestApp, identifier: &str) -> Reply {
    let browser: Caller = app.anyone();
    try_password(&browser, identifier, "a wrong password of nobody").await
}

both! {
    async fn an_entry_says_who_did_what_from_where_and_why(app: TestApp) {
        let alice = app.user("alice").created().await;
        let change = app.bapi().patch(format!("/v1/users/{}", alice.id), json!({ "first_name": "Alice", "private_metadata": { "plan": "gold" } }));
        let changed = change.header("x-authn-reason", "ticket 4711: spelled wrong, café").header("user-agent", "desk/1").await;
        changed.has_status(200);

        let found = entries(&app, &format!("subject_id={}&type=user.updated", alice.id)).await;

        assert_eq!(found.len(), 1);
        let entry = &found[0];
        let expected = json!({
            "object": "audit_entry", "type": "user.updated", "outcome": "success",
            "subject": { "type": "user", "id": alice.id }, "organization_id": null,
            "changed_fields": ["first_name", "private_metadata"],
            "origin_ip": "127.0.0.0/24", "user_agent": "desk/1", "reason": "ticket 4711: spelled wrong, café",
            "request_id": changed.header("x-authn-request-id"), "omitted": 0, "surface": "bapi",
        });
        for (key, value) in expected.as_object().expect("an object") {
            assert_eq!(&entry[key], value, "{key}");
        }
        assert_eq!((&entry["actor"]["type"], &entry["actor"]["impersonator"]), (&json!("api_key"), &Value::Null));
        assert!(entry["actor"]["id"].as_str().is_some_and(|id| id.starts_with("apik_")));
        let event = app.bapi().get(format!("/v1/events/{}", entry["event_id"].as_str().expect("an event"))).await;
        assert_eq!(event.at("/sequence"), &entry["event_sequence"]);
        let data = event.at("/data").to_string();
        assert_eq!(entry["data_sha256"], json!(crypto::digest::sha256_hex(data.as_bytes())));
        assert!(!entry.to_string().contains("gold"), "names, never values");
        let one = app.bapi().get(format!("/v1/audit-log/{}", entry["id"].as_str().expect("an id"))).await;
        assert_eq!(one.has_status(200).json(), entry);
    }

    async fn a_reason_is_a_short_printable_text(app: TestApp) {
        let alice = app.user("alice").created().await;
        let ban = |reason: Vec<u8>| app.bapi().post_empty(format!("/v1/users/{}/ban", alice.id)).header("x-authn-reason", reason);

        for bad in [vec![b'x'; 257], b"a\tb".to_vec(), vec![b'a', 0xff]] {
            ban(bad).await.is_refused_for(422, "form_param_format_invalid", "X-Authn-Reason");
        }
        ban(Vec::new()).await.is_refused_for(422, "form_param_format_invalid", "X-Authn-Reason");
        let twice = app.bapi().post_empty(format!("/v1/users/{}/ban", alice.id)).header("x-authn-reason", "a").header("x-authn-reason", "b");
        twice.await.is_refused_for(422, "form_param_format_invalid", "X-Authn-Reason");
        app.bapi().get("/v1/users").header("x-authn-reason", vec![b'x'; 300]).await.has_status(200);
        app.bapi_stranger().post_empty(format!("/v1/users/{}/ban", alice.id)).header("x-authn-reason", vec![b'x'; 300]).await.has_status(401);
        ban("é".repeat(256).into_bytes()).await.has_status(200);
        assert_eq!(entries(&app, "type=user.updated").await[0]["reason"], json!("é".repeat(256)));
    }

    async fn an_address_is_kept_whole_only_where_the_environment_says_so(app: TestApp) {
        let alice = app.user("alice").created().await;
        let before = entries(&app, &format!("subject_id={}", alice.id)).await;
        assert_eq!(before[0]["origin_ip"], "127.0.0.0/24");
        app.bapi().patch("/v1/instance", json!({ "audit_full_ip": true })).await.is(200, json!({ "audit_full_ip": true }));
        let bob = app.user("bob").created().await;
        let after = entries(&app, &format!("subject_id={}", bob.id)).await;
        assert_eq!(after[0]["origin_ip"], "127.0.0.1");

        let from = entries(&app, "ip_address=127.0.0.1&type=user.created").await;
        assert_eq!(from.len(), 2, "whether the address or its network was kept");
        assert_eq!(entries(&app, "ip_address=127.0.0.0/24&type=user.created").await.len(), 1);
        assert_eq!(entries(&app, "ip_address=192.0.2.1").await.len(), 0);
        app.bapi().get("/v1/audit-log?ip_address=localhost").await.is_refused_for(422, "form_param_format_invalid", "ip_address");
    }

    async fn every_filter_finds_what_it_says_and_pages_go_on(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(minutes(1));
        let then = app.now();
        app.advance(minutes(1));
        app.user("bob").created().await;
        guess(&app, &alice.user.email).await.has_status(422);
        let all = entries(&app, "").await;

        let sequences: Vec<i64> = all.iter().filter_map(|entry| entry["sequence"].as_i64()).collect();
        assert_eq!(sequences, (1..=i64::try_from(all.len()).expect("few")).rev().collect::<Vec<_>>(), "newest first, without gaps");
        let picked = |keep: &dyn Fn(&Value) -> bool| all.iter().filter(|entry| keep(entry)).cloned().collect::<Vec<_>>();
        let key = all.iter().find(|entry| entry["type"] == "user.created").expect("a user")["actor"]["id"].as_str().expect("a key").to_owned();
        let at = then.millis();
        for (query, expected) in [
            ("type=user.*,session.created".to_owned(), picked(&|e| e["type"] == "session.created" || e["type"].as_str().is_some_and(|t| t.starts_with("user.")))),
            ("type=signIn.failed".to_owned(), picked(&|e| e["type"] == "signIn.failed")),
            (format!("actor_id={key}"), picked(&|e| e["actor"]["id"] == json!(key))),
            (format!("subject_id={}", alice.id()), picked(&|e| e["subject"]["id"] == json!(alice.id()))),
            ("organization_id=org_none".to_owned(), Vec::new()),
            ("outcome=denied".to_owned(), picked(&|e| e["outcome"] == "denied")),
            ("outcome=success".to_owned(), picked(&|e| e["outcome"] == "success")),
            (format!("created_at_after={at}"), picked(&|e| e["created_at"].as_i64() > Some(at))),
            (format!("created_at_before={at}&outcome=success"), picked(&|e| e["created_at"].as_i64() < Some(at))),
        ] {
            let found = entries(&app, &query).await;
            assert_eq!(types(&found), types(&expected), "{query}");
            assert_eq!(found, expected, "{query}");
        }
        for (query, param) in [("type=nobody.*", "type"), ("outcome=maybe", "outcome"), ("order_by=type", "order_by")] {
            app.bapi().get(format!("/v1/audit-log?{query}")).await.is_refused_for(422, "form_param_value_invalid", param);
        }
        let mut paged = Vec::new();
        let mut page = app.bapi().get("/v1/audit-log?limit=2&type=*").await;
        loop {
            assert_eq!(page.has_status(200).at("/total_count"), all.len());
            paged.extend_from_slice(rows(&page));
            let Some(next) = page.json().pointer("/meta/next_cursor").and_then(Value::as_str) else { break };
            page = app.bapi().get(format!("/v1/audit-log?limit=2&type=*&cursor={next}")).await;
        }
        assert_eq!(paged, all);
    }

    async fn whoever_has_the_entries_can_prove_the_chain(app: TestApp) {
        app.user("alice").signed_in().await;
        guess(&app, "nobody@example.com").await.has_status(422);
        let mut all = entries(&app, "").await;
        all.reverse();

        let mut before = "0".repeat(64);
        for entry in &all {
            assert_eq!(entry["prev_hash"], json!(before));
            before = hash(entry);
            assert_eq!(entry["hash"], json!(before));
        }
    }

    async fn refused_guesses_are_told_ten_a_minute_and_then_counted(app: TestApp) {
        app.settings(|s| s.attack_protection.brute_force.max_attempts = 100).await;
        let alice = app.user("alice").created().await;
        app.skip_events().await;
        for _ in 0..15 {
            guess(&app, &alice.email).await.has_status(422);
        }
        let told = entries(&app, "outcome=denied").await;
        assert_eq!(told.len(), 10);
        for entry in &told {
            assert_eq!((&entry["type"], &entry["event_id"], &entry["event_sequence"]), (&json!("signIn.failed"), &Value::Null, &Value::Null));
            assert_eq!((&entry["subject"], &entry["omitted"]), (&json!({ "type": "user", "id": alice.id }), &json!(0)));
            assert_eq!(entry["origin_ip"], "127.0.0.0/24");
        }
        app.advance(minutes(1));

        guess(&app, &alice.email).await.has_status(422);

        assert_eq!(entries(&app, "outcome=denied").await[0]["omitted"], 5);
        assert_eq!(app.events().await, [] as [&str; 0], "a refusal is no event");
        guess(&app, "nobody@example.com").await.has_status(422);
        let nobody = &entries(&app, "outcome=denied").await[0];
        assert_eq!(nobody["subject"]["type"], "identifier");
        let id = nobody["subject"]["id"].as_str().expect("an id");
        let plain = crypto::digest::sha256_hex(b"nobody@example.com");
        assert!(id.len() == 32 && !plain.starts_with(id), "whoever reads the log cannot try addresses: {id}");
        assert!(!nobody.to_string().contains("nobody"), "an address is not kept: {nobody}");
        // What is right is not told as refused.
        let before = entries(&app, "outcome=denied").await.len();
        app.user("alice").signed_in().await;
        assert_eq!(entries(&app, "outcome=denied").await.len(), before);
    }

    async fn a_key_that_is_dead_is_told_to_its_environment(app: TestApp) {
        let cx = domain::Context::operator(app.env.id, app.now());
        let wanted = engine::api_keys::NewKey::unrestricted("old");
        let made = engine::api_keys::create(&app.engine, &cx, None, wanted).await.expect("a key is made");
        engine::api_keys::revoke(&app.engine, &cx, None, made.key.id).await.expect("it is revoked");
        let (key, secret) = (made.key, made.secret);
        let thief = app.bapi_stranger().with_authorization(&format!("Bearer {}", secret.expose()));

        thief.get("/v1/users").await.is_refused(401, "authentication_invalid");

        let told = entries(&app, "type=apiKey.refused").await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["subject"], json!({ "type": "api_key", "id": key.id }));
        assert!(!app.database_text().await.contains(secret.expose()));
    }

    async fn a_backend_that_asks_for_a_wrong_secret_is_told(app: TestApp) {
        let alice = app.user("alice").created().await;
        let ask = async |password: &str| app.bapi().post(format!("/v1/users/{}/verify-password", alice.id), json!({ "password": password })).await;
        ask("a wrong password of alice").await.is(200, json!({ "verified": false }));
        ask(&alice.password).await.is(200, json!({ "verified": true }));

        let told = entries(&app, "outcome=denied").await;
        assert_eq!(types(&told), ["secretCheck.failed"]);
        assert_eq!(told[0]["actor"]["type"], "api_key");
    }

    async fn a_change_of_configuration_names_what_was_changed(app: TestApp) {
        let backend = app.bapi();
        let look = json!({ "variables": { "colorText": "red" }, "layout": { "animations": true } });
        backend.patch("/v1/instance/appearance", look).await.has_status(200);
        let texts = json!({ "supported_locales": ["en-US", "de-DE"], "default_locale": "de-DE", "fallback_locale": "en-US" });
        backend.patch("/v1/instance/localization", texts).await.has_status(200);
        backend.patch("/v1/instance", json!({ "multi_factor": { "phone_code": { "enabled": true } } })).await.has_status(200);
        let attributes = json!({ "phone_number": { "enabled": true }, "username": { "enabled": true } });
        backend.patch("/v1/instance", json!({ "attribute_settings": attributes })).await.has_status(200);
        let made = backend.post("/v1/jwt-templates", json!({ "name": "shop", "claims": { "a": 1 } })).await;
        let template = format!("/v1/jwt-templates/{}", made.has_status(201).str("/id"));
        backend.patch(&template, json!({ "lifetime": 90, "claims": { "a": 1 } })).await.has_status(200);
        let key = json!({ "signing_algorithm": "HS256", "custom_signing_key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" });
        backend.patch(&template, key).await.has_status(200);

        for (what, fields) in [
            ("instance.config.appearance_updated", json!([["variables"]])),
            ("localization.updated", json!([["default_locale", "supported_locales"]])),
            ("instance.config.multi_factor_updated", json!([["phone_code"]])),
            ("instance.config.attributes_updated", json!([["phone_number", "username"]])),
            ("jwtTemplate.updated", json!([["signing_algorithm", "custom_signing_key"], ["lifetime"]])),
        ] {
            let told: Vec<Value> =
                entries(&app, &format!("type={what}")).await.iter().map(|entry| entry["changed_fields"].clone()).collect();
            assert_eq!(json!(told), fields, "{what}");
        }
    }

    async fn a_ticket_that_opens_nothing_is_told(app: TestApp) {
        let alice = app.user("alice").created().await;
        let made = app.bapi().post("/v1/sign-in-tokens", json!({ "user_id": alice.id })).await;
        let ticket = made.has_status(201).str("/token");
        let redeem = async |ticket: &str| {
            app.anyone().post("/v1/client/sign-ins", json!({ "strategy": "ticket", "ticket": ticket })).await
        };
        redeem(&ticket).await.has_status(200);
        assert!(entries(&app, "outcome=denied").await.is_empty(), "what is right is not told as refused");

        redeem(&ticket).await.is_refused(422, "ticket_invalid");
        let told = entries(&app, "outcome=denied").await;
        assert_eq!(types(&told), ["signIn.failed"]);
        assert_eq!(told[0]["subject"], json!({ "type": "user", "id": alice.id }));
        // One that nobody made is nobody's.
        redeem("tkt_of_somebody_who_guesses").await.is_refused(422, "ticket_invalid");
        let told = entries(&app, "outcome=denied").await;
        assert_eq!(types(&told), ["signIn.failed", "signIn.failed"]);
        assert_ne!(told[0]["subject"]["type"], "user");
        let kept = app.database_text().await;
        assert!(!kept.contains("tkt_of_somebody_who_guesses") && !kept.contains(&ticket), "no ticket is kept");
    }

    async fn a_passkey_that_proves_nothing_is_told(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        alice.enrols(&mut device).await;
        let forged = || Lie { forged: true, ..Lie::default() };
        app.anyone().signs_in_with(&mut device, Lie::default()).await.has_status(200);
        assert!(entries(&app, "outcome=denied").await.is_empty(), "what is right is not told as refused");

        app.anyone().signs_in_with(&mut device, forged()).await.is_refused(422, "passkey_assertion_invalid");
        let asked = alice.asks_for_passkey_under(&format!("/v1/client/sessions/{}", alice.session)).await;
        let lie = device.get_with(&asked.options, forged());
        alice.asserts(&asked, lie).await.is_refused(422, "passkey_assertion_invalid");

        let told = entries(&app, "outcome=denied").await;
        assert_eq!(types(&told), ["stepUp.failed", "signIn.failed"]);
        let challenge = asked.path.rsplit('/').next().expect("a path");
        assert_eq!(told[0]["subject"], json!({ "type": "challenge", "id": challenge }));
        assert_eq!(told[1]["subject"]["type"], "challenge");
        assert_eq!(told[0]["event_id"], Value::Null);
    }
}
