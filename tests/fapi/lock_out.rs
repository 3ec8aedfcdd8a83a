//! Who is kept out: by failures, by an operator's lock, by a ban.

use super::steps::{answer, challenge, open_sign_in, try_password};
use serde_json::json;
use std::time::Duration;
use testkit::{TestApp, both};

/// Three failures lock for ten minutes.
async fn strict(app: &TestApp) {
    app.settings(|s| {
        s.attack_protection.brute_force.max_attempts = 3;
        s.attack_protection.brute_force.lockout_duration_seconds = 600;
    })
    .await;
}

both! {
    async fn failures_lock_the_password_of_known_and_unknown_alike_until_the_lock_is_over(app: TestApp) {
        strict(&app).await;
        let alice = app.user("alice").created().await;
        app.skip_events().await;
        let mut seen = Vec::new();
        for who in [alice.email.as_str(), "nobody@example.com"] {
            let mut codes = Vec::new();
            for _ in 0..5 {
                let reply = try_password(&app.anyone(), who, "wrong words").await;
                codes.push((reply.status(), reply.codes().join(",")));
            }
            seen.push(codes);
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0][2], (422, "form_password_incorrect".to_owned()));
        assert_eq!(seen[0][3], (403, "user_locked".to_owned()));

        // the right password is not looked at, and no hash is paid for
        let before = app.passwords.hashes_done();
        let refused = try_password(&app.anyone(), &alice.email, &alice.password).await;
        refused.is_refused(403, "user_locked");
        assert_eq!(app.passwords.hashes_done(), before);
        let until = refused.at("/errors/0/meta/lockout_expires_at").as_i64().expect("it says until when");
        assert!((until - app.now().millis() - 600_000).abs() < 30_000);
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "locked": true, "lockout_expires_at": until }));
        assert_eq!(app.events().await, ["user.locked_out"]);

        // when it is over
        app.advance(Duration::from_secs(601));
        app.bapi().get(format!("/v1/users/{}", alice.id)).await.is(200, json!({ "locked": false, "lockout_expires_at": null }));
        try_password(&app.anyone(), &alice.email, &alice.password).await.has_status(200);
    }

    async fn a_right_password_forgets_the_failures_before_it(app: TestApp) {
        strict(&app).await;
        let alice = app.user("alice").created().await;
        for _ in 0..3 {
            for _ in 0..2 {
                try_password(&app.anyone(), &alice.email, "wrong words").await.is_refused(422, "form_password_incorrect");
            }
            try_password(&app.anyone(), &alice.email, &alice.password).await.has_status(200);
        }
    }

    async fn failures_outside_the_window_are_forgotten(app: TestApp) {
        strict(&app).await;
        let alice = app.user("alice").created().await;
        for _ in 0..3 {
            try_password(&app.anyone(), &alice.email, "wrong words").await.is_refused(422, "form_password_incorrect");
            try_password(&app.anyone(), &alice.email, "wrong words").await.is_refused(422, "form_password_incorrect");
            app.advance(Duration::from_secs(601));
        }
        try_password(&app.anyone(), &alice.email, &alice.password).await.has_status(200);
    }

    async fn strangers_cannot_keep_a_person_out(app: TestApp) {
        strict(&app).await;
        let alice = app.user("alice").signed_in().await;
        for _ in 0..4 {
            try_password(&app.anyone(), &alice.user.email, "wrong words").await;
        }
        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.is_refused(403, "user_locked");

        // the live session goes on, the browser that was hers has a counter of its own
        alice.get("/v1/me").await.is(200, json!({ "locked": true }));
        alice.token().await;
        try_password(&alice, &alice.user.email, &alice.user.password).await.has_status(200);
        // a code from the mailbox opens too, and takes the lock off
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.user.email).await;
        let open = challenge(&browser, &path, "email_code").await;
        answer(&browser, &open, &app.last_code(&alice.user.email).await).await.has_status(200);
        app.bapi().get(format!("/v1/users/{}", alice.id())).await.is(200, json!({ "locked": false }));
    }

    async fn an_operators_unlock_opens_at_once(app: TestApp) {
        strict(&app).await;
        let alice = app.user("alice").created().await;
        for _ in 0..4 {
            try_password(&app.anyone(), &alice.email, "wrong words").await;
        }

        app.bapi().post_empty(format!("/v1/users/{}/unlock", alice.id)).await.is(200, json!({ "locked": false }));

        try_password(&app.anyone(), &alice.email, &alice.password).await.has_status(200);
    }

    async fn every_identifier_of_a_person_counts_together(app: TestApp) {
        strict(&app).await;
        app.settings(|s| s.attribute_settings.username.enabled = true).await;
        let body = json!({ "email_address": ["ann@example.com", "ann@example.org"], "username": "annlee", "password": crate::fapi::steps::PASSWORD });
        app.bapi().post("/v1/users", body).await.has_status(201);
        for who in ["ann@example.com", "ann@example.org", "annlee"] {
            try_password(&app.anyone(), who, "wrong words").await.is_refused(422, "form_password_incorrect");
        }

        try_password(&app.anyone(), "ann@example.com", crate::fapi::steps::PASSWORD).await.is_refused(403, "user_locked");
    }

    async fn where_locks_are_off_nothing_locks(app: TestApp) {
        strict(&app).await;
        app.settings(|s| s.attack_protection.brute_force.enabled = false).await;
        let alice = app.user("alice").created().await;
        for _ in 0..6 {
            try_password(&app.anyone(), &alice.email, "wrong words").await.is_refused(422, "form_password_incorrect");
        }
        try_password(&app.anyone(), &alice.email, &alice.password).await.has_status(200);
    }

    async fn test_addresses_are_not_counted(app: TestApp) {
        strict(&app).await;
        let body = json!({ "email_address": ["ann+authn_test@example.com"], "password": crate::fapi::steps::PASSWORD });
        app.bapi().post("/v1/users", body).await.has_status(201);
        for _ in 0..6 {
            try_password(&app.anyone(), "ann+authn_test@example.com", "wrong words").await.is_refused(422, "form_password_incorrect");
        }
        try_password(&app.anyone(), "ann+authn_test@example.com", crate::fapi::steps::PASSWORD).await.has_status(200);
    }

    async fn a_banned_person_is_told_so_after_the_proof_only(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.bapi().post_empty(format!("/v1/users/{}/ban", alice.id())).await.has_status(200);

        assert_eq!(alice.get("/v1/me").await.status(), 401);
        assert_eq!(alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.status(), 401);
        try_password(&app.anyone(), &alice.user.email, "wrong words").await.is_refused(422, "form_password_incorrect");
        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.is_refused(403, "user_banned");
        let browser = app.anyone();
        let path = open_sign_in(&browser, &alice.user.email).await;
        let open = challenge(&browser, &path, "email_code").await;
        answer(&browser, &open, &app.last_code(&alice.user.email).await).await.is_refused(403, "user_banned");
        browser.get("/v1/client").await.is(200, json!({ "sessions": [] }));

        app.bapi().post_empty(format!("/v1/users/{}/unban", alice.id())).await.has_status(200);
        assert_eq!(alice.get("/v1/me").await.status(), 401, "sessions stay revoked");
        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.has_status(200);
    }

    async fn an_operators_lock_ends_sessions_and_runs_out(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let lock = app.bapi().post(format!("/v1/users/{}/lock", alice.id()), json!({ "lockout_minutes": 5 })).await;
        let until = lock.at("/lockout_expires_at").clone();

        assert_eq!(alice.get("/v1/me").await.status(), 401);
        try_password(&app.anyone(), &alice.user.email, "wrong words").await.is_refused(422, "form_password_incorrect");
        let refused = try_password(&app.anyone(), &alice.user.email, &alice.user.password).await;
        refused.is_refused(403, "user_locked");
        assert_eq!(refused.at("/errors/0/meta/lockout_expires_at"), &until);

        app.advance(Duration::from_secs(301));
        try_password(&app.anyone(), &alice.user.email, &alice.user.password).await.has_status(200);
    }
}
