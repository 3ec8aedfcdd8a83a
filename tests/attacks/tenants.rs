//! Another tenant's objects do not exist, named in a path, a body, a filter or a key. The whole matrix is walked by
//! the contract tests; here stand the ways around it.

use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn ids_of_another_environment_in_a_body_name_nothing(app: TestApp) {
        let other = app.second_environment().await;
        let (ours, theirs) = (app.user("alice").created().await, app.user_of(&other, "bob").created().await);
        let bapi = app.bapi();

        let body = json!({ "user_id": theirs.id, "email_address": "mallory@example.com", "verified": true });
        bapi.post("/v1/email-addresses", body).await.is_refused(404, "user_not_found");
        let foreign_primary = json!({ "primary_email_address_id": theirs.email_id });
        let reply = bapi.patch(format!("/v1/users/{}", ours.id), foreign_primary).await;
        assert!((400..500).contains(&reply.status()), "{}", reply.text());
        bapi.patch(format!("/v1/email-addresses/{}", theirs.email_id), json!({ "primary": true })).await.has_status(404);
        let guess = json!({ "password": theirs.password });
        bapi.post(format!("/v1/users/{}/verify-password", theirs.id), guess).await.is_refused(404, "user_not_found");

        let still = app.bapi_of(&other).get(format!("/v1/users/{}", theirs.id)).await;
        still.is(200, json!({ "primary_email_address_id": theirs.email_id, "email_addresses": [{ "id": theirs.email_id }] }));
        let ours = app.bapi().get(format!("/v1/users/{}", ours.id)).await;
        ours.is(200, json!({ "primary_email_address_id": ours.str("/email_addresses/0/id") }));
    }

    async fn an_address_of_another_person_cannot_become_ones_own(app: TestApp) {
        let (alice, bob) = (app.user("alice").created().await, app.user("bob").signed_in().await);
        let foreign = json!({ "primary_email_address_id": alice.email_id });
        let reply = app.bapi().patch(format!("/v1/users/{}", bob.id()), foreign).await;
        assert!((400..500).contains(&reply.status()), "{}", reply.text());
        bob.patch(format!("/v1/me/email-addresses/{}", alice.email_id), json!({ "primary": true })).await.has_status(404);
        bob.delete(format!("/v1/me/email-addresses/{}", alice.email_id)).await.has_status(404);
        let body = json!({ "strategy": "email_code", "email_address_id": alice.email_id });
        let step_up = bob.post(format!("/v1/client/sessions/{}/challenges", bob.session), body).await;
        assert!((400..500).contains(&step_up.status()), "{}", step_up.text());
        assert!(app.mails_to(&alice.email).await.is_empty());
    }

    async fn one_idempotency_key_in_two_environments_is_two(app: TestApp) {
        let other = app.second_environment().await;
        let body = json!({ "email_address": ["same@example.com"], "password": "a passphrase of theirs" });

        let ours = app.bapi().post("/v1/users", body.clone()).idempotency_key("k").await;
        let theirs = app.bapi_of(&other).post("/v1/users", body).idempotency_key("k").await;

        assert_ne!(ours.has_status(201).str("/id"), theirs.has_status(201).str("/id"));
        app.bapi().get(format!("/v1/users/{}", theirs.str("/id"))).await.has_status(404);
    }

    async fn the_same_address_in_two_environments_is_two_people(app: TestApp) {
        let other = app.second_environment().await;
        let (here, there) = (app.user("alice").created().await, app.user_of(&other, "alice").signed_in().await);
        let body = json!({ "identifier": here.email, "strategy": "password", "password": "not her password" });
        app.settings(|s| s.attack_protection.brute_force.max_attempts = 2).await;
        for _ in 0..3 {
            app.anyone().post("/v1/client/sign-ins", body.clone()).await;
        }

        // Neither a lock nor a ban nor an end of one reaches the other.
        app.bapi().post_empty(format!("/v1/users/{}/ban", here.id)).await.has_status(200);
        app.bapi().delete(format!("/v1/users/{}", here.id)).await.has_status(204);

        there.get("/v1/me").await.is(200, json!({ "id": there.id() }));
        app.user_of(&other, "alice").signed_in().await;
    }

    async fn lists_and_counts_are_of_one_environment(app: TestApp) {
        let other = app.second_environment().await;
        let bob = app.user_of(&other, "bob").signed_in().await;
        for query in [
            format!("user_id={}", bob.id()),
            format!("email_address={}", bob.user.email),
            "query=bob".to_owned(),
            "created_at_after=0".to_owned(),
        ] {
            app.bapi().get(format!("/v1/users?{query}")).await.is(200, json!({ "data": [], "total_count": 0 }));
            app.bapi().get(format!("/v1/users/count?{query}")).await.is(200, json!({ "total_count": 0 }));
        }
        app.bapi().get(format!("/v1/sessions?user_id={}", bob.id())).await.is(200, json!({ "data": [] }));
        app.bapi().get(format!("/v1/users/{}/sessions", bob.id())).await.is_refused(404, "user_not_found");
        app.bapi().get("/v1/_ping").await.is(200, json!({ "environment_id": app.env.id.to_string() }));
    }
}
