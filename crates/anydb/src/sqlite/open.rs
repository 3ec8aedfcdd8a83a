//! Opening a SQLite file.
use super::limit;
use crate::conn::Conn;
use crate::error::Error;
use crate::options::Synchronous;
use diesel::connection::SimpleConnection;
use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, RunQueryDsl};
use libsqlite3_sys as ffi;
use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::Once;
use std::time::Duration;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer(Synchronous),
    Reader,
    Migration,
}

// LIKE minds the case of ASCII letters on PostgreSQL, so it does here.
const COMMON: &str = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; \
    PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 268435456; PRAGMA trusted_schema = OFF; \
    PRAGMA case_sensitive_like = ON;";

/// Opens the file, making it if need be, with the settings of its role.
pub(crate) fn open(path: &str, role: Role) -> Result<SqliteConnection, Error> {
    tune();
    let mut conn = SqliteConnection::establish(path)?;
    conn.batch_execute(COMMON)?;
    match role {
        Role::Writer(synchronous) => {
            switch_to_wal(&mut conn)?;
            conn.batch_execute(match synchronous {
                Synchronous::Full => "PRAGMA synchronous = FULL;",
                Synchronous::Normal => "PRAGMA synchronous = NORMAL;",
            })?;
            // The writer checkpoints when it has nothing better to do.
            conn.batch_execute(
                "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16384; \
                 PRAGMA journal_size_limit = 16777216;",
            )?;
        }
        Role::Reader => conn.batch_execute("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")?,
        Role::Migration => conn.batch_execute("PRAGMA busy_timeout = 60000;")?,
    }
    Ok(conn)
}

/// Opens the file as a connection of the shared dialect.
pub(crate) fn connect(path: &str, role: Role) -> Result<Conn, Error> {
    Ok(Conn::Sqlite(open(path, role)?))
}

#[derive(diesel::QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = diesel::sql_types::Text)]
    journal_mode: String,
}

/// Makes the file keep a write-ahead log, so that readers never wait for the writer.
pub(crate) fn switch_to_wal(conn: &mut SqliteConnection) -> Result<(), Error> {
    // The switch wants the file for itself, and SQLite asks no busy handler while it does.
    const TRIES: u32 = 200;
    for _ in 0..TRIES {
        if wal(conn).is_ok_and(|mode| mode == "wal") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    match wal(conn)?.as_str() {
        "wal" => Ok(()),
        _ => Err(Error::Settings("the file system of the SQLite file cannot hold a WAL")),
    }
}

fn wal(conn: &mut SqliteConnection) -> QueryResult<String> {
    let row: JournalMode = diesel::sql_query("PRAGMA journal_mode = WAL").get_result(conn)?;
    Ok(row.journal_mode)
}

/// Settings of the library, made before its first connection.
///
/// * QPSG: SQLite built with STAT4 looks at bound values while it plans, and so prepares a cached
///   statement anew each time one changes. That was 40 % of the server's time.
/// * MULTITHREAD without MEMSTATUS: a connection has one user at a time anyway.
#[expect(unsafe_code, reason = "diesel has no way to configure the library")]
fn tune() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: each call has the arguments that SQLite's manual gives for its option;
        // `sqlite3_config` refuses (and changes nothing) once the library is in use, and
        // `on_open` has the signature of an extension's entry point and lives for ever.
        unsafe {
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MULTITHREAD);
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as c_int);
            ffi::sqlite3_auto_extension(Some(on_open));
        }
    });
}

#[expect(unsafe_code, reason = "SQLite calls it with a raw handle")]
unsafe extern "C" fn on_open(db: *mut ffi::sqlite3, _: *mut *mut c_char, _: *const ffi::sqlite3_api_routines) -> c_int {
    if limit::on_a_scan_thread() {
        // SAFETY: `db` is open and ours until this returns; the handler takes no context.
        unsafe {
            ffi::sqlite3_progress_handler(db, limit::STEPS, Some(limit::is_over), ptr::null_mut());
        }
    }
    // SAFETY: as above; the option takes an int and a pointer that may be null.
    unsafe { ffi::sqlite3_db_config(db, ffi::SQLITE_DBCONFIG_ENABLE_QPSG, 1 as c_int, ptr::null_mut::<c_int>()) }
}
