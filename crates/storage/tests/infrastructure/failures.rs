//! Counters that guard secrets.

use crate::{T0, new, on_both_engines};
use domain::time::{hours, minutes};
use domain::{EnvironmentId, Timestamp};
use futures_util::future::join_all;
use storage::failures::{Limit, Reserved};
use storage::{Handle, Tx, failures};

on_both_engines! {
    guesses_made_side_by_side_never_pass_the_limit
    a_lock_ends_by_itself_and_is_not_prolonged
    old_failures_are_forgotten_with_their_window
    an_unlock_clears_all_purposes_of_one_identity
}

const LIMIT: Limit = Limit { max: 5, window_seconds: 600, lock_seconds: 3600 };

async fn guess(db: &Handle, env: EnvironmentId, purpose: &'static str, now: Timestamp) -> Reserved {
    db.write(async move |tx: &mut Tx<'_>| failures::reserve(tx, env, "a@b.example", purpose, LIMIT, now).await)
        .await
        .unwrap()
}

async fn guesses_made_side_by_side_never_pass_the_limit(db: &Handle) {
    let env = new();
    let guesses = join_all((0..50).map(|_| guess(db, env, "password", T0))).await;

    let mut open: Vec<_> = guesses.iter().filter(|guess| matches!(guess, Reserved::Open { .. })).collect();
    open.sort_by_key(|guess| format!("{guess:?}"));
    assert_eq!(open, [1, 2, 3, 4, 5].map(|failures| Reserved::Open { failures }).iter().collect::<Vec<_>>());
    let locked = Reserved::Locked { until: T0 + hours(1) };
    assert_eq!(guesses.iter().filter(|guess| **guess == locked).count(), 45);
    assert_eq!(guess(db, new(), "password", T0).await, Reserved::Open { failures: 1 }, "another environment");
    assert_eq!(guess(db, env, "totp", T0).await, Reserved::Open { failures: 1 }, "another purpose");
}

async fn a_lock_ends_by_itself_and_is_not_prolonged(db: &Handle) {
    let env = new();
    for _ in 0..5 {
        guess(db, env, "password", T0).await;
    }
    let end = T0 + hours(1);
    for minute in 1..60 {
        assert_eq!(guess(db, env, "password", T0 + minutes(minute)).await, Reserved::Locked { until: end });
    }
    assert_eq!(guess(db, env, "password", end).await, Reserved::Open { failures: 1 }, "with all its attempts");
    let state = failures::state(&mut db.read().await.unwrap(), env, "a@b.example", "password").await.unwrap().unwrap();
    assert_eq!((state.failures, state.locked_until, state.window_started_at), (1, None, end));
}

async fn old_failures_are_forgotten_with_their_window(db: &Handle) {
    let env = new();
    for (now, failures) in [(T0, 1), (T0 + minutes(9), 2), (T0 + minutes(10), 1), (T0 + minutes(19), 2)] {
        assert_eq!(guess(db, env, "password", now).await, Reserved::Open { failures });
    }
    for (now, swept) in [(T0 + minutes(19), 0), (T0 + minutes(20), 1)] {
        let sweep = db.write(async move |tx: &mut Tx<'_>| failures::sweep(tx, now, 10).await);
        assert_eq!(sweep.await.unwrap(), swept);
    }
    for _ in 0..4 {
        guess(db, env, "password", T0 + hours(1)).await;
    }
    db.write(async move |tx: &mut Tx<'_>| failures::succeed(tx, env, "a@b.example", "password").await).await.unwrap();
    let after = guess(db, env, "password", T0 + hours(1)).await;
    assert_eq!(after, Reserved::Open { failures: 1 }, "a right attempt starts anew");
}

async fn an_unlock_clears_all_purposes_of_one_identity(db: &Handle) {
    let envs: [EnvironmentId; 2] = [new(), new()];
    for env in envs {
        for purpose in ["password", "totp"] {
            for _ in 0..5 {
                guess(db, env, purpose, T0).await;
            }
        }
    }
    let env = envs[0];
    let unlock = async |identity: &'static str| {
        db.write(async move |tx: &mut Tx<'_>| failures::unlock(tx, env, identity).await).await.unwrap()
    };
    assert!(!unlock("c@d.example").await);
    assert!(unlock("a@b.example").await);

    for purpose in ["password", "totp"] {
        assert_eq!(guess(db, envs[0], purpose, T0).await, Reserved::Open { failures: 1 });
        assert_eq!(guess(db, envs[1], purpose, T0).await, Reserved::Locked { until: T0 + hours(1) });
    }
    let state = failures::state(&mut db.read().await.unwrap(), envs[1], "a@b.example", "totp").await.unwrap().unwrap();
    assert_eq!((state.locked_at(T0), state.locked_at(T0 + hours(1))), (Some(T0 + hours(1)), None));
}
