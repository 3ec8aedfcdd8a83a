//! The PostgreSQL connections of one worker.
use super::connect::{Server, Session};
use crate::conn::Conn;
use crate::error::Error;
use deadpool::Runtime;
use deadpool::managed::{self, Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult};
use std::time::Duration;

struct Maker(Server);

impl Manager for Maker {
    type Type = Session;
    type Error = Error;

    async fn create(&self) -> Result<Session, Error> {
        // Boxed: the state of a hand-shake is large, and each request that only borrows a connection would carry it.
        Box::pin(self.0.connect()).await
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<Error> {
        match session.is_closed() || session.conn.is_broken() {
            true => Err(RecycleError::message("closed, or inside a transaction")),
            false => Ok(()),
        }
    }
}

/// Connections that are opened on the runtime of whoever asks first.
#[derive(Clone)]
pub(crate) struct Pool(managed::Pool<Maker>);

impl Pool {
    pub(crate) fn new(server: Server, size: usize, timeout: Duration) -> Result<Self, Error> {
        managed::Pool::builder(Maker(server))
            .max_size(size)
            // The last one used has its statements and caches warm.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map(Self)
            .map_err(Error::unavailable)
    }

    pub(crate) async fn lease(&self) -> Result<Lease, Error> {
        match self.0.get().await {
            Ok(session) => Ok(Lease { session: Some(session), in_use: false }),
            Err(PoolError::Backend(error)) => Err(error),
            Err(error) => Err(Error::unavailable(error.to_string())),
        }
    }
}

/// A connection on loan, which goes back only in a known state.
pub(crate) struct Lease {
    session: Option<Object<Maker>>,
    in_use: bool,
}

impl Lease {
    pub(crate) fn conn(&self) -> &Conn {
        &self.session.as_ref().expect("only drop takes it").conn
    }

    pub(crate) fn conn_mut(&mut self) -> &mut Conn {
        &mut self.session.as_mut().expect("only drop takes it").conn
    }

    /// From here to `settle` the connection is closed if the lease is dropped: the future that
    /// drives the transaction may be cancelled at any await.
    pub(crate) fn unsettle(&mut self) {
        self.in_use = true;
    }

    pub(crate) fn settle(&mut self) {
        self.in_use = false;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut session) = self.session.take()
            && (self.in_use || session.conn.is_broken())
        {
            Object::take(session).abandon();
        }
    }
}
