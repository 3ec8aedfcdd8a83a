//! The browser: made when first needed, given a new secret at each completed proof, thrown away as a whole.

use super::steps::statuses;
use serde_json::json;
use std::time::Duration;
use testkit::{TestApp, both};

both! {
    async fn the_first_look_makes_a_client_and_gives_its_cookie(app: TestApp) {
        let browser = app.anyone();

        let reply = browser.get("/v1/client").await;

        reply.is(200, json!({
            "object": "client", "sessions": [], "sign_in": null, "sign_up": null, "last_active_session_id": null,
        }));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let cookie = reply.set_cookie("__client").expect("the browser gets its cookie");
        let (id, secret) = cookie.value.split_once('.').expect("an id and a secret");
        assert_eq!(id, reply.str("/id"));
        assert_eq!(secret.len(), 43, "32 bytes of base64url");
        let label = app.env.issuer.rsplit('/').next().map(|label| format!("/{label}"));
        assert_eq!(cookie.attribute("path"), label.as_deref());
        assert_eq!(cookie.attribute("max-age"), Some("31536000"));
        assert_eq!((cookie.attribute("httponly"), cookie.attribute("samesite")), (Some(""), Some("Lax")));
        assert_eq!((cookie.attribute("domain"), cookie.attribute("secure")), (None, None));
        assert_eq!(reply.set_cookie("__session"), None);
    }

    async fn a_known_browser_stays_the_same_client_and_is_given_nothing_new(app: TestApp) {
        let browser = app.anyone();
        let first = browser.get("/v1/client").await;

        let second = browser.get("/v1/client").await;

        assert_eq!(second.str("/id"), first.str("/id"));
        assert_eq!(second.set_cookies(), []);
    }

    async fn a_worthless_cookie_is_replaced_by_a_new_client(app: TestApp) {
        let known = app.browser().await.get("/v1/client").await.str("/id");
        let zeros = "A".repeat(43);
        for worthless in ["x", "client_1.x", &format!("{known}.{zeros}"), &format!("{known}."), "%00", "\"\""] {
            let browser = app.anyone();
            browser.jar().set("__client", worthless);

            let reply = browser.get("/v1/client").await;

            reply.has_status(200);
            assert_ne!(reply.str("/id"), known);
            assert!(reply.set_cookie("__client").is_some(), "{worthless}");
        }
    }

    async fn two_client_cookies_count_as_none(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let value = alice.jar().get("__client").expect("she has a cookie");
        let twice = format!("__client={value}; __client={value}");

        let reply = alice.get("/v1/client").without_cookies().header("cookie", &twice).await;
        assert_eq!(reply.at("/sessions"), &json!([]));
        alice.get("/v1/me").without_cookies().header("cookie", &twice).await.is_refused(401, "session_token_missing");
        let mint = alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session));
        mint.without_cookies().header("cookie", &twice).await.is_refused(401, "client_not_found");
        let two = alice.get("/v1/client").without_cookies();
        let reply = two.header("cookie", format!("__client={value}")).header("cookie", "__client=other").await;
        assert_eq!(reply.at("/sessions"), &json!([]), "in two headers as well");
    }

    async fn putting_a_client_ends_the_sessions_of_the_old_one(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let before = alice.get("/v1/client").await.str("/id");
        let thief = alice.stolen();

        let reply = alice.put_empty("/v1/client").await;

        reply.is(200, json!({ "response": { "sessions": [] } }));
        assert_eq!(reply.at("/response"), reply.at("/client"));
        assert_ne!(reply.str("/response/id"), before);
        assert!(reply.set_cookie("__client").is_some());
        assert!(reply.set_cookie("__session").expect("the session's cookie goes").clears());
        app.bapi().get(format!("/v1/sessions/{}", alice.session)).await.is(200, json!({ "status": "ended" }));
        assert_eq!(thief.get("/v1/me").await.status(), 401);
    }

    async fn putting_a_client_needs_none_before(app: TestApp) {
        let reply = app.anyone().put_empty("/v1/client").await;

        reply.is(200, json!({ "client": { "sessions": [] } }));
        assert!(reply.set_cookie("__client").is_some());
    }

    async fn deleting_the_client_signs_everybody_out_and_takes_the_cookies(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let bob = app.user("bob").signed_in_on(&alice.browser).await;
        let thief = alice.stolen();
        app.skip_events().await;

        let reply = alice.delete("/v1/client").await;

        reply.is(200, json!({ "response": { "object": "client" }, "client": null }));
        assert!(reply.set_cookie("__client").expect("the client's cookie goes").clears());
        assert!(reply.set_cookie("__session").expect("the session's cookie goes").clears());
        for session in [&alice.session, &bob.session] {
            app.bapi().get(format!("/v1/sessions/{session}")).await.is(200, json!({ "status": "ended" }));
        }
        assert_eq!(app.events().await, ["session.ended", "session.ended"]);
        thief.post_empty(format!("/v1/client/sessions/{}/tokens", bob.session)).await.is_refused(401, "client_not_found");
    }

    async fn deleting_needs_a_client(app: TestApp) {
        app.anyone().delete("/v1/client").await.is_refused(401, "client_not_found");
    }

    async fn the_client_shows_people_and_what_just_ended(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(Duration::from_secs(1));
        let bob = app.user("bob").signed_in_on(&alice.browser).await;

        let reply = alice.get("/v1/client").await;
        assert_eq!(statuses(reply.at("/sessions")), [(bob.session.as_str(), "active"), (alice.session.as_str(), "active")]);
        assert_eq!(reply.str("/last_active_session_id"), bob.session);
        assert_eq!(reply.str("/sessions/0/user/id"), bob.id());
        assert_eq!(reply.at("/sessions/0/user/private_metadata"), &json!({}));

        // when Bob leaves, Alice is whom the browser acts for, and Bob stays in sight for a minute
        alice.post_empty(format!("/v1/client/sessions/{}/end", bob.session)).await.has_status(200);
        let reply = alice.get("/v1/client").await;
        assert_eq!(reply.str("/last_active_session_id"), alice.session);
        let mut seen = statuses(reply.at("/sessions"));
        seen.sort_unstable_by_key(|(_, status)| (*status).to_owned());
        assert_eq!(seen, [(alice.session.as_str(), "active"), (bob.session.as_str(), "ended")]);

        app.advance(Duration::from_secs(61));
        let reply = alice.get("/v1/client").await;
        assert_eq!(statuses(reply.at("/sessions")), [(alice.session.as_str(), "active")]);
    }

    async fn a_client_of_another_environment_is_nobody(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let other = app.second_environment().await;
        let stranger = app.anyone_of(&other);
        for name in ["__client", "__session"] {
            stranger.jar().set(name, &alice.jar().get(name).expect("she has both cookies"));
        }

        assert_eq!(stranger.get("/v1/client").await.at("/sessions"), &json!([]));
        let fresh = app.anyone_of(&other);
        fresh.jar().set("__client", &alice.jar().get("__client").expect("she has a cookie"));
        fresh.jar().set("__session", &alice.jar().get("__session").expect("she has a cookie"));
        assert_eq!(fresh.get("/v1/me").await.status(), 401);
        fresh.delete("/v1/client").await.is_refused(401, "client_not_found");
    }

    async fn a_completed_sign_in_gives_the_client_a_new_secret(app: TestApp) {
        let browser = app.browser().await;
        let (before, planted) = (browser.jar().get("__client").expect("a cookie"), browser.stolen());

        let alice = app.user("alice").signed_in_on(&browser).await;

        let after = browser.jar().get("__client").expect("a cookie");
        assert_eq!(before.split('.').next(), after.split('.').next(), "the same client");
        assert_ne!(before, after, "another secret");
        // whoever planted or stole the old value has nothing, and is told nothing for a minute
        let reply = planted.get("/v1/client").await;
        assert_eq!((reply.status(), reply.at("/sessions"), reply.set_cookies().len()), (200, &json!([]), 0));
        let mint = planted.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await;
        mint.is_refused(401, "client_not_found");
        assert_eq!(mint.set_cookies(), []);
        assert_eq!(planted.delete("/v1/client").await.is_refused(401, "client_not_found").set_cookies(), []);
        assert_eq!(planted.put_empty("/v1/client").await.set_cookies(), [], "a late tab must not overwrite the new one");
        alice.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
        // afterwards it is a stranger's
        app.advance(Duration::from_secs(61));
        let reply = planted.get("/v1/client").await;
        assert_eq!(reply.at("/sessions"), &json!([]));
        assert!(reply.set_cookie("__client").is_some());
    }

    async fn a_completed_sign_in_gives_the_session_its_cookie(app: TestApp) {
        let alice = app.user("alice").created().await;

        let reply = crate::fapi::steps::try_password(&app.anyone(), &alice.email, &alice.password).await;

        let cookie = reply.set_cookie("__session").expect("a session has a cookie");
        assert_eq!(cookie.attribute("max-age"), Some("86400"));
        assert_eq!((cookie.attribute("httponly"), cookie.attribute("samesite")), (Some(""), Some("Lax")));
        assert_eq!(cookie.attribute("path"), reply.set_cookie("__client").expect("both").attribute("path"));
        let (header, claims) = crate::fapi::steps::verified(&cookie.value, &crate::fapi::steps::jwks(&app.anyone()).await);
        assert_eq!(header["typ"], "JWT");
        assert_eq!(claims["token_use"], "cookie");
        assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(86_400));
    }

    async fn a_write_from_a_foreign_site_is_refused(app: TestApp) {
        let alice = app.user("alice").signed_in().await;

        for foreign in ["https://evil.example", "null", "https://app.example.test.evil.example", "http://app.example.test"] {
            let reply = alice.delete("/v1/client").origin(foreign).await;
            reply.is_refused(403, "origin_invalid");
            assert!(reply.at("/errors/0/meta").get("allowed").is_some(), "{}", reply.text());
        }
        alice.patch("/v1/me", json!({ "first_name": "Eve" })).without_origin().await.is_refused(403, "origin_invalid");
        alice.get("/v1/me").await.is(200, json!({ "first_name": null }));
    }
}
