//! A database of a test's own: the copy of one that was migrated once in the process.

mod folder;
mod server;
mod template;

pub use server::PostgresServer;

use anydb::EngineKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A migrated database that nobody else uses; gone when it is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    In(PathBuf),
    OnServer { server: &'static PostgresServer, name: String },
}

static COPIES: AtomicU64 = AtomicU64::new(0);

impl TestDatabase {
    /// Copies the template of the engine; `None` when there is no PostgreSQL to be had.
    pub async fn make(engine: EngineKind) -> Option<Self> {
        match engine {
            EngineKind::Sqlite => {
                let template = template::sqlite().await;
                let folder = folder::of_run().join(format!("t{}", COPIES.fetch_add(1, Ordering::Relaxed)));
                std::fs::create_dir(&folder).expect("a folder can be made");
                let path = folder.join("latchkey.db");
                std::fs::copy(template, &path).expect("the template can be copied");
                Some(Self { url: format!("sqlite:{}", path.display()), kept: Kept::In(folder) })
            }
            EngineKind::Postgres => {
                let server = PostgresServer::find()?;
                let template = template::postgres(server).await;
                let name = server.name(&format!("t{}", COPIES.fetch_add(1, Ordering::Relaxed)));
                server.run(&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"")).await;
                Some(Self { url: server.url(&name), kept: Kept::OnServer { server, name } })
            }
        }
    }

    /// One on the server that has no tables yet; `None` when there is no PostgreSQL to be had.
    pub async fn empty_on_postgres() -> Option<Self> {
        let server = PostgresServer::find()?;
        let name = server.name(&format!("t{}", COPIES.fetch_add(1, Ordering::Relaxed)));
        server.run(&format!("CREATE DATABASE \"{name}\"")).await;
        Some(Self { url: server.url(&name), kept: Kept::OnServer { server, name } })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of a SQLite database, where a test may look for canaries.
    pub fn folder(&self) -> Option<&Path> {
        match &self.kept {
            Kept::In(folder) => Some(folder),
            Kept::OnServer { .. } => None,
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        match &self.kept {
            Kept::OnServer { server, name } => {
                server.run_blocking(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"));
            }
            // What stays is left to the next run's cleaning.
            Kept::In(folder) => drop(std::fs::remove_dir_all(folder)),
        }
    }
}
