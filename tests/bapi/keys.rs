//! Who is let in, and what every answer carries.

use domain::environment::EnvironmentKind;
use serde_json::json;
use testkit::{Setup, TestApp, both};
use web::limits::{Allowance, LimitSettings};

both! {
    async fn only_a_secret_key_opens_the_backend(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let stranger = app.bapi_stranger();
        let secret = &app.env.secret_key;
        let changed = format!("{}{}", &secret[..secret.len() - 1], if secret.ends_with('a') { 'b' } else { 'a' });
        let publishable = app.env.publishable_key.clone();

        for bad in ["Bearer", "Bearer ", "Bearer x", &format!("Basic {secret}"), secret, &format!("Bearer {changed}"),
            &format!("Bearer {publishable}"), &format!("Bearer {}", alice.token().await), &format!("Bearer {secret} x"), &format!("Token {secret}")] {
            let reply = stranger.with_authorization(bad).get("/v1/_ping").await;
            reply.is_refused(401, "authentication_invalid");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{bad}");
        }
        stranger.get("/v1/_ping").await.is_refused(401, "authentication_invalid");
        stranger.get(format!("/v1/_ping?api_key={secret}")).await.is_refused(401, "authentication_invalid");
        stranger.with_authorization(&format!("bearer {secret}")).get("/v1/_ping").await.has_status(200);
        stranger.with_authorization(&format!("BEARER   {secret} ")).get("/v1/_ping").await.has_status(200);
    }

    async fn a_stranger_is_refused_before_anything_is_read(app: TestApp) {
        let stranger = app.bapi_stranger();
        stranger.post("/v1/users", json!({ "nope": 1 })).await.is_refused(401, "authentication_invalid");
        stranger.call(testkit::Method::POST, "/v1/users").raw("application/json", "{").await.is_refused(401, "authentication_invalid");
        stranger.get("/v1/users?limit=x").await.is_refused(401, "authentication_invalid");
        stranger.get("/v1/users/user_x").await.is_refused(401, "authentication_invalid");
    }

    async fn every_answer_names_its_request_and_its_limit(app: TestApp) {
        let ours = "0b6f2c52-2d1e-4a53-9d5e-0f6f3c1f9a11";
        for reply in [
            app.bapi().get("/v1/users").header("x-authn-request-id", ours).await,
            app.bapi().get("/v1/users/user_x").header("x-authn-request-id", ours).await,
            app.bapi().post("/v1/users", json!({})).header("x-authn-request-id", "a\tb <script>").await,
        ] {
            let id = reply.header("x-authn-request-id").expect("a request has an id").to_owned();
            assert!(id.starts_with("req_") && id.len() == 30, "always ours: {id}");
            if reply.status() >= 400 {
                assert_eq!(reply.str("/trace_id"), id);
            }
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            assert_eq!(reply.header("access-control-allow-origin"), None);
            let number = |name: &str| reply.header(name).and_then(|v| v.parse::<i64>().ok()).unwrap_or_else(|| panic!("{name}"));
            assert!(number("x-ratelimit-limit") > number("x-ratelimit-remaining"));
            assert!((number("x-ratelimit-reset") - app.now().seconds()).abs() <= 61);
        }
    }

    async fn two_requests_have_two_ids(app: TestApp) {
        let (a, b) = (app.bapi().get("/v1/_ping").await, app.bapi().get("/v1/_ping").await);
        assert_ne!(a.header("x-authn-request-id"), b.header("x-authn-request-id"));
    }
}

both! { on |engine| Setup::on(engine).kind(EnvironmentKind::Production);
    async fn production_keys_are_live_and_its_limits_are_the_contracts(app: TestApp) {
        assert!(app.env.secret_key.starts_with("sk_live_") && app.env.publishable_key.starts_with("pk_live_"));
        for (path, limit) in [("/v1/users", "300"), ("/v1/instance", "300"), ("/v1/sessions", "300")] {
            assert_eq!(app.bapi().get(path).await.header("x-ratelimit-limit"), Some(limit), "{path}");
        }
        let made = app.bapi().post("/v1/users", json!({ "external_id": "x", "skip_password_requirement": true })).await;
        assert_eq!(made.header("x-ratelimit-limit"), Some("30"));
        let changed = app.bapi().patch(format!("/v1/users/{}", made.str("/id")), json!({})).await;
        assert_eq!(changed.header("x-ratelimit-limit"), Some("60"));
    }
}

fn two_a_minute(engine: testkit::EngineKind) -> Setup {
    let mut limits = LimitSettings::default();
    limits.buckets.insert("users.create".to_owned(), Allowance::new(2, 60));
    Setup::on(engine).kind(EnvironmentKind::Production).limits(limits)
}

both! { on |engine| two_a_minute(engine);
    async fn whoever_asks_too_often_is_told_when_to_come_back(app: TestApp) {
        let make = |id: &str| app.bapi().post("/v1/users", json!({ "external_id": id, "skip_password_requirement": true }));
        assert_eq!(make("a").await.header("x-ratelimit-remaining"), Some("1"));
        assert_eq!(make("b").await.header("x-ratelimit-remaining"), Some("0"));

        let refused = make("c").await;

        refused.is_refused(429, "rate_limit_exceeded");
        refused.is(429, json!({ "errors": [{ "meta": { "limit": 2 } }] }));
        let wait = refused.header("retry-after").and_then(|s| s.parse::<i64>().ok()).expect("it says when");
        assert!((1..=60).contains(&wait));
        assert_eq!(refused.at("/errors/0/meta/retry_after_seconds"), wait);
        app.bapi().get("/v1/users").await.is(200, json!({ "total_count": 2 }));
    }
}
