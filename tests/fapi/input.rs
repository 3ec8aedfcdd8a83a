//! What a browser can send that is no request of ours: always the envelope, never a fault, never half a write.

use super::steps::PASSWORD;
use serde_json::json;
use testkit::{TestApp, both};

both! {
    async fn bodies_that_are_no_object_of_ours_are_refused_and_leave_nothing(app: TestApp) {
        let browser = app.browser().await;
        let sign_ups = || browser.call(testkit::Method::POST, "/v1/client/sign-ups");
        let deep = format!("{}{}", "{\"unsafe_metadata\":".repeat(80), "1}".repeat(80));
        let twice = r#"{"email_address":"a@example.com","email_address":"b@example.com"}"#;

        for bad in ["{", "nonsense", "{\"a\":1}}", &deep, twice, "{\"a\":NaN}", "\u{feff}{}"] {
            sign_ups().raw("application/json", bad).await.is_refused(400, "malformed_json");
        }
        for bad in ["[]", "null", "7", "\"text\""] {
            sign_ups().raw("application/json", bad).await.has_status(400);
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "x"] {
            sign_ups().raw(kind, "{}").await.is_refused(415, "content_type_unsupported");
        }
        sign_ups().raw("", "{\"a\":1}").await.is_refused(415, "content_type_unsupported");
        sign_ups().raw("application/json", "{}").header("content-encoding", "gzip").await.is_refused(415, "content_type_unsupported");
        let large = format!("{{\"password\":\"{}\"}}", "x".repeat(1024 * 1024));
        sign_ups().raw("application/json", large).await.is_refused(413, "request_too_large");

        browser.get("/v1/client").await.is(200, json!({ "sign_up": null }));
        assert_eq!(app.passwords.hashes_done(), 0, "no hash was paid for");
    }

    async fn nul_and_control_characters_are_no_text(app: TestApp) {
        let browser = app.browser().await;
        for (name, value) in [("first_name", "a\u{0}b"), ("first_name", "a\u{7}b"), ("email_address", "a\u{0}@example.com"), ("password", "12345678\u{0}")] {
            browser.post("/v1/client/sign-ups", json!({ name: value })).await.is_refused_for(422, "form_param_format_invalid", name);
        }
        let reply = browser.post("/v1/client/sign-ups", json!({ "unsafe_metadata": { "a": "\u{0}" } })).await;
        reply.has_status(422);
        assert!(browser.get("/v1/client").await.at("/sign_up").is_null());
    }

    async fn all_problems_of_a_body_are_told_together(app: TestApp) {
        let reply = app.anyone().post("/v1/client/sign-ups", json!({
            "email_address": "nothing", "first_name": 7, "unsafe_metadata": "x", "zzz": 1, "aaa": 2,
        })).await;

        reply.has_status(422);
        for (code, name) in [
            ("form_param_format_invalid", "email_address"), ("form_param_format_invalid", "first_name"),
            ("form_param_format_invalid", "unsafe_metadata"), ("form_param_unknown", "zzz"), ("form_param_unknown", "aaa"),
        ] {
            reply.is_refused_for(422, code, name);
        }
        assert_eq!(reply.codes().len(), 5);
        for error in reply.at("/errors").as_array().into_iter().flatten() {
            assert!(error["message"].is_string() && error["long_message"].is_string() && error["meta"].is_object());
        }
        assert_eq!(reply.json().as_object().map(serde_json::Map::len), Some(2), "errors and trace_id, nothing else");
    }

    async fn ids_of_another_form_are_not_found(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        for bad in ["x", "sess_", "SESS_01ARZ3NDEKTSV4RRFFQ69G5FAV", "sess_01arz3ndektsv4rrffq69g5fav", "user_01ARZ3NDEKTSV4RRFFQ69G5FAV", "%00", "..%2f..", "sess_01ARZ3NDEKTSV4RRFFQ69G5FAV%0a"] {
            alice.get(format!("/v1/client/sessions/{bad}")).await.is_refused(404, "session_not_found");
            alice.get(format!("/v1/client/sign-ins/{bad}")).await.is_refused(404, "sign_in_not_found");
            alice.get(format!("/v1/client/sign-ups/{bad}")).await.is_refused(404, "sign_up_not_found");
            alice.get(format!("/v1/me/email-addresses/{bad}")).await.is_refused(404, "email_not_found");
        }
    }

    async fn a_password_of_a_megabyte_costs_nothing(app: TestApp) {
        let alice = app.user("alice").created().await;
        let before = app.passwords.hashes_done();
        let reply = crate::fapi::steps::try_password(&app.anyone(), &alice.email, &"x".repeat(900_000)).await;
        reply.is_refused_for(422, "form_param_format_invalid", "password");
        assert_eq!(app.passwords.hashes_done(), before);
    }

    async fn odd_cookies_and_headers_are_no_fault(app: TestApp) {
        let anyone = app.anyone();
        for cookie in ["__client", "__client=", "__client=a.b; __session=x.y.z", "=; ;;; __client==", "__session=eyJhbGciOiJub25lIn0.e30."] {
            let reply = anyone.get("/v1/client").header("cookie", cookie).await;
            reply.has_status(200);
            let me = anyone.get("/v1/me").header("cookie", cookie).await;
            assert_eq!(me.status(), 401, "{cookie}");
        }
        anyone.get("/v1/client").header("cookie", b"__client=\xff\xfe").await.has_status(200);
        anyone.get("/v1/client").header("x-authn-request-id", "x".repeat(4000)).await.has_status(200);
    }

    async fn a_refused_write_is_no_write(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        app.skip_events().await;
        let before = alice.get("/v1/me").await.at("/updated_at").clone();

        for body in [json!({ "first_name": "Eve", "last_name": 7 }), json!({ "first_name": "Eve", "nope": 1 })] {
            alice.patch("/v1/me", body).await.has_status(422);
        }
        let body = json!({ "current_password": alice.user.password, "new_password": PASSWORD, "sign_out_of_other_sessions": "yes" });
        alice.post("/v1/me/change-password", body).await.has_status(422);

        assert_eq!(alice.get("/v1/me").await.at("/updated_at"), &before);
        assert_eq!(app.events().await, Vec::<String>::new());
    }
}
