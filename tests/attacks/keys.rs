//! A key opens what it was made for: its kind, its environment, its time, and only where keys belong.

use super::status_of;
use crate::bapi::api_keys::{restricted, with};
use crypto::{TokenHash, secret_key};
use domain::action::Actions;
use domain::environment::EnvironmentKind;
use domain::key::{ApiKey, ApiKeyKind};
use domain::{ApiKeyId, Context, NewId};
use serde_json::json;
use std::time::Duration;
use testkit::{Method, TestApp, TestEnvironment, both};

/// Puts a key into the database as a flaw elsewhere might: of any kind, for any environment.
async fn planted(
    app: &TestApp,
    env: &TestEnvironment,
    live: bool,
    kind: ApiKeyKind,
    expires_in: Option<Duration>,
) -> String {
    let secret = secret_key::generate(live).expose().clone();
    let key = ApiKey {
        id: ApiKeyId::new(app.now(), crypto::random::bytes()),
        environment_id: env.id,
        kind,
        prefix: secret_key::prefix(&secret).to_owned(),
        name: "planted".to_owned(),
        actions: Actions::ALL,
        last_used_at: None,
        expires_at: expires_in.map(|after| app.now() + after),
        revoked_at: None,
        created_by: None,
        created_at: app.now(),
    };
    let hash = TokenHash::of_str(&secret);
    let done = app
        .engine
        .db()
        .write(async move |tx: &mut storage::Tx<'_>| storage::api_keys::insert(tx, &key, &hash).await)
        .await;
    done.expect("a key can be planted");
    secret
}

async fn opens(app: &TestApp, key: &str) -> u16 {
    let caller = app.bapi_stranger().with_authorization(&format!("Bearer {key}"));
    caller.get("/v1/_ping").await.status()
}

both! {
    async fn a_publishable_key_is_no_secret(app: TestApp) {
        let public = app.env.publishable_key.clone();
        assert!(public.starts_with("pk_test_"));
        let disguised = public.replacen("pk_", "sk_", 1);
        for key in [public.as_str(), &disguised] {
            let caller = app.bapi_stranger().with_authorization(&format!("Bearer {key}"));
            caller.get("/v1/users").await.is_refused(401, "authentication_invalid");
            caller.post("/v1/users", json!({ "email_address": ["a@example.com"] })).await.is_refused(401, "authentication_invalid");
        }
        // Not even when the table says so.
        let odd = planted(&app, &app.env, false, ApiKeyKind::Publishable, None).await;
        assert_eq!(opens(&app, &odd).await, 401);
    }

    async fn a_test_key_opens_no_production_and_a_live_key_no_development(app: TestApp) {
        let production = app.environment_of(EnvironmentKind::Production, "Live").await;
        let staging = app.environment_of(EnvironmentKind::Staging, "Stage").await;
        assert!(production.secret_key.starts_with("sk_live_") && production.publishable_key.starts_with("pk_live_"));
        assert!(staging.secret_key.starts_with("sk_test_") && app.env.secret_key.starts_with("sk_test_"));
        for (env, right) in [(&production, true), (&staging, false), (&app.env, false)] {
            assert_eq!(opens(&app, &env.secret_key).await, 200);
            let fitting = planted(&app, env, right, ApiKeyKind::Secret, None).await;
            assert_eq!(opens(&app, &fitting).await, 200, "the frame is right");
            let wrong = planted(&app, env, !right, ApiKeyKind::Secret, None).await;
            assert_eq!(opens(&app, &wrong).await, 401, "{:?}", env.made.kind);
            let renamed = if right { env.secret_key.replacen("sk_live_", "sk_test_", 1) } else { env.secret_key.replacen("sk_test_", "sk_live_", 1) };
            assert_eq!(opens(&app, &renamed).await, 401);
        }
    }

    async fn a_key_is_taken_from_the_authorization_header_alone(app: TestApp) {
        let key = app.env.secret_key.clone();
        let stranger = app.bapi_stranger();
        for path in [
            format!("/v1/users?secret_key={key}"),
            format!("/v1/users?api_key={key}"),
            format!("/v1/users?access_token={key}"),
            format!("/v1/users?token={key}"),
            format!("/v1/users?Authorization=Bearer%20{key}"),
        ] {
            stranger.get(path).await.is_refused(401, "authentication_invalid");
        }
        let basic = base64_of(&format!("{key}:"));
        for (name, value) in [
            ("authorization", format!("Basic {basic}")),
            ("authorization", key.clone()),
            ("authorization", format!("Token {key}")),
            ("authorization", format!("Bearer Bearer {key}")),
            ("authorization", format!("Bearer {key}, Bearer {key}")),
            ("x-api-key", key.clone()),
            ("x-secret-key", format!("Bearer {key}")),
            ("proxy-authorization", format!("Bearer {key}")),
            ("cookie", format!("__session={key}; secret_key={key}")),
        ] {
            stranger.get("/v1/users").header(name, value).await.is_refused(401, "authentication_invalid");
        }
        let body = json!({ "secret_key": key, "email_address": ["a@example.com"] });
        stranger.post("/v1/users", body).await.is_refused(401, "authentication_invalid");
        let twice = stranger.get("/v1/users").bearer(&key).bearer(&key).await;
        twice.is_refused(401, "authentication_invalid");
        assert!(!testkit::logs().contains(&key), "and what was sent in the wrong place is not logged");
    }

    async fn a_key_carries_a_label_that_scanners_can_check(app: TestApp) {
        let key = app.env.secret_key.clone();
        assert!(secret_key::check(&key).is_ok());
        for at in 8..key.len() {
            let mut bytes = key.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert!(secret_key::check(&changed).is_err(), "{at}");
        }
        // A well-formed key that nobody was given.
        assert_eq!(opens(&app, secret_key::generate(false).expose()).await, 401);
    }

    async fn a_revoked_or_expired_key_opens_nothing_at_once(app: TestApp) {
        let expiring = planted(&app, &app.env, false, ApiKeyKind::Secret, Some(Duration::from_secs(60))).await;
        assert_eq!(opens(&app, &expiring).await, 200);
        app.advance(Duration::from_secs(60));
        assert_eq!(opens(&app, &expiring).await, 401);

        let cx = Context::operator(app.env.id, app.now());
        for key in engine::api_keys::list(&app.engine, &cx).await.expect("keys are listed") {
            engine::api_keys::revoke(&app.engine, &cx, None, key.id).await.expect("a key is revoked");
        }
        assert_eq!(opens(&app, &app.env.secret_key).await, 401);
    }

    async fn a_key_says_nothing_about_why_it_is_refused(app: TestApp) {
        let revoked = app.env.secret_key.clone();
        let cx = Context::operator(app.env.id, app.now());
        for key in engine::api_keys::list(&app.engine, &cx).await.expect("keys are listed") {
            engine::api_keys::revoke(&app.engine, &cx, None, key.id).await.expect("a key is revoked");
        }
        let unknown = secret_key::generate(false).expose().clone();
        let mut answers = Vec::new();
        for shown in [format!("Bearer {revoked}"), format!("Bearer {unknown}"), "Bearer x".to_owned(), "Basic x".to_owned()] {
            let reply = app.bapi_stranger().with_authorization(&shown).get("/v1/users").await;
            answers.push((reply.status(), reply.json()["errors"].clone()));
        }
        let none = app.bapi_stranger().get("/v1/users").await;
        answers.push((none.status(), none.json()["errors"].clone()));
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    }

    async fn no_key_gives_more_than_it_has(app: TestApp) {
        let names = json!(["api-keys:write", "api-keys:read", "users:read", "createSignInToken"]);
        let (own, keeper) = restricted(&app, names).await;
        for wanted in [
            json!(null),
            json!(["users:write"]),
            json!(["users:read", "sessions:read"]),
            json!(["createUser"]),
            json!(["sign-in-tokens:write"]),
            json!(["actor-tokens:write"]),
            json!(["createActorToken"]),
        ] {
            let body = json!({ "name": "More", "restricted_to_actions": wanted });
            let refused = keeper.post("/v1/api-keys", body).await;
            refused.is_refused(403, "forbidden");
        }
        // Silence is everything.
        keeper.post("/v1/api-keys", json!({ "name": "More" })).await.is_refused(403, "forbidden");
        for wanted in [json!(["users:read"]), json!(["listUsers", "createSignInToken", "api-keys:write"])] {
            let body = json!({ "name": "Less", "restricted_to_actions": wanted });
            keeper.post("/v1/api-keys", body).await.is(201, json!({ "restricted_to_actions": wanted, "created_by": own }));
        }
        app.bapi().get("/v1/api-keys").await.is(200, json!({ "total_count": 4 }));
    }

    async fn no_key_rotates_its_way_to_a_stronger_one(app: TestApp) {
        let root = app.bapi().get("/v1/api-keys").await.str("/data/0/id");
        let (own, keeper) = restricted(&app, json!(["api-keys:write", "users:read"])).await;
        let (weaker, _) = restricted(&app, json!(["users:read"])).await;
        let (other, stronger) = restricted(&app, json!(["users:write"])).await;

        for id in [&root, &other] {
            let refused = keeper.post(format!("/v1/api-keys/{id}/rotate"), json!({ "overlap_seconds": 60 })).await;
            refused.is_refused(403, "forbidden");
            assert!(!refused.text().contains("sk_test_"));
        }

        app.bapi().get("/v1/users").await.has_status(200);
        stronger.post("/v1/users", json!({})).await.has_status(422);
        keeper.post(format!("/v1/api-keys/{weaker}/rotate"), json!({})).await.has_status(200);
        keeper.post(format!("/v1/api-keys/{own}/rotate"), json!({})).await.has_status(200);
    }

    async fn no_key_ends_or_renames_one_that_may_do_more(app: TestApp) {
        let root = app.bapi().get("/v1/api-keys").await.str("/data/0/id");
        let (_, keeper) = restricted(&app, json!(["api-keys:write", "users:read"])).await;
        let (weaker, less) = restricted(&app, json!(["listUsers"])).await;
        let (other, more) = restricted(&app, json!(["users:write"])).await;

        for id in [&root, &other] {
            keeper.post_empty(format!("/v1/api-keys/{id}/revoke")).await.is_refused(403, "forbidden");
            keeper.patch(format!("/v1/api-keys/{id}"), json!({ "name": "Unused" })).await.is_refused(403, "forbidden");
        }

        app.bapi().get(format!("/v1/api-keys/{root}")).await.is(200, json!({ "name": "First key", "revoked_at": null }));
        more.post("/v1/users", json!({})).await.has_status(422);
        keeper.patch(format!("/v1/api-keys/{weaker}"), json!({ "name": "Mine" })).await.is(200, json!({ "name": "Mine" }));
        keeper.post_empty(format!("/v1/api-keys/{weaker}/revoke")).await.has_status(200);
        less.get("/v1/users").await.is_refused(401, "authentication_invalid");
        // Whoever may do everything ends what lasts longer, too.
        let ends = app.now() + Duration::from_secs(600);
        let short = app.bapi().post("/v1/api-keys", json!({ "name": "Short", "expires_at": ends })).await.str("/secret");
        with(&app, &short).post_empty(format!("/v1/api-keys/{other}/revoke")).await.has_status(200);
    }

    async fn an_operators_key_that_is_restricted_ends_no_stronger_one_of_its_own_kind(app: TestApp) {
        let operators = app.operators().await;
        let strong = app.bapi_of(&operators);
        let me = strong.get("/v1/api-keys").await.str("/data/0/id");
        let made = strong.post("/v1/api-keys", json!({ "name": "Weak", "restricted_to_actions": ["admin:write"] })).await;
        let weak = with(&app, &made.has_status(201).str("/secret"));
        let revoke = |env: &dyn std::fmt::Display, id: &str| format!("/v1/admin/environments/{env}/api-keys/{id}/revoke");

        weak.post_empty(revoke(&operators.id, &me)).await.is_refused(403, "forbidden");

        strong.get("/v1/admin/projects").await.has_status(200);
        // An environment that it may delete has no keys that are too strong for it.
        let theirs = app.bapi().get("/v1/api-keys").await.str("/data/0/id");
        weak.post_empty(revoke(&app.env.id, &theirs)).await.has_status(200);
        app.bapi().get("/v1/users").await.is_refused(401, "authentication_invalid");
    }

    async fn a_secret_that_is_being_replaced_manages_no_keys(app: TestApp) {
        let made = app.bapi().post("/v1/api-keys", json!({ "name": "Stolen" })).await;
        let (id, stolen) = (made.str("/id"), with(&app, &made.str("/secret")));
        let (victim, _) = restricted(&app, json!(["users:read"])).await;
        let rotate = format!("/v1/api-keys/{id}/rotate");
        let overlap = json!({ "overlap_seconds": 3600 });
        // A body that was begun before and ends afterwards.
        let held = stolen.holds(Method::POST, "/v1/api-keys", json!({ "name": "For later" })).await;
        for _ in 0..8 {
            stolen.get("/v1/_ping").await.has_status(200);
        }

        let fresh = app.bapi().post(&rotate, overlap.clone()).await.has_status(200).str("/secret");

        assert_eq!(status_of(&held.finish().await), 403);
        stolen.get("/v1/users").await.has_status(200);
        stolen.get("/v1/api-keys").await.has_status(200);
        stolen.post("/v1/users", json!({ "external_id": "x", "skip_password_requirement": true })).await.has_status(201);
        for call in [
            stolen.post("/v1/api-keys", json!({ "name": "Heir" })),
            stolen.post(&rotate, overlap.clone()),
            stolen.post(&rotate, json!({})),
            stolen.post(format!("/v1/api-keys/{victim}/rotate"), overlap.clone()),
            stolen.patch(format!("/v1/api-keys/{id}"), json!({ "name": "Mine" })),
            stolen.post_empty(format!("/v1/api-keys/{victim}/revoke")),
        ] {
            call.await.is_refused(403, "api_key_secret_retiring");
        }
        app.bapi().get("/v1/api-keys").await.is(200, json!({ "total_count": 3 }));
        let owner = with(&app, &fresh);
        owner.post("/v1/api-keys", json!({ "name": "Next" })).await.has_status(201);
        app.advance(Duration::from_secs(3600));
        stolen.get("/v1/users").await.is_refused(401, "authentication_invalid");
    }

    async fn a_secret_that_is_being_replaced_hears_no_new_one_by_asking_again(app: TestApp) {
        let made = app.bapi().post("/v1/api-keys", json!({ "name": "Stolen" })).await;
        let (id, secret) = (made.str("/id"), made.str("/secret"));
        let holder = with(&app, &secret);
        // The key rotates itself; whoever else holds the secret can work out what it was asked under.
        let ask = || holder.post(format!("/v1/api-keys/{id}/rotate"), json!({ "overlap_seconds": 3600 })).idempotency_key("derived");
        let fresh = ask().await.has_status(200).str("/secret");

        let again = ask().await;

        again.is_refused(403, "api_key_secret_retiring");
        assert!(!again.text().contains(&fresh) && !again.text().contains("sk_test_"));
        with(&app, &fresh).get("/v1/users").await.has_status(200);
    }

    async fn every_operation_on_keys_is_shut_to_a_secret_that_is_being_replaced(app: TestApp) {
        let operators = app.operators().await;
        let mut old = Vec::new();
        for env in [&app.env, &operators] {
            let owner = app.bapi_of(env);
            let made = owner.post("/v1/api-keys", json!({ "name": "Stolen" })).await;
            let rotate = format!("/v1/api-keys/{}/rotate", made.str("/id"));
            owner.post(rotate, json!({ "overlap_seconds": 3600 })).await.has_status(200);
            old.push(with(&app, &made.str("/secret")));
        }
        let mut count = 0;
        for operation in testkit::document(domain::Surface::Bapi).operations() {
            let (template, method) = (operation.template, operation.method.to_ascii_uppercase());
            // A new environment comes with a key.
            let makes_environment = template == "/v1/admin/projects/{project_id}/environments";
            if method == "GET" || !(template.contains("api-keys") || makes_environment) {
                continue;
            }
            let path = template
                .replace("{environment_id}", &app.env.id.to_string())
                .replace("{project_id}", &app.env.made.project_id.to_string())
                .replace("{api_key_id}", "apik_01ARZ3NDEKTSV4RRFFQ69G5FAV");
            let caller = if template.starts_with("/v1/admin") { &old[1] } else { &old[0] };
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let refused = caller.call(method, &path).json(json!({ "name": "x", "kind": "staging" })).await;
            refused.is_refused(403, "api_key_secret_retiring");
            count += 1;
        }
        assert_eq!(count, 7);
        // Everything else goes on.
        old[1].get("/v1/admin/projects").await.has_status(200);
        old[1].post("/v1/admin/projects", json!({ "name": "Blog" })).await.has_status(201);
    }

    async fn a_kept_answer_goes_with_the_key_that_it_shows(app: TestApp) {
        let operator = app.bapi_of(&app.operators().await);
        let path = format!("/v1/admin/environments/{}/api-keys", app.env.id);
        let make = || operator.post(&path, json!({ "name": "Once" })).idempotency_key("k");
        let first = make().await;
        let (id, secret) = (first.has_status(201).str("/id"), first.str("/secret"));
        assert_eq!(make().await.str("/secret"), secret);

        // The environment ends it by its own door, where the operators' answer is not kept.
        app.bapi().post_empty(format!("/v1/api-keys/{id}/revoke")).await.has_status(200);
        let second = make().await;
        assert!(!second.text().contains(&secret) && second.header("idempotent-replayed").is_none());
        assert_ne!(second.has_status(201).str("/id"), id);

        // Or gives it another secret: the one before is nobody's to hear any more.
        let rotate = format!("/v1/api-keys/{}/rotate", second.str("/id"));
        app.bapi().post(rotate, json!({ "overlap_seconds": 3600 })).await.has_status(200);
        let third = make().await;
        assert!(!third.text().contains(&second.str("/secret")));
        assert_ne!(third.has_status(201).str("/id"), second.str("/id"));
    }

    async fn a_kept_answer_goes_with_the_environment_or_its_first_key(app: TestApp) {
        let operator = app.bapi_of(&app.operators().await);
        let path = format!("/v1/admin/projects/{}/environments", app.env.made.project_id);
        let make = |name: &str| operator.post(&path, json!({ "name": name, "kind": "staging" })).idempotency_key(name);
        let made = make("One").await;
        let (env, secret) = (made.has_status(201).str("/id"), made.str("/secret_key"));
        assert_eq!(make("One").await.str("/secret_key"), secret);
        let key = with(&app, &secret).get("/v1/api-keys").await.str("/data/0/id");

        operator.post_empty(format!("/v1/admin/environments/{env}/api-keys/{key}/revoke")).await.has_status(200);

        let again = make("One").await;
        assert!(!again.text().contains(&secret));
        again.is_refused_for(409, "form_identifier_exists", "slug");

        let made = make("Two").await;
        let (env, secret) = (made.has_status(201).str("/id"), made.str("/secret_key"));
        operator.delete(format!("/v1/admin/environments/{env}")).json(json!({ "confirmation": env })).await.has_status(204);
        let again = make("Two").await;
        assert!(!again.text().contains(&secret));
        assert_ne!(again.has_status(201).str("/id"), env);
    }

    async fn a_kept_answer_is_not_for_a_key_that_was_revoked(app: TestApp) {
        let made = app.bapi().post("/v1/api-keys", json!({ "name": "Caller" })).await;
        let (id, secret) = (made.str("/id"), made.str("/secret"));
        let caller = with(&app, &secret);
        let make = || caller.post("/v1/api-keys", json!({ "name": "Heir" })).idempotency_key("k");
        let heir = make().await.has_status(201).str("/secret");
        // Through every door but the last one, when it is revoked.
        let opened = engine::api_keys::authenticate(&app.engine, &secret, app.now()).await.expect("it opens");

        app.bapi().post_empty(format!("/v1/api-keys/{id}/revoke")).await.has_status(200);

        let refused = make().await;
        refused.is_refused(401, "authentication_invalid");
        assert!(!refused.text().contains(&heir));
        let cx = Context { actor: domain::Actor::ApiKey(opened.key.id), ..Context::operator(app.env.id, app.now()) };
        let route = "POST /v1/api-keys".to_owned();
        let shown = (opened.shown, true);
        let late = engine::idempotency::claim(&app.engine, &cx, shown, route, "k".to_owned(), [0; 32]).await;
        assert!(matches!(late, Err(engine::idempotency::ClaimError::AskerGone)), "{late:?}");
    }

    async fn a_secret_that_is_replaced_while_it_waits_hears_no_answer_about_keys(app: TestApp) {
        let made = app.bapi().post("/v1/api-keys", json!({ "name": "Caller" })).await;
        let (id, secret) = (made.str("/id"), made.str("/secret"));
        let opened = engine::api_keys::authenticate(&app.engine, &secret, app.now()).await.expect("it opens");
        let rotate = json!({ "overlap_seconds": 600 });
        app.bapi().post(format!("/v1/api-keys/{id}/rotate"), rotate).await.has_status(200);

        let cx = Context { actor: domain::Actor::ApiKey(opened.key.id), ..Context::operator(app.env.id, app.now()) };
        let claim = async |manages_keys, key: &str| {
            let (route, shown) = ("POST /v1/anything".to_owned(), (opened.shown, manages_keys));
            engine::idempotency::claim(&app.engine, &cx, shown, route, key.to_owned(), [0; 32]).await
        };
        let late = claim(true, "k").await;
        assert!(matches!(late, Err(engine::idempotency::ClaimError::SecretRetiring)), "{late:?}");
        assert!(claim(false, "l").await.is_ok(), "everything else goes on");
    }

    async fn a_key_that_ends_makes_none_that_lasts(app: TestApp) {
        let root = app.bapi().get("/v1/api-keys").await.str("/data/0/id");
        let ends = app.now() + Duration::from_secs(600);
        let short = app.bapi().post("/v1/api-keys", json!({ "name": "Short", "expires_at": ends })).await;
        let short = with(&app, &short.str("/secret"));

        for expires_at in [json!(null), json!(ends.millis() + 1)] {
            let refused = short.post("/v1/api-keys", json!({ "name": "Long", "expires_at": expires_at })).await;
            refused.is_refused(403, "forbidden");
        }
        short.post(format!("/v1/api-keys/{root}/rotate"), json!({})).await.is_refused(403, "forbidden");
        short.post("/v1/api-keys", json!({ "name": "As long", "expires_at": ends })).await.has_status(201);
    }

    async fn what_only_operators_do_is_nothing_for_a_key_of_an_environment(app: TestApp) {
        for action in ["admin:read", "admin:write"] {
            let body = json!({ "name": "Operator", "restricted_to_actions": [action] });
            app.bapi().post("/v1/api-keys", body).await.is_refused(422, "form_param_value_invalid");
        }
    }

    async fn a_revoked_or_rotated_key_is_refused_by_another_process_at_once(app: TestApp) {
        let elsewhere = app.bapi_stranger_at_another_process();
        let made = app.bapi().post("/v1/api-keys", json!({ "name": "Second" })).await;
        let (id, secret) = (made.str("/id"), made.str("/secret"));
        let there = |secret: &str| elsewhere.with_authorization(&format!("Bearer {secret}")).get("/v1/users");
        there(&secret).await.has_status(200);

        let rotated = app.bapi().post(format!("/v1/api-keys/{id}/rotate"), json!({})).await.has_status(200).str("/secret");
        there(&secret).await.is_refused(401, "authentication_invalid");
        there(&rotated).await.has_status(200);
        app.bapi().post_empty(format!("/v1/api-keys/{id}/revoke")).await.has_status(200);
        there(&rotated).await.is_refused(401, "authentication_invalid");
    }

    async fn a_secret_that_is_rotated_away_while_a_body_comes_does_nothing_more(app: TestApp) {
        let made = app.bapi().post("/v1/api-keys", json!({ "name": "Leaked" })).await;
        let (id, secret) = (made.str("/id"), made.str("/secret"));
        let thief = app.bapi_stranger().with_authorization(&format!("Bearer {secret}"));
        let rotate = format!("/v1/api-keys/{id}/rotate");
        let user = app.user("alice").created().await.id;
        let before = app.bapi().get(format!("/v1/users/{user}")).await.at("/first_name").clone();
        let mut held = Vec::new();
        for (method, path, body) in [
            (Method::POST, "/v1/api-keys".to_owned(), json!({ "name": "For later" })),
            (Method::POST, rotate.clone(), json!({})),
            (Method::PATCH, format!("/v1/users/{user}"), json!({ "first_name": "Mallory" })),
        ] {
            held.push(thief.holds(method, &path, body).await);
        }
        // The heads are read by now: these came after them.
        for _ in 0..8 {
            thief.get("/v1/_ping").await.has_status(200);
        }

        let rotated = app.bapi().post(&rotate, json!({})).await.has_status(200).str("/secret");

        for request in held {
            let answer = request.finish().await;
            assert_eq!(status_of(&answer), 401, "{answer}");
        }
        app.bapi().get("/v1/api-keys").await.is(200, json!({ "total_count": 2 }));
        app.bapi_stranger().with_authorization(&format!("Bearer {rotated}")).get("/v1/_ping").await.has_status(200);
        app.bapi().get(format!("/v1/users/{user}")).await.is(200, json!({ "first_name": before }));
    }

    async fn a_key_that_may_do_little_can_ask_whether_it_works(app: TestApp) {
        let (_, reader) = restricted(&app, json!(["users:read"])).await;
        reader.get("/v1/_ping").await.has_status(200);
        reader.get("/v1/sessions").await.is_refused(403, "forbidden");
    }

    async fn keys_of_another_environment_do_not_exist(app: TestApp) {
        let other = app.second_environment().await;
        let theirs = app.bapi_of(&other).get("/v1/api-keys").await.str("/data/0/id");
        let path = format!("/v1/api-keys/{theirs}");
        app.bapi().get(&path).await.is_refused(404, "api_key_not_found");
        app.bapi().patch(&path, json!({ "name": "Mine" })).await.is_refused(404, "api_key_not_found");
        app.bapi().post(format!("{path}/rotate"), json!({})).await.is_refused(404, "api_key_not_found");
        app.bapi().post_empty(format!("{path}/revoke")).await.is_refused(404, "api_key_not_found");
        app.bapi_of(&other).get(&path).await.is(200, json!({ "name": "First key", "revoked_at": null }));
        let listed = app.bapi().get("/v1/api-keys").await;
        assert!(!listed.text().contains(&theirs));
    }

    async fn a_key_that_is_being_revoked_makes_no_key_afterwards(app: TestApp) {
        let (id, thief) = restricted(&app, json!(["api-keys:write", "users:read"])).await;
        let body = json!({ "name": "Heir", "restricted_to_actions": ["users:read"] });
        let (root, path) = (app.bapi(), format!("/v1/api-keys/{id}/revoke"));

        let heirs = testkit::race(50, |_| { let (thief, body) = (thief.clone(), body.clone()); async move { thief.post("/v1/api-keys", body).await } });
        let (answers, revoked) = futures_util::join!(heirs, async { root.post_empty(path).await });

        revoked.has_status(200);
        thief.post("/v1/api-keys", body.clone()).await.is_refused(401, "authentication_invalid");
        let made = answers.iter().filter(|answer| answer.status() == 201).count();
        assert!(answers.iter().all(|answer| [201, 401].contains(&answer.status())));
        let events = app.logged_events(&app.env).await;
        let by_thief = |event: &&storage::events::LoggedEvent| event.actor_id.as_deref() == Some(&id) && event.event_type == "apiKey.created";
        assert_eq!(events.iter().filter(by_thief).count(), made, "what was made was answered");
        let end = events.iter().position(|event| event.event_type == "apiKey.revoked").expect("it was revoked");
        assert_eq!(events[end..].iter().filter(by_thief).count(), 0, "nothing was made after the end");
    }

    async fn two_keys_that_revoke_each_other_leave_one(app: TestApp) {
        for _ in 0..5 {
            let (a, first) = restricted(&app, json!(["api-keys:write"])).await;
            let (b, second) = restricted(&app, json!(["api-keys:write"])).await;
            let (of_first, of_second) = futures_util::join!(
                async { first.post_empty(format!("/v1/api-keys/{b}/revoke")).await },
                async { second.post_empty(format!("/v1/api-keys/{a}/revoke")).await },
            );
            let mut statuses = [of_first.status(), of_second.status()];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 401], "the one that was revoked first does nothing more");
        }
    }

    async fn an_operators_key_that_is_restricted_gives_no_more_than_it_has(app: TestApp) {
        let operators = app.operators().await;
        let root = app.bapi_of(&operators);
        let make = async |actions: serde_json::Value| {
            let made = root.post("/v1/api-keys", json!({ "name": "Restricted", "restricted_to_actions": actions })).await;
            with(&app, &made.has_status(201).str("/secret"))
        };
        let reader = make(json!(["admin:read"])).await;
        let writer = make(json!(["admin:write", "users:read"])).await;
        let (theirs, own) = (format!("/v1/admin/environments/{}", app.env.id), format!("/v1/admin/environments/{}", operators.id));

        reader.get(&theirs).await.has_status(200);
        reader.get("/v1/users").await.is_refused(403, "forbidden");
        let project = app.env.made.project_id;
        for (path, body) in [
            ("/v1/admin/projects".to_owned(), json!({ "name": "x" })),
            (format!("/v1/admin/projects/{project}/environments"), json!({ "name": "x", "kind": "staging" })),
            (format!("{theirs}/api-keys"), json!({ "name": "x" })),
            (format!("{theirs}/signing-keys/rotate"), json!({})),
        ] {
            let refused = reader.post(path, body).await;
            refused.is(403, json!({ "errors": [{ "code": "forbidden", "meta": { "permission": "admin:write" } }] }));
        }
        for place in [&theirs, &own] {
            let path = format!("{place}/api-keys");
            for wanted in [json!(null), json!(["users:write"]), json!(["sessions:read", "users:read"])] {
                let body = json!({ "name": "More", "restricted_to_actions": wanted });
                writer.post(&path, body).await.is_refused(403, "forbidden");
            }
            writer.post(&path, json!({ "name": "As much", "restricted_to_actions": ["users:read"] })).await.has_status(201);
        }
        let more = json!({ "name": "More", "restricted_to_actions": ["admin:read", "admin:write"] });
        writer.post(format!("{own}/api-keys"), more).await.is_refused(403, "forbidden");
    }

    async fn an_operators_key_does_not_revoke_itself_by_the_other_door(app: TestApp) {
        let operators = app.operators().await;
        let root = app.bapi_of(&operators);
        let me = root.get("/v1/api-keys").await.str("/data/0/id");
        let path = format!("/v1/admin/environments/{}/api-keys/{me}/revoke", operators.id);
        root.post_empty(path).await.is_refused(409, "api_key_in_use");
        root.get("/v1/admin/projects").await.has_status(200);
    }

    async fn a_restricted_key_of_an_environment_hears_nothing_of_operators(app: TestApp) {
        let (_, reader) = restricted(&app, json!(["users:read"])).await;
        for path in ["/v1/admin/projects", "/v1/admin/projects/prj_01ARZ3NDEKTSV4RRFFQ69G5FAV", "/v1/admin/nothing"] {
            reader.get(path).await.is_refused(404, "resource_not_found");
            app.bapi().get(path).await.is_refused(404, "resource_not_found");
        }
        reader.post("/v1/admin/projects", json!({ "nope": 1 })).await.is_refused(404, "resource_not_found");
    }

    async fn no_header_chooses_the_address_of_a_new_environment(app: TestApp) {
        let operator = app.bapi_of(&app.operators().await);
        let path = format!("/v1/admin/projects/{}/environments", app.env.made.project_id);
        let root = app.env.issuer.rsplit_once('/').expect("a label").0.to_owned();
        for (at, (name, value)) in [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "host=evil.example;proto=https"),
            ("x-forwarded-proto", "https"),
            ("origin", "https://evil.example"),
        ]
        .into_iter()
        .enumerate()
        {
            let call = operator.post(&path, json!({ "name": format!("New {at}"), "kind": "development" })).header(name, value).await;
            let made = call.has_status(201);
            assert_eq!(made.str("/fapi_url"), format!("{root}/{}", made.str("/routing_label")), "{name}");
            assert!(!made.text().contains("evil"));
        }
    }

    async fn a_key_of_a_deleted_environment_is_refused_by_another_process_at_once(app: TestApp) {
        let operator = app.bapi_of(&app.operators().await);
        let other = app.second_environment().await;
        let there = app.bapi_stranger_at_another_process().with_authorization(&format!("Bearer {}", other.secret_key));
        there.get("/v1/users").await.has_status(200);

        let path = format!("/v1/admin/environments/{}", other.id);
        operator.delete(path).json(json!({ "confirmation": other.id })).await.has_status(204);

        there.get("/v1/users").await.is_refused(401, "authentication_invalid");
    }
}

fn base64_of(text: &str) -> String {
    // Basic credentials use the standard alphabet; what differs from ours is padding and two characters.
    let url = crypto::base64url::encode(text.as_bytes()).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - url.len() % 4) % 4);
    format!("{url}{padding}")
}
