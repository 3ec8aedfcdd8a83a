//! What a front end learns before anybody is known.

use domain::Surface;
use domain::environment::EnvironmentKind;
use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn the_environment_is_shown_to_anybody_and_may_be_cached_briefly(app: TestApp) {
        let reply = app.anyone().get("/v1/environment").await;

        reply.is(200, json!({
            "object": "environment",
            "id": app.env.id.to_string(),
            "auth_config": {
                "first_factors": ["password", "email_code", "reset_password_email_code", "ticket", "passkey"],
                "second_factors": ["totp", "backup_code"],
                "identifier_requirements": { "email_address": "required", "phone_number": "off", "username": "off" },
                "sign_up_modes": ["public"],
            },
            "display_config": { "application_name": "Main", "preferred_sign_in_strategy": "password" },
            "captcha": { "provider": "none" },
            "oauth_providers": [],
            "sessions": { "session_token_lifetime_seconds": 60, "multi_session": true },
        }));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=30"));
        assert_eq!(reply.set_cookies(), []);
    }

    async fn the_environment_never_tells_how_attackers_are_stopped(app: TestApp) {
        let text = app.anyone().get("/v1/environment").await.text();

        for word in ["brute_force", "enumeration", "allowed_origins", "test_mode", "sealed", "secret"] {
            assert!(!text.contains(word), "{word} is nobody's business: {text}");
        }
    }

    async fn a_changed_setting_shows_at_once(app: TestApp) {
        app.settings(|s| {
            s.application_name = Some("Harbour".into());
            s.attribute_settings.username.enabled = true;
            s.sessions.multi_session = false;
        }).await;

        app.anyone().get("/v1/environment").await.is(200, json!({
            "display_config": { "application_name": "Harbour" },
            "auth_config": { "identifier_requirements": { "username": "optional" } },
            "sessions": { "multi_session": false },
        }));
    }

    async fn an_unknown_label_is_no_environment(app: TestApp) {
        for path in ["/no-such-label-x/v1/environment", "/api/v1/environment", "/dashboard/v1/client"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
            let answer = app.send_raw(Surface::Fapi, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
            assert!(answer.contains("environment_not_found") || answer.contains("resource_not_found"), "{answer}");
        }
    }

    async fn each_environment_answers_for_itself(app: TestApp) {
        let other = app.environment_of(EnvironmentKind::Staging, "Other").await;

        let (a, b) = (app.anyone().get("/v1/environment").await, app.anyone_of(&other).get("/v1/environment").await);

        assert_eq!(a.str("/id"), app.env.id.to_string());
        assert_eq!(b.str("/id"), other.id.to_string());
        assert_eq!(b.str("/display_config/application_name"), "Other");
    }

    async fn every_answer_carries_a_request_id_and_the_safe_headers(app: TestApp) {
        for reply in [app.anyone().get("/v1/environment").await, app.anyone().get("/v1/me").await] {
            let id = reply.header("x-authn-request-id").expect("a request has an id").to_owned();
            assert!(id.starts_with("req_") && id.len() == 30, "{id}");
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
            if reply.status() != 200 {
                assert_eq!(reply.str("/trace_id"), id);
                assert_eq!(reply.header("cache-control"), Some("no-store"));
            }
        }
    }

    async fn an_unknown_route_and_an_unknown_method_have_the_envelope(app: TestApp) {
        app.anyone().get("/v1/nothing-here").await.is_refused(404, "resource_not_found");
        app.anyone().post("/v1/environment", json!({})).await.is_refused(405, "method_not_allowed");
    }
}
