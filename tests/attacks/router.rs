//! However a path, a method or a message is written: whoever may not do a thing does not get it done.

use super::{place, raw, status_of};
use domain::Surface;
use serde_json::json;
use testkit::{TestApp, both};

/// Other spellings of a path below the surface's prefix.
fn spellings(path: &str) -> Vec<String> {
    let (head, last) = path.rsplit_once('/').expect("a path has a slash");
    vec![
        format!("{head}%2F{last}"),
        format!("{head}%2f{last}"),
        format!("{head}//{last}"),
        format!("/{path}"),
        format!("{head}/./{last}"),
        format!("{head}/x/../{last}"),
        format!("/healthz/..{path}"),
        format!("/.well-known/..{path}"),
        format!("/.well-known/jwks.json/..{path}"),
        format!("{head}/%2e/{last}"),
        format!("{head}/%2e%2e{head}/{last}"),
        format!("{path}/"),
        format!("{path};x"),
        format!("{path};x=1"),
        format!("{head};x/{last}"),
        format!("{path}%00"),
        format!("{path}%20"),
        format!("{path}%3Fa=b"),
        format!("{path}%23"),
        format!("{path}.json"),
        format!("{path}?"),
        format!("{path}?a=b;c"),
        path.to_uppercase(),
        path.replacen("/v1/", "/V1/", 1),
        path.replacen("/v1/", "/v1%2F", 1),
        path.replacen("/v1/", "\\v1\\", 1),
        format!("{head}%252F{last}"),
    ]
}

both! {
    async fn no_spelling_of_a_path_opens_it_to_strangers(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let user = format!("/v1/users/{}", alice.id());
        for (method, path) in [("GET", "/v1/users"), ("GET", user.as_str()), ("GET", "/v1/instance"), ("POST", "/v1/users"), ("DELETE", &user)] {
            for spelling in spellings(path) {
                let (status, answer) = raw(&app, Surface::Bapi, &format!("{method} {spelling} HTTP/1.1\nHost: {{host}}"), "").await;
                assert!([400, 401, 404, 405].contains(&status), "{method} {spelling}: {answer}");
                assert!(!answer.contains(&alice.user.email) && !answer.contains("allowed_origins"), "{spelling}: {answer}");
            }
        }
        for (method, path) in [("GET", "/v1/me"), ("GET", "/v1/me/sessions"), ("DELETE", "/v1/client"), ("PATCH", "/v1/me")] {
            for spelling in spellings(path) {
                let (status, answer) = raw(&app, Surface::Fapi, &format!("{method} {{prefix}}{spelling} HTTP/1.1\nHost: {{host}}"), "").await;
                assert!([400, 401, 404, 405].contains(&status), "{method} {spelling}: {answer}");
            }
        }
        app.bapi().get(&user).await.has_status(200);
    }

    async fn no_spelling_of_a_path_reaches_another_handler(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let (user, key) = (format!("/v1/users/{}", alice.id()), app.env.secret_key.clone());
        for path in [format!("{user}/ban"), format!("{user}/lock")] {
            for spelling in spellings(&path) {
                if spelling.starts_with(&format!("{path}?")) {
                    // A query is no part of the path: this is the very request.
                    continue;
                }
                let head = format!("POST {spelling} HTTP/1.1\nHost: {{host}}\nAuthorization: Bearer {key}");
                let (status, answer) = raw(&app, Surface::Bapi, &head, "").await;
                assert!([400, 404, 405].contains(&status), "{spelling}: {answer}");
            }
        }
        app.bapi().get(&user).await.is(200, json!({ "banned": false, "locked": false }));
        alice.get("/v1/me").await.has_status(200);
    }

    async fn a_method_is_the_one_of_the_request_line(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let (user, key) = (format!("/v1/users/{}", alice.id()), app.env.secret_key.clone());
        for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"] {
            for method in ["GET", "POST", "PATCH"] {
                let head = format!(
                    "{method} {user}?_method=DELETE HTTP/1.1\nHost: {{host}}\n{name}: DELETE\nAuthorization: Bearer {key}\nContent-Type: application/json"
                );
                let (status, answer) = raw(&app, Surface::Bapi, &head, if method == "GET" { "" } else { "{}" }).await;
                assert!([200, 405, 422].contains(&status), "{name} over {method}: {answer}");
                app.bapi().get(&user).await.has_status(200);
            }
        }
        for method in ["get", "Get", "TRACE", "CONNECT", "PROPFIND", "DELETE\u{b}", "X"] {
            let head = format!("{method} {user} HTTP/1.1\nHost: {{host}}\nAuthorization: Bearer {key}");
            let (status, answer) = raw(&app, Surface::Bapi, &head, "").await;
            assert!([0, 400, 404, 405].contains(&status), "{method}: {answer}");
            assert!(!answer.contains(&alice.user.email), "{method}: {answer}");
        }
        let head = format!("HEAD {user} HTTP/1.1\nHost: {{host}}");
        let (status, answer) = raw(&app, Surface::Bapi, &head, "").await;
        assert!([401, 404, 405].contains(&status), "{answer}");
        app.bapi().get(&user).await.has_status(200);
    }

    async fn a_request_line_with_a_host_is_the_same_request(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let (host, prefix) = place(&app, Surface::Fapi);
        let client = alice.jar().get("__client").expect("a client");
        for (target, credentials, expected) in [
            (format!("http://{host}{prefix}/v1/me"), "", [401, 401]),
            (format!("http://evil.example{prefix}/v1/me"), "", [401, 400]),
            (format!("http://{host}{prefix}/v1/me"), client.as_str(), [200, 200]),
            (format!("http://user:pass@{host}{prefix}/v1/me"), "", [401, 400]),
            (format!("https://{host}{prefix}/v1/me"), "", [401, 400]),
        ] {
            let cookie = if credentials.is_empty() { String::new() } else { format!("\nCookie: __client={credentials}") };
            let (status, answer) = raw(&app, Surface::Fapi, &format!("GET {target} HTTP/1.1\nHost: {{host}}{cookie}"), "").await;
            assert!(expected.contains(&status), "{target}: {answer}");
        }
    }

    async fn one_tenants_path_never_reaches_another_tenant(app: TestApp) {
        let other = app.second_environment().await;
        let bob = app.user_of(&other, "bob").signed_in().await;
        let theirs = other.issuer.rsplit('/').next().expect("a label").to_owned();
        let (_, ours) = place(&app, Surface::Fapi);
        let client = bob.jar().get("__client").expect("a client");
        for target in [
            format!("{ours}/v1/me"),
            format!("{ours}/../{theirs}x/v1/me"),
            format!("/{theirs}/..{ours}/v1/me"),
            format!("/{theirs}/%2e%2e{ours}/v1/me"),
            format!("{ours}/{theirs}/v1/me"),
            format!("/{}/v1/me", theirs.to_uppercase()),
            format!("//{theirs}/v1/me"),
            format!("/{theirs}%2Fv1/me"),
            format!("/{theirs};x/v1/me"),
            "/v1/me".to_owned(),
        ] {
            let head = format!("GET {target} HTTP/1.1\nHost: {{host}}\nCookie: __client={client}");
            let (status, answer) = raw(&app, Surface::Fapi, &head, "").await;
            assert!([400, 401, 404].contains(&status), "{target}: {answer}");
            assert!(!answer.contains(bob.id()), "{target}: {answer}");
        }
    }

    async fn a_message_has_one_end(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let (host, _) = place(&app, Surface::Bapi);
        let (user, key) = (format!("/v1/users/{}", alice.id()), app.env.secret_key.clone());
        // The second request hides in the body of the first, for a proxy that counts otherwise than we do.
        let hidden = format!("POST {user}/ban HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Length: 0\r\n\r\n");
        let length = hidden.len() + 5;
        for lengths in [
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
            format!("Content-Length: {length}\r\nContent-Length: 0"),
            format!("Content-Length: 0\r\nContent-Length: {length}"),
            "Content-Length: 0, 5".to_owned(),
            "Content-Length: +5".to_owned(),
            "Content-Length: -1".to_owned(),
            "Transfer-Encoding: xchunked".to_owned(),
            "Transfer-Encoding: chunked, identity".to_owned(),
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(),
            "Transfer-Encoding : chunked".to_owned(),
            "Content-Length : 5".to_owned(),
        ] {
            let message = format!("POST /v1/nothing HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{lengths}\r\n\r\n0\r\n\r\n");
            let answer = app.send_raw(Surface::Bapi, format!("{message}{hidden}").as_bytes()).await;
            let answers: Vec<u16> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| status_of(&answer[at..])).collect();
            // Whatever is made of it: a message with two ends is refused and the connection with it.
            assert!(answers.len() <= 1, "{lengths}: {answer}");
            app.bapi().get(&user).await.is(200, json!({ "banned": false }));
        }
    }

    async fn two_hosts_are_refused_or_none(app: TestApp) {
        let (host, prefix) = place(&app, Surface::Fapi);
        for heads in [format!("Host: {host}\nHost: evil.example"), "X: y".to_owned(), "Host: ".to_owned(), "Host: evil.example/../x".to_owned()] {
            let (status, answer) = raw(&app, Surface::Fapi, &format!("GET {prefix}/v1/me HTTP/1.1\n{heads}"), "").await;
            assert!([0, 400, 401, 404].contains(&status), "{heads}: {answer}");
        }
    }
}
