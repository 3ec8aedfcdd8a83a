//! How a statement reaches SQLite and its rows come back.
use crate::backend::Any;
use crate::bind::{Bind, Binds};
use crate::row::{AnyRow, Here};
use crate::text::Text;
use diesel::connection::{Connection, LoadConnection};
use diesel::deserialize::FromSqlRow;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{Error, QueryResult};
use diesel::row::IntoOwnedRow;
use diesel::sql_types::{BigInt, Binary, Bool, Double, Nullable, Text as SqlText, Untyped};
use diesel::sqlite::{Sqlite, SqliteConnection};
use std::marker::PhantomData;
use std::rc::Rc;

/// A query as text and values; SQLite reads the values where they lie.
pub(crate) struct Lowered<'q> {
    pub(crate) text: Rc<Text>,
    pub(crate) binds: Binds<'q>,
}

const NULL: Option<i64> = None;

impl QueryFragment<Sqlite> for Lowered<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        if !self.text.keep {
            out.unsafe_to_cache_prepared();
        }
        out.push_sql(&self.text.sql);
        for bind in self.binds.values() {
            match bind {
                Bind::Null => out.push_bind_param_value_only::<Nullable<BigInt>, _>(&NULL)?,
                Bind::Bool(value) => out.push_bind_param_value_only::<Bool, _>(value)?,
                Bind::I64(value) => out.push_bind_param_value_only::<BigInt, _>(value)?,
                Bind::F64(value) => out.push_bind_param_value_only::<Double, _>(value)?,
                Bind::Text(value) => out.push_bind_param_value_only::<SqlText, str>(value)?,
                Bind::Bytes(value) => out.push_bind_param_value_only::<Binary, [u8]>(value)?,
            }
        }
        Ok(())
    }
}

// Its prepared statement is found by its text.
impl QueryId for Lowered<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Lowered<'_> {
    type SqlType = Untyped;
}

/// The same, its prepared statement found by the type of the query.
struct Keyed<'q, Q>(Lowered<'q>, PhantomData<Q>);

impl<Q> QueryFragment<Sqlite> for Keyed<'_, Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl<Q: QueryId> QueryId for Keyed<'_, Q> {
    type QueryId = Q::QueryId;
    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q> Query for Keyed<'_, Q> {
    type SqlType = Untyped;
}

/// All rows of an answer, each a copy.
pub(crate) fn load(conn: &mut SqliteConnection, query: Lowered<'_>) -> QueryResult<Vec<QueryResult<AnyRow>>> {
    let mut names = None;
    let mut rows = Vec::new();
    for row in LoadConnection::load(conn, query)? {
        rows.push(Ok(AnyRow::Sqlite(IntoOwnedRow::<Sqlite>::into_owned(row?, &mut names))));
    }
    Ok(rows)
}

/// The first row of an answer, read where it lies.
pub(crate) fn first<Q, T, U>(conn: &mut SqliteConnection, query: Lowered<'_>) -> QueryResult<Option<U>>
where
    Q: QueryId,
    U: FromSqlRow<T, Any>,
{
    let mut rows = LoadConnection::load(conn, Keyed::<Q>(query, PhantomData))?;
    let Some(row) = rows.next() else { return Ok(None) };
    U::build_from_row(&Here(row?)).map(Some).map_err(Error::DeserializationError)
}

/// Runs a statement and tells how many rows it changed.
pub(crate) fn execute(conn: &mut SqliteConnection, query: Lowered<'_>) -> QueryResult<usize> {
    conn.execute_returning_count(&query)
}
