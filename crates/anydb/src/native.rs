//! The way out: what only one engine can do.
//!
//! A [`Conn`](crate::Conn) is an open enum, so code that needs an engine's own power matches it and
//! talks to the stock driver. Prefer a fragment; whoever matches is listed in a test of the product.
//!
//! ```
//! async fn engine_version(conn: &mut anydb::Conn) -> diesel::QueryResult<String> {
//!     use diesel::prelude::*;
//!     match conn {
//!         anydb::Conn::Postgres(pg) => {
//!             let query = diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>("version()"));
//!             diesel_async::RunQueryDsl::get_result::<String>(query, pg).await
//!         }
//!         anydb::Conn::Sqlite(lite) => {
//!             let query = diesel::dsl::sql::<diesel::sql_types::Text>("sqlite_version()");
//!             diesel::RunQueryDsl::get_result(diesel::select(query), lite)
//!         }
//!     }
//! }
//! ```

use crate::{Conn, Error, Tx};
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;

#[derive(diesel::QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// How SQLite would go about a statement, a line a step; `$n` are left open. For tests that forbid scans.
///
/// PostgreSQL plans by the size of its tables, so that its plan of a test's table tells nothing.
pub async fn sqlite_plan(conn: &mut Conn, sql: &str) -> Result<Vec<String>, Error> {
    let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(conn).await?;
    Ok(steps.into_iter().map(|step| step.detail).collect())
}

/// Runs a statement as it is written, and says how many rows it hit. For tests that do what somebody at the database
/// itself would do.
pub async fn execute(tx: &mut Tx<'_>, sql: &str) -> Result<usize, Error> {
    let conn: &mut Conn = tx;
    Ok(diesel::sql_query(sql).execute(conn).await?)
}
