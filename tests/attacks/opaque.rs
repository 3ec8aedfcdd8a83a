//! Opaque secrets are taken whole or not at all, and what the database keeps of them opens nothing.

use crypto::base64url;
use serde_json::json;
use testkit::{TestApp, both};

/// Texts that are nearly this one: shorter, longer, one character or one bit off.
fn near(text: &str) -> Vec<String> {
    let mut all: Vec<String> = (1..text.len()).step_by(5).map(|at| text[..at].to_owned()).collect();
    all.extend([
        format!("{text}A"),
        format!("{text}="),
        format!("A{text}"),
        format!("{text}.{text}"),
        text.repeat(2),
        String::new(),
    ]);
    all.extend([text.to_lowercase(), text.to_uppercase(), text.chars().rev().collect()]);
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
        all.push(String::from_utf8(bytes).expect("ASCII"));
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1;
        all.extend(
            String::from_utf8(bytes)
                .ok()
                .filter(|t| t.bytes().all(|b| b.is_ascii_graphic() && !b"\";,\\".contains(&b))),
        );
    }
    all.retain(|other| other != text);
    all
}

both! {
    async fn a_client_cookie_is_taken_whole_or_not_at_all(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let real = alice.jar().get("__client").expect("a client");
        let stranger = app.browser().await.jar().get("__client").expect("a client");
        let (id, secret) = real.split_once('.').expect("an id and a secret");
        let (other_id, other_secret) = stranger.split_once('.').expect("an id and a secret");
        let mut forged = near(&real);
        forged.extend([format!("{id}.{other_secret}"), format!("{other_id}.{secret}"), secret.to_owned(), format!("{secret}.{id}")]);

        for value in forged {
            let reply = app.anyone().get("/v1/me").header("cookie", format!("__client={value}")).await;
            assert_eq!(reply.status(), 401, "{value}: {}", reply.text());
            let mint = app.anyone().post_empty(format!("/v1/client/sessions/{}/tokens", alice.session));
            assert_eq!(mint.header("cookie", format!("__client={value}")).await.status(), 401, "{value}");
        }
        app.anyone().get("/v1/me").header("cookie", format!("__client={real}")).await.has_status(200);
    }

    async fn a_secret_key_is_taken_whole_or_not_at_all(app: TestApp) {
        let real = app.env.secret_key.clone();
        for value in near(&real) {
            let caller = app.bapi_stranger().with_authorization(&format!("Bearer {value}"));
            caller.get("/v1/_ping").await.is_refused(401, "authentication_invalid");
        }
        app.bapi().get("/v1/_ping").await.has_status(200);
    }

    async fn a_cursor_is_taken_whole_and_for_its_own_list(app: TestApp) {
        let other = app.second_environment().await;
        for i in 0..3 {
            app.user(&format!("user{i}")).created().await;
            app.user_of(&other, &format!("user{i}")).created().await;
        }
        let first = app.bapi().get("/v1/users?limit=1").await;
        let real = first.str("/meta/next_cursor");
        app.bapi().get(format!("/v1/users?limit=1&cursor={real}")).await.has_status(200);

        for value in near(&real) {
            let escaped: String = value.bytes().map(|b| format!("%{b:02X}")).collect();
            let reply = app.bapi().get(format!("/v1/users?limit=1&cursor={escaped}")).await;
            if value.is_empty() {
                continue;
            }
            assert_eq!(reply.status(), 422, "{value}: {}", reply.text());
        }
        // A real one, for another list, another filter, another order, another tenant.
        for path in ["/v1/sessions?limit=1", "/v1/users?limit=1&query=user", "/v1/users?limit=1&order_by=created_at", "/v1/users?limit=1&order_by=-updated_at"] {
            let reply = app.bapi().get(format!("{path}&cursor={real}")).await;
            let same_order = path.ends_with("order_by=created_at") && reply.status() == 200;
            assert!(reply.status() == 422 || same_order, "{path}: {}", reply.text());
        }
        let foreign = app.bapi_of(&other).get(format!("/v1/users?limit=1&cursor={real}")).await;
        assert_eq!(foreign.status(), 422, "{}", foreign.text());
        // A forged position without its tag.
        let position = format!("1.{}.{}", i64::MAX, "user_01ARZ3NDEKTSV4RRFFQ69G5FAV");
        for forged in [base64url::encode(position.as_bytes()), base64url::encode(&[&[0; 32][..], position.as_bytes()].concat()), "' OR 1=1 --".to_owned()] {
            let escaped: String = forged.bytes().map(|b| format!("%{b:02X}")).collect();
            app.bapi().get(format!("/v1/users?cursor={escaped}")).await.has_status(422);
        }
    }

    async fn what_the_database_keeps_of_a_secret_opens_nothing(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let client = alice.jar().get("__client").expect("a client");
        let (id, secret) = client.split_once('.').expect("an id and a secret");

        // The thief of a dump holds the hashes: none of their forms is a secret.
        let hashes = [crypto::digest::sha256(secret.as_bytes()), crypto::digest::sha256(app.env.secret_key.as_bytes())];
        for hash in hashes {
            for form in [base64url::encode(&hash), crypto::digest::hex(&hash), format!("\\x{}", crypto::digest::hex(&hash))] {
                let reply = app.anyone().get("/v1/me").header("cookie", format!("__client={id}.{form}")).await;
                assert_eq!(reply.status(), 401);
                let keys = [form.clone(), format!("sk_test_{form}"), format!("{}{form}", &app.env.secret_key[..8])];
                for key in keys {
                    let caller = app.bapi_stranger().with_authorization(&format!("Bearer {key}"));
                    caller.get("/v1/_ping").await.has_status(401);
                }
            }
        }
        let text = app.database_text().await;
        for secret in [secret, app.env.secret_key.as_str(), &alice.user.password] {
            assert!(!text.contains(secret), "a secret stands in the database");
        }
    }

    async fn ids_are_taken_whole_or_not_at_all(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        for value in near(alice.id()).into_iter().step_by(3).filter(|id| !id.is_empty()) {
            let escaped: String = value.bytes().map(|b| format!("%{b:02X}")).collect();
            let reply = app.bapi().get(format!("/v1/users/{escaped}")).await;
            assert!([404, 400].contains(&reply.status()), "{value}: {}", reply.text());
        }
        for odd in ["%00", "'%20OR%201=1--", "..%2f..%2fetc%2fpasswd", "%FF%FE", "user_01ARZ3NDEKTSV4RRFFQ69G5FA%20", "null", "0", "-1", "%E2%80%AE"] {
            let reply = app.bapi().get(format!("/v1/users/{odd}")).await;
            assert!([404, 400].contains(&reply.status()), "{odd}: {}", reply.text());
        }
        app.bapi().get("/v1/users/count").await.is(200, json!({ "total_count": 1 }));
    }
}
