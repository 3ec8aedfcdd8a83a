//! The environment as a backend sees it.

use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn the_settings_are_shown_whole(app: TestApp) {
        app.bapi().get("/v1/instance").await.is(200, json!({
            "object": "instance_settings", "support_email": null, "sign_up_modes": ["public"], "test_mode": "enabled",
            "attribute_settings": {
                "email_address": { "enabled": true, "required": true, "verify_at_sign_up": true, "verifications": ["email_code"] },
                "username": { "enabled": false }, "phone_number": { "enabled": false }, "password": { "required": true },
            },
            "restrictions": { "blocklist_enabled": true, "ignore_dots_for_gmail_addresses": true },
            "attack_protection": {
                "enumeration_protection": true, "brute_force": { "enabled": true, "max_attempts": 100, "lockout_duration_seconds": 3600 },
                "captcha": { "provider": "none" },
            },
            "sessions": { "lifetime_seconds": 604_800, "inactivity_timeout_seconds": null, "multi_session": true, "max_concurrent_sessions_per_client": 10 },
            "signing_keys": { "session_token_algorithm": "ES256" },
            "allowed_origins": [testkit::ORIGIN],
        }));
    }

    async fn a_changed_setting_is_shown(app: TestApp) {
        app.settings(|s| s.support_email = Some("help@example.com".into())).await;
        app.bapi().get("/v1/instance").await.is(200, json!({ "support_email": "help@example.com" }));
    }

    async fn a_ping_says_which_environment_the_key_opens(app: TestApp) {
        let other = app.second_environment().await;
        for env in [&app.env, &other] {
            let pong = app.bapi_of(env).get("/v1/_ping").await;
            assert_eq!(pong.json(), &json!({ "object": "pong", "environment_id": env.id.to_string() }));
        }
    }
}

both! {
    async fn a_change_merges_groups_and_counts_at_once(app: TestApp) {
        let change = json!({
            "support_email": "help@example.com", "sessions": { "multi_session": false },
            "attribute_settings": { "username": { "enabled": true } },
            "attack_protection": { "brute_force": { "max_attempts": 7 } },
        });

        let changed = app.bapi().patch("/v1/instance", change).await;

        changed.is(200, json!({
            "support_email": "help@example.com", "sessions": { "multi_session": false, "lifetime_seconds": 604_800 },
            "attribute_settings": { "username": { "enabled": true }, "email_address": { "required": true } },
            "attack_protection": { "brute_force": { "max_attempts": 7, "lockout_duration_seconds": 3600 }, "enumeration_protection": true },
        }));
        assert_eq!(app.bapi().get("/v1/instance").await.json(), changed.json());
        app.anyone().get("/v1/environment").await.is(200, json!({
            "sessions": { "multi_session": false }, "auth_config": { "identifier_requirements": { "username": "optional" } },
        }));
    }

    async fn settings_that_cannot_be_are_refused_and_nothing_is_changed(app: TestApp) {
        let before = app.bapi().get("/v1/instance").await;
        for change in [
            json!({ "nope": 1 }), json!({ "sessions": { "nope": 1 } }), json!({ "sessions": "x" }), json!({ "sessions": { "lifetime_seconds": -1 } }),
            json!({ "sessions": { "session_token_lifetime_seconds": 5 } }), json!({ "signing_keys": { "session_token_algorithm": "HS256" } }),
            json!({ "test_mode": "sometimes" }), json!({ "sign_up_modes": ["open"] }), json!({ "support_email": "nothing" }),
            json!({ "allowed_origins": ["not an origin"] }), json!({ "object": "x" }),
            json!({ "support_email": "ok@example.com", "attack_protection": { "brute_force": { "max_attempts": 0 } } }),
        ] {
            let reply = app.bapi().patch("/v1/instance", change.clone()).await;
            assert_eq!(reply.status(), 422, "{change}: {}", reply.text());
            assert!(!reply.params().is_empty(), "{change}: {}", reply.text());
        }
        assert_eq!(app.bapi().get("/v1/instance").await.json(), before.json());
    }
}
