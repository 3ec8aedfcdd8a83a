//! One worker's way to the database.
use crate::backend::EngineKind;
use crate::conn::{Conn, Transactions};
use crate::database::{Engine, Shared};
use crate::error::{Error, Retry};
use crate::postgres::{Lease, Pool, Server};
use crate::sqlite::{ReadGuard, Readers};
use crate::tx::Tx;
use diesel_async::{RunQueryDsl, TransactionManager};
use futures_util::FutureExt;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How often a transaction runs that keeps colliding with others.
const ATTEMPTS: u32 = 4;
/// PostgreSQL breaks a scan off by itself; this much later its connection is given up.
const GRACE: Duration = Duration::from_millis(250);

/// The connections of one worker thread; clones share them.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    local: Local,
}

#[derive(Clone)]
enum Local {
    // The error is kept: making a handle cannot fail, using it can.
    Postgres(Result<Pool, Error>),
    Sqlite(Arc<Readers>),
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let options = &shared.options;
        let timeout = options.acquire_timeout;
        let local = match &shared.engine {
            Engine::Postgres { server, .. } => {
                Local::Postgres(Pool::new(Server::clone(server), options.pool_size(), timeout))
            }
            Engine::Sqlite { path, .. } => Local::Sqlite(Readers::new(path.clone(), options.readers, timeout)),
        };
        Self { shared, local }
    }

    /// Which engine it leads to.
    pub fn engine(&self) -> EngineKind {
        match self.local {
            Local::Postgres(_) => EngineKind::Postgres,
            Local::Sqlite(_) => EngineKind::Sqlite,
        }
    }

    /// Lends a connection for points and pages found by an index.
    ///
    /// On SQLite it answers on the calling thread and refuses to write.
    pub async fn read(&self) -> Result<Reader, Error> {
        Ok(Reader(match &self.local {
            // Boxed: the pool's state would else be part of every operation's that reads.
            Local::Postgres(pool) => Loan::Postgres(Box::pin(pool.as_ref().map_err(Clone::clone)?.lease()).await?),
            Local::Sqlite(readers) => Loan::Sqlite(readers.get().await?),
        }))
    }

    /// Answers once the database does.
    pub async fn ping(&self) -> Result<(), Error> {
        let mut reader = self.read().await?;
        let one = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("1"));
        one.get_result::<i32>(&mut *reader).await?;
        Ok(())
    }

    /// Runs `work` in a write transaction: all of it is kept when it answers `Ok`, else nothing.
    ///
    /// The closure may await its connection and nothing else. It may run several times when it
    /// collides with other transactions on PostgreSQL. Dropping the future leaves no transaction
    /// open; on SQLite one that has started still runs to its end.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Retry + Send + 'static,
    {
        match (&self.local, &self.shared.engine) {
            (_, Engine::Sqlite { writer, .. }) => writer.run(work).await,
            (Local::Postgres(pool), _) => write(pool.as_ref().map_err(Clone::clone)?, &work).await,
            (Local::Sqlite(_), Engine::Postgres { .. }) => Err(Error::Closed.into()),
        }
    }

    /// Runs a query that may read much, away from the workers and of one moment, until `deadline`.
    pub async fn scan<T, E, F>(&self, deadline: Duration, work: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let until = Instant::now() + deadline;
        match (&self.local, &self.shared.engine) {
            (_, Engine::Sqlite { scans, .. }) => scans.run(until, work).await,
            (Local::Postgres(pool), Engine::Postgres { scans, .. }) => {
                let pool = pool.as_ref().map_err(Clone::clone)?;
                let scan = scan(pool, scans, until, &work);
                match tokio::time::timeout(deadline + GRACE, scan).await {
                    Ok(result) => result,
                    Err(_) => Err(Error::Deadline.into()),
                }
            }
            (Local::Sqlite(_), Engine::Postgres { .. }) => Err(Error::Closed.into()),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.engine()).finish()
    }
}

async fn write<T, E, F>(pool: &Pool, work: &F) -> Result<T, E>
where
    F: AsyncFn(&mut Tx<'_>) -> Result<T, E>,
    E: From<Error> + Retry,
{
    let mut attempt = 1;
    loop {
        let mut lease = pool.lease().await?;
        match attempt_once(&mut lease, work).await {
            // A server that was restarted leaves dead connections; nothing has happened yet.
            Attempt::NotBegun(_) if attempt < ATTEMPTS => {}
            Attempt::NotBegun(error) => return Err(error.into()),
            Attempt::Ended(Err(error)) if error.is_retryable() && attempt < ATTEMPTS => {}
            Attempt::Ended(result) => return result,
        }
        attempt += 1;
    }
}

enum Attempt<T, E> {
    NotBegun(Error),
    Ended(Result<T, E>),
}

async fn attempt_once<T, E, F>(lease: &mut Lease, work: &F) -> Attempt<T, E>
where
    F: AsyncFn(&mut Tx<'_>) -> Result<T, E>,
    E: From<Error>,
{
    lease.unsettle();
    let conn = lease.conn_mut();
    if let Err(error) = Transactions::begin_transaction(conn).await {
        return Attempt::NotBegun(error.into());
    }
    let mut tx = Tx::new(conn);
    let outcome = AssertUnwindSafe(work(&mut tx)).catch_unwind().await;
    let result = match outcome {
        Err(_) => return Attempt::Ended(Err(Error::Panicked.into())),
        Ok(Ok(value)) => match conn.commit_whole().await {
            Ok(()) => Ok(value),
            Err(error) => Err(Error::from(error).into()),
        },
        Ok(Err(error)) => Err(error),
    };
    if result.is_ok() || conn.unwind_to(0).await.is_ok() {
        lease.settle();
    }
    Attempt::Ended(result)
}

async fn scan<T, E, F>(pool: &Pool, slots: &Semaphore, until: Instant, work: &F) -> Result<T, E>
where
    F: AsyncFn(&mut Conn) -> Result<T, E>,
    E: From<Error>,
{
    let slot = tokio::time::timeout_at(until.into(), slots.acquire()).await;
    let _slot = slot.map_err(|_| Error::Deadline)?.map_err(|_| Error::Closed)?;
    let mut lease = pool.lease().await?;
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::Deadline.into());
    }
    lease.unsettle();
    let conn = lease.conn_mut();
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {}",
        left.as_millis().max(1)
    );
    conn.begin(&begin).await.map_err(Error::from)?;
    let outcome = AssertUnwindSafe(work(conn)).catch_unwind().await;
    if outcome.is_ok() && conn.unwind_to(0).await.is_ok() {
        lease.settle();
    }
    match outcome {
        Err(_) => Err(Error::Panicked.into()),
        Ok(Err(_)) if Instant::now() >= until => Err(Error::Deadline.into()),
        Ok(result) => result,
    }
}

/// A connection on loan for reading.
pub struct Reader(Loan);

#[expect(clippy::large_enum_variant, reason = "a box would cost each read on PostgreSQL")]
enum Loan {
    Postgres(Lease),
    Sqlite(ReadGuard),
}

impl Deref for Reader {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        match &self.0 {
            Loan::Postgres(lease) => lease.conn(),
            Loan::Sqlite(guard) => guard.conn(),
        }
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Conn {
        match &mut self.0 {
            Loan::Postgres(lease) => lease.conn_mut(),
            Loan::Sqlite(guard) => guard.conn_mut(),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.engine()).finish()
    }
}
