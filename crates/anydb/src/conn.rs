//! The connection: builds a query once, then hands it to the stock driver of its engine.
use crate::backend::{Any, EngineKind, Sql};
use crate::bind::{Binds, PgBinds};
use crate::lite::{self, Lowered};
use crate::observe;
use crate::row::AnyRow;
use crate::text::{self, Text};
use diesel::connection::{
    AnsiTransactionManager as SyncTransactions, CacheSize, Connection, Instrumentation, SimpleConnection,
    TransactionDepthChange, TransactionManager as _, TransactionManagerStatus,
};
use diesel::deserialize::FromSqlRow;
use diesel::query_builder::{AsQuery, CollectedQuery, QueryBuilder, QueryFragment, QueryId};
use diesel::result::{ConnectionError, ConnectionResult, Error, QueryResult};
use diesel::sqlite::SqliteConnection;
use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncConnectionCore, AsyncPgConnection, SimpleAsyncConnection,
    TransactionManager,
};
use futures_util::future::{BoxFuture, FutureExt, ready};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use std::rc::Rc;

type Rows = BoxStream<'static, QueryResult<AnyRow>>;

/// A connection to either engine.
#[expect(clippy::large_enum_variant, reason = "neither is moved often, and a box would cost each query")]
pub enum Conn {
    /// A connection to a PostgreSQL server.
    Postgres(AsyncPgConnection),
    /// An open SQLite file: it answers at once, on the thread that asks, so each belongs to one that may block on it.
    Sqlite(SqliteConnection),
}

const POSTGRES: Any = Any(EngineKind::Postgres);
const SQLITE: Any = Any(EngineKind::Sqlite);

impl Conn {
    /// Which engine answers.
    pub fn engine(&self) -> EngineKind {
        match self {
            Self::Postgres(_) => EngineKind::Postgres,
            Self::Sqlite(_) => EngineKind::Sqlite,
        }
    }

    /// True when a transaction is open or its end unknown, so that nobody else may have this one.
    pub(crate) fn is_broken(&mut self) -> bool {
        Transactions::is_broken_transaction_manager(self)
    }

    /// How many transactions and savepoints are open; an error when nobody can say.
    pub(crate) fn depth(&mut self) -> QueryResult<u32> {
        let depth = Transactions::transaction_manager_status_mut(self).transaction_depth()?;
        Ok(depth.map_or(0, |depth| depth.get()))
    }

    /// Opens an outermost transaction with other words than BEGIN.
    pub(crate) async fn begin(&mut self, sql: &str) -> QueryResult<()> {
        match self {
            Self::Postgres(conn) => AnsiTransactionManager::begin_transaction_sql(conn, sql).await,
            Self::Sqlite(conn) => SyncTransactions::begin_transaction_sql(conn, sql),
        }
    }

    /// Rolls back savepoints and transactions until `depth` of them are left.
    pub(crate) async fn unwind_to(&mut self, depth: u32) -> QueryResult<()> {
        while self.depth()? > depth {
            Transactions::rollback_transaction(self).await?;
        }
        match self.depth()? == depth {
            true => Ok(()),
            false => Err(Error::NotInTransaction),
        }
    }

    /// Commits the outermost transaction, or says that nothing was kept.
    ///
    /// PostgreSQL answers the COMMIT of a transaction in which a statement failed with a silent
    /// ROLLBACK. The statement before it, in the same round trip, fails instead.
    pub(crate) async fn commit_whole(&mut self) -> QueryResult<()> {
        match self {
            Self::Postgres(conn) => {
                conn.batch_execute("SELECT 1; COMMIT").await?;
                AnsiTransactionManager::transaction_manager_status_mut(conn)
                    .transaction_state()?
                    .change_transaction_depth(TransactionDepthChange::DecreaseDepth)
            }
            Self::Sqlite(conn) => SyncTransactions::commit_transaction(conn),
        }
    }
}

impl Conn {
    /// Reads the first row of an answer, straight from the driver's own: no row is copied to outlive its statement, as
    /// a stream of rows demands. For the reads that every other request makes.
    pub async fn point<Q, U>(&mut self, query: Q) -> QueryResult<Option<U>>
    where
        Q: AsQuery,
        Q::Query: QueryFragment<Any> + QueryId,
        U: FromSqlRow<Q::SqlType, Any>,
    {
        let query = query.as_query();
        match self {
            Self::Postgres(conn) => {
                let mut rows = AsyncConnectionCore::load(conn, for_postgres(&query)?).await?;
                let row = rows.try_next().await?.map(AnyRow::Postgres);
                row.map(|row| U::build_from_row(&row).map_err(Error::DeserializationError)).transpose()
            }
            Self::Sqlite(conn) => lite::first::<Q::Query, _, _>(conn, for_sqlite(&query)?),
        }
    }
}

/// Builds a query: its text, whether a prepared statement may be kept, and its values.
fn lower<'q, Q: QueryFragment<Any> + QueryId>(query: &'q Q, backend: &'q Any) -> QueryResult<Lowered<'q>> {
    let build = || {
        let mut sql = Sql::default();
        query.to_sql(&mut sql, backend)?;
        let parameters = sql.parameters();
        let sql = sql.finish();
        let keep = query.is_safe_to_cache_prepared(backend)? || is_plain_write(&sql, parameters);
        Ok(Text { sql, parameters, keep })
    };
    let text = text::of(Q::query_id(), backend.0, &build)?;
    let mut binds = Binds::with_capacity(text.parameters);
    query.collect_binds(&mut binds, &mut (), backend)?;
    observe::saw(backend.0, &text.sql);
    Ok(Lowered { text, binds })
}

/// Whether a text is an INSERT or UPDATE of few values and without a list, of which there are as many as the program
/// has queries. diesel keeps no prepared statement of either, for it cannot tell these from an insert of a thousand
/// rows; to prepare them anew was most of a transaction's time.
fn is_plain_write(sql: &str, parameters: usize) -> bool {
    // The widest row has half as many columns: an insert of several rows comes in few lengths.
    const FEW: usize = 64;
    (sql.starts_with("INSERT ") || sql.starts_with("UPDATE ")) && parameters <= FEW && !sql.contains(" IN (")
}

fn for_postgres<Q: QueryFragment<Any> + QueryId>(query: &Q) -> QueryResult<CollectedQuery<PgBinds>> {
    let Lowered { text, binds } = lower(query, &POSTGRES)?;
    let Text { sql, keep, .. } = Rc::unwrap_or_clone(text);
    Ok(CollectedQuery::new(sql, keep, binds.into_postgres()?))
}

fn for_sqlite<Q: QueryFragment<Any> + QueryId>(query: &Q) -> QueryResult<Lowered<'_>> {
    lower(query, &SQLITE)
}

// From here on nothing is generic over the query, so that the drivers are compiled once.
fn load_postgres(conn: &mut AsyncPgConnection, query: CollectedQuery<PgBinds>) -> BoxFuture<'_, QueryResult<Rows>> {
    let rows = AsyncConnectionCore::load(conn, query);
    async move { Ok(rows.await?.map_ok(AnyRow::Postgres).boxed()) }.boxed()
}

fn load_sqlite(conn: &mut SqliteConnection, query: Lowered<'_>) -> BoxFuture<'static, QueryResult<Rows>> {
    ready(lite::load(conn, query).map(|rows| stream::iter(rows).boxed())).boxed()
}

impl SimpleAsyncConnection for Conn {
    async fn batch_execute(&mut self, sql: &str) -> QueryResult<()> {
        observe::saw(self.engine(), sql);
        match self {
            Self::Postgres(conn) => conn.batch_execute(sql).await,
            Self::Sqlite(conn) => conn.batch_execute(sql),
        }
    }
}

impl AsyncConnectionCore for Conn {
    type ExecuteFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<usize>>;
    type LoadFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<Rows>>;
    type Stream<'conn, 'query> = Rows;
    type Row<'conn, 'query> = AnyRow;
    type Backend = Any;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Any> + QueryId + 'query,
    {
        let query = source.as_query();
        match self {
            Self::Postgres(conn) => match for_postgres(&query) {
                Ok(query) => load_postgres(conn, query),
                Err(error) => ready(Err(error)).boxed(),
            },
            Self::Sqlite(conn) => match for_sqlite(&query) {
                Ok(query) => load_sqlite(conn, query),
                Err(error) => ready(Err(error)).boxed(),
            },
        }
    }

    fn execute_returning_count<'conn, 'query, T>(&'conn mut self, query: T) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Any> + QueryId + 'query,
    {
        match self {
            Self::Postgres(conn) => match for_postgres(&query) {
                Ok(query) => conn.execute_returning_count(query),
                Err(error) => ready(Err(error)).boxed(),
            },
            Self::Sqlite(conn) => match for_sqlite(&query) {
                Ok(query) => ready(lite::execute(conn, query)).boxed(),
                Err(error) => ready(Err(error)).boxed(),
            },
        }
    }
}

impl AsyncConnection for Conn {
    type TransactionManager = Transactions;

    /// Refuses: connections come from a [`Handle`](crate::Handle), which knows their settings.
    async fn establish(_: &str) -> ConnectionResult<Self> {
        Err(ConnectionError::BadConnection("connections come from a Handle".to_owned()))
    }

    // The drivers keep the state; `Transactions` reaches it through them.
    fn transaction_state(&mut self) -> &mut Self {
        self
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        match self {
            Self::Postgres(conn) => conn.instrumentation(),
            Self::Sqlite(conn) => conn.instrumentation(),
        }
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        match self {
            Self::Postgres(conn) => conn.set_instrumentation(instrumentation),
            Self::Sqlite(conn) => conn.set_instrumentation(instrumentation),
        }
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        match self {
            Self::Postgres(conn) => conn.set_prepared_statement_cache_size(size),
            Self::Sqlite(conn) => conn.set_prepared_statement_cache_size(size),
        }
    }
}

/// Begins, nests and ends transactions on either engine.
#[derive(Debug, Clone, Copy)]
pub struct Transactions;

impl TransactionManager<Conn> for Transactions {
    type TransactionStateData = Conn;

    async fn begin_transaction(conn: &mut Conn) -> QueryResult<()> {
        match conn {
            Conn::Postgres(conn) => AnsiTransactionManager::begin_transaction(conn).await,
            Conn::Sqlite(conn) => SyncTransactions::begin_transaction(conn),
        }
    }

    async fn rollback_transaction(conn: &mut Conn) -> QueryResult<()> {
        match conn {
            Conn::Postgres(conn) => AnsiTransactionManager::rollback_transaction(conn).await,
            Conn::Sqlite(conn) => SyncTransactions::rollback_transaction(conn),
        }
    }

    async fn commit_transaction(conn: &mut Conn) -> QueryResult<()> {
        match conn {
            Conn::Postgres(conn) => AnsiTransactionManager::commit_transaction(conn).await,
            Conn::Sqlite(conn) => SyncTransactions::commit_transaction(conn),
        }
    }

    fn transaction_manager_status_mut(conn: &mut Conn) -> &mut TransactionManagerStatus {
        match conn {
            Conn::Postgres(conn) => AnsiTransactionManager::transaction_manager_status_mut(conn),
            Conn::Sqlite(conn) => SyncTransactions::transaction_manager_status_mut(conn),
        }
    }

    fn is_broken_transaction_manager(conn: &mut Conn) -> bool {
        match conn {
            Conn::Postgres(conn) => AnsiTransactionManager::is_broken_transaction_manager(conn),
            Conn::Sqlite(conn) => SyncTransactions::is_broken_transaction_manager(conn),
        }
    }
}
