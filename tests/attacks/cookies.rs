//! Cookies are planted, tossed, stolen and sent by foreign sites: none of it signs anybody in as anybody.

use super::{place, sign_in_by_code, sign_up_by_code};
use domain::Surface;
use serde_json::{Value, json};
use testkit::{Call, Caller, TestApp, both, minutes};

fn password(app: &str, password: &str) -> Value {
    json!({ "identifier": app, "strategy": "password", "password": password })
}

/// What an old client cookie opens: nothing.
async fn is_worthless(thief: &Caller, session: &str) {
    thief.get("/v1/me").await.has_status(401);
    thief.post_empty(format!("/v1/client/sessions/{session}/tokens")).await.is_refused(401, "client_not_found");
    thief.get(format!("/v1/client/sessions/{session}")).await.is_refused(401, "client_not_found");
    thief.post(format!("/v1/client/sessions/{session}/touch"), json!({})).await.is_refused(401, "client_not_found");
}

both! {
    async fn a_cookie_that_was_planted_before_the_sign_in_is_worthless_after_it(app: TestApp) {
        let attacker = app.browser().await;
        let victim = app.anyone();
        victim.jar().set("__client", &attacker.jar().get("__client").expect("the browser has a client"));

        let alice = app.user("alice").signed_in_on(&victim).await;

        assert_ne!(victim.jar().get("__client"), attacker.jar().get("__client"), "the secret is another");
        is_worthless(&attacker.stolen(), &alice.session).await;
        app.advance(minutes(2));
        is_worthless(&attacker.stolen(), &alice.session).await;
        alice.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
    }

    async fn the_client_secret_rotates_at_every_completed_attempt(app: TestApp) {
        let browser = app.browser().await;
        let mut seen = vec![browser.jar().get("__client").expect("a client")];
        let fresh = |seen: &[String]| {
            let now = browser.jar().get("__client").expect("a client");
            assert!(!seen.contains(&now), "a value never comes back");
            now
        };
        // Sign-up, sign-in by password of another person, sign-in by code of a third.
        let attempt = sign_up_by_code(&browser, "new@example.com").await;
        attempt.answer(&browser, &app.last_code("new@example.com").await).await.has_status(200);
        seen.push(fresh(&seen));
        app.user("alice").signed_in_on(&browser).await;
        seen.push(fresh(&seen));
        let bob = app.user("bob").created().await;
        let attempt = sign_in_by_code(&browser, &bob.email).await;
        attempt.answer(&browser, &app.last_code(&bob.email).await).await.has_status(200);
        seen.push(fresh(&seen));

        seen.pop();
        for old in seen {
            let thief = app.anyone();
            thief.jar().set("__client", &old);
            thief.get("/v1/me").await.has_status(401);
        }
        browser.get("/v1/me").await.is(200, json!({ "id": bob.id }));
    }

    async fn a_late_tab_with_the_cookie_before_gets_no_cookie_and_no_session(app: TestApp) {
        let browser = app.browser().await;
        let late = browser.stolen();
        app.user("alice").signed_in_on(&browser).await;

        let reply = late.get("/v1/client").await;

        assert!(reply.set_cookies().is_empty(), "it would overwrite the newer one");
        reply.is(200, json!({ "sessions": [] }));
        app.advance(minutes(2));
        assert!(late.get("/v1/client").await.set_cookie("__client").is_some(), "later it is a stranger like any");
    }

    async fn a_signed_out_browser_does_not_come_back_by_its_old_cookies(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let thief = alice.stolen();

        alice.delete("/v1/client").await.has_status(200);

        is_worthless(&thief, &alice.session).await;
    }

    async fn a_foreign_site_cannot_sign_a_browser_in(app: TestApp) {
        let mallory = app.user("mallory").created().await;
        let victim = app.browser().await;
        let before = app.passwords.hashes_done();
        let sign_in = || victim.post("/v1/client/sign-ins", password(&mallory.email, &mallory.password));

        for origin in [
            "https://evil.example",
            "null",
            "",
            "https://app.example.test.evil.example",
            "https://evil.app.example.test",
            "http://app.example.test",
            "https://app.example.test:8443",
            "https://app.example.test@evil.example",
            "https://app.example.test/",
            "https://app.example.test, https://evil.example",
        ] {
            sign_in().origin(origin).await.is_refused(403, "origin_invalid");
        }
        let foreign: [Call; 6] = [
            sign_in().header("origin", "https://evil.example"),
            sign_in().without_origin().header("referer", "https://evil.example/page"),
            sign_in().without_origin().header("referer", "about:blank"),
            sign_in().without_origin().header("sec-fetch-site", "cross-site"),
            sign_in().without_origin().without_cookies().header("sec-fetch-site", "cross-site"),
            sign_in().without_origin(),
        ];
        for call in foreign {
            call.await.is_refused(403, "origin_invalid");
        }
        // What a form can send is not read, wherever it comes from.
        for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
            let body = password(&mallory.email, &mallory.password).to_string();
            let reply = victim.call(testkit::Method::POST, "/v1/client/sign-ins").raw(kind, body).await;
            reply.is_refused(415, "content_type_unsupported");
        }

        assert_eq!(app.passwords.hashes_done(), before, "no password was looked at");
        victim.get("/v1/me").await.has_status(401);
    }

    async fn a_foreign_site_cannot_change_anything_of_a_signed_in_person(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let session = format!("/v1/client/sessions/{}", alice.session);
        for call in [
            alice.patch("/v1/me", json!({ "first_name": "Mallory" })),
            alice.post("/v1/me/email-addresses", json!({ "email_address": "mallory@example.com" })),
            alice.delete(format!("/v1/me/email-addresses/{}", alice.user.email_id)),
            alice.post("/v1/me/change-password", json!({ "new_password": "chosen by mallory" })),
            alice.post_empty(format!("{session}/tokens")),
            alice.post_empty(format!("{session}/end")),
            alice.post_empty(format!("{session}/remove")),
            alice.delete("/v1/client"),
            alice.put_empty("/v1/client"),
        ] {
            call.clone().origin("https://evil.example").await.is_refused(403, "origin_invalid");
            call.origin("null").await.is_refused(403, "origin_invalid");
        }
        alice.get("/v1/me").await.is(200, json!({ "first_name": null }));
        // What a foreign site may not write it may not read either.
        let reply = alice.get("/v1/me").origin("https://evil.example").await;
        assert_eq!(reply.header("access-control-allow-origin"), None);
        assert_eq!(reply.header("vary").map(|v| v.to_ascii_lowercase().contains("origin")), Some(true));
    }

    async fn cookies_are_out_of_reach_of_scripts_and_of_siblings(app: TestApp) {
        let alice = app.user("alice").created().await;
        let reply = app.anyone().post("/v1/client/sign-ins", password(&alice.email, &alice.password)).await;
        let prefix = place(&app, Surface::Fapi).1;

        for name in ["__client", "__session"] {
            let cookie = reply.set_cookie(name).expect("a sign-in sets both");
            assert_eq!(cookie.attribute("httponly"), Some(""), "{name}");
            assert_eq!(cookie.attribute("samesite"), Some("Lax"), "{name}");
            assert_eq!(cookie.attribute("domain"), None, "{name}: a sibling host does not see it");
            let path = cookie.attribute("path").expect("a path");
            assert_eq!(path.trim_end_matches('/'), prefix, "{name}: another tenant of the host does not get it");
        }
    }

    async fn two_client_cookies_are_none(app: TestApp) {
        let (alice, mallory) = (app.user("alice").signed_in().await, app.user("mallory").signed_in().await);
        let (hers, his) = (alice.jar().get("__client").expect("a client"), mallory.jar().get("__client").expect("a client"));
        for cookies in [
            format!("__client={his}; __client={hers}"),
            format!("__client={hers}; __client={his}"),
            format!("__client={hers}; __client={hers}"),
            format!("__client={hers}; __client="),
            format!("__client=; __client={hers}"),
            format!("a=b;__client={his};c=d;__client={hers}"),
        ] {
            let reply = app.anyone().get("/v1/me").header("cookie", &cookies).await;
            reply.is_refused(401, "session_token_missing");
            let mint = app.anyone().post_empty(format!("/v1/client/sessions/{}/tokens", alice.session));
            mint.header("cookie", &cookies).await.is_refused(401, "client_not_found");
        }
        // Over two headers as well.
        let two = app.anyone().get("/v1/me").header("cookie", format!("__client={his}"));
        two.header("cookie", format!("__client={hers}")).await.is_refused(401, "session_token_missing");
        // And other spellings are other cookies.
        for name in ["__Client", "%5f_client", "__client%20", "x__client", "$__client"] {
            let call = app.anyone().get("/v1/me").header("cookie", format!("{name}={hers}"));
            call.await.is_refused(401, "session_token_missing");
        }
    }

    async fn two_session_cookies_are_none(app: TestApp) {
        let (alice, mallory) = (app.user("alice").signed_in().await, app.user("mallory").signed_in().await);
        let (hers, his) = (alice.jar().get("__session").expect("a session"), mallory.jar().get("__session").expect("a session"));
        let client = alice.jar().get("__client").expect("a client");
        for (first, second) in [(&his, &hers), (&hers, &his)] {
            let tossed = format!("__session={first}; __session={second}");
            let alone = app.anyone().get("/v1/me").header("cookie", &tossed).await;
            alone.is_refused(401, "session_token_missing");
            // With a device cookie that is not ambiguous it is the device's session, never the planted one.
            let reply = app.anyone().get("/v1/me").header("cookie", format!("{tossed}; __client={client}")).await;
            reply.is(200, json!({ "id": alice.id() }));
        }
    }
}
