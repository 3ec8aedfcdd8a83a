//! A password that is known from a breach becomes nobody's.

use serde_json::json;
use std::path::PathBuf;
use testkit::{Reply, Says, Setup, SignedInUser, TestApp, both};

const BREACHED: &str = "breached horse battery";

fn digest(password: &str) -> String {
    crypto::digest::sha1_hex_for_lists(password.as_bytes())
}

async fn switch_on(app: &TestApp, source: &str) -> Reply {
    let change = json!({ "attack_protection": { "breached_passwords": { "enabled": true, "source": source } } });
    app.bapi().patch("/v1/instance", change).await
}

/// Every place where somebody sets a password, tried with one; the names of those that took it.
async fn tried(
    app: &TestApp,
    person: &SignedInUser,
    user: &str,
    password: &str,
    tag: &str,
) -> Vec<(&'static str, Reply)> {
    let email = format!("{tag}@example.com");
    let sign_up = json!({ "email_address": email, "password": password });
    let staged = app.anyone();
    let open = staged.post("/v1/client/sign-ups", json!({ "email_address": email })).await.str("/response/id");
    let change = json!({ "current_password": person.user.password, "new_password": password });
    let made = json!({ "email_address": [format!("made.{tag}@example.com")], "password": password });
    vec![
        ("sign-up", app.anyone().post("/v1/client/sign-ups", sign_up).await),
        ("sign-up, later", staged.patch(format!("/v1/client/sign-ups/{open}"), json!({ "password": password })).await),
        ("change", person.post("/v1/me/change-password", change).await),
        ("made by a backend", app.bapi().post("/v1/users", made).await),
        ("changed by a backend", app.bapi().patch(format!("/v1/users/{user}"), json!({ "password": password })).await),
    ]
}

/// The range that answers for the breached password, and for no other.
fn range_of_breached(app: &TestApp) {
    let digest = digest(BREACHED);
    let (prefix, rest) = (format!("/range/{}", &digest[..5]), digest[5..].to_owned());
    app.stranger.answers(move |asked| {
        let line = if asked.path == prefix { format!("{rest}:3\r\n") } else { String::new() };
        Says::new(200, format!("{}:1\r\n{line}{}:0\r\n", "0".repeat(35), "F".repeat(35)))
    });
}

both! {
    async fn a_breached_password_is_refused_wherever_it_is_set(app: TestApp) {
        let (alice, bob) = (app.user("alice").signed_in().await, app.user("bob").created().await);
        switch_on(&app, "range_api").await.has_status(200);
        range_of_breached(&app);

        for (place, reply) in tried(&app, &alice, &bob.id, BREACHED, "bad").await {
            assert!(reply.codes().contains(&"form_password_pwned"), "{place}: {}", reply.text());
            assert_eq!(reply.status(), 422, "{place}");
        }
        for (place, reply) in tried(&app, &alice, &bob.id, "another horse battery", "good").await {
            assert!(reply.status() < 300, "{place}: {}", reply.text());
        }
        // A backend may insist.
        let body = json!({ "password": BREACHED, "skip_password_checks": true });
        app.bapi().patch(format!("/v1/users/{}", bob.id), body).await.has_status(200);
    }

    async fn no_more_than_five_digits_of_a_hash_leave(app: TestApp) {
        switch_on(&app, "range_api").await.has_status(200);
        range_of_breached(&app);
        let body = json!({ "email_address": "ann@example.com", "password": BREACHED });
        app.anyone().post("/v1/client/sign-ups", body).await.is_refused_for(422, "form_password_pwned", "password");

        let digest = digest(BREACHED);
        for asked in app.stranger.asked() {
            assert_eq!(asked.path, format!("/range/{}", &digest[..5]));
            let whole = format!("{asked:?}");
            assert!(!whole.contains(&digest[5..]) && !whole.contains(BREACHED) && asked.body.is_empty());
        }
        assert_eq!(app.stranger.asked().len(), 1);
    }

    async fn a_source_that_is_gone_lets_the_password_pass(app: TestApp) {
        switch_on(&app, "range_api").await.has_status(200);
        for status in [500, 429, 404] {
            app.stranger.answers(move |_| Says::new(status, ""));
            let body = json!({ "email_address": "ann@example.com", "password": BREACHED });
            app.anyone().post("/v1/client/sign-ups", body).await.has_status(200);
        }
    }

    async fn nobody_is_asked_unless_the_environment_wants_it(app: TestApp) {
        range_of_breached(&app);
        let body = json!({ "email_address": "ann@example.com", "password": BREACHED });
        app.anyone().post("/v1/client/sign-ups", body).await.has_status(200);
        assert_eq!(app.stranger.connections(), 0);
        // A file that nobody has named would let everything pass.
        let refused = switch_on(&app, "local_file").await;
        refused.is_refused_for(422, "form_param_value_invalid", "attack_protection.breached_passwords.source");
    }
}

/// A list with the breached password among others.
fn list() -> PathBuf {
    let mut lines: Vec<String> = ["a", "b", "c", BREACHED].map(digest).to_vec();
    lines.sort();
    let path = std::env::temp_dir().join(format!("latchkey-breached-{}.txt", crypto::random::jti()));
    std::fs::write(&path, lines.join(":7\r\n") + ":7\r\n").expect("the list can be written");
    path
}

both! {
    on |engine| Setup::on(engine).breached_file(list());

    async fn a_list_of_ones_own_is_searched_without_asking_anybody(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let id = alice.id().to_owned();
        switch_on(&app, "local_file").await.has_status(200);

        for (place, reply) in tried(&app, &alice, &id, BREACHED, "bad").await {
            assert!(reply.codes().contains(&"form_password_pwned"), "{place}: {}", reply.text());
        }
        for (place, reply) in tried(&app, &alice, &id, "another horse battery", "good").await {
            assert!(reply.status() < 300, "{place}: {}", reply.text());
        }
        assert_eq!(app.stranger.connections(), 0);
    }
}
