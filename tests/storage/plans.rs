//! No query outside a scan reads a whole table of a tenant: what is fast with ten people is fast with a million.

use anydb::EngineKind;
use domain::time::hours;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use testkit::{AuthenticatorApp, TestApp, minutes};

static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Reads that go through every row on purpose, each with its reason.
const ALLOWED: &[(&str, &str)] = &[
    ("COUNT(*)", "a filtered count runs as a scan, off the workers and with a deadline"),
    ("instr(", "a substring search runs as a scan, off the workers and with a deadline"),
    ("FROM \"environments\"", "an installation has few environments, and each process polls them"),
    ("FROM \"hosts\"", "an installation has few addresses, and each process polls them"),
    ("FROM \"projects\"", "an operator's command lists the projects"),
    ("FROM \"workspaces\"", "an operator's command lists the workspaces"),
    ("FROM \"count_deltas\" ORDER BY", "the fold takes the first few deltas of all, by the primary key"),
    ("FROM (VALUES ", "the sequencer goes through the places of its batch, and finds each row by its key"),
    ("\"audit_sequence\" IS NULL", "a partial index holds only the rows that wait for their place"),
    ("LEFT JOIN webhook_cursors", "an environment has 50 webhook endpoints at most, and the worker polls them"),
];

/// Lets the product do a bit of everything.
async fn walk(app: &TestApp) {
    let alice = app.user("alice").signed_in().await;
    let backend = app.bapi();
    for path in ["/v1/me", "/v1/me/sessions", "/v1/me/email-addresses", "/v1/client", "/v1/environment"] {
        alice.get(path).await.has_status(200);
    }
    alice.token().await;
    let added = alice.post("/v1/me/email-addresses", json!({ "email_address": "second@example.com" })).await;
    let address = added.has_status(200).str("/response/id");
    let path = format!("/v1/me/email-addresses/{address}/challenges");
    let challenge = alice.post(&path, json!({ "strategy": "email_code" })).await.has_status(200).str("/response/id");
    let code = app.last_code("second@example.com").await;
    alice.post(format!("{path}/{challenge}/answer"), json!({ "code": code })).await.has_status(200);
    let primary = json!({ "primary": true });
    alice.patch(format!("/v1/me/email-addresses/{address}"), primary).await.has_status(200);

    let phone = AuthenticatorApp::enrolled(app, &alice).await;
    alice.get("/v1/me/totp").await.has_status(200);
    let code = alice.post_empty("/v1/me/backup-codes").await.has_status(200).str("/response/codes/0");
    alice.get("/v1/me/backup-codes").await.has_status(200);
    let again = json!({ "identifier": alice.user.email, "strategy": "password", "password": alice.user.password });
    let elsewhere = app.anyone();
    let again = elsewhere.post("/v1/client/sign-ins", again).await.has_status(200).str("/response/id");
    let path = format!("/v1/client/sign-ins/{again}/challenges");
    elsewhere.post(&path, json!({ "strategy": "backup_code", "code": "0000-0000" })).await.has_status(422);
    elsewhere.post(&path, json!({ "strategy": "backup_code", "code": code })).await.has_status(200);
    let body = json!({ "code": phone.code(app, 0) });
    backend.post(format!("/v1/users/{}/verify-totp", alice.id()), body).await.has_status(200);
    backend.delete(format!("/v1/users/{}/mfa", alice.id())).await.has_status(200);
    app.settings(|s| s.attribute_settings.phone_number.enabled = true).await;
    alice.get("/v1/me/phone-numbers").await.has_status(200);
    let added = alice.post("/v1/me/phone-numbers", json!({ "phone_number": "+16502530000" })).await;
    let path = format!("/v1/me/phone-numbers/{}", added.has_status(201).str("/response/id"));
    let issued = alice.post(format!("{path}/challenges"), json!({ "strategy": "phone_code" })).await;
    let challenge = issued.has_status(200).str("/response/id");
    let code = app.last_sms_code("+16502530000").await;
    alice.post(format!("{path}/challenges/{challenge}/answer"), json!({ "code": code })).await.has_status(200);
    for query in ["", "?limit=1&offset=1&order_by=created_at", &format!("?user_id={}", alice.id())] {
        backend.get(format!("/v1/phone-numbers{query}")).await.has_status(200);
    }
    let page = backend.get("/v1/phone-numbers?limit=1").await;
    assert_eq!(page.at("/total_count"), 1);
    backend.get("/v1/users?phone_number=%2B16502530000").await.has_status(200);

    for list in ["allowlist-identifiers", "blocklist-identifiers", "redirect-urls"] {
        let body = match list {
            "redirect-urls" => json!({ "url": "https://shop.example.com/app" }),
            _ => json!({ "identifier": "*@shop.example.com" }),
        };
        let made = backend.post(format!("/v1/{list}"), body).await.has_status(201).str("/id");
        backend.get(format!("/v1/{list}?order_by=%2Bcreated_at&offset=1")).await.has_status(200);
        backend.get(format!("/v1/{list}")).await.has_status(200);
        backend.delete(format!("/v1/{list}/{made}")).await.has_status(204);
    }
    backend.patch("/v1/instance/appearance", json!({ "variables": { "fontSize": "1rem" } })).await.has_status(200);
    app.anyone().get("/v1/client/handshake?redirect_url=https://shop.example.com/app").await.has_status(200);
    app.bapi().patch("/v1/instance", json!({ "sign_up_modes": ["restricted"] })).await.has_status(200);
    let stranger = json!({ "email_address": "stranger@example.com", "password": "a fine long password" });
    app.anyone().post("/v1/client/sign-ups", stranger).await.has_status(422);
    app.bapi().patch("/v1/instance", json!({ "sign_up_modes": ["public"] })).await.has_status(200);
    let body = json!({ "name": "own", "claims": { "user": "{{user}}" }, "signing_algorithm": "ES256" });
    let made = backend.post("/v1/jwt-templates", body).await.has_status(201).str("/id");
    alice.post_empty(format!("/v1/client/sessions/{}/tokens/own", alice.session)).await.has_status(200);
    for query in ["", "?order_by=updated_at&offset=1", "?order_by=%2Bcreated_at&limit=1"] {
        backend.get(format!("/v1/jwt-templates{query}")).await.has_status(200);
    }
    backend.patch(format!("/v1/jwt-templates/{made}"), json!({ "lifetime": 90 })).await.has_status(200);
    backend.delete(format!("/v1/jwt-templates/{made}")).await.has_status(204);

    let newcomer = app.anyone();
    let staged = json!({ "email_address": "new@example.com", "password": "a fine long password" });
    let sign_up = newcomer.post("/v1/client/sign-ups", staged).await.has_status(200).str("/response/id");
    let path = format!("/v1/client/sign-ups/{sign_up}/challenges");
    let challenge = newcomer.post(&path, json!({ "strategy": "email_code" })).await.has_status(200).str("/response/id");
    let code = app.last_code("new@example.com").await;
    newcomer.post(format!("{path}/{challenge}/answer"), json!({ "code": code })).await.has_status(200);

    for query in [
        "",
        "?order_by=-updated_at&limit=1",
        "?order_by=%2Blast_active_at&offset=1",
        "?order_by=last_sign_in_at",
        "?email_address=new@example.com",
        "?user_id=user_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "?username=alice",
        "?external_id=7",
    ] {
        backend.get(format!("/v1/users{query}")).await.has_status(200);
    }
    let page = backend.get("/v1/users?limit=1").await;
    let cursor = page.str("/meta/next_cursor");
    backend.get(format!("/v1/users?limit=1&cursor={cursor}")).await.has_status(200);
    backend.get("/v1/sessions?status=active").await.has_status(200);
    backend.get(format!("/v1/sessions?user_id={}", alice.id())).await.has_status(200);
    let made = backend.post("/v1/users", json!({ "external_id": "7", "skip_password_requirement": true }));
    let made = made.idempotency_key("once").await.has_status(201).str("/id");
    backend.post_empty(format!("/v1/users/{made}/ban")).await.has_status(200);
    backend.delete(format!("/v1/users/{made}")).await.has_status(204);
    backend.post_empty(format!("/v1/sessions/{}/revoke", alice.session)).await.has_status(200);

    push(app).await;
    for _ in 0..3 {
        app.run_jobs().await;
        app.tick().await;
        app.advance(hours(24 * 60) + minutes(1));
    }
}

/// Pushes events to an endpoint, again and no more.
async fn push(app: &TestApp) {
    let backend = app.bapi();
    let wanted = json!({ "url": app.stranger.url(), "enabled_event_types": ["user.*"] });
    let made = backend.post("/v1/webhooks/endpoints", wanted).await.has_status(201).str("/id");
    let path = format!("/v1/webhooks/endpoints/{made}");
    let id = app.user("pushed").created().await.id;
    app.run_jobs().await;
    let list = format!("/v1/webhooks/deliveries?endpoint_id={made}&event_type=user.created&succeeded=true");
    let delivery = backend.get(list).await.has_status(200).str("/data/0/id");
    backend.get("/v1/webhooks/endpoints?order_by=-updated_at&limit=1").await.has_status(200);
    backend.get("/v1/webhooks/deliveries?created_at_after=1&limit=1").await.has_status(200);
    let event = backend.get(format!("/v1/webhooks/deliveries/{delivery}")).await.str("/event_id");
    backend.get(format!("/v1/webhooks/deliveries?event_id={event}")).await.has_status(200);
    backend.post_empty(format!("/v1/webhooks/deliveries/{delivery}/replay")).await.has_status(201);
    backend.post(format!("{path}/replay"), json!({ "since": event, "only_failed": true })).await.has_status(202);
    backend.post(format!("{path}/replay"), json!({ "since": event })).await.has_status(202);
    backend.post_empty(format!("{path}/test")).await.has_status(201);
    backend.post_empty(format!("{path}/rotate-secret")).await.has_status(200);
    app.run_jobs().await;
    backend.delete(format!("/v1/users/{id}")).await.has_status(204);
    let mut conn = app.engine.db().read().await.expect("a connection");
    storage::webhooks::oldest_undelivered(&mut conn, app.env.id).await.expect("it can be read");
    drop(conn);
    backend.patch(&path, json!({ "enabled": false })).await.has_status(200);
    backend.delete(&path).await.has_status(204);
    backend
        .post("/v1/webhooks/endpoints", json!({ "url": app.stranger.url(), "enabled_event_types": ["*"] }))
        .await
        .has_status(201);
}

#[actix_web::test]
async fn no_query_outside_a_scan_reads_a_whole_table() {
    // The one observer of the process: what other tests ask meanwhile is looked at as well.
    let first = anydb::observe(|engine, sql| {
        if engine == EngineKind::Sqlite {
            SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned());
        }
    });
    assert!(first, "somebody else observes");
    let app = TestApp::start().await;
    walk(&app).await;

    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut conn = app.engine.db().read().await.unwrap();
    let mut scans = Vec::new();
    let mut plans = 0;
    for sql in &seen {
        let allowed = ALLOWED.iter().any(|(mark, _)| sql.contains(mark));
        // A statement about a table of another test's own cannot be planned here.
        let Ok(plan) = anydb::native::sqlite_plan(&mut conn, sql).await else { continue };
        plans += 1;
        if !allowed {
            scans.extend(
                plan.iter()
                    .filter(|step| step.starts_with("SCAN ") && *step != "SCAN CONSTANT ROW")
                    .map(|step| format!("{step}: {sql}")),
            );
        }
    }
    assert!(plans > 60, "the walk asks for more than {plans} statements");
    assert!(scans.is_empty(), "{}", scans.join("\n"));
}
