//! Idempotency keys.

use crate::{SECOND, T0, new, on_both_engines};
use domain::context::IdempotencyClaim;
use domain::time::{hours, minutes};
use domain::{EnvironmentId, RequestId, Timestamp};
use futures_util::future::join_all;
use storage::idempotency::{Answer, ClaimLost, ClaimState};
use storage::{Error, Handle, Tx, counts, idempotency};

on_both_engines! {
    one_of_many_twins_gets_the_key
    a_kept_answer_is_replayed_for_its_time
    a_key_is_bound_to_caller_route_and_body
    a_dead_owners_change_is_undone_after_the_takeover
    a_refused_request_frees_its_key
    deleting_an_object_drops_the_answer_that_made_it
}

fn key(route: &str) -> IdempotencyClaim {
    IdempotencyClaim { scope: "apik_1".into(), route: route.into(), key: "k".into(), owner: new::<RequestId>() }
}

async fn claim(db: &Handle, env: EnvironmentId, key: &IdempotencyClaim, print: u8, now: Timestamp) -> ClaimState {
    let key = key.clone();
    db.write(async move |tx: &mut Tx<'_>| idempotency::claim(tx, env, &key, [print; 32], now).await).await.unwrap()
}

async fn keep(
    db: &Handle,
    env: EnvironmentId,
    key: &IdempotencyClaim,
    sealed: bool,
    now: Timestamp,
) -> Result<(), Error> {
    let key = key.clone();
    db.write(async move |tx: &mut Tx<'_>| {
        counts::add(tx, env, "changes", 1).await?;
        let answer =
            Answer { status: 201, body: "{\"id\":1}", sealed, subject_id: Some("user_1"), etag: Some("\"1\"") };
        idempotency::keep(tx, env, &key, &answer, now).await
    })
    .await
}

fn done(sealed: bool) -> ClaimState {
    ClaimState::Done { status: 201, body: "{\"id\":1}".into(), sealed, etag: Some("\"1\"".into()) }
}

async fn one_of_many_twins_gets_the_key(db: &Handle) {
    let env = new();
    let keys: Vec<_> = (0..50).map(|_| key("POST /v1/users")).collect();

    let states = join_all(keys.iter().map(|key| claim(db, env, key, 1, T0))).await;

    assert_eq!(states.iter().filter(|state| **state == ClaimState::Fresh).count(), 1);
    assert_eq!(states.iter().filter(|state| **state == ClaimState::Running).count(), 49);
}

async fn a_kept_answer_is_replayed_for_its_time(db: &Handle) {
    for (sealed, lasts) in [(false, hours(24)), (true, minutes(10))] {
        let (env, first) = (new(), key("POST /v1/users"));
        let answered = T0 + 5 * SECOND;
        assert_eq!(claim(db, env, &first, 1, T0).await, ClaimState::Fresh);
        keep(db, env, &first, sealed, answered).await.unwrap();

        let twin = key("POST /v1/users");
        assert_eq!(claim(db, env, &twin, 1, answered + lasts - SECOND).await, done(sealed));
        assert_eq!(claim(db, env, &twin, 2, answered + lasts).await, ClaimState::Fresh, "its time is over");
        keep(db, env, &twin, false, answered + lasts).await.unwrap();

        let end = answered + lasts + hours(24);
        for (now, swept) in [(end - SECOND, 0), (end, 1)] {
            let sweep = db.write(async move |tx: &mut Tx<'_>| idempotency::sweep(tx, now, 10).await);
            assert_eq!(sweep.await.unwrap(), swept);
        }
    }
}

async fn a_key_is_bound_to_caller_route_and_body(db: &Handle) {
    let (env, first) = (new(), key("POST /v1/users"));
    assert_eq!(claim(db, env, &first, 1, T0).await, ClaimState::Fresh);
    assert_eq!(claim(db, env, &key("POST /v1/users"), 2, T0).await, ClaimState::Mismatch);
    keep(db, env, &first, false, T0).await.unwrap();
    assert_eq!(claim(db, env, &key("POST /v1/users"), 2, T0).await, ClaimState::Mismatch);
    assert_eq!(claim(db, env, &key("POST /v1/users"), 1, T0).await, done(false));

    let stranger = IdempotencyClaim { scope: "apik_2".into(), ..key("POST /v1/users") };
    assert_eq!(claim(db, env, &stranger, 1, T0).await, ClaimState::Fresh, "another API key");
    assert_eq!(claim(db, env, &key("POST /v1/users/user_1"), 1, T0).await, ClaimState::Fresh, "another path");
    assert_eq!(claim(db, new(), &key("POST /v1/users"), 1, T0).await, ClaimState::Fresh, "another environment");
    let shifted = IdempotencyClaim { scope: "apik_1P".into(), ..key("OST /v1/users") };
    assert_eq!(claim(db, env, &shifted, 1, T0).await, ClaimState::Fresh, "the same letters, cut elsewhere");
}

async fn a_dead_owners_change_is_undone_after_the_takeover(db: &Handle) {
    let (env, slow, quick) = (new(), key("POST /v1/users"), key("POST /v1/users"));
    assert_eq!(claim(db, env, &slow, 1, T0).await, ClaimState::Fresh);
    assert_eq!(claim(db, env, &quick, 1, T0 + 59 * SECOND).await, ClaimState::Running);
    assert_eq!(claim(db, env, &quick, 1, T0 + 60 * SECOND).await, ClaimState::Fresh);

    let lost = keep(db, env, &slow, false, T0 + 61 * SECOND).await.unwrap_err();

    let mut cause = std::error::Error::source(&lost);
    let mut named = false;
    while let Some(error) = cause {
        named |= error.to_string() == ClaimLost.to_string();
        cause = error.source();
    }
    assert!(named, "the log says why: {lost:?}");
    assert_eq!(counts::total(&mut db.read().await.unwrap(), env, "changes").await.unwrap(), 0);
    keep(db, env, &quick, false, T0 + 62 * SECOND).await.unwrap();
    assert!(keep(db, env, &quick, false, T0 + 63 * SECOND).await.is_err(), "an answer is kept once");
    assert_eq!(counts::total(&mut db.read().await.unwrap(), env, "changes").await.unwrap(), 1);
}

async fn a_refused_request_frees_its_key(db: &Handle) {
    let (env, first, second) = (new(), key("POST /v1/users"), key("POST /v1/users"));
    let release = async |key: &IdempotencyClaim| {
        let key = key.clone();
        db.write(async move |tx: &mut Tx<'_>| idempotency::release(tx, env, &key).await).await.unwrap();
    };
    assert_eq!(claim(db, env, &first, 1, T0).await, ClaimState::Fresh);
    release(&second).await;
    assert_eq!(claim(db, env, &second, 1, T0).await, ClaimState::Running, "not the second's to free");
    release(&first).await;
    assert_eq!(claim(db, env, &second, 2, T0).await, ClaimState::Fresh);
    keep(db, env, &second, false, T0).await.unwrap();
    release(&second).await;
    assert_eq!(claim(db, env, &first, 2, T0).await, done(false), "an answered key is not freed");
}

async fn deleting_an_object_drops_the_answer_that_made_it(db: &Handle) {
    let (env, first) = (new(), key("POST /v1/users"));
    claim(db, env, &first, 1, T0).await;
    keep(db, env, &first, false, T0).await.unwrap();
    let drop = async |env: EnvironmentId, subject: &'static str| {
        db.write(async move |tx: &mut Tx<'_>| idempotency::drop_for_subject(tx, env, subject).await).await.unwrap();
    };
    drop(new(), "user_1").await;
    drop(env, "user_2").await;
    assert_eq!(claim(db, env, &key("POST /v1/users"), 1, T0).await, done(false));

    drop(env, "user_1").await;

    assert_eq!(claim(db, env, &key("POST /v1/users"), 1, T0).await, ClaimState::Fresh);
}
