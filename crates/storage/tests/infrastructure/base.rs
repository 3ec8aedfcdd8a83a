//! Databases for tests.

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use std::path::PathBuf;
use std::time::Duration;
use storage::{Database, Options};

/// A database of its own, gone when the test is over.
pub(crate) struct Base {
    pub(crate) db: Database,
    _place: Place,
}

enum Place {
    Folder(PathBuf),
    Server { admin: String, name: String },
}

impl Base {
    pub(crate) async fn sqlite() -> Self {
        let name = format!("latchkey-storage-{}", crypto::random::jti());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let url = format!("sqlite:{}", folder.join("test.db").display());
        Self { db: Self::open(url).await, _place: Place::Folder(folder) }
    }

    /// None when there is no server: allowed on a developer's machine only.
    pub(crate) async fn postgres() -> Option<Self> {
        let Some((admin, mut conn)) = server().await else {
            assert!(std::env::var_os("CI").is_none(), "CI must have a PostgreSQL server");
            eprintln!("SKIPPED: no PostgreSQL server; set LATCHKEY_TEST_POSTGRES");
            return None;
        };
        let name = format!("storage_test_{}", crypto::digest::hex(&crypto::random::bytes::<8>()));
        conn.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let (server, _) = admin.rsplit_once('/').unwrap();
        let url = format!("{server}/{name}");
        Some(Self { db: Self::open(url).await, _place: Place::Server { admin, name } })
    }

    async fn open(url: String) -> Database {
        storage::migrate(&url).await.unwrap();
        let patient = Duration::from_secs(60);
        Database::open(Options { max_connections: 12, acquire_timeout: patient, ..Options::new(url) }).unwrap()
    }

    pub(crate) async fn end(self) {
        self.db.shutdown().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        match self {
            // A failed test is not to fail again here.
            Self::Folder(folder) => drop(std::fs::remove_dir_all(folder)),
            Self::Server { admin, name } => {
                let (admin, sql) = (admin.clone(), format!("DROP DATABASE {name} WITH (FORCE)"));
                // A thread, because a runtime cannot wait for another inside itself.
                let dropped = std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async {
                        let mut conn = AsyncPgConnection::establish(&admin).await.unwrap();
                        conn.batch_execute(&sql).await.unwrap();
                    });
                });
                drop(dropped.join());
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "names the server of the tests, not a setting of the product")]
async fn server() -> Option<(String, AsyncPgConnection)> {
    let asked = std::env::var("LATCHKEY_TEST_POSTGRES").ok();
    let usual = ["postgres://root@127.0.0.1:5432/postgres", "postgres://postgres@127.0.0.1:5432/postgres"];
    for url in asked.into_iter().chain(usual.map(str::to_owned)) {
        if let Ok(conn) = AsyncPgConnection::establish(&url).await {
            return Some((url, conn));
        }
    }
    None
}
