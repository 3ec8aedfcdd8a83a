//! A person who is deleted.

use crate::fapi::steps::{PASSWORD, answer, challenge, open_sign_in, try_password};
use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn nothing_of_a_deleted_person_is_left_but_the_identifiers_are_free(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.bapi().patch(format!("/v1/users/{}", alice.id()), json!({ "username": "alice_l", "external_id": "crm-1" })).await.has_status(200);
        let program = alice.bearer().await;
        app.skip_events().await;

        let gone = app.bapi().delete(format!("/v1/users/{}", alice.id())).await;

        gone.has_status(204);
        assert_eq!(gone.text(), "");
        assert_eq!(app.events().await, ["session.revoked", "user.deleted"]);
        for path in ["", "/sessions"] {
            app.bapi().get(format!("/v1/users/{}{path}", alice.id())).await.is_refused(404, "user_not_found");
        }
        for path in ["ban", "unban", "unlock", "lock"] {
            app.bapi().post(format!("/v1/users/{}/{path}", alice.id()), json!({})).await.is_refused(404, "user_not_found");
        }
        app.bapi().delete(format!("/v1/users/{}", alice.id())).await.is_refused(404, "user_not_found");
        app.bapi().get(format!("/v1/email-addresses/{}", alice.user.email_id)).await.is_refused(404, "email_not_found");
        assert_eq!(app.bapi().get("/v1/users").await.at("/total_count"), 0);
        program.get("/v1/me").await.is_refused(401, "session_revoked");
        alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.is_refused(401, "session_revoked");
        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.is_refused(422, "form_password_incorrect");

        // somebody new has them, and is somebody else
        let body = json!({ "email_address": [alice.user.email], "username": "alice_l", "external_id": "crm-1", "password": PASSWORD });
        let made = app.bapi().post("/v1/users", body).await;
        made.has_status(201);
        assert_ne!(made.str("/id"), alice.id());
        program.get("/v1/me").await.is_refused(401, "session_revoked");
        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.is_refused(422, "form_password_incorrect");
        try_password(&app.anyone(), &alice.user.email, PASSWORD).await.has_status(200);
    }

    async fn a_code_that_was_mailed_before_opens_nothing_of_whoever_comes_after(app: TestApp) {
        let alice = app.user("alice").created().await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.email).await;
        let open = challenge(&browser, &path, "email_code").await;
        let code = app.last_code(&alice.email).await;

        app.bapi().delete(format!("/v1/users/{}", alice.id)).await.has_status(204);

        let refused = answer(&browser, &open, &code).await;
        assert_eq!(refused.status(), 422, "{}", refused.text());
        browser.get("/v1/client").await.is(200, json!({ "sessions": [] }));
    }

    async fn no_kept_answer_tells_of_a_deleted_persons_address_number_or_passkey(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        let key = alice.enrols(&mut device).await;
        let address = json!({ "user_id": alice.id(), "email_address": "alice.other@example.com", "verified": true });
        let number = json!({ "user_id": alice.id(), "phone_number": "+16502530000", "verified": true });
        let again = async || {
            let backend = app.bapi();
            [
                backend.post("/v1/email-addresses", address.clone()).idempotency_key("address").await,
                backend.post("/v1/phone-numbers", number.clone()).idempotency_key("number").await,
                backend.patch(format!("/v1/passkeys/{key}"), json!({ "nickname": "Phone" })).idempotency_key("passkey").await,
                backend.post_empty(format!("/v1/users/{}/unlock", alice.id())).idempotency_key("person").await,
            ]
        };
        let first = again().await.map(|reply| reply.text());
        assert_eq!(again().await.map(|reply| reply.text()), first, "the answers are kept");

        app.bapi().delete(format!("/v1/users/{}", alice.id())).await.has_status(204);

        for reply in again().await {
            assert!([404, 422].contains(&reply.status()), "{}", reply.text());
            assert!(!reply.text().contains("alice.other") && !reply.text().contains("+1650253"), "{}", reply.text());
        }
    }

    async fn of_many_who_delete_one_person_one_does(app: TestApp) {
        let alice = app.user("alice").created().await;
        let backend = app.bapi();
        let replies = testkit::race(8, |_| backend.delete(format!("/v1/users/{}", alice.id)).into_future()).await;
        assert_eq!(replies.iter().filter(|r| r.status() == 204).count(), 1);
        assert_eq!(replies.iter().filter(|r| r.status() == 404).count(), 7);
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
    }

    async fn a_person_who_signs_in_while_being_deleted_is_left_with_nothing(app: TestApp) {
        let alice = app.user("alice").created().await;
        let (browser, backend) = (app.anyone(), app.bapi());
        let replies = testkit::race(2, |i| {
            let (browser, backend, alice) = (browser.clone(), backend.clone(), alice.clone());
            async move {
                if i == 0 {
                    try_password(&browser, &alice.email, &alice.password).await
                } else {
                    backend.delete(format!("/v1/users/{}", alice.id)).await
                }
            }
        }).await;
        assert_eq!(replies[1].status(), 204);
        assert!(replies[0].status() < 500, "{}", replies[0].text());
        assert_eq!(browser.get("/v1/me").await.status(), 401);
        assert_eq!(app.bapi().get("/v1/sessions?status=active").await.at("/total_count"), 0);
    }
}
