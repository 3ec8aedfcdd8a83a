//! Webhook endpoints, and what is pushed to them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::webhook::WebhookSecret;
use domain::time::{hours, minutes};
use serde_json::{Value, json};
use testkit::{Asked, Says, Stranger, TestApp, both};

/// An endpoint of the platform at a receiver of the test's.
pub(crate) struct Hook {
    pub id: String,
    pub secret: String,
    pub receiver: Stranger,
}

impl Hook {
    /// Makes an endpoint that wants these events, at a receiver of its own.
    pub(crate) async fn new(app: &TestApp, types: &[&str]) -> Self {
        let receiver = Stranger::start().await.expect("the loopback has a free port");
        let body = json!({ "url": receiver.url(), "enabled_event_types": types });
        let made = app.bapi().post("/v1/webhooks/endpoints", body).await;
        Self { id: made.has_status(201).str("/id"), secret: made.str("/signing_secret"), receiver }
    }

    /// Its path.
    pub(crate) fn path(&self) -> String {
        format!("/v1/webhooks/endpoints/{}", self.id)
    }

    /// The bodies that arrived, in their order.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.receiver.asked().iter().map(body).collect()
    }

    /// The names of the events that arrived.
    pub(crate) fn names(&self) -> Vec<String> {
        self.events().iter().map(|event| event["type"].as_str().expect("a name").to_owned()).collect()
    }

    /// From now on the receiver answers with this status.
    pub(crate) fn answers(&self, status: u16) {
        self.receiver.answers(move |_| Says::new(status, "said"));
    }
}

pub(crate) fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).expect("what is pushed is JSON")
}

/// Whether a receiver with this secret believes a delivery, as the libraries of Svix decide it.
pub(crate) fn is_believed(secret: &str, asked: &Asked, now: domain::Timestamp) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("the prefix")).expect("base64 with padding");
    let secret = WebhookSecret::from_bytes(&key).expect("32 bytes");
    let (Some(id), Some(timestamp), Some(signature)) =
        (asked.header("svix-id"), asked.header("svix-timestamp"), asked.header("svix-signature"))
    else {
        return false;
    };
    let Ok(timestamp) = timestamp.parse::<i64>() else { return false };
    let expected = secret.sign(id, timestamp, &asked.body);
    (now.seconds() - timestamp).abs() <= 300 && signature.split(' ').any(|one| one == expected)
}

both! {
    async fn an_endpoint_is_made_read_changed_and_deleted(app: TestApp) {
        let backend = app.bapi();
        let body = json!({ "url": "https://example.com/hook", "enabled_event_types": ["user.*", "session.created"] });

        let made = backend.post("/v1/webhooks/endpoints", body).await;

        let now = made.at("/created_at").as_i64().expect("a time");
        assert!(app.now().millis() - now < 60_000);
        made.is(201, json!({
            "object": "webhook_endpoint", "url": "https://example.com/hook", "enabled": true, "include_meta": false,
            "enabled_event_types": ["user.*", "session.created"], "disabled_at": null,
            "rotation_window_expires_at": null, "created_at": now, "updated_at": now,
        }));
        let secret = made.str("/signing_secret");
        assert_eq!(made.str("/signing_secret_prefix"), secret[..8]);
        assert_eq!(STANDARD.decode(&secret[6..]).expect("base64").len(), 32);
        let path = format!("/v1/webhooks/endpoints/{}", made.str("/id"));
        let read = backend.get(&path).await;
        assert!(read.has_status(200).json().get("signing_secret").is_none(), "the secret is shown once");

        app.advance(minutes(1));
        let changed = backend.patch(&path, json!({ "url": "https://example.org/", "enabled": false, "include_meta": true })).await;
        changed.is(200, json!({ "url": "https://example.org/", "enabled": false, "include_meta": true, "created_at": now }));
        assert!(changed.at("/updated_at").as_i64() >= Some(now + 60_000));
        backend.patch(&path, json!({ "enabled_event_types": ["*"] })).await.is(200, json!({ "enabled_event_types": ["*"], "enabled": false }));
        backend.get("/v1/webhooks/endpoints").await.is(200, json!({ "total_count": 1, "data": [{ "id": made.at("/id") }] }));

        backend.delete(&path).await.has_status(204);
        backend.get(&path).await.is_refused(404, "webhook_endpoint_not_found");
        backend.delete(&path).await.is_refused(404, "webhook_endpoint_not_found");
    }

    async fn what_is_no_endpoint_is_refused_by_name(app: TestApp) {
        let backend = app.bapi();
        let make = async |url: &str, types: Value| {
            backend.post("/v1/webhooks/endpoints", json!({ "url": url, "enabled_event_types": types })).await
        };

        make("https://example.com", json!([])).await.is_refused_for(422, "form_param_nil", "enabled_event_types");
        for wrong in ["user", "user.made", "nobody.*", "", "user.created "] {
            let reply = make("https://example.com", json!(["user.created", wrong])).await;
            assert!(reply.status() == 201 || reply.params() == ["enabled_event_types.1"], "{wrong:?}: {}", reply.text());
            assert!(reply.status() == 422 || wrong.ends_with(' '), "{wrong:?}");
        }
        make("example.com", json!(["*"])).await.is_refused_for(422, "form_param_format_invalid", "url");
        let secret = json!({ "signing_secret": "whsec_mine" });
        let hook = Hook::new(&app, &["*"]).await;
        backend.patch(hook.path(), secret).await.is_refused_for(422, "form_param_unknown", "signing_secret");
        backend.patch(hook.path(), json!({ "url": null })).await.is_refused_for(422, "form_param_format_invalid", "url");
    }

    async fn an_environment_has_fifty_endpoints_at_most(app: TestApp) {
        let body = json!({ "url": "https://example.com/hook", "enabled_event_types": ["*"], "enabled": false });
        for _ in 0..49 {
            app.bapi().post("/v1/webhooks/endpoints", body.clone()).await.has_status(201);
        }
        let calls = testkit::race(8, |_| app.bapi().post("/v1/webhooks/endpoints", body.clone()).into_future()).await;
        assert_eq!(calls.iter().filter(|reply| reply.status() == 201).count(), 1);
        app.bapi().post("/v1/webhooks/endpoints", body.clone()).await.is_refused(422, "webhook_endpoint_quota_exceeded");

        let page = app.bapi().get("/v1/webhooks/endpoints?limit=20").await;
        page.is(200, json!({ "total_count": 50 }));
        let next = app.bapi().get(format!("/v1/webhooks/endpoints?limit=40&cursor={}", page.str("/meta/next_cursor"))).await;
        assert_eq!(next.at("/data").as_array().map(Vec::len), Some(30));
        let other = app.second_environment().await;
        app.bapi_of(&other).post("/v1/webhooks/endpoints", body).await.has_status(201);
    }

    async fn a_change_is_pushed_signed_with_its_envelope(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;

        let alice = app.user("alice").created().await;
        app.run_jobs().await;

        let asked = hook.receiver.asked();
        assert_eq!(asked.len(), 1);
        let (asked, event) = (&asked[0], body(&asked[0]));
        let logged = app.logged_events(&app.env).await.into_iter().find(|e| e.event_type == "user.created").expect("it is logged");
        assert_eq!(event["data"], app.bapi().get(format!("/v1/users/{}", alice.id)).await.json().clone());
        let keys: Vec<&String> = event.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["id", "object", "type", "data", "timestamp", "instance_id", "was_test"]);
        assert_eq!(event["id"], json!(logged.id));
        assert_eq!((&event["object"], &event["type"], &event["was_test"]), (&json!("event"), &json!("user.created"), &json!(false)));
        assert_eq!((&event["timestamp"], &event["instance_id"]), (&json!(logged.created_at), &json!(app.env.id)));
        assert_eq!(asked.method, "POST");
        assert_eq!(asked.header("content-type"), Some("application/json"));
        assert!(asked.header("user-agent").is_some_and(|agent| agent.starts_with("Latchkey-Webhooks/")));
        assert_eq!(asked.header("x-authn-event-sequence"), Some(logged.position.to_string().as_str()));
        for name in ["id", "timestamp", "signature"] {
            assert_eq!(asked.header(&format!("svix-{name}")), asked.header(&format!("webhook-{name}")), "{name}");
        }
        assert_eq!(asked.header("svix-id"), Some(logged.id.to_string().as_str()));
        assert!(is_believed(&hook.secret, asked, app.now()));
    }

    async fn an_endpoint_hears_what_its_patterns_name_and_nothing_else(app: TestApp) {
        let (all, users, one) = (Hook::new(&app, &["*"]).await, Hook::new(&app, &["user.*"]).await, Hook::new(&app, &["session.created"]).await);

        let alice = app.user("alice").signed_in().await;
        app.bapi().patch(format!("/v1/users/{}", alice.id()), json!({ "first_name": "Alice" })).await.has_status(200);
        app.run_jobs().await;

        assert_eq!(users.names(), ["user.created", "user.updated"]);
        assert_eq!(one.names(), ["session.created"]);
        let mut heard = all.names();
        heard.sort();
        let mut logged: Vec<String> = app.events().await;
        logged.sort();
        assert_eq!(heard, logged);
    }

    async fn an_endpoint_hears_nothing_from_before_it_was_made(app: TestApp) {
        app.user("early").created().await;
        // Committed, and without a position yet.
        let hook = Hook::new(&app, &["user.created"]).await;
        app.user("late").created().await;
        app.run_jobs().await;

        let events = hook.events();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["data"]["email_addresses"][0]["email_address"], "late@example.com");
    }

    async fn a_change_of_the_patterns_counts_for_what_happens_after_it(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        app.user("first").created().await;
        app.bapi().patch(hook.path(), json!({ "enabled_event_types": ["session.*"] })).await.has_status(200);
        app.user("second").signed_in().await;
        app.run_jobs().await;

        // They are of two things, and so in no order.
        let mut events = hook.events();
        events.sort_by_key(|event| event["type"].to_string());
        assert_eq!(events.iter().map(|event| &event["type"]).collect::<Vec<_>>(), ["session.created", "user.created"]);
        assert_eq!(events[1]["data"]["email_addresses"][0]["email_address"], "first@example.com");
    }

    async fn nothing_is_pushed_while_an_endpoint_is_switched_off(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        hook.answers(500);
        app.user("waiting").created().await;
        app.run_jobs().await;
        assert_eq!(hook.events().len(), 1);
        hook.answers(200);
        app.bapi().patch(hook.path(), json!({ "enabled": false })).await.has_status(200);
        app.user("missed").created().await;
        app.run_jobs().await;
        app.advance(hours(24));
        app.run_jobs().await;
        assert_eq!(hook.events().len(), 1, "neither the retry nor what is new");
        let tried = app.bapi().get("/v1/webhooks/deliveries").await;
        tried.is(200, json!({ "total_count": 1, "data": [{ "next_retry_at": null, "succeeded": false }] }));

        app.bapi().patch(hook.path(), json!({ "enabled": true })).await.has_status(200);
        app.user("heard").created().await;
        app.run_jobs().await;

        let events = hook.events();
        assert_eq!(events.len(), 2);
        assert_eq!(events[1]["data"]["email_addresses"][0]["email_address"], "heard@example.com");
    }

    async fn who_asks_for_it_hears_who_did_it(app: TestApp) {
        let hook = Hook::new(&app, &["user.*", "session.created"]).await;
        app.bapi().patch(hook.path(), json!({ "include_meta": true })).await.has_status(200);

        let alice = app.user("alice").signed_in().await;
        app.run_jobs().await;

        let events = hook.events();
        let meta = |name: &str| events.iter().find(|e| e["type"] == name).expect("it was pushed")["meta"].clone();
        assert_eq!(meta("user.created")["surface"], "bapi");
        assert!(meta("user.created")["actor_id"].as_str().is_some_and(|id| id.starts_with("apik_")));
        assert_eq!(meta("session.created")["surface"], "fapi");
        assert!(!alice.session.is_empty());
    }

    async fn a_secret_is_rotated_with_an_overlap(app: TestApp) {
        let hook = Hook::new(&app, &["user.created"]).await;
        let rotate = async |overlap: Value| app.bapi().post(format!("{}/rotate-secret", hook.path()), overlap).await;
        let pushed = async |name: &str| {
            app.user(name).created().await;
            app.run_jobs().await;
            hook.receiver.asked().last().expect("it was pushed").clone()
        };

        let second = rotate(json!({ "overlap_seconds": 600 })).await;
        let window = second.at("/rotation_window_expires_at").as_i64().expect("a time") - second.at("/updated_at").as_i64().expect("a time");
        assert_eq!(window, 600_000);
        let second = second.str("/signing_secret");
        let asked = pushed("a").await;
        assert_eq!(asked.header("svix-signature").map(|all| all.split(' ').count()), Some(2));
        assert!(is_believed(&hook.secret, &asked, app.now()) && is_believed(&second, &asked, app.now()));

        let third = rotate(json!({})).await.has_status(200).str("/signing_secret");
        let asked = pushed("b").await;
        assert!(!is_believed(&hook.secret, &asked, app.now()), "the newest two only");
        assert!(is_believed(&second, &asked, app.now()) && is_believed(&third, &asked, app.now()));

        app.advance(minutes(5));
        let asked = pushed("c").await;
        assert!(!is_believed(&second, &asked, app.now()) && is_believed(&third, &asked, app.now()));
        app.bapi().get(hook.path()).await.is(200, json!({ "rotation_window_expires_at": null, "signing_secret_prefix": third[..8] }));

        let fourth = rotate(json!({ "overlap_seconds": 0 })).await.has_status(200).str("/signing_secret");
        let asked = pushed("d").await;
        assert!(!is_believed(&third, &asked, app.now()) && is_believed(&fourth, &asked, app.now()));
        for wrong in [json!(-1), json!(86_401), json!("1"), json!(1.5)] {
            rotate(json!({ "overlap_seconds": wrong })).await.has_status(422);
        }
    }

    async fn a_create_is_answered_twice_with_one_secret_for_ten_minutes(app: TestApp) {
        let body = json!({ "url": "https://example.com/hook", "enabled_event_types": ["*"] });
        let make = || app.bapi().post("/v1/webhooks/endpoints", body.clone()).idempotency_key("one");

        let (first, again) = (make().await, make().await);

        assert_eq!(first.has_status(201).json(), again.has_status(201).json());
        app.bapi().get("/v1/webhooks/endpoints").await.is(200, json!({ "total_count": 1 }));
        app.bapi().delete(format!("/v1/webhooks/endpoints/{}", first.str("/id"))).await.has_status(204);
        assert_ne!(make().await.has_status(201).str("/id"), first.str("/id"));
        app.advance(minutes(11));
        make().await.has_status(201);
        app.bapi().get("/v1/webhooks/endpoints").await.is(200, json!({ "total_count": 2 }));
    }
}
