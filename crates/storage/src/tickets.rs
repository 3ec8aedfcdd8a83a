//! Sign-in and actor tokens. The ticket itself is nowhere: its hash finds the row.

use crate::row::{at, corrupt, one_row, read};
use crate::schema::tickets;
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use crypto::TokenHash;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::ticket::{Ticket, TicketKind, TicketStatus};
use domain::{EnvironmentId, Timestamp, UserId};
use serde_json::{Map, Value};
use std::time::Duration;

const SIGN_IN: &str = "sign_in_token";
const ACTOR: &str = "actor_token";

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = tickets, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false)]
struct Row {
    environment_id: String,
    id: String,
    purpose: String,
    ticket_hash: Vec<u8>,
    user_id: String,
    actor: Option<Doc<Map<String, Value>>>,
    session_max_seconds: Option<i64>,
    status: String,
    expires_at: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Ticket {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        let kind = match (row.purpose.as_str(), row.actor, row.session_max_seconds) {
            (SIGN_IN, None, None) => TicketKind::SignIn(read(&row.id, "tickets.id")?),
            (ACTOR, Some(actor), Some(seconds)) => TicketKind::Actor {
                id: read(&row.id, "tickets.id")?,
                actor: actor.0,
                session_max: Duration::from_secs(
                    u64::try_from(seconds).map_err(|_| corrupt("tickets.session_max_seconds"))?,
                ),
            },
            _ => return Err(corrupt("tickets.purpose")),
        };
        Ok(Self {
            kind,
            user_id: read(&row.user_id, "tickets.user_id")?,
            status: TicketStatus::parse(&row.status).ok_or_else(|| corrupt("tickets.status"))?,
            expires_at: at(row.expires_at),
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

/// Finds a ticket by its id, of either kind.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: &str) -> Result<Option<Ticket>> {
    let row: Option<Row> =
        tickets::table.find((env.to_string(), id)).select(Row::as_select()).first(conn).await.optional()?;
    row.map(Ticket::try_from).transpose()
}

/// Finds a ticket by the hash of its secret.
pub async fn by_hash(conn: &mut Conn, env: EnvironmentId, hash: &TokenHash) -> Result<Option<Ticket>> {
    let row: Option<Row> = tickets::table
        .filter(tickets::environment_id.eq(env.to_string()).and(tickets::ticket_hash.eq(hash.as_bytes().to_vec())))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Ticket::try_from).transpose()
}

/// Finds a ticket and holds its row until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, id: &str) -> Result<Option<Ticket>> {
    let row: Option<Row> = tickets::table
        .find((env.to_string(), id))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(Ticket::try_from).transpose()
}

/// Adds a ticket.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, ticket: &Ticket, hash: &TokenHash) -> Result<()> {
    let (purpose, actor, session_max) = match &ticket.kind {
        TicketKind::SignIn(_) => (SIGN_IN, None, None),
        TicketKind::Actor { actor, session_max, .. } => (ACTOR, Some(Doc(actor.clone())), Some(*session_max)),
    };
    let row = Row {
        environment_id: env.to_string(),
        id: ticket.id(),
        purpose: purpose.to_owned(),
        ticket_hash: hash.as_bytes().to_vec(),
        user_id: ticket.user_id.to_string(),
        actor,
        session_max_seconds: session_max.map(|max| i64::try_from(max.as_secs()).unwrap_or(i64::MAX)),
        status: ticket.status.as_str().to_owned(),
        expires_at: ticket.expires_at.millis(),
        created_at: ticket.created_at.millis(),
        updated_at: ticket.updated_at.millis(),
    };
    diesel::insert_into(tickets::table).values(row).execute(&mut **tx).await?;
    Ok(())
}

/// Spends a ticket. Of all who try at once, one hears `true`.
pub async fn take(tx: &mut Tx<'_>, env: EnvironmentId, id: &str, now: Timestamp) -> Result<bool> {
    let target = tickets::table
        .find((env.to_string(), id))
        .filter(tickets::status.eq(TicketStatus::Pending.as_str()).and(tickets::expires_at.gt(now.millis())));
    let hit = diesel::update(target)
        .set((tickets::status.eq(TicketStatus::Accepted.as_str()), tickets::updated_at.eq(now.millis())))
        .execute(&mut **tx)
        .await?;
    Ok(hit == 1)
}

/// Writes where a ticket stands that was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, ticket: &Ticket) -> Result<()> {
    let hit = diesel::update(tickets::table.find((env.to_string(), ticket.id())))
        .set((tickets::status.eq(ticket.status.as_str()), tickets::updated_at.eq(ticket.updated_at.millis())))
        .execute(&mut **tx)
        .await?;
    one_row(hit, "tickets")
}

/// Takes back every ticket of a person that was not used.
pub async fn revoke_all(tx: &mut Tx<'_>, env: EnvironmentId, user: UserId, now: Timestamp) -> Result<()> {
    let open = tickets::table.filter(
        tickets::environment_id
            .eq(env.to_string())
            .and(tickets::user_id.eq(user.to_string()))
            .and(tickets::status.eq(TicketStatus::Pending.as_str())),
    );
    diesel::update(open)
        .set((tickets::status.eq(TicketStatus::Revoked.as_str()), tickets::updated_at.eq(now.millis())))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Deletes tickets that ran out before a time, oldest first and at most `max`.
pub async fn sweep(tx: &mut Tx<'_>, env: EnvironmentId, before: Timestamp, max: i64) -> Result<usize> {
    Ok(diesel::sql_query(
        "DELETE FROM tickets WHERE environment_id = $1 AND id IN ( \
             SELECT id FROM tickets WHERE environment_id = $1 AND expires_at < $2 ORDER BY expires_at LIMIT $3)",
    )
    .bind::<Text, _>(env.to_string())
    .bind::<BigInt, _>(before.millis())
    .bind::<BigInt, _>(max)
    .execute(&mut **tx)
    .await?)
}
