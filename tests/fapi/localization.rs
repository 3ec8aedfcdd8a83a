//! The texts of pages, as a browser fetches them.

use serde_json::json;
use testkit::{TestApp, both};

const BACKEND: &str = "/v1/instance/localization";

both! {
    async fn the_texts_of_a_language_are_anybodys_and_may_be_kept(app: TestApp) {
        let reply = app.anyone().get("/v1/localization/en-US").await;

        reply.is(200, json!({ "locale": "en-US", "catalog": { "common.action.continue": "Continue", "signIn.start.title": "Sign in to {{applicationName}}" } }));
        assert!(reply.at("/catalog").as_object().is_some_and(|texts| texts.len() >= 100));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=300, stale-while-revalidate=3600"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert!(reply.set_cookies().is_empty());
        let tag = reply.header("etag").expect("texts have a tag").to_owned();
        let there = app.anyone().get("/v1/environment").await;
        assert_eq!(format!("\"{}\"", there.str("/localization/override_etag")), tag);
    }

    async fn who_has_the_texts_is_not_sent_them_again(app: TestApp) {
        let path = "/v1/localization/en-US";
        let tag = app.anyone().get(path).await.header("etag").unwrap_or_default().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let reply = app.anyone().get(path).header("if-none-match", &known).await;
            assert_eq!((reply.status(), reply.bytes().len()), (304, 0), "{known}");
            assert_eq!(reply.header("etag"), Some(tag.as_str()));
        }
        app.bapi().patch(BACKEND, json!({ "overrides": { "en-US": { "common.divider": "or else" } } })).await.has_status(200);

        let fresh = app.anyone().get(path).header("if-none-match", &tag).await;
        fresh.is(200, json!({ "catalog": { "common.divider": "or else" } }));
        assert_ne!(fresh.header("etag"), Some(tag.as_str()));
    }

    async fn a_text_comes_from_the_operator_the_language_the_fallback_or_english(app: TestApp) {
        let body = json!({
            "default_locale": "it-IT", "fallback_locale": "de-DE", "supported_locales": ["it-IT", "de-DE", "pt-BR", "en-US"],
            "overrides": { "it-IT": { "common.divider": "oppure" }, "de-DE": { "common.action.save": "Merken" } },
        });
        app.bapi().put(BACKEND, body).await.has_status(200);

        let italian = app.anyone().get("/v1/localization/IT-it").await;
        italian.is(200, json!({ "locale": "it-IT", "catalog": { "common.divider": "oppure", "common.action.save": "Merken", "common.action.back": "Zurück" } }));
        app.anyone().get("/v1/localization/pt-BR").await.is(200, json!({ "catalog": { "common.divider": "ou", "common.action.save": "Salvar" } }));
        app.anyone().get("/v1/localization/de-DE").await.is(200, json!({ "catalog": { "common.action.save": "Merken", "common.divider": "oder" } }));
    }

    async fn a_language_that_is_not_offered_is_not_found(app: TestApp) {
        app.anyone().get("/v1/localization/de-DE").await.is_refused(404, "unsupported_locale");
        app.anyone().get("/v1/localization/tlh").await.is_refused(404, "unsupported_locale");
        for bad in ["english", "en_US", "e", "%00"] {
            app.anyone().get(format!("/v1/localization/{bad}")).await.is_refused(404, "invalid_locale_code");
        }
    }

    async fn each_environment_says_its_own(app: TestApp) {
        let other = app.second_environment().await;
        app.bapi_of(&other).patch(BACKEND, json!({ "overrides": { "en-US": { "common.divider": "either" } } })).await.has_status(200);
        app.anyone().get("/v1/localization/en-US").await.is(200, json!({ "catalog": { "common.divider": "or" } }));
        app.anyone_of(&other).get("/v1/localization/en-US").await.is(200, json!({ "catalog": { "common.divider": "either" } }));
    }
}
