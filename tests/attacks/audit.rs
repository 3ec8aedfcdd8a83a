//! Whoever gets at the database cannot change what the audit log says without being found out.

use domain::Context;
use engine::audit::{Proof, verify};
use serde_json::{Value, json};
use testkit::{EngineKind, Method, TestApp, both, hours};

async fn proof(app: &TestApp) -> Proof {
    verify(&app.engine, &Context::operator(app.env.id, app.now())).await.expect("the log can be read")
}

async fn broken_at(app: &TestApp) -> Option<i64> {
    match proof(app).await {
        Proof::Sound { .. } => None,
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

        let proof = verify(&app.engine, &Context::operator(other.id, app.now())).await.expect("the log can be read");

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
