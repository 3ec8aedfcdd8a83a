//! Sums that stay integers.
use crate::backend::Any;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::BigInt;

/// The sum of an integer expression over all rows.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct Total<E>(E);

/// Sums whole numbers into a BIGINT; no rows make 0.
///
/// PostgreSQL would answer `SUM(BIGINT)` with a NUMERIC, which the shared dialect does not have.
pub fn total<E: Expression>(numbers: E) -> Total<E> {
    Total(numbers)
}

impl<E: Expression> Expression for Total<E> {
    type SqlType = BigInt;
}

impl<E, G> ValidGrouping<G> for Total<E> {
    type IsAggregate = is_aggregate::Yes;
}

impl<E: AppearsOnTable<T>, T> AppearsOnTable<T> for Total<E> {}
impl<E: SelectableExpression<T>, T> SelectableExpression<T> for Total<E> {}

impl<E: QueryFragment<Any>> QueryFragment<Any> for Total<E> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Any>) -> QueryResult<()> {
        out.push_sql("CAST(COALESCE(SUM(");
        self.0.walk_ast(out.reborrow())?;
        out.push_sql("), 0) AS BIGINT)");
        Ok(())
    }
}
