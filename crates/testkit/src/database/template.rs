//! The migrated databases that tests copy, made once in a process.

use super::{PostgresServer, folder};
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// The migrated file; closed, so that a copy of it is whole.
pub(super) async fn sqlite() -> &'static Path {
    static TEMPLATE: OnceCell<PathBuf> = OnceCell::const_new();
    let make = || async {
        let path = folder::of_run().join("template.db");
        storage::migrate(&format!("sqlite:{}", path.display())).await.expect("the migrations run on SQLite");
        // What still stands in the log beside the file would not be copied: write it back.
        let database = anydb::Database::open(anydb::Options::new(format!("sqlite:{}", path.display())));
        database.expect("the template opens").shutdown().await;
        path
    };
    TEMPLATE.get_or_init(make).await
}

/// The migrated database on the server.
pub(super) async fn postgres(server: &'static PostgresServer) -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let make = || async {
        let name = server.name("template");
        server.run(&format!("CREATE DATABASE \"{name}\"")).await;
        storage::migrate(&server.url(&name)).await.expect("the migrations run on PostgreSQL");
        name
    };
    TEMPLATE.get_or_init(make).await
}
