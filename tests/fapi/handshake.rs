//! The page behind a mailed link, and the handshake without one.

use super::links::{answer, confirm, follow, last_ticket, sign_in, sign_up, submit, switch_on};
use serde_json::{Value, json};
use testkit::{ORIGIN, TestApp, both, minutes};

both! {
    async fn the_page_says_who_asked_with_what_and_when(app: TestApp) {
        switch_on(&app).await;
        app.settings(|s| s.application_name = Some("Acme <b>&</b> Sons".to_owned())).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = crate::fapi::steps::open_sign_in(&browser, &alice.email).await;
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let asked = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_link" })).header("user-agent", firefox).await;
        asked.has_status(200);
        let ticket = last_ticket(&app, &alice.email).await;

        let page = follow(&app.anyone(), &ticket).await;

        page.has_status(200);
        let text = page.text();
        for said in ["Acme &#60;b&#62;&#38;&#60;/b&#62; Sons", "Firefox on Linux", &app.now().spoken(), "This was not me", "Yes, sign me in"] {
            assert!(text.contains(said), "no {said} in {text}");
        }
        assert!(!text.contains("<script") && !text.contains("src=") && !text.contains("href="), "{text}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
        let policy = page.header("content-security-policy").expect("a policy").to_owned();
        assert!(policy.starts_with("default-src 'none'; style-src 'nonce-") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(page.set_cookies().is_empty());
        // A program hears that the link is live, and nothing else.
        let live = app.anyone().get(format!("/v1/client/handshake?__authn_ticket={ticket}")).await;
        live.is(200, json!({ "object": "client_handshake", "redirect_url": null }));
    }

    async fn each_page_says_what_it_is_for(app: TestApp) {
        switch_on(&app).await;
        sign_up(&app.anyone(), "ann@example.com").await;
        let page = follow(&app.anyone(), &last_ticket(&app, "ann@example.com").await).await;
        assert!(page.text().contains("for an account"), "{}", page.text());
        let alice = app.user("alice").signed_in().await;
        let added = alice.post("/v1/me/email-addresses", json!({ "email_address": "second@example.com" })).await;
        crate::fapi::links::ask(&alice, &format!("/v1/me/email-addresses/{}", added.str("/response/id"))).await;
        let page = follow(&app.anyone(), &last_ticket(&app, "second@example.com").await).await;
        assert!(page.text().contains("add this e-mail address"), "{}", page.text());
    }

    async fn a_link_that_is_used_late_or_made_up_is_dead_on_both_doors(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let mut dead = vec!["tkt_made_up".to_owned(), "x".to_owned()];
        // Replaced by a newer one.
        let browser = app.anyone();
        let (path, _) = sign_in(&browser, &alice.email).await;
        dead.push(last_ticket(&app, &alice.email).await);
        crate::fapi::links::ask(&browser, &path).await;
        // Used.
        let used = last_ticket(&app, &alice.email).await;
        confirm(&app, &browser, &used, "yes").await.has_status(200);
        dead.push(used);
        // The attempt was given up.
        let other = app.anyone();
        sign_in(&other, &alice.email).await;
        dead.push(last_ticket(&app, &alice.email).await);
        crate::fapi::steps::open_sign_in(&other, "somebody@example.com").await;
        // Late.
        sign_in(&app.anyone(), &alice.email).await;
        let late = last_ticket(&app, &alice.email).await;
        app.anyone().get(format!("/v1/client/handshake?__authn_ticket={late}")).await.has_status(200);

        for is_late in [false, true] {
            if is_late {
                app.advance(minutes(10));
                dead = vec![late.clone()];
            }
            for ticket in &dead {
                let look = app.anyone().get(format!("/v1/client/handshake?__authn_ticket={ticket}")).await;
                look.is_refused(422, "magic_link_expired");
                confirm(&app, &app.anyone(), ticket, "yes").await.is_refused(422, "magic_link_expired");
                confirm(&app, &app.anyone(), ticket, "no").await.is_refused(422, "magic_link_expired");
                for page in [follow(&app.anyone(), ticket).await, submit(&app, &app.anyone(), ticket, "yes").await] {
                    assert!(page.status() == 422 && page.text().contains("does not work any more"), "{ticket}: {}", page.text());
                }
            }
        }
    }

    async fn the_answer_of_the_page_is_read_strictly(app: TestApp) {
        let own = crate::fapi::links::own_origin(&app);
        let post = |body: Value| app.anyone().post("/v1/client/handshake", body).origin(&own);
        post(json!({})).await.is_refused_for(422, "form_param_nil", "__authn_ticket");
        post(json!({ "__authn_ticket": "tkt_x" })).await.is_refused_for(422, "form_param_nil", "__authn_confirm");
        post(json!({ "__authn_ticket": "tkt_x", "__authn_confirm": "maybe" })).await
            .is_refused_for(422, "form_param_value_invalid", "__authn_confirm");
        let form = |body: &str| {
            let call = app.anyone().post_empty("/v1/client/handshake").origin(&own);
            call.raw("application/x-www-form-urlencoded", body.to_owned())
        };
        form("__authn_ticket=tkt_x&__authn_confirm=yes&more=1").await.is_refused_for(422, "form_param_unknown", "more");
        form("__authn_ticket=tkt_x&__authn_ticket=tkt_y&__authn_confirm=yes").await.is_refused(400, "malformed_json");
        form(&format!("__authn_ticket={}", "x".repeat(20_000))).await.is_refused(413, "request_too_large");
        let call = app.anyone().post_empty("/v1/client/handshake").origin(&own);
        call.raw("text/plain", "__authn_ticket=tkt_x").await.is_refused(415, "content_type_unsupported");
    }

    async fn a_rendering_server_gets_a_client(app: TestApp) {
        let browser = app.anyone();
        let landing = format!("{ORIGIN}/app");

        let made = browser.get(format!("/v1/client/handshake?redirect_url={landing}")).await;

        made.is(200, json!({ "object": "client_handshake", "redirect_url": landing }));
        assert!(made.set_cookie("__client").is_some());
        let again = browser.get("/v1/client/handshake?redirect_url=https://evil.example/").await;
        again.is(200, json!({ "redirect_url": null }));
        assert!(again.set_cookies().is_empty(), "the browser has its client");
        browser.get("/v1/client/handshake?handshake_token=").await.is_refused(400, "handshake_token_missing");
        browser.get("/v1/client/handshake?handshake_token=ey.ey.x").await.is_refused(401, "handshake_token_invalid");
    }

    async fn a_token_of_a_backend_is_handed_on_and_not_spent(app: TestApp) {
        app.settings(|s| s.paths.sign_in_url = Some("https://app.example.com/in?a=b".to_owned())).await;
        let link = "/v1/client/handshake?__authn_ticket=tkt_abc&__authn_status=sign_in";

        let sent_on = app.anyone().get(link).header("accept", "text/html").await;

        sent_on.has_status(303);
        let location = "https://app.example.com/in?a=b&__authn_ticket=tkt_abc&__authn_status=sign_in";
        assert_eq!(sent_on.header("location"), Some(location));
        let told = app.anyone().get(link).await;
        told.is(200, json!({ "object": "client_handshake", "redirect_url": null }));
        assert!(!told.text().contains("tkt_abc"));
        let sent_on = app.anyone().get(format!("{link}&redirect_url=https://evil.example/")).header("accept", "text/html").await;
        assert_eq!(sent_on.header("location"), Some(location), "nowhere else");
    }

    async fn a_ban_between_the_click_and_the_session_counts(app: TestApp) {
        switch_on(&app).await;
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let (_, open) = sign_in(&browser, &alice.email).await;
        confirm(&app, &app.anyone(), &last_ticket(&app, &alice.email).await, "yes").await.has_status(200);
        app.bapi().post_empty(format!("/v1/users/{}/ban", alice.id)).await.has_status(200);

        answer(&browser, &open).await.is_refused(403, "user_banned");
        browser.get("/v1/client").await.is(200, json!({ "sessions": [] }));
        // And before it: whoever holds the mailbox hears it on the page.
        let other = app.anyone();
        sign_in(&other, &alice.email).await;
        let told = submit(&app, &app.anyone(), &last_ticket(&app, &alice.email).await, "yes").await;
        assert!(told.status() == 403 && told.text().contains("blocked"), "{}", told.text());
    }
}
