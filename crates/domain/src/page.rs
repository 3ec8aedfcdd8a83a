//! Pages of a list: where to go on, in which order, how many rows.

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// The order of a list: a key of the resource and a direction; ties are broken by id, the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<K> {
    /// The key.
    pub key: K,
    /// The direction.
    pub direction: Direction,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// After so many rows.
    Offset(i64),
    /// After this row: its sort value and its id.
    After {
        /// The sort value of the last row seen.
        value: i64,
        /// The id of the last row seen.
        id: String,
    },
}

/// A page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<K> {
    /// The order.
    pub order: Order<K>,
    /// Where it begins.
    pub start: Start,
    /// How many rows at most, 1 to 500.
    pub limit: i64,
}

/// Rows of a list, and whether more follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many rows match, over all pages.
    pub total: i64,
    /// The sort value and id to go on after, when more rows follow.
    pub next: Option<(i64, String)>,
}

impl<T> Page<T> {
    /// Cuts a page out of `limit + 1` rows that were read.
    pub fn cut(mut rows: Vec<T>, limit: i64, total: i64, position: impl Fn(&T) -> (i64, String)) -> Self {
        let limit = usize::try_from(limit).unwrap_or(1);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(position) } else { None };
        Self { rows, total, next }
    }

    /// The same page of other things.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(f).collect(), total: self.total, next: self.next }
    }
}
