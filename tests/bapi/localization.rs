//! What pages say, as a backend says it.

use serde_json::json;
use testkit::{TestApp, both};

const PATH: &str = "/v1/instance/localization";

both! {
    async fn what_nobody_changed_is_english(app: TestApp) {
        let shown = app.bapi().get(PATH).await;
        assert_eq!(shown.json(), &json!({ "default_locale": "en-US", "fallback_locale": "en-US", "supported_locales": ["en-US"], "overrides": {} }));
        assert!(shown.header("etag").is_some_and(|tag| tag.starts_with("\"sha256:")));
    }

    async fn texts_are_merged_key_by_key_and_everything_else_is_replaced(app: TestApp) {
        let first = json!({
            "default_locale": "de-DE", "fallback_locale": "en-US", "supported_locales": ["en-US", "de-DE", "it-IT"],
            "overrides": { "de-DE": { "common.divider": "beziehungsweise", "common.action.save": "Merken" }, "it-IT": { "common.divider": "oppure" } },
        });
        let put = app.bapi().put(PATH, first.clone()).await;
        assert_eq!((put.status(), put.json()), (200, &first));

        let change = json!({ "supported_locales": ["en-us", "DE-de"], "overrides": { "de-de": { "common.action.save": null, "common.action.back": "Retour" }, "it-IT": null } });
        let changed = app.bapi().patch(PATH, change.clone()).await;

        assert_eq!(changed.json(), &json!({
            "default_locale": "de-DE", "fallback_locale": "en-US", "supported_locales": ["en-US", "de-DE"],
            "overrides": { "de-DE": { "common.action.back": "Retour", "common.divider": "beziehungsweise" } },
        }));
        assert_eq!(app.bapi().get(PATH).await.json(), changed.json());
        assert_eq!(app.events().await, ["localization.updated", "localization.updated"]);
        let events = app.logged_events(&app.env).await;
        let told = events.last().and_then(|event| event.data.clone()).expect("an event with data");
        assert_eq!((&told["previous"], &told["current"], &told["diff"]), (&first, changed.json(), &change));
        let shown = app.anyone().get("/v1/environment").await;
        shown.is(200, json!({ "localization": { "default_locale": "de-DE", "supported_locales": ["en-US", "de-DE"], "override_etag": told["override_etag"] } }));
        app.bapi().patch(PATH, json!({})).await.has_status(200);
        app.bapi().patch(PATH, json!({ "default_locale": "de-DE" })).await.has_status(200);
        assert_eq!(app.events().await.len(), 2, "nothing was changed");
    }

    async fn what_cannot_be_is_refused_and_nothing_is_changed(app: TestApp) {
        for (body, param, code) in [
            (json!({ "default_locale": "english" }), "default_locale", "invalid_locale_code"),
            (json!({ "supported_locales": ["en-US", "x_y"] }), "supported_locales.1", "invalid_locale_code"),
            (json!({ "overrides": { "en_US": {} } }), "overrides.en_US", "invalid_locale_code"),
            (json!({ "default_locale": "de-DE" }), "default_locale", "unsupported_locale"),
            (json!({ "fallback_locale": "de-DE" }), "fallback_locale", "unsupported_locale"),
            (json!({ "supported_locales": ["en-US", "it-IT"] }), "supported_locales.1", "unsupported_locale"),
            (json!({ "overrides": { "en-US": { "no.such.text": "x" } } }), "overrides.en-US.no.such.text", "unknown_localization_key"),
            (json!({ "overrides": { "en-US": { "common.divider": 7 } } }), "overrides.en-US.common.divider", "form_param_format_invalid"),
            (json!({ "overrides": { "en-US": { "common.divider": "x".repeat(2049) } } }), "overrides.en-US.common.divider", "form_param_format_invalid"),
            (json!({ "supported_locales": "en-US" }), "supported_locales", "form_param_format_invalid"),
            (json!({ "override_etag": "x" }), "override_etag", "form_param_unknown"),
        ] {
            app.bapi().patch(PATH, body).await.is_refused_for(422, code, param);
        }
        let lacking = app.bapi().put(PATH, json!({ "default_locale": "en-US", "supported_locales": null })).await;
        for param in ["fallback_locale", "supported_locales", "overrides"] {
            lacking.is_refused_for(422, "form_param_nil", param);
        }
        app.bapi().get(PATH).await.is(200, json!({ "default_locale": "en-US", "supported_locales": ["en-US"] }));
        assert!(app.events().await.is_empty());
    }

    async fn a_value_that_a_text_drops_is_warned_of(app: TestApp) {
        let say = |text: &str| app.bapi().patch(PATH, json!({ "overrides": { "en-US": { "signIn.start.title": text } } }));
        let dropped = say("Come in").await;
        dropped.has_status(200);
        assert_eq!(dropped.header("warning"), Some("299 - \"missing-placeholder overrides.en-US.signIn.start.title {{applicationName}}\""));
        let kept = say("Come into {{ applicationName }}").await;
        assert_eq!((kept.status(), kept.header("warning")), (200, None));
    }

    async fn a_write_that_has_seen_something_else_is_refused(app: TestApp) {
        let seen = app.bapi().get(PATH).await.header("etag").unwrap_or_default().to_owned();
        let write = |text: &str| app.bapi().patch(PATH, json!({ "overrides": { "en-US": { "common.divider": text } } })).header("if-match", &seen);
        write("or else").await.has_status(200);
        write("and").await.is_refused(412, "precondition_failed");
        app.bapi().get(PATH).await.is(200, json!({ "overrides": { "en-US": { "common.divider": "or else" } } }));
    }

    async fn of_fifty_texts_at_once_none_is_lost(app: TestApp) {
        let locales: Vec<String> = (0..50u8).map(|i| format!("{}{}-DE", char::from(b'a' + i / 26), char::from(b'a' + i % 26))).collect();
        let answers = testkit::race(50, |i| {
            app.bapi().patch(PATH, json!({ "overrides": { &locales[i]: { "common.divider": "x" } } })).into_future()
        }).await;
        assert!(answers.iter().all(|a| a.status() == 200));
        let shown = app.bapi().get(PATH).await;
        assert_eq!(shown.at("/overrides").as_object().map(serde_json::Map::len), Some(50));
    }
}
