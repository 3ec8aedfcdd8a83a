//! The lists of who may sign up and who may never, as a backend keeps them.

use serde_json::json;
use std::time::Duration;
use testkit::{Reply, TestApp, both};

const LISTS: [(&str, &str); 2] =
    [("allowlist-identifiers", "allowlist_identifier"), ("blocklist-identifiers", "blocklist_identifier")];

async fn put(app: &TestApp, list: &str, identifier: &str) -> Reply {
    app.bapi().post(format!("/v1/{list}"), json!({ "identifier": identifier })).await
}

both! {
    async fn identifiers_are_put_on_a_list_in_one_spelling_and_taken_off(app: TestApp) {
        for (list, object) in LISTS {
            let mut ids = Vec::new();
            for (sent, kept) in [
                (" Ann@Example.COM", "ann@example.com"), ("+1 650 253 0000", "+16502530000"), ("@Example.com", "*@example.com"),
                ("*@*.example.com", "*@*.example.com"), ("*@b\u{fc}cher.example", "*@xn--bcher-kva.example"),
            ] {
                let made = put(&app, list, sent).await;
                made.is(201, json!({ "object": object, "identifier": kept }));
                ids.push(made.str("/id"));
                app.advance(Duration::from_secs(1));
            }
            for again in ["ANN@example.com", "+16502530000", "*@example.com", "@*.example.com", "*@xn--bcher-kva.example"] {
                put(&app, list, again).await.is_refused_for(409, "form_identifier_exists", "identifier");
            }

            let all = app.bapi().get(format!("/v1/{list}?limit=3")).await;
            all.is(200, json!({ "total_count": 5, "data": [
                { "identifier": "*@xn--bcher-kva.example" }, { "identifier": "*@*.example.com" }, { "identifier": "*@example.com" },
            ] }));
            let rest = app.bapi().get(format!("/v1/{list}?limit=3&cursor={}", all.str("/meta/next_cursor"))).await;
            rest.is(200, json!({ "data": [{ "identifier": "+16502530000" }, { "identifier": "ann@example.com" }], "meta": {} }));
            let oldest = app.bapi().get(format!("/v1/{list}?order_by=created_at&offset=1&limit=1")).await;
            oldest.is(200, json!({ "data": [{ "identifier": "+16502530000" }] }));

            app.bapi().delete(format!("/v1/{list}/{}", ids[0])).await.has_status(204);
            app.bapi().delete(format!("/v1/{list}/{}", ids[0])).await.is_refused(404, &format!("{object}_not_found"));
            app.bapi().get(format!("/v1/{list}")).await.is(200, json!({ "total_count": 4 }));
            put(&app, list, "ann@example.com").await.has_status(201);
        }
        assert!(app.events().await.is_empty(), "nobody was written to");
    }

    async fn what_is_no_identifier_is_refused(app: TestApp) {
        for (list, _) in LISTS {
            put(&app, list, "").await.is_refused_for(422, "form_param_nil", "identifier");
            for bad in ["ann", "*", "*@", "@", "*@com", "a*@example.com", "*@example.com.", "example.com", "+1", "*@*.*.example.com", "\u{212a}@example.com"] {
                put(&app, list, bad).await.is_refused_for(422, "form_param_format_invalid", "identifier");
            }
            let unknown = json!({ "identifier": "ann@example.com", "colour": 1 });
            app.bapi().post(format!("/v1/{list}"), unknown).await.is_refused_for(422, "form_param_unknown", "colour");
            app.bapi().get(format!("/v1/{list}?order_by=identifier")).await.is_refused_for(422, "form_param_value_invalid", "order_by");
            app.bapi().get(format!("/v1/{list}?cursor=x&offset=1")).await.is_refused_for(422, "form_param_format_invalid", "cursor");
            app.bapi().get(format!("/v1/{list}")).await.is(200, json!({ "total_count": 0 }));
        }
        let body = json!({ "identifier": "ann@example.com", "notify": true });
        app.bapi().post("/v1/blocklist-identifiers", body).await.is_refused_for(422, "form_param_unknown", "notify");
    }

    async fn an_id_is_of_one_list_and_of_one_environment(app: TestApp) {
        let other = app.second_environment().await;
        let allowed = put(&app, "allowlist-identifiers", "ann@example.com").await.str("/id");
        let blocked = put(&app, "blocklist-identifiers", "ann@example.com").await.str("/id");

        let delete = |list: &str, id: &str| app.bapi().delete(format!("/v1/{list}/{id}"));
        delete("blocklist-identifiers", &allowed).await.is_refused(404, "blocklist_identifier_not_found");
        delete("allowlist-identifiers", &blocked).await.is_refused(404, "allowlist_identifier_not_found");
        let disguised = blocked.replace("block_", "allow_");
        delete("allowlist-identifiers", &disguised).await.is_refused(404, "allowlist_identifier_not_found");
        let theirs = app.bapi_of(&other);
        theirs.delete(format!("/v1/allowlist-identifiers/{allowed}")).await.has_status(404);
        theirs.get("/v1/allowlist-identifiers").await.is(200, json!({ "data": [], "total_count": 0 }));
        theirs.post("/v1/allowlist-identifiers", json!({ "identifier": "ann@example.com" })).await.has_status(201);
        app.bapi().get("/v1/blocklist-identifiers").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_single_address_hears_of_it_when_asked_for(app: TestApp) {
        let put = |identifier: &str| app.bapi().post("/v1/allowlist-identifiers", json!({ "identifier": identifier, "notify": true }));
        put("ann@example.com").await.is(201, json!({ "notify": true }));
        for silent in ["*@example.com", "+16502530000", "ann+authn_test@example.com"] {
            put(silent).await.is(201, json!({ "notify": true }));
        }

        let mails = app.mails().await;
        assert_eq!(mails.len(), 1);
        assert_eq!((mails[0].to.as_str(), mails[0].template_slug.as_str()), ("ann@example.com", "invitation"));
        let sign_up = format!("{}/sign-up", app.env.issuer);
        assert!(mails[0].text.contains(&sign_up), "{}", mails[0].text);
        assert!(app.smses().await.is_empty());
        assert_eq!(app.events().await, ["email.created"]);
    }

    async fn an_identifier_is_put_on_a_list_once_under_a_key(app: TestApp) {
        let put = || app.bapi().post("/v1/allowlist-identifiers", json!({ "identifier": "ann@example.com", "notify": true })).idempotency_key("k");
        let first = put().await;
        first.has_status(201);
        let second = put().await;
        assert_eq!((second.status(), second.header("idempotent-replayed")), (201, Some("true")));
        assert_eq!(second.json(), first.json());
        assert_eq!(app.mails().await.len(), 1);

        app.bapi().delete(format!("/v1/allowlist-identifiers/{}", first.str("/id"))).await.has_status(204);
        let third = put().await;
        third.has_status(201);
        assert_ne!(third.str("/id"), first.str("/id"), "a new one");
    }

    async fn of_fifty_at_once_one_is_put_on_the_list(app: TestApp) {
        let answers = testkit::race(50, |_| put(&app, "blocklist-identifiers", "ann@example.com")).await;

        assert_eq!(answers.iter().filter(|a| a.status() == 201).count(), 1);
        assert!(answers.iter().all(|a| [201, 409].contains(&a.status())));
        app.bapi().get("/v1/blocklist-identifiers").await.is(200, json!({ "total_count": 1 }));
    }
}
