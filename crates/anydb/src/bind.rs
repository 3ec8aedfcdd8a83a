//! Values on their way in: collected once, then lowered to the native form of each driver.
use crate::backend::Any;
use crate::json::Json;
use diesel::pg::{Pg, PgTypeMetadata};
use diesel::query_builder::BindCollector;
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::result::{Error, QueryResult};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Bool, Date, Double, HasSqlType, Integer, SmallInt, Text, Time, Timestamp};
use std::borrow::Cow;

/// PostgreSQL's values of one statement, in its binary format.
pub(crate) type PgBinds = RawBytesBindCollector<Pg>;

/// The column types of the shared dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BOOLEAN
    Bool,
    /// SMALLINT
    I16,
    /// INTEGER
    I32,
    /// BIGINT
    I64,
    /// DOUBLE PRECISION
    F64,
    /// TEXT
    Text,
    /// BYTEA, BLOB
    Bytes,
}

impl Kind {
    // The oids of `pg_type.dat`, which PostgreSQL never changes.
    const fn oids(self) -> (u32, u32) {
        match self {
            Self::Bool => (16, 1000),
            Self::I16 => (21, 1005),
            Self::I32 => (23, 1007),
            Self::I64 => (20, 1016),
            Self::F64 => (701, 1022),
            Self::Text => (25, 1009),
            Self::Bytes => (17, 1001),
        }
    }
}

macro_rules! kinds { ($($sql:ty => $kind:ident),* $(,)?) => { $(
    impl HasSqlType<$sql> for Any {
        fn metadata(_: &mut ()) -> Kind {
            Kind::$kind
        }
    }
)* } }
kinds!(
    Bool => Bool, SmallInt => I16, Integer => I32, BigInt => I64, Double => F64, Text => Text,
    Binary => Bytes, Json => Text,
    // `Backend` demands these; a schema never uses them (times are Unix milliseconds).
    diesel::sql_types::Float => F64, Date => I64, Time => I64, Timestamp => I64,
);

/// One value of a statement.
#[derive(Debug, Clone)]
pub enum Bind<'a> {
    /// NULL of any type
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of any width.
    I64(i64),
    /// A floating point number.
    F64(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A byte string.
    Bytes(Cow<'a, [u8]>),
}

/// The values of one statement, in the order of its parameters.
#[derive(Debug, Default)]
pub struct Binds<'a>(Vec<(Bind<'a>, Kind)>);

impl<'a> BindCollector<'a, Any> for Binds<'a> {
    type Buffer = Bind<'a>;

    fn push_bound_value<T, U>(&mut self, value: &'a U, lookup: &mut ()) -> QueryResult<()>
    where
        Any: HasSqlType<T>,
        U: ToSql<T, Any> + ?Sized + 'a,
    {
        let mut out = Output::new(Bind::Null, lookup);
        let null = value.to_sql(&mut out).map_err(Error::SerializationError)?;
        let bind = match null {
            IsNull::Yes => Bind::Null,
            IsNull::No => out.into_inner(),
        };
        self.0.push((bind, <Any as HasSqlType<T>>::metadata(lookup)));
        Ok(())
    }

    fn push_null_value(&mut self, kind: Kind) -> QueryResult<()> {
        self.0.push((Bind::Null, kind));
        Ok(())
    }
}

impl<'a> Binds<'a> {
    pub(crate) fn with_capacity(parameters: usize) -> Self {
        Self(Vec::with_capacity(parameters))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Bind<'a>> {
        self.0.iter().map(|(bind, _)| bind)
    }

    pub(crate) fn into_postgres(self) -> QueryResult<PgBinds> {
        let mut out = RawBytesBindCollector::new();
        for (bind, kind) in self.0 {
            let (oid, array) = kind.oids();
            out.metadata.push(PgTypeMetadata::new(oid, array));
            out.binds.push(match bind {
                Bind::Null => None,
                Bind::Bool(value) => Some(vec![u8::from(value)]),
                Bind::I64(value) => Some(integer(value, kind)?),
                Bind::F64(value) => Some(value.to_be_bytes().to_vec()),
                Bind::Text(value) => Some(value.into_owned().into_bytes()),
                Bind::Bytes(value) => Some(value.into_owned()),
            });
        }
        Ok(out)
    }
}

fn integer(value: i64, kind: Kind) -> QueryResult<Vec<u8>> {
    Ok(match kind {
        Kind::I16 => i16::try_from(value).map_err(Error::IntegerConversion)?.to_be_bytes().to_vec(),
        Kind::I32 => i32::try_from(value).map_err(Error::IntegerConversion)?.to_be_bytes().to_vec(),
        _ => value.to_be_bytes().to_vec(),
    })
}

macro_rules! to_sql { ($($sql:ty, $rust:ty, |$value:ident| $bind:expr);* $(;)?) => { $(
    impl ToSql<$sql, Any> for $rust {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Any>) -> serialize::Result {
            let $value = self;
            out.set_value($bind);
            Ok(IsNull::No)
        }
    }
)* } }
to_sql!(
    Bool, bool, |v| Bind::Bool(*v);
    SmallInt, i16, |v| Bind::I64(i64::from(*v));
    Integer, i32, |v| Bind::I64(i64::from(*v));
    BigInt, i64, |v| Bind::I64(*v);
    Double, f64, |v| Bind::F64(*v);
    Text, str, |v| Bind::Text(Cow::Borrowed(v));
    Binary, [u8], |v| Bind::Bytes(Cow::Borrowed(v));
);
