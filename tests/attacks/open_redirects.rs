//! Nobody is sent anywhere that the environment did not name.

use crate::fapi::links::{confirm, last_ticket, submit, switch_on};
use crate::fapi::steps::{open_sign_in, open_sign_up};
use serde_json::json;
use testkit::{Caller, ORIGIN, Reply, TestApp, both};

/// What looks like the allowed address to somebody: to a person, to a comparison of texts, or to another parser.
const EVIL: [&str; 30] = [
    "https://evil.test",
    "https://evil.test/app",
    "http://shop.example.com/app",
    "https://shop.example.com/apple",
    "https://shop.example.com/",
    "https://shop.example.com/APP",
    "https://shop.example.com:444/app",
    "https://shop.example.com.evil.test/app",
    "https://shop.example.com@evil.test/app",
    "https://shop.example.com%40evil.test/app",
    "https://evil.test\\@shop.example.com/app",
    "https://shop.example.com\\.evil.test/app",
    "https://user:pass@shop.example.com/app",
    "https://shop.example.com/app/../admin",
    "https://shop.example.com/app/%2e%2e/admin",
    "https://shop.example.com/app/..%2fadmin",
    "https://shop.example.com/app/%252e%252e%252fadmin",
    "https://shop.example.com/app/..;/admin",
    "https://shop.example.com/\tapp",
    "https:shop.example.com/app",
    "https:///shop.example.com/app",
    "//shop.example.com/app",
    "/app",
    "javascript:alert(document.cookie)//https://shop.example.com/app",
    "data:text/html,<script>alert(1)</script>",
    "shop://callback/evil",
    "shop://callbackx",
    "https://evil.test#https://shop.example.com/app",
    "https://evil.test?https://shop.example.com/app",
    "https://shop.example.com\u{3002}evil.test/app",
];

const GOOD: [(&str, &str); 6] = [
    ("https://shop.example.com/app", "https://shop.example.com/app"),
    ("https://SHOP.example.com:443/app/x?y=1#z", "https://shop.example.com/app/x?y=1#z"),
    ("https://shop.example.com/app?next=../x", "https://shop.example.com/app?next=../x"),
    ("shop://callback", "shop://callback"),
    ("http://localhost:3000/any", "http://localhost:3000/any"),
    ("https://app.example.test/back", "https://app.example.test/back"),
];

async fn prepared(app: &TestApp) {
    switch_on(app).await;
    for url in ["https://shop.example.com/app/", "shop://callback", "http://localhost:3000"] {
        app.bapi().post("/v1/redirect-urls", json!({ "url": url })).await.has_status(201);
    }
}

async fn link(browser: &Caller, path: &str, field: &str, url: &str) -> Reply {
    browser.post(format!("{path}/challenges"), json!({ "strategy": "email_link", field: url })).await
}

async fn handshake(app: &TestApp, url: &str) -> Reply {
    let escaped: String = url.bytes().map(|byte| format!("%{byte:02X}")).collect();
    app.browser().await.get(format!("/v1/client/handshake?redirect_url={escaped}")).await
}

both! {
    async fn no_challenge_lands_where_nobody_allowed_it(app: TestApp) {
        prepared(&app).await;
        let alice = app.user("alice").signed_in().await;
        let added = alice.post("/v1/me/email-addresses", json!({ "email_address": "second@example.com" })).await;
        let address = format!("/v1/me/email-addresses/{}", added.str("/response/id"));
        let (here, there) = (app.anyone(), app.anyone());
        let (sign_in, sign_up) = (open_sign_in(&here, &alice.user.email).await, open_sign_up(&there, "ann@example.com").await);

        for evil in EVIL {
            for (browser, path) in [(&here, &sign_in), (&there, &sign_up), (&alice.browser, &address)] {
                for field in ["redirect_url", "redirect_url_complete"] {
                    link(browser, path, field, evil).await.is_refused_for(422, "redirect_url_not_allowed", field);
                }
            }
            handshake(&app, evil).await.is(200, json!({ "redirect_url": null }));
        }
        assert!(app.mails().await.iter().all(|mail| mail.link.is_none()), "no link went out");
    }

    async fn what_is_allowed_is_followed_in_the_form_it_was_compared_in(app: TestApp) {
        prepared(&app).await;
        let alice = app.user("alice").created().await;
        for (asked, lands) in GOOD {
            handshake(&app, asked).await.is(200, json!({ "redirect_url": lands }));
            let browser = app.anyone();
            let path = open_sign_in(&browser, &alice.email).await;
            link(&browser, &path, "redirect_url", asked).await.has_status(200);
            let confirmed = confirm(&app, &browser, &last_ticket(&app, &alice.email).await, "yes").await;
            confirmed.is(200, json!({ "redirect_url": lands }));
            app.advance(std::time::Duration::from_secs(61));
        }
        assert!(GOOD.iter().any(|(_, lands)| lands.starts_with(ORIGIN)), "an allowed origin needs no entry");
    }

    async fn a_link_that_is_under_way_lands_nowhere_once_the_address_is_taken_off(app: TestApp) {
        switch_on(&app).await;
        let listed = app.bapi().post("/v1/redirect-urls", json!({ "url": "https://shop.example.com" })).await.str("/id");
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        link(&browser, &path, "redirect_url", "https://shop.example.com/x").await.has_status(200);
        app.bapi().delete(format!("/v1/redirect-urls/{listed}")).await.has_status(204);

        let done = submit(&app, &browser, &last_ticket(&app, &alice.email).await, "yes").await;

        done.has_status(200);
        assert_eq!(done.header("location"), None);
        assert!(!done.text().contains("shop.example.com"), "{}", done.text());
    }

    async fn an_address_of_another_environment_is_no_address_here(app: TestApp) {
        let other = app.second_environment().await;
        app.bapi_of(&other).post("/v1/redirect-urls", json!({ "url": "https://shop.example.com" })).await.has_status(201);
        handshake(&app, "https://shop.example.com").await.is(200, json!({ "redirect_url": null }));
    }
}
