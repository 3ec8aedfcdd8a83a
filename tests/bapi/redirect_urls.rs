//! Where browsers and apps may be sent back to, as a backend says it.

use domain::environment::EnvironmentKind;
use serde_json::json;
use std::time::Duration;
use testkit::{Reply, TestApp, both};

async fn put(app: &TestApp, url: &str) -> Reply {
    app.bapi().post("/v1/redirect-urls", json!({ "url": url })).await
}

both! {
    async fn an_address_is_kept_in_one_form(app: TestApp) {
        for (sent, kept) in [
            ("https://Shop.Example.com:443/app/?a=1#b", "https://shop.example.com/app"), ("https://shop.example.com/", "https://shop.example.com"),
            ("http://localhost:3000/back/", "http://localhost:3000/back"), ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("com.example.shop:/callback", "com.example.shop:/callback"), ("shop://callback", "shop://callback"),
        ] {
            let made = put(&app, sent).await;
            made.is(201, json!({ "object": "redirect_url", "url": kept }));
            app.bapi().get(format!("/v1/redirect-urls/{}", made.str("/id"))).await.is(200, json!({ "id": made.str("/id"), "url": kept }));
            put(&app, kept).await.is_refused_for(409, "form_identifier_exists", "url");
            app.advance(Duration::from_secs(1));
        }
        put(&app, "HTTPS://SHOP.example.com/app///?other").await.is_refused(409, "form_identifier_exists");

        let page = app.bapi().get("/v1/redirect-urls?limit=2").await;
        page.is(200, json!({ "total_count": 6, "data": [{ "url": "shop://callback" }, { "url": "com.example.shop:/callback" }] }));
        let next = app.bapi().get(format!("/v1/redirect-urls?limit=2&cursor={}", page.str("/meta/next_cursor"))).await;
        next.is(200, json!({ "data": [{ "url": "http://127.0.0.1:8080" }, { "url": "http://localhost:3000/back" }] }));
    }

    async fn what_is_not_safe_is_refused(app: TestApp) {
        put(&app, "").await.is_refused_for(422, "form_param_nil", "url");
        for insecure in [
            "http://shop.example.com", "http://localhost.evil.test", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "wss://shop.example.com",
        ] {
            put(&app, insecure).await.is_refused_for(422, "redirect_uri_insecure", "url");
        }
        for bad in [
            "/app", "//shop.example.com", "shop.example.com", "https://user@shop.example.com", "https://shop.example.com/../x", "https:\\\\shop.example.com",
            "https://shop.example.com/%2e%2e/x", "https://shop.example.com\\@evil.test", "https:shop.example.com", "localhost:3000",
        ] {
            put(&app, bad).await.is_refused_for(422, "form_param_format_invalid", "url");
        }
        app.bapi().get("/v1/redirect-urls").await.is(200, json!({ "total_count": 0 }));
    }

    async fn production_knows_no_clear_text(app: TestApp) {
        let (live, staging) = (app.environment_of(EnvironmentKind::Production, "Live").await, app.environment_of(EnvironmentKind::Staging, "Stage").await);
        let put = |env, url: &str| app.bapi_of(env).post("/v1/redirect-urls", json!({ "url": url }));
        put(&live, "http://localhost:3000").await.is_refused_for(422, "redirect_uri_insecure", "url");
        put(&live, "https://shop.example.com").await.has_status(201);
        put(&staging, "http://localhost:3000").await.has_status(201);
    }

    async fn an_address_is_taken_off_and_is_nobody_elses(app: TestApp) {
        let other = app.second_environment().await;
        let make = || app.bapi().post("/v1/redirect-urls", json!({ "url": "https://shop.example.com" })).idempotency_key("k");
        let made = make().await.has_status(201).str("/id");
        assert_eq!(make().await.str("/id"), made);
        let path = format!("/v1/redirect-urls/{made}");
        app.bapi_of(&other).get(&path).await.is_refused(404, "redirect_url_not_found");
        app.bapi_of(&other).delete(&path).await.is_refused(404, "redirect_url_not_found");

        app.bapi().delete(&path).await.has_status(204);

        app.bapi().get(&path).await.is_refused(404, "redirect_url_not_found");
        app.bapi().delete(&path).await.is_refused(404, "redirect_url_not_found");
        assert_ne!(make().await.has_status(201).str("/id"), made);
    }
}
