//! Passkeys: enrolled, named, used, removed.

use super::steps::{answer, challenge, open_sign_in};
use serde_json::json;
use std::time::Duration;
use testkit::{Authenticator, AuthenticatorApp, Lie, RP_ID, SignedInUser, TestApp, both, minutes};

/// A person with a passkey on an authenticator.
async fn enrolled(app: &TestApp, name: &str) -> (SignedInUser, Authenticator, String) {
    let mut device = app.authenticator().await;
    let person = app.user(name).signed_in().await;
    let key = person.enrols(&mut device).await;
    (person, device, key)
}

async fn without_protection(app: &TestApp) {
    app.settings(|s| s.attack_protection.enumeration_protection = false).await;
}

both! {
    async fn a_passkey_is_enrolled_and_told_of(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        app.skip_events().await;

        let begun = alice.post("/v1/me/passkeys/begin-registration", json!({})).await;

        begun.is(201, json!({
            "object": "challenge", "strategy": "passkey", "step": "first", "status": "pending", "attempts": 0,
            "sign_in_id": null, "sign_up_id": null, "email_address_id": null, "organization_domain_id": null,
            "nonce": begun.at("/creation_options/challenge"),
            "creation_options": {
                "rp": { "id": RP_ID },
                "user": { "name": alice.user.email, "display_name": alice.user.email },
                "attestation": "none", "timeout": 60000, "exclude_credentials": [],
                "authenticator_selection": { "resident_key": "preferred", "user_verification": "preferred", "authenticator_attachment": null },
            },
        }));
        let handle = begun.str("/creation_options/user/id");
        assert!(!alice.id().contains(&handle) && handle.len() == 22, "the handle is random: {handle}");
        alice.get("/v1/me/passkeys").await.is(200, json!({ "data": [], "total_count": 0 }));
        let body = json!({ "attestation": device.create(begun.at("/creation_options")) });
        let done = alice.post(format!("/v1/me/passkeys/complete-registration/{}", begun.str("/id")), body).await;

        done.is(201, json!({
            "response": {
                "object": "passkey", "verified": true, "last_used_at": null, "transports": ["internal", "hybrid"],
                "aaguid": "6c617463-686b-6579-2d74-6573746b6974",
            },
            "client": { "sessions": [{ "id": alice.session }] },
        }));
        alice.get("/v1/me/passkeys").await.is(200, json!({ "data": [{ "id": done.str("/response/id") }], "total_count": 1 }));
        alice.get("/v1/me").await.is(200, json!({ "passkey_count": 1, "passkeys": [{ "id": done.str("/response/id") }] }));
        assert_eq!(app.events().await, ["user.updated", "passkey.added", "email.created"]);
        assert_eq!(app.mails_to(&alice.user.email).await.last().map(|mail| mail.template_slug.clone()).as_deref(), Some("passkey_added"));
    }

    async fn a_passkey_signs_in_without_a_name(app: TestApp) {
        let (alice, mut device, key) = enrolled(&app, "alice").await;
        let browser = app.anyone();
        app.advance(minutes(5));
        app.skip_events().await;

        let begun = browser.post("/v1/client/sign-ins", json!({ "strategy": "passkey" })).await;

        begun.is(200, json!({ "response": { "status": "needs_first_factor", "identifier": null, "supported_strategies": ["passkey"] } }));
        let path = format!("/v1/client/sign-ins/{}/challenges/{}", begun.str("/response/id"), begun.str("/response/current_challenge_id"));
        let asked = browser.get(&path).await;
        asked.is(200, json!({
            "strategy": "passkey", "step": "first", "nonce": asked.at("/request_options/challenge"),
            "request_options": { "rp_id": RP_ID, "allow_credentials": [], "timeout": 60000, "user_verification": "preferred" },
        }));
        let assertion = device.get(asked.at("/request_options"));
        let done = browser.post(format!("{path}/answer"), json!({ "assertion": assertion })).await;

        done.is(200, json!({ "response": { "status": "verified", "attempts": 1 }, "client": { "sessions": [{ "user_id": alice.id() }] } }));
        let me = browser.get("/v1/me").await;
        me.is(200, json!({ "id": alice.id(), "passkeys": [{ "id": key }] }));
        assert!(me.at("/passkeys/0/last_used_at").is_i64(), "{}", me.text());
        assert_eq!(app.events().await, ["session.created"]);
    }

    async fn a_passkey_signs_in_whoever_was_named(app: TestApp) {
        let (alice, mut device, _) = enrolled(&app, "alice").await;
        let browser = app.anyone();

        let asked = browser.asks_for_passkey(Some(&alice.user.email)).await;

        assert_eq!(asked.options["allow_credentials"], json!([]), "who has a passkey is not told");
        let assertion = device.get(&asked.options);
        browser.asserts(&asked, assertion).await.is(200, json!({ "response": { "status": "verified" } }));
    }

    async fn without_protection_the_keys_are_listed_last_used_first(app: TestApp) {
        without_protection(&app).await;
        let (alice, mut phone, first) = enrolled(&app, "alice").await;
        app.advance(minutes(1));
        let mut laptop = app.authenticator().await;
        let second = alice.enrols(&mut laptop).await;
        app.advance(minutes(1));
        alice.get("/v1/me/passkeys").await.is(200, json!({ "data": [{ "id": second }, { "id": first }] }));

        let asked = app.anyone().asks_for_passkey(Some(&alice.user.email)).await;
        assert_eq!(asked.options["allow_credentials"].as_array().map(Vec::len), Some(2));
        let newest = asked.options["allow_credentials"][0]["id"].clone();
        app.anyone().signs_in_with(&mut phone, Lie::default()).await.has_status(200);
        let asked = app.anyone().asks_for_passkey(Some(&alice.user.email)).await;

        assert_eq!(asked.options["allow_credentials"][1]["id"], newest, "the one used last comes first");
        assert_eq!(asked.options["allow_credentials"][0]["transports"], json!(["internal", "hybrid"]));
        let begun = alice.begins_passkey().await;
        assert_eq!(begun.options["exclude_credentials"].as_array().map(Vec::len), Some(2));
    }

    async fn without_protection_whoever_has_no_passkey_is_told_so(app: TestApp) {
        without_protection(&app).await;
        app.authenticator().await;
        let bob = app.user("bob").created().await;
        let browser = app.anyone();

        let path = open_sign_in(&browser, &bob.email).await;

        assert!(!browser.get(&path).await.at("/supported_strategies").as_array().expect("a list").contains(&json!("passkey")));
        browser.post(format!("{path}/challenges"), json!({ "strategy": "passkey" })).await.is_refused(422, "passkey_no_credentials");
    }

    async fn names_are_the_last_ones_given(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        let begun = alice.post("/v1/me/passkeys/begin-registration", json!({ "nickname": " Phone " })).await;
        let path = format!("/v1/me/passkeys/complete-registration/{}", begun.str("/id"));
        let named = alice.post(&path, json!({ "attestation": device.create(begun.at("/creation_options")) })).await;
        named.is(201, json!({ "response": { "nickname": "Phone" } }));
        let begun = alice.post("/v1/me/passkeys/begin-registration", json!({ "nickname": "One" })).await;
        let path = format!("/v1/me/passkeys/complete-registration/{}", begun.str("/id"));
        let body = json!({ "attestation": device.create(begun.at("/creation_options")), "nickname": "Two" });
        alice.post(&path, body).await.is(201, json!({ "response": { "nickname": "Two" } }));
        let own = format!("/v1/me/passkeys/{}", named.str("/response/id"));

        alice.patch(&own, json!({ "nickname": "Old phone" })).await.is(200, json!({ "response": { "nickname": "Old phone" } }));
        alice.patch(&own, json!({ "nickname": "x".repeat(101) })).await.is_refused_for(422, "form_param_format_invalid", "nickname");
        alice.patch(&own, json!({})).await.is_refused_for(422, "form_param_nil", "nickname");
        app.user("bob").signed_in().await.patch(&own, json!({ "nickname": "Mine" })).await.is_refused(404, "resource_not_found");
        // By its name a person tells which passkey to remove.
        app.advance(minutes(11));
        alice.patch(&own, json!({ "nickname": "Thief's" })).await.is_refused(403, "reverification_required");
    }

    async fn a_removed_passkey_signs_nobody_in_and_is_told_of(app: TestApp) {
        let (alice, mut device, key) = enrolled(&app, "alice").await;
        app.user("bob").signed_in().await.delete(format!("/v1/me/passkeys/{key}")).await.is_refused(404, "resource_not_found");
        app.skip_events().await;

        alice.delete(format!("/v1/me/passkeys/{key}")).await.has_status(204);

        assert_eq!(app.events().await, ["user.updated", "passkey.removed", "email.created"]);
        assert_eq!(app.mails_to(&alice.user.email).await.last().map(|mail| mail.template_slug.clone()).as_deref(), Some("passkey_removed"));
        alice.get("/v1/me/passkeys").await.is(200, json!({ "data": [], "total_count": 0 }));
        alice.delete(format!("/v1/me/passkeys/{key}")).await.is_refused(404, "resource_not_found");
        let browser = app.anyone();
        browser.signs_in_with(&mut device, Lie::default()).await.is_refused(422, "passkey_assertion_invalid");
    }

    async fn the_last_way_to_sign_in_stays(app: TestApp) {
        let mut device = app.authenticator().await;
        let body = json!({ "email_address": ["ann@example.com"], "skip_password_requirement": true });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let browser = app.anyone();
        let path = open_sign_in(&browser, "ann@example.com").await;
        let open = challenge(&browser, &path, "email_code").await;
        answer(&browser, &open, &app.last_code("ann@example.com").await).await.has_status(200);
        let begun = browser.post("/v1/me/passkeys/begin-registration", json!({})).await;
        let path = format!("/v1/me/passkeys/complete-registration/{}", begun.str("/id"));
        let done = browser.post(&path, json!({ "attestation": device.create(begun.at("/creation_options")) })).await;
        let own = format!("/v1/me/passkeys/{}", done.str("/response/id"));
        app.settings(|s| s.attribute_settings.email_address.verifications.clear()).await;

        browser.delete(&own).await.is_refused(422, "last_sign_in_method_not_removable");

        app.settings(|s| s.attribute_settings.email_address.verifications = vec!["email_code".into()]).await;
        browser.delete(&own).await.has_status(204);
    }

    async fn switched_off_none_is_enrolled_and_those_there_are_go_on(app: TestApp) {
        let (alice, mut device, _) = enrolled(&app, "alice").await;
        let open = alice.begins_passkey().await;
        app.settings(|s| s.authentication_strategies.passkey.enabled = false).await;

        alice.post("/v1/me/passkeys/begin-registration", json!({})).await.is_refused(422, "passkey_not_supported");
        let attestation = device.clone().create(&open.options);
        alice.post(&open.path, json!({ "attestation": attestation })).await.is_refused(422, "passkey_not_supported");

        app.anyone().signs_in_with(&mut device, Lie::default()).await.has_status(200);
        let begun = app.anyone().post("/v1/client/sign-ins", json!({})).await;
        begun.is(200, json!({ "response": { "supported_strategies": [] } }));
    }

    async fn origins_count_however_they_are_spelt(app: TestApp) {
        app.authenticator().await;
        let odd = ["HTTPS://App.Example.TEST:443", "HTTP://LocalHost:*", "https://m\u{fc}nchen.example"];
        app.bapi().patch("/v1/instance", json!({ "allowed_origins": odd })).await.has_status(200);
        let alice = app.user("alice").signed_in().await;

        for origin in ["https://app.example.test", "http://localhost:5173", "https://xn--mnchen-3ya.example"] {
            let mut device = Authenticator::on(origin);
            alice.enrols(&mut device).await;
            app.anyone().signs_in_with(&mut device, Lie::default()).await.has_status(200);
        }
        for origin in ["https://app.example.test:444", "https://app.example.test.evil.test", "https://localhost", "https://APP.example.test"] {
            let begun = alice.begins_passkey().await;
            let attestation = Authenticator::on(origin).create(&begun.options);
            alice.post(&begun.path, json!({ "attestation": attestation })).await.is_refused(422, "passkey_origin_mismatch");
        }
    }

    async fn a_passkey_is_one_factor_unless_the_environment_lets_it_be_two(app: TestApp) {
        let (alice, mut device, _) = enrolled(&app, "alice").await;
        AuthenticatorApp::enrolled(&app, &alice).await;
        let status = async |device: &mut Authenticator, lie: Lie| {
            let browser = app.anyone();
            let asked = browser.asks_for_passkey(None).await;
            let assertion = device.get_with(&asked.options, lie);
            browser.asserts(&asked, assertion).await.has_status(200);
            let sign_in = asked.path.split("/challenges/").next().expect("a path").to_owned();
            (browser.get(&sign_in).await.str("/status"), browser.get("/v1/me").await.status())
        };
        assert_eq!(status(&mut device, Lie::default()).await, ("needs_second_factor".to_owned(), 401));

        app.bapi().patch("/v1/instance", json!({ "multi_factor": { "passkey_counts_as_mfa": true } })).await.has_status(200);

        assert_eq!(status(&mut device, Lie::default()).await, ("complete".to_owned(), 200));
        // At step-up as well: it is then the second factor that is proven anew.
        app.advance(minutes(11));
        let add = async || alice.post("/v1/me/email-addresses", json!({ "email_address": "new@example.com" })).await;
        add().await.is_refused(403, "reverification_required");
        let asked = alice.asks_for_passkey_under(&format!("/v1/client/sessions/{}", alice.session)).await;
        assert_eq!(asked.options["user_verification"], "required");
        alice.asserts(&asked, device.get(&asked.options)).await.has_status(200);
        add().await.has_status(200);
    }

    async fn a_passkey_that_verified_nobody_is_never_two_factors(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        let begun = alice.begins_passkey().await;
        let unverified = || Lie { unverified: true, ..Lie::default() };
        let attestation = device.create_with(&begun.options, unverified());
        alice.post(&begun.path, json!({ "attestation": attestation })).await.has_status(201);
        AuthenticatorApp::enrolled(&app, &alice).await;
        app.settings(|s| s.multi_factor.passkey_counts_as_mfa = true).await;
        let browser = app.anyone();

        let asked = browser.asks_for_passkey(None).await;
        browser.asserts(&asked, device.get_with(&asked.options, unverified())).await.has_status(200);

        let sign_in = asked.path.split("/challenges/").next().expect("a path").to_owned();
        browser.get(&sign_in).await.is(200, json!({ "status": "needs_second_factor", "supported_strategies": ["totp"] }));
        browser.get("/v1/me").await.has_status(401);
        // Nor at step-up, where the person has to be verified.
        app.advance(minutes(11));
        let asked = alice.asks_for_passkey_under(&format!("/v1/client/sessions/{}", alice.session)).await;
        let refused = alice.asserts(&asked, device.get_with(&asked.options, unverified())).await;
        refused.is_refused(422, "passkey_assertion_invalid");
        alice.post("/v1/me/email-addresses", json!({ "email_address": "new@example.com" })).await
            .is_refused(403, "reverification_required");
    }

    async fn whoever_acts_in_a_persons_place_touches_no_passkey(app: TestApp) {
        let (alice, mut device, key) = enrolled(&app, "alice").await;
        let open = alice.begins_passkey().await;
        let body = json!({ "user_id": alice.id(), "actor": { "sub": "operator_7", "iss": "https://desk.example" } });
        let made = app.bapi().post("/v1/actor-tokens", body).await;
        let operator = app.anyone();
        let body = json!({ "strategy": "ticket", "ticket": made.has_status(201).str("/token") });
        let begun = operator.post("/v1/client/sign-ins", body).await;
        let session = format!("/v1/client/sessions/{}", begun.str("/response/created_session_id"));
        let own = format!("/v1/me/passkeys/{key}");

        operator.get("/v1/me/passkeys").await.is(200, json!({ "total_count": 1, "data": [{ "id": key }] }));
        for refused in [
            operator.post("/v1/me/passkeys/begin-registration", json!({})).await,
            operator.post(&open.path, json!({ "attestation": device.clone().create(&open.options) })).await,
            operator.patch(&own, json!({ "nickname": "Eve" })).await,
            operator.delete(&own).await,
            operator.post(format!("{session}/challenges"), json!({ "strategy": "passkey" })).await,
        ] {
            refused.is_refused(403, "actor_session_forbidden");
        }
        alice.get("/v1/me/passkeys").await.is(200, json!({ "total_count": 1, "data": [{ "id": key }] }));
        alice.post(&open.path, json!({ "attestation": device.create(&open.options) })).await.has_status(201);
    }

    async fn an_address_that_can_have_none_says_so(app: TestApp) {
        let alice = app.user("alice").signed_in().await;

        // The servers of tests have an address and no name.
        alice.post("/v1/me/passkeys/begin-registration", json!({})).await.is_refused(422, "passkey_not_supported");
        app.anyone().post("/v1/client/sign-ins", json!({ "strategy": "passkey" })).await.is_refused(422, "strategy_not_supported");
        for rp_id in ["com", "co.uk", "127.0.0.1", "https://example.test"] {
            let change = json!({ "authentication_strategies": { "passkey": { "rp_id": rp_id } } });
            app.bapi().patch("/v1/instance", change).await
                .is_refused_for(422, "form_param_value_invalid", "authentication_strategies.passkey.rp_id");
        }
    }

    async fn a_registration_is_answered_once_and_in_time(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        let bob = app.user("bob").signed_in().await;
        let first = alice.begins_passkey().await;
        let second = alice.begins_passkey().await;
        let finish = async |open: &testkit::PasskeyChallenge, attestation| alice.post(&open.path, json!({ "attestation": attestation })).await;

        finish(&first, device.create(&first.options)).await.is_refused(422, "challenge_already_consumed");
        bob.post(&second.path, json!({ "attestation": device.create(&second.options) })).await.is_refused(404, "challenge_not_found");
        finish(&second, device.create(&second.options)).await.has_status(201);
        finish(&second, device.create(&second.options)).await.is_refused(422, "challenge_already_consumed");
        let third = alice.begins_passkey().await;
        finish(&third, json!({})).await.is_refused(422, "passkey_attestation_invalid");
        finish(&third, device.create(&third.options)).await.is_refused(422, "challenge_already_consumed");
        let late = alice.begins_passkey().await;
        app.advance(Duration::from_secs(599));
        finish(&late, device.create(&late.options)).await.has_status(201);
        let later = alice.begins_passkey().await;
        app.advance(minutes(10));
        // The enrolment was a proof ten minutes ago: a fresh one is needed to hear that the time is over.
        let alice = app.user("alice").signed_in_on(&alice.browser).await;
        alice.post(&later.path, json!({ "attestation": device.create(&later.options) })).await.is_refused(422, "challenge_already_consumed");
    }

    async fn nobody_has_more_than_twenty(app: TestApp) {
        let (alice, mut device, key) = enrolled(&app, "alice").await;
        for _ in 0..19 {
            alice.enrols(&mut device).await;
        }

        let refused = alice.post("/v1/me/passkeys/begin-registration", json!({})).await;

        refused.is_refused(422, "passkey_quota_exceeded");
        alice.get("/v1/me/passkeys").await.is(200, json!({ "total_count": 20 }));
        alice.delete(format!("/v1/me/passkeys/{key}")).await.has_status(204);
        alice.enrols(&mut device).await;
    }

    async fn adding_and_removing_ask_for_a_fresh_proof(app: TestApp) {
        let (alice, mut device, key) = enrolled(&app, "alice").await;
        let open = alice.begins_passkey().await;
        app.advance(minutes(10));

        for reply in [
            alice.post("/v1/me/passkeys/begin-registration", json!({})).await,
            alice.post(&open.path, json!({ "attestation": device.create(&open.options) })).await,
            alice.delete(format!("/v1/me/passkeys/{key}")).await,
        ] {
            reply.is_refused(403, "reverification_required");
            assert_eq!(reply.at("/errors/0/meta/strategies"), &json!(["password", "email_code", "passkey"]));
        }
    }

    async fn a_passkey_is_a_fresh_proof(app: TestApp) {
        let (alice, mut device, key) = enrolled(&app, "alice").await;
        app.advance(minutes(10));

        let asked = alice.asks_for_passkey_under(&format!("/v1/client/sessions/{}", alice.session)).await;

        assert_eq!(asked.options["allow_credentials"].as_array().map(Vec::len), Some(1));
        let assertion = device.get(&asked.options);
        let proven = alice.asserts(&asked, assertion).await;
        proven.is(200, json!({ "response": { "status": "verified", "strategy": "passkey" } }));
        alice.delete(format!("/v1/me/passkeys/{key}")).await.has_status(204);
    }

    async fn enrolling_one_is_a_fresh_proof(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        app.advance(minutes(9));
        let key = alice.enrols(&mut device).await;
        app.advance(minutes(9));

        alice.delete(format!("/v1/me/passkeys/{key}")).await.has_status(204);
    }

    async fn a_token_tells_that_a_passkey_signed_in(app: TestApp) {
        let (_, mut device, _) = enrolled(&app, "alice").await;
        let browser = app.anyone();

        let done = browser.signs_in_with(&mut device, Lie::default()).await;

        done.is(200, json!({ "client": { "sessions": [{ "status": "active" }] } }));
        let session = done.str("/client/sessions/0/id");
        let minted = browser.post_empty(format!("/v1/client/sessions/{session}/tokens")).await.str("/jwt");
        let (_, claims) = crate::fapi::steps::verified(&minted, &crate::fapi::steps::jwks(&browser).await);
        assert_eq!((&claims["pkv"], &claims["pkc"]), (&json!(true), &json!(1)), "{claims}");
    }
}
