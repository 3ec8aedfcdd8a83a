//! How pages look, as a backend says it and a browser hears it.

use serde_json::{Value, json};
use testkit::{TestApp, both};

const PATH: &str = "/v1/instance/appearance";

fn layout() -> Value {
    json!({
        "logoImageUrl": null, "logoLinkUrl": null, "privacyPageUrl": null, "termsPageUrl": null, "helpPageUrl": null,
        "socialButtonsPlacement": "top", "socialButtonsVariant": "blockButton", "showOptionalFields": true, "animations": true,
    })
}

both! {
    async fn what_nobody_changed_is_the_default(app: TestApp) {
        let shown = app.bapi().get(PATH).await;
        assert_eq!(shown.json(), &json!({ "variables": {}, "elements": {}, "layout": layout() }));
        let tag = shown.header("etag").expect("a document has a tag").to_owned();
        assert!(tag.starts_with("\"sha256:") && tag.len() == 73, "{tag}");
        let there = app.anyone().get("/v1/environment").await;
        there.is(200, json!({ "appearance": { "etag": tag.trim_matches('"'), "variables": {}, "elements": {}, "layout": layout() } }));
    }

    async fn a_change_is_merged_and_shows_at_once(app: TestApp) {
        let first = json!({ "variables": { "colorPrimary": "#123456", "fontFamily": "Inter" }, "elements": { "card": "shadow-lg" }, "layout": { "animations": false } });
        app.bapi().patch(PATH, first.clone()).await.is(200, first.clone());
        let second = json!({ "variables": { "colorPrimary": null, "colorText": "black" }, "elements": { "headerTitle": "text-xl" } });
        let changed = app.bapi().patch(PATH, second.clone()).await;
        let outcome = json!({ "variables": { "fontFamily": "Inter", "colorText": "black" }, "elements": { "card": "shadow-lg", "headerTitle": "text-xl" }, "layout": { "animations": false } });
        changed.is(200, outcome.clone());
        assert_eq!(changed.at("/variables").get("colorPrimary"), None);
        assert_eq!(app.bapi().get(PATH).await.json(), changed.json());
        let there = app.anyone().get("/v1/environment").await;
        there.is(200, json!({ "appearance": outcome }));
        assert_eq!(format!("\"{}\"", there.str("/appearance/etag")), changed.header("etag").unwrap_or_default());

        // Both processes of the second are told apart by nothing but their memory.
        app.anyone_at_another_process().get("/v1/environment").await.is(200, json!({ "appearance": outcome }));
        let events = app.logged_events(&app.env).await;
        let told: Vec<Value> =
            events.into_iter().filter(|event| event.event_type == "instance.config.appearance_updated").filter_map(|event| event.data).collect();
        assert_eq!(told.len(), 2);
        assert_eq!(told[1]["previous"]["variables"], json!({ "colorPrimary": "#123456", "fontFamily": "Inter" }));
        assert_eq!((&told[1]["current"], &told[1]["diff"]), (changed.json(), &second));
    }

    async fn what_is_replaced_is_gone(app: TestApp) {
        app.bapi().patch(PATH, json!({ "variables": { "colorText": "red" }, "layout": { "animations": false } })).await.has_status(200);
        let put = app.bapi().put(PATH, json!({ "elements": { "card": "flat" } })).await;
        assert_eq!(put.json(), &json!({ "variables": {}, "elements": { "card": "flat" }, "layout": layout() }));
        app.skip_events().await;
        app.bapi().put(PATH, json!({ "elements": { "card": "flat" } })).await.has_status(200);
        assert!(app.events().await.is_empty(), "nothing was changed");
        app.bapi().put(PATH, json!({})).await.is(200, json!({ "elements": {} }));
    }

    async fn what_would_run_or_is_unknown_is_refused_and_nothing_is_changed(app: TestApp) {
        let before = app.bapi().get(PATH).await;
        let long = "x".repeat(513);
        for (body, param, code) in [
            (json!({ "variables": { "colorText": "</style><script>" } }), "variables.colorText", "form_param_format_invalid"),
            (json!({ "variables": { "colorText": "red;} body{display:none" } }), "variables.colorText", "form_param_format_invalid"),
            (json!({ "elements": { "card": "bg-[url(JavaScript:alert(1))]" } }), "elements.card", "form_param_format_invalid"),
            (json!({ "elements": { "card": long } }), "elements.card", "form_param_format_invalid"),
            (json!({ "layout": { "logoLinkUrl": "javascript:alert(1)" } }), "layout.logoLinkUrl", "form_param_format_invalid"),
            (json!({ "layout": { "socialButtonsPlacement": "left" } }), "layout.socialButtonsPlacement", "form_param_value_invalid"),
            (json!({ "layout": { "colour": "left" } }), "layout.colour", "form_param_unknown"),
            (json!({ "variables": { "colorBlue": "x" } }), "variables.colorBlue", "form_param_unknown"),
            (json!({ "etag": "x" }), "etag", "form_param_unknown"),
            (json!({ "variables": "x" }), "variables", "form_param_format_invalid"),
        ] {
            app.bapi().patch(PATH, body.clone()).await.is_refused_for(422, code, param);
            app.bapi().put(PATH, body).await.is_refused_for(422, code, param);
        }
        assert_eq!(app.bapi().get(PATH).await.json(), before.json());
    }

    async fn a_write_that_has_seen_something_else_is_refused(app: TestApp) {
        let seen = app.bapi().get(PATH).await.header("etag").unwrap_or_default().to_owned();
        let write = |value: &str, tag: &str| app.bapi().patch(PATH, json!({ "variables": { "colorText": value } })).header("if-match", tag);

        let changed = write("red", &seen).await;
        changed.has_status(200);
        for outdated in [seen.as_str(), "\"sha256:0\"", "W/\"x\"", "nonsense"] {
            write("blue", outdated).await.is_refused(412, "precondition_failed");
            app.bapi().put(PATH, json!({})).header("if-match", outdated).await.is_refused(412, "precondition_failed");
        }
        app.bapi().get(PATH).await.is(200, json!({ "variables": { "colorText": "red" } }));
        let now = changed.header("etag").unwrap_or_default();
        write("green", &format!("\"x\", {now}")).await.has_status(200);
        write("white", "*").await.has_status(200);
        // A refused write gives its key free again.
        write("gray", &seen).idempotency_key("k").await.has_status(412);
        let first = write("gray", "*").idempotency_key("k").await;
        let again = write("gray", "*").idempotency_key("k").await;
        assert_eq!((again.status(), again.header("idempotent-replayed"), again.text()), (200, Some("true"), first.text()));
        assert_eq!(again.header("etag"), first.header("etag"));
        assert!(again.header("etag").is_some_and(|tag| tag != seen), "the tag of what was written");
    }

    async fn of_fifty_changes_at_once_none_is_lost(app: TestApp) {
        let answers = testkit::race(50, |i| {
            let name = format!("element{i}");
            app.bapi().patch(PATH, json!({ "elements": { name: format!("class-{i}") } })).into_future()
        }).await;

        assert!(answers.iter().all(|a| a.status() == 200), "{:?}", answers.iter().map(testkit::Reply::status).collect::<Vec<_>>());
        let shown = app.bapi().get(PATH).await;
        assert_eq!(shown.at("/elements").as_object().map(serde_json::Map::len), Some(50));
        assert_eq!(app.events().await.len(), 50);
        // Each event begins where the one before it ended.
        let events = app.logged_events(&app.env).await;
        let told: Vec<Value> =
            events.into_iter().filter(|event| event.event_type == "instance.config.appearance_updated").filter_map(|event| event.data).collect();
        assert!(told.windows(2).all(|pair| pair[0]["current"] == pair[1]["previous"]));
    }

    async fn of_fifty_that_saw_the_same_one_writes(app: TestApp) {
        let seen = app.bapi().get(PATH).await.header("etag").unwrap_or_default().to_owned();
        let answers = testkit::race(50, |i| {
            let body = json!({ "variables": { "fontSize": format!("{i}px") } });
            app.bapi().patch(PATH, body).header("if-match", &seen).into_future()
        }).await;
        assert_eq!(answers.iter().filter(|a| a.status() == 200).count(), 1);
        assert!(answers.iter().all(|a| [200, 412].contains(&a.status())));
    }

    async fn each_environment_looks_like_itself(app: TestApp) {
        let other = app.second_environment().await;
        app.bapi_of(&other).patch(PATH, json!({ "variables": { "colorText": "red" } })).await.has_status(200);
        app.bapi().get(PATH).await.is(200, json!({ "variables": {} }));
        assert_eq!(app.bapi().get(PATH).await.at("/variables"), &json!({}));
    }
}
