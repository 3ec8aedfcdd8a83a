//! What is too much is refused early and cheaply, and the rest of the house goes on.

use super::{place, raw, status_of};
use crypto::password::{Params, PoolOptions};
use domain::Surface;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{Method, TestApp, both, race};
use web::limits::{Allowance, LimitSettings};

fn sign_in(email: &str, password: &str) -> Value {
    json!({ "identifier": email, "strategy": "password", "password": password })
}

both! {
    async fn a_password_of_a_megabyte_is_refused_before_it_is_hashed(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let before = app.passwords.hashes_done();
        for long in ["x".repeat(1_000_000), "x".repeat(4097), "\u{1f511}".repeat(1025), "x".repeat(1025)] {
            let started = Instant::now();
            let replies = [
                app.anyone().post("/v1/client/sign-ups", json!({ "email_address": "new@example.com", "password": long })).await,
                app.anyone().post("/v1/client/sign-ins", sign_in(&alice.user.email, &long)).await,
                app.anyone().post("/v1/client/sign-ins", sign_in("nobody@example.com", &long)).await,
                alice.post("/v1/me/change-password", json!({ "current_password": "x", "new_password": long })).await,
                app.bapi().post("/v1/users", json!({ "email_address": ["new@example.com"], "password": long })).await,
                app.bapi().patch(format!("/v1/users/{}", alice.id()), json!({ "password": long })).await,
            ];
            for reply in replies {
                assert!([413, 422].contains(&reply.status()), "{} characters: {}", long.len(), reply.status());
            }
            let asked = app.bapi().post(format!("/v1/users/{}/verify-password", alice.id()), json!({ "password": long })).await;
            assert!(asked.status() == 422 || asked.json()["verified"] == false);
            assert!(started.elapsed() < Duration::from_secs(10));
        }
        assert_eq!(app.passwords.hashes_done(), before, "nothing of it was hashed");
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }

    async fn a_body_over_the_limit_is_refused_by_its_stated_length(app: TestApp) {
        let browser = app.browser().await;
        let big = format!(r#"{{"identifier":"{}"}}"#, "x".repeat(1024 * 1024));
        let reply = browser.call(Method::POST, "/v1/client/sign-ins").raw("application/json", big.clone()).await;
        reply.is_refused(413, "request_too_large");
        let reply = app.bapi().call(Method::POST, "/v1/users").raw("application/json", big).await;
        reply.is_refused(413, "request_too_large");

        // Ten gigabytes are announced, and nothing of them is waited for.
        let (host, prefix) = place(&app, Surface::Fapi);
        let head = format!(
            "POST {prefix}/v1/client/sign-ins HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 10737418240\r\nConnection: close\r\n\r\n{{"
        );
        let started = Instant::now();
        let answer = app.send_raw(Surface::Fapi, head.as_bytes()).await;
        assert_eq!(status_of(&answer), 413, "{answer}");
        assert!(started.elapsed() < Duration::from_secs(10));
        // Without a stated length it is counted as it comes.
        let mut chunked = format!(
            "POST {prefix}/v1/client/sign-ins HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        );
        for _ in 0..20 {
            chunked.push_str(&format!("{:x}\r\n{}\r\n", 64 * 1024, " ".repeat(64 * 1024)));
        }
        chunked.push_str("0\r\n\r\n");
        let answer = app.send_raw(Surface::Fapi, chunked.as_bytes()).await;
        assert!([0, 413].contains(&status_of(&answer)), "{}", &answer[..answer.len().min(300)]);
    }

    async fn deep_json_and_odd_encodings_are_refused_early(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let nested = |n: usize| format!(r#"{{"unsafe_metadata":{}1{}}}"#, r#"{"a":"#.repeat(n), "}".repeat(n));
        for body in [
            nested(64),
            nested(10_000),
            nested(100_000),
            format!(r#"{{"unsafe_metadata":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000)),
            "[".repeat(500_000),
            r#"{"first_name":"a","first_name":"b"}"#.to_owned(),
            r#"{"first_name":1e400}"#.to_owned(),
            r#"{"first_name":"\ud800"}"#.to_owned(),
            "{\"first_name\":\"a\u{0}b\"}".to_owned(),
            "\u{feff}{}".to_owned(),
            "{}{}".to_owned(),
            "null".to_owned(),
            "\"x\"".to_owned(),
        ] {
            let started = Instant::now();
            let reply = alice.call(Method::PATCH, "/v1/me").raw("application/json", body.clone()).await;
            let start: String = body.chars().take(60).collect();
            assert!([400, 422].contains(&reply.status()), "{start}: {} {}", reply.status(), reply.text());
            assert!(started.elapsed() < Duration::from_secs(5), "{start}");
        }
        let invalid = alice.call(Method::PATCH, "/v1/me").raw("application/json", b"{\"first_name\":\"\xff\xfe\"}".to_vec()).await;
        invalid.is_refused(400, "malformed_json");
        // What unpacks to gigabytes is not unpacked.
        for encoding in ["gzip", "br", "deflate", "zstd", "gzip, gzip"] {
            let call = alice.call(Method::PATCH, "/v1/me").raw("application/json", vec![0x1f, 0x8b, 8, 0]);
            call.header("content-encoding", encoding).await.is_refused(415, "content_type_unsupported");
        }
        alice.get("/v1/me").await.is(200, json!({ "first_name": null }));
    }

    async fn long_lists_and_long_queries_are_bounded(app: TestApp) {
        let emails: Vec<String> = (0..10_000).map(|i| format!("user{i}@example.com")).collect();
        let reply = app.bapi().post("/v1/users", json!({ "email_address": emails, "password": "a passphrase of mine" })).await;
        assert_eq!(reply.status(), 422, "{}", reply.status());
        assert!(reply.text().len() < 100_000, "the answer is bounded too");
        let unknown: serde_json::Map<String, Value> = (0..20_000).map(|i| (format!("field{i}"), json!(1))).collect();
        let reply = app.bapi().post("/v1/users", Value::Object(unknown)).await;
        assert_eq!(reply.status(), 422);
        assert!(reply.text().len() < 100_000, "the answer is bounded too");

        for query in [
            (0..1500).map(|i| format!("user_id=user_{i}")).collect::<Vec<_>>().join("&"),
            format!("query={}", "x".repeat(10_000)),
            format!("query={}", "%25".repeat(200)),
            "limit=1000000".to_owned(),
            "limit=-1".to_owned(),
            "offset=99999999999999999999".to_owned(),
            "offset=9223372036854775807".to_owned(),
            "created_at_after=9223372036854775808".to_owned(),
        ] {
            let started = Instant::now();
            let reply = app.bapi().get(format!("/v1/users?{query}")).await;
            let shown: String = query.chars().take(60).collect();
            assert!(reply.status() < 500, "{shown}: {} {}", reply.status(), reply.text());
            assert!(started.elapsed() < Duration::from_secs(5), "{shown}");
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 0 }));
    }

    async fn long_heads_are_refused(app: TestApp) {
        for head in [
            format!("GET {{prefix}}/v1/me HTTP/1.1\nHost: {{host}}\nX-Long: {}", "x".repeat(300_000)),
            format!("GET {{prefix}}/v1/me?{} HTTP/1.1\nHost: {{host}}", "x".repeat(300_000)),
            format!("GET {{prefix}}/v1/me HTTP/1.1\nHost: {{host}}{}", "\nX-A: b".repeat(5000)),
            format!("GET {{prefix}}/v1/me HTTP/1.1\nHost: {{host}}\nCookie: {}", "a=b; ".repeat(50_000)),
        ] {
            let (status, _) = raw(&app, Surface::Fapi, &head, "").await;
            assert!([0, 400, 401, 413, 414, 431].contains(&status), "{status}");
        }
        app.anyone().get("/.well-known/jwks.json").await.has_status(200);
    }
}

both! {
    on |engine| testkit::Setup::on(engine).passwords(PoolOptions {
        params: Params { memory_kib: 19_456, iterations: 2, parallelism: 1 },
        threads: 1,
        waiting_per_thread: 2,
    });

    async fn a_flood_of_passwords_is_sent_away_and_others_are_served(app: TestApp) {
        let alice = app.user("alice").signed_in().await;

        let (replies, served) = futures_util::join!(
            race(60, |i| {
                let browser = app.anyone();
                let body = sign_in(&format!("user{i}@example.com"), "not the password");
                async move { browser.post("/v1/client/sign-ins", body).await }
            }),
            async {
                let mut times = Vec::new();
                for _ in 0..20 {
                    let started = Instant::now();
                    alice.get("/v1/me").await.has_status(200);
                    alice.get("/.well-known/jwks.json").await.has_status(200);
                    times.push(started.elapsed());
                }
                times
            }
        );

        let busy: Vec<_> = replies.iter().filter(|reply| [429, 503].contains(&reply.status())).collect();
        assert!(!busy.is_empty(), "sixty do not fit");
        for reply in &busy {
            let after = reply.header("retry-after").and_then(|value| value.parse::<u64>().ok());
            assert!(after.is_some_and(|seconds| (1..=60).contains(&seconds)), "{:?}", reply.header("retry-after"));
        }
        for reply in replies.iter().filter(|reply| ![429, 503].contains(&reply.status())) {
            reply.is_refused(422, "form_password_incorrect");
        }
        assert!(served.iter().max().expect("twenty") < &Duration::from_secs(5), "{served:?}");
        // Afterwards everybody gets in again.
        app.user("alice").signed_in().await;
    }
}

both! {
    on |engine| testkit::Setup::on(engine).kind(domain::environment::EnvironmentKind::Production);

    async fn attempts_from_one_place_are_limited_in_production(app: TestApp) {
        let replies = race(30, |_| {
            let browser = app.anyone();
            async move { browser.post("/v1/client/sign-ins", sign_in("nobody@example.com", "not the password")).await }
        })
        .await;

        let limited: Vec<_> = replies.iter().filter(|reply| reply.status() == 429).collect();
        assert!(limited.len() >= 20, "{} of 30", limited.len());
        for reply in limited {
            reply.is_refused(429, "rate_limit_exceeded");
            assert!(reply.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|s| s >= 1)));
        }
        assert!(app.passwords.hashes_done() <= 10, "what is sent away is not hashed");
        app.anyone().get("/.well-known/jwks.json").await.has_status(200);
    }

    async fn a_caller_without_a_cookie_fills_no_table(app: TestApp) {
        let known = app.browser().await;
        let replies = race(60, |i| {
            let browser = app.anyone();
            async move { if i % 2 == 0 { browser.get("/v1/client").await } else { browser.put_empty("/v1/client").await } }
        })
        .await;

        let limited: Vec<_> = replies.iter().filter(|reply| reply.status() == 429).collect();
        assert!((20..=31).contains(&limited.len()), "{} of 60", limited.len());
        for reply in limited {
            reply.is_refused(429, "rate_limit_exceeded");
            assert_eq!(reply.header("x-ratelimit-limit"), Some("30"));
            assert_eq!(reply.set_cookies(), []);
        }
        // A cookie is no way around it: a new client is a new row. The bucket fills again meanwhile, a drop at a time.
        let mut put = known.put_empty("/v1/client").await;
        for _ in 0..60 {
            if put.status() == 429 {
                break;
            }
            put = known.put_empty("/v1/client").await;
        }
        put.is_refused(429, "rate_limit_exceeded");
        // Who has a client makes none by looking.
        for _ in 0..5 {
            known.get("/v1/client").await.has_status(200);
        }
    }
}

both! {
    on |engine| {
        // Only what is sent to one mailbox counts here.
        let roomy = Allowance::new(1000, 1);
        let buckets = ["sign_ins.create", "sign_ups.create", "challenges.create"].map(|name| (name.to_owned(), roomy));
        let limits = LimitSettings { buckets: buckets.into(), ..LimitSettings::default() };
        testkit::Setup::on(engine).kind(domain::environment::EnvironmentKind::Production).limits(limits)
    };

    async fn no_mailbox_is_flooded_through_us(app: TestApp) {
        let alice = app.user("alice").created().await;
        for email in [alice.email.as_str(), "nobody@example.com"] {
            let mut statuses = Vec::new();
            for _ in 0..12 {
                let body = json!({ "identifier": email, "strategy": "email_code" });
                statuses.push(app.anyone().post("/v1/client/sign-ins", body).await.status());
            }
            assert_eq!(statuses[..5], [200; 5], "{email}");
            assert_eq!(statuses[5..], [429; 7], "{email}: known or not, the answer is the same");
        }
        assert_eq!(app.mails_to(&alice.email).await.len(), 5);
    }
}
