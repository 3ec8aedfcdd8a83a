//! Nobody learns who has an account: known and unknown get the same answer, for the same work.

use super::{another_code, sign_in_by_code, sign_up_by_code};
use crate::fapi::steps::{add_number, given_number, reserved, with_phones};
use crypto::password::{Params, PoolOptions};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{Reply, TestApp, both};

/// What an answer looks like: its status, the names of its headers, and its body with every free text as its kind.
#[derive(Debug, PartialEq)]
struct Shape(u16, Vec<String>, Value);

fn shape(reply: &Reply) -> Shape {
    let names = ["set-cookie", "retry-after", "content-type", "cache-control", "vary", "www-authenticate"];
    let present = names.iter().filter(|name| reply.header(name).is_some()).map(|name| (*name).to_owned()).collect();
    Shape(reply.status(), present, of(reply.json(), ""))
}

/// Words of closed sets stay; what is about the one who asked is replaced by its kind.
fn of(value: &Value, key: &str) -> Value {
    let is_word = matches!(
        key,
        "status"
            | "strategy"
            | "code"
            | "param"
            | "object"
            | "message"
            | "long_message"
            | "supported_first_factors"
            | "supported_strategies"
            | "supported_identifiers"
            | "required_fields"
            | "missing_fields"
            | "unverified_fields"
            | "attempts"
            | "channel"
            | "step"
    );
    match value {
        Value::Object(object) => Value::Object(object.iter().map(|(k, v)| (k.clone(), of(v, k))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(|item| of(item, key)).collect()),
        Value::String(_) if !is_word => json!("text"),
        Value::Number(_) if !is_word => json!("number"),
        other => other.clone(),
    }
}

async fn sign_in(app: &TestApp, identifier: &str, password: &str) -> Reply {
    let body = json!({ "identifier": identifier, "strategy": "password", "password": password });
    app.anyone().post("/v1/client/sign-ins", body).await
}

both! {
    async fn a_wrong_password_is_one_answer_and_one_hash_whoever_is_meant(app: TestApp) {
        app.settings(|s| s.attribute_settings.username.enabled = true).await;
        let alice = app.user("alice").created().await;
        let named = json!({ "username": "knownname", "password": "a passphrase of hers" });
        app.bapi().post("/v1/users", named).await.has_status(201);
        let bare = json!({ "email_address": ["bare@example.com"], "skip_password_requirement": true });
        app.bapi().post("/v1/users", bare).await.has_status(201);
        let banned = app.user("banned").created().await;
        app.bapi().post_empty(format!("/v1/users/{}/ban", banned.id)).await.has_status(200);
        let locked = app.user("locked").created().await;
        app.bapi().post_empty(format!("/v1/users/{}/lock", locked.id)).await.has_status(200);
        let digest = crypto::digest::sha256_hex(b"a passphrase from elsewhere");
        let imported = json!({ "email_address": ["imported@example.com"], "password_digest": digest, "password_hasher": "sha256" });
        app.bapi().post("/v1/users", imported).await.has_status(201);

        let unknown = sign_in(&app, "nobody@example.com", "not the password").await;
        unknown.is_refused(422, "form_password_incorrect");
        for identifier in
            [alice.email.as_str(), "bare@example.com", &banned.email, &locked.email, "imported@example.com", "knownname", "unknownname"]
        {
            let before = app.passwords.hashes_done();
            let reply = sign_in(&app, identifier, "not the password").await;
            assert_eq!(shape(&reply), shape(&unknown), "{identifier}");
            assert_eq!(app.passwords.hashes_done() - before, 1, "{identifier} costs one hash");
        }
    }

    async fn a_sign_in_begins_alike_whoever_is_meant(app: TestApp) {
        let alice = app.user("alice").created().await;
        let bare = json!({ "email_address": ["bare@example.com"], "skip_password_requirement": true });
        app.bapi().post("/v1/users", bare).await.has_status(201);
        let mut seen = Vec::new();
        for email in ["nobody@example.com", &alice.email, "bare@example.com"] {
            let browser = app.anyone();
            let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": email })).await;
            let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
            let mut shapes = vec![shape(&begun), shape(&browser.get(&path).await)];
            for strategy in ["password", "email_code"] {
                let asked = browser.post(format!("{path}/challenges"), json!({ "strategy": strategy })).await;
                let challenge = asked.str("/response/id");
                shapes.push(shape(&asked));
                shapes.push(shape(&browser.get(format!("{path}/challenges/{challenge}")).await));
                let body = json!({ "password": "not the password", "code": "135790" });
                shapes.push(shape(&browser.post(format!("{path}/challenges/{challenge}/answer"), body).await));
                shapes.push(shape(&browser.get("/v1/client").await));
            }
            seen.push((email.to_owned(), shapes));
        }
        for (email, shapes) in &seen[1..] {
            assert_eq!(shapes, &seen[0].1, "{email} looks like nobody");
        }
        assert!(app.mails_to("nobody@example.com").await.is_empty(), "nothing is sent to strangers");
    }

    async fn a_sign_in_by_phone_goes_alike_whoever_is_meant(app: TestApp) {
        with_phones(&app).await;
        let (alice, bob, carol) =
            (app.user("alice").created().await, app.user("bob").signed_in().await, app.user("carol").created().await);
        given_number(&app, &alice.id, "+16502530001").await;
        add_number(&bob, "+16502530002").await;
        reserved(&app, &given_number(&app, &carol.id, "+16502530003").await).await;
        let mut seen = Vec::new();
        // Unknown, known, claimed without a proof, and all that somebody has for the second step.
        for number in ["+16502530000", "+16502530001", "+16502530002", "+16502530003"] {
            let browser = app.anyone();
            let begun = browser.post("/v1/client/sign-ins", json!({ "identifier": number })).await;
            let path = format!("/v1/client/sign-ins/{}", begun.str("/response/id"));
            let mut shapes = vec![shape(&begun), shape(&browser.get(&path).await)];
            for _ in 0..6 {
                let asked = browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await;
                shapes.push(shape(&asked));
                // Too soon, for everybody alike.
                let soon = browser.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await;
                shapes.push(shape(&soon));
                app.advance(Duration::from_secs(31));
                let Some(challenge) = asked.json().pointer("/response/id").and_then(Value::as_str) else { continue };
                shapes.push(shape(&browser.get(format!("{path}/challenges/{challenge}")).await));
                for _ in 0..5 {
                    let body = json!({ "code": "135790" });
                    shapes.push(shape(&browser.post(format!("{path}/challenges/{challenge}/answer"), body).await));
                }
                shapes.push(shape(&browser.get("/v1/client").await));
            }
            let unheard = app.anyone().post("/v1/client/sign-ins", json!({ "identifier": number, "strategy": "password", "password": "not the password" })).await;
            shapes.push(shape(&unheard));
            seen.push((number, shapes));
        }
        for (number, shapes) in &seen[1..] {
            assert_eq!(shapes, &seen[0].1, "{number} looks like nobody's");
        }
        let sent = app.smses().await;
        assert_eq!(sent.len(), 5, "five messages an hour");
        assert!(sent.iter().all(|sms| sms.to == "+16502530001"), "nothing is sent to strangers");
    }

    async fn guesses_at_a_code_run_out_alike_whoever_is_meant(app: TestApp) {
        let alice = app.user("alice").created().await;
        let mut seen = Vec::new();
        for email in ["nobody@example.com", &alice.email] {
            let browser = app.anyone();
            let attempt = sign_in_by_code(&browser, email).await;
            let code = if email == alice.email { app.last_code(email).await } else { String::new() };
            let mut shapes = Vec::new();
            for _ in 0..7 {
                shapes.push(shape(&attempt.answer(&browser, another_code(&code)).await));
            }
            seen.push(shapes);
        }
        assert_eq!(seen[0], seen[1]);
    }

    async fn a_sign_up_looks_alike_whether_the_address_is_taken_or_free(app: TestApp) {
        let alice = app.user("alice").created().await;
        let mut seen = Vec::new();
        for email in ["free@example.com", &alice.email] {
            let browser = app.anyone();
            let before = app.passwords.hashes_done();
            let body = json!({ "email_address": email, "password": "a passphrase of mine" });
            let begun = browser.post("/v1/client/sign-ups", body).await;
            assert_eq!(app.passwords.hashes_done() - before, 1, "{email} costs one hash");
            let path = format!("/v1/client/sign-ups/{}", begun.str("/response/id"));
            let asked = browser.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await;
            let answer = format!("{path}/challenges/{}/answer", asked.str("/response/id"));
            let mut shapes = vec![shape(&begun), shape(&asked)];
            let code = app.mails_to(email).await.into_iter().rev().find_map(|mail| mail.code).unwrap_or_default();
            for _ in 0..6 {
                shapes.push(shape(&browser.post(&answer, json!({ "code": another_code(&code) })).await));
            }
            shapes.push(shape(&browser.get(&path).await));
            shapes.push(shape(&browser.patch(&path, json!({ "first_name": "Ann" })).await));
            seen.push(shapes);
        }
        assert_eq!(seen[0], seen[1]);
        // The mailbox hears of it, and holds no code that could prove anything.
        let told = app.mails_to(&alice.email).await;
        assert_eq!((told.len(), told[0].code.as_deref()), (1, None));
        assert_eq!(app.mails_to("free@example.com").await.len(), 1, "one mail each");
    }

    async fn an_address_that_somebody_has_can_be_claimed_and_never_proven(app: TestApp) {
        let alice = app.user("alice").created().await;
        let mallory = app.user("mallory").signed_in().await;
        let mut seen = Vec::new();
        for email in ["free@example.com", &alice.email] {
            let added = mallory.post("/v1/me/email-addresses", json!({ "email_address": email })).await;
            let path = format!("/v1/me/email-addresses/{}", added.str("/response/id"));
            let asked = mallory.post(format!("{path}/challenges"), json!({ "strategy": "email_code" })).await;
            let answer = format!("{path}/challenges/{}/answer", asked.str("/response/id"));
            let code = app.mails_to(email).await.into_iter().rev().find_map(|mail| mail.code).unwrap_or_default();
            let wrong = mallory.post(&answer, json!({ "code": another_code(&code) })).await;
            seen.push([shape(&added), shape(&asked), shape(&wrong)].map(without_lists));
        }
        assert_eq!(seen[0], seen[1]);
        assert!(app.mails_to(&alice.email).await.iter().all(|mail| mail.code.is_none()));
    }
}

/// The client beside the answer lists the addresses so far, which the one who asks knows anyway.
fn without_lists(mut shape: Shape) -> Shape {
    if let Some(answer) = shape.2.as_object_mut() {
        answer.remove("client");
    }
    shape
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

both! {
    on |engine| testkit::Setup::on(engine).passwords(PoolOptions {
        params: Params { memory_kib: 4096, iterations: 1, parallelism: 1 },
        threads: 2,
        waiting_per_thread: 64,
    });

    async fn a_stopwatch_does_not_tell_known_from_unknown(app: TestApp) {
        let alice = app.user("alice").created().await;
        let digest = crypto::digest::sha256_hex(b"a passphrase from elsewhere");
        let imported = json!({ "email_address": ["imported@example.com"], "password_digest": digest, "password_hasher": "sha256" });
        app.bapi().post("/v1/users", imported).await.has_status(201);
        let emails = ["nobody@example.com", &alice.email, "imported@example.com"];
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        // In turns, so that whatever else the machine does meets all of them.
        for _ in 0..30 {
            for (i, email) in emails.iter().enumerate() {
                let started = Instant::now();
                sign_in(&app, email, "not the password").await.has_status(422);
                times[i].push(started.elapsed());
            }
        }
        let medians = times.map(median);
        let (least, most) = (medians.iter().min().expect("three"), medians.iter().max().expect("three"));
        assert!(*most < *least * 2 + Duration::from_millis(5), "{medians:?}");
    }

    async fn a_stopwatch_does_not_tell_a_taken_address_from_a_free_one(app: TestApp) {
        let alice = app.user("alice").created().await;
        let mut times = [Vec::new(), Vec::new()];
        for i in 0..20 {
            for (j, email) in [format!("free{i}@example.com"), alice.email.clone()].into_iter().enumerate() {
                let browser = app.anyone();
                let started = Instant::now();
                sign_up_by_code(&browser, &email).await;
                times[j].push(started.elapsed());
            }
        }
        let medians = times.map(median);
        let (least, most) = (medians.iter().min().expect("two"), medians.iter().max().expect("two"));
        assert!(*most < *least * 2 + Duration::from_millis(5), "{medians:?}");
    }
}
