//! The event log.

use crate::base::Base;
use crate::{T0, new, on_both_engines};
use crypto::{MacKey, Secret};
use diesel_async::RunQueryDsl;
use domain::event::{Event, EventType};
use domain::{Context, EnvironmentId};
use futures_util::future::{join, join_all};
use serde_json::json;
use std::collections::BTreeMap;
use storage::failures::{Limit, Reserved};
use storage::{Error, Handle, Tx, events, failures};

on_both_engines! {
    positions_have_no_gap_and_follow_each_subject
    an_undone_change_leaves_neither_event_nor_gap
    environments_have_logs_of_their_own
    an_erased_payload_leaves_its_event_and_digest
}

/// Changes a subject under its row lock: a counter stands in for the subject's row.
async fn change(tx: &mut Tx<'_>, cx: &Context, subject: &str) -> Result<(), Error> {
    let limit = Limit { max: u32::MAX, window_seconds: 60, lock_seconds: 60 };
    let Reserved::Open { failures } = failures::reserve(tx, cx.env, subject, "row", limit, cx.now).await? else {
        unreachable!("nobody changes a subject so often");
    };
    let event = Event::new(EventType::UserUpdated, "user", subject, json!({ "change": failures }));
    events::push(tx, cx, &event).await?;
    Ok(())
}

async fn sequence(db: &Handle) -> usize {
    db.write(async |tx: &mut Tx<'_>| sequence_all(tx, 7).await).await.unwrap()
}

fn key() -> MacKey {
    MacKey::new(Secret::new([7; 32]))
}

async fn sequence_all(tx: &mut Tx<'_>, max: usize) -> Result<usize, Error> {
    let waiting: Vec<_> = events::unsequenced(tx, max).await?.into_iter().map(|env| (env, key())).collect();
    events::sequence(tx, &waiting, max).await
}

async fn positions_have_no_gap_and_follow_each_subject(db: &Handle) {
    let env: EnvironmentId = new();
    let writers = join_all((0..50).map(|n| async move {
        let (cx, subject) = (Context::system(env, T0), format!("user_{}", n % 5));
        db.write(async move |tx: &mut Tx<'_>| change(tx, &cx, &subject).await).await.unwrap();
    }));
    let sequencers = join_all((0..3).map(|_| async {
        for _ in 0..20 {
            sequence(db).await;
        }
    }));

    join(writers, sequencers).await;
    while sequence(db).await > 0 {}

    let mut read = db.read().await.unwrap();
    let log = events::list(&mut read, env, 0, 100).await.unwrap();
    let positions: Vec<i64> = log.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=50).collect::<Vec<_>>());
    let mut seen: BTreeMap<String, i64> = BTreeMap::new();
    for event in log {
        let change = event.data.unwrap()["change"].as_i64().unwrap();
        let before = seen.insert(event.subject_id, change).unwrap_or(0);
        assert_eq!(change, before + 1, "the changes of a subject are in the order of its commits");
    }
    assert_eq!(seen.into_values().collect::<Vec<_>>(), [10; 5]);
    assert_eq!(events::unsequenced_count(&mut read).await.unwrap(), 0);
    assert_eq!(events::last_position(&mut read, env).await.unwrap(), 50);
}

async fn an_undone_change_leaves_neither_event_nor_gap(db: &Handle) {
    let env: EnvironmentId = new();
    for undone in [false, true, false] {
        let cx = Context::system(env, T0);
        let written = db.write(async move |tx: &mut Tx<'_>| {
            change(tx, &cx, "user_1").await?;
            if undone { Err(Error::Closed) } else { Ok(()) }
        });
        assert_eq!(written.await.is_err(), undone);
    }

    assert_eq!(sequence(db).await, 2);

    let mut read = db.read().await.unwrap();
    let log = events::list(&mut read, env, 0, 10).await.unwrap();
    assert_eq!(log.iter().map(|event| event.position).collect::<Vec<_>>(), [1, 2]);
}

async fn environments_have_logs_of_their_own(db: &Handle) {
    let envs: [EnvironmentId; 2] = [new(), new()];
    for env in [envs[0], envs[1], envs[0]] {
        let cx = Context::system(env, T0);
        db.write(async move |tx: &mut Tx<'_>| change(tx, &cx, "user_1").await).await.unwrap();
    }

    let only = envs[1];
    let given = db.write(async move |tx: &mut Tx<'_>| events::sequence(tx, &[(only, key())], 10).await).await.unwrap();
    let mut read = db.read().await.unwrap();
    assert_eq!(given, 1);
    assert_eq!(events::unsequenced_count(&mut read).await.unwrap(), 2);
    assert_eq!(events::list(&mut read, envs[0], 0, 10).await.unwrap(), [], "what has no position is not there");
    drop(read);
    assert_eq!(sequence(db).await, 2);

    let mut read = db.read().await.unwrap();
    for (env, expected) in [(envs[0], vec![1, 2]), (envs[1], vec![1])] {
        let log = events::list(&mut read, env, 0, 10).await.unwrap();
        assert_eq!(log.iter().map(|event| event.position).collect::<Vec<_>>(), expected);
    }
    let rest = events::list(&mut read, envs[0], 1, 10).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(events::find(&mut read, envs[0], rest[0].id).await.unwrap().as_ref(), Some(&rest[0]));
    assert_eq!(events::find(&mut read, envs[1], rest[0].id).await.unwrap(), None);
}

async fn an_erased_payload_leaves_its_event_and_digest(db: &Handle) {
    let cx = Context::system(new(), T0);
    let (env, trace) = (cx.env, cx.request_id);
    let event = Event::new(EventType::UserCreated, "user", "user_1", json!({ "name": "Zoë" }));
    db.write(async move |tx: &mut Tx<'_>| events::push(tx, &cx, &event).await).await.unwrap();
    sequence(db).await;
    let mut read = db.read().await.unwrap();
    let before = events::list(&mut read, env, 0, 1).await.unwrap().remove(0);
    assert_eq!(before.data, Some(json!({ "name": "Zoë" })));
    assert_eq!((before.event_type.as_str(), before.surface.as_str()), ("user.created", "system"));
    assert_eq!((before.trace_id, before.created_at, before.actor_id.as_ref()), (trace, T0, None));
    assert_eq!(before.data_sha256, crypto::digest::sha256(r#"{"name":"Zoë"}"#.as_bytes()));
    drop(read);

    db.write(async |tx: &mut Tx<'_>| {
        Ok::<_, Error>(diesel::sql_query("DELETE FROM event_payloads").execute(&mut **tx).await?)
    })
    .await
    .unwrap();

    let after = events::list(&mut db.read().await.unwrap(), env, 0, 1).await.unwrap().remove(0);
    assert_eq!(after, events::LoggedEvent { data: None, ..before });
}

mod only_postgres {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    /// A transaction that waits for another must fail its test, not stop it.
    const STUCK: Duration = Duration::from_secs(30);

    /// A sequencer that says when it is done, and commits when it is told to.
    async fn sequencer(db: &Handle, busy: Arc<Semaphore>, go: Arc<Semaphore>) -> Result<usize, Error> {
        db.write(async move |tx: &mut Tx<'_>| {
            let given = sequence_all(tx, 10).await?;
            busy.add_permits(1);
            let _ = go.acquire().await;
            Ok(given)
        })
        .await
    }

    #[tokio::test]
    async fn what_commits_late_gets_a_later_position() {
        let Some(base) = Base::postgres().await else { return };
        let (db, env) = (base.db.handle(), new());
        let (pushed, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (slow, quick) = (Context::system(env, T0), Context::system(env, T0));
        let late = {
            let (pushed, go) = (pushed.clone(), go.clone());
            db.write(async move |tx: &mut Tx<'_>| {
                change(tx, &slow, "user_late").await?;
                pushed.add_permits(1);
                let _ = go.acquire().await;
                Ok::<_, Error>(())
            })
        };
        let meanwhile = async {
            let _ = pushed.acquire().await;
            db.write(async move |tx: &mut Tx<'_>| change(tx, &quick, "user_quick").await).await.unwrap();
            assert_eq!(sequence(&db).await, 1);
            go.add_permits(1);
        };

        let (late, ()) = timeout(STUCK, join(late, meanwhile)).await.unwrap();

        late.unwrap();
        assert_eq!(sequence(&db).await, 1);
        let log = events::list(&mut db.read().await.unwrap(), env, 0, 10).await.unwrap();
        let subjects: Vec<_> = log.iter().map(|event| (event.position, event.subject_id.as_str())).collect();
        assert_eq!(subjects, [(1, "user_quick"), (2, "user_late")]);
        base.end().await;
    }

    #[tokio::test]
    async fn a_second_sequencer_leaves_the_first_alone() {
        let Some(base) = Base::postgres().await else { return };
        let (db, env) = (base.db.handle(), new());
        for _ in 0..2 {
            let cx = Context::system(env, T0);
            db.write(async move |tx: &mut Tx<'_>| change(tx, &cx, "user_1").await).await.unwrap();
        }
        assert_eq!(db.write(async |tx: &mut Tx<'_>| sequence_all(tx, 1).await).await.unwrap(), 1);
        let (busy, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let first = sequencer(&db, busy.clone(), go.clone());
        let second = async {
            let _ = busy.acquire().await;
            let given = sequence(&db).await;
            go.add_permits(1);
            given
        };

        let (first, second) = timeout(STUCK, join(first, second)).await.unwrap();

        assert_eq!((first.unwrap(), second), (1, 0));
        base.end().await;
    }

    #[tokio::test]
    async fn what_is_committed_has_its_place_once_the_other_sequencer_is_done() {
        let Some(base) = Base::postgres().await else { return };
        let (db, env) = (base.db.handle(), new());
        let pushed = async |subject: &'static str| {
            let cx = Context::system(env, T0);
            db.write(async move |tx: &mut Tx<'_>| change(tx, &cx, subject).await).await.unwrap();
        };
        pushed("user_1").await;
        assert_eq!(sequence(&db).await, 1);
        pushed("user_1").await;
        let (busy, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let first = sequencer(&db, busy.clone(), go.clone());
        let second = async {
            let _ = busy.acquire().await;
            pushed("user_2").await;
            let after = db.write(async move |tx: &mut Tx<'_>| {
                let given = events::sequence_after_others(tx, (env, &key()), 10).await?;
                Ok::<_, Error>((given, events::last_position(tx, env).await?))
            });
            let release = async {
                // Long enough for it to be at the row that the other holds.
                tokio::time::sleep(Duration::from_millis(200)).await;
                go.add_permits(1);
            };
            join(after, release).await.0
        };

        let (first, second) = timeout(STUCK, join(first, second)).await.unwrap();

        assert_eq!((first.unwrap(), second.unwrap()), (1, (1, 3)));
        base.end().await;
    }
}
