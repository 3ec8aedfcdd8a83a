//! A database of its own for each test.
use anydb::{Database, EngineKind, Error, Handle, Options, Tx};
use diesel_async::SimpleAsyncConnection;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use tokio_postgres::NoTls;

/// A database with the tables of `schema`, and what leads to it.
pub struct Place {
    pub options: Options,
    pub database: Database,
    pub handle: Handle,
}

impl Place {
    pub async fn open(url: String) -> Self {
        let options = Options::new(url);
        let database = Database::open(options.clone()).unwrap();
        let handle = database.handle();
        let place = Self { options, database, handle };
        place
            .handle
            .write(async |tx: &mut Tx<'_>| {
                tx.batch_execute(crate::schema::TABLES).await?;
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        place
    }

    /// The same database, opened once more with other settings.
    pub fn again(&self, change: impl FnOnce(&mut Options)) -> Database {
        let mut options = self.options.clone();
        change(&mut options);
        Database::open(options).unwrap()
    }

    pub fn is_postgres(&self) -> bool {
        self.handle.engine() == EngineKind::Postgres
    }
}

/// Makes `name::sqlite` and `name::postgres` of each test.
#[macro_export]
macro_rules! both {
    ($(#[doc = $doc:literal])* async fn $name:ident($place:ident) $body:block $($rest:tt)*) => {
        $(#[doc = $doc])*
        mod $name {
            use super::*;
            async fn check($place: &$crate::place::Place) $body
            #[test]
            fn sqlite() {
                $crate::place::on_sqlite(check);
            }
            #[test]
            fn postgres() {
                $crate::place::on_postgres(check);
            }
        }
        $crate::both! { $($rest)* }
    };
    () => {};
}

/// A worker's runtime: one thread, as in the server.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub fn on_sqlite(test: impl AsyncFnOnce(&Place)) {
    runtime().block_on(with_sqlite(async |url| {
        let place = Place::open(url).await;
        test(&place).await;
        place.database.shutdown().await;
    }));
}

pub fn on_postgres(test: impl AsyncFnOnce(&Place)) {
    runtime().block_on(with_postgres(async |url| {
        test(&Place::open(url).await).await;
    }));
}

/// The URL of a SQLite file that is not there yet.
pub async fn with_sqlite(test: impl AsyncFnOnce(String)) {
    let folder = tempfile::tempdir().unwrap();
    test(format!("sqlite:{}", folder.path().join("test.db").display())).await;
}

/// The URL of an empty database on the test server; without a server the test is skipped, loudly.
pub async fn with_postgres(test: impl AsyncFnOnce(String)) {
    let Some(server) = server().await else {
        assert!(std::env::var_os("CI").is_none(), "CI without PostgreSQL: set LATCHKEY_TEST_POSTGRES");
        eprintln!("SKIPPED: no PostgreSQL server; set LATCHKEY_TEST_POSTGRES");
        return;
    };
    let name = format!("anydb_test_{}", ulid::Ulid::generate().to_string().to_lowercase());
    admin(&server, &format!("CREATE DATABASE {name}")).await;
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    let outcome = AssertUnwindSafe(test(url.into())).catch_unwind().await;
    admin(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

#[expect(clippy::disallowed_methods, reason = "names the server of the tests, not a setting of the product")]
async fn server() -> Option<String> {
    let candidates = match std::env::var("LATCHKEY_TEST_POSTGRES") {
        Ok(url) => vec![url],
        Err(_) => [
            "postgres:///postgres?host=/var/run/postgresql",
            "postgres://root@127.0.0.1:5432/postgres",
            "postgres://postgres@127.0.0.1:5432/postgres",
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    for url in candidates {
        if let Ok((_client, connection)) = tokio_postgres::connect(&url, NoTls).await {
            drop(connection);
            return Some(url);
        }
    }
    None
}

/// Runs one statement on the server itself.
pub async fn admin(server: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(server, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}
