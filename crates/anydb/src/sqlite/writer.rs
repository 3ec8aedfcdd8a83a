//! The one thread that writes to a SQLite file.
//!
//! A transaction is one message: its closure travels here whole and is driven without a hop per
//! statement. The thread takes what waits, each in a savepoint of its own, and commits them
//! together: one fsync for all, and no answer before it. Measured with `synchronous = FULL` on a
//! virtual disk (debug build, one small insert each): 700 us a transaction when they come one by
//! one, 44 to 97 us when 64 wait.
use super::open::{Role, connect};
use crate::conn::{Conn, Transactions};
use crate::error::Error;
use crate::options::Synchronous;
use crate::tx::Tx;
use diesel::result::QueryResult;
use diesel_async::{SimpleAsyncConnection, TransactionManager};
use futures_util::FutureExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// How many transactions may wait; more are turned away at once.
const WAITING: usize = 4096;
/// How many transactions share a commit at most, so that the first of them waits milliseconds.
const GROUP: usize = 64;
/// The writer checkpoints after this long without work.
const IDLE: Duration = Duration::from_millis(500);
/// ... or, when it never rests, once the log has grown this big.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;
/// Commits between two looks at the size of the log.
const LOG_LOOK: u32 = 64;

enum Message {
    Work(Box<dyn Job>),
    Stop(oneshot::Sender<()>),
}

/// A transaction that waits for its turn.
trait Job: Send {
    fn is_abandoned(&self) -> bool;
    /// Runs the closure; true when its changes are to be kept.
    fn run(&mut self, conn: &mut Conn) -> bool;
    /// Tells the caller how it went; `lost` is why changes meant to be kept were not.
    fn answer(self: Box<Self>, lost: Option<&Error>);
}

struct Work<T, E, F> {
    work: F,
    reply: oneshot::Sender<Result<T, E>>,
    result: Option<Result<T, E>>,
}

impl<T, E, F> Job for Work<T, E, F>
where
    F: AsyncFn(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, conn: &mut Conn) -> bool {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut tx = Tx::new(conn);
            (self.work)(&mut tx).now_or_never()
        }));
        let result = match outcome {
            Ok(Some(result)) => result,
            Ok(None) => Err(Error::Stranger.into()),
            Err(_) => Err(Error::Panicked.into()),
        };
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, lost: Option<&Error>) {
        let result = match (self.result, lost) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(lost)) => Err(lost.clone().into()),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(Error::Closed.into()),
        };
        // The caller may be gone; the transaction stands all the same.
        let _ = self.reply.send(result);
    }
}

/// The way to the writer thread of one database.
pub(crate) struct Writer(SyncSender<Message>);

impl Writer {
    pub(crate) fn start(path: &str, synchronous: Synchronous) -> Result<Self, Error> {
        let conn = connect(path, Role::Writer(synchronous))?;
        let (sender, queue) = sync_channel(WAITING);
        let thread = Thread { conn, path: path.to_owned(), synchronous, commits: 0, unsaved: false };
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || thread.serve(&queue))
            .map_err(Error::unavailable)?;
        Ok(Self(sender))
    }

    pub(crate) async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Work { work, reply, result: None });
        match self.0.try_send(Message::Work(job)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(Error::unavailable("too many transactions wait").into());
            }
            Err(TrySendError::Disconnected(_)) => return Err(Error::Closed.into()),
        }
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(Error::Closed.into()),
        }
    }

    /// Ends the thread once everything that waits is done.
    pub(crate) async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        let mut message = Message::Stop(done);
        // The queue may be full for a moment; a closed one has already stopped.
        loop {
            match self.0.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) => message = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            tokio::task::yield_now().await;
        }
        let _ = ended.await;
    }
}

/// What became of one transaction.
enum Ran {
    /// It waits for the commit.
    Kept(Box<dyn Job>),
    /// It is answered and left no trace.
    Undone,
    /// It is answered, and those before it in the group are undone with it.
    AllLost,
}

struct Thread {
    conn: Conn,
    path: String,
    synchronous: Synchronous,
    commits: u32,
    unsaved: bool,
}

impl Thread {
    fn serve(mut self, queue: &Receiver<Message>) {
        let stopped = loop {
            let message = match self.unsaved {
                true => queue.recv_timeout(IDLE),
                false => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::Work(job)) => {
                    if let Some(stop) = self.group(job, queue) {
                        break Some(stop);
                    }
                }
                Ok(Message::Stop(stop)) => break Some(stop),
                Err(RecvTimeoutError::Timeout) => self.checkpoint("PASSIVE"),
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        self.checkpoint("TRUNCATE");
        drop(self);
        if let Some(stopped) = stopped {
            // Nobody may wait for it any more.
            let _ = stopped.send(());
        }
    }

    /// Runs a transaction and those that wait behind it, and commits them together.
    fn group(&mut self, first: Box<dyn Job>, queue: &Receiver<Message>) -> Option<oneshot::Sender<()>> {
        let mut next = Some(first);
        let mut kept: Vec<Box<dyn Job>> = Vec::new();
        let mut stop = None;
        let mut intact = true;
        while let Some(job) = next.take() {
            if !job.is_abandoned() {
                match self.one(job, !kept.is_empty()) {
                    Ran::Kept(job) => kept.push(job),
                    Ran::Undone => {}
                    Ran::AllLost => {
                        intact = false;
                        break;
                    }
                }
            }
            if kept.len() >= GROUP {
                break;
            }
            match queue.try_recv() {
                Ok(Message::Work(job)) => next = Some(job),
                Ok(Message::Stop(asked)) => stop = Some(asked),
                Err(_) => {}
            }
        }
        if kept.len() == 1 && intact {
            kept.into_iter().for_each(|job| self.commit(job));
        } else if !kept.is_empty() {
            self.commit_together(kept, intact);
        }
        stop
    }

    fn commit(&mut self, job: Box<dyn Job>) {
        let lost = at_once(self.conn.commit_whole()).err();
        match lost {
            Some(_) => self.restore(),
            None => self.committed(),
        }
        job.answer(lost.as_ref());
    }

    /// One that makes the common commit fail must not take its neighbours along: then each runs
    /// again alone.
    fn commit_together(&mut self, jobs: Vec<Box<dyn Job>>, intact: bool) {
        if intact && at_once(self.conn.commit_whole()).is_ok() {
            self.committed();
            for job in jobs {
                job.answer(None);
            }
            return;
        }
        self.restore();
        for job in jobs {
            if let Ran::Kept(job) = self.one(job, false) {
                self.commit(job);
            }
        }
    }

    fn committed(&mut self) {
        self.unsaved = true;
        self.commits = self.commits.wrapping_add(1);
        if self.commits.is_multiple_of(LOG_LOOK) && self.log_size() > LOG_LIMIT {
            self.checkpoint("PASSIVE");
        }
    }

    /// Runs one transaction up to its commit; in a group, inside a savepoint.
    fn one(&mut self, mut job: Box<dyn Job>, grouped: bool) -> Ran {
        let begun = match grouped {
            // The first needs no savepoint: there is nothing before it to protect.
            false => at_once(self.conn.begin("BEGIN IMMEDIATE")),
            true => at_once(Transactions::begin_transaction(&mut self.conn)),
        };
        if let Err(error) = begun {
            return self.failed(job, &error, grouped);
        }
        let open = 1 + u32::from(grouped);
        let answered = job.run(&mut self.conn);
        // A closure that left a transaction of its own open, or ended ours, gets nothing kept.
        let keep = answered && self.depth() == Some(open);
        let ended = match (keep, grouped) {
            (true, false) => Ok(()),
            (true, true) => at_once(Transactions::commit_transaction(&mut self.conn)),
            (false, _) => self.unwind_to(open - 1),
        };
        match ended {
            Ok(()) if keep => Ran::Kept(job),
            Ok(()) => {
                job.answer(Some(&Error::Stranger));
                Ran::Undone
            }
            // SQLite undoes the whole transaction by itself on some failures, a full disk for one.
            Err(error) => self.failed(job, &error, grouped),
        }
    }

    fn failed(&mut self, job: Box<dyn Job>, error: &Error, grouped: bool) -> Ran {
        job.answer(Some(error));
        if grouped {
            return Ran::AllLost;
        }
        self.restore();
        Ran::Undone
    }

    // diesel's wrapper panics when a panic has poisoned its lock; then the connection is replaced.
    fn depth(&mut self) -> Option<u32> {
        catch_unwind(AssertUnwindSafe(|| self.conn.depth().ok())).ok()?
    }

    fn unwind_to(&mut self, depth: u32) -> Result<(), Error> {
        catch_unwind(AssertUnwindSafe(|| at_once(self.conn.unwind_to(depth)))).unwrap_or(Err(Error::Panicked))
    }

    /// Makes sure that no transaction is open, with a new connection if need be.
    fn restore(&mut self) {
        if self.unwind_to(0).is_ok() {
            return;
        }
        match connect(&self.path, Role::Writer(self.synchronous)) {
            Ok(conn) => self.conn = conn,
            // The old one stays: its next BEGIN fails, its caller hears why, and this runs again.
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the SQLite writer cannot reopen its file")
            }
        }
    }

    fn checkpoint(&mut self, mode: &str) {
        self.unsaved = false;
        let done = at_once(self.conn.batch_execute(&format!("PRAGMA wal_checkpoint({mode})")));
        if let Err(error) = done {
            tracing::warn!(error = &error as &dyn std::error::Error, "the SQLite log could not be written back");
        }
    }

    fn log_size(&self) -> u64 {
        std::fs::metadata(format!("{}-wal", self.path)).map_or(0, |log| log.len())
    }
}

/// The answer of a connection that never makes anybody wait.
fn at_once<T>(work: impl Future<Output = QueryResult<T>>) -> Result<T, Error> {
    match work.now_or_never() {
        Some(result) => Ok(result?),
        None => Err(Error::Stranger),
    }
}
