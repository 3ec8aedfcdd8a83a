//! Counts and leases.

use crate::{SECOND, T0, new, on_both_engines};
use domain::{EnvironmentId, Timestamp};
use futures_util::future::{join, join_all};
use storage::{Error, Handle, Tx, counts, leases};

on_both_engines! {
    a_count_is_exact_while_it_is_folded
    an_undone_change_counts_nothing
    one_of_many_gets_the_lease
}

async fn a_count_is_exact_while_it_is_folded(db: &Handle) {
    let envs: [EnvironmentId; 2] = [new(), new()];
    let [env, other] = envs;
    for _ in 0..40 {
        db.write(async move |tx: &mut Tx<'_>| counts::add(tx, env, "users", 1).await).await.unwrap();
    }
    let fold = async || db.write(async |tx: &mut Tx<'_>| counts::fold(tx, 7).await).await.unwrap();
    let folds = join_all((0..5).map(|_| async { while fold().await > 0 {} }));
    let reads = join_all((0..4).map(|_| async {
        for _ in 0..10 {
            let total = counts::total(&mut db.read().await.unwrap(), env, "users").await.unwrap();
            assert_eq!(total, 40, "a fold changes no count");
        }
    }));
    join(folds, reads).await;

    let writers = join_all((0..50).map(|n| async move {
        let delta = if n % 5 == 0 { -1 } else { 1 };
        db.write(async move |tx: &mut Tx<'_>| {
            counts::add(tx, env, "users", delta).await?;
            counts::add(tx, other, "users", 2).await
        })
        .await
        .unwrap();
    }));
    join(writers, join_all((0..10).map(|_| fold()))).await;

    for folded in [false, true] {
        let mut read = db.read().await.unwrap();
        assert_eq!(counts::total(&mut read, env, "users").await.unwrap(), 40 + 40 - 10, "folded: {folded}");
        assert_eq!(counts::total(&mut read, other, "users").await.unwrap(), 100, "folded: {folded}");
        assert_eq!(counts::total(&mut read, env, "sessions").await.unwrap(), 0);
        drop(read);
        while fold().await > 0 {}
    }
}

async fn an_undone_change_counts_nothing(db: &Handle) {
    let env = new();
    let undone = db.write(async move |tx: &mut Tx<'_>| {
        counts::add(tx, env, "users", 1).await?;
        Err::<(), _>(Error::Closed)
    });
    assert!(undone.await.is_err());
    assert_eq!(counts::total(&mut db.read().await.unwrap(), env, "users").await.unwrap(), 0);
}

async fn one_of_many_gets_the_lease(db: &Handle) {
    let acquire = async |owner: String, now: Timestamp| {
        db.write(async move |tx: &mut Tx<'_>| leases::acquire(tx, "reaper", &owner, now, 30 * SECOND).await)
            .await
            .unwrap()
    };
    let got = join_all((0..50).map(|n| acquire(format!("w{n}"), T0))).await;
    assert_eq!(got.iter().filter(|got| **got).count(), 1);
    let holder = format!("w{}", got.iter().position(|got| *got).unwrap());

    assert!(acquire(holder.clone(), T0 + 20 * SECOND).await, "its holder may prolong it");
    assert!(!acquire("new".to_owned(), T0 + 49 * SECOND).await);
    assert!(acquire("new".to_owned(), T0 + 50 * SECOND).await, "it has run out");
    let release = async |owner: String| {
        db.write(async move |tx: &mut Tx<'_>| leases::release(tx, "reaper", &owner).await).await.unwrap()
    };
    assert!(!release(holder.clone()).await);
    assert!(release("new".to_owned()).await);
    assert!(acquire(holder, T0 + 50 * SECOND).await);
}
