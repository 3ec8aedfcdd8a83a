//! The attempts to push events.

use crate::log_schema::webhook_deliveries as rows;
use crate::paging::paged;
use crate::row::{at, corrupt, read};
use crate::{Conn, Result, Tx};
use anydb::Any;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::page::{Page, PageRequest};
use domain::webhook::{BodyKind, WebhookDelivery};
use domain::{EnvironmentId, Timestamp, WebhookDeliveryId, WebhookEndpointId};
use std::collections::HashSet;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = rows, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    id: String,
    endpoint_id: String,
    event_id: String,
    event_type: String,
    attempt: i32,
    response_status: Option<i32>,
    response_body: Option<String>,
    next_retry_at: Option<i64>,
    succeeded: bool,
    with_meta: bool,
    with_text: bool,
    sample: Option<String>,
    created_at: i64,
}

impl TryFrom<Row> for WebhookDelivery {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        let status = row.response_status.map(u16::try_from).transpose();
        Ok(Self {
            id: read(&row.id, "webhook_deliveries.id")?,
            endpoint_id: read(&row.endpoint_id, "webhook_deliveries.endpoint_id")?,
            event_id: read(&row.event_id, "webhook_deliveries.event_id")?,
            event_type: row.event_type,
            attempt: row.attempt,
            response_status: status.map_err(|_| corrupt("webhook_deliveries.response_status"))?,
            response_body: row.response_body,
            next_retry_at: row.next_retry_at.map(at),
            succeeded: row.succeeded,
            body: BodyKind { with_meta: row.with_meta, with_text: row.with_text, sample: row.sample },
            created_at: at(row.created_at),
        })
    }
}

fn row(env: EnvironmentId, delivery: &WebhookDelivery) -> Row {
    Row {
        environment_id: env.to_string(),
        id: delivery.id.to_string(),
        endpoint_id: delivery.endpoint_id.to_string(),
        event_id: delivery.event_id.to_string(),
        event_type: delivery.event_type.clone(),
        attempt: delivery.attempt,
        response_status: delivery.response_status.map(i32::from),
        response_body: delivery.response_body.clone(),
        next_retry_at: delivery.next_retry_at.map(Timestamp::millis),
        succeeded: delivery.succeeded,
        with_meta: delivery.body.with_meta,
        with_text: delivery.body.with_text,
        sample: delivery.body.sample.clone(),
        created_at: delivery.created_at.millis(),
    }
}

/// Finds an attempt.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: WebhookDeliveryId) -> Result<Option<WebhookDelivery>> {
    let row: Option<Row> =
        rows::table.find((env.to_string(), id.to_string())).select(Row::as_select()).first(conn).await.optional()?;
    row.map(WebhookDelivery::try_from).transpose()
}

/// What a list of attempts can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// When they were made.
    CreatedAt,
}

/// Which attempts are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// At this endpoint.
    pub endpoint_id: Option<String>,
    /// Of this event.
    pub event_id: Option<String>,
    /// Of events of this name.
    pub event_type: Option<String>,
    /// Those that succeeded, or those that did not.
    pub succeeded: Option<bool>,
    /// Made after this.
    pub after: Option<Timestamp>,
    /// Made before this.
    pub before: Option<Timestamp>,
}

fn filtered<'a>(env: EnvironmentId, filter: &'a Filter) -> rows::BoxedQuery<'a, Any> {
    let mut query = rows::table.filter(rows::environment_id.eq(env.to_string())).into_boxed::<Any>();
    if let Some(endpoint) = &filter.endpoint_id {
        query = query.filter(rows::endpoint_id.eq(endpoint));
    }
    if let Some(event) = &filter.event_id {
        query = query.filter(rows::event_id.eq(event));
    }
    if let Some(name) = &filter.event_type {
        query = query.filter(rows::event_type.eq(name));
    }
    if let Some(succeeded) = filter.succeeded {
        query = query.filter(rows::succeeded.eq(succeeded));
    }
    if let Some(after) = filter.after {
        query = query.filter(rows::created_at.gt(after.millis()));
    }
    if let Some(before) = filter.before {
        query = query.filter(rows::created_at.lt(before.millis()));
    }
    query
}

/// How many attempts match.
pub async fn count(conn: &mut Conn, env: EnvironmentId, filter: &Filter) -> Result<i64> {
    Ok(filtered(env, filter).select(count_star()).get_result(conn).await?)
}

/// One page of the attempts that match, without its total.
pub async fn page(
    conn: &mut Conn,
    env: EnvironmentId,
    filter: &Filter,
    request: &PageRequest<Key>,
) -> Result<Page<WebhookDelivery>> {
    let Key::CreatedAt = request.order.key;
    let query = paged(filtered(env, filter), request, rows::created_at, rows::id);
    let found: Vec<Row> = query.select(Row::as_select()).load(conn).await?;
    let attempts: Vec<WebhookDelivery> = found.into_iter().map(WebhookDelivery::try_from).collect::<Result<_>>()?;
    Ok(Page::cut(attempts, request.limit, 0, |one| (one.created_at.millis(), one.id.to_string())))
}

/// Adds an attempt, or fills in the row that waits for it.
pub async fn put(tx: &mut Tx<'_>, env: EnvironmentId, delivery: &WebhookDelivery) -> Result<()> {
    diesel::insert_into(rows::table)
        .values(row(env, delivery))
        .on_conflict((rows::environment_id, rows::id))
        .do_update()
        .set(row(env, delivery))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The next attempt after this one was made, or will not be.
pub async fn retried(tx: &mut Tx<'_>, env: EnvironmentId, id: WebhookDeliveryId) -> Result<()> {
    diesel::update(rows::table.find((env.to_string(), id.to_string())))
        .set(rows::next_retry_at.eq(None::<i64>))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// No attempt at an endpoint has a next one any more.
pub(crate) async fn no_more_retries(tx: &mut Tx<'_>, env: EnvironmentId, endpoint: WebhookEndpointId) -> Result<()> {
    let of = rows::environment_id.eq(env.to_string()).and(rows::endpoint_id.eq(endpoint.to_string()));
    diesel::update(rows::table.filter(of.and(rows::next_retry_at.is_not_null())))
        .set(rows::next_retry_at.eq(None::<i64>))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Which of these events an endpoint has taken, as far as its attempts are still kept.
pub(crate) async fn taken(
    conn: &mut Conn,
    env: EnvironmentId,
    endpoint: WebhookEndpointId,
    events: Vec<String>,
) -> Result<HashSet<String>> {
    let taken: Vec<String> = rows::table
        .filter(rows::environment_id.eq(env.to_string()).and(rows::event_id.eq_any(events)))
        .filter(rows::endpoint_id.eq(endpoint.to_string()).and(rows::succeeded.eq(true)))
        .select(rows::event_id)
        .load(conn)
        .await?;
    Ok(taken.into_iter().collect())
}

/// Deletes attempts that were made before a time, oldest first and at most `max`.
pub async fn sweep(tx: &mut Tx<'_>, env: EnvironmentId, before: Timestamp, max: i64) -> Result<usize> {
    Ok(diesel::sql_query(
        "DELETE FROM webhook_deliveries WHERE environment_id = $1 AND id IN ( \
             SELECT id FROM webhook_deliveries WHERE environment_id = $1 AND created_at < $2 ORDER BY created_at LIMIT $3)",
    )
    .bind::<Text, _>(env.to_string())
    .bind::<BigInt, _>(before.millis())
    .bind::<BigInt, _>(max)
    .execute(&mut **tx)
    .await?)
}
