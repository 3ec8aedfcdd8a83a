use std::cell::Cell;
use std::sync::mpsc;

use super::*;

pub(in crate::password) const CHEAP: Params = Params { memory_kib: 64, iterations: 1, parallelism: 1 };

pub(in crate::password) fn pool(threads: usize, waiting_per_thread: usize) -> HashPool {
    let options = PoolOptions { params: CHEAP, threads, waiting_per_thread };
    HashPool::new(options).expect("cheap threads start")
}

pub(in crate::password) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// Occupies the only thread of a pool until told to go on; its answer must be kept, for a caller
/// who left has the job skipped.
fn occupy(pool: &HashPool) -> (mpsc::Sender<()>, oneshot::Receiver<()>) {
    let (started, has_started) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let answer = pool.submit(move |_, _| {
        started.send(()).expect("the test listens");
        may_go_on.recv().ok();
    });
    let answer = answer.expect("room for one");
    has_started.recv().expect("the thread takes the job");
    (go_on, answer)
}

#[tokio::test]
async fn a_hashed_password_verifies_and_costs_one_hash_each_time() {
    let pool = pool(2, 4);

    let stored = pool.hash(secret("correct horse")).await.expect("hashed");

    assert_eq!(pool.hashes_done(), 1);
    assert_eq!(pool.verify(stored.clone(), secret("correct horse")).await, Ok(true));
    assert_eq!(pool.hashes_done(), 2);
    assert_eq!(pool.verify(stored.clone(), secret("wrong")).await, Ok(false));
    assert_eq!(pool.hashes_done(), 3);
    assert_eq!(pool.verify_dummy(secret("correct horse")).await, Ok(false));
    assert_eq!(pool.hashes_done(), 4);
    assert_ne!(pool.hash(secret("correct horse")).await.expect("hashed"), stored);
}

#[tokio::test]
async fn an_unreadable_hash_is_a_fault_and_an_endless_password_is_wrong() {
    let pool = pool(1, 4);
    let stored = pool.hash(secret("correct horse")).await.expect("hashed");

    let unreadable = pool.verify("rubbish".into(), secret("correct horse")).await;
    let endless = pool.verify(stored, secret(&"x".repeat(1_000_000))).await;

    assert_eq!(unreadable, Err(PoolError::Stored(InvalidHash)));
    assert_eq!(endless, Ok(false));
    assert_eq!(pool.hashes_done(), 3);
}

#[tokio::test]
async fn a_full_queue_sends_callers_away_with_a_time_to_come_back() {
    let pool = pool(1, 2);
    let (go_on, _kept) = occupy(&pool);
    let first = pool.submit(|_, _| 1).expect("room");
    let second = pool.submit(|_, _| 2).expect("room");

    let refused = pool.hash(secret("password")).await;

    let Err(PoolError::Busy { retry_after }) = refused else {
        panic!("a full queue refuses");
    };
    assert!((1..=30).contains(&retry_after.as_secs()));
    go_on.send(()).expect("the thread waits");
    assert_eq!((first.await, second.await), (Ok(1), Ok(2)));
    assert!(pool.hash(secret("password")).await.is_ok());
}

#[tokio::test]
async fn callers_who_left_are_skipped_and_take_no_room() {
    let pool = pool(1, 2);
    let (go_on, _kept) = occupy(&pool);
    let (ran, has_run) = mpsc::channel();
    for _ in 0..2 {
        let ran = ran.clone();
        drop(pool.submit(move |_, _| ran.send(()).ok()).expect("room"));
    }
    drop(ran);

    let patient = pool.submit(|_, _| 3).expect("the room of those who left");
    go_on.send(()).expect("the thread waits");

    assert_eq!(patient.await, Ok(3));
    assert!(has_run.try_recv().is_err());
    // The one that occupied the thread and the patient one.
    assert_eq!(pool.hashes_done(), 2);
}

#[tokio::test]
async fn a_panicking_job_fails_alone() {
    let pool = pool(1, 4);

    let failed = pool.submit(|_, _| -> () { panic!("a bug in a hash") });

    assert!(failed.expect("room").await.is_err());
    let stored = pool.hash(secret("password")).await.expect("the thread lives");
    assert_eq!(pool.verify(stored, secret("password")).await, Ok(true));
}

#[tokio::test]
async fn the_threads_end_with_the_last_clone() {
    thread_local! {
        static HELD: Cell<Option<mpsc::Sender<()>>> = const { Cell::new(None) };
    }
    let pool = pool(1, 4);
    let clone = pool.clone();
    drop(pool);
    let (held, is_held) = mpsc::channel::<()>();
    let waiting = clone.submit(move |_, _| HELD.set(Some(held)));

    drop(clone);

    // What was queued is still answered; then the thread ends and drops what it held.
    assert_eq!(waiting.expect("room").await, Ok(()));
    let ended = is_held.recv_timeout(Duration::from_secs(60));
    assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_each_get_their_own_answer() {
    let pool = pool(3, 64);
    let callers: Vec<_> = (0..60)
        .map(|number| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let stored = pool.hash(secret(&format!("password {number}"))).await?;
                let right = pool.verify(stored.clone(), secret(&format!("password {number}")));
                let wrong = pool.verify(stored, secret(&format!("password {}", number + 1)));
                Ok::<_, PoolError>((right.await?, wrong.await?))
            })
        })
        .collect();

    for caller in callers {
        assert_eq!(caller.await.expect("no panic"), Ok((true, false)));
    }
    assert_eq!(pool.hashes_done(), 180);
}
