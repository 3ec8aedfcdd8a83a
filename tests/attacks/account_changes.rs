//! When the password or the e-mail address changes, whoever was in the account before is out.

use super::{address_by_code, sign_in_by_code};
use serde_json::json;
use testkit::{SignedInUser, TestApp, both, minutes};

const NEW: &str = "quite another passphrase";

fn change(current: &str) -> serde_json::Value {
    json!({ "current_password": current, "new_password": NEW })
}

fn about(mail: &outbound::InboxMessage, what: &str) -> bool {
    mail.subject.as_deref().is_some_and(|subject| subject.contains(what))
}

/// Nothing that this sign-in left behind opens anything.
async fn is_out(gone: &SignedInUser, token: &str) {
    gone.get("/v1/me").await.has_status(401);
    let bearer = gone.get("/v1/me").without_cookies().bearer(token).await;
    bearer.is_refused(401, "session_revoked");
    gone.post_empty(format!("/v1/client/sessions/{}/tokens", gone.session)).await.is_refused(401, "session_revoked");
    let touched = gone.post(format!("/v1/client/sessions/{}/touch", gone.session), json!({})).await;
    assert!(touched.status() >= 400, "{}", touched.text());
}

both! {
    async fn a_password_change_ends_every_other_session(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let (thief, other) = (app.user("alice").signed_in().await, app.user("alice").signed_in().await);
        let (stolen, lost) = (thief.token().await, other.token().await);

        alice.post("/v1/me/change-password", change(&alice.user.password)).await.has_status(200);

        is_out(&thief, &stolen).await;
        is_out(&other, &lost).await;
        alice.get("/v1/me").await.has_status(200);
        let told = app.mails_to(&alice.user.email).await;
        assert!(told.iter().any(|mail| about(mail, "password was changed")), "the owner hears of it");
    }

    async fn the_old_password_is_worth_nothing_after_a_change(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        // Begun before the change, answered after it.
        let early = app.anyone();
        let begun = early.post("/v1/client/sign-ins", json!({ "identifier": alice.user.email })).await;
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let issued = early.post(format!("{path}/challenges"), json!({ "strategy": "password" })).await;

        alice.post("/v1/me/change-password", change(&alice.user.password)).await.has_status(200);

        let answer = format!("{path}/challenges/{}/answer", issued.str("/response/id"));
        let late = early.post(answer, json!({ "password": alice.user.password })).await;
        late.is_refused(422, "form_password_incorrect");
        let old = json!({ "identifier": alice.user.email, "strategy": "password", "password": alice.user.password });
        app.anyone().post("/v1/client/sign-ins", old).await.is_refused(422, "form_password_incorrect");
        let new = json!({ "identifier": alice.user.email, "strategy": "password", "password": NEW });
        app.anyone().post("/v1/client/sign-ins", new).await.is(200, json!({ "response": { "status": "complete" } }));
    }

    async fn a_wrong_current_password_changes_nothing(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let other = app.user("alice").signed_in().await;

        let reply = alice.post("/v1/me/change-password", change("not my password")).await;

        reply.is_refused_for(422, "form_password_incorrect", "current_password");
        let missing = alice.post("/v1/me/change-password", json!({ "new_password": NEW })).await;
        missing.is_refused_for(422, "form_param_nil", "current_password");
        other.get("/v1/me").await.has_status(200);
        app.user("alice").signed_in().await;
        assert!(app.mails_to(&alice.user.email).await.is_empty());
    }

    async fn a_password_set_by_a_backend_can_end_every_session(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let token = alice.token().await;
        let body = json!({ "password": NEW, "sign_out_of_other_sessions": true });

        app.bapi().patch(format!("/v1/users/{}", alice.id()), body).await.has_status(200);

        is_out(&alice, &token).await;
    }

    async fn a_change_of_the_e_mail_address_ends_every_other_session_and_tells_the_old_one(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let thief = app.user("alice").signed_in().await;
        let stolen = thief.token().await;
        let added = address_by_code(&alice, "alice.new@example.com").await;
        added.answer(&alice, &app.last_code("alice.new@example.com").await).await.has_status(200);

        alice.patch(&added.path, json!({ "primary": true })).await.has_status(200);

        is_out(&thief, &stolen).await;
        alice.get("/v1/me").await.has_status(200);
        let told = app.mails_to(&alice.user.email).await;
        assert!(told.iter().any(|mail| about(mail, "address of your")), "the old mailbox hears of it");
        assert!(!app.mails_to("alice.new@example.com").await.iter().any(|mail| about(mail, "address of your")));
    }

    async fn an_address_that_was_removed_lets_nobody_in(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let added = address_by_code(&alice, "alice.new@example.com").await;
        added.answer(&alice, &app.last_code("alice.new@example.com").await).await.has_status(200);
        // Whoever reads the old mailbox has a code in hand when the address goes.
        let reader = app.anyone();
        let attempt = sign_in_by_code(&reader, &alice.user.email).await;
        let code = app.last_code(&alice.user.email).await;

        alice.patch(&added.path, json!({ "primary": true })).await.has_status(200);
        alice.delete(format!("/v1/me/email-addresses/{}", alice.user.email_id)).await.has_status(200);

        let reply = attempt.answer(&reader, &code).await;
        assert!(reply.status() >= 400, "{}", reply.text());
        reader.get("/v1/me").await.has_status(401);
    }

    async fn sensitive_changes_ask_for_a_factor_proven_lately(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.advance(minutes(11));

        let tried = [
            alice.post("/v1/me/change-password", change(&alice.user.password)).await,
            alice.post("/v1/me/email-addresses", json!({ "email_address": "thief@example.com" })).await,
            alice.patch(format!("/v1/me/email-addresses/{}", alice.user.email_id), json!({ "primary": true })).await,
            alice.delete(format!("/v1/me/email-addresses/{}", alice.user.email_id)).await,
        ];

        for reply in tried {
            reply.is_refused(403, "reverification_required");
        }
        alice.get("/v1/me").await.has_status(200);
    }
}
