//! Operators: projects, environments and their keys, with a key of the operators' own environment.

use super::api_keys::with;
use serde_json::{Value, json};
use testkit::{Caller, TestApp, TestEnvironment, both, minutes};

/// A GIF of one pixel.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

struct Operators {
    env: TestEnvironment,
    caller: Caller,
}

async fn operators(app: &TestApp) -> Operators {
    let env = app.operators().await;
    Operators { caller: app.bapi_of(&env), env }
}

/// The names of the events of an environment since a number of them.
async fn events(app: &TestApp, env: &TestEnvironment, since: usize) -> Vec<String> {
    app.logged_events(env).await.into_iter().skip(since).map(|event| event.event_type).collect()
}

fn project_of(app: &TestApp) -> String {
    app.env.made.project_id.to_string()
}

async fn made(app: &TestApp, operator: &Caller, body: Value) -> Value {
    let path = format!("/v1/admin/projects/{}/environments", project_of(app));
    operator.post(path, body).await.has_status(201).json().clone()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

both! {
    async fn projects_come_and_go(app: TestApp) {
        let Operators { env, caller } = operators(&app).await;
        let before = events(&app, &env, 0).await.len();

        let project = caller.post("/v1/admin/projects", json!({ "name": " Blog " })).await;
        project.is(201, json!({ "object": "project", "name": "Blog" }));
        assert_eq!(project.at("/created_at"), project.at("/updated_at"));
        let path = format!("/v1/admin/projects/{}", project.str("/id"));
        caller.get(&path).await.is(200, json!({ "name": "Blog" }));
        app.advance(minutes(1));
        let renamed = caller.patch(&path, json!({ "name": "Journal" })).await;
        renamed.is(200, json!({ "name": "Journal", "created_at": project.at("/created_at") }));
        assert!(renamed.at("/updated_at").as_i64() > project.at("/updated_at").as_i64());
        caller.get("/v1/admin/projects?limit=1").await.is(200, json!({ "data": [{ "name": "Journal" }], "total_count": 3 }));
        caller.delete(&path).await.has_status(204);

        caller.get(&path).await.is_refused(404, "project_not_found");
        caller.delete(&path).await.is_refused(404, "project_not_found");
        let told = ["project.created", "operator.read", "project.updated", "operator.read", "project.deleted", "operator.read"];
        assert_eq!(events(&app, &env, before).await, told, "every call is in the operators' log");
        caller.delete(format!("/v1/admin/projects/{}", project_of(&app))).await.is_refused(409, "project_not_empty");
        for body in [json!({}), json!({ "name": "" }), json!({ "name": "x".repeat(101) }), json!({ "name": "x", "workspace_id": "x" })] {
            caller.post("/v1/admin/projects", body).await.has_status(422);
        }
    }

    async fn operators_read_what_operators_did(app: TestApp) {
        let Operators { caller, .. } = operators(&app).await;
        let project = caller.post("/v1/admin/projects", json!({ "name": "Blog" })).await.has_status(201).str("/id");
        app.bapi().get("/v1/admin/projects").await.has_status(404);
        app.run_jobs().await;

        let log = caller.get("/v1/admin/audit-log?type=project.*").await;

        log.is(200, json!({ "data": [{ "type": "project.created", "outcome": "success", "subject": { "id": project } }] }));
        caller.patch(format!("/v1/admin/projects/{project}"), json!({ "name": "Journal" })).await.has_status(200);
        let environment = format!("/v1/admin/environments/{}", app.env.id);
        caller.patch(environment, json!({ "name": "Shop", "allowed_origins": ["https://shop.example"] })).await.has_status(200);
        app.run_jobs().await;
        for (what, fields) in [("project.updated", json!(["name"])), ("environment.updated", json!(["allowed_origins", "name"]))] {
            let log = caller.get(format!("/v1/admin/audit-log?type={what}")).await;
            log.is(200, json!({ "data": [{ "changed_fields": fields }] }));
        }
        let looked = caller.get("/v1/admin/audit-log?type=operator.*").await;
        looked.is(200, json!({ "data": [{ "type": "operator.read", "actor": { "type": "api_key" } }] }));
        app.bapi().get("/v1/admin/audit-log").await.has_status(404);
    }

    async fn an_environment_is_made_with_its_first_key(app: TestApp) {
        let Operators { env: own, caller } = operators(&app).await;
        let before = events(&app, &own, 0).await.len();

        let body = json!({ "name": "Live Shop", "kind": "production", "allowed_origins": ["https://shop.example"] });
        let env = made(&app, &caller, body).await;

        assert_eq!((text(&env, "slug"), text(&env, "kind"), text(&env, "project_id")), ("live-shop", "production", project_of(&app).as_str()));
        let (label, secret) = (text(&env, "routing_label"), text(&env, "secret_key"));
        let root = app.env.issuer.rsplit_once('/').expect("a label").0;
        assert_eq!(text(&env, "fapi_url"), format!("{root}/{label}"));
        assert!(secret.starts_with("sk_live_") && text(&env, "publishable_key").starts_with("pk_live_"));
        with(&app, secret).get("/v1/_ping").await.is(200, json!({ "environment_id": env["id"] }));
        let shown = caller.get(format!("/v1/admin/environments/{}", text(&env, "id"))).await;
        shown.is(200, json!({ "id": env["id"], "allowed_origins": ["https://shop.example"] }));
        assert!(shown.json().get("secret_key").is_none() && !app.database_text().await.contains(secret));
        assert_eq!(events(&app, &own, before).await, ["environment.created", "operator.read"]);
        let page = caller.get(format!("/v1/admin/projects/{}/environments?limit=1", project_of(&app))).await;
        page.is(200, json!({ "total_count": 2 }));
        let next = page.str("/meta/next_cursor");
        let page = caller.get(format!("/v1/admin/projects/{}/environments?limit=1&cursor={next}", project_of(&app))).await;
        assert_eq!(page.at("/data").as_array().map(Vec::len), Some(1));
    }

    async fn a_request_for_an_environment_is_answered_once(app: TestApp) {
        let Operators { caller, .. } = operators(&app).await;
        let path = format!("/v1/admin/projects/{}/environments", project_of(&app));
        let ask = || caller.post(&path, json!({ "name": "Once", "kind": "staging" })).idempotency_key("k");

        let (first, second) = (ask().await, ask().await);

        assert_eq!((first.status(), second.status()), (201, 201));
        assert_eq!(first.json(), second.json());
        assert!(!app.database_text().await.contains(&first.str("/secret_key")), "the answer is sealed");
    }

    async fn an_environment_is_changed(app: TestApp) {
        let Operators { env: own, caller } = operators(&app).await;
        let env = made(&app, &caller, json!({ "name": "Second", "kind": "staging" })).await;
        let path = format!("/v1/admin/environments/{}", text(&env, "id"));
        let there = TestEnvironment { secret_key: text(&env, "secret_key").to_owned(), id: text(&env, "id").parse().expect("an id"), ..own.clone() };

        app.advance(minutes(1));
        let change = json!({ "name": "Third", "slug": "Third One", "allowed_origins": ["https://a.example"] });
        let changed = caller.patch(&path, change).await;

        changed.is(200, json!({ "name": "Third", "slug": "third-one", "kind": "staging", "routing_label": env["routing_label"] }));
        assert!(changed.at("/updated_at").as_i64() > env["updated_at"].as_i64());
        app.bapi_of(&there).get("/v1/instance").await.is(200, json!({ "allowed_origins": ["https://a.example"] }));
        assert_eq!(events(&app, &there, 0).await, ["environment.created", "apiKey.created", "environment.updated"]);
        for (field, value) in [("kind", json!("production")), ("routing_label", json!("x")), ("id", json!("x")), ("project_id", json!("x")), ("fapi_url", json!("https://evil.example")), ("publishable_key", json!("x")), ("issuer", json!("https://evil.example"))] {
            caller.patch(&path, json!({ field: value })).await.is_refused_for(422, "form_param_unknown", field);
        }
        let taken = caller.patch(&path, json!({ "slug": app.env.made.slug })).await;
        taken.is_refused_for(409, "form_identifier_exists", "slug");
        caller.patch(&path, json!({ "slug": "___" })).await.is_refused_for(422, "form_param_format_invalid", "slug");
        caller.patch(&path, json!({ "allowed_origins": ["javascript:x"] })).await.is_refused(422, "form_param_format_invalid");
        let again = json!({ "name": "Main", "kind": "staging", "slug": "third-one" });
        let path = format!("/v1/admin/projects/{}/environments", project_of(&app));
        caller.post(path, again).await.is_refused_for(409, "form_identifier_exists", "slug");
    }

    async fn a_deleted_environment_is_dead_at_once_and_gone_within_minutes(app: TestApp) {
        let Operators { env: own, caller } = operators(&app).await;
        let other = app.second_environment().await;
        let bob = app.user_of(&other, "bob").signed_in().await;
        let picture = bob.call(testkit::Method::POST, "/v1/me/profile-image");
        let form = [b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n".as_slice(), GIF, b"\r\n--b--\r\n"].concat();
        let url = picture.raw("multipart/form-data; boundary=b", form).await.has_status(200).str("/response/image_url");
        let picture = format!("images/{}/{}", other.id, url.rsplit('/').next().unwrap_or_default());
        assert!(app.objects.get(&picture).await.expect("the store answers").is_some());
        let (id, backend) = (other.id.to_string(), app.bapi_of(&other));
        let path = format!("/v1/admin/environments/{id}");
        for wrong in [json!({}), json!({ "confirmation": "yes" }), json!({ "confirmation": app.env.id })] {
            caller.delete(&path).json(wrong).await.has_status(422);
        }
        backend.get("/v1/users").await.has_status(200);

        caller.delete(&path).json(json!({ "confirmation": id })).await.has_status(204);

        backend.get("/v1/users").await.is_refused(401, "authentication_invalid");
        bob.get("/v1/me").await.is_refused(404, "environment_not_found");
        caller.get(&path).await.is_refused(404, "environment_not_found");
        caller.patch(&path, json!({ "name": "x" })).await.is_refused(404, "environment_not_found");
        caller.post(format!("{path}/api-keys"), json!({ "name": "x" })).await.is_refused(404, "environment_not_found");
        caller.post(format!("{path}/signing-keys/rotate"), json!({})).await.is_refused(404, "environment_not_found");
        caller.delete(&path).json(json!({ "confirmation": id })).await.is_refused(404, "environment_not_found");
        for _ in 0..3 {
            app.advance(minutes(2));
            app.run_jobs().await;
            app.tick().await;
        }
        let mut conn = app.engine.db().read().await.expect("the database answers");
        let left = storage::purge::left(&mut conn, other.id).await.expect("rows can be looked for");
        assert!(left.is_empty(), "rows are left in {left:?}");
        let there = storage::operator::deleted(&mut conn, app.now()).await.expect("environments can be looked for");
        assert!(there.is_empty(), "{there:?}");
        drop(conn);
        assert!(app.objects.get(&picture).await.expect("the store answers").is_none());
        assert!(events(&app, &own, 0).await.contains(&"environment.deleted".to_owned()));
        app.bapi().get("/v1/users").await.has_status(200);
        app.second_environment().await;
    }

    async fn a_project_is_empty_when_its_environments_are_deleted(app: TestApp) {
        let Operators { caller, .. } = operators(&app).await;
        let project = caller.post("/v1/admin/projects", json!({ "name": "Short" })).await.str("/id");
        let path = format!("/v1/admin/projects/{project}");
        let env = caller.post(format!("{path}/environments"), json!({ "name": "Only", "kind": "development" })).await.str("/id");
        caller.delete(&path).await.is_refused(409, "project_not_empty");

        caller.delete(format!("/v1/admin/environments/{env}")).json(json!({ "confirmation": env })).await.has_status(204);

        caller.get(format!("{path}/environments")).await.is(200, json!({ "data": [], "total_count": 0 }));
        caller.delete(&path).await.has_status(204);
    }

    async fn the_operators_own_ground_stays(app: TestApp) {
        let Operators { env, caller } = operators(&app).await;
        let (path, project) = (format!("/v1/admin/environments/{}", env.id), env.made.project_id);
        caller.delete(&path).json(json!({ "confirmation": env.id })).await.is_refused(403, "forbidden");
        caller.patch(&path, json!({ "slug": "other" })).await.is_refused(403, "forbidden");
        caller.delete(format!("/v1/admin/projects/{project}")).await.is_refused(409, "project_not_empty");
        let more = json!({ "name": "Mine", "kind": "staging" });
        caller.post(format!("/v1/admin/projects/{project}/environments"), more).await.is_refused(403, "forbidden");
        caller.get(&path).await.is(200, json!({ "slug": "_admin", "routing_label": "" }));
        // Nobody's environment is taken for it.
        let twin = made(&app, &caller, json!({ "name": "_admin", "kind": "production", "slug": "_admin" })).await;
        assert_eq!(text(&twin, "slug"), "admin");
        with(&app, text(&twin, "secret_key")).get("/v1/admin/projects").await.is_refused(404, "resource_not_found");
    }

    async fn keys_of_another_environment_are_made_and_revoked(app: TestApp) {
        let Operators { env: own, caller } = operators(&app).await;
        let before = events(&app, &own, 0).await.len();
        app.skip_events().await;
        let path = format!("/v1/admin/environments/{}/api-keys", app.env.id);

        let key = caller.post(&path, json!({ "name": "Backend", "restricted_to_actions": ["users:read"] })).await;

        key.is(201, json!({ "environment_id": app.env.id, "restricted_to_actions": ["users:read"] }));
        let backend = with(&app, &key.str("/secret"));
        backend.get("/v1/users").await.has_status(200);
        backend.get("/v1/sessions").await.is_refused(403, "forbidden");
        caller.get(&path).await.is(200, json!({ "total_count": 2 }));
        let revoke = format!("{path}/{}/revoke", key.str("/id"));
        let revoked = caller.post_empty(&revoke).await.has_status(200).at("/revoked_at").clone();
        assert!(revoked.is_i64());
        caller.post_empty(&revoke).await.is(200, json!({ "revoked_at": revoked }));
        backend.get("/v1/users").await.is_refused(401, "authentication_invalid");
        assert_eq!(app.events().await, ["apiKey.created", "apiKey.revoked"]);
        assert_eq!(events(&app, &own, before).await, ["apiKey.created", "operator.read", "apiKey.revoked", "operator.read"]);
        let logged = app.logged_events(&app.env).await;
        let made = logged.iter().find(|event| event.event_type == "apiKey.created" && event.actor_id.is_some());
        assert_eq!(made.map(|event| event.surface.as_str()), Some("operator"));
        for bad in [json!({ "name": "x", "restricted_to_actions": ["admin:write"] }), json!({ "name": "x", "environment_id": own.id })] {
            caller.post(&path, bad).await.has_status(422);
        }
        let nowhere = "/v1/admin/environments/env_01ARZ3NDEKTSV4RRFFQ69G5FAV/api-keys";
        caller.get(nowhere).await.is_refused(404, "environment_not_found");
        caller.post(nowhere, json!({ "name": "x" })).await.is_refused(404, "environment_not_found");
        let elsewhere = format!("/v1/admin/environments/{}/api-keys/{}/revoke", own.id, key.str("/id"));
        caller.post_empty(elsewhere).await.is_refused(404, "api_key_not_found");
    }

    async fn signing_keys_are_rotated_and_shown_without_their_private_parts(app: TestApp) {
        let Operators { env: own, caller } = operators(&app).await;
        let alice = app.user("alice").signed_in().await;
        let token = alice.token().await;
        app.skip_events().await;
        let path = format!("/v1/admin/environments/{}/signing-keys/rotate", app.env.id);

        let next = caller.post(&path, json!({})).await;
        next.is(200, json!({ "total_count": 2 }));
        let statuses = |reply: &testkit::Reply| {
            let rows = reply.at("/data").as_array().cloned().unwrap_or_default();
            rows.iter().map(|row| format!("{} {}", text(row, "algorithm"), text(row, "status"))).collect::<Vec<_>>()
        };
        assert_eq!(statuses(&next), ["ES256 pending", "ES256 active"]);
        assert!(!next.text().contains("\"d\"") && !next.text().contains("sealed"));
        alice.get("/v1/me").bearer(&token).without_cookies().await.has_status(200);

        let compromised = caller.post(&path, json!({ "compromised": true })).await;

        assert_eq!(statuses(&compromised), ["ES256 active"]);
        alice.get("/v1/me").bearer(&token).without_cookies().await.is_refused(401, "session_token_invalid");
        assert_eq!(app.events().await, ["signingKey.rotated", "signingKey.rotated"]);
        assert_eq!(events(&app, &own, 0).await.iter().filter(|name| *name == "signingKey.rotated").count(), 2);
        for body in [json!({ "algorithm": "HS256" }), json!({ "algorithm": "none" }), json!({ "compromised": "yes" })] {
            caller.post(&path, body).await.has_status(422);
        }
    }

    async fn every_call_is_in_the_operators_log(app: TestApp) {
        let Operators { env, caller } = operators(&app).await;
        for (path, seen) in [
            ("/v1/admin/projects".to_owned(), ("project", env.id.to_string())),
            (format!("/v1/admin/projects/{}", project_of(&app)), ("project", project_of(&app))),
            (format!("/v1/admin/projects/{}/environments", project_of(&app)), ("environment", project_of(&app))),
            (format!("/v1/admin/environments/{}", app.env.id), ("environment", app.env.id.to_string())),
            (format!("/v1/admin/environments/{}/api-keys", app.env.id), ("api_key", app.env.id.to_string())),
            ("/v1/admin/audit-log".to_owned(), ("audit_log", env.id.to_string())),
        ] {
            let before = app.logged_events(&env).await.len();
            caller.get(&path).await.has_status(200);
            let log = app.logged_events(&env).await;
            assert_eq!(log.len(), before + 1, "{path}");
            let last = log.last().expect("there is one");
            assert_eq!(last.event_type, "operator.read", "{path}");
            assert_eq!((last.subject_type.as_str(), &last.subject_id), (seen.0, &seen.1), "{path}");
            assert!(last.actor_id.as_deref().is_some_and(|id| id.starts_with("apik_")));
        }
    }
}
