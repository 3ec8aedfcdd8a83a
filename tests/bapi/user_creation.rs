//! People made by a backend.

use crate::fapi::steps::{PASSWORD, try_password};
use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn a_person_is_made_with_everything_a_backend_may_say(app: TestApp) {
        app.settings(|s| s.attribute_settings.username.enabled = true).await;
        let body = json!({
            "external_id": "crm-7", "username": "Ann.Lee", "first_name": " Ann ", "last_name": "Lee",
            "email_address": ["Ann@Example.com", "ann@work.example"], "password": PASSWORD, "locale": "en-GB",
            "public_metadata": { "plan": "pro" }, "private_metadata": { "score": [1, { "x": null }] }, "unsafe_metadata": { "theme": "dark" },
            "created_at": 1_500_000_000_000_i64,
        });

        let made = app.bapi().post("/v1/users", body).await;

        made.is(201, json!({
            "object": "user", "external_id": "crm-7", "username": "Ann.Lee", "first_name": "Ann", "last_name": "Lee", "locale": "en-GB",
            "email_addresses": [{ "email_address": "ann@example.com", "verified": true }, { "email_address": "ann@work.example", "verified": true }],
            "password_enabled": true, "banned": false, "locked": false, "last_sign_in_at": null, "last_active_at": null,
            "public_metadata": { "plan": "pro" }, "private_metadata": { "score": [1, { "x": null }] }, "unsafe_metadata": { "theme": "dark" },
            "created_at": 1_500_000_000_000_i64,
        }));
        assert_eq!(made.at("/primary_email_address_id"), made.at("/email_addresses/0/id"));
        assert!(made.str("/id").starts_with("user_") && made.str("/email_addresses/0/id").starts_with("idn_"));
        let shown = app.bapi().get(format!("/v1/users/{}", made.str("/id"))).await;
        assert_eq!(shown.json(), made.json());
        assert!(!made.text().contains("argon2"));
        for who in ["ann@example.com", "ann@work.example", "ann.lee"] {
            try_password(&app.anyone(), who, PASSWORD).await.has_status(200);
        }
        assert_eq!(app.events().await[0], "user.created");
    }

    async fn the_other_name_of_the_addresses_means_the_same(app: TestApp) {
        let body = json!({ "email_addresses": ["ann@example.com"], "password": PASSWORD });
        app.bapi().post("/v1/users", body).await.is(201, json!({ "email_addresses": [{ "email_address": "ann@example.com" }] }));
        let both = json!({ "email_addresses": ["a@example.com"], "email_address": ["b@example.com"], "password": PASSWORD });
        app.bapi().post("/v1/users", both).await.is_refused_for(422, "form_param_value_invalid", "email_addresses");
    }

    async fn a_person_needs_an_identifier_and_a_password_unless_told_otherwise(app: TestApp) {
        let make = |body| app.bapi().post("/v1/users", body);
        let empty = make(json!({})).await;
        empty.is_refused_for(422, "form_param_nil", "email_address");
        empty.is_refused_for(422, "form_param_nil", "password");
        make(json!({ "email_address": ["ann@example.com"] })).await.is_refused_for(422, "form_param_nil", "password");
        make(json!({ "first_name": "Ann", "password": PASSWORD })).await.is_refused_for(422, "form_param_nil", "email_address");

        make(json!({ "email_address": ["ann@example.com"], "skip_password_requirement": true })).await
            .is(201, json!({ "password_enabled": false }));
        make(json!({ "external_id": "crm-1", "skip_password_requirement": true })).await
            .is(201, json!({ "email_addresses": [], "primary_email_address_id": null }));
        app.settings(|s| s.attribute_settings.password.required = false).await;
        make(json!({ "email_address": ["bob@example.com"] })).await.has_status(201);
    }

    async fn what_somebody_has_is_taken(app: TestApp) {
        app.settings(|s| s.attribute_settings.username.enabled = true).await;
        let first = json!({ "email_address": ["ann@example.com"], "username": "annlee", "external_id": "crm-1", "password": PASSWORD });
        app.bapi().post("/v1/users", first).await.has_status(201);
        app.skip_events().await;
        for (body, name) in [
            (json!({ "email_address": ["ANN@example.com"] }), "email_address"),
            (json!({ "email_address": ["new@example.com", "ann@example.com"] }), "email_address"),
            (json!({ "email_address": ["twice@example.com", "Twice@example.com"] }), "email_address"),
            (json!({ "email_address": ["new@example.com"], "username": "ANNLEE" }), "username"),
            (json!({ "email_address": ["new@example.com"], "external_id": "crm-1" }), "external_id"),
        ] {
            let mut body = body;
            body["password"] = json!(PASSWORD);
            app.bapi().post("/v1/users", body).await.is_refused_for(409, "form_identifier_exists", name);
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
        assert_eq!(app.events().await, Vec::<String>::new(), "nothing was half done");
        let other = app.second_environment().await;
        let same = json!({ "email_address": ["ann@example.com"], "external_id": "crm-1", "password": PASSWORD });
        app.bapi_of(&other).post("/v1/users", same).await.has_status(201);
    }

    async fn of_many_who_make_one_person_one_does(app: TestApp) {
        let backend = app.bapi();
        let replies = testkit::race(10, |_| {
            backend.post("/v1/users", json!({ "email_address": ["ann@example.com"], "password": PASSWORD })).into_future()
        }).await;

        assert_eq!(replies.iter().filter(|r| r.status() == 201).count(), 1);
        for lost in replies.iter().filter(|r| r.status() != 201) {
            lost.is_refused_for(409, "form_identifier_exists", "email_address");
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_backends_word_takes_an_address_from_those_who_never_proved_it(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        alice.post("/v1/me/email-addresses", json!({ "email_address": "ann@example.com" })).await.has_status(200);

        app.bapi().post("/v1/users", json!({ "email_address": ["ann@example.com"], "password": PASSWORD })).await.has_status(201);

        alice.get("/v1/me").await.is(200, json!({ "email_addresses": [{ "email_address": alice.user.email }] }));
    }

    async fn passwords_of_a_backend_keep_the_rules_unless_it_says_otherwise(app: TestApp) {
        let make = |body| app.bapi().post("/v1/users", body);
        for weak in ["short", "password", "12345678"] {
            make(json!({ "email_address": ["ann@example.com"], "password": weak })).await
                .is_refused_for(422, "form_password_validation_failed", "password");
        }
        make(json!({ "email_address": ["ann@example.com"], "password": "short", "skip_password_checks": true })).await
            .is_refused_for(422, "form_password_validation_failed", "password");
        make(json!({ "email_address": ["ann@example.com"], "password": "password", "skip_password_checks": true })).await.has_status(201);
        try_password(&app.anyone(), "ann@example.com", "password").await.has_status(200);
    }

    async fn everything_wrong_is_told_together(app: TestApp) {
        let reply = app.bapi().post("/v1/users", json!({
            "username": "x", "email_address": ["nothing", "ok@example.com", 7], "first_name": "y".repeat(257), "phone_number": ["+15550001111"],
            "password": 7, "locale": "zz_ZZ", "public_metadata": [1], "private_metadata": "x", "created_at": "now", "nope": 1,
            "skip_password_checks": "yes", "external_id": "e".repeat(256),
        })).await;
        reply.has_status(422);
        for (code, name) in [
            ("form_param_format_invalid", "username"), ("form_param_format_invalid", "email_address.0"), ("form_param_format_invalid", "email_address.2"),
            ("form_param_format_invalid", "first_name"), ("form_param_format_invalid", "phone_number.0"), ("form_param_format_invalid", "password"),
            ("form_param_format_invalid", "locale"), ("form_param_format_invalid", "public_metadata"), ("form_param_format_invalid", "private_metadata"),
            ("form_param_format_invalid", "created_at"), ("form_param_unknown", "nope"), ("form_param_format_invalid", "skip_password_checks"),
            ("form_param_format_invalid", "external_id"),
        ] {
            reply.is_refused_for(422, code, name);
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
    }

    async fn nobody_is_made_in_the_future_and_metadata_is_bounded(app: TestApp) {
        let make = |body| app.bapi().post("/v1/users", body);
        let future = app.now().millis() + 60_000;
        make(json!({ "external_id": "a", "skip_password_requirement": true, "created_at": future })).await
            .is_refused_for(422, "form_param_value_invalid", "created_at");
        make(json!({ "external_id": "a", "skip_password_requirement": true, "created_at": -1 })).await
            .is_refused_for(422, "form_param_format_invalid", "created_at");
        for bucket in ["public_metadata", "private_metadata", "unsafe_metadata"] {
            make(json!({ "external_id": "a", "skip_password_requirement": true, bucket: { "x": "y".repeat(8200) } })).await
                .is_refused_for(422, "metadata_too_large", bucket);
        }
        make(json!({ "external_id": "a", "skip_password_requirement": true, "public_metadata": [] })).await
            .is(201, json!({ "public_metadata": {} }));
    }

    async fn texts_of_every_script_come_back_as_they_were(app: TestApp) {
        for (i, name) in ["Ünïcødé", "王小明", "🦊🦊", "O'Hara \"x\" \\ %_", "مرحبا", "a\u{301}"].into_iter().enumerate() {
            let body = json!({ "external_id": format!("e{i}"), "first_name": name, "private_metadata": { name: name }, "skip_password_requirement": true });
            app.bapi().post("/v1/users", body).await.is(201, json!({ "first_name": name, "private_metadata": { name: name } }));
        }
    }
}
