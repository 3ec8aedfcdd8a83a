//! JSON documents: TEXT on both engines, so that keys keep their order and nothing is rewritten.
use crate::backend::Any;
use crate::bind::Bind;
use crate::value::Raw;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::SqlType;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::borrow::Cow;
use std::fmt::Debug;

/// The SQL type of a column that holds one JSON document.
#[derive(SqlType, QueryId, Debug, Clone, Copy)]
pub struct Json;

/// A value kept as a JSON document.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsExpression, FromSqlRow, Serialize, Deserialize)]
#[diesel(sql_type = Json)]
#[serde(transparent)]
pub struct Doc<T>(pub T);

impl<T: Serialize + Debug> ToSql<Json, Any> for Doc<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Any>) -> serialize::Result {
        out.set_value(Bind::Text(Cow::Owned(serde_json::to_string(&self.0)?)));
        Ok(IsNull::No)
    }
}

impl<T: DeserializeOwned> FromSql<Json, Any> for Doc<T> {
    fn from_sql(raw: Raw<'_>) -> deserialize::Result<Self> {
        Ok(Self(match raw {
            Raw::Postgres(value) => serde_json::from_slice(value.as_bytes())?,
            Raw::Sqlite(mut value) => serde_json::from_str(value.read_text())?,
        }))
    }
}
