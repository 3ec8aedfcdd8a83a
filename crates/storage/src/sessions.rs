//! Sessions.

use crate::paging::paged;
use crate::row::{at, corrupt, one_row, read};
use crate::schema::{clients, sessions, users};
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use crypto::TokenHash;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::page::{Page, PageRequest};
use domain::session::{Activity, Factors, Proven, Session, SessionStatus, Standing};
use domain::strategy::Strategy;
use domain::user::{FactorSummary, Lock, LockedBy};
use domain::{ClientId, EnvironmentId, SessionId, Timestamp, UserId};
use serde_json::{Map, Value};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sessions, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    id: String,
    client_id: String,
    user_id: String,
    status: String,
    ended_at: Option<i64>,
    last_active_at: i64,
    expire_at: i64,
    abandon_at: i64,
    first_factor: String,
    first_factor_at: i64,
    first_factor_number: Option<String>,
    second_factor_at: Option<i64>,
    second_factor: Option<String>,
    actor: Option<Doc<Map<String, Value>>>,
    was_test: bool,
    activity: Doc<Activity>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Session {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "sessions.id")?,
            client_id: read(&row.client_id, "sessions.client_id")?,
            user_id: read(&row.user_id, "sessions.user_id")?,
            status: SessionStatus::parse(&row.status).ok_or_else(|| corrupt("sessions.status"))?,
            ended_at: row.ended_at.map(at),
            last_active_at: at(row.last_active_at),
            expire_at: at(row.expire_at),
            abandon_at: at(row.abandon_at),
            factors: Factors {
                first: Strategy::parse(&row.first_factor).ok_or_else(|| corrupt("sessions.first_factor"))?,
                first_at: at(row.first_factor_at),
                first_number: row
                    .first_factor_number
                    .map(|id| read(&id, "sessions.first_factor_number"))
                    .transpose()?,
                second_at: row.second_factor_at.map(at),
                second: row
                    .second_factor
                    .map(|word| Strategy::parse(&word).ok_or_else(|| corrupt("sessions.second_factor")))
                    .transpose()?,
            },
            actor: row.actor.map(|actor| actor.0),
            was_test: row.was_test,
            activity: row.activity.0,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, session: &Session) -> Row {
    Row {
        environment_id: env.to_string(),
        id: session.id.to_string(),
        client_id: session.client_id.to_string(),
        user_id: session.user_id.to_string(),
        status: session.status.as_str().to_owned(),
        ended_at: session.ended_at.map(Timestamp::millis),
        last_active_at: session.last_active_at.millis(),
        expire_at: session.expire_at.millis(),
        abandon_at: session.abandon_at.millis(),
        first_factor: session.factors.first.as_str().to_owned(),
        first_factor_at: session.factors.first_at.millis(),
        first_factor_number: session.factors.first_number.map(|id| id.to_string()),
        second_factor_at: session.factors.second_at.map(Timestamp::millis),
        second_factor: session.factors.second.map(|s| s.as_str().to_owned()),
        actor: session.actor.clone().map(Doc),
        was_test: session.was_test,
        activity: Doc(session.activity.clone()),
        created_at: session.created_at.millis(),
        updated_at: session.updated_at.millis(),
    }
}

const LIVE: [&str; 2] = ["active", "pending"];

type Is = diesel::dsl::Eq<sessions::status, &'static str>;

/// The rows that were not over when last written. Two comparisons and no list: a statement with a list is prepared
/// anew each time.
fn live() -> diesel::dsl::Or<Is, Is> {
    let [active, pending] = LIVE;
    sessions::status.eq(active).or(sessions::status.eq(pending))
}

/// Finds a session.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: SessionId) -> Result<Option<Session>> {
    let row: Option<Row> = sessions::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Session::try_from).transpose()
}

/// Finds a session and holds its row until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, id: SessionId) -> Result<Option<Session>> {
    let row: Option<Row> = sessions::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(Session::try_from).transpose()
}

/// The sessions of a client that were not over when last written, or came to their end after `since`; newest activity first.
pub async fn of_client(
    conn: &mut Conn,
    env: EnvironmentId,
    client: ClientId,
    since: Timestamp,
) -> Result<Vec<Session>> {
    let rows: Vec<Row> = sessions::table
        .filter(
            sessions::environment_id
                .eq(env.to_string())
                .and(sessions::client_id.eq(client.to_string()))
                .and(live().or(sessions::ended_at.gt(since.millis()))),
        )
        .order((sessions::last_active_at.desc(), sessions::id.desc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Session::try_from).collect()
}

/// The sessions of a client that were not over when last written, held until the transaction ends; newest activity first.
pub async fn lock_live_of_client(tx: &mut Tx<'_>, env: EnvironmentId, client: ClientId) -> Result<Vec<Session>> {
    let rows: Vec<Row> = sessions::table
        .filter(
            sessions::environment_id.eq(env.to_string()).and(sessions::client_id.eq(client.to_string())).and(live()),
        )
        .order((sessions::last_active_at.desc(), sessions::id.desc()))
        .select(Row::as_select())
        .locked()
        .load(&mut **tx)
        .await?;
    rows.into_iter().map(Session::try_from).collect()
}

/// Whether a client has ever held an active session of a person. One that only waited for its second factor says
/// nothing of the person: whoever began it may know no more than the password.
pub async fn client_knows(conn: &mut Conn, env: EnvironmentId, client: ClientId, user: UserId) -> Result<bool> {
    let found: Option<String> = sessions::table
        .filter(
            sessions::environment_id
                .eq(env.to_string())
                .and(sessions::client_id.eq(client.to_string()))
                .and(sessions::user_id.eq(user.to_string()))
                // Whoever acted in the person's place there is not the person.
                .and(sessions::actor.is_null())
                .and(sessions::abandon_at.eq(sessions::expire_at)),
        )
        .select(sessions::id)
        .limit(1)
        .get_result(conn)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// Whether a client counts as a person's own: their last session on it that ever was active was not taken away, and it was
/// begun or used since a time.
pub async fn is_known_device(
    conn: &mut Conn,
    env: EnvironmentId,
    client: ClientId,
    user: UserId,
    since: Option<Timestamp>,
) -> Result<bool> {
    let last: Option<(String, i64, i64)> = sessions::table
        .filter(
            sessions::environment_id
                .eq(env.to_string())
                .and(sessions::client_id.eq(client.to_string()))
                .and(sessions::user_id.eq(user.to_string()))
                // Whoever acted in the person's place there is not the person.
                .and(sessions::actor.is_null())
                .and(sessions::abandon_at.eq(sessions::expire_at)),
        )
        .order((sessions::created_at.desc(), sessions::id.desc()))
        .select((sessions::status, sessions::created_at, sessions::last_active_at))
        .first(conn)
        .await
        .optional()?;
    let since = since.map_or(i64::MIN, Timestamp::millis);
    Ok(last.is_some_and(|(status, created_at, last_active_at)| {
        status != SessionStatus::Revoked.as_str() && (created_at >= since || last_active_at > since)
    }))
}

/// The sessions of a person that were not over when last written, on every client; newest activity first.
pub async fn live_of_user(conn: &mut Conn, env: EnvironmentId, user: UserId) -> Result<Vec<Session>> {
    let rows: Vec<Row> = sessions::table
        .filter(sessions::environment_id.eq(env.to_string()).and(sessions::user_id.eq(user.to_string())).and(live()))
        .order((sessions::last_active_at.desc(), sessions::id.desc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Session::try_from).collect()
}

/// The same, held until the transaction ends, in the order of their ids, so that two transactions never wait for each other.
pub async fn lock_live_of_user(tx: &mut Tx<'_>, env: EnvironmentId, user: UserId) -> Result<Vec<Session>> {
    let rows: Vec<Row> = sessions::table
        .filter(sessions::environment_id.eq(env.to_string()).and(sessions::user_id.eq(user.to_string())).and(live()))
        .order(sessions::id.asc())
        .select(Row::as_select())
        .locked()
        .load(&mut **tx)
        .await?;
    rows.into_iter().map(Session::try_from).collect()
}

/// Adds a session.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, session: &Session) -> Result<()> {
    diesel::insert_into(sessions::table).values(row(env, session)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes a session that was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, session: &Session) -> Result<()> {
    let target = sessions::table.find((env.to_string(), session.id.to_string()));
    let hit = diesel::update(target).set(row(env, session)).execute(&mut **tx).await?;
    one_row(hit, "sessions")
}

/// Notes when a live session was last used; never moves a time back.
pub async fn touch(tx: &mut Tx<'_>, env: EnvironmentId, id: SessionId, when: Timestamp) -> Result<()> {
    diesel::update(
        sessions::table
            .find((env.to_string(), id.to_string()))
            .filter(live().and(sessions::last_active_at.lt(when.millis()))),
    )
    .set(sessions::last_active_at.eq(when.millis()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stamps sessions that are past their absolute end, a few at a time. Readers do not wait for it.
pub async fn stamp_expired(tx: &mut Tx<'_>, env: EnvironmentId, now: Timestamp, max: i64) -> Result<usize> {
    let mut due: Vec<String> = sessions::table
        .filter(
            sessions::environment_id
                .eq(env.to_string())
                .and(sessions::status.eq_any(LIVE))
                .and(sessions::expire_at.le(now.millis())),
        )
        .select(sessions::id)
        .limit(max)
        .load(&mut **tx)
        .await?;
    // In the order of their ids, as whoever takes all sessions of a person away holds them.
    due.sort_unstable();
    let count = due.len();
    for id in due {
        diesel::update(sessions::table.find((env.to_string(), id)).filter(live()))
            .set((
                sessions::status.eq(SessionStatus::Expired.as_str()),
                sessions::ended_at.eq(sessions::expire_at.nullable()),
                sessions::updated_at.eq(now.millis()),
            ))
            .execute(&mut **tx)
            .await?;
    }
    Ok(count)
}

/// Stamps sessions that have waited too long for their second factor, a few at a time. Readers do not wait for it.
pub async fn stamp_abandoned(tx: &mut Tx<'_>, env: EnvironmentId, now: Timestamp, max: i64) -> Result<usize> {
    let pending = SessionStatus::Pending.as_str();
    let mut due: Vec<String> = sessions::table
        .filter(
            sessions::environment_id
                .eq(env.to_string())
                .and(sessions::status.eq(pending))
                .and(sessions::abandon_at.le(now.millis())),
        )
        .select(sessions::id)
        .limit(max)
        .load(&mut **tx)
        .await?;
    // In the order of their ids, as whoever takes all sessions of a person away holds them.
    due.sort_unstable();
    let count = due.len();
    for id in due {
        diesel::update(sessions::table.find((env.to_string(), id)).filter(sessions::status.eq(pending)))
            .set((
                sessions::status.eq(SessionStatus::Abandoned.as_str()),
                sessions::ended_at.eq(sessions::abandon_at.nullable()),
                sessions::updated_at.eq(now.millis()),
            ))
            .execute(&mut **tx)
            .await?;
    }
    Ok(count)
}

/// What the mint of a token needs to know, in one read: no more, for it is the read that is made most often.
#[derive(Debug, Clone)]
pub struct Mintable {
    /// Whose the session is.
    pub user_id: UserId,
    /// Where the session stands.
    pub standing: Standing,
    /// Which factors were proven when.
    pub proven: Proven,
    /// The way of the first factor.
    pub first: Strategy,
    /// Who acts in the person's place.
    pub actor: Option<Map<String, Value>>,
    /// Which factors the person has.
    pub factors: FactorSummary,
    /// Whether it is a test person's.
    pub was_test: bool,
    /// The hash of the client's secret.
    pub client_secret: TokenHash,
    /// Whether the person is banned.
    pub banned: bool,
    /// The lock of the person.
    pub lock: Option<Lock>,
}

#[derive(Queryable)]
struct MintRow {
    user_id: String,
    status: String,
    created_at: i64,
    last_active_at: i64,
    expire_at: i64,
    abandon_at: i64,
    first_factor_at: i64,
    second_factor_at: Option<i64>,
    first_factor: String,
    actor: Option<Doc<Map<String, Value>>>,
    factors: i64,
    was_test: bool,
    secret_hash: Vec<u8>,
    banned: bool,
    locked_by: Option<String>,
    locked_until: Option<i64>,
}

impl TryFrom<MintRow> for Mintable {
    type Error = crate::Error;
    fn try_from(row: MintRow) -> Result<Self> {
        let lock = match row.locked_by {
            None => None,
            Some(by) => Some(Lock {
                until: row.locked_until.map(at),
                by: LockedBy::parse(&by).ok_or_else(|| corrupt("users.locked_by"))?,
            }),
        };
        Ok(Self {
            user_id: read(&row.user_id, "sessions.user_id")?,
            standing: Standing {
                status: SessionStatus::parse(&row.status).ok_or_else(|| corrupt("sessions.status"))?,
                created_at: at(row.created_at),
                last_active_at: at(row.last_active_at),
                expire_at: at(row.expire_at),
                abandon_at: at(row.abandon_at),
            },
            proven: Proven { first_at: at(row.first_factor_at), second_at: row.second_factor_at.map(at) },
            first: Strategy::parse(&row.first_factor).ok_or_else(|| corrupt("sessions.first_factor"))?,
            actor: row.actor.map(|actor| actor.0),
            factors: FactorSummary::from_bits(row.factors),
            was_test: row.was_test,
            client_secret: TokenHash::from_bytes(&row.secret_hash).ok_or_else(|| corrupt("clients.secret_hash"))?,
            banned: row.banned,
            lock,
        })
    }
}

/// Reads what a mint needs: the session, its client's secret and what stands against its person.
pub async fn mintable(
    conn: &mut Conn,
    env: EnvironmentId,
    client: ClientId,
    id: SessionId,
) -> Result<Option<Mintable>> {
    let query = sessions::table
        .inner_join(
            clients::table
                .on(clients::environment_id.eq(sessions::environment_id).and(clients::id.eq(sessions::client_id))),
        )
        .inner_join(
            users::table.on(users::environment_id.eq(sessions::environment_id).and(users::id.eq(sessions::user_id))),
        )
        .filter(
            sessions::environment_id
                .eq(env.to_string())
                .and(sessions::id.eq(id.to_string()))
                .and(sessions::client_id.eq(client.to_string())),
        )
        .select((
            sessions::user_id,
            sessions::status,
            sessions::created_at,
            sessions::last_active_at,
            sessions::expire_at,
            sessions::abandon_at,
            sessions::first_factor_at,
            sessions::second_factor_at,
            sessions::first_factor,
            sessions::actor,
            users::factors,
            sessions::was_test,
            clients::secret_hash,
            users::banned,
            users::locked_by,
            users::locked_until,
        ));
    let row: Option<MintRow> = conn.point(query).await?;
    row.map(Mintable::try_from).transpose()
}

/// What a list of sessions can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// When they began.
    CreatedAt,
    /// When they were last changed.
    UpdatedAt,
}

/// Which sessions are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this person.
    pub user_id: Option<String>,
    /// On this client.
    pub client_id: Option<String>,
    /// In one of these states.
    pub statuses: Vec<SessionStatus>,
}

type Boxed<'a> = sessions::BoxedQuery<'a, Any>;

fn filtered<'a>(env: EnvironmentId, filter: &'a Filter, now: Timestamp) -> Boxed<'a> {
    let mut query = sessions::table.filter(sessions::environment_id.eq(env.to_string())).into_boxed::<Any>();
    if let Some(user) = &filter.user_id {
        query = query.filter(sessions::user_id.eq(user));
    }
    if let Some(client) = &filter.client_id {
        query = query.filter(sessions::client_id.eq(client));
    }
    if !filter.statuses.is_empty() {
        // A session past its end counts as expired, and one that waited too long as abandoned, before the reaper has
        // written so. Of an active one both times are the same.
        let live: Vec<&str> = filter.statuses.iter().filter(|s| s.is_live()).map(|s| s.as_str()).collect();
        let over: Vec<&str> = filter.statuses.iter().filter(|s| !s.is_live()).map(|s| s.as_str()).collect();
        let until = |status| if filter.statuses.contains(&status) { now.millis() } else { i64::MIN };
        let (expired, abandoned) = (until(SessionStatus::Expired), until(SessionStatus::Abandoned));
        query = query.filter(
            sessions::status
                .eq_any(live)
                .and(sessions::abandon_at.gt(now.millis()))
                .or(sessions::status.eq_any(over))
                .or(sessions::status.eq_any(LIVE).and(sessions::expire_at.le(expired)))
                .or(sessions::status
                    .eq(SessionStatus::Pending.as_str())
                    .and(sessions::abandon_at.le(abandoned))
                    .and(sessions::expire_at.gt(now.millis()))),
        );
    }
    query
}

/// How many sessions match.
pub async fn count(conn: &mut Conn, env: EnvironmentId, filter: &Filter, now: Timestamp) -> Result<i64> {
    Ok(filtered(env, filter, now).select(count_star()).get_result(conn).await?)
}

/// One page of the sessions that match, without its total.
pub async fn page(
    conn: &mut Conn,
    env: EnvironmentId,
    filter: &Filter,
    request: &PageRequest<Key>,
    now: Timestamp,
) -> Result<Page<Session>> {
    let query = filtered(env, filter, now);
    let query = match request.order.key {
        Key::CreatedAt => paged(query, request, sessions::created_at, sessions::id),
        Key::UpdatedAt => paged(query, request, sessions::updated_at, sessions::id),
    };
    let rows: Vec<Row> = query.select(Row::as_select()).load(conn).await?;
    let found: Vec<Session> = rows.into_iter().map(Session::try_from).collect::<Result<_>>()?;
    let key = request.order.key;
    Ok(Page::cut(found, request.limit, 0, |s| {
        let value = if key == Key::CreatedAt { s.created_at } else { s.updated_at };
        (value.millis(), s.id.to_string())
    }))
}
