//! Sessions that wait for a second factor, where everybody must have one.

use super::steps::{
    add_number, answer, challenge, given_number, jwks, open_sign_in, open_sign_up, reserved, verified, with_phones,
};
use serde_json::{Value, json};
use testkit::{AuthenticatorApp, Caller, SignedInUser, TestApp, both, hours, minutes};

const NUMBER: &str = "+16502530000";

/// Asks for a second factor of everybody.
pub(crate) async fn require_factors(app: &TestApp) {
    let change = json!({ "multi_factor": { "required": true } });
    app.bapi().patch("/v1/instance", change).await.is(200, json!({ "multi_factor": { "required": true } }));
}

async fn status(app: &TestApp, session: &str) -> String {
    app.bapi().get(format!("/v1/sessions/{session}")).await.has_status(200).str("/status")
}

async fn claims(of: &SignedInUser) -> Value {
    verified(&of.token().await, &jwks(of).await).1
}

fn name(n: u8) -> Value {
    json!({ "first_name": format!("Alice {n}") })
}

both! {
    async fn without_a_second_factor_a_sign_in_begins_a_pending_session(app: TestApp) {
        require_factors(&app).await;
        app.user("alice").created().await;
        app.skip_events().await;

        let alice = app.user("alice").signed_in().await;

        assert_eq!(app.events().await, ["session.pending"]);
        let client = alice.get("/v1/client").await;
        client.is(200, json!({ "last_active_session_id": alice.session, "sessions": [{ "id": alice.session, "status": "pending" }] }));
        let session = client.at("/sessions/0");
        assert_eq!(session["abandon_at"].as_i64(), session["created_at"].as_i64().map(|at| at + 86_400_000));
        assert_eq!(claims(&alice).await["sts"], "pending");
        alice.get(format!("/v1/client/sessions/{}", alice.session)).await.is(200, json!({ "status": "pending" }));
        alice.post(format!("/v1/client/sessions/{}/touch", alice.session), json!({})).await.is(200, json!({ "response": { "status": "pending" } }));

        // It shows who it is, and nothing is done in it.
        alice.get("/v1/me").await.is(200, json!({ "id": alice.id() }));
        alice.patch("/v1/me", name(1)).await.is_refused(403, "session_pending");
        alice.get("/v1/me/sessions").await.is_refused(403, "session_pending");
        alice.bearer().await.patch("/v1/me", name(1)).await.is_refused(403, "session_pending");

        // Backends see it as it is.
        assert_eq!(status(&app, &alice.session).await, "pending");
        app.bapi().get("/v1/sessions?status=pending").await.is(200, json!({ "total_count": 1, "data": [{ "id": alice.session }] }));
        app.bapi().get("/v1/sessions?status=active").await.is(200, json!({ "total_count": 0 }));
        let minted = app.bapi().post_empty(format!("/v1/sessions/{}/tokens", alice.session)).await.has_status(200).str("/jwt");
        assert_eq!(verified(&minted, &jwks(&alice).await).1["sts"], "pending");
        alice.post_empty(format!("/v1/client/sessions/{}/end", alice.session)).await.is(200, json!({ "response": { "status": "ended" } }));
    }

    async fn an_app_that_is_enrolled_in_it_makes_it_active(app: TestApp) {
        require_factors(&app).await;
        let alice = app.user("alice").signed_in().await;
        let before = alice.token().await;
        // It was left open for a while: the first factor is shown again, as for a change in an active session.
        app.advance(minutes(11));
        let refused = alice.post_empty("/v1/me/totp").await;
        refused.is_refused(403, "reverification_required");
        assert_eq!(refused.at("/errors/0/meta/strategies"), &json!(["password", "email_code"]));
        let open = challenge(&alice, &format!("/v1/client/sessions/{}", alice.session), "password").await;
        alice.post(format!("{open}/answer"), json!({ "password": alice.user.password })).await.has_status(200);
        assert_eq!(status(&app, &alice.session).await, "pending");
        app.skip_events().await;

        let begun = alice.post_empty("/v1/me/totp").await;
        let phone = AuthenticatorApp::scan(&begun.has_status(200).str("/response/otpauth_uri"));
        let done = alice.post("/v1/me/totp/verify", json!({ "code": phone.code(&app, 0) })).await;

        done.is(200, json!({ "client": { "sessions": [{ "id": alice.session, "status": "active" }] } }));
        let session = done.at("/client/sessions/0");
        assert_eq!(session["abandon_at"], session["expire_at"]);
        assert_eq!(app.events().await, ["user.updated", "email.created", "session.created"]);
        let cookie = done.set_cookie("__session").expect("the session's cookie is new");
        let keys = jwks(&alice).await;
        assert_eq!(verified(&cookie.value, &keys).1["sts"], "active");
        assert_eq!(claims(&alice).await["sts"], "active");
        assert_eq!(verified(&before, &keys).1["sts"], "pending", "what was minted before says what was true then");
        alice.patch("/v1/me", name(1)).await.has_status(200);

        // From now on it is a session like any other.
        app.advance(minutes(11));
        alice.post_empty("/v1/me/backup-codes").await.is_refused(403, "reverification_required");
        let elsewhere = app.anyone();
        let body = json!({ "identifier": alice.user.email, "strategy": "password", "password": alice.user.password });
        let begun = elsewhere.post("/v1/client/sign-ins", body).await;
        begun.is(200, json!({ "response": { "status": "needs_second_factor" } }));
        let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
        let open = challenge(&elsewhere, &path, "totp").await;
        let done = answer(&elsewhere, &open, &phone.code(&app, 0)).await;
        done.is(200, json!({ "client": { "sessions": [{ "status": "active" }] } }));
    }

    async fn a_sign_up_begins_a_pending_session_too(app: TestApp) {
        require_factors(&app).await;
        let browser = app.anyone();
        let path = open_sign_up(&browser, "new@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;
        let done = answer(&browser, &open, &app.last_code("new@example.com").await).await;

        done.is(200, json!({ "client": { "sign_up": null, "sessions": [{ "status": "pending" }] } }));
        browser.patch("/v1/me", name(1)).await.is_refused(403, "session_pending");
        AuthenticatorApp::enrolled(&app, &browser).await;
        browser.patch("/v1/me", name(1)).await.has_status(200);
    }

    async fn a_number_that_is_proven_in_it_makes_it_active(app: TestApp) {
        require_factors(&app).await;
        app.settings(|s| s.attribute_settings.phone_number.enabled = true).await;
        let alice = app.user("alice").signed_in().await;
        // Where numbers are no second factor, they are no step to one.
        alice.post("/v1/me/phone-numbers", json!({ "phone_number": NUMBER })).await.is_refused(403, "session_pending");

        with_phones(&app).await;
        let path = add_number(&alice, NUMBER).await;
        alice.patch(&path, json!({ "is_primary": true })).await.is_refused(403, "session_pending");
        let open = challenge(&alice, &path, "phone_code").await;
        let done = answer(&alice, &open, &app.last_sms_code(NUMBER).await).await;

        done.is(200, json!({ "client": { "sessions": [{ "id": alice.session, "status": "active" }] } }));
        assert!(done.set_cookie("__session").is_some());
        alice.get(&path).await.is(200, json!({ "verified": true, "reserved_for_second_factor": true }));
        alice.delete(&path).await.is_refused(409, "phone_reserved_for_second_factor");
    }

    async fn the_number_it_began_with_is_no_second_factor_of_it(app: TestApp) {
        with_phones(&app).await;
        require_factors(&app).await;
        let alice = app.user("alice").created().await;
        let number = given_number(&app, &alice.id, NUMBER).await;
        let browser = app.anyone();
        let path = open_sign_in(&browser, NUMBER).await;
        let open = challenge(&browser, &path, "phone_code").await;
        let done = answer(&browser, &open, &app.last_sms_code(NUMBER).await).await;
        done.is(200, json!({ "client": { "sessions": [{ "status": "pending" }] } }));

        let reserve = json!({ "reserved_for_second_factor": true });
        let refused = browser.patch(format!("/v1/me/phone-numbers/{number}"), reserve).await;

        refused.is_refused_for(422, "form_param_value_invalid", "reserved_for_second_factor");
        browser.get("/v1/client").await.is(200, json!({ "sessions": [{ "status": "pending" }] }));
        AuthenticatorApp::enrolled(&app, &browser).await;
        browser.get("/v1/client").await.is(200, json!({ "sessions": [{ "status": "active" }] }));
    }

    async fn a_passkey_makes_it_active_where_passkeys_count_as_both_factors(app: TestApp) {
        let mut device = app.authenticator().await;
        require_factors(&app).await;
        let alice = app.user("alice").signed_in().await;
        alice.post("/v1/me/passkeys/begin-registration", json!({})).await.is_refused(403, "session_pending");

        app.settings(|s| s.multi_factor.passkey_counts_as_mfa = true).await;
        let key = alice.enrols(&mut device).await;
        assert_eq!(status(&app, &alice.session).await, "active");
        alice.delete(format!("/v1/me/passkeys/{key}")).await.is_refused(422, "last_second_factor_not_removable");

        // By password she is asked for it before she may enrol anything else.
        let again = app.user("alice").signed_in().await;
        let refused = again.post_empty("/v1/me/totp").await;
        refused.is_refused(403, "reverification_required");
        assert_eq!(refused.at("/errors/0/meta/strategies"), &json!(["passkey"]));
        let path = format!("/v1/client/sessions/{}", again.session);
        let open = again.asks_for_passkey_under(&path).await;
        let assertion = device.get(&open.options);
        again.asserts(&open, assertion).await.is(200, json!({ "client": { "sessions": [{ "status": "active" }] } }));
        again.post_empty("/v1/me/totp").await.has_status(200);
    }

    async fn another_pending_session_becomes_active_by_the_factor_there_is_by_now(app: TestApp) {
        require_factors(&app).await;
        let (first, second) = (app.user("alice").signed_in().await, app.user("alice").signed_in().await);
        let phone = AuthenticatorApp::enrolled(&app, &first).await;
        assert_eq!((status(&app, &first.session).await.as_str(), status(&app, &second.session).await.as_str()), ("active", "pending"));

        let refused = second.post_empty("/v1/me/totp").await;
        refused.is_refused(403, "reverification_required");
        assert_eq!(refused.at("/errors/0/meta/strategies"), &json!(["totp"]));
        let path = format!("/v1/client/sessions/{}", second.session);
        let open = challenge(&second, &path, "password").await;
        second.post(format!("{open}/answer"), json!({ "password": second.user.password })).await.has_status(200);
        assert_eq!(status(&app, &second.session).await, "pending", "the first factor is no second one");
        app.skip_events().await;
        let open = challenge(&second, &path, "totp").await;
        answer(&second, &open, &phone.wrong_code(&app)).await.is_refused(422, "form_code_incorrect");
        let done = answer(&second, &open, &phone.code(&app, 0)).await;

        done.is(200, json!({ "response": { "status": "verified" }, "client": { "sessions": [{ "status": "active" }] } }));
        assert_eq!(app.events().await, ["session.created"]);
        second.patch("/v1/me", name(1)).await.has_status(200);
    }

    async fn it_is_given_up_after_a_day(app: TestApp) {
        require_factors(&app).await;
        let alice = app.user("alice").signed_in().await;
        app.advance(hours(24));

        alice.get("/v1/me").await.has_status(401);
        alice.post_empty("/v1/me/totp").await.has_status(401);
        alice.post_empty(format!("/v1/client/sessions/{}/tokens", alice.session)).await.is_refused(401, "session_revoked");
        alice.get("/v1/client").await.is(200, json!({ "sessions": [], "last_active_session_id": null }));
        for _ in 0..2 {
            // By the time alone, and when the worker has written it down.
            assert_eq!(status(&app, &alice.session).await, "abandoned");
            app.bapi().get("/v1/sessions?status=abandoned").await.is(200, json!({ "total_count": 1 }));
            for other in ["pending", "expired", "active"] {
                app.bapi().get(format!("/v1/sessions?status={other}")).await.is(200, json!({ "total_count": 0 }));
            }
            app.tick().await;
        }
        let stamped = app.tamper("UPDATE sessions SET updated_at = updated_at WHERE status = 'abandoned' AND ended_at = abandon_at").await;
        assert_eq!(stamped, 1);
    }

    async fn sessions_from_before_stay_active(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        require_factors(&app).await;

        alice.patch("/v1/me", name(1)).await.has_status(200);
        assert_eq!(claims(&alice).await["sts"], "active");
        let again = app.user("alice").signed_in_on(&alice.browser).await;
        assert_eq!(status(&app, &again.session).await, "pending");
    }

    async fn the_last_second_factor_stays(app: TestApp) {
        with_phones(&app).await;
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);
        AuthenticatorApp::enrolled(&app, &alice).await;
        let number = given_number(&app, bob.id(), NUMBER).await;
        reserved(&app, &number).await;
        require_factors(&app).await;

        alice.delete("/v1/me/totp").await.is_refused(422, "last_second_factor_not_removable");
        alice.get("/v1/me").await.is(200, json!({ "totp_enabled": true }));
        alice.post_empty("/v1/me/backup-codes").await.has_status(200);
        alice.delete("/v1/me/totp").await.is_refused(422, "last_second_factor_not_removable");
        alice.delete("/v1/me/backup-codes").await.has_status(200);
        alice.get("/v1/me").await.is(200, json!({ "totp_enabled": true }));

        let path = format!("/v1/client/sessions/{}", bob.session);
        let open = challenge(&bob, &path, "phone_code").await;
        answer(&bob, &open, &app.last_sms_code(NUMBER).await).await.has_status(200);
        let unreserve = json!({ "reserved_for_second_factor": false });
        bob.patch(format!("/v1/me/phone-numbers/{number}"), unreserve).await.is_refused(422, "last_second_factor_not_removable");

        // A backend lets somebody in again who has lost it: their sessions go on, the next one is pending.
        app.bapi().delete(format!("/v1/users/{}/mfa", alice.id())).await.has_status(200);
        assert_eq!(status(&app, &alice.session).await, "active");
        let again = app.user("alice").signed_in().await;
        assert_eq!(status(&app, &again.session).await, "pending");
    }

    async fn nobody_is_asked_for_what_nobody_can_enrol(app: TestApp) {
        let change = json!({ "multi_factor": { "required": true, "totp": { "enabled": false } } });
        app.bapi().patch("/v1/instance", change).await.is_refused_for(422, "form_param_value_invalid", "multi_factor.required");
        require_factors(&app).await;
        let off = json!({ "multi_factor": { "totp": { "enabled": false } } });
        app.bapi().patch("/v1/instance", off).await.is_refused_for(422, "form_param_value_invalid", "multi_factor.required");
    }

    async fn no_template_hides_that_a_session_is_pending(app: TestApp) {
        let template = json!({ "name": "shop", "claims": { "id": "{{user.id}}" }, "signing_algorithm": "ES256" });
        app.bapi().post("/v1/jwt-templates", template).await.has_status(201);
        require_factors(&app).await;
        app.bapi().patch("/v1/instance", json!({ "sessions": { "session_token_template": "shop" } })).await.has_status(200);
        let alice = app.user("alice").signed_in().await;

        alice.post_empty(format!("/v1/client/sessions/{}/tokens/shop", alice.session)).await.is_refused(403, "session_pending");
        app.bapi().post_empty(format!("/v1/sessions/{}/tokens/shop", alice.session)).await.is_refused(403, "session_pending");
        assert_eq!(claims(&alice).await["sts"], "pending", "not the environment's template");
    }

    async fn whoever_acts_in_somebodys_place_has_no_factor_to_enrol(app: TestApp) {
        require_factors(&app).await;
        let alice = app.user("alice").created().await;
        let body = json!({ "user_id": alice.id, "actor": { "sub": "operator" } });
        let ticket = app.bapi().post("/v1/actor-tokens", body).await.has_status(201).str("/token");
        let browser = app.anyone();
        browser.post("/v1/client/sign-ins", json!({ "strategy": "ticket", "ticket": ticket })).await.has_status(200);
        browser.get("/v1/client").await.is(200, json!({ "sessions": [{ "status": "active" }] }));
    }

    async fn one_session_at_a_time_may_be_begun_anew_while_it_is_pending(app: TestApp) {
        require_factors(&app).await;
        app.settings(|s| s.sessions.multi_session = false).await;
        let first = app.user("alice").signed_in().await;
        app.settings(|s| s.multi_factor.required = false).await;

        let again = app.user("alice").signed_in_on(&first.browser).await;

        assert_eq!((status(&app, &first.session).await.as_str(), status(&app, &again.session).await.as_str()), ("replaced", "active"));
    }
}

/// Adds a number in a session, without proving it: its path, and the challenge that waits for its code.
pub(crate) async fn begun_number(user: &SignedInUser, number: &str) -> String {
    let path = add_number(user, number).await;
    let browser: &Caller = user;
    challenge(browser, &path, "phone_code").await
}
