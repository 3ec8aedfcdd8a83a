//! What is deleted because its time is over.

use crate::{SECOND, T0, new, on_both_engines};
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use domain::event::{Event, EventType};
use domain::time::hours;
use domain::{Context, EnvironmentId, JobId, Timestamp};
use serde_json::json;
use storage::{Error, Handle, Tx, events, jobs, retention};

on_both_engines! {
    old_events_go_from_the_oldest_end_with_their_payloads
    an_event_that_is_kept_keeps_all_that_come_after_it
    jobs_go_that_were_given_up_long_ago
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn payloads(db: &Handle) -> i64 {
    let query = diesel::sql_query("SELECT COUNT(*) AS count FROM event_payloads");
    query.get_result::<Count>(&mut *db.read().await.unwrap()).await.unwrap().count
}

async fn push(db: &Handle, env: EnvironmentId, at: Timestamp) {
    let cx = Context::system(env, at);
    let event = Event::new(EventType::UserCreated, "user", "user_1", json!({ "at": at.millis() }));
    db.write(async move |tx: &mut Tx<'_>| events::push(tx, &cx, &event).await).await.unwrap();
    let key = crypto::MacKey::new(crypto::Secret::new([7; 32]));
    db.write(async move |tx: &mut Tx<'_>| events::sequence(tx, &[(env, key.clone())], 10).await).await.unwrap();
}

async fn forget(db: &Handle, env: EnvironmentId, before: Timestamp, max: i64) -> usize {
    let work = async move |tx: &mut Tx<'_>| match retention::due(tx, env, before, max).await? {
        Some(anchor) => retention::events(tx, env, &anchor, "a tag", before).await,
        None => Ok(0),
    };
    db.write(work).await.unwrap()
}

async fn log(db: &Handle, env: EnvironmentId) -> Vec<events::LoggedEvent> {
    events::list(&mut db.read().await.unwrap(), env, 0, 100).await.unwrap()
}

fn positions(log: &[events::LoggedEvent]) -> Vec<i64> {
    log.iter().map(|event| event.position).collect()
}

async fn old_events_go_from_the_oldest_end_with_their_payloads(db: &Handle) {
    let (env, other) = (new(), new());
    for at in [T0, T0 + SECOND, T0 + 2 * SECOND, T0 + hours(1)] {
        push(db, env, at).await;
    }
    push(db, other, T0).await;
    let before = log(db, env).await;
    assert_eq!(forget(db, env, T0, 10).await, 0, "what happened at that very moment stays");

    let batches = [
        forget(db, env, T0 + 3 * SECOND, 2).await,
        forget(db, env, T0 + 3 * SECOND, 2).await,
        forget(db, env, T0 + 3 * SECOND, 2).await,
    ];

    assert_eq!(batches, [2, 1, 0]);
    assert_eq!(log(db, env).await, before[3..], "what remains is as it was");
    assert_eq!(before[3].data_sha256, crypto::digest::sha256(before[3].data.clone().unwrap().to_string().as_bytes()));
    assert_eq!(payloads(db).await, 2, "one is the other environment's");
    assert_eq!(positions(&log(db, other).await), [1]);

    assert_eq!(forget(db, env, T0 + hours(2), 10).await, 1);
    push(db, env, T0 + hours(3)).await;
    assert_eq!(positions(&log(db, env).await), [5], "a position is given out once");
}

async fn an_event_that_is_kept_keeps_all_that_come_after_it(db: &Handle) {
    let env = new();
    // The second was begun early and committed late.
    for at in [T0, T0 + hours(1), T0, T0 + hours(2)] {
        push(db, env, at).await;
    }

    assert_eq!(forget(db, env, T0 + SECOND, 10).await, 1);
    assert_eq!(positions(&log(db, env).await), [2, 3, 4]);
    assert_eq!(forget(db, env, T0 + hours(1) + SECOND, 10).await, 2);
    assert_eq!(positions(&log(db, env).await), [4]);
}

async fn jobs_go_that_were_given_up_long_ago(db: &Handle) {
    let env: EnvironmentId = new();
    let dead_at = [T0, T0 + SECOND, T0 + hours(1)];
    for at in dead_at {
        let id: JobId = new();
        let buried = db.write(async move |tx: &mut Tx<'_>| {
            jobs::enqueue(tx, env, id, "mail", "{}".to_owned(), at).await?;
            jobs::lease(tx, "w", at, 60 * SECOND, 9).await?;
            jobs::bury(tx, env, id, "w", at, "no such host").await
        });
        assert!(buried.await.unwrap());
    }
    let waiting: JobId = new();
    let made = db.write(async move |tx: &mut Tx<'_>| {
        jobs::enqueue(tx, env, waiting, "mail", "{}".to_owned(), T0).await?;
        Ok::<_, Error>(())
    });
    made.await.unwrap();

    let sweep = async |max| {
        db.write(async move |tx: &mut Tx<'_>| retention::buried_jobs(tx, T0 + 2 * SECOND, max).await).await.unwrap()
    };

    assert_eq!([sweep(1).await, sweep(9).await, sweep(9).await], [1, 1, 0]);
    assert_eq!(jobs::depth(&mut db.read().await.unwrap(), T0).await.unwrap(), (1, 1), "one that waits, one given up");
}
