//! Text: order by bytes, and search for a substring.
use crate::backend::{Any, EngineKind};
use diesel::expression::{
    AppearsOnTable, Expression, MixedAggregates, SelectableExpression, ValidGrouping, is_aggregate,
};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Bool, Nullable, Text};

/// A text expression that orders and compares by its bytes.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct Bytewise<E>(E);

/// Orders and compares a text by its bytes, alike on both engines and under every locale.
///
/// On PostgreSQL an index serves it only when made with `COLLATE "C"` (the overlay migrations);
/// SQLite compares bytes anyway.
pub fn bytewise<E: Expression>(text: E) -> Bytewise<E> {
    Bytewise(text)
}

impl<E: Expression> Expression for Bytewise<E> {
    type SqlType = E::SqlType;
}

impl<E, G> ValidGrouping<G> for Bytewise<E>
where
    E: ValidGrouping<G>,
{
    type IsAggregate = E::IsAggregate;
}

impl<E: AppearsOnTable<T>, T> AppearsOnTable<T> for Bytewise<E> {}
impl<E: SelectableExpression<T>, T> SelectableExpression<T> for Bytewise<E> {}

impl<E: QueryFragment<Any>> QueryFragment<Any> for Bytewise<E> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Any>) -> QueryResult<()> {
        match out.backend().0 {
            EngineKind::Sqlite => self.0.walk_ast(out),
            EngineKind::Postgres => {
                out.push_sql("(");
                self.0.walk_ast(out.reborrow())?;
                out.push_sql(" COLLATE \"C\")");
                Ok(())
            }
        }
    }
}

/// A SQL type that [`contains`] can search.
pub trait Searchable {
    /// What the search answers: NULL for NULL.
    type Found: diesel::sql_types::SqlType + diesel::expression::TypedExpressionType;
}

impl Searchable for Text {
    type Found = Bool;
}

impl Searchable for Nullable<Text> {
    type Found = Nullable<Bool>;
}

/// True when a text holds another, letter by letter.
#[derive(Debug, Clone, QueryId)]
pub struct Contains<E> {
    text: E,
    needle: String,
}

/// True when `text` holds `needle` exactly: case counts and no character is special.
pub fn contains<E>(text: E, needle: impl Into<String>) -> Contains<E>
where
    E: Expression,
    E::SqlType: Searchable,
{
    Contains { text, needle: needle.into() }
}

impl<E> Expression for Contains<E>
where
    E: Expression,
    E::SqlType: Searchable,
{
    type SqlType = <E::SqlType as Searchable>::Found;
}

impl<E, G> ValidGrouping<G> for Contains<E>
where
    E: ValidGrouping<G>,
    E::IsAggregate: MixedAggregates<is_aggregate::Never>,
{
    type IsAggregate = <E::IsAggregate as MixedAggregates<is_aggregate::Never>>::Output;
}

impl<E, T> AppearsOnTable<T> for Contains<E>
where
    Self: Expression,
    E: AppearsOnTable<T>,
{
}

impl<E, T> SelectableExpression<T> for Contains<E>
where
    Self: AppearsOnTable<T>,
    E: SelectableExpression<T>,
{
}

impl<E: QueryFragment<Any>> QueryFragment<Any> for Contains<E> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Any>) -> QueryResult<()> {
        out.push_sql(match out.backend().0 {
            EngineKind::Postgres => "(strpos(",
            EngineKind::Sqlite => "(instr(",
        });
        self.text.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        out.push_bind_param::<Text, String>(&self.needle)?;
        out.push_sql(") > 0)");
        Ok(())
    }
}
