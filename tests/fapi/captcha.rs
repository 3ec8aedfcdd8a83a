//! The captcha before a sign-in and a sign-up.

use super::steps::PASSWORD;
use domain::environment::EnvironmentKind;
use domain::settings::TestMode;
use serde_json::{Value, json};
use testkit::{Reply, Says, Setup, TestApp, both};

const SECRET: &str = "canary-captcha-secret-6d2e";

/// Sets a captcha up as a backend does.
async fn with_captcha(app: &TestApp) {
    let captcha = json!({ "provider": "turnstile", "public_key": "site", "secret_key": SECRET });
    let change = json!({ "attack_protection": { "captcha": captcha } });
    app.bapi().patch("/v1/instance", change).await.has_status(200);
}

fn says(app: &TestApp, status: u16, body: &'static str) {
    app.stranger.answers(move |_| Says::new(status, body));
}

async fn begin(app: &TestApp, path: &str, token: Option<&str>) -> Reply {
    let mut body = match path {
        "/v1/client/sign-ins" => json!({ "identifier": "ann@example.com" }),
        _ => json!({ "email_address": "ann@example.com", "password": PASSWORD }),
    };
    if let Some(token) = token {
        body["captcha_token"] = Value::from(token);
    }
    app.anyone().post(path, body).await
}

const PATHS: [(&str, &str); 2] = [("/v1/client/sign-ins", "sign_in"), ("/v1/client/sign-ups", "sign_up")];

both! {
    async fn who_passes_the_captcha_may_begin_and_nobody_else(app: TestApp) {
        with_captcha(&app).await;
        for (path, action) in PATHS {
            says(&app, 200, r#"{"success":true}"#);
            begin(&app, path, Some("a-token")).await.has_status(200);
            let asked = app.stranger.asked().pop().expect("the provider was asked");
            assert_eq!(asked.path, "/turnstile/v0/siteverify");
            let form = asked.form();
            let sent = ["secret", "response", "remoteip"].map(|field| form[field].as_str());
            assert_eq!(sent, [SECRET, "a-token", "127.0.0.1"]);

            let before = app.database_text().await;
            begin(&app, path, None).await.is_refused_for(422, "captcha_invalid", "captcha_token");
            says(&app, 200, r#"{"success":false,"error-codes":["timeout-or-duplicate"]}"#);
            let refused = begin(&app, path, Some("a-token")).await;
            refused.is_refused(422, "captcha_invalid");
            assert!(refused.set_cookie("__client").is_none(), "not even a client was made");
            says(&app, 200, r#"{"success":true,"action":"newsletter"}"#);
            begin(&app, path, Some("a-token")).await.is_refused(422, "captcha_invalid");
            assert_eq!(app.database_text().await, before, "{action}: nothing is written for who did not pass");
        }
    }

    async fn a_browser_cannot_make_the_provider_look_gone(app: TestApp) {
        with_captcha(&app).await;
        let asked = app.stranger.connections();
        let long = "x".repeat(8192);
        for token in ["", " ", "a b", "\u{e4}", "a\nb", &format!("{long} ")] {
            let body = json!({ "identifier": "ann@example.com", "captcha_token": token, "captcha_error": "provider unreachable" });
            let reply = app.anyone().post("/v1/client/sign-ins", body).await;
            assert_eq!(reply.status(), 422, "{token:?}: {}", reply.text());
        }
        assert_eq!(app.stranger.connections(), asked + 1, "only the last one looks like a token");
    }

    async fn the_secret_key_is_sealed_and_never_shown(app: TestApp) {
        with_captcha(&app).await;
        let shown = app.bapi().get("/v1/instance").await;
        let captcha = &shown.json()["attack_protection"]["captcha"];
        assert_eq!(captcha, &json!({ "provider": "turnstile", "widget_type": "smart", "public_key": "site" }));
        let environment = app.anyone().get("/v1/environment").await;
        assert_eq!(&environment.json()["captcha"], captcha);
        app.run_jobs().await;
        for text in [shown.text(), environment.text(), app.database_text().await, testkit::logs()] {
            assert!(!text.contains(SECRET));
        }
    }

    async fn a_captcha_is_set_up_whole_or_not_at_all(app: TestApp) {
        let backend = app.bapi();
        let captcha = |captcha: Value| json!({ "attack_protection": { "captcha": captcha } });
        for (change, param) in [
            (json!({ "provider": "turnstile", "public_key": "site" }), "attack_protection.captcha.secret_key"),
            (json!({ "provider": "turnstile", "secret_key": "s" }), "attack_protection.captcha.public_key"),
            (json!({ "provider": "friendly", "public_key": "site", "secret_key": "s" }), "attack_protection.captcha.provider"),
            (json!({ "secret_key": "" }), "attack_protection.captcha.secret_key"),
            (json!({ "secret_key": "x".repeat(513) }), "attack_protection.captcha.secret_key"),
        ] {
            let reply = backend.patch("/v1/instance", captcha(change.clone())).await;
            reply.is_refused_for(422, "form_param_value_invalid", param);
        }
        let reply = backend.patch("/v1/instance", captcha(json!({ "secret_key": 7 }))).await;
        reply.is_refused_for(422, "form_param_format_invalid", "attack_protection.captcha.secret_key");
        backend.patch("/v1/instance", json!({ "secrets": {} })).await.is_refused(422, "form_param_unknown");

        // The secret stays when other keys change, and cannot be taken away from a captcha that is on.
        with_captcha(&app).await;
        backend.patch("/v1/instance", captcha(json!({ "widget_type": "managed" }))).await.has_status(200);
        let gone = captcha(json!({ "secret_key": null }));
        backend.patch("/v1/instance", gone.clone()).await.is_refused(422, "form_param_value_invalid");
        backend.patch("/v1/instance", captcha(json!({ "provider": "none" }))).await.has_status(200);
        backend.patch("/v1/instance", gone).await.has_status(200);
        begin(&app, "/v1/client/sign-ins", None).await.has_status(200);
    }

    async fn a_test_address_needs_no_captcha_while_test_mode_is_on(app: TestApp) {
        with_captcha(&app).await;
        let asked = app.stranger.connections();
        let sign_in = json!({ "identifier": "ann+authn_test@example.com" });
        let sign_up = json!({ "email_address": "ann+authn_test@example.com", "password": PASSWORD });
        app.anyone().post("/v1/client/sign-ins", sign_in.clone()).await.has_status(200);
        app.anyone().post("/v1/client/sign-ups", sign_up.clone()).await.has_status(200);
        assert_eq!(app.stranger.connections(), asked);
        let beside = json!({ "email_address": "ann@example.com", "phone_number": "+15555550100", "password": PASSWORD });
        app.anyone().post("/v1/client/sign-ups", beside).await.is_refused(422, "captcha_invalid");

        app.settings(|s| s.test_mode = Some(TestMode::Disabled)).await;
        app.anyone().post("/v1/client/sign-ins", sign_in.clone()).await.is_refused(422, "captcha_invalid");
        app.settings(|s| s.test_mode = Some(TestMode::Rejected)).await;
        app.anyone().post("/v1/client/sign-ins", sign_in).await.is_refused(422, "test_identifier_forbidden");
        app.anyone().post("/v1/client/sign-ups", sign_up).await.is_refused(422, "test_identifier_forbidden");
    }
}

both! {
    on |engine| Setup::on(engine).kind(EnvironmentKind::Production);

    async fn a_provider_that_is_gone_narrows_the_limits_and_shuts_nobody_out(app: TestApp) {
        with_captcha(&app).await;
        says(&app, 503, "");
        for (path, _) in PATHS {
            // A quarter of five, at least one.
            begin(&app, path, Some("a-token")).await.has_status(200);
            begin(&app, path, Some("a-token")).await.is_refused(429, "rate_limit_exceeded");
            says(&app, 200, r#"{"success":true}"#);
            begin(&app, path, Some("a-token")).await.has_status(200);
            says(&app, 503, "");
        }
    }
}
