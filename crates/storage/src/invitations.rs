//! Invitations to the application. Their tickets are nowhere: the hash of one finds the row.

use crate::paging::paged;
use crate::row::{at, corrupt, one_row, read};
use crate::schema::invitations;
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use crypto::TokenHash;
use diesel::dsl::{count_star, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::RunQueryDsl;
use domain::invitation::{Carrier, Invitation, InvitationStatus};
use domain::page::{Page, PageRequest};
use domain::text::Metadata;
use domain::{Email, EnvironmentId, InvitationId, Timestamp, UserId};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = invitations, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false)]
struct Row {
    environment_id: String,
    id: String,
    email_address: String,
    canonical: String,
    redirect_url: Option<String>,
    public_metadata: Doc<Metadata>,
    status: String,
    for_existing: bool,
    generation: i64,
    link_hash: Vec<u8>,
    mail_hash: Option<Vec<u8>>,
    expires_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Invitation {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "invitations.id")?,
            email: Email::parse(&row.email_address).map_err(|_| corrupt("invitations.email_address"))?,
            canonical: row.canonical,
            redirect_url: row.redirect_url,
            public_metadata: row.public_metadata.0,
            status: InvitationStatus::parse(&row.status).ok_or_else(|| corrupt("invitations.status"))?,
            for_existing: row.for_existing,
            generation: row.generation,
            expires_at: row.expires_at.map(at),
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

/// What finds an invitation again.
pub struct Hashes {
    /// Of the ticket that its `url` carries.
    pub link: TokenHash,
    /// Of the ticket that was mailed, if one was.
    pub mail: Option<TokenHash>,
}

/// Those that wait: a literal, so that the partial indexes are seen to fit.
fn pending() -> SqlLiteral<Bool> {
    sql::<Bool>("status = 'pending'")
}

/// Finds an invitation.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: InvitationId) -> Result<Option<Invitation>> {
    let row: Option<Row> = invitations::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Invitation::try_from).transpose()
}

/// Finds an invitation by the hash of one of its tickets, and says which of them it is.
pub async fn by_ticket(conn: &mut Conn, env: EnvironmentId, hash: &TokenHash) -> Result<Option<(Invitation, Carrier)>> {
    let mut row: Option<Row> = invitations::table
        .filter(invitations::environment_id.eq(env.to_string()))
        .filter(invitations::mail_hash.eq(hash.as_bytes().to_vec()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    let mut carrier = Carrier::Mail;
    if row.is_none() {
        carrier = Carrier::Link;
        row = invitations::table
            .filter(invitations::environment_id.eq(env.to_string()))
            .filter(invitations::link_hash.eq(hash.as_bytes().to_vec()))
            .select(Row::as_select())
            .first(conn)
            .await
            .optional()?;
    }
    row.map(|row| Ok((Invitation::try_from(row)?, carrier))).transpose()
}

/// Finds an invitation and holds its row until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, id: InvitationId) -> Result<Option<Invitation>> {
    let row: Option<Row> = invitations::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(Invitation::try_from).transpose()
}

/// Whether an invitation of an address waits.
pub async fn waits(conn: &mut Conn, env: EnvironmentId, canonical: &str) -> Result<bool> {
    let found: Option<String> = invitations::table
        .filter(invitations::environment_id.eq(env.to_string()).and(invitations::canonical.eq(canonical)))
        .filter(pending())
        .select(invitations::id)
        .first(conn)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// Adds an invitation.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, invitation: &Invitation, hashes: &Hashes) -> Result<()> {
    let row = Row {
        environment_id: env.to_string(),
        id: invitation.id.to_string(),
        email_address: invitation.email.as_str().to_owned(),
        canonical: invitation.canonical.clone(),
        redirect_url: invitation.redirect_url.clone(),
        public_metadata: Doc(invitation.public_metadata.clone()),
        status: invitation.status.as_str().to_owned(),
        for_existing: invitation.for_existing,
        generation: invitation.generation,
        link_hash: hashes.link.as_bytes().to_vec(),
        mail_hash: hashes.mail.as_ref().map(|hash| hash.as_bytes().to_vec()),
        expires_at: invitation.expires_at.map(Timestamp::millis),
        created_at: invitation.created_at.millis(),
        updated_at: invitation.updated_at.millis(),
    };
    diesel::insert_into(invitations::table).values(row).execute(&mut **tx).await?;
    Ok(())
}

/// Whether an error says that an invitation of the address waits already.
pub fn is_pending(error: &crate::Error) -> bool {
    match error {
        crate::Error::Conflict(conflict) => {
            conflict.is_on("invitations_pending", &["invitations.environment_id", "invitations.canonical"])
        }
        _ => false,
    }
}

/// Writes where an invitation stands that was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, invitation: &Invitation) -> Result<()> {
    let hit = diesel::update(invitations::table.find((env.to_string(), invitation.id.to_string())))
        .set((
            invitations::status.eq(invitation.status.as_str()),
            invitations::updated_at.eq(invitation.updated_at.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    one_row(hit, "invitations")
}

/// Spends an invitation for a person. Of all who try at once, one hears `true`.
pub async fn take(tx: &mut Tx<'_>, env: EnvironmentId, id: InvitationId, user: UserId, now: Timestamp) -> Result<bool> {
    let in_time = invitations::expires_at.is_null().or(invitations::expires_at.gt(now.millis()));
    let target = invitations::table
        .find((env.to_string(), id.to_string()))
        .filter(invitations::status.eq(InvitationStatus::Pending.as_str()))
        .filter(in_time);
    let hit = diesel::update(target)
        .set((
            invitations::status.eq(InvitationStatus::Accepted.as_str()),
            invitations::user_id.eq(user.to_string()),
            invitations::updated_at.eq(now.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(hit == 1)
}

/// Ends what mailed tickets prove of a person's addresses; the invitations go on to wait.
pub async fn forget_mailed(tx: &mut Tx<'_>, env: EnvironmentId, user: UserId) -> Result<()> {
    diesel::sql_query(
        "UPDATE invitations SET mail_hash = NULL WHERE environment_id = $1 AND status = 'pending' \
         AND mail_hash IS NOT NULL AND EXISTS ( \
             SELECT 1 FROM email_addresses AS held WHERE held.environment_id = $1 AND held.user_id = $2 \
             AND (held.canonical = invitations.canonical OR held.email_address = invitations.email_address))",
    )
    .bind::<Text, _>(env.to_string())
    .bind::<Text, _>(user.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes down that the invitation of an address is past its time, so that another may wait.
pub async fn stamp_expired_of(tx: &mut Tx<'_>, env: EnvironmentId, canonical: &str, now: Timestamp) -> Result<()> {
    let late = invitations::table
        .filter(invitations::environment_id.eq(env.to_string()).and(invitations::canonical.eq(canonical)))
        .filter(pending())
        .filter(invitations::expires_at.le(now.millis()));
    diesel::update(late)
        .set((invitations::status.eq(InvitationStatus::Expired.as_str()), invitations::updated_at.eq(now.millis())))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes down which invitations are past their time, at most `max`, the oldest first, and says how many.
pub async fn stamp_expired(tx: &mut Tx<'_>, env: EnvironmentId, now: Timestamp, max: i64) -> Result<usize> {
    // The outer test again: one that was accepted since the inner one looked stays so. The parameters are numbered in the
    // order of their first use, as SQLite counts them.
    Ok(diesel::sql_query(
        "UPDATE invitations SET status = 'expired', updated_at = $1 \
         WHERE environment_id = $2 AND status = 'pending' AND id IN ( \
             SELECT id FROM invitations WHERE environment_id = $2 AND status = 'pending' AND expires_at <= $1 \
             ORDER BY expires_at LIMIT $3)",
    )
    .bind::<BigInt, _>(now.millis())
    .bind::<Text, _>(env.to_string())
    .bind::<BigInt, _>(max)
    .execute(&mut **tx)
    .await?)
}

/// What a list of invitations can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// When they were made.
    CreatedAt,
    /// When they were last changed.
    UpdatedAt,
}

/// Which invitations are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these states.
    pub statuses: Vec<InvitationStatus>,
    /// Has this substring in its address; lower case.
    pub query: Option<String>,
}

impl Filter {
    /// Whether all are meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

type Boxed<'a> = invitations::BoxedQuery<'a, Any>;

fn filtered<'a>(env: EnvironmentId, filter: &'a Filter, now: Timestamp) -> Boxed<'a> {
    let mut query = invitations::table.filter(invitations::environment_id.eq(env.to_string())).into_boxed::<Any>();
    if !filter.statuses.is_empty() {
        let wants = |status| filter.statuses.contains(&status);
        let is_stored = |status: &&InvitationStatus| **status != InvitationStatus::Pending;
        let stored: Vec<&str> = filter.statuses.iter().filter(is_stored).map(|s| s.as_str()).collect();
        // One past its time counts as expired before that is written down.
        let waiting = InvitationStatus::Pending.as_str();
        let in_time = if wants(InvitationStatus::Pending) { waiting } else { "" };
        let late = if wants(InvitationStatus::Expired) { waiting } else { "" };
        let (status, end) = (invitations::status, invitations::expires_at);
        query = query.filter(
            status
                .eq_any(stored)
                .or(status.eq(in_time).and(end.is_null().or(end.gt(now.millis()))))
                .or(status.eq(late).and(end.le(now.millis()))),
        );
    }
    if let Some(needle) = &filter.query {
        query = query.filter(anydb::contains(invitations::email_address, needle.clone()));
    }
    query
}

/// How many invitations match.
pub async fn count(conn: &mut Conn, env: EnvironmentId, filter: &Filter, now: Timestamp) -> Result<i64> {
    Ok(filtered(env, filter, now).select(count_star()).get_result(conn).await?)
}

/// One page of the invitations that match, without its total.
pub async fn page(
    conn: &mut Conn,
    env: EnvironmentId,
    filter: &Filter,
    request: &PageRequest<Key>,
    now: Timestamp,
) -> Result<Page<Invitation>> {
    let (query, key) = (filtered(env, filter, now), request.order.key);
    let query = match key {
        Key::CreatedAt => paged(query, request, invitations::created_at, invitations::id),
        Key::UpdatedAt => paged(query, request, invitations::updated_at, invitations::id),
    };
    let rows: Vec<Row> = query.select(Row::as_select()).load(conn).await?;
    let rows: Vec<Invitation> = rows.into_iter().map(Invitation::try_from).collect::<Result<_>>()?;
    let value = |row: &Invitation| match key {
        Key::CreatedAt => row.created_at.millis(),
        Key::UpdatedAt => row.updated_at.millis(),
    };
    Ok(Page::cut(rows, request.limit, 0, |row| (value(row), row.id.to_string())))
}
