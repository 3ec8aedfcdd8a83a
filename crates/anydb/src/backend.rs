//! The backend `Any`: the SQL dialect that PostgreSQL and SQLite share.
use crate::bind::{Binds, Kind};
use crate::value::Raw;
use diesel::backend::{Backend, DieselReserveSpecialization, SqlDialect, TrustedBackend, sql_dialect};
use diesel::query_builder::{
    AstPass, BoxedLimitOffsetClause, IntoBoxedClause, LimitClause, LimitOffsetClause, NoLimitClause, NoOffsetClause,
    OffsetClause, QueryBuilder, QueryFragment,
};
use diesel::result::QueryResult;
use diesel::sql_types::TypeMetadata;
use std::fmt::Write;

/// Which database is behind a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// A PostgreSQL server.
    Postgres,
    /// A SQLite file.
    Sqlite,
}

/// The diesel backend of every query; its value tells a fragment which engine will read the text.
#[derive(Clone, Copy, Debug)]
pub struct Any(pub EngineKind);

impl Backend for Any {
    type QueryBuilder = Sql;
    type RawValue<'a> = Raw<'a>;
    type BindCollector<'a> = Binds<'a>;
}

impl TypeMetadata for Any {
    type TypeMetadata = Kind;
    type MetadataLookup = ();
}

impl TrustedBackend for Any {}
impl DieselReserveSpecialization for Any {}

/// `ON CONFLICT` as both engines understand it.
#[derive(Debug, Clone, Copy)]
pub struct OnConflict;
impl sql_dialect::on_conflict_clause::SupportsOnConflictClause for OnConflict {}
impl sql_dialect::on_conflict_clause::SupportsOnConflictClauseWhere for OnConflict {}
impl sql_dialect::on_conflict_clause::PgLikeOnConflictClause for OnConflict {}

impl SqlDialect for Any {
    type ReturningClause = sql_dialect::returning_clause::PgLikeReturningClause;
    type OnConflictClause = OnConflict;
    // Batch inserts demand this one. SQLite has no DEFAULT keyword: every Insertable says
    // `treat_none_as_default_value = false`, so that none is written.
    type InsertWithDefaultKeyword = sql_dialect::default_keyword_for_insert::IsoSqlDefaultKeyword;
    type BatchInsertSupport = sql_dialect::batch_insert_support::PostgresLikeBatchInsertSupport;
    type ConcatClause = sql_dialect::concat_clause::ConcatWithPipesClause;
    type DefaultValueClauseForInsert = sql_dialect::default_value_clause::AnsiDefaultValueClause;
    type EmptyFromClauseSyntax = sql_dialect::from_clause_syntax::AnsiSqlFromClauseSyntax;
    type SelectStatementSyntax = sql_dialect::select_statement_syntax::AnsiSqlSelectStatement;
    type ExistsSyntax = sql_dialect::exists_syntax::AnsiSqlExistsSyntax;
    type ArrayComparison = sql_dialect::array_comparison::AnsiSqlArrayComparison;
    type AliasSyntax = sql_dialect::alias_syntax::AsAliasSyntax;
    type WindowFrameClauseGroupSupport = sql_dialect::window_frame_clause_group_support::IsoGroupWindowFrameUnit;
    type WindowFrameExclusionSupport = sql_dialect::window_frame_exclusion_support::FrameExclusionSupport;
    type AggregateFunctionExpressions =
        sql_dialect::aggregate_function_expressions::PostgresLikeAggregateFunctionExpressions;
    type BuiltInWindowFunctionRequireOrder = sql_dialect::built_in_window_function_require_order::NoOrderRequired;
}

/// Writes `"identifiers"` and `$n` parameters, which both engines read.
#[derive(Debug)]
pub struct Sql {
    text: String,
    parameters: u32,
}

impl Default for Sql {
    fn default() -> Self {
        // A typical statement fits; growing twice per query shows in the profile.
        Self { text: String::with_capacity(256), parameters: 0 }
    }
}

impl Sql {
    pub(crate) fn parameters(&self) -> usize {
        self.parameters as usize
    }
}

impl QueryBuilder<Any> for Sql {
    fn push_sql(&mut self, sql: &str) {
        self.text.push_str(sql);
    }

    fn push_identifier(&mut self, identifier: &str) -> QueryResult<()> {
        self.text.push('"');
        if identifier.contains('"') {
            self.text.push_str(&identifier.replace('"', "\"\""));
        } else {
            self.text.push_str(identifier);
        }
        self.text.push('"');
        Ok(())
    }

    fn push_bind_param(&mut self) {
        self.parameters += 1;
        // Writing to a String cannot fail.
        let _ = write!(self.text, "${}", self.parameters);
    }

    fn push_bind_param_value_only(&mut self) {
        self.parameters += 1;
    }

    fn finish(self) -> String {
        self.text
    }
}

impl QueryFragment<Any> for LimitOffsetClause<NoLimitClause, NoOffsetClause> {
    fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, Any>) -> QueryResult<()> {
        Ok(())
    }
}

impl<L> QueryFragment<Any> for LimitOffsetClause<LimitClause<L>, NoOffsetClause>
where
    LimitClause<L>: QueryFragment<Any>,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Any>) -> QueryResult<()> {
        self.limit_clause.walk_ast(out)
    }
}

impl<L, O> QueryFragment<Any> for LimitOffsetClause<LimitClause<L>, OffsetClause<O>>
where
    LimitClause<L>: QueryFragment<Any>,
    OffsetClause<O>: QueryFragment<Any>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Any>) -> QueryResult<()> {
        self.limit_clause.walk_ast(out.reborrow())?;
        self.offset_clause.walk_ast(out)
    }
}

impl QueryFragment<Any> for BoxedLimitOffsetClause<'_, Any> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Any>) -> QueryResult<()> {
        match (&self.limit, &self.offset) {
            (Some(limit), _) => limit.walk_ast(out.reborrow())?,
            // SQLite reads OFFSET only after a LIMIT.
            (None, Some(_)) => out.push_sql(" LIMIT 9223372036854775807 "),
            (None, None) => {}
        }
        match &self.offset {
            Some(offset) => offset.walk_ast(out),
            None => Ok(()),
        }
    }
}

impl<'a> IntoBoxedClause<'a, Any> for LimitOffsetClause<NoLimitClause, NoOffsetClause> {
    type BoxedClause = BoxedLimitOffsetClause<'a, Any>;

    fn into_boxed(self) -> Self::BoxedClause {
        BoxedLimitOffsetClause { limit: None, offset: None }
    }
}

impl<'a, L> IntoBoxedClause<'a, Any> for LimitOffsetClause<LimitClause<L>, NoOffsetClause>
where
    L: QueryFragment<Any> + Send + 'a,
{
    type BoxedClause = BoxedLimitOffsetClause<'a, Any>;

    fn into_boxed(self) -> Self::BoxedClause {
        BoxedLimitOffsetClause { limit: Some(Box::new(self.limit_clause)), offset: None }
    }
}

impl<'a, L, O> IntoBoxedClause<'a, Any> for LimitOffsetClause<LimitClause<L>, OffsetClause<O>>
where
    L: QueryFragment<Any> + Send + 'a,
    O: QueryFragment<Any> + Send + 'a,
{
    type BoxedClause = BoxedLimitOffsetClause<'a, Any>;

    fn into_boxed(self) -> Self::BoxedClause {
        BoxedLimitOffsetClause { limit: Some(Box::new(self.limit_clause)), offset: Some(Box::new(self.offset_clause)) }
    }
}
