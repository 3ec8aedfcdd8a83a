//! Backup codes: shown once, good once each.

use super::steps::{answer, challenge, try_password};
use serde_json::{Value, json};
use std::collections::HashSet;
use testkit::{AuthenticatorApp, Caller, Reply, TestApp, both, minutes};

/// Makes codes; the codes.
async fn generate(person: &Caller) -> Vec<String> {
    let reply = person.post_empty("/v1/me/backup-codes").await;
    let codes = reply.has_status(200).at("/response/codes").as_array().expect("a list").clone();
    codes.iter().map(|code| code.as_str().expect("a text").to_owned()).collect()
}

/// Begins a sign-in with the password and answers the second step with a backup code.
async fn sign_in_with(app: &TestApp, user: &testkit::KnownUser, code: &str) -> Reply {
    let browser = app.anyone();
    let begun = try_password(&browser, &user.email, &user.password).await;
    begun.is(200, json!({ "response": { "status": "needs_second_factor" } }));
    let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
    let open = challenge(&browser, &path, "backup_code").await;
    answer(&browser, &open, code).await
}

both! {
    async fn a_batch_is_shown_once_and_kept_as_keyed_hashes(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        alice.get("/v1/me/backup-codes").await.is(200, json!({ "count": 0, "codes": [], "generated_at": 0 }));
        app.skip_events().await;

        let made = alice.post_empty("/v1/me/backup-codes").await;

        made.is(200, json!({ "response": { "object": "backup_code_batch", "user_id": alice.id(), "count": 10 } }));
        let codes: HashSet<&str> = made.at("/response/codes").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(codes.len(), 10);
        alice.get("/v1/me/backup-codes").await.is(200, json!({ "count": 10, "codes": [], "generated_at": made.at("/response/generated_at") }));
        alice.get("/v1/me").await.is(200, json!({ "backup_code_enabled": true, "two_factor_enabled": true, "totp_enabled": false }));
        assert_eq!(app.events().await, ["user.updated", "email.created"]);
        let mails = app.mails_to(&alice.user.email).await;
        assert_eq!(mails.last().map(|mail| mail.template_slug.as_str()), Some("backup_codes_generated"));
        let kept = app.database_text().await;
        for code in codes {
            assert!(!kept.contains(code) && !kept.contains(&code.replace('-', "")), "no code is kept");
        }
    }

    async fn the_environment_says_how_many(app: TestApp) {
        app.settings(|s| s.multi_factor.backup_codes.default_count = 4).await;
        let alice = app.user("alice").signed_in().await;
        assert_eq!(generate(&alice).await.len(), 4);

        let bob = app.user("bob").signed_in().await;
        app.settings(|s| s.multi_factor.backup_codes.enabled = false).await;
        bob.post_empty("/v1/me/backup-codes").await.is_refused(422, "mfa_not_enabled");
        bob.delete("/v1/me/backup-codes").await.is(200, json!({ "response": { "count": 0, "codes": [] } }));
    }

    async fn a_code_is_typed_in_any_spelling_and_good_once(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let codes = generate(&alice).await;
        let spellings = [
            codes[0].clone(),
            codes[1].to_uppercase(),
            codes[2].replace('-', ""),
            format!("  {} ", codes[3]),
        ];
        for (i, typed) in spellings.iter().enumerate() {
            let done = sign_in_with(&app, &alice.user, typed).await;
            done.is(200, json!({ "response": { "status": "verified" }, "client": { "sign_in": null } }));
            alice.get("/v1/me/backup-codes").await.is(200, json!({ "count": 9 - i }));
        }
        for typed in &spellings {
            sign_in_with(&app, &alice.user, typed).await.is_refused(422, "form_code_already_used");
        }
        sign_in_with(&app, &alice.user, "zzzz-zzzz").await.is_refused(422, "form_code_incorrect");
        sign_in_with(&app, &alice.user, "not a code at all").await.is_refused(422, "form_code_incorrect");
    }

    async fn a_new_batch_takes_the_place_of_what_is_left(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        AuthenticatorApp::enrolled(&app, &alice).await;
        let old = generate(&alice).await;
        sign_in_with(&app, &alice.user, &old[0]).await.has_status(200);

        let new = generate(&alice).await;

        sign_in_with(&app, &alice.user, &old[1]).await.is_refused(422, "form_code_incorrect");
        sign_in_with(&app, &alice.user, &old[0]).await.is_refused(422, "form_code_already_used");
        sign_in_with(&app, &alice.user, &new[0]).await.has_status(200);
    }

    async fn with_the_last_code_the_factor_is_gone(app: TestApp) {
        app.settings(|s| s.multi_factor.backup_codes.default_count = 4).await;
        let alice = app.user("alice").signed_in().await;
        let codes = generate(&alice).await;
        for code in &codes[..3] {
            sign_in_with(&app, &alice.user, code).await.has_status(200);
        }
        alice.get("/v1/me").await.is(200, json!({ "backup_code_enabled": true }));
        app.skip_events().await;

        sign_in_with(&app, &alice.user, &codes[3]).await.has_status(200);

        alice.get("/v1/me").await.is(200, json!({ "backup_code_enabled": false, "two_factor_enabled": false }));
        let events = app.events().await;
        assert!(events.contains(&"user.updated".to_owned()) && events.contains(&"session.created".to_owned()), "{events:?}");
        let mails = app.mails_to(&alice.user.email).await;
        assert_eq!(mails.last().map(|mail| mail.template_slug.as_str()), Some("mfa_disabled"));
        app.user("alice").signed_in().await;
    }

    async fn removed_codes_open_nothing(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        AuthenticatorApp::enrolled(&app, &alice).await;
        let codes = generate(&alice).await;

        let gone = alice.delete("/v1/me/backup-codes").await;

        gone.is(200, json!({ "response": { "object": "backup_code_batch", "count": 0, "codes": [] } }));
        alice.get("/v1/me").await.is(200, json!({ "backup_code_enabled": false, "two_factor_enabled": true }));
        alice.delete("/v1/me/backup-codes").await.is(200, json!({ "response": { "count": 0 } }));
        let browser = app.anyone();
        let begun = try_password(&browser, &alice.user.email, &alice.user.password).await;
        let path = format!("/v1/client/sign-ins/{}/challenges", begun.str("/response/id"));
        browser.post(&path, json!({ "strategy": "backup_code", "code": codes[0] })).await
            .is_refused(422, "strategy_not_supported");
    }

    async fn a_code_asked_for_before_the_removal_opens_nothing_after_it(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        AuthenticatorApp::enrolled(&app, &alice).await;
        let codes = generate(&alice).await;
        let browser = app.anyone();
        let begun = try_password(&browser, &alice.user.email, &alice.user.password).await;
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let open = challenge(&browser, &path, "backup_code").await;

        alice.delete("/v1/me/backup-codes").await.has_status(200);

        answer(&browser, &open, &codes[0]).await.is_refused(422, "form_code_incorrect");
    }

    async fn each_change_needs_a_fresh_second_factor(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let codes = generate(&alice).await;
        // drawn, but never shown back: no proof
        let refused = alice.post_empty("/v1/me/backup-codes").await;
        refused.is_refused(403, "reverification_required");
        assert_eq!(refused.at("/errors/0/meta/strategies"), &json!(["backup_code"]));

        let path = format!("/v1/client/sessions/{}", alice.session);
        let open = challenge(&alice, &path, "backup_code").await;
        answer(&alice, &open, &codes[0]).await.is(200, json!({ "response": { "status": "verified", "step": "second" } }));

        alice.post_empty("/v1/me/backup-codes").await.has_status(200);
        app.advance(minutes(11));
        alice.delete("/v1/me/backup-codes").await.is_refused(403, "reverification_required");
        alice.get("/v1/me/backup-codes").await.is(200, json!({ "count": 10 }));
    }

    async fn codes_are_shown_once_whatever_is_repeated(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        AuthenticatorApp::enrolled(&app, &alice).await;
        let make = || alice.post_empty("/v1/me/backup-codes").idempotency_key("again");
        let (first, second) = (make().await, make().await);
        assert_ne!(first.has_status(200).at("/response/codes"), second.has_status(200).at("/response/codes"));
    }
}
