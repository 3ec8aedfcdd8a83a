//! Where browsers and apps may be sent back to.

use crate::paging::paged;
use crate::row::{at, one_row, read};
use crate::schema::redirect_urls as rows;
use crate::{Conn, Result, Tx};
use anydb::Any;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::page::{Page, PageRequest};
use domain::redirect::RedirectUrl;
use domain::{EnvironmentId, RedirectUrlId};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = rows, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false)]
struct Row {
    environment_id: String,
    id: String,
    url: String,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for RedirectUrl {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "redirect_urls.id")?,
            url: row.url,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

/// Puts an address on the list.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, redirect: &RedirectUrl) -> Result<()> {
    let row = Row {
        environment_id: env.to_string(),
        id: redirect.id.to_string(),
        url: redirect.url.clone(),
        created_at: redirect.created_at.millis(),
        updated_at: redirect.updated_at.millis(),
    };
    diesel::insert_into(rows::table).values(row).execute(&mut **tx).await?;
    Ok(())
}

/// Takes an address off the list; `false` when it is not on it.
pub async fn delete(tx: &mut Tx<'_>, env: EnvironmentId, id: RedirectUrlId) -> Result<bool> {
    match diesel::delete(rows::table.find((env.to_string(), id.to_string()))).execute(&mut **tx).await? {
        0 => Ok(false),
        hit => one_row(hit, "redirect_urls").map(|()| true),
    }
}

/// Finds an address of the list.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: RedirectUrlId) -> Result<Option<RedirectUrl>> {
    let row: Option<Row> =
        rows::table.find((env.to_string(), id.to_string())).select(Row::as_select()).first(conn).await.optional()?;
    row.map(RedirectUrl::try_from).transpose()
}

/// Whether one of these stands on the list.
pub async fn has_any(conn: &mut Conn, env: EnvironmentId, urls: Vec<String>) -> Result<bool> {
    let found: Option<String> = rows::table
        .filter(rows::environment_id.eq(env.to_string()))
        .filter(rows::url.eq_any(urls))
        .select(rows::id)
        .first(conn)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// How many addresses the list has.
pub async fn count(conn: &mut Conn, env: EnvironmentId) -> Result<i64> {
    Ok(rows::table.filter(rows::environment_id.eq(env.to_string())).select(count_star()).get_result(conn).await?)
}

/// One page of the list, by when addresses were put on it, without its total.
pub async fn page(conn: &mut Conn, env: EnvironmentId, request: &PageRequest<()>) -> Result<Page<RedirectUrl>> {
    let all = rows::table.filter(rows::environment_id.eq(env.to_string())).select(Row::as_select()).into_boxed::<Any>();
    let query = paged(all, request, rows::created_at, rows::id);
    let found: Vec<Row> = query.load(conn).await?;
    let found: Vec<RedirectUrl> = found.into_iter().map(RedirectUrl::try_from).collect::<Result<_>>()?;
    Ok(Page::cut(found, request.limit, 0, |redirect| (redirect.created_at.millis(), redirect.id.to_string())))
}

/// Whether an error says that the address is on the list already.
pub fn is_taken(error: &crate::Error) -> bool {
    let columns = ["redirect_urls.environment_id", "redirect_urls.url"];
    error.conflict().is_some_and(|conflict| conflict.is_on("redirect_urls_url", &columns))
}
