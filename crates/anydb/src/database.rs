//! What the process shares of its database.
use crate::backend::EngineKind;
use crate::error::Error;
use crate::handle::Handle;
use crate::options::{Location, Options};
use crate::postgres::Server;
use crate::sqlite::{Scans, Writer};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The database of a process: SQLite's writer and scan threads, or the way to a server.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) engine: Engine,
}

pub(crate) enum Engine {
    Postgres { server: Box<Server>, scans: Semaphore },
    Sqlite { path: String, writer: Writer, scans: Scans },
}

impl Database {
    /// Opens a SQLite file, made if missing, or takes note of a server, which is not asked yet.
    pub fn open(options: Options) -> Result<Self, Error> {
        let engine = match Location::parse(&options.url)? {
            Location::Postgres(url) => Engine::Postgres {
                server: Box::new(Server::parse(&url, options.acquire_timeout)?),
                scans: Semaphore::new(options.scan_slots.max(1) as usize),
            },
            Location::Sqlite(path) => Engine::Sqlite {
                writer: Writer::start(&path, options.synchronous)?,
                scans: Scans::start(&path, options.scan_slots)?,
                path,
            },
        };
        Ok(Self { shared: Arc::new(Shared { options, engine }) })
    }

    /// Which engine it is.
    pub fn engine(&self) -> EngineKind {
        match self.shared.engine {
            Engine::Postgres { .. } => EngineKind::Postgres,
            Engine::Sqlite { .. } => EngineKind::Sqlite,
        }
    }

    /// Makes the connections of one worker thread; they are opened when first wanted.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// Waits until every transaction that was handed in is done, and writes SQLite's log back.
    ///
    /// On SQLite, writes are refused from then on.
    pub async fn shutdown(&self) {
        if let Engine::Sqlite { writer, .. } = &self.shared.engine {
            writer.stop().await;
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.shared.options).finish()
    }
}
