//! What was taken away is gone at the next request, whatever cookies and tokens are still around.

use super::sign_up_by_code;
use serde_json::json;
use testkit::{SignedInUser, TestApp, both, minutes, race};

/// Neither the browser nor a backend gets another token, and the ones that are out there open nothing here.
async fn mints_nothing(app: &TestApp, gone: &SignedInUser, stolen: &testkit::Caller, token: &str) {
    let mint = format!("/v1/client/sessions/{}/tokens", gone.session);
    for browser in [&gone.browser, stolen] {
        let reply = browser.post_empty(&mint).await;
        assert!([401, 404].contains(&reply.status()), "{} {}", reply.status(), reply.text());
        assert!(reply.json().get("jwt").is_none());
    }
    let backend = app.bapi().post_empty(format!("/v1/sessions/{}/tokens", gone.session)).await;
    assert!(backend.status() >= 400 && backend.status() < 500, "{} {}", backend.status(), backend.text());
    let bearer = gone.get("/v1/me").without_cookies().bearer(token).await;
    bearer.has_status(401);
    stolen.get("/v1/me").await.has_status(401);
    stolen.patch("/v1/me", json!({ "first_name": "Mallory" })).await.has_status(401);
}

both! {
    async fn whatever_ends_a_session_ends_its_tokens_at_once(app: TestApp) {
        for (i, how) in ["end", "remove", "client", "renew", "revoke", "ban", "lock", "delete", "password"].iter().enumerate() {
            let name = format!("user{i}");
            let person = app.user(&name).signed_in().await;
            let (stolen, token) = (person.stolen(), person.token().await);
            let user = format!("/v1/users/{}", person.id());

            match *how {
                "end" | "remove" => person.post_empty(format!("/v1/client/sessions/{}/{how}", person.session)).await,
                "client" => person.delete("/v1/client").await,
                "renew" => person.put_empty("/v1/client").await,
                "revoke" => app.bapi().post_empty(format!("/v1/sessions/{}/revoke", person.session)).await,
                "ban" | "lock" => app.bapi().post_empty(format!("{user}/{how}")).await,
                "delete" => app.bapi().delete(&user).await,
                _ => {
                    let other = app.user(&name).signed_in().await;
                    let body = json!({ "current_password": person.user.password, "new_password": "quite another passphrase" });
                    other.post("/v1/me/change-password", body).await
                }
            };

            mints_nothing(&app, &person, &stolen, &token).await;
        }
    }

    async fn no_token_is_minted_after_the_answer_to_a_revocation(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let mint = format!("/v1/client/sessions/{}/tokens", alice.session);
        let revoke = format!("/v1/sessions/{}/revoke", alice.session);
        let bapi = app.bapi();

        let replies = race(51, |i| {
            let (alice, bapi, mint, revoke) = (alice.stolen(), bapi.clone(), mint.clone(), revoke.clone());
            async move {
                if i != 10 {
                    alice.post_empty(mint).await;
                    return Vec::new();
                }
                bapi.post_empty(revoke).await.has_status(200);
                // From here on, while forty others are still under way.
                let mut late = Vec::new();
                for _ in 0..10 {
                    late.push(alice.post_empty(&mint).await.status());
                }
                late
            }
        })
        .await;

        assert_eq!(replies[10], [401; 10]);
    }

    async fn an_unban_does_not_bring_sessions_back(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let token = alice.token().await;
        for (take, give) in [("ban", "unban"), ("lock", "unlock")] {
            app.bapi().post_empty(format!("/v1/users/{}/{take}", alice.id())).await.has_status(200);
            app.bapi().post_empty(format!("/v1/users/{}/{give}", alice.id())).await.has_status(200);
            mints_nothing(&app, &alice, &alice.stolen(), &token).await;
        }
    }

    async fn a_session_token_is_refused_when_its_time_is_over(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let token = alice.token().await;
        alice.get("/v1/me").without_cookies().bearer(&token).await.has_status(200);

        app.advance(minutes(1));

        let late = alice.get("/v1/me").without_cookies().bearer(&token).await;
        late.is_refused(401, "session_token_invalid");
    }

    async fn a_session_ends_at_its_time_however_busy_it_is(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        for _ in 0..8 {
            app.advance(testkit::hours(24));
            alice.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await;
        }
        let token = alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await;
        token.is_refused(401, "session_revoked");
        alice.get("/v1/me").await.has_status(401);
    }

    async fn a_deleted_person_is_gone_and_the_address_is_free(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.bapi().delete(format!("/v1/users/{}", alice.id())).await.has_status(204);

        let again = app.anyone();
        let attempt = sign_up_by_code(&again, &alice.user.email).await;
        attempt.answer(&again, &app.last_code(&alice.user.email).await).await.has_status(200);

        let heir = again.get("/v1/me").await;
        assert_ne!(heir.str("/id"), alice.id(), "an id is never anybody else's");
        alice.get("/v1/me").await.has_status(401);
    }
}
