//! What is done from time to time goes on, whatever is broken.

use domain::SessionId;
use domain::session::SessionStatus;
use storage::Tx;
use testkit::{TestApp, TestEnvironment, both, hours};

/// An environment whose keys cannot be opened any more, as after a restore with another master key.
async fn broken(app: &TestApp, env: &TestEnvironment) {
    let (id, now) = (env.id, app.now());
    let done = app.engine.db().write(async move |tx: &mut Tx<'_>| {
        storage::environments::insert_data_key(tx, id, "dk_other", "v1.mk_other.AAAA.AAAA", now).await?;
        storage::environments::bump(tx, id).await
    });
    done.await.expect("a key can be planted");
    engine::tenancy::refresh(&app.engine).await.expect("caches are refreshed");
    assert!(engine::tenancy::environment(&app.engine, env.id).await.is_err(), "it is broken");
}

async fn stored_status(app: &TestApp, env: &TestEnvironment, session: &str) -> SessionStatus {
    let id: SessionId = session.parse().expect("a session's id");
    let mut conn = app.engine.db().read().await.expect("a connection");
    let found = storage::sessions::find(&mut conn, env.id, id).await.expect("sessions can be read");
    found.expect("the session is kept").status
}

both! {
    async fn a_broken_environment_does_not_stop_the_upkeep_of_the_others(app: TestApp) {
        let other = app.second_environment().await;
        let alice = app.user("alice").signed_in().await;
        let bob = app.user_of(&other, "bob").signed_in().await;
        broken(&app, &app.env).await;

        app.advance(hours(8 * 24));
        engine::upkeep::tick(&app.engine).await.expect("upkeep goes on");

        assert_eq!(stored_status(&app, &other, &bob.session).await, SessionStatus::Expired, "it comes after the broken one");
        // What needs no key is done there, too; and what failed is told.
        assert_eq!(stored_status(&app, &app.env, &alice.session).await, SessionStatus::Expired);
        let told = testkit::logs();
        let line = told.lines().find(|line| line.contains("upkeep") && line.contains(&app.env.id.to_string()));
        assert!(line.is_some_and(|line| line.contains("ERROR")), "{line:?}");
        assert!(!told.lines().any(|line| line.contains("upkeep") && line.contains(&other.id.to_string())));
    }
}
