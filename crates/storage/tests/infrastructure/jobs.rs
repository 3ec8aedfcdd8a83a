//! The job queue.

use crate::{SECOND, T0, new, on_both_engines};
use domain::time::{hours, minutes};
use domain::{EnvironmentId, JobId, Timestamp};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use storage::{Error, Handle, Tx, jobs};

on_both_engines! {
    a_job_is_leased_by_one_of_many_workers
    a_dead_workers_job_is_taken_over_and_lost_to_it
    a_failed_job_waits_and_a_hopeless_one_is_buried
    a_job_that_kills_its_workers_is_buried
    an_undone_change_queues_nothing
    a_job_is_settled_in_its_own_environment_only
}

async fn enqueue(db: &Handle, env: EnvironmentId, run_at: Timestamp) -> JobId {
    let id = new();
    db.write(async move |tx: &mut Tx<'_>| jobs::enqueue(tx, env, id, "mail", "{}".to_owned(), run_at).await)
        .await
        .unwrap();
    id
}

async fn lease(db: &Handle, owner: &'static str, now: Timestamp, max: usize) -> Vec<jobs::LeasedJob> {
    db.write(async move |tx: &mut Tx<'_>| jobs::lease(tx, owner, now, 60 * SECOND, max).await).await.unwrap()
}

async fn complete(db: &Handle, env: EnvironmentId, id: JobId, owner: &'static str) -> bool {
    db.write(async move |tx: &mut Tx<'_>| jobs::complete(tx, env, id, owner).await).await.unwrap()
}

async fn a_job_is_leased_by_one_of_many_workers(db: &Handle) {
    let mut made = BTreeSet::new();
    for _ in 0..40 {
        made.insert(enqueue(db, new(), T0).await);
    }

    let leased = join_all((0..50).map(|_| lease(db, "any", T0, 3))).await.concat();

    assert_eq!(leased.len(), 40, "no job has two holders");
    assert_eq!(leased.iter().map(|job| job.id).collect::<BTreeSet<_>>(), made);
    assert!(leased.iter().all(|job| job.attempts == 1 && job.leased_until == T0 + 60 * SECOND));
}

async fn a_dead_workers_job_is_taken_over_and_lost_to_it(db: &Handle) {
    let env = new();
    let id = enqueue(db, env, T0).await;
    assert_eq!(lease(db, "first", T0, 9).await.len(), 1);
    assert_eq!(lease(db, "second", T0 + 59 * SECOND, 9).await, []);

    let taken = lease(db, "second", T0 + 60 * SECOND, 9).await;

    assert_eq!((taken.len(), taken[0].attempts), (1, 2));
    let late = db.write(async move |tx: &mut Tx<'_>| {
        let retried = jobs::retry(tx, env, id, "first", T0, "late").await?;
        let buried = jobs::bury(tx, env, id, "first", T0, "late").await?;
        Ok::<_, Error>([jobs::complete(tx, env, id, "first").await?, retried, buried])
    });
    assert_eq!(late.await.unwrap(), [false; 3]);
    assert!(complete(db, env, id, "second").await);
    assert!(!complete(db, env, id, "second").await, "a job is done once");
    assert_eq!(jobs::next_due(&mut db.read().await.unwrap(), T0).await.unwrap(), None);
}

async fn a_failed_job_waits_and_a_hopeless_one_is_buried(db: &Handle) {
    let env = new();
    let id = enqueue(db, env, T0 + SECOND).await;
    assert_eq!(jobs::next_due(&mut db.read().await.unwrap(), T0).await.unwrap(), Some(T0 + SECOND));
    assert_eq!(lease(db, "w", T0, 9).await, [], "it is not due yet");
    assert_eq!(lease(db, "w", T0 + SECOND, 9).await.len(), 1);
    let later = T0 + hours(1);
    let retried = db.write(async move |tx: &mut Tx<'_>| jobs::retry(tx, env, id, "w", later, "no route").await);
    assert!(retried.await.unwrap());
    assert_eq!(lease(db, "w", T0 + minutes(59), 9).await, []);
    {
        let mut read = db.read().await.unwrap();
        assert_eq!(jobs::next_due(&mut read, T0).await.unwrap(), Some(later));
        assert_eq!(jobs::next_due(&mut read, later + SECOND).await.unwrap(), Some(later + SECOND));
        assert_eq!(jobs::depth(&mut read, T0).await.unwrap(), (0, 0));
        assert_eq!(jobs::depth(&mut read, later).await.unwrap(), (1, 0));
    }
    assert_eq!(lease(db, "x", later, 9).await[0].attempts, 2);

    let buried = db.write(async move |tx: &mut Tx<'_>| jobs::bury(tx, env, id, "x", later, "no such host").await);

    assert!(buried.await.unwrap());
    assert_eq!(lease(db, "w", later + hours(99), 9).await, []);
    let mut read = db.read().await.unwrap();
    assert_eq!(jobs::depth(&mut read, later).await.unwrap(), (0, 1));
    assert_eq!(jobs::next_due(&mut read, later).await.unwrap(), None);
}

async fn a_job_that_kills_its_workers_is_buried(db: &Handle) {
    enqueue(db, new(), T0).await;
    let mut now = T0;
    for _ in 0..jobs::MAX_ATTEMPTS {
        assert_eq!(lease(db, "doomed", now, 9).await.len(), 1);
        now = now + minutes(1);
    }

    assert_eq!(lease(db, "next", now, 9).await, []);
    assert_eq!(jobs::depth(&mut db.read().await.unwrap(), now).await.unwrap(), (0, 1));
}

async fn an_undone_change_queues_nothing(db: &Handle) {
    let undone = db.write(async |tx: &mut Tx<'_>| {
        jobs::enqueue(tx, new(), new(), "mail", "{}".to_owned(), T0).await?;
        Err::<(), _>(Error::Closed)
    });
    assert!(undone.await.is_err());
    assert_eq!(lease(db, "w", T0, 9).await, []);
}

async fn a_job_is_settled_in_its_own_environment_only(db: &Handle) {
    let env = new();
    let id = enqueue(db, env, T0).await;
    lease(db, "w", T0, 9).await;
    assert!(!complete(db, new(), id, "w").await);
    assert!(complete(db, env, id, "w").await);
}
