//! Passkeys of liars: each answer is right but for one thing, and refused for that.

use serde_json::{Value, json};
use testkit::{Authenticator, Lie, PasskeyChallenge, RP_ID, Reply, SignedInUser, TestApp, both, minutes, race};

/// A person with a passkey on an authenticator.
async fn enrolled(app: &TestApp, name: &str) -> (SignedInUser, Authenticator) {
    let mut device = app.authenticator().await;
    let person = app.user(name).signed_in().await;
    person.enrols(&mut device).await;
    (person, device)
}

/// Tries to enrol a passkey with a lie, twice: the one try is used up by the first.
async fn enrol_with(person: &SignedInUser, lie: Lie) -> Reply {
    let begun = person.begins_passkey().await;
    let attestation = Authenticator::on(testkit::ORIGIN).create_with(&begun.options, lie);
    let reply = person.post(&begun.path, json!({ "attestation": attestation })).await;
    let honest = Authenticator::on(testkit::ORIGIN).create(&begun.options);
    person.post(&begun.path, json!({ "attestation": honest })).await.is_refused(422, "challenge_already_consumed");
    reply
}

/// Tries to sign in with a lie, and then honestly: the one try is used up by the first.
async fn sign_in_with(app: &TestApp, device: &mut Authenticator, lie: Lie) -> Reply {
    let browser = app.anyone();
    let challenge = browser.asks_for_passkey(None).await;
    let honest = device.get(&challenge.options);
    let reply = browser.asserts(&challenge, device.get_with(&challenge.options, lie)).await;
    browser.asserts(&challenge, honest).await.is_refused(422, "verification_failed");
    browser.get("/v1/me").await.has_status(401);
    reply
}

/// What is wrong at registration and at sign-in alike, and how sign-in and registration say so.
fn lies() -> Vec<(Lie, &'static str, &'static str)> {
    let (origin, assertion, attestation) =
        ("passkey_origin_mismatch", "passkey_assertion_invalid", "passkey_attestation_invalid");
    let on = |text: &str| Lie { origin: Some(text.to_owned()), ..Lie::default() };
    vec![
        (on("https://badapp.example.test"), origin, origin),
        (on("https://app.example.test.evil.test"), origin, origin),
        (on("https://example.test"), origin, origin),
        (on("http://app.example.test"), origin, origin),
        (on("https://app.example.test:8443"), origin, origin),
        (Lie { cross_origin: true, ..Lie::default() }, origin, origin),
        (Lie { top_origin: Some("https://evil.test".to_owned()), ..Lie::default() }, origin, origin),
        (Lie { rp_id: Some("app.example.test".to_owned()), ..Lie::default() }, assertion, attestation),
        (Lie { rp_id: Some("evil.test".to_owned()), ..Lie::default() }, assertion, attestation),
        (Lie { nobody: true, ..Lie::default() }, assertion, attestation),
        (Lie { challenge: Some("A".repeat(43)), ..Lie::default() }, assertion, attestation),
        (Lie { credential_id: Some(vec![7; 32]), ..Lie::default() }, assertion, attestation),
    ]
}

both! {
    async fn a_registration_that_lies_enrols_nothing(app: TestApp) {
        app.authenticator().await;
        let alice = app.user("alice").signed_in().await;

        for (lie, _, code) in lies() {
            enrol_with(&alice, lie.clone()).await.is_refused(422, code);
        }
        for lie in [
            Lie { ceremony: Some("webauthn.get".to_owned()), ..Lie::default() },
            Lie { other_algorithm: true, ..Lie::default() },
        ] {
            enrol_with(&alice, lie).await.is_refused(422, "passkey_attestation_invalid");
        }
        alice.get("/v1/me/passkeys").await.is(200, json!({ "total_count": 0 }));
        alice.get("/v1/me").await.is(200, json!({ "passkey_count": 0 }));
    }

    async fn an_assertion_that_lies_signs_nobody_in(app: TestApp) {
        let (_, mut device) = enrolled(&app, "alice").await;

        for (lie, code, _) in lies() {
            sign_in_with(&app, &mut device, lie.clone()).await.is_refused(422, code);
        }
        for lie in [
            Lie { ceremony: Some("webauthn.create".to_owned()), ..Lie::default() },
            Lie { forged: true, ..Lie::default() },
            Lie { unverified: true, ..Lie::default() },
            Lie { synchronised: true, ..Lie::default() },
        ] {
            sign_in_with(&app, &mut device, lie).await.is_refused(422, "passkey_assertion_invalid");
        }
        app.bapi().get("/v1/sessions").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_passkey_speaks_for_its_owner_alone(app: TestApp) {
        let (alice, mut device) = enrolled(&app, "alice").await;
        let (bob, mut bobs) = enrolled(&app, "bob").await;
        let bobs_handle = bob.begins_passkey().await.options["user"]["id"].clone();
        let bobs_handle = crypto::base64url::decode(bobs_handle.as_str().expect("a text")).expect("base64url");

        let as_bob = Lie { user_handle: Some(Some(bobs_handle)), ..Lie::default() };
        sign_in_with(&app, &mut device, as_bob).await.is_refused(422, "passkey_user_handle_mismatch");
        let nameless = Lie { user_handle: Some(None), ..Lie::default() };
        sign_in_with(&app, &mut device, nameless).await.is_refused(422, "passkey_user_handle_mismatch");
        // Who was named is who signs in.
        for name in [alice.user.email.as_str(), "nobody@example.com"] {
            let browser = app.anyone();
            let asked = browser.asks_for_passkey(Some(name)).await;
            browser.asserts(&asked, bobs.get(&asked.options)).await.is_refused(422, "passkey_user_handle_mismatch");
            browser.get("/v1/me").await.has_status(401);
        }
    }

    async fn a_challenge_serves_its_own_ceremony_and_nobody_elses(app: TestApp) {
        let (alice, mut device) = enrolled(&app, "alice").await;
        let (victim, thief) = (app.anyone(), app.anyone());
        let (asked, stolen) = (victim.asks_for_passkey(None).await, thief.asks_for_passkey(None).await);
        let assertion = device.get(&asked.options);

        thief.asserts(&stolen, assertion.clone()).await.is_refused(422, "passkey_assertion_invalid");
        thief.asserts(&asked, assertion.clone()).await.is_refused(404, "sign_in_not_found");
        let registration = alice.begins_passkey().await;
        let as_request = json!({ "challenge": registration.options["challenge"], "rp_id": RP_ID, "allow_credentials": [] });
        let fourth = app.anyone();
        let other = fourth.asks_for_passkey(None).await;
        fourth.asserts(&other, device.get(&as_request)).await.is_refused(422, "passkey_assertion_invalid");
        // What went well once goes no second time, on this challenge or on another.
        victim.asserts(&asked, assertion.clone()).await.has_status(200);
        victim.asserts(&asked, assertion.clone()).await.is_refused(422, "verification_already_verified");
        let again = app.anyone();
        let fresh = again.asks_for_passkey(None).await;
        again.asserts(&fresh, assertion).await.is_refused(422, "passkey_assertion_invalid");
    }

    async fn a_late_answer_is_none(app: TestApp) {
        let (_, mut device) = enrolled(&app, "alice").await;
        let browser = app.anyone();
        let asked = browser.asks_for_passkey(None).await;
        app.advance(minutes(10));

        browser.asserts(&asked, device.get(&asked.options)).await.is_refused(422, "verification_expired");
    }

    async fn a_copied_authenticator_is_found_out(app: TestApp) {
        let (_, mut device) = enrolled(&app, "alice").await;
        let mut copy = device.clone();
        app.anyone().signs_in_with(&mut device, Lie::default()).await.has_status(200);
        app.anyone().signs_in_with(&mut device, Lie::default()).await.has_status(200);

        app.anyone().signs_in_with(&mut copy, Lie::default()).await.is_refused(422, "passkey_replayed");
        let stuck = Lie { counter: Some(0), ..Lie::default() };
        app.anyone().signs_in_with(&mut device, stuck).await.is_refused(422, "passkey_replayed");
        app.anyone().signs_in_with(&mut device, Lie::default()).await.has_status(200);
    }

    async fn a_credential_is_enrolled_once_even_when_it_was_removed(app: TestApp) {
        let mut device = app.authenticator().await;
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").signed_in().await);
        let (begun, other) = (alice.begins_passkey().await, bob.begins_passkey().await);
        let attestation = device.create(&begun.options);
        let key = alice.post(&begun.path, json!({ "attestation": attestation })).await.has_status(201).str("/response/id");
        // The same credential, with what the browser would say on Bob's challenge: nothing of it is signed.
        let copied = with_challenge(&attestation, &other);

        bob.post(&other.path, json!({ "attestation": copied })).await.is_refused(422, "passkey_replayed");
        alice.delete(format!("/v1/me/passkeys/{key}")).await.has_status(204);
        let other = bob.begins_passkey().await;
        let copied = with_challenge(&attestation, &other);
        bob.post(&other.path, json!({ "attestation": copied })).await.is_refused(422, "passkey_replayed");
    }

    async fn one_assertion_signs_in_once_however_often_it_is_sent(app: TestApp) {
        let (alice, mut device) = enrolled(&app, "alice").await;
        let browser = app.anyone();
        let asked = browser.asks_for_passkey(None).await;
        let assertion = device.get(&asked.options);
        let thieves: Vec<_> = (0..50).map(|_| browser.stolen()).collect();
        app.skip_events().await;

        let replies = race(50, |i| thieves[i].asserts(&asked, assertion.clone())).await;

        assert!(replies.iter().all(|reply| reply.status() < 500), "a race is no fault");
        assert_eq!(replies.iter().filter(|reply| reply.status() == 200).count(), 1);
        assert_eq!(app.events().await, ["session.created"]);
        app.bapi().get(format!("/v1/users/{}/sessions", alice.id())).await.is(200, json!({ "total_count": 2 }));
    }

    async fn one_registration_enrols_once_however_often_it_is_sent(app: TestApp) {
        let mut device = app.authenticator().await;
        let alice = app.user("alice").signed_in().await;
        let begun = alice.begins_passkey().await;
        let body = json!({ "attestation": device.create(&begun.options) });

        let replies = race(50, |_| alice.post(&begun.path, body.clone()).into_future()).await;

        assert!(replies.iter().all(|reply| reply.status() < 500), "a race is no fault");
        assert_eq!(replies.iter().filter(|reply| reply.status() == 201).count(), 1);
        alice.get("/v1/me/passkeys").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_passkey_of_one_environment_is_nothing_in_another(app: TestApp) {
        let (_, mut device) = enrolled(&app, "alice").await;
        let second = app.second_environment().await;
        app.authenticator_of(&second).await;

        app.anyone_of(&second).signs_in_with(&mut device, Lie::default()).await.is_refused(422, "passkey_assertion_invalid");
    }

    async fn who_has_a_passkey_is_not_told(app: TestApp) {
        let (alice, mut device) = enrolled(&app, "alice").await;
        let bob = app.user("bob").created().await;
        let shape = async |name: &str, device: &mut Authenticator| {
            let browser = app.anyone();
            let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": name })).await;
            let asked = browser.asks_for_passkey_under(&format!("/v1/client/sign-ins/{}", begun.str("/response/id"))).await;
            let mut options = asked.options.clone();
            options["challenge"] = Value::Null;
            let lie = Lie { forged: true, ..Lie::default() };
            let reply = browser.asserts(&asked, device.get_with(&asked.options, lie)).await;
            (begun.at("/response/supported_strategies").clone(), options, reply.status(), reply.codes().join(" "))
        };

        let known = shape(&alice.user.email, &mut device).await;

        assert_eq!(known, shape(&bob.email, &mut device).await);
        assert_eq!(known, shape("nobody@example.com", &mut device).await);
        assert_eq!(known.3, "passkey_assertion_invalid");
    }

    async fn a_banned_person_does_not_come_in_by_passkey(app: TestApp) {
        let (alice, mut device) = enrolled(&app, "alice").await;
        app.bapi().post_empty(format!("/v1/users/{}/ban", alice.id())).await.has_status(200);

        app.anyone().signs_in_with(&mut device, Lie::default()).await.is_refused(403, "user_banned");
    }

    async fn another_persons_passkey_proves_nothing_anew(app: TestApp) {
        let (alice, mut device) = enrolled(&app, "alice").await;
        let (_, mut bobs) = enrolled(&app, "bob").await;
        app.advance(minutes(11));
        let session = format!("/v1/client/sessions/{}", alice.session);
        let asked = alice.asks_for_passkey_under(&session).await;
        let open = json!({ "challenge": asked.options["challenge"], "rp_id": RP_ID, "allow_credentials": [] });

        alice.asserts(&asked, bobs.get(&open)).await.is_refused(422, "passkey_assertion_invalid");
        alice.asserts(&asked, device.get(&asked.options)).await.is_refused(422, "verification_failed");
        alice.post("/v1/me/passkeys/begin-registration", json!({})).await.is_refused(403, "reverification_required");
    }
}

/// The attestation with the client data of another challenge.
fn with_challenge(attestation: &Value, begun: &PasskeyChallenge) -> Value {
    let client_data = json!({
        "type": "webauthn.create", "challenge": begun.options["challenge"], "origin": testkit::ORIGIN, "crossOrigin": false,
    });
    let mut copied = attestation.clone();
    copied["response"]["client_data_json"] = json!(crypto::base64url::encode(client_data.to_string().as_bytes()));
    copied
}
