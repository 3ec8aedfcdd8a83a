//! What every file needs to turn rows into domain values.

use crate::{Error, Result};
use domain::{Timestamp, UserId};
use std::collections::HashMap;
use std::str::FromStr;

/// A stored value that no version of ours has written.
pub(crate) fn corrupt(column: &'static str) -> Error {
    Error::from(diesel::result::Error::DeserializationError(
        format!("{column} holds a value that is none of ours").into(),
    ))
}

/// Reads an id or another value with a text form.
pub(crate) fn read<T: FromStr>(text: &str, column: &'static str) -> Result<T> {
    text.parse().map_err(|_| corrupt(column))
}

/// Reads a nullable id.
pub(crate) fn read_opt<T: FromStr>(text: Option<&String>, column: &'static str) -> Result<Option<T>> {
    text.map(|t| read(t, column)).transpose()
}

/// A time from its column.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A time from a column where 0 is never.
pub(crate) fn at_or_never(millis: i64) -> Option<Timestamp> {
    (millis != 0).then(|| Timestamp::from_millis(millis))
}

/// What belongs to several people, by person, each in the order that it was read in.
pub(crate) fn by_user<R, T>(rows: Vec<R>, owner: impl Fn(&T) -> UserId) -> Result<HashMap<UserId, Vec<T>>>
where
    T: TryFrom<R, Error = Error>,
{
    let mut by_user: HashMap<UserId, Vec<T>> = HashMap::new();
    for row in rows {
        let one = T::try_from(row)?;
        by_user.entry(owner(&one)).or_default().push(one);
    }
    Ok(by_user)
}

/// A change must have hit exactly the row it was meant for.
pub(crate) fn one_row(hit: usize, table: &'static str) -> Result<()> {
    if hit == 1 {
        Ok(())
    } else {
        Err(Error::from(diesel::result::Error::DeserializationError(
            format!("a change of {table} hit {hit} rows").into(),
        )))
    }
}
