//! Sign-up from the first word to the session.

use super::steps::{PASSWORD, answer, challenge, open_sign_up};
use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn a_person_signs_up_with_a_password_and_the_code_from_the_mailbox(app: TestApp) {
        let browser = app.anyone();
        // given what somebody says of themselves
        let body = json!({
            "email_address": " Ann@Example.com ", "password": PASSWORD, "first_name": "Ann", "last_name": "Lee",
            "unsafe_metadata": { "theme": "dark" },
        });
        let reply = browser.post("/v1/client/sign-ups", body).await;
        reply.is(200, json!({
            "response": {
                "object": "sign_up_attempt", "status": "missing_requirements",
                "required_fields": ["email_address", "password"], "optional_fields": ["first_name", "last_name"],
                "missing_fields": [], "unverified_fields": ["email_address"], "supported_strategies": ["email_code"],
                "email_address": "ann@example.com", "first_name": "Ann", "password_enabled": true,
                "current_challenge_id": null, "created_user_id": null, "created_session_id": null,
                "transferable_to_signin": false, "target_flow": null, "unsafe_metadata": { "theme": "dark" },
            },
            "client": { "sessions": [], "sign_up": { "id": reply.str("/response/id") } },
        }));
        assert!(reply.set_cookie("__client").is_some(), "the client is made on the way");
        let path = format!("/v1/client/sign-ups/{}", reply.str("/response/id"));

        // when the code is asked for and typed in
        let issued = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await;
        issued.is(200, json!({
            "response": {
                "object": "challenge", "status": "pending", "step": "single", "strategy": "email_code", "attempts": 0,
                "sign_up_id": reply.str("/response/id"), "sign_in_id": null, "error": null, "nonce": null,
            },
            "client": { "sign_up": { "current_challenge_id": issued.str("/response/id") } },
        }));
        let challenge = format!("{path}/challenges/{}", issued.str("/response/id"));
        assert_eq!(app.mails().await.len(), 1);
        let done = answer(&browser, &challenge, &app.last_code("ann@example.com").await).await;

        // then there is a person, and the browser holds the session
        done.is(200, json!({
            "response": { "status": "verified", "attempts": 1 },
            "client": { "sign_up": null, "sessions": [{ "status": "active", "user": { "first_name": "Ann" } }] },
        }));
        assert!(done.set_cookie("__client").is_some() && done.set_cookie("__session").is_some());
        let finished = browser.get(path).await;
        finished.is(200, json!({
            "status": "complete", "missing_fields": [], "unverified_fields": [], "supported_strategies": [],
            "created_session_id": done.str("/client/sessions/0/id"), "created_user_id": done.str("/client/sessions/0/user/id"),
        }));
        browser.get("/v1/me").await.is(200, json!({
            "id": finished.str("/created_user_id"), "first_name": "Ann", "last_name": "Lee", "password_enabled": true,
            "email_addresses": [{ "email_address": "ann@example.com", "verified": true }],
            "unsafe_metadata": { "theme": "dark" }, "banned": false, "locked": false,
        }));
        assert_eq!(app.events().await, ["email.created", "user.created", "session.created"]);
    }

    async fn what_is_missing_is_listed_and_can_be_added_in_any_order(app: TestApp) {
        let browser = app.anyone();
        let reply = browser.post("/v1/client/sign-ups", json!({})).await;
        reply.is(200, json!({ "response": {
            "missing_fields": ["email_address", "password"], "unverified_fields": [], "supported_strategies": [],
        } }));
        let path = format!("/v1/client/sign-ups/{}", reply.str("/response/id"));

        // given the address, proven before the password is there
        browser.patch(&path, json!({ "email_address": "ann@example.com" })).await.is(200, json!({ "response": {
            "missing_fields": ["password"], "unverified_fields": ["email_address"], "supported_strategies": ["email_code"],
        } }));
        let open = challenge(&browser, &path, "email_code").await;
        let proven = answer(&browser, &open, &app.last_code("ann@example.com").await).await;
        proven.is(200, json!({ "response": { "status": "verified" }, "client": { "sessions": [] } }));
        browser.get(&path).await.is(200, json!({
            "status": "missing_requirements", "missing_fields": ["password"], "unverified_fields": [],
        }));

        // when the last thing is added, the same call completes
        let done = browser.patch(&path, json!({ "password": PASSWORD })).await;
        done.is(200, json!({ "response": { "status": "complete" }, "client": { "sessions": [{ "status": "active" }] } }));
        assert!(done.set_cookie("__session").is_some());
        browser.patch(&path, json!({ "first_name": "Ann" })).await.is_refused(422, "sign_up_already_complete");
        browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await
            .is_refused(422, "sign_up_already_complete");
    }

    async fn a_later_value_overwrites_an_earlier_one(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        browser.patch(&path, json!({ "first_name": "Ann" })).await.has_status(200);
        browser.patch(&path, json!({ "first_name": "Anna", "password": "another long password" })).await.has_status(200);

        let open = challenge(&browser, &path, "email_code").await;
        answer(&browser, &open, &app.last_code("ann@example.com").await).await.has_status(200);

        browser.get("/v1/me").await.is(200, json!({ "first_name": "Anna" }));
        let again = app.anyone();
        crate::fapi::steps::try_password(&again, "ann@example.com", PASSWORD).await.is_refused(422, "form_password_incorrect");
        crate::fapi::steps::try_password(&again, "ann@example.com", "another long password").await.has_status(200);
    }

    async fn another_address_loses_the_proof_and_the_challenge_of_the_first(app: TestApp) {
        let browser = app.anyone();
        let reply = browser.post("/v1/client/sign-ups", json!({ "email_address": "one@example.com" })).await;
        let path = format!("/v1/client/sign-ups/{}", reply.str("/response/id"));
        let first = challenge(&browser, &path, "email_code").await;
        let code = app.last_code("one@example.com").await;

        browser.patch(&path, json!({ "email_address": "two@example.com" })).await
            .is(200, json!({ "response": { "current_challenge_id": null, "unverified_fields": ["email_address"] } }));
        answer(&browser, &first, &code).await.is_refused(422, "verification_expired");

        let second = challenge(&browser, &path, "email_code").await;
        answer(&browser, &second, &app.last_code("two@example.com").await).await.has_status(200);
        browser.patch(&path, json!({ "email_address": "three@example.com" })).await
            .is(200, json!({ "response": { "unverified_fields": ["email_address"] } }));
        let completed = browser.patch(&path, json!({ "password": PASSWORD })).await;
        completed.is(200, json!({ "response": { "status": "missing_requirements" } }));
    }

    async fn nothing_sent_goes_on_and_anything_sent_begins_anew(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;

        let same = browser.post("/v1/client/sign-ups", json!({})).await;
        assert!(path.ends_with(&same.str("/response/id")));
        let fresh = browser.post("/v1/client/sign-ups", json!({ "email_address": "bob@example.com" })).await;
        assert!(!path.ends_with(&fresh.str("/response/id")));
        browser.get(&path).await.is(200, json!({ "status": "abandoned" }));
        browser.patch(&path, json!({ "first_name": "Ann" })).await.is_refused(422, "sign_up_abandoned");
    }

    async fn a_sign_up_is_abandoned_after_a_day(app: TestApp) {
        let browser = app.anyone();
        let path = open_sign_up(&browser, "ann@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;

        app.advance(testkit::hours(24));

        browser.get(&path).await.is(200, json!({ "status": "abandoned", "missing_fields": [], "supported_strategies": [] }));
        assert!(browser.get("/v1/client").await.at("/sign_up").is_null());
        browser.patch(&path, json!({ "first_name": "Ann" })).await.is_refused(422, "sign_up_abandoned");
        browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await.is_refused(422, "sign_up_abandoned");
        assert_eq!(answer(&browser, &open, "000000").await.status(), 422);
        let fresh = browser.post("/v1/client/sign-ups", json!({})).await;
        assert!(!path.ends_with(&fresh.str("/response/id")));
    }

    async fn an_attempt_of_another_browser_is_not_there(app: TestApp) {
        let (browser, stranger) = (app.anyone(), app.browser().await);
        let path = open_sign_up(&browser, "ann@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;
        let code = app.last_code("ann@example.com").await;

        stranger.get(&path).await.is_refused(404, "sign_up_not_found");
        stranger.patch(&path, json!({ "first_name": "Eve" })).await.is_refused(404, "sign_up_not_found");
        stranger.get(&open).await.is_refused(404, "sign_up_not_found");
        answer(&stranger, &open, &code).await.is_refused(404, "sign_up_not_found");
        app.anyone().get(&path).await.is_refused(401, "client_not_found");
        answer(&browser, &open, &code).await.has_status(200);
    }

    async fn a_challenge_of_another_attempt_is_not_there(app: TestApp) {
        let (browser, other) = (app.anyone(), app.anyone());
        let mine = open_sign_up(&browser, "ann@example.com").await;
        let theirs = open_sign_up(&other, "bob@example.com").await;
        let open = challenge(&other, &theirs, "email_code").await;
        let id = open.rsplit('/').next().expect("a path has an end");

        browser.get(format!("{mine}/challenges/{id}")).await.is_refused(404, "challenge_not_found");
        let code = app.last_code("bob@example.com").await;
        answer(&browser, &format!("{mine}/challenges/{id}"), &code).await.is_refused(404, "challenge_not_found");
    }

    async fn a_person_signs_up_beside_somebody_who_is_signed_in(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(std::time::Duration::from_secs(1));

        let path = open_sign_up(&alice, "ann@example.com").await;
        let open = challenge(&alice, &path, "email_code").await;
        let done = answer(&alice, &open, &app.last_code("ann@example.com").await).await;

        assert_eq!(done.at("/client/sessions").as_array().map(Vec::len), Some(2));
        assert_eq!(done.at("/client/last_active_session_id"), done.at("/client/sessions/0/id"));
        alice.get("/v1/me").await.is(200, json!({ "email_addresses": [{ "email_address": "ann@example.com" }] }));
    }
}
