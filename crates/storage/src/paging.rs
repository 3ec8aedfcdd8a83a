//! Pages by key: a boxed query, cut to the rows that a request asks for.

use diesel::dsl::{And, Asc, Desc, Eq, Gt, Lt, Or};
use diesel::prelude::*;
use diesel::query_dsl::methods::{FilterDsl, LimitDsl, OffsetDsl, OrderDsl};
use diesel::sql_types::{BigInt, Text};
use domain::page::{Direction, PageRequest, Start};

type Behind<C, I> = Or<Gt<C, i64>, And<Eq<C, i64>, Gt<I, String>>>;
type Before<C, I> = Or<Lt<C, i64>, And<Eq<C, i64>, Lt<I, String>>>;

/// The rows of a page in the order of a column, ties broken by id the same way, and one row more: it says whether
/// others follow.
pub(crate) fn paged<Q, C, I, K>(query: Q, request: &PageRequest<K>, by: C, id: I) -> Q
where
    C: Column<SqlType = BigInt> + Copy,
    I: Column<SqlType = Text> + Copy,
    Q: FilterDsl<Behind<C, I>, Output = Q>
        + FilterDsl<Before<C, I>, Output = Q>
        + OrderDsl<(Asc<C>, Asc<I>), Output = Q>
        + OrderDsl<(Desc<C>, Desc<I>), Output = Q>
        + LimitDsl<Output = Q>
        + OffsetDsl<Output = Q>,
{
    let ascending = request.order.direction == Direction::Ascending;
    let query = match &request.start {
        Start::After { value, id: last } if ascending => {
            FilterDsl::filter(query, by.gt(*value).or(by.eq(*value).and(id.gt(last.clone()))))
        }
        Start::After { value, id: last } => {
            FilterDsl::filter(query, by.lt(*value).or(by.eq(*value).and(id.lt(last.clone()))))
        }
        Start::Offset(offset) if *offset > 0 => OffsetDsl::offset(query, *offset),
        Start::Offset(_) => query,
    };
    let query = match request.order.direction {
        Direction::Ascending => OrderDsl::order(query, (by.asc(), id.asc())),
        Direction::Descending => OrderDsl::order(query, (by.desc(), id.desc())),
    };
    LimitDsl::limit(query, request.limit + 1)
}
