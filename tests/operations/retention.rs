//! What is over is kept for a while, and then it is gone.

use domain::event::{Event, EventType};
use domain::{Context, JobId, NewId, SessionId};
use serde_json::json;
use storage::Tx;
use testkit::{TestApp, both, hours};

const fn days(n: u64) -> std::time::Duration {
    hours(n * 24)
}

async fn kept(app: &TestApp, session: &str) -> bool {
    let id: SessionId = session.parse().expect("a session's id");
    let mut conn = app.engine.db().read().await.expect("a connection");
    storage::sessions::find(&mut conn, app.env.id, id).await.expect("sessions can be read").is_some()
}

both! {
    async fn a_session_is_kept_for_90_days_after_its_end(app: TestApp) {
        let ended = app.user("alice").signed_in().await;
        ended.post_empty(format!("/v1/client/sessions/{}/end", ended.session)).await.has_status(200);
        let expired = app.user("bob").signed_in().await;
        app.advance(days(89));
        // It lives on while the others wait for their end.
        app.settings(|s| s.sessions.lifetime_seconds = 400 * 86_400).await;
        let live = app.user("carol").signed_in().await;
        app.tick().await;
        assert_eq!([kept(&app, &ended.session).await, kept(&app, &expired.session).await], [true, true]);

        app.advance(days(2));
        app.tick().await;

        assert_eq!([kept(&app, &ended.session).await, kept(&app, &expired.session).await], [false, true]);
        app.bapi().get(format!("/v1/sessions/{}", ended.session)).await.is_refused(404, "session_not_found");
        app.bapi().get("/v1/sessions").await.is(200, json!({ "total_count": 2 }));

        // An expired one came to its end a week after it began.
        app.advance(days(7));
        app.tick().await;
        assert_eq!([kept(&app, &expired.session).await, kept(&app, &live.session).await], [false, true]);
        app.advance(days(200));
        app.tick().await;
        live.get("/v1/me").await.has_status(200);
        live.token().await;
    }

    async fn a_client_goes_after_its_last_session_and_never_before(app: TestApp) {
        app.settings(|s| s.sessions.lifetime_seconds = 400 * 86_400).await;
        let alice = app.user("alice").signed_in().await;
        let bob = app.user("bob").signed_in_on(&alice.browser).await;
        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", bob.session)).await.has_status(200);
        let gone = app.user("carol").signed_in().await;
        app.bapi().post_empty(format!("/v1/sessions/{}/revoke", gone.session)).await.has_status(200);
        let before = gone.get("/v1/client").await.str("/id");

        app.advance(days(91));
        app.tick().await;

        assert!(!kept(&app, &bob.session).await && !kept(&app, &gone.session).await);
        alice.get("/v1/client").await.is(200, json!({ "last_active_session_id": alice.session }));
        alice.token().await;
        assert_ne!(gone.get("/v1/client").await.str("/id"), before, "nobody is signed in on it, and nobody was for long");
    }

    async fn more_than_a_batch_goes_in_one_pass(app: TestApp) {
        let alice = app.user("alice").signed_in().await;
        let id: SessionId = alice.session.parse().expect("a session's id");
        let (env, now) = (app.env.id, app.now());
        let planted = app.engine.db().write(async move |tx: &mut Tx<'_>| {
            let known = storage::sessions::find(tx, env, id).await?.expect("she is signed in");
            for _ in 0..1200 {
                let other = domain::session::Session { id: NewId::new(now, crypto::random::bytes()), ..known.clone() };
                storage::sessions::insert(tx, env, &other).await?;
            }
            Ok::<_, storage::Error>(())
        });
        planted.await.expect("sessions can be planted");
        app.bapi().get("/v1/sessions").await.is(200, json!({ "total_count": 1201 }));

        app.advance(days(98));
        app.tick().await;

        app.bapi().get("/v1/sessions").await.is(200, json!({ "total_count": 0 }));
    }

    async fn a_job_that_was_given_up_is_kept_for_30_days(app: TestApp) {
        let (env, id, now) = (app.env.id, JobId::new(app.now(), crypto::random::bytes()), app.now());
        app.run_jobs().await;
        let buried = app.engine.db().write(async move |tx: &mut Tx<'_>| {
            storage::jobs::enqueue(tx, env, id, "mail", "{}".to_owned(), now).await?;
            storage::jobs::lease(tx, "test", now, hours(1), 1).await?;
            storage::jobs::bury(tx, env, id, "test", now, "no such host").await
        });
        assert!(buried.await.expect("a job can be buried"));
        let given_up = async || engine::jobs::depth(&app.engine).await.expect("jobs are counted").1;
        app.advance(days(29));
        app.tick().await;
        assert_eq!(given_up().await, 1);

        app.advance(days(2));
        app.tick().await;

        assert_eq!(given_up().await, 0);
    }

    async fn events_are_kept_as_long_as_the_environment_says(app: TestApp) {
        app.settings(|s| s.audit_log_retention_days = 30).await;
        let other = app.second_environment().await;
        for env in [&app.env, &other] {
            app.user_of(env, "alice").created().await;
        }
        let first = app.logged_events(&app.env).await;
        let last = first.last().expect("something has happened").position;
        app.advance(days(29));
        app.user("bob").created().await;
        app.tick().await;
        let log = app.logged_events(&app.env).await;
        assert_eq!(log[..first.len()], first);

        app.advance(days(2));
        app.tick().await;

        // What remains is as it was, from the place where it was on.
        assert_eq!(app.logged_events(&app.env).await, log[first.len()..]);
        assert_eq!(log[first.len()].position, last + 1);
        assert_eq!(app.logged_events(&other).await[0].position, 1, "another environment keeps its own for 90 days");

        // Even when nothing is left, a position is given out once.
        app.advance(days(31));
        app.tick().await;
        assert_eq!(app.logged_events(&app.env).await, []);
        app.user("carol").created().await;
        let after = app.logged_events(&app.env).await;
        assert_eq!(after.iter().map(|event| event.position).collect::<Vec<_>>(), [log.last().expect("bob").position + 1]);
        assert!(after[0].data.is_some());
    }

    async fn an_event_without_a_position_is_kept(app: TestApp) {
        app.settings(|s| s.audit_log_retention_days = 1).await;
        let cx = Context::system(app.env.id, app.now());
        let pushed = app.engine.db().write(async move |tx: &mut Tx<'_>| {
            let event = Event::new(EventType::UserCreated, "user", "user_1", json!({ "a": 1 }));
            storage::events::push(tx, &cx, &event).await
        });
        let id = pushed.await.expect("an event can be pushed");

        app.advance(days(3));
        app.tick().await;

        let log = app.logged_events(&app.env).await;
        let late = log.iter().find(|event| event.id == id).expect("nobody has seen it yet");
        assert_eq!(late.data, Some(json!({ "a": 1 })));
        app.advance(std::time::Duration::from_secs(61));
        app.tick().await;
        assert_eq!(app.logged_events(&app.env).await, [], "and now somebody could");
    }
}
