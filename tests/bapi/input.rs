//! What a backend can send that is no request of ours: always the envelope, never a fault, never half a write.

use crate::fapi::steps::PASSWORD;
use domain::Surface;
use serde_json::json;
use testkit::{Method, TestApp, both};

both! {
    async fn bodies_that_are_no_object_of_ours_are_refused_and_leave_nothing(app: TestApp) {
        let users = || app.bapi().call(Method::POST, "/v1/users");
        let deep = format!("{}{}", "{\"public_metadata\":".repeat(65), "1}".repeat(65));
        for bad in ["{", "nonsense", "{\"a\":1}}", &deep, r#"{"external_id":"a","external_id":"b"}"#, "{\"a\":1e999}", r#"{"public_metadata":{"a":1,"a":2}}"#, "{'a':1}", "{\"a\":01}"] {
            users().raw("application/json", bad).await.is_refused(400, "malformed_json");
        }
        users().raw("application/json", b"{\"external_id\":\"\xff\"}").await.is_refused(400, "malformed_json");
        for bad in ["[]", "null", "7", "\"text\"", "true"] {
            users().raw("application/json", bad).await.has_status(400);
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "application/json; charset=latin1"] {
            users().raw(kind, "{}").await.is_refused(415, "content_type_unsupported");
        }
        users().raw("application/json", "{}").header("content-encoding", "br").await.is_refused(415, "content_type_unsupported");
        let large = json!({ "external_id": "x".repeat(1024 * 1024 + 1) }).to_string();
        users().raw("application/json", large).await.is_refused(413, "request_too_large");
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
        assert_eq!(app.passwords.hashes_done(), 0);
        assert_eq!(app.events().await, Vec::<String>::new());
    }

    async fn what_is_nearly_too_much_is_taken(app: TestApp) {
        let users = |body: String| app.bapi().call(Method::POST, "/v1/users").raw("application/json; charset=UTF-8", body);
        let depth = 62;
        let nested = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let body = format!("{{\"external_id\":\"x\",\"skip_password_requirement\":true,\"private_metadata\":{nested}}}");
        users(body).await.has_status(201);
        let padded = format!("{{\"external_id\":\"y\",\"skip_password_requirement\":true{}}}", " ".repeat(1024 * 1024 - 60));
        users(padded).await.has_status(201);
    }

    async fn nul_characters_are_refused_wherever_they_are(app: TestApp) {
        let alice = app.user("alice").created().await;
        for body in [
            json!({ "external_id": "a\u{0}b" }), json!({ "first_name": "\u{0}" }), json!({ "public_metadata": { "a": "\u{0}" } }),
            json!({ "private_metadata": { "a\u{0}": 1 } }), json!({ "unsafe_metadata": { "a": [{ "b": "x\u{0}" }] } }), json!({ "locale": "e\u{0}n" }),
        ] {
            app.bapi().patch(format!("/v1/users/{}", alice.id), body).await.is_refused(422, "form_param_format_invalid");
        }
        app.bapi().get("/v1/users/%00").await.is_refused(404, "user_not_found");
        app.bapi().get("/v1/users?external_id=%00").await.is_refused(422, "form_param_format_invalid");
    }

    async fn numbers_beyond_every_range_are_no_fault(app: TestApp) {
        let make = |text: String| app.bapi().call(Method::POST, "/v1/users").raw("application/json", text);
        for number in ["9223372036854775808", "-9223372036854775809", "1e400", "1.5", "-0", "123456789012345678901234567890"] {
            let body = format!("{{\"external_id\":\"x\",\"skip_password_requirement\":true,\"created_at\":{number}}}");
            let reply = make(body).await;
            assert!([201, 400, 422].contains(&reply.status()), "{number}: {}", reply.text());
            if reply.status() == 201 {
                app.bapi().delete(format!("/v1/users/{}", reply.str("/id"))).await.has_status(204);
            }
        }
        for query in ["created_at_after=9223372036854775807", "created_at_before=-9223372036854775808", "last_active_at_since=9223372036854775807"] {
            app.bapi().get(format!("/v1/users?{query}")).await.has_status(200);
        }
        app.bapi().get("/v1/users?created_at_after=9223372036854775808").await.is_refused_for(422, "form_param_format_invalid", "created_at_after");
    }

    async fn odd_unicode_in_metadata_comes_back_the_same(app: TestApp) {
        let alice = app.user("alice").created().await;
        let bucket = json!({ "emoji": "👩‍👩‍👧", "rtl": "\u{202e}x", "nfd": "e\u{301}", "big": 9_007_199_254_740_993_i64, "float": 0.1, "empty": {}, "": "no name" });
        let reply = app.bapi().patch(format!("/v1/users/{}", alice.id), json!({ "private_metadata": bucket })).await;
        reply.has_status(200);
        assert_eq!(app.bapi().get(format!("/v1/users/{}", alice.id)).await.at("/private_metadata"), &bucket);
        let lone = app.bapi().call(Method::PATCH, format!("/v1/users/{}", alice.id)).raw("application/json", r#"{"private_metadata":{"a":"\ud800"}}"#).await;
        lone.is_refused(400, "malformed_json");
    }

    async fn unknown_routes_and_methods_have_the_envelope(app: TestApp) {
        app.bapi().get("/v1/nothing-here").await.is_refused(404, "resource_not_found");
        app.bapi().get("/").await.is_refused(404, "resource_not_found");
        let wrong = app.bapi().call(Method::PUT, "/v1/users").json(json!({})).await;
        wrong.is_refused(405, "method_not_allowed");
        assert!(wrong.header("allow").is_some_and(|allow| allow.contains("POST")), "{:?}", wrong.header("allow"));
    }

    async fn requests_that_are_no_http_are_hung_up_on(app: TestApp) {
        for bytes in [&b"\x00\x01\x02\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
            let answer = app.send_raw(Surface::Bapi, bytes).await;
            assert!(!answer.contains(" 500 "), "{answer}");
        }
        app.bapi().get("/v1/_ping").await.has_status(200);
    }

    async fn a_write_that_fails_on_its_last_part_leaves_none_of_it(app: TestApp) {
        let bob = app.user("bob").created().await;
        app.skip_events().await;
        let body = json!({ "email_address": ["new@example.com", bob.email], "password": PASSWORD });
        app.bapi().post("/v1/users", body).await.is_refused(409, "form_identifier_exists");
        let body = json!({ "email_address": ["new@example.com"], "external_id": "free", "password": PASSWORD });
        app.bapi().post("/v1/users", body).await.has_status(201);
        let body = json!({ "first_name": "Half", "public_metadata": { "half": true }, "external_id": "free" });
        app.bapi().patch(format!("/v1/users/{}", bob.id), body).await.is_refused_for(409, "form_identifier_exists", "external_id");
        app.bapi().get(format!("/v1/users/{}", bob.id)).await.is(200, json!({ "first_name": null, "public_metadata": {} }));
        assert_eq!(app.events().await, ["user.created"]);
    }
}
