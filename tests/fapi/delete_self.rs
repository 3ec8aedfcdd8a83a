//! What people take away of their own account: the password, and all of it.

use super::steps::{PASSWORD, try_password};
use serde_json::json;
use testkit::{TestApp, both, minutes};

both! {
    async fn a_person_deletes_the_account_and_every_session_ends(app: TestApp) {
        for by_post in [false, true] {
            let name = if by_post { "post" } else { "delete" };
            let home = app.user(name).signed_in().await;
            let office = app.user(name).signed_in().await;
            app.skip_events().await;

            let gone = match by_post {
                true => home.post("/v1/me/delete-self", json!({ "confirmation": home.id() })).await,
                false => home.delete("/v1/me").await,
            };

            gone.is(200, json!({ "response": { "id": home.id(), "object": "user" }, "client": { "sessions": [] } }));
            assert!(gone.set_cookie("__session").is_some_and(|cookie| cookie.clears()));
            assert_eq!(app.events().await, ["session.revoked", "session.revoked", "user.deleted"]);
            home.get("/v1/me").await.has_status(401);
            office.get("/v1/me").await.has_status(401);
            app.bapi().get(format!("/v1/users/{}", home.id())).await.is_refused(404, "user_not_found");
            try_password(&app.anyone(), &home.user.email, &home.user.password).await.is_refused(422, "form_password_incorrect");
            // The address is free again.
            let body = json!({ "email_address": [home.user.email], "password": PASSWORD });
            app.bapi().post("/v1/users", body).await.has_status(201);
        }
    }

    async fn a_wrong_confirmation_deletes_nothing(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").created().await);
        for wrong in ["yes", "delete", bob.id.as_str()] {
            alice.post("/v1/me/delete-self", json!({ "confirmation": wrong })).await.is_refused_for(422, "form_param_format_invalid", "confirmation");
            alice.delete("/v1/me").json(json!({ "confirmation": wrong })).await.is_refused_for(422, "form_param_format_invalid", "confirmation");
        }
        alice.get("/v1/me").await.is(200, json!({ "delete_self_enabled": true }));
    }

    async fn where_accounts_are_not_deleted_they_stay(app: TestApp) {
        app.settings(|s| s.delete_self_enabled = false).await;
        let alice = app.user("alice").signed_in().await;
        alice.delete("/v1/me").await.is_refused(403, "delete_self_disabled");
        alice.post("/v1/me/delete-self", json!({})).await.is_refused(403, "delete_self_disabled");
        alice.get("/v1/me").await.is(200, json!({ "delete_self_enabled": false }));
    }

    async fn an_account_is_not_deleted_without_a_factor_proven_lately(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(minutes(11));
        alice.delete("/v1/me").await.is_refused(403, "reverification_required");
        alice.post("/v1/me/delete-self", json!({})).await.is_refused(403, "reverification_required");
        alice.delete("/v1/me/password").json(json!({ "current_password": alice.user.password })).await
            .is_refused(403, "reverification_required");
        alice.get("/v1/me").await.is(200, json!({ "password_enabled": true }));
    }

    async fn a_password_is_removed_where_there_is_another_way_in(app: TestApp) {
        app.settings(|s| s.attribute_settings.password.required = false).await;
        let alice = app.user("alice").signed_in().await;
        let remove = |current: &str| alice.delete("/v1/me/password").json(json!({ "current_password": current }));

        remove("wrong words").await.is_refused_for(422, "form_password_incorrect", "current_password");
        let gone = remove(&alice.user.password).await;

        gone.is(200, json!({ "response": { "password_enabled": false } }));
        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.is_refused(422, "form_password_incorrect");
        let mails = app.mails_to(&alice.user.email).await;
        assert_eq!(mails.iter().map(|m| m.template_slug.as_str()).collect::<Vec<_>>(), ["password_removed"]);
        remove(&alice.user.password).await.is_refused(422, "password_not_set");
    }

    async fn a_password_stays_where_it_is_needed(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let remove = || alice.delete("/v1/me/password").json(json!({ "current_password": alice.user.password }));
        app.settings(|s| s.attribute_settings.password.required = true).await;
        remove().await.is_refused(422, "password_required");
        app.settings(|s| {
            s.attribute_settings.password.required = false;
            s.attribute_settings.email_address.verifications.clear();
        }).await;
        remove().await.is_refused(422, "last_sign_in_method_not_removable");
        alice.get("/v1/me").await.is(200, json!({ "password_enabled": true }));
    }

    async fn a_step_up_names_the_mailbox_only_when_it_is_proven(app: TestApp) {
        app.settings(|s| {
            s.attribute_settings.email_address.verify_at_sign_up = false;
            s.attack_protection.enumeration_protection = false;
        }).await;
        let (ann, bob) = (app.anyone(), app.user("bob").signed_in().await);
        crate::fapi::steps::open_sign_up(&ann, "ann@example.com").await;
        app.advance(minutes(11));
        for (browser, ways) in [(&ann, json!(["password"])), (&bob.browser, json!(["password", "email_code"]))] {
            let refused = browser.delete("/v1/me").await;
            refused.is_refused(403, "reverification_required");
            assert_eq!(refused.at("/errors/0/meta/strategies"), &ways);
        }
    }

    async fn where_the_terms_must_be_accepted_nobody_signs_up_without(app: TestApp) {
        app.settings(|s| s.require_legal_accepted = true).await;
        let browser = app.anyone();
        let body = json!({ "email_address": "ann@example.com", "password": PASSWORD });
        for accepted in [None, Some(false)] {
            let mut body = body.clone();
            if let Some(accepted) = accepted {
                body["legal_accepted"] = json!(accepted);
            }
            browser.post("/v1/client/sign-ups", body).await.is_refused_for(422, "legal_accepted_required", "legal_accepted");
        }
        let mut accepted = body.clone();
        accepted["legal_accepted"] = json!(true);

        let begun = browser.post("/v1/client/sign-ups", accepted).await;

        begun.is(200, json!({ "response": { "missing_fields": [] } }));
        assert!(begun.at("/response/required_fields").as_array().is_some_and(|all| all.contains(&json!("legal_accepted"))));
        let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
        browser.patch(&path, json!({ "legal_accepted": false })).await.is_refused(422, "legal_accepted_required");
        let open = crate::fapi::steps::challenge(&browser, &path, "email_code").await;
        crate::fapi::steps::answer(&browser, &open, &app.last_code("ann@example.com").await).await.has_status(200);
        browser.get("/v1/me").await.has_status(200);
    }
}
