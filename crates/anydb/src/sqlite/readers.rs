//! The connections with which one worker reads.
use super::open::{Role, connect};
use crate::conn::Conn;
use crate::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

// Boxed: a connection is 400 bytes, and moves twice per read.
type Idle = Vec<Box<Conn>>;

/// A few connections, opened when first wanted; a task that awaits while it holds one makes others
/// open the next.
pub(crate) struct Readers {
    path: String,
    idle: Mutex<Idle>,
    slots: Arc<Semaphore>,
    timeout: Duration,
}

impl Readers {
    pub(crate) fn new(path: String, size: u32, timeout: Duration) -> Arc<Self> {
        Arc::new(Self { path, idle: Mutex::default(), slots: Arc::new(Semaphore::new(size.max(1) as usize)), timeout })
    }

    pub(crate) async fn get(self: &Arc<Self>) -> Result<ReadGuard, Error> {
        let slot = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                let slot = Arc::clone(&self.slots).acquire_owned();
                let slot = tokio::time::timeout(self.timeout, slot).await;
                slot.map_err(Error::unavailable)?.map_err(|_| Error::Closed)?
            }
        };
        let idle = self.lock().pop();
        let conn = match idle {
            Some(conn) => conn,
            None => Box::new(connect(&self.path, Role::Reader)?),
        };
        Ok(ReadGuard { conn: Some(conn), readers: Arc::clone(self), _slot: slot })
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reading connection on loan.
pub(crate) struct ReadGuard {
    conn: Option<Box<Conn>>,
    readers: Arc<Readers>,
    // Dropped last: the connection is back before the next caller may look for it.
    _slot: OwnedSemaphorePermit,
}

impl ReadGuard {
    pub(crate) fn conn(&self) -> &Conn {
        self.conn.as_ref().expect("only drop takes it")
    }

    pub(crate) fn conn_mut(&mut self) -> &mut Conn {
        self.conn.as_mut().expect("only drop takes it")
    }
}

impl Drop for ReadGuard {
    fn drop(&mut self) {
        // An open transaction would pin the log and show the next caller the past.
        if let Some(mut conn) = self.conn.take()
            && !conn.is_broken()
        {
            self.readers.lock().push(conn);
        }
    }
}
