//! The organization feature, and what is told of changed settings.

use domain::environment::EnvironmentKind;
use serde_json::json;
use testkit::{TestApp, both};

const PATH: &str = "/v1/instance/organization-settings";

both! {
    async fn the_feature_is_changed_key_by_key_and_shown_everywhere(app: TestApp) {
        let all = json!({
            "enabled": false, "max_allowed_memberships": null, "max_organizations_per_user": null, "allow_user_created_organizations": true,
            "admin_delete_enabled": true, "domains_enabled": true,
            "domains_enrollment_modes": ["manual_invitation", "automatic_invitation", "automatic_suggestion"],
            "creator_role": "org:admin", "default_role": "org:member", "domains_default_role": "org:member",
        });
        app.bapi().get("/v1/instance").await.is(200, json!({ "organizations": all.clone() }));
        app.anyone().get("/v1/environment").await.is(200, json!({ "organization_settings": all }));

        let change = json!({ "enabled": true, "max_allowed_memberships": 5, "domains_enrollment_modes": ["manual_invitation"], "default_role": "org:admin" });
        let changed = app.bapi().patch(PATH, change.clone()).await;

        changed.is(200, json!({ "object": "organization_settings", "creator_role": "org:admin", "max_organizations_per_user": null }));
        changed.is(200, change.clone());
        app.bapi().get("/v1/instance").await.is(200, json!({ "organizations": change.clone() }));
        app.anyone().get("/v1/environment").await.is(200, json!({ "organization_settings": change }));
        app.bapi().patch(PATH, json!({ "max_allowed_memberships": null })).await.is(200, json!({ "enabled": true, "max_allowed_memberships": null }));
        let once = || app.bapi().patch(PATH, json!({ "admin_delete_enabled": false })).idempotency_key("k");
        let first = once().await;
        assert_eq!((once().await.json(), first.status()), (first.json(), 200));
    }

    async fn what_cannot_be_is_refused_by_its_own_name(app: TestApp) {
        for (body, param, code) in [
            (json!({ "colour": 1 }), "colour", "form_param_unknown"), (json!({ "enabled": "yes" }), "enabled", "form_param_format_invalid"),
            (json!({ "enabled": null }), "enabled", "form_param_format_invalid"),
            (json!({ "max_allowed_memberships": -1 }), "max_allowed_memberships", "form_param_format_invalid"),
            (json!({ "domains_enrollment_modes": ["open"] }), "domains_enrollment_modes[0]", "form_param_value_invalid"),
            (json!({ "creator_role": "org:king" }), "creator_role", "form_param_value_invalid"),
            (json!({ "domains_default_role": "member" }), "domains_default_role", "form_param_value_invalid"),
        ] {
            app.bapi().patch(PATH, body).await.is_refused_for(422, code, param);
        }
        app.bapi().patch("/v1/instance", json!({ "organizations": { "enabled": true } })).await.is_refused_for(422, "form_param_unknown", "organizations");
        app.bapi().get("/v1/instance").await.is(200, json!({ "organizations": { "enabled": false } }));
    }

    async fn changes_that_others_build_on_are_told(app: TestApp) {
        app.bapi().patch("/v1/instance", json!({ "support_email": "help@example.com" })).await.has_status(200);
        app.bapi().patch("/v1/instance", json!({ "multi_factor": { "phone_code": { "enabled": true } } })).await.has_status(200);
        app.bapi().patch("/v1/instance", json!({ "attribute_settings": { "username": { "enabled": true } } })).await.has_status(200);
        app.bapi().patch("/v1/instance", json!({ "attribute_settings": { "username": { "enabled": true } } })).await.has_status(200);

        assert_eq!(app.events().await, ["instance.config.multi_factor_updated", "instance.config.attributes_updated"]);
        let events = app.logged_events(&app.env).await;
        let data = events[events.len() - 2].data.clone().expect("an event has data");
        assert_eq!((&data["previous"]["phone_code"], &data["current"]["phone_code"]), (&json!({ "enabled": false }), &json!({ "enabled": true })));
        assert_eq!(data["diff"], json!({ "phone_code": { "enabled": true } }));
    }

    async fn test_addresses_in_production_are_told_of(app: TestApp) {
        let live = app.environment_of(EnvironmentKind::Production, "Live").await;
        let set = |mode: &str| app.bapi_of(&live).patch("/v1/instance", json!({ "test_mode": mode }));
        for mode in ["disabled", "enabled", "enabled", "rejected"] {
            set(mode).await.has_status(200);
        }
        let told: Vec<_> = app.logged_events(&live).await.into_iter().filter(|e| e.event_type == "system.testmode_enabled_in_production").collect();
        assert_eq!(told.len(), 1);
        let data = json!({ "previous": { "test_mode": "disabled" }, "current": { "test_mode": "enabled" } });
        assert_eq!(told[0].data, Some(data));
        app.skip_events().await;
        app.bapi().patch("/v1/instance", json!({ "test_mode": "disabled" })).await.has_status(200);
        app.bapi().patch("/v1/instance", json!({ "test_mode": "enabled" })).await.has_status(200);
        assert!(app.events().await.is_empty(), "a development environment is for tests");
    }

    async fn a_page_of_the_application_is_an_address_of_the_web(app: TestApp) {
        for bad in ["javascript:alert(1)", "/sign-in", "not a page", "https://user@example.com"] {
            app.bapi().patch("/v1/instance", json!({ "paths": { "sign_in_url": bad } })).await
                .is_refused_for(422, "form_param_value_invalid", "paths.sign_in_url");
        }
        let good = json!({ "paths": { "sign_in_url": "http://localhost:3000/in", "home_url": "https://example.com" } });
        app.bapi().patch("/v1/instance", good.clone()).await.is(200, good);
    }

    async fn of_fifty_changes_of_settings_at_once_none_is_lost(app: TestApp) {
        let keys = ["sign_in_url", "sign_up_url", "after_sign_in_url", "after_sign_up_url", "user_profile_url", "home_url"];
        let answers = testkit::race(50, |i| {
            let body = json!({ "paths": { keys[i % keys.len()]: format!("https://example.com/{}", keys[i % keys.len()]) } });
            app.bapi().patch("/v1/instance", body).into_future()
        }).await;
        assert!(answers.iter().all(|a| a.status() == 200));
        let paths = app.bapi().get("/v1/instance").await;
        for key in keys {
            assert_eq!(paths.str(&format!("/paths/{key}")), format!("https://example.com/{key}"));
        }
    }
}
