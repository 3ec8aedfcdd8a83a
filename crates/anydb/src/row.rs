//! Rows of either driver behind one type.
use crate::backend::Any;
use crate::conn::Lite;
use crate::value::Raw;
use diesel::pg::Pg;
use diesel::row::{Field, PartialRow, Row, RowIndex, RowSealed};
use diesel::sqlite::Sqlite;
use diesel_async::{AsyncConnectionCore, AsyncPgConnection};
use std::ops::Range;

pub(crate) type PgRow = <AsyncPgConnection as AsyncConnectionCore>::Row<'static, 'static>;
pub(crate) type LiteRow = <Lite as AsyncConnectionCore>::Row<'static, 'static>;

/// A row of either driver.
pub enum AnyRow {
    /// A row of PostgreSQL.
    Postgres(PgRow),
    /// A row of SQLite.
    Sqlite(LiteRow),
}

/// A field of either driver's row.
pub enum AnyField<'f> {
    /// A field of PostgreSQL.
    Postgres(<PgRow as Row<'f, Pg>>::Field<'f>),
    /// A field of SQLite.
    Sqlite(<LiteRow as Row<'f, Sqlite>>::Field<'f>),
}

impl RowSealed for AnyRow {}

impl RowIndex<usize> for AnyRow {
    fn idx(&self, index: usize) -> Option<usize> {
        match self {
            Self::Postgres(row) => row.idx(index),
            Self::Sqlite(row) => row.idx(index),
        }
    }
}

impl<'a> RowIndex<&'a str> for AnyRow {
    fn idx(&self, name: &'a str) -> Option<usize> {
        match self {
            Self::Postgres(row) => row.idx(name),
            Self::Sqlite(row) => row.idx(name),
        }
    }
}

impl<'a> Row<'a, Any> for AnyRow {
    type Field<'f>
        = AnyField<'f>
    where
        'a: 'f,
        Self: 'f;
    type InnerPartialRow = Self;

    fn field_count(&self) -> usize {
        match self {
            Self::Postgres(row) => Row::<Pg>::field_count(row),
            Self::Sqlite(row) => Row::<Sqlite>::field_count(row),
        }
    }

    fn get<'b, I>(&'b self, index: I) -> Option<Self::Field<'b>>
    where
        'a: 'b,
        Self: RowIndex<I>,
    {
        let index = self.idx(index)?;
        match self {
            Self::Postgres(row) => Row::<'b, Pg>::get(row, index).map(AnyField::Postgres),
            Self::Sqlite(row) => Row::<'b, Sqlite>::get(row, index).map(AnyField::Sqlite),
        }
    }

    fn partial_row(&self, range: Range<usize>) -> PartialRow<'_, Self> {
        PartialRow::new::<Any>(self, range)
    }
}

impl<'f> Field<'f, Any> for AnyField<'f> {
    fn field_name(&self) -> Option<&str> {
        match self {
            Self::Postgres(field) => field.field_name(),
            Self::Sqlite(field) => field.field_name(),
        }
    }

    fn value(&self) -> Option<Raw<'_>> {
        match self {
            Self::Postgres(field) => field.value().map(Raw::Postgres),
            Self::Sqlite(field) => field.value().map(Raw::Sqlite),
        }
    }
}
