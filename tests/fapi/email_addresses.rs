//! A person's own addresses.

use super::steps::{answer, challenge, other_than, try_password};
use serde_json::json;
use testkit::{SignedInUser, TestApp, both, minutes};

async fn add(user: &SignedInUser, email: &str) -> String {
    let reply = user.post("/v1/me/email-addresses", json!({ "email_address": email })).await;
    reply.has_status(200);
    format!("/v1/me/email-addresses/{}", reply.str("/response/id"))
}

async fn prove(app: &TestApp, user: &SignedInUser, address: &str, email: &str) {
    let open = challenge(user, address, "email_code").await;
    answer(user, &open, &app.last_code(email).await).await.has_status(200);
}

both! {
    async fn an_address_is_added_unproven_and_proven_by_its_code(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.skip_events().await;

        let added = alice.post("/v1/me/email-addresses", json!({ "email_address": " New@Example.com " })).await;

        added.is(200, json!({
            "response": { "object": "email_address", "email_address": "new@example.com", "verified": false, "linked_to": [], "current_challenge_id": null },
            "client": { "sessions": [{ "id": alice.session }] },
        }));
        let path = format!("/v1/me/email-addresses/{}", added.str("/response/id"));
        let open = challenge(&alice, &path, "email_code").await;
        alice.get(&open).await.is(200, json!({
            "status": "pending", "step": "single", "email_address_id": added.str("/response/id"), "sign_in_id": null, "sign_up_id": null,
        }));
        assert!(alice.get(&path).await.at("/current_challenge_id").is_string());
        let done = answer(&alice, &open, &app.last_code("new@example.com").await).await;

        done.is(200, json!({ "response": { "status": "verified" } }));
        alice.get(&path).await.is(200, json!({ "verified": true, "current_challenge_id": null }));
        alice.get("/v1/me").await.is(200, json!({ "primary_email_address_id": alice.user.email_id }));
        let list = alice.get("/v1/me/email-addresses").await;
        list.is(200, json!([{ "email_address": alice.user.email }, { "email_address": "new@example.com" }]));
        try_password(&app.anyone(), "new@example.com", &alice.user.password).await.has_status(200);
        assert_eq!(app.events().await, ["user.updated", "email.created", "user.updated", "session.created"]);
    }

    async fn wrong_late_and_replaced_codes_prove_nothing(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let path = add(&alice, "new@example.com").await;
        let first = challenge(&alice, &path, "email_code").await;
        let first_code = app.last_code("new@example.com").await;
        answer(&alice, &first, &other_than(&first_code)).await.is_refused(422, "form_code_incorrect");
        let second = challenge(&alice, &path, "email_code").await;
        let second_code = app.last_code("new@example.com").await;
        answer(&alice, &first, &first_code).await.is_refused(422, "verification_expired");
        app.advance(minutes(10));
        answer(&alice, &second, &second_code).await.is_refused(422, "verification_expired");
        alice.get(&path).await.is(200, json!({ "verified": false }));
        let third = challenge(&alice, &path, "email_code").await;
        let code = app.last_code("new@example.com").await;
        answer(&alice, &third, &code).await.has_status(200);
        answer(&alice, &third, &code).await.is_refused(422, "verification_already_verified");
        alice.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await.is_refused(422, "verification_already_verified");
    }

    async fn only_codes_prove_an_address(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let path = add(&alice, "new@example.com").await;
        for strategy in ["password", "phone_code", "x"] {
            alice.post(format!("{path}/challenges"), json!({ "strategy": strategy })).await.is_refused(422, "strategy_not_supported");
        }
        let open = challenge(&alice, &path, "email_code").await;
        alice.post(format!("{open}/answer"), json!({})).await.is_refused_for(422, "form_param_nil", "code");
    }

    async fn an_own_address_is_not_added_twice_and_a_bad_one_not_at_all(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let add = |email: &str| alice.post("/v1/me/email-addresses", json!({ "email_address": email }));

        add(&alice.user.email).await.is_refused_for(422, "form_identifier_exists", "email_address");
        add("new@example.com").await.has_status(200);
        add("NEW@example.com").await.is_refused(422, "form_identifier_exists");
        add("nothing").await.is_refused_for(422, "form_param_format_invalid", "email_address");
        alice.post("/v1/me/email-addresses", json!({})).await.is_refused_for(422, "form_param_nil", "email_address");
    }

    async fn anothers_address_is_taken_in_quietly_and_never_proven(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").created().await);

        let path = add(&alice, &bob.email).await;
        let open = challenge(&alice, &path, "email_code").await;

        let mails = app.mails_to(&bob.email).await;
        assert_eq!(mails.last().and_then(|mail| mail.code.clone()), None, "its owner is told, and gets no code");
        answer(&alice, &open, "123456").await.is_refused(422, "form_code_incorrect");
        alice.get(&path).await.is(200, json!({ "verified": false }));
        try_password(&app.anyone(), &bob.email, &bob.password).await.is(200, json!({ "client": { "sessions": [{ "user_id": bob.id }] } }));
        try_password(&app.anyone(), &bob.email, &alice.user.password).await.is_refused(422, "form_password_incorrect");
    }

    async fn without_protection_anothers_address_is_said_to_be_taken(app: TestApp) {
        app.settings(|s| s.attack_protection.enumeration_protection = false).await;
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").created().await);
        alice.post("/v1/me/email-addresses", json!({ "email_address": bob.email })).await
            .is_refused_for(422, "form_identifier_exists", "email_address");
    }

    async fn whoever_proves_an_address_first_has_it_and_squatters_lose_theirs(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);
        let squatted = add(&alice, "shared@example.com").await;
        let mine = add(&bob, "shared@example.com").await;

        prove(&app, &bob, &mine, "shared@example.com").await;

        alice.get(&squatted).await.is_refused(404, "email_not_found");
        alice.get("/v1/me").await.is(200, json!({ "email_addresses": [{ "email_address": alice.user.email }] }));
        try_password(&app.anyone(), "shared@example.com", &bob.user.password).await.has_status(200);
    }

    async fn of_two_with_a_code_for_one_address_one_proves_it(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);
        let (a, b) = (add(&alice, "shared@example.com").await, add(&bob, "shared@example.com").await);
        let open_a = challenge(&alice, &a, "email_code").await;
        let code_a = app.last_code("shared@example.com").await;
        let open_b = challenge(&bob, &b, "email_code").await;
        let code_b = app.last_code("shared@example.com").await;

        answer(&alice, &open_a, &code_a).await.has_status(200);

        bob.get(&open_b).await.is(200, json!({ "status": "failed", "error": { "code": "form_identifier_exists" } }));
        answer(&bob, &open_b, &code_b).await.is_refused(422, "form_identifier_exists");
        bob.get(&b).await.is_refused(404, "email_not_found");
        alice.get(&open_b).await.is_refused(404, "email_not_found");
    }

    async fn a_new_primary_address_is_told_to_the_old_one(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let path = add(&alice, "new@example.com").await;
        alice.patch(&path, json!({ "primary": true })).await.is_refused(422, "email_not_verified");
        prove(&app, &alice, &path, "new@example.com").await;
        app.skip_events().await;

        let changed = alice.patch(&path, json!({ "primary": true })).await;

        changed.is(200, json!({ "response": { "email_address": "new@example.com" } }));
        alice.get("/v1/me").await.is(200, json!({ "primary_email_address_id": changed.str("/response/id") }));
        let mails = app.mails_to(&alice.user.email).await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].text.contains("no longer the primary"));
        assert_eq!(app.events().await, ["email.created", "user.updated"]);
        alice.patch(&path, json!({ "is_primary": true })).await.has_status(200);
        alice.patch(&path, json!({ "primary": false })).await.is_refused(422, "form_param_value_invalid");
        let old = format!("/v1/me/email-addresses/{}", alice.user.email_id);
        alice.patch(&old, json!({ "primary": false })).await.has_status(200);
        assert_eq!(app.mails_to(&alice.user.email).await.len(), 1, "told once");
    }

    async fn the_primary_and_the_last_address_stay(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let primary = format!("/v1/me/email-addresses/{}", alice.user.email_id);
        alice.delete(&primary).await.is_refused(422, "last_identifier_not_removable");
        let path = add(&alice, "new@example.com").await;
        alice.delete(&primary).await.is_refused(422, "primary_email_not_removable");

        prove(&app, &alice, &path, "new@example.com").await;
        alice.patch(&path, json!({ "primary": true })).await.has_status(200);
        alice.delete(&primary).await.is(200, json!({ "response": { "id": alice.user.email_id, "email_address": alice.user.email } }));

        alice.get(&primary).await.is_refused(404, "email_not_found");
        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.is_refused(422, "form_password_incorrect");
        // it is free for somebody else
        app.bapi().post("/v1/users", json!({ "email_address": [alice.user.email], "password": crate::fapi::steps::PASSWORD })).await.has_status(201);
    }

    async fn a_removed_address_takes_its_challenge_along(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let path = add(&alice, "new@example.com").await;
        let open = challenge(&alice, &path, "email_code").await;
        let code = app.last_code("new@example.com").await;

        alice.delete(&path).await.has_status(200);

        answer(&alice, &open, &code).await.is_refused(404, "email_not_found");
        let again = add(&alice, "new@example.com").await;
        let id = open.rsplit('/').next().expect("a path has an end");
        answer(&alice, &format!("{again}/challenges/{id}"), &code).await.is_refused(404, "challenge_not_found");
    }

    async fn anothers_address_is_not_there(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);
        let path = format!("/v1/me/email-addresses/{}", bob.user.email_id);

        alice.get(&path).await.is_refused(404, "email_not_found");
        alice.patch(&path, json!({ "primary": true })).await.is_refused(404, "email_not_found");
        alice.delete(&path).await.is_refused(404, "email_not_found");
        alice.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await.is_refused(404, "email_not_found");
    }

    async fn a_test_address_is_proven_by_the_fixed_code(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let path = add(&alice, "alice+authn_test@example.com").await;
        let open = challenge(&alice, &path, "email_code").await;
        answer(&alice, &open, "424242").await.has_status(200);
        assert_eq!(app.mails().await.len(), 0);
        app.settings(|s| s.test_mode = Some(domain::settings::TestMode::Rejected)).await;
        alice.post("/v1/me/email-addresses", json!({ "email_address": "b+authn_test@example.com" })).await
            .is_refused(422, "test_identifier_forbidden");
    }
}
