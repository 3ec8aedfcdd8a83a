//! Rows of either driver behind one type.
use crate::backend::Any;
use crate::value::Raw;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::row::{Field, IntoOwnedRow, PartialRow, Row, RowIndex, RowSealed};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_async::{AsyncConnectionCore, AsyncPgConnection};
use std::ops::Range;

pub(crate) type PgRow = <AsyncPgConnection as AsyncConnectionCore>::Row<'static, 'static>;
/// A row of SQLite as its statement holds it; the next step takes it away.
type LiteRowHere<'stmt, 'query> = <SqliteConnection as LoadConnection>::Row<'stmt, 'query>;
/// A copy that outlives its statement.
pub(crate) type LiteRow = <LiteRowHere<'static, 'static> as IntoOwnedRow<'static, Sqlite>>::OwnedRow;

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

/// A row of SQLite, read before its statement moves on.
pub(crate) struct Here<'stmt, 'query>(pub(crate) LiteRowHere<'stmt, 'query>);

/// A field of such a row.
pub(crate) struct HereField<'f>(<LiteRowHere<'f, 'f> as Row<'f, Sqlite>>::Field<'f>);

impl RowSealed for Here<'_, '_> {}

impl RowIndex<usize> for Here<'_, '_> {
    fn idx(&self, index: usize) -> Option<usize> {
        self.0.idx(index)
    }
}

impl<'a> RowIndex<&'a str> for Here<'_, '_> {
    fn idx(&self, name: &'a str) -> Option<usize> {
        self.0.idx(name)
    }
}

impl<'stmt> Row<'stmt, Any> for Here<'stmt, '_> {
    type Field<'f>
        = HereField<'f>
    where
        'stmt: 'f,
        Self: 'f;
    type InnerPartialRow = Self;

    fn field_count(&self) -> usize {
        Row::<Sqlite>::field_count(&self.0)
    }

    fn get<'b, I>(&'b self, index: I) -> Option<Self::Field<'b>>
    where
        'stmt: 'b,
        Self: RowIndex<I>,
    {
        let index = self.idx(index)?;
        Row::<Sqlite>::get(&self.0, index).map(HereField)
    }

    fn partial_row(&self, range: Range<usize>) -> PartialRow<'_, Self> {
        PartialRow::new::<Any>(self, range)
    }
}

impl<'f> Field<'f, Any> for HereField<'f> {
    fn field_name(&self) -> Option<&str> {
        self.0.field_name()
    }

    fn value(&self) -> Option<Raw<'_>> {
        self.0.value().map(Raw::Sqlite)
    }
}
