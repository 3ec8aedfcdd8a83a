//! Which addresses may become somebody's.

use super::steps::PASSWORD;
use serde_json::json;
use testkit::{Reply, TestApp, both};

async fn restrict(app: &TestApp, change: serde_json::Value) -> Reply {
    app.bapi().patch("/v1/instance/restrictions", change).await
}

async fn sign_up(app: &TestApp, email: &str) -> Reply {
    app.anyone().post("/v1/client/sign-ups", json!({ "email_address": email, "password": PASSWORD })).await
}

both! {
    async fn a_throw_away_domain_is_refused_where_the_environment_says_so(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        sign_up(&app, "ann@mailinator.com").await.has_status(200);
        let changed = restrict(&app, json!({ "block_disposable_email_domains": true })).await;
        changed.is(200, json!({ "restrictions": { "block_disposable_email_domains": true, "blocklist_enabled": true } }));

        for email in ["ann@mailinator.com", "ANN@Mailinator.Com", "ann@inbox.mailinator.com"] {
            sign_up(&app, email).await.is_refused_for(422, "form_identifier_disposable", "email_address");
            let added = alice.post("/v1/me/email-addresses", json!({ "email_address": email })).await;
            added.is_refused_for(422, "form_identifier_disposable", "email_address");
        }
        sign_up(&app, "ann@mailinator.example").await.has_status(200);
        // A later change of an open sign-up is no way around it.
        let browser = app.anyone();
        let open = browser.post("/v1/client/sign-ups", json!({ "email_address": "ann@example.com" })).await.str("/response/id");
        let later = browser.patch(format!("/v1/client/sign-ups/{open}"), json!({ "email_address": "ann@mailinator.com" })).await;
        later.is_refused(422, "form_identifier_disposable");
        // Nor is a sign-in that found nobody.
        app.settings(|s| s.attack_protection.enumeration_protection = false).await;
        let browser = app.anyone();
        let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": "new@mailinator.com" })).await;
        begun.is(200, json!({ "response": { "status": "transferable" } }));
        browser.post("/v1/client/sign-ups", json!({ "transfer": true })).await
            .is_refused_for(422, "form_identifier_disposable", "email_address");
        browser.get("/v1/client").await.is(200, json!({ "sign_up": null, "sessions": [] }));
        // A backend's word passes the rules for people.
        let body = json!({ "email_address": ["ann@mailinator.com"], "password": PASSWORD });
        app.bapi().post("/v1/users", body).await.has_status(201);
    }

    async fn a_tagged_address_is_another_spelling_of_one_mailbox(app: TestApp) {
        restrict(&app, json!({ "block_email_subaddresses": true })).await.has_status(200);
        app.settings(|s| s.attack_protection.enumeration_protection = false).await;
        let alice = app.user("alice").created().await;
        let (local, domain) = alice.email.split_once('@').expect("an address");

        let tagged = sign_up(&app, &format!("{local}+shop@{domain}")).await;

        tagged.is(200, json!({ "response": { "status": "transferable" } }));
        sign_up(&app, &format!("{local}.other@{domain}")).await.is(200, json!({ "response": { "status": "missing_requirements" } }));
    }

    async fn a_change_of_the_rules_shuts_nobody_out(app: TestApp) {
        let people = ["ann+work@example.com", "b.o.b@gmail.com", "c.arl+x@gmail.com"];
        for email in people {
            app.bapi().post("/v1/users", json!({ "email_address": [email], "password": PASSWORD })).await.has_status(201);
        }
        for (tags, dots) in [(true, true), (true, false), (false, false), (false, true)] {
            let rules = json!({ "block_email_subaddresses": tags, "ignore_dots_for_gmail_addresses": dots });
            restrict(&app, rules).await.has_status(200);
            for email in people {
                let by_password = json!({ "identifier": email, "strategy": "password", "password": PASSWORD });
                let reply = app.anyone().post("/v1/client/sign-ins", by_password).await;
                reply.is(200, json!({ "response": { "status": "complete" } }));
                let browser = app.anyone();
                let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": email, "strategy": "email_code" })).await;
                let (id, challenge) = (begun.str("/response/id"), begun.str("/response/current_challenge_id"));
                let answer = json!({ "code": app.last_code(email).await });
                let path = format!("/v1/client/sign-ins/{id}/challenges/{challenge}/answer");
                browser.post(path, answer).await.is(200, json!({ "response": { "status": "verified" } }));
            }
            // Nor does anybody become a second person at the same address.
            app.settings(|s| s.attack_protection.enumeration_protection = false).await;
            for email in people {
                sign_up(&app, email).await.is(200, json!({ "response": { "status": "transferable" } }));
            }
            app.settings(|s| s.attack_protection.enumeration_protection = true).await;
        }
    }

    async fn both_doors_to_the_restrictions_lead_to_the_same_settings(app: TestApp) {
        let group = json!({ "restrictions": { "ignore_dots_for_gmail_addresses": false } });
        let by_group = app.bapi().patch("/v1/instance", group).await;
        assert_eq!(by_group.at("/restrictions/ignore_dots_for_gmail_addresses"), false);
        let by_path = restrict(&app, json!({ "allowlist_enabled": true })).await;
        by_path.is(200, json!({ "sign_up_modes": ["restricted"], "restrictions": { "ignore_dots_for_gmail_addresses": false, "allowlist_enabled": true } }));
        assert_eq!(app.bapi().get("/v1/instance").await.json(), by_path.json());
        restrict(&app, json!({ "allowlist_enabled": false })).await.is(200, json!({ "sign_up_modes": ["public"] }));
        restrict(&app, json!({ "nothing": true })).await.is_refused_for(422, "form_param_unknown", "nothing");
        restrict(&app, json!({ "allowlist_enabled": "yes" })).await.is_refused_for(422, "form_param_format_invalid", "allowlist_enabled");
    }
}
