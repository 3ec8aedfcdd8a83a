//! Secrets are planted everywhere and looked for everywhere: in the database and in the log none stands in clear.

use super::{ask_for_code, raw, sign_in_by_code};
use domain::Surface;
use serde_json::json;
use testkit::{Method, TestApp, both};

/// Whether a code stands somewhere on its own, not as part of a longer word or number.
fn stands_in(text: &str, code: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.' || c == '\u{fffd}');
    text.match_indices(code)
        .any(|(at, _)| !is_part(text[..at].chars().next_back()) && !is_part(text[at + code.len()..].chars().next()))
}

both! {
    async fn no_secret_stands_in_clear_in_the_database_or_in_the_log(app: TestApp) {
        let email = "canary.address.7f3a@example.com";
        let (password, changed, wrong) = ("canary-password-4b1e", "canary-changed-9c2d", "canary-wrong-guess-5d77");
        let mut secrets = vec![password.to_owned(), changed.to_owned(), wrong.to_owned()];
        let mut codes = Vec::new();

        // A person signs up, step by step.
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ups", json!({ "email_address": email, "password": password })).await;
        secrets.push(browser.jar().get("__client").expect("a client"));
        let attempt = ask_for_code(&browser, format!("/v1/client/sign-ups/{}", begun.str("/response/id"))).await;
        // Looked at while the mail is still in the queue, too.
        let queued = app.database_text().await;
        codes.push(app.last_code(email).await);
        assert!(!stands_in(&queued, &codes[0]), "a code waits in the queue in clear");
        attempt.answer(&browser, &codes[0]).await.has_status(200);
        secrets.extend([browser.jar().get("__client"), browser.jar().get("__session")].into_iter().flatten());
        let session = browser.get("/v1/client").await.str("/last_active_session_id");
        secrets.push(browser.post_empty(format!("/v1/client/sessions/{session}/tokens")).await.str("/jwt"));

        // Signs in otherwise, guesses wrong, changes the password.
        let other = app.anyone();
        let by_code = sign_in_by_code(&other, email).await;
        by_code.answer(&other, "135791").await.has_status(422);
        codes.push(app.last_code(email).await);
        by_code.answer(&other, &codes[1]).await.has_status(200);
        secrets.extend([other.jar().get("__client"), other.jar().get("__session")].into_iter().flatten());
        let body = json!({ "identifier": email, "strategy": "password", "password": wrong });
        app.anyone().post("/v1/client/sign-ins", body).await.has_status(422);
        let body = json!({ "current_password": password, "new_password": changed });
        other.post("/v1/me/change-password", body).await.has_status(200);

        // A backend with its key, an idempotent create, an import, a mint, a guess.
        let backend = app.bapi();
        secrets.push(app.env.secret_key.clone());
        let made = "canary-backend-password-1a2b";
        secrets.push(made.to_owned());
        let body = json!({ "email_address": ["canary.other@example.com"], "password": made });
        let user = backend.post("/v1/users", body.clone()).idempotency_key("canary").await.str("/id");
        backend.post("/v1/users", body).idempotency_key("canary").await.has_status(201);
        let guess = "canary-verify-guess-3c4d";
        secrets.push(guess.to_owned());
        backend.post(format!("/v1/users/{user}/verify-password"), json!({ "password": guess })).await.has_status(200);
        secrets.push(browser_session_token(&app, &other).await);

        // Broken requests that carry secrets where none belong.
        let misplaced = "canary-misplaced-8e9f";
        secrets.push(misplaced.to_owned());
        app.anyone().call(Method::POST, "/v1/client/sign-ins").raw("application/json", format!("{{\"password\":\"{misplaced}\"")).await.has_status(400);
        app.anyone().get(format!("/v1/client?__authn_db_jwt={misplaced}")).await;
        app.anyone().get(format!("/v1/me?token={misplaced}")).await.has_status(401);
        app.anyone().get("/v1/me").bearer(misplaced).await.has_status(401);
        app.anyone().get("/v1/me").header("cookie", format!("__client={misplaced}; __session={misplaced}")).await.has_status(401);
        app.bapi_stranger().with_authorization(&format!("Bearer sk_test_{misplaced}")).get("/v1/users").await.has_status(401);
        app.bapi().post("/v1/users", json!({ misplaced: misplaced, "password": misplaced })).await.has_status(422);
        app.bapi().get(format!("/v1/users/{misplaced}")).await.has_status(404);
        app.bapi().get(format!("/v1/users?cursor={misplaced}")).await.has_status(422);
        raw(&app, Surface::Fapi, &format!("GET {{prefix}}/{misplaced} HTTP/1.1\nHost: {{host}}\nX-Authn-Request-Id: {misplaced} x"), "").await;

        app.run_jobs().await;
        app.tick().await;
        let database = app.database_text().await;
        let logs = testkit::logs();
        assert!(logs.contains("answered"), "the log is the one that is written");
        for secret in &secrets {
            assert!(!database.contains(secret.as_str()), "the database holds {secret}");
            assert!(!logs.contains(secret.as_str()), "the log holds {secret}");
            // A client cookie is an id and a secret: the secret alone must not be there either.
            if let Some((_, second)) = secret.split_once('.').filter(|(_, s)| s.len() == 43) {
                assert!(!database.contains(second) && !logs.contains(second), "a client's secret is kept");
            }
        }
        for code in &codes {
            assert!(!stands_in(&database, code), "the database holds the code {code}");
            assert!(!logs.contains(&format!(" {code} ")) && !logs.contains(&format!("\"{code}\"")), "the log holds a code");
        }
        assert!(database.contains(email), "the looking finds what is there");
        for address in [email, "canary.address", "canary.other", "127.0.0.1:0 "] {
            assert!(!logs.contains(address), "the log holds {address}");
        }
    }

    async fn no_private_key_stands_in_clear_in_the_database(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        alice.token().await;
        let text = app.database_text().await;
        for mark in ["PRIVATE KEY", "\"d\":", "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG"] {
            assert!(!text.contains(mark), "{mark}");
        }
        // PKCS#8 of P-256 begins so, in hex of a dump.
        assert!(!text.to_lowercase().contains("308187020100301306072a8648ce3d0201"));
    }

    async fn answers_never_show_what_only_its_owner_may_know(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let id = alice.id().to_owned();
        let private = json!({ "private_metadata": { "canary": "for-backends-only" } });
        app.bapi().patch(format!("/v1/users/{id}/metadata"), private).await.has_status(200);
        for path in ["/v1/me", "/v1/client", "/v1/me/sessions", "/v1/me/email-addresses", "/v1/environment"] {
            let reply = alice.get(path).await;
            for secret in ["for-backends-only", "password_digest", "$argon2", "secret_hash", "code_mac"] {
                assert!(!reply.text().contains(secret), "{path} shows {secret}");
            }
        }
        let shown = app.bapi().get(format!("/v1/users/{id}")).await;
        assert!(!shown.text().contains("$argon2") && !shown.text().contains("digest"));
    }
}

async fn browser_session_token(app: &TestApp, browser: &testkit::Caller) -> String {
    let session = browser.get("/v1/client").await.str("/last_active_session_id");
    app.bapi().post_empty(format!("/v1/sessions/{session}/tokens")).await.str("/jwt")
}
