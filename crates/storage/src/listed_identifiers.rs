//! The lists of who may sign up and who may never.

use crate::paging::paged;
use crate::row::{at, one_row, read};
use crate::schema::listed_identifiers as rows;
use crate::{Conn, Result, Tx};
use anydb::Any;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::EnvironmentId;
use domain::listed::{List, Listed, Pattern};
use domain::page::{Page, PageRequest};
use std::str::FromStr;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = rows, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false)]
struct Row {
    environment_id: String,
    id: String,
    list: String,
    identifier: String,
    match_key: String,
    notify: bool,
    created_at: i64,
    updated_at: i64,
}

impl<I: FromStr> TryFrom<Row> for Listed<I> {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "listed_identifiers.id")?,
            pattern: read(&row.identifier, "listed_identifiers.identifier")?,
            notify: row.notify,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

/// Puts an identifier on a list.
pub async fn insert<I: ToString>(tx: &mut Tx<'_>, env: EnvironmentId, list: List, listed: &Listed<I>) -> Result<()> {
    let row = Row {
        environment_id: env.to_string(),
        id: listed.id.to_string(),
        list: list.as_str().to_owned(),
        identifier: listed.pattern.to_string(),
        match_key: listed.pattern.key(),
        notify: listed.notify,
        created_at: listed.created_at.millis(),
        updated_at: listed.updated_at.millis(),
    };
    diesel::insert_into(rows::table).values(row).execute(&mut **tx).await?;
    Ok(())
}

/// Takes an identifier off a list; `false` when it is on none of this kind.
pub async fn delete<I: ToString>(tx: &mut Tx<'_>, env: EnvironmentId, list: List, id: &I) -> Result<bool> {
    let row = rows::table.find((env.to_string(), id.to_string())).filter(rows::list.eq(list.as_str()));
    match diesel::delete(row).execute(&mut **tx).await? {
        0 => Ok(false),
        hit => one_row(hit, "listed_identifiers").map(|()| true),
    }
}

/// What stands on a list under one of these keys.
pub async fn by_keys(conn: &mut Conn, env: EnvironmentId, list: List, keys: Vec<String>) -> Result<Vec<Pattern>> {
    let found: Vec<String> = rows::table
        .filter(rows::environment_id.eq(env.to_string()))
        .filter(rows::list.eq(list.as_str()))
        .filter(rows::match_key.eq_any(keys))
        .select(rows::identifier)
        .load(conn)
        .await?;
    found.iter().map(|text| read(text, "listed_identifiers.identifier")).collect()
}

/// How many identifiers a list has.
pub async fn count(conn: &mut Conn, env: EnvironmentId, list: List) -> Result<i64> {
    Ok(rows::table
        .filter(rows::environment_id.eq(env.to_string()).and(rows::list.eq(list.as_str())))
        .select(count_star())
        .get_result(conn)
        .await?)
}

/// One page of a list, by when identifiers were put on it, without its total.
pub async fn page<I: FromStr + ToString>(
    conn: &mut Conn,
    env: EnvironmentId,
    list: List,
    request: &PageRequest<()>,
) -> Result<Page<Listed<I>>> {
    let all = rows::table
        .filter(rows::environment_id.eq(env.to_string()).and(rows::list.eq(list.as_str())))
        .select(Row::as_select())
        .into_boxed::<Any>();
    let query = paged(all, request, rows::created_at, rows::id);
    let found: Vec<Row> = query.load(conn).await?;
    let found: Vec<Listed<I>> = found.into_iter().map(Listed::try_from).collect::<Result<_>>()?;
    Ok(Page::cut(found, request.limit, 0, |listed| (listed.created_at.millis(), listed.id.to_string())))
}

/// Whether an error says that the identifier is on the list already.
pub fn is_taken(error: &crate::Error) -> bool {
    let columns = ["environment_id", "list", "identifier"].map(|column| format!("listed_identifiers.{column}"));
    error
        .conflict()
        .is_some_and(|conflict| conflict.is_on("listed_identifiers_text", &columns.each_ref().map(String::as_str)))
}
