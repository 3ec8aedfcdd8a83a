//! Values on their way out.
use crate::backend::Any;
use diesel::deserialize::{self, FromSql};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{BigInt, Binary, Bool, Double, Integer, SmallInt, Text};
use diesel::sqlite::{Sqlite, SqliteValue};

/// One field of a row, as its driver holds it.
pub enum Raw<'a> {
    /// Bytes in PostgreSQL's binary format.
    Postgres(PgValue<'a>),
    /// A value of SQLite.
    Sqlite(SqliteValue<'a, 'a, 'a>),
}

macro_rules! from_sql { ($($sql:ty => $rust:ty),* $(,)?) => { $(
    impl FromSql<$sql, Any> for $rust {
        fn from_sql(raw: Raw<'_>) -> deserialize::Result<Self> {
            match raw {
                Raw::Postgres(value) => <$rust as FromSql<$sql, Pg>>::from_sql(value),
                Raw::Sqlite(value) => <$rust as FromSql<$sql, Sqlite>>::from_sql(value),
            }
        }
    }
)* } }
from_sql!(
    Bool => bool, SmallInt => i16, Integer => i32, BigInt => i64, Double => f64,
    Text => String, Binary => Vec<u8>,
);
