//! The change of one's own password.

use super::steps::{PASSWORD, try_password};
use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn a_new_password_ends_the_other_sessions_and_the_mailbox_hears_of_it(app: TestApp) {
        let home = app.user("alice").signed_in().await;
        let office = app.user("alice").signed_in().await;
        app.skip_events().await;

        let body = json!({ "current_password": home.user.password, "new_password": PASSWORD });
        let changed = home.post("/v1/me/change-password", body).await;

        changed.is(200, json!({ "response": { "id": home.id(), "password_enabled": true } }));
        home.get("/v1/me").await.has_status(200);
        office.get("/v1/me").await.is_refused(401, "session_revoked");
        app.bapi().get(format!("/v1/sessions/{}", office.session)).await.is(200, json!({ "status": "revoked" }));
        let mails = app.mails_to(&home.user.email).await;
        assert_eq!((mails.len(), mails[0].code.as_deref()), (1, None));
        assert!(mails[0].text.contains("password") && !mails[0].text.contains(PASSWORD));
        assert_eq!(app.events().await, ["user.updated", "session.revoked", "email.created"]);
        try_password(&app.anyone(), &home.user.email, &home.user.password).await.is_refused(422, "form_password_incorrect");
        try_password(&app.anyone(), &home.user.email, PASSWORD).await.has_status(200);
    }

    async fn other_sessions_may_stay(app: TestApp) {
        let home = app.user("alice").signed_in().await;
        let office = app.user("alice").signed_in().await;

        let body = json!({ "current_password": home.user.password, "new_password": PASSWORD, "sign_out_of_other_sessions": false });
        home.post("/v1/me/change-password", body).await.has_status(200);

        office.get("/v1/me").await.has_status(200);
    }

    async fn the_current_password_is_asked_for_and_checked(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let change = |body| alice.post("/v1/me/change-password", body);

        change(json!({ "new_password": PASSWORD })).await.is_refused_for(422, "form_param_nil", "current_password");
        change(json!({ "current_password": "wrong words", "new_password": PASSWORD })).await
            .is_refused_for(422, "form_password_incorrect", "current_password");
        change(json!({ "current_password": alice.user.password })).await.is_refused_for(422, "form_param_nil", "new_password");
        change(json!({ "current_password": alice.user.password, "new_password": PASSWORD, "x": 1 })).await
            .is_refused_for(422, "form_param_unknown", "x");

        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.has_status(200);
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn a_weak_new_password_is_refused(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        for weak in ["short", "password", "qwertyuiop", &"x".repeat(1025)] {
            let body = json!({ "current_password": alice.user.password, "new_password": weak });
            alice.post("/v1/me/change-password", body).await
                .is_refused_for(422, "form_password_validation_failed", "new_password");
        }
    }

    async fn wrong_current_passwords_are_counted(app: TestApp) {
        app.settings(|s| {
            s.attack_protection.brute_force.max_attempts = 3;
            s.attack_protection.brute_force.lockout_duration_seconds = 300;
        }).await;
        let alice = app.user("alice").signed_in().await;
        let change = |current: &str| {
            alice.post("/v1/me/change-password", json!({ "current_password": current, "new_password": PASSWORD }))
        };
        for _ in 0..3 {
            change("wrong words").await.is_refused(422, "form_password_incorrect");
        }
        let locked = change(&alice.user.password).await;
        locked.is_refused(403, "user_locked");
        assert!(locked.at("/errors/0/meta/lockout_expires_at").is_i64());
        app.advance(std::time::Duration::from_secs(301));
        change(&alice.user.password).await.has_status(200);
    }

    async fn a_first_password_needs_no_current_one(app: TestApp) {
        let body = json!({ "email_address": ["ann@example.com"], "skip_password_requirement": true });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let browser = app.anyone();
        let path = crate::fapi::steps::open_sign_in(&browser, "ann@example.com").await;
        let open = crate::fapi::steps::challenge(&browser, &path, "email_code").await;
        crate::fapi::steps::answer(&browser, &open, &app.last_code("ann@example.com").await).await.has_status(200);
        browser.get("/v1/me").await.is(200, json!({ "password_enabled": false }));

        browser.post("/v1/me/change-password", json!({ "new_password": PASSWORD })).await
            .is(200, json!({ "response": { "password_enabled": true } }));
        try_password(&app.anyone(), "ann@example.com", PASSWORD).await.has_status(200);
    }

    async fn where_passwords_are_off_none_is_set(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.settings(|s| s.attribute_settings.password.enabled = false).await;
        let body = json!({ "current_password": alice.user.password, "new_password": PASSWORD });
        alice.post("/v1/me/change-password", body).await.is_refused(422, "add_password_disabled");
    }

    async fn of_two_changes_at_once_one_is_made(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let replies = testkit::race(4, |i| {
            let body = json!({ "current_password": alice.user.password, "new_password": format!("{PASSWORD} {i}") });
            alice.post("/v1/me/change-password", body).into_future()
        }).await;

        let right: Vec<usize> = (0..4).filter(|i| replies[*i].status() == 200).collect();
        assert_eq!(right.len(), 1, "{:?}", replies.iter().map(|r| r.text()).collect::<Vec<_>>());
        try_password(&app.anyone(), &alice.user.email, &format!("{PASSWORD} {}", right[0])).await.has_status(200);
    }
}
