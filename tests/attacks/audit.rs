//! Whoever gets at the database cannot change what the audit log says without being found out.

use domain::Context;
use engine::audit::{Proof, seal, verify};
use serde_json::{Value, json};
use testkit::{EngineKind, Method, TestApp, both, hours};

async fn proof(app: &TestApp) -> Proof {
    verify(&app.engine, &Context::operator(app.env.id, app.now()), None).await.expect("the log can be read")
}

async fn broken_at(app: &TestApp) -> Option<i64> {
    match proof(app).await {
        Proof::Sound { .. } => None,
        Proof::Unsealed { last, .. } => Some(last + 1),
        Proof::Broken { sequence, .. } => Some(sequence),
    }
}

async fn told(app: &TestApp, query: &str) -> Vec<Value> {
    app.run_jobs().await;
    let page = app.bapi().get(format!("/v1/audit-log?limit=500&{query}")).await;
    page.has_status(200).at("/data").as_array().expect("a page has rows").clone()
}

/// Some history, all of it in the chain.
async fn history(app: &TestApp) -> i64 {
    let alice = app.user("alice").signed_in().await;
    app.bapi().patch(format!("/v1/users/{}", alice.id()), json!({ "first_name": "Alice" })).await.has_status(200);
    let wrong = json!({ "identifier": alice.user.email, "strategy": "password", "password": "a wrong one of alice" });
    app.anyone().post("/v1/client/sign-ins", wrong).await.has_status(422);
    app.run_jobs().await;
    match proof(app).await {
        Proof::Sound { entries, last, .. } => {
            assert!(entries >= 5 && entries == last, "{entries} {last}");
            last
        }
        broken => panic!("{broken:?}"),
    }
}

both! {
    async fn a_change_of_any_column_is_found_where_it_was_made(app: TestApp) {
        history(&app).await;
        let at = told(&app, "type=user.updated").await[0]["sequence"].as_i64().expect("a place");
        let env = app.env.id;
        let flipped = if app.engine_kind() == EngineKind::Sqlite { "x'00'" } else { "'\\x00'::bytea" };
        let other = "'0000000000000000000000000000000000000000000000000000000000000001'";
        for (column, value) in [
            ("id", "'evt_01ARZ3NDEKTSV4RRFFQ69G5FAV'"),
            ("position", "position + 1000"),
            ("type", "'user.deleted'"),
            ("version", "version + 1"),
            ("subject_type", "'session'"),
            ("subject_id", "'user_of_another'"),
            ("actor_id", "'user_of_another'"),
            ("impersonator", "'somebody'"),
            ("surface", "'system'"),
            ("trace_id", "'req_01ARZ3NDEKTSV4RRFFQ69G5FAV'"),
            ("created_at", "created_at + 1"),
            ("was_test", "NOT was_test"),
            ("data_sha256", flipped),
            ("is_event", "NOT is_event"),
            ("outcome", "'denied'"),
            ("actor_type", "'system'"),
            ("organization_id", "'org_of_another'"),
            ("changed_fields", "'[\"nothing\"]'"),
            ("changed_fields", "'no list'"),
            ("origin_ip", "'192.0.2.0/24'"),
            ("user_agent", "'another'"),
            ("reason", "'another'"),
            ("omitted", "omitted + 1"),
            ("prev_hash", other),
            ("hash", other),
        ] {
            let kept = format!("kept_{}", column.len());
            // A copy of the row beside it, to put back what was there.
            app.tamper(&format!("CREATE TABLE {kept} AS SELECT * FROM events WHERE environment_id = '{env}' AND audit_sequence = {at}")).await;
            let set = format!("UPDATE events SET {column} = {value} WHERE environment_id = '{env}' AND audit_sequence = {at}");
            assert_eq!(app.tamper(&set).await, 1, "{column}");
            assert_eq!(broken_at(&app).await, Some(at), "{column}");
            let back = format!(
                "UPDATE events SET {column} = (SELECT {column} FROM {kept}) WHERE environment_id = '{env}' AND audit_sequence = {at}"
            );
            app.tamper(&back).await;
            app.tamper(&format!("DROP TABLE {kept}")).await;
            assert_eq!(broken_at(&app).await, None, "{column} is as it was");
        }
    }

    async fn a_changed_payload_is_found_and_an_erased_one_breaks_nothing(app: TestApp) {
        history(&app).await;
        let found = told(&app, "type=user.updated").await;
        let (id, at) = (found[0]["event_id"].as_str().expect("an event"), found[0]["sequence"].as_i64());
        app.tamper(&format!("UPDATE event_payloads SET data = replace(data, 'Alice', 'Alicf') WHERE event_id = '{id}'")).await;
        assert_eq!(broken_at(&app).await, at);

        app.tamper(&format!("DELETE FROM event_payloads WHERE event_id = '{id}'")).await;

        assert_eq!(broken_at(&app).await, None);
        app.bapi().get(format!("/v1/events/{id}")).await.is(200, json!({ "id": id, "data": {} }));
    }

    async fn an_entry_that_was_taken_out_is_missed(app: TestApp) {
        let last = history(&app).await;
        let env = app.env.id;
        app.tamper(&format!("DELETE FROM events WHERE environment_id = '{env}' AND audit_sequence = {last}")).await;
        assert_eq!(broken_at(&app).await, Some(last), "the newest");
        app.tamper(&format!("DELETE FROM events WHERE environment_id = '{env}' AND audit_sequence = 3")).await;
        assert_eq!(broken_at(&app).await, Some(3), "one in the middle");
        app.tamper(&format!("DELETE FROM events WHERE environment_id = '{env}' AND audit_sequence = 1")).await;
        assert_eq!(broken_at(&app).await, Some(1), "the oldest");
    }

    async fn a_log_that_was_cut_short_with_its_end_is_found_out_for_good(app: TestApp) {
        let last = history(&app).await;
        let (env, kept) = (app.env.id, last - 2);
        let hash = told(&app, "").await.into_iter().find(|entry| entry["sequence"] == json!(kept)).expect("it is there")["hash"].clone();
        let hash = hash.as_str().expect("a text");
        // The last entries go, and whatever the database says of the end is made to fit.
        app.tamper(&format!("DELETE FROM event_payloads WHERE environment_id = '{env}' AND event_id IN (SELECT id FROM events WHERE environment_id = '{env}' AND audit_sequence > {kept})")).await;
        app.tamper(&format!("DELETE FROM events WHERE environment_id = '{env}' AND audit_sequence > {kept}")).await;
        let position = format!("(SELECT MAX(position) FROM events WHERE environment_id = '{env}')");
        let hit = app.tamper(&format!(
            "UPDATE event_positions SET last_audit_sequence = {kept}, last_hash = '{hash}', last_position = {position} WHERE environment_id = '{env}'"
        )).await;
        assert_eq!(hit, 1);
        assert_eq!(broken_at(&app).await, Some(kept + 1));

        // What happens next is chained, and does not launder it.
        app.user("bob").created().await;
        app.run_jobs().await;
        let Proof::Broken { .. } = proof(&app).await else { panic!("it must stay found out") };

        // Nor does taking the seal away, or the row that it is in.
        app.tamper(&format!("UPDATE event_positions SET head_tag = NULL WHERE environment_id = '{env}'")).await;
        let Proof::Unsealed { .. } = proof(&app).await else { panic!("nothing proves where it ends") };
        app.user("carol").created().await;
        app.run_jobs().await;
        let Proof::Unsealed { .. } = proof(&app).await else { panic!("nothing proves where it ends") };
        app.tamper(&format!("DELETE FROM event_positions WHERE environment_id = '{env}'")).await;
        assert!(broken_at(&app).await.is_some());
    }

    async fn a_seal_of_another_log_proves_nothing_here(app: TestApp) {
        history(&app).await;
        let other = app.second_environment().await;
        app.run_jobs().await;
        let (env, other) = (app.env.id, other.id);
        app.tamper(&format!(
            "UPDATE event_positions SET head_tag = (SELECT head_tag FROM event_positions WHERE environment_id = '{other}') WHERE environment_id = '{env}'"
        )).await;
        assert!(broken_at(&app).await.is_some());
    }

    async fn a_log_that_was_put_back_as_a_whole_is_found_out_by_what_was_noted_elsewhere(app: TestApp) {
        let last = history(&app).await;
        let env = app.env.id;
        app.tamper(&format!("CREATE TABLE kept_positions AS SELECT * FROM event_positions WHERE environment_id = '{env}'")).await;
        app.user("bob").created().await;
        app.run_jobs().await;
        let Proof::Sound { last: newer, hash, .. } = proof(&app).await else { panic!("it is sound") };
        assert!(newer > last);
        let at = |sequence: i64, hash: &str| Some((sequence, hash.to_owned()));
        let expecting = async |expected: Option<(i64, String)>| {
            let cx = Context::operator(env, app.now());
            verify(&app.engine, &cx, expected.as_ref()).await.expect("the log can be read")
        };
        assert!(matches!(expecting(at(newer, &hash)).await, Proof::Sound { .. }));
        let other = "1".repeat(64);
        assert!(matches!(expecting(at(newer, &other)).await, Proof::Broken { sequence, .. } if sequence == newer));
        assert!(matches!(expecting(at(last, &other)).await, Proof::Broken { sequence, .. } if sequence == last));

        // Rows and seal as they were before: only whoever has noted something later can tell.
        app.tamper(&format!("DELETE FROM events WHERE environment_id = '{env}' AND audit_sequence > {last}")).await;
        app.tamper(&format!(
            "UPDATE event_positions SET last_audit_sequence = {last}, \
             last_hash = (SELECT last_hash FROM kept_positions WHERE environment_id = '{env}'), \
             head_tag = (SELECT head_tag FROM kept_positions WHERE environment_id = '{env}') WHERE environment_id = '{env}'"
        )).await;
        app.tamper("DROP TABLE kept_positions").await;

        assert!(matches!(proof(&app).await, Proof::Sound { .. }));
        assert!(matches!(expecting(at(newer, &hash)).await, Proof::Broken { sequence, .. } if sequence == newer));
    }

    async fn a_log_from_before_there_were_seals_is_sealed_once_and_on_purpose(app: TestApp) {
        let last = history(&app).await;
        let (env, cx) = (app.env.id, Context::operator(app.env.id, app.now()));
        app.tamper(&format!("UPDATE event_positions SET head_tag = NULL WHERE environment_id = '{env}'")).await;
        let Proof::Unsealed { last: found, .. } = proof(&app).await else { panic!("it has no seal") };
        assert_eq!(found, last);

        let Proof::Sound { last: sealed, .. } = seal(&app.engine, &cx).await.expect("it can be sealed") else { panic!("it is sound") };

        assert_eq!(sealed, last);
        app.user("bob").created().await;
        app.run_jobs().await;
        assert_eq!(broken_at(&app).await, None, "and goes on so");
        app.tamper(&format!("UPDATE event_positions SET head_tag = 'x' WHERE environment_id = '{env}'")).await;
        assert!(matches!(seal(&app.engine, &cx).await.expect("it can be read"), Proof::Broken { .. }), "what was sealed is not sealed anew");
    }

    async fn an_entry_that_somebody_else_has_added_is_found(app: TestApp) {
        let last = history(&app).await;
        let env = app.env.id;
        let mut conn = app.engine.db().read().await.expect("a connection");
        let link = storage::audit::links(&mut conn, env, last - 1, 1).await.expect("it can be read").remove(0);
        drop(conn);
        let (record, hash) = link.record.expect("it can be read");
        let next = domain::audit::AuditRecord {
            id: "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            sequence: last + 1,
            is_event: false,
            position: None,
            prev_hash: hash,
            ..record
        };
        let same = "type, version, subject_type, subject_id, actor_id, impersonator, surface, trace_id, created_at, was_test, \
             data_sha256, outcome, actor_type, organization_id, changed_fields, origin_ip, user_agent, reason, omitted";
        let forged = format!(
            "INSERT INTO events (environment_id, id, is_event, audit_sequence, prev_hash, hash, {same}) \
             SELECT environment_id, '{}', FALSE, {}, '{}', '{}', {same} FROM events WHERE environment_id = '{env}' AND audit_sequence = {last}",
            next.id, next.sequence, next.prev_hash, next.hash()
        );

        assert_eq!(app.tamper(&forged).await, 1);

        assert_eq!(broken_at(&app).await, Some(last + 1));
    }

    async fn what_an_operator_wants_in_vain_stands_in_the_operators_log(app: TestApp) {
        let operators = app.operators().await;
        let caller = app.bapi_of(&operators);
        let me = caller.get("/v1/api-keys").await.str("/data/0/id");
        let reader = caller.post("/v1/api-keys", json!({ "name": "Reader", "restricted_to_actions": ["admin:read"] })).await;
        let (reader_id, secret) = (reader.has_status(201).str("/id"), reader.str("/secret"));
        let reader = app.bapi_stranger().with_authorization(&format!("Bearer {secret}"));
        let (nowhere, project) = ("env_01ARZ3NDEKTSV4RRFFQ69G5FAV", app.env.made.project_id.to_string());

        caller.post(format!("/v1/admin/environments/{nowhere}/api-keys"), json!({ "name": "x" })).await.has_status(404);
        caller.delete(format!("/v1/admin/projects/{project}")).await.is_refused(409, "project_not_empty");
        caller.patch(format!("/v1/admin/environments/{}", operators.id), json!({ "slug": "x" })).await.has_status(403);
        reader.post("/v1/admin/projects", json!({ "name": "x" })).await.has_status(403);
        // Nothing was asked for that can be done or refused: a body that cannot be read.
        caller.post("/v1/admin/projects", json!({ "name": "" })).await.has_status(422);
        caller.patch(format!("/v1/admin/projects/{project}"), json!({ "nope": 1 })).await.has_status(422);

        app.run_jobs().await;
        let page = caller.get("/v1/admin/audit-log?outcome=denied").await;
        let rows = page.has_status(200).at("/data").as_array().expect("a page has rows").clone();
        let told: Vec<(Value, Value, Value)> = rows
            .iter()
            .map(|row| (row["type"].clone(), row["subject"].clone(), row["actor"]["id"].clone()))
            .collect();
        let row = |kind: &str, subject: &str, id: &str, actor: &str| {
            (json!(kind), json!({ "type": subject, "id": id }), json!(actor))
        };
        let wanted = [
            row("request.forbidden", "api_key", &reader_id, &reader_id),
            row("request.forbidden", "api_key", &me, &me),
            row("operator.refused", "project", &project, &me),
            row("operator.refused", "environment", nowhere, &me),
        ];
        assert_eq!(told, wanted);
        assert!(self::told(&app, "outcome=denied").await.is_empty(), "what was not changed says nothing of it");
    }

    async fn a_key_of_an_environment_at_the_operators_door_stands_in_the_log(app: TestApp) {
        let me = app.bapi().get("/v1/api-keys").await.str("/data/0/id");
        app.bapi().get("/v1/admin/projects").await.is_refused(404, "resource_not_found");
        app.bapi().post("/v1/admin/projects", json!({ "name": "x" })).await.is_refused(404, "resource_not_found");

        let denied = told(&app, "outcome=denied").await;

        assert_eq!(denied.len(), 2);
        for entry in denied {
            assert_eq!((&entry["type"], &entry["actor"]["id"]), (&json!("request.forbidden"), &json!(me)));
        }
    }

    async fn a_log_without_an_entry_is_sealed_as_well(app: TestApp) {
        let env = app.second_environment().await.id;
        app.run_jobs().await;
        let cx = Context::operator(env, app.now());
        for table in ["event_payloads", "events", "event_positions"] {
            app.tamper(&format!("DELETE FROM {table} WHERE environment_id = '{env}'")).await;
        }
        let found = verify(&app.engine, &cx, None).await.expect("the log can be read");
        assert!(matches!(found, Proof::Unsealed { last: 0, .. }), "{found:?}");

        let sealed = seal(&app.engine, &cx).await.expect("it can be sealed");

        assert!(matches!(sealed, Proof::Sound { entries: 0, last: 0, .. }), "{sealed:?}");
    }

    async fn entries_that_changed_places_are_found(app: TestApp) {
        let last = history(&app).await;
        let (env, one, other) = (app.env.id, last - 2, last - 1);
        for (from, to) in [(one, 1_000_000), (other, one), (1_000_000, other)] {
            app.tamper(&format!("UPDATE events SET audit_sequence = {to} WHERE environment_id = '{env}' AND audit_sequence = {from}")).await;
        }
        assert_eq!(broken_at(&app).await, Some(one));
    }

    async fn a_chain_of_another_environment_is_no_chain_of_this_one(app: TestApp) {
        history(&app).await;
        let other = app.second_environment().await;
        app.run_jobs().await;
        app.tamper(&format!("DELETE FROM events WHERE environment_id = '{}'", other.id)).await;
        app.tamper(&format!("DELETE FROM event_positions WHERE environment_id = '{}'", other.id)).await;
        app.tamper(&format!("UPDATE events SET environment_id = '{}' WHERE environment_id = '{}'", other.id, app.env.id)).await;
        app.tamper(&format!("UPDATE event_positions SET environment_id = '{}' WHERE environment_id = '{}'", other.id, app.env.id)).await;

        let proof = verify(&app.engine, &Context::operator(other.id, app.now()), None).await.expect("the log can be read");

        assert!(matches!(proof, Proof::Broken { sequence: 1, .. }), "{proof:?}");
    }

    async fn what_retention_leaves_can_be_proven_and_nobody_else_can_cut(app: TestApp) {
        app.settings(|s| s.audit_log_retention_days = 1).await;
        let old = history(&app).await;
        app.advance(hours(26));
        let bob = app.user("bob").created().await;
        app.run_jobs().await;
        let all = told(&app, "").await;
        app.tick().await;

        let kept = told(&app, "").await;

        assert!(kept.len() < all.len() && kept[..] == all[..kept.len()], "the newest are as they were");
        assert_eq!(kept.last().expect("some")["sequence"], json!(old + 1));
        assert!(kept.iter().any(|entry| entry["subject"]["id"] == json!(bob.id)));
        let Proof::Sound { entries, last, hash } = proof(&app).await else { panic!("it is sound") };
        assert_eq!((entries, last, json!(hash)), (i64::try_from(kept.len()).expect("few"), old + entries, kept[0]["hash"].clone()));
        app.bapi().get("/v1/audit-log").await.is(200, json!({ "total_count": kept.len() }));

        // Somebody else cuts one more, and writes the anchor as it ought to be.
        let env = app.env.id;
        let next = old + 1;
        app.tamper(&format!(
            "UPDATE audit_anchors SET audit_sequence = {next}, hash = (SELECT hash FROM events WHERE environment_id = '{env}' AND audit_sequence = {next}) WHERE environment_id = '{env}'"
        )).await;
        app.tamper(&format!("DELETE FROM events WHERE environment_id = '{env}' AND audit_sequence = {next}")).await;
        assert_eq!(broken_at(&app).await, Some(next));
        app.tamper(&format!("DELETE FROM audit_anchors WHERE environment_id = '{env}'")).await;
        assert_eq!(broken_at(&app).await, Some(1));
    }

    async fn what_somebody_has_made_older_is_not_deleted(app: TestApp) {
        let last = history(&app).await;
        let env = app.env.id;
        let aged = app.tamper(&format!("UPDATE events SET created_at = 0 WHERE environment_id = '{env}'")).await;

        app.tick().await;

        assert_eq!(told(&app, "").await.len(), aged);
        assert_eq!(broken_at(&app).await, Some(1), "its traces are there");
        // Not when the hashes were made to fit, either, up to the end.
        app.tamper(&format!("UPDATE events SET created_at = {} WHERE environment_id = '{env}'", app.now().millis())).await;
        app.tamper(&format!("DELETE FROM events WHERE environment_id = '{env}' AND audit_sequence > 1")).await;
        app.tick().await;
        assert!(matches!(proof(&app).await, Proof::Broken { sequence, .. } if sequence <= last));
    }

    async fn whoever_acts_in_a_persons_place_stands_in_the_log_with_that_person(app: TestApp) {
        let alice = app.user("alice").created().await;
        let body = json!({ "user_id": alice.id, "actor": { "sub": "operator_7" } });
        let ticket = app.bapi().post("/v1/actor-tokens", body).await.has_status(201).str("/token");
        let operator = app.anyone();
        let begun = operator.post("/v1/client/sign-ins", json!({ "strategy": "ticket", "ticket": ticket })).await;
        let session = begun.has_status(200).str("/response/created_session_id");
        operator.patch("/v1/me", json!({ "first_name": "Eve" })).await.is_refused(403, "actor_session_forbidden");

        let denied = told(&app, "type=request.forbidden").await;

        assert_eq!(denied.len(), 1);
        let both = json!({ "type": "user", "id": alice.id, "impersonator": { "type": "operator", "id": "operator_7" } });
        assert_eq!((&denied[0]["actor"], &denied[0]["outcome"]), (&both, &json!("denied")));
        let begun = told(&app, &format!("subject_id={session}&type=session.created")).await;
        assert_eq!(begun[0]["actor"]["impersonator"], json!({ "type": "operator", "id": "operator_7" }));
    }

    async fn no_secret_and_no_address_stands_in_an_entry(app: TestApp) {
        let password = "canary-password-of-audit-1f";
        let (email, wrong) = ("canary.audit.address@example.com", "canary-wrong-of-audit-2e");
        let body = json!({ "email_address": [email], "password": password, "private_metadata": { "note": "canary-metadata-3d" } });
        let id = app.bapi().post("/v1/users", body).header("user-agent", "desk").await.has_status(201).str("/id");
        let sign_in = |password: &str| json!({ "identifier": email, "strategy": "password", "password": password });
        app.anyone().post("/v1/client/sign-ins", sign_in(wrong)).await.has_status(422);
        app.anyone().post("/v1/client/sign-ins", json!({ "identifier": "canary.nobody@example.com", "strategy": "password", "password": wrong })).await.has_status(422);
        app.anyone().post("/v1/client/sign-ins", sign_in(password)).await.has_status(200);
        app.bapi().call(Method::PATCH, format!("/v1/users/{id}")).json(json!({ "password": "canary-new-password-4c" })).await.has_status(200);

        let all = told(&app, "").await;

        assert!(all.len() > 5);
        let text = json!(all).to_string();
        assert!(!text.contains("canary") && !text.contains(&app.env.secret_key), "{text}");
    }
}
