//! Whether a database has the form that this version's queries are written for.

use crate::{Conn, EngineKind, Error, POSTGRES, Result, SHARED, SQLITE};
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DbError};
use diesel_async::RunQueryDsl;
use std::collections::BTreeSet;
use std::sync::OnceLock;

diesel::table! { __diesel_schema_migrations (version) { version -> Text, } }

type Versions = BTreeSet<String>;

/// The migrations of this version, by engine. The names are the same whatever backend reads them.
fn expected(engine: EngineKind) -> &'static Versions {
    static BOTH: OnceLock<[Versions; 2]> = OnceLock::new();
    let both = BOTH.get_or_init(|| {
        let names = |sources: [&dyn MigrationSource<Pg>; 2]| {
            let migrations = sources.into_iter().flat_map(|s| s.migrations().unwrap_or_default());
            migrations.map(|m| m.name().version().to_string()).collect()
        };
        [names([&SHARED, &POSTGRES]), names([&SHARED, &SQLITE])]
    });
    match engine {
        EngineKind::Postgres => &both[0],
        EngineKind::Sqlite => &both[1],
    }
}

/// Whether every migration of this version has run; more may have: the next version's process is starting.
pub async fn fits(conn: &mut Conn) -> Result<bool> {
    let wanted = expected(conn.engine());
    let ran: Result<Vec<String>, DbError> =
        __diesel_schema_migrations::table.select(__diesel_schema_migrations::version).load(conn).await;
    match ran {
        Ok(ran) => Ok(wanted.is_subset(&ran.into_iter().collect())),
        // A database that was never migrated has no such table.
        Err(DbError::DatabaseError(DatabaseErrorKind::Unknown, _)) => Ok(false),
        Err(other) => Err(Error::from(other)),
    }
}
