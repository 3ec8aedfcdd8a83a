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
//!             lite.spawn_blocking(|lite| {
//!                 let query = diesel::dsl::sql::<diesel::sql_types::Text>("sqlite_version()");
//!                 diesel::RunQueryDsl::get_result(diesel::select(query), lite)
//!             })
//!             .await
//!         }
//!     }
//! }
//! ```

pub use crate::conn::{Lite, Offload};
