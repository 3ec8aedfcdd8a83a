//! A flow is its steps in their order, on one client: none can be dropped, swapped or borrowed.

use super::{Attempt, address_by_code, ask_for_code, sign_in_by_code, sign_up_by_code};
use serde_json::json;
use testkit::{TestApp, both, minutes};

both! {
    async fn an_attempt_that_is_not_complete_is_no_session(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let mallory = app.anyone();
        let attempt = sign_in_by_code(&mallory, &alice.user.email).await;

        // Straight to the end, with every id that is known.
        mallory.get("/v1/me").await.has_status(401);
        mallory.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.has_status(404);
        mallory.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await.has_status(404);
        mallory.get(&attempt.path).await.is(200, json!({ "created_session_id": null }));
        for strategy in ["saml", "oauth_google", "totp", "backup_code", "", "PASSWORD"] {
            let reply = mallory.post(format!("{}/challenges", attempt.path), json!({ "strategy": strategy })).await;
            assert_eq!(reply.status(), 422, "{strategy}: {}", reply.text());
        }
        mallory.post(attempt.answer_path(), json!({})).await.is_refused_for(422, "form_param_nil", "code");
        let other = json!({ "password": "anything at all" });
        mallory.post(attempt.answer_path(), other).await.is_refused_for(422, "form_param_nil", "code");
        mallory.get("/v1/me").await.has_status(401);
    }

    async fn a_code_proves_the_attempt_it_was_asked_for_and_no_other(app: TestApp) {
        let (alice, mallory) = (app.user("alice").created().await, app.user("mallory").created().await);
        let browser = app.anyone();
        let own = sign_in_by_code(&browser, &mallory.email).await;
        let code = app.last_code(&mallory.email).await;
        let victims = sign_in_by_code(&browser, &alice.email).await;

        // Mallory's proof under the attempt for Alice, and the code of one under the challenge of the other.
        let swapped = Attempt { path: victims.path.clone(), challenge: own.challenge.clone() };
        swapped.answer(&browser, &code).await.is_refused(404, "challenge_not_found");
        let refused = victims.answer(&browser, &code).await;
        assert!(refused.status() == 422, "{}", refused.text());
        // The attempt that was left is over.
        let late = own.answer(&browser, &code).await;
        assert!(late.status() >= 400, "{}", late.text());
        browser.get("/v1/me").await.has_status(401);
    }

    async fn an_attempt_of_another_client_does_not_exist(app: TestApp) {
        let alice = app.user("alice").created().await;
        let hers = app.anyone();
        let attempt = sign_in_by_code(&hers, &alice.email).await;
        let code = app.last_code(&alice.email).await;
        let mallory = app.browser().await;

        attempt.answer(&mallory, &code).await.is_refused(404, "sign_in_not_found");
        mallory.get(&attempt.path).await.is_refused(404, "sign_in_not_found");
        mallory.get(format!("{}/challenges/{}", attempt.path, attempt.challenge)).await.has_status(404);
        let asked = mallory.post(format!("{}/challenges", attempt.path), json!({ "strategy": "email_code" })).await;
        asked.is_refused(404, "sign_in_not_found");
        // Under his own attempt her challenge does not exist either.
        let his = sign_in_by_code(&mallory, "mallory@example.com").await;
        let swapped = Attempt { path: his.path, challenge: attempt.challenge.clone() };
        swapped.answer(&mallory, &code).await.is_refused(404, "challenge_not_found");

        attempt.answer(&hers, &code).await.has_status(200);
        mallory.get("/v1/me").await.has_status(401);
    }

    async fn a_challenge_of_another_parent_does_not_exist(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        // One person, four parents, on one client.
        let sign_in = sign_in_by_code(&alice, &alice.user.email).await;
        let code = app.last_code(&alice.user.email).await;
        let sign_up = sign_up_by_code(&alice, "new@example.com").await;
        let address = address_by_code(&alice, "second@example.com").await;

        let step_up = ask_for_code(&alice, format!("/v1/client/sessions/{}", alice.session)).await;

        let all = [&sign_in, &sign_up, &address, &step_up];
        for (i, parent) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                if i != j {
                    let swapped = Attempt { path: parent.path.clone(), challenge: other.challenge.clone() };
                    swapped.answer(&alice, &code).await.is_refused(404, "challenge_not_found");
                    let path = format!("{}/challenges/{}", parent.path, other.challenge);
                    alice.get(path).await.is_refused(404, "challenge_not_found");
                }
            }
        }
    }

    async fn a_sign_up_proves_the_address_it_ends_with(app: TestApp) {
        let victim = "victim@example.com";
        let mallory = app.anyone();
        // Everything but the password, so that the proof does not complete it yet.
        let begun = mallory.post("/v1/client/sign-ups", json!({ "email_address": "mallory@example.com" })).await;
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        let attempt = ask_for_code(&mallory, path.clone()).await;
        let code = app.last_code("mallory@example.com").await;
        attempt.answer(&mallory, &code).await.has_status(200);

        let body = json!({ "email_address": victim, "password": "a passphrase of mallory" });
        let swapped = mallory.patch(&path, body).await;

        swapped.is(200, json!({ "response": { "status": "missing_requirements", "created_session_id": null } }));
        let again = attempt.answer(&mallory, &code).await;
        assert!(again.status() >= 400, "{}", again.text());
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
    }

    async fn a_code_for_the_address_before_does_not_prove_the_one_after(app: TestApp) {
        let mallory = app.anyone();
        let attempt = sign_up_by_code(&mallory, "mallory@example.com").await;
        let code = app.last_code("mallory@example.com").await;
        mallory.patch(&attempt.path, json!({ "email_address": "victim@example.com" })).await.has_status(200);

        let reply = attempt.answer(&mallory, &code).await;

        assert!(reply.status() >= 400, "{}", reply.text());
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
    }

    async fn a_sign_up_without_its_proof_is_nobody(app: TestApp) {
        let mallory = app.anyone();
        let body = json!({ "email_address": "victim@example.com", "password": "a passphrase of mallory" });
        let begun = mallory.post("/v1/client/sign-ups", body).await;
        begun.is(200, json!({ "response": { "status": "missing_requirements", "created_user_id": null } }));
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        for strategy in ["password", "ticket", "oauth_google", "saml"] {
            let reply = mallory.post(format!("{path}/challenges"), json!({ "strategy": strategy })).await;
            assert_eq!(reply.status(), 422, "{strategy}: {}", reply.text());
        }
        mallory.patch(&path, json!({ "first_name": "Mallory" })).await.has_status(200);
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
        mallory.get("/v1/me").await.has_status(401);
    }

    async fn what_is_over_is_over(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let attempt = sign_in_by_code(&browser, &alice.email).await;
        let code = app.last_code(&alice.email).await;
        app.advance(minutes(10));
        attempt.answer(&browser, &code).await.is_refused(422, "verification_expired");

        // A newer code takes the place of the older one.
        let first = ask_for_code(&browser, attempt.path.clone()).await;
        let older = app.last_code(&alice.email).await;
        let second = ask_for_code(&browser, attempt.path.clone()).await;
        let newer = app.last_code(&alice.email).await;
        first.answer(&browser, &older).await.is_refused(422, "verification_expired");
        if older != newer {
            second.answer(&browser, &older).await.is_refused(422, "form_code_incorrect");
        }
        second.answer(&browser, &newer).await.has_status(200);
        second.answer(&browser, &newer).await.is_refused(422, "verification_already_verified");
        let asked = browser.post(format!("{}/challenges", attempt.path), json!({ "strategy": "password" })).await;
        asked.is_refused(422, "sign_in_already_complete");
    }

    async fn a_ban_stands_after_the_proof_and_a_lock_too(app: TestApp) {
        let alice = app.user("alice").created().await;
        for (action, code) in [("ban", "user_banned"), ("lock", "user_locked")] {
            app.bapi().post_empty(format!("/v1/users/{}/{action}", alice.id)).await.has_status(200);
            let browser = app.anyone();
            let attempt = sign_in_by_code(&browser, &alice.email).await;
            attempt.answer(&browser, &app.last_code(&alice.email).await).await.is_refused(403, code);
            let body = json!({ "identifier": alice.email, "strategy": "password", "password": alice.password });
            app.anyone().post("/v1/client/sign-ins", body).await.is_refused(403, code);
            browser.get("/v1/me").await.has_status(401);
            app.bapi().post_empty(format!("/v1/users/{}/un{action}", alice.id)).await.has_status(200);
        }
    }

    async fn a_step_up_is_of_the_session_it_was_asked_for(app: TestApp) {
        let (alice, mallory) = (app.user("alice").signed_in().await, app.user("mallory").signed_in().await);
        let other = app.user("alice").signed_in().await;
        let hers = ask_for_code(&alice, format!("/v1/client/sessions/{}", alice.session)).await;
        let code = app.last_code(&alice.user.email).await;
        app.advance(minutes(11));
        let late = hers.answer(&alice, &code).await;
        late.is_refused(422, "verification_expired");

        let hers = ask_for_code(&alice, format!("/v1/client/sessions/{}", alice.session)).await;
        let code = app.last_code(&alice.user.email).await;
        // Another person's browser, the person's other browser, and her challenge under another session.
        hers.answer(&mallory, &code).await.is_refused(404, "session_not_found");
        hers.answer(&other, &code).await.is_refused(404, "session_not_found");
        for thief in [&mallory, &other] {
            let swapped = Attempt { path: format!("/v1/client/sessions/{}", thief.session), challenge: hers.challenge.clone() };
            swapped.answer(thief, &code).await.is_refused(404, "challenge_not_found");
        }
        hers.answer(&alice, &code).await.has_status(200);
        hers.answer(&alice, &code).await.is_refused(422, "verification_already_verified");

        // Her own session is fresh; the other one is as stale as it was.
        let add = json!({ "email_address": "second@example.com" });
        alice.post("/v1/me/email-addresses", add.clone()).await.has_status(200);
        other.post("/v1/me/email-addresses", add).await.is_refused(403, "reverification_required");
    }

    async fn a_step_up_by_a_mailbox_that_is_gone_proves_nothing(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let added = address_by_code(&alice, "second@example.com").await;
        added.answer(&alice, &app.last_code("second@example.com").await).await.has_status(200);
        let body = json!({ "strategy": "email_code", "email_address_id": added.path.rsplit('/').next() });
        let path = format!("/v1/client/sessions/{}", alice.session);
        let asked = alice.post(format!("{path}/challenges"), body).await.str("/response/id");
        let code = app.last_code("second@example.com").await;
        alice.delete(&added.path).await.has_status(200);

        let reply = Attempt { path, challenge: asked }.answer(&alice, &code).await;

        assert_eq!(reply.status(), 422, "{}", reply.text());
    }
}
