//! The threads that run SQLite's scans, so that a slow query never holds up a worker.
use super::limit;
use super::open::{Role, connect};
use crate::conn::Conn;
use crate::error::Error;
use futures_util::FutureExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// How many scans may wait; more are turned away at once.
const WAITING: usize = 256;

type Job = Box<dyn FnOnce(&mut Option<Conn>, &str) + Send>;

/// The way to the scan threads of one database.
pub(crate) struct Scans(SyncSender<Job>);

impl Scans {
    pub(crate) fn start(path: &str, threads: u32) -> Result<Self, Error> {
        let (sender, receiver) = sync_channel(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..threads.max(1) {
            let (receiver, path) = (Arc::clone(&receiver), path.to_owned());
            std::thread::Builder::new()
                .name("sqlite-scan".to_owned())
                .spawn(move || serve(&receiver, &path))
                .map_err(Error::unavailable)?;
        }
        Ok(Self(sender))
    }

    pub(crate) async fn run<T, E, F>(&self, deadline: Instant, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let given_up = GivenUp(Arc::default());
        let stop = Arc::clone(&given_up.0);
        let job: Job = Box::new(move |conn, path| {
            if !reply.is_closed() {
                // Nobody may be left to hear it.
                let _ = reply.send(scan(conn, path, deadline, stop, &work));
            }
        });
        self.0.try_send(job).map_err(|_| Error::unavailable("too many scans wait"))?;
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::Closed.into()),
            Err(_) => Err(Error::Deadline.into()),
        }
    }
}

/// Tells the scan thread that its caller is gone.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn serve(queue: &Mutex<Receiver<Job>>, path: &str) {
    limit::enter_scan_thread();
    let mut conn = None;
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(&mut conn, path),
            Err(_) => return,
        }
    }
}

fn scan<T, E, F>(
    slot: &mut Option<Conn>,
    path: &str,
    deadline: Instant,
    given_up: Arc<AtomicBool>,
    work: &F,
) -> Result<T, E>
where
    F: AsyncFn(&mut Conn) -> Result<T, E>,
    E: From<Error>,
{
    if Instant::now() >= deadline {
        return Err(Error::Deadline.into());
    }
    let mut conn = match slot.take() {
        Some(conn) => conn,
        None => connect(path, Role::Reader)?,
    };
    // One transaction, so that a page and its count are of the same moment.
    let answer = limit::with(deadline, given_up, || {
        catch_unwind(AssertUnwindSafe(|| {
            async {
                conn.begin("BEGIN").await.map_err(Error::from)?;
                work(&mut conn).await
            }
            .now_or_never()
        }))
    });
    let healthy = catch_unwind(AssertUnwindSafe(|| conn.unwind_to(0).now_or_never()));
    if matches!(healthy, Ok(Some(Ok(())))) {
        *slot = Some(conn);
    }
    match answer {
        Ok(Some(Err(_))) if Instant::now() >= deadline => Err(Error::Deadline.into()),
        Ok(Some(result)) => result,
        Ok(None) => Err(Error::Stranger.into()),
        Err(_) => Err(Error::Panicked.into()),
    }
}
