//! What comes between a change and whoever is told of it: forged deliveries, inner addresses, leaks.

use crate::bapi::webhooks::{Hook, body, is_believed};
use domain::environment::EnvironmentKind;
use domain::time::{hours, minutes};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use testkit::{Asked, Says, Setup, Stranger, TestApp, both};

/// What the libraries of receivers make of deliveries: by svix and by standardwebhooks; none where they are not.
fn by_libraries(deliveries: &[(&str, &Asked)]) -> Option<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/webhooks");
    let is_installed = folder.join("node_modules/svix").exists();
    let mut node = Command::new("node");
    node.arg("verify.mjs").current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let node = if is_installed { node.spawn().ok() } else { None };
    let Some(mut node) = node else {
        let missing = "no node, or `npm ci` was not run in tests/webhooks: deliveries are not shown to libraries";
        writeln!(std::io::stderr(), "{missing}").ok();
        return None;
    };
    let mut input = node.stdin.take().expect("it is piped");
    for (secret, asked) in deliveries {
        let headers: serde_json::Map<String, Value> =
            asked.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let body = String::from_utf8_lossy(&asked.body);
        writeln!(input, "{}", json!({ "secret": secret, "headers": headers, "body": body })).expect("it listens");
    }
    drop(input);
    let done = node.wait_with_output().expect("it ends");
    assert!(done.status.success());
    let said = String::from_utf8(done.stdout).expect("it prints text");
    let verdict = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("it prints JSON");
        let of = |name: &str| line[name].as_str().expect("a text").to_owned();
        (of("svix"), of("standardwebhooks"))
    };
    Some(said.lines().map(verdict).collect())
}

/// The same delivery with a header changed, or without it.
fn with(asked: &Asked, name: &str, value: Option<&str>) -> Asked {
    let mut changed = asked.clone();
    for prefix in ["svix", "webhook"] {
        changed.headers.retain(|(other, _)| *other != format!("{prefix}-{name}"));
        if let Some(value) = value {
            changed.headers.push((format!("{prefix}-{name}"), value.to_owned()));
        }
    }
    changed
}

both! {
    async fn a_forged_delivery_is_believed_by_nobody(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        app.user("alice").created().await;
        app.run_jobs().await;
        let asked = hook.receiver.asked()[0].clone();
        let first = hook.secret.clone();
        let other = Hook::new(&app, &["user.created"]).await.secret;

        let old = (app.now().seconds() - 301).to_string();
        let mut tampered = asked.clone();
        tampered.body = String::from_utf8(asked.body.clone()).expect("text").replace("alice@", "mallory@").into_bytes();
        let forged = [
            with(&asked, "signature", None),
            with(&asked, "signature", Some("")),
            with(&asked, "signature", Some("v1,")),
            with(&asked, "timestamp", Some(&old)),
            with(&asked, "timestamp", None),
            with(&asked, "id", Some("evt_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
            tampered,
        ];
        assert!(is_believed(&first, &asked, app.now()) && !is_believed(&other, &asked, app.now()));
        assert!(!is_believed(&first, &asked, app.now() + minutes(6)), "a delivery that was kept back is too old");
        for forged in &forged {
            assert!(!is_believed(&first, forged, app.now()), "{forged:?}");
        }
        let rotated = app.bapi().post(format!("{}/rotate-secret", hook.path()), json!({})).await.str("/signing_secret");
        app.user("bob").created().await;
        app.run_jobs().await;
        let both = hook.receiver.asked()[1].clone();

        let mut shown: Vec<(&str, &Asked)> = vec![(&first, &asked), (&first, &both), (&rotated, &both)];
        shown.push((&other, &asked));
        shown.extend(forged.iter().map(|forged| (first.as_str(), forged)));
        let Some(verdicts) = by_libraries(&shown) else { return };
        assert_eq!(verdicts.len(), shown.len());
        for (at, (svix, standard)) in verdicts.iter().enumerate() {
            let is_ours = at < 3;
            assert_eq!((svix == "ok", standard == "ok"), (is_ours, is_ours), "{at}: {svix}, {standard}");
        }
    }

    async fn an_inner_address_is_no_receiver(app: TestApp) {
        let make = async |url: &str| {
            app.bapi().post("/v1/webhooks/endpoints", json!({ "url": url, "enabled_event_types": ["*"] })).await
        };
        for url in [
            "http://example.com/",
            "https://user@example.com/",
            "https://:password@example.com/",
            "https://example.com/#part",
            "https://10.0.0.1/",
            "https://167772161/",
            "https://0xa9fea9fe/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::ffff:10.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https://0.0.0.0/",
            "https://192.168.1.1/",
            "https://100.64.0.1/",
            "ftp://example.com/",
            "file:///etc/passwd",
        ] {
            make(url).await.is_refused_for(422, "webhook_url_insecure", "url");
        }
        // What `dev` and the tests allow: the machine itself.
        make("http://localhost:9/").await.has_status(201);
        let hook = Hook::new(&app, &["*"]).await;
        app.bapi().patch(hook.path(), json!({ "url": "https://10.0.0.1/" })).await.is_refused(422, "webhook_url_insecure");
    }

    async fn a_redirect_is_a_failure_and_is_not_followed(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        let inner = Stranger::start().await.expect("the loopback has a free port");
        let to = inner.url();
        for (name, status) in [("a", 301), ("b", 302), ("c", 303), ("d", 307), ("e", 308)] {
            let to = to.clone();
            hook.receiver.answers(move |_| Says::new(status, "").header("location", &to));
            app.user(name).created().await;
            app.run_jobs().await;
        }

        assert_eq!(inner.connections(), 0);
        let rows = app.bapi().get("/v1/webhooks/deliveries?succeeded=false").await;
        rows.is(200, json!({ "total_count": 5 }));
    }

    async fn no_secret_of_an_endpoint_stands_in_clear_anywhere(app: TestApp) {
        let hook = Hook::new(&app, &["*"]).await;
        let body = json!({ "url": hook.receiver.url(), "enabled_event_types": ["*"] });
        let kept = app.bapi().post("/v1/webhooks/endpoints", body).idempotency_key("one").await.str("/signing_secret");
        let rotated = app.bapi().post(format!("{}/rotate-secret", hook.path()), json!({})).await.str("/signing_secret");
        app.user("alice").signed_in().await;
        hook.answers(500);
        app.user("bob").signed_in().await;
        app.run_jobs().await;

        let (database, logs) = (app.database_text().await, testkit::logs());
        let events = app.logged_events(&app.env).await;
        assert!(database.contains(&hook.id), "the looking finds what is there");
        for secret in [&hook.secret, &kept, &rotated] {
            let bare = secret.strip_prefix("whsec_").expect("the prefix");
            assert!(!database.contains(bare) && !logs.contains(bare), "{}", &secret[..8]);
            assert!(events.iter().all(|event| !event.data.as_ref().is_some_and(|data| data.to_string().contains(bare))));
            assert!(hook.receiver.asked().iter().all(|asked| !String::from_utf8_lossy(&asked.body).contains(bare)));
        }
        for path in ["/v1/webhooks/endpoints", "/v1/webhooks/deliveries"] {
            assert!(!app.bapi().get(path).await.text().contains("signing_secret\":"), "{path}");
        }
    }

    async fn the_text_of_a_message_goes_to_who_names_it_and_is_gone_when_it_has_arrived(app: TestApp) {
        let (by_name, by_star) = (Hook::new(&app, &["email.created"]).await, Hook::new(&app, &["email.*", "user.*"]).await);
        let ours = json!({ "delivered_by_us": false });
        app.bapi().patch("/v1/email-templates/verification_code", ours).await.has_status(200);
        by_name.answers(500);
        let browser = app.anyone();
        let staged = json!({ "email_address": "new@example.com", "password": "a fine long password" });
        let sign_up = browser.post("/v1/client/sign-ups", staged).await.has_status(200).str("/response/id");
        let path = format!("/v1/client/sign-ups/{sign_up}/challenges");
        let challenge = browser.post(&path, json!({ "strategy": "email_code" })).await.has_status(200).str("/response/id");
        app.run_jobs().await;

        assert_eq!(by_star.names(), ["email.created"]);
        assert_eq!(by_star.events()[0]["data"]["body_plain"], json!(null), "a star is not enough");
        let event = by_name.events()[0].clone();
        let text = event["data"]["body_plain"].as_str().expect("the text").to_owned();
        let code = text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).expect("a code").to_owned();
        assert!(event["data"]["subject"].is_string() && event["data"]["body"].is_string());
        assert!(!app.database_text().await.contains(&text), "it is sealed while it waits, and no answer is kept");

        by_name.answers(200);
        app.advance(std::time::Duration::from_secs(6));
        app.run_jobs().await;

        let asked = by_name.receiver.asked();
        assert_eq!((asked.len(), &asked[0].body), (2, &asked[1].body));
        browser.post(format!("{path}/{challenge}/answer"), json!({ "code": code })).await.has_status(200);
        let id = event["id"].as_str().expect("an id").parse().expect("an event's id");
        let left = engine::messages::text_of(&app.engine, app.env.id, id).await.expect("texts can be read");
        assert_eq!(left, None, "it has arrived");
        let row = app.bapi().get(format!("/v1/webhooks/deliveries?endpoint_id={}", by_name.id)).await.str("/data/0/id");
        app.bapi().post_empty(format!("/v1/webhooks/deliveries/{row}/replay")).await.is_refused(409, "webhook_body_gone");
        // Without its text the event can be told again.
        let again = app.bapi().post(format!("{}/replay", by_name.path()), json!({ "since": event["id"] })).await;
        again.is(202, json!({ "queued": 1 }));
        app.run_jobs().await;
        assert_eq!(by_name.events()[2]["data"]["body_plain"], json!(null));
    }

    async fn the_text_of_a_message_is_not_sent_after_a_day(app: TestApp) {
        let hook = Hook::new(&app, &["email.created"]).await;
        app.bapi().patch("/v1/email-templates/verification_code", json!({ "delivered_by_us": false })).await.has_status(200);
        hook.answers(500);
        let browser = app.anyone();
        let staged = json!({ "email_address": "new@example.com", "password": "a fine long password" });
        let sign_up = browser.post("/v1/client/sign-ups", staged).await.has_status(200).str("/response/id");
        let path = format!("/v1/client/sign-ups/{sign_up}/challenges");
        browser.post(&path, json!({ "strategy": "email_code" })).await.has_status(200);
        app.run_jobs().await;
        assert_eq!(hook.receiver.asked().len(), 1);

        app.advance(hours(25));
        app.run_jobs().await;
        app.advance(hours(25));
        app.run_jobs().await;

        assert_eq!(hook.receiver.asked().len(), 1);
        let rows = app.bapi().get("/v1/webhooks/deliveries").await;
        let last = rows.is(200, json!({ "total_count": 2 })).at("/data/0");
        assert_eq!((&last["attempt"], &last["response_status"], &last["next_retry_at"]), (&json!(2), &json!(null), &json!(null)));
    }

    async fn an_endpoint_of_another_environment_hears_nothing(app: TestApp) {
        let other = app.second_environment().await;
        let receiver = Stranger::start().await.expect("the loopback has a free port");
        let body = json!({ "url": receiver.url(), "enabled_event_types": ["*"] });
        app.bapi_of(&other).post("/v1/webhooks/endpoints", body).await.has_status(201);
        app.user("alice").signed_in().await;
        app.run_jobs().await;
        assert_eq!(receiver.connections(), 0);
        app.user_of(&other, "bob").created().await;
        app.run_jobs().await;
        assert!(receiver.asked().iter().all(|asked| body_of(asked)["instance_id"] == json!(other.id)));
        assert_eq!(receiver.asked().len(), 1);
    }
}

fn body_of(asked: &Asked) -> Value {
    body(asked)
}

mod in_production {
    use super::*;

    both! {
        on |engine| Setup::on(engine).kind(EnvironmentKind::Production);
        async fn a_receiver_is_called_over_tls_only(app: TestApp) {
            let make = async |url: &str| {
                app.bapi().post("/v1/webhooks/endpoints", json!({ "url": url, "enabled_event_types": ["*"] })).await
            };
            for url in ["http://localhost:9/", "http://127.0.0.1:9/", "http://[::1]:9/", "http://example.com/"] {
                make(url).await.is_refused_for(422, "webhook_url_insecure", "url");
            }
            make("https://example.com/").await.has_status(201);
        }
    }
}
