//! What a caller says about the host goes nowhere: links, issuers and mails speak of the configured origin alone.

use super::{place, raw};
use domain::Surface;
use serde_json::{Value, json};
use testkit::{TestApp, both};

/// Heads that claim another host; `{host}` and `{prefix}` are the real ones.
const POISONS: [&str; 9] = [
    "Host: evil.example",
    "Host: evil.example:80",
    "Host: {host}\nX-Forwarded-Host: evil.example",
    "Host: {host}\nForwarded: for=1.2.3.4;host=evil.example;proto=https",
    "Host: {host}\nX-Forwarded-Proto: https\nX-Forwarded-Port: 443\nX-Forwarded-Server: evil.example",
    "Host: {host}\nX-Original-URL: //evil.example/\nX-Rewrite-URL: //evil.example/",
    "Host: {host}\nX-Host: evil.example\nX-HTTP-Host-Override: evil.example",
    "Host: evil.example\nX-Forwarded-Host: evil.example\nForwarded: host=evil.example",
    "Host: {host}@evil.example",
];

fn body_of(answer: &str) -> Value {
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let start = body.find('{').unwrap_or(0);
    let end = body.rfind('}').map_or(body.len(), |at| at + 1);
    serde_json::from_str(&body[start..end]).unwrap_or(Value::Null)
}

both! {
    async fn a_poisoned_host_is_in_no_answer_and_in_no_mail(app: TestApp) {
        let alice = app.user("alice").created().await;
        for poison in POISONS {
            for path in ["/v1/environment", "/v1/client", "/.well-known/jwks.json", "/v1/me", "/nothing"] {
                let (status, answer) = raw(&app, Surface::Fapi, &format!("GET {{prefix}}{path} HTTP/1.1\n{poison}"), "").await;
                assert!(status < 500, "{poison} {path}: {answer}");
                assert!(!answer.contains("evil"), "{poison} {path}: {answer}");
            }
            let sign_in = json!({ "identifier": alice.email, "strategy": "email_code" }).to_string();
            let head = format!("POST {{prefix}}/v1/client/sign-ins HTTP/1.1\n{poison}\nContent-Type: application/json");
            let (_, answer) = raw(&app, Surface::Fapi, &head, &sign_in).await;
            assert!(!answer.contains("evil"), "{poison}: {answer}");
            let sign_up = json!({ "email_address": alice.email, "password": "a passphrase of mine" }).to_string();
            let head = format!("POST {{prefix}}/v1/client/sign-ups HTTP/1.1\n{poison}\nContent-Type: application/json");
            let (_, answer) = raw(&app, Surface::Fapi, &head, &sign_up).await;
            assert!(!answer.contains("evil"), "{poison}: {answer}");
        }
        let mails = app.mails().await;
        assert!(!mails.is_empty());
        for mail in mails {
            let whole = format!("{:?} {:?} {:?}", mail.subject, mail.text, mail.html);
            assert!(!whole.contains("evil"), "{whole}");
        }
        assert!(!app.database_text().await.contains("evil.example"), "nothing of it is kept");
    }

    async fn the_issuer_is_the_configured_one_whatever_the_request_says(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let client = alice.jar().get("__client").expect("a client");
        for poison in POISONS {
            let (host, prefix) = place(&app, Surface::Fapi);
            let targets = [
                format!("{prefix}/v1/client/sessions/{}/tokens", alice.session),
                // The request line itself names another host (RFC 9112 section 3.2.2).
                format!("http://evil.example{prefix}/v1/client/sessions/{}/tokens", alice.session),
                format!("http://{host}{prefix}/v1/client/sessions/{}/tokens", alice.session),
            ];
            for target in targets {
                let head = format!("POST {target} HTTP/1.1\n{poison}\nOrigin: {}\nCookie: __client={client}", testkit::ORIGIN);
                let (status, answer) = raw(&app, Surface::Fapi, &head, "").await;
                assert!(!answer.contains("evil"), "{poison} {target}: {answer}");
                if status != 200 {
                    assert!((400..500).contains(&status), "{poison} {target}: {answer}");
                    continue;
                }
                let jwt = body_of(&answer)["jwt"].as_str().expect("a token").to_owned();
                let claims = crypto::base64url::decode(jwt.split('.').nth(1).expect("claims")).expect("base64url");
                let claims: Value = serde_json::from_slice(&claims).expect("JSON");
                assert_eq!(claims["iss"], app.env.issuer.as_str());
            }
        }
    }

    async fn forwarded_headers_of_strangers_change_no_address(app: TestApp) {
        // Nobody is a trusted proxy here: what counts is the socket.
        let browser = app.anyone();
        let alice = app.user("alice").created().await;
        let body = json!({ "identifier": alice.email, "strategy": "password", "password": alice.password });
        let call = browser.post("/v1/client/sign-ins", body).header("x-forwarded-for", "203.0.113.66");
        let call = call.header("x-real-ip", "203.0.113.66").header("forwarded", "for=203.0.113.66");
        call.await.has_status(200);

        let sessions = app.bapi().get(format!("/v1/users/{}/sessions", alice.id)).await;
        assert!(!sessions.text().contains("203.0.113.66"), "{}", sessions.text());
    }

    async fn a_link_back_stays_on_this_host(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let client = alice.jar().get("__client").expect("a client");
        for target in [
            format!("{{prefix}}/v1/client?__authn_db_jwt={client}"),
            format!("{{prefix}}//evil.example/v1/client?__authn_db_jwt={client}"),
            format!("//evil.example{{prefix}}/v1/client?__authn_db_jwt={client}"),
            format!("http://evil.example{{prefix}}/v1/client?__authn_db_jwt={client}&redirect_url=https://evil.example"),
        ] {
            let (_, answer) = raw(&app, Surface::Fapi, &format!("GET {target} HTTP/1.1\nHost: {{host}}"), "").await;
            let location = answer.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("location: ").map(str::to_owned));
            let Some(location) = location else { continue };
            assert!(location.starts_with('/') && !location.starts_with("//"), "{target}: {location}");
            assert!(!location.contains("__authn_db_jwt") && !location.contains(&client.to_lowercase()), "{location}");
        }
    }
}
