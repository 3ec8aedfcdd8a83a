//! Bringing a schema up to date: the migrations both engines share, merged with those of one.
use crate::backend::{Any, EngineKind};
use crate::conn::Conn;
use crate::error::Error;
use crate::options::Location;
use crate::postgres::Server;
use crate::sqlite::{self, Role};
use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource, Result as MigrationResult};
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncMigrationHarness, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::oneshot;

/// Any number will do, as long as every process takes the same.
const ADVISORY_LOCK: i64 = 0x6c61_7463_686b_6579;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How the schema of a database compares with the migrations of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Migrations that were not run yet, in their order.
    pub pending: Vec<String>,
    /// Versions in the database that this program does not know: a newer one was here.
    pub unknown: Vec<String>,
}

/// Runs what is pending and answers its names; safe to call from several processes at a time.
///
/// `shared` and the overlay of the engine are merged by version. On SQLite all of it happens in
/// one transaction, on PostgreSQL each migration in its own under an advisory lock.
pub async fn run(
    url: &str,
    shared: EmbeddedMigrations,
    overlay_postgres: EmbeddedMigrations,
    overlay_sqlite: EmbeddedMigrations,
) -> Result<Vec<String>, Error> {
    let location = Location::parse(url)?;
    let (reply, answer) = oneshot::channel();
    // A thread with a runtime of its own: the harness blocks, which a worker's runtime forbids.
    std::thread::Builder::new()
        .name("migrate".to_owned())
        .spawn(move || {
            let done = match location {
                Location::Postgres(url) => run_postgres(&url, Merged(shared, overlay_postgres)),
                Location::Sqlite(path) => run_sqlite(&path, Merged(shared, overlay_sqlite)),
            };
            // The caller may be gone; the schema is up to date all the same.
            let _ = reply.send(done);
        })
        .map_err(Error::migration)?;
    answer.await.unwrap_or_else(|_| Err(Error::migration("the migration thread died")))
}

/// The names of the migrations that were not run yet; changes nothing.
pub async fn pending(
    url: &str,
    shared: EmbeddedMigrations,
    overlay_postgres: EmbeddedMigrations,
    overlay_sqlite: EmbeddedMigrations,
) -> Result<Vec<String>, Error> {
    let status = status(url, shared, overlay_postgres, overlay_sqlite).await?;
    Ok(status.pending)
}

/// Compares the database with the migrations of this program; changes nothing.
pub async fn status(
    url: &str,
    shared: EmbeddedMigrations,
    overlay_postgres: EmbeddedMigrations,
    overlay_sqlite: EmbeddedMigrations,
) -> Result<Status, Error> {
    let (applied, overlay) = match Location::parse(url)? {
        Location::Postgres(url) => {
            let mut session = Server::parse(&url, CONNECT_TIMEOUT)?.connect().await?;
            (applied(&mut session.conn).await?, overlay_postgres)
        }
        Location::Sqlite(path) => {
            let applied = match std::path::Path::new(&path).exists() {
                true => applied(&mut sqlite::connect(&path, Role::Reader)?).await?,
                false => BTreeSet::new(),
            };
            (applied, overlay_sqlite)
        }
    };
    let mut known = BTreeSet::new();
    let mut pending = Vec::new();
    for migration in sorted::<Any>(&Merged(shared, overlay))? {
        let version = migration.name().version().to_string();
        if !applied.contains(&version) {
            pending.push(migration.name().to_string());
        }
        known.insert(version);
    }
    Ok(Status { pending, unknown: applied.difference(&known).cloned().collect() })
}

#[derive(diesel::QueryableByName)]
#[diesel(check_for_backend(Any))]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(diesel::QueryableByName)]
#[diesel(check_for_backend(Any))]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

async fn applied(conn: &mut Conn) -> Result<BTreeSet<String>, Error> {
    let table = diesel::sql_query(match conn.engine() {
        EngineKind::Postgres => "SELECT COUNT(to_regclass('__diesel_schema_migrations')) AS count",
        EngineKind::Sqlite => {
            "SELECT COUNT(*) AS count FROM sqlite_master \
             WHERE type = 'table' AND name = '__diesel_schema_migrations'"
        }
    });
    if table.get_result::<Count>(conn).await?.count == 0 {
        return Ok(BTreeSet::new());
    }
    // VARCHAR(50), which the shared dialect does not have.
    let rows = diesel::sql_query("SELECT CAST(version AS TEXT) AS version FROM __diesel_schema_migrations");
    let rows: Vec<Applied> = rows.load(conn).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// The migrations of both folders.
struct Merged(EmbeddedMigrations, EmbeddedMigrations);

impl<DB: Backend> MigrationSource<DB> for Merged {
    fn migrations(&self) -> MigrationResult<Vec<Box<dyn Migration<DB>>>> {
        let mut all = MigrationSource::<DB>::migrations(&self.0)?;
        all.extend(MigrationSource::<DB>::migrations(&self.1)?);
        let versions: BTreeSet<_> = all.iter().map(|migration| migration.name().version().to_string()).collect();
        // diesel would keep one of two and forget the other.
        match versions.len() == all.len() {
            true => Ok(all),
            false => Err("two migrations have the same version".into()),
        }
    }
}

fn sorted<DB: Backend>(source: &Merged) -> Result<Vec<Box<dyn Migration<DB>>>, Error> {
    let mut all = source.migrations().map_err(Error::migration)?;
    all.sort_by_key(|migration| migration.name().version().to_string());
    Ok(all)
}

fn run_sqlite(path: &str, source: Merged) -> Result<Vec<String>, Error> {
    let mut conn = sqlite::open(path, Role::Migration)?;
    let names = conn.immediate_transaction(|conn| run_all(conn, source))?;
    sqlite::switch_to_wal(&mut conn)?;
    Ok(names)
}

fn run_postgres(url: &str, source: Merged) -> Result<Vec<String>, Error> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(Error::migration)?;
    runtime.block_on(async {
        let session = Server::parse(url, CONNECT_TIMEOUT)?.connect().await?;
        let (conn, _driver) = session.into_parts();
        let Conn::Postgres(mut conn) = conn else {
            return Err(Error::Settings("not a PostgreSQL server"));
        };
        // Held by the session, so it ends with the connection whatever happens.
        conn.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})")).await?;
        run_all::<Pg, _>(&mut AsyncMigrationHarness::new(conn), source)
    })
}

fn run_all<DB, H>(harness: &mut H, source: Merged) -> Result<Vec<String>, Error>
where
    DB: Backend,
    H: MigrationHarness<DB>,
{
    let pending = harness.pending_migrations(source).map_err(Error::migration)?;
    let mut names = Vec::new();
    for migration in &pending {
        harness.run_migration(migration).map_err(Error::migration)?;
        names.push(migration.name().to_string());
    }
    Ok(names)
}
