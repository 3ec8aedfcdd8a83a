//! Row locks.
use crate::backend::{Any, EngineKind};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;

/// A query whose rows stay locked until the transaction ends.
#[derive(Debug, Clone, Copy)]
pub struct Locked<Q> {
    query: Q,
    skip: bool,
}

/// Locks the rows of a query for update.
///
/// On SQLite there is nothing to say: a write transaction holds the whole database.
pub trait Lock: Sized {
    /// Waits for rows that somebody else holds.
    fn locked(self) -> Locked<Self> {
        Locked { query: self, skip: false }
    }

    /// Leaves out rows that somebody else holds.
    fn locked_skipping(self) -> Locked<Self> {
        Locked { query: self, skip: true }
    }
}

impl<Q: Query> Lock for Q {}

impl<Q: QueryFragment<Any>> QueryFragment<Any> for Locked<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Any>) -> QueryResult<()> {
        self.query.walk_ast(out.reborrow())?;
        if out.backend().0 == EngineKind::Postgres {
            out.push_sql(if self.skip { " FOR UPDATE SKIP LOCKED" } else { " FOR UPDATE" });
        }
        Ok(())
    }
}

impl<Q: Query> Query for Locked<Q> {
    type SqlType = Q::SqlType;
}

// `skip` changes the text, so the type alone must not name the statement.
impl<Q> QueryId for Locked<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
