//! Passkeys of people.

use crate::paging::paged;
use crate::row::{at, by_user, one_row, read};
use crate::schema::passkeys;
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::page::{Page, PageRequest};
use domain::user::Passkey;
use domain::{EnvironmentId, PasskeyId, Timestamp, UserId};
use std::collections::HashMap;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = passkeys, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    id: String,
    user_id: String,
    credential_id: Vec<u8>,
    credential: String,
    nickname: String,
    aaguid: Option<String>,
    transports: Doc<Vec<String>>,
    last_used_at: Option<i64>,
    removed_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Passkey {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "passkeys.id")?,
            user_id: read(&row.user_id, "passkeys.user_id")?,
            credential_id: row.credential_id,
            credential: row.credential,
            nickname: row.nickname,
            aaguid: row.aaguid,
            transports: row.transports.0,
            last_used_at: row.last_used_at.map(at),
            removed_at: row.removed_at.map(at),
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, key: &Passkey) -> Row {
    Row {
        environment_id: env.to_string(),
        id: key.id.to_string(),
        user_id: key.user_id.to_string(),
        credential_id: key.credential_id.clone(),
        credential: key.credential.clone(),
        nickname: key.nickname.clone(),
        aaguid: key.aaguid.clone(),
        transports: Doc(key.transports.clone()),
        last_used_at: key.last_used_at.map(Timestamp::millis),
        removed_at: key.removed_at.map(Timestamp::millis),
        created_at: key.created_at.millis(),
        updated_at: key.updated_at.millis(),
    }
}

/// Finds a passkey that was not removed.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: PasskeyId) -> Result<Option<Passkey>> {
    let row: Option<Row> = passkeys::table
        .find((env.to_string(), id.to_string()))
        .filter(passkeys::removed_at.is_null())
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Passkey::try_from).transpose()
}

/// Finds a passkey by the authenticator's id of it, removed or not.
pub async fn by_credential(conn: &mut Conn, env: EnvironmentId, credential_id: &[u8]) -> Result<Option<Passkey>> {
    let row: Option<Row> = passkeys::table
        .filter(passkeys::environment_id.eq(env.to_string()).and(passkeys::credential_id.eq(credential_id)))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Passkey::try_from).transpose()
}

/// The passkeys of a person that were not removed, newest first.
pub async fn of_user(conn: &mut Conn, env: EnvironmentId, user: UserId) -> Result<Vec<Passkey>> {
    let rows: Vec<Row> = passkeys::table
        .filter(
            passkeys::environment_id
                .eq(env.to_string())
                .and(passkeys::user_id.eq(user.to_string()))
                .and(passkeys::removed_at.is_null()),
        )
        .order((passkeys::created_at.desc(), passkeys::id.desc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Passkey::try_from).collect()
}

/// The passkeys of several people that were not removed, newest first, by person.
pub(crate) async fn of_users(
    conn: &mut Conn,
    env: EnvironmentId,
    users: Vec<String>,
) -> Result<HashMap<UserId, Vec<Passkey>>> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = passkeys::table
        .filter(
            passkeys::environment_id
                .eq(env.to_string())
                .and(passkeys::user_id.eq_any(users))
                .and(passkeys::removed_at.is_null()),
        )
        .order((passkeys::created_at.desc(), passkeys::id.desc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    by_user(rows, |key: &Passkey| key.user_id)
}

/// What a list of passkeys can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// When they were made.
    CreatedAt,
}

/// Which passkeys are meant; those that were removed never are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this person.
    pub user_id: Option<String>,
}

fn filtered<'a>(env: EnvironmentId, filter: &'a Filter) -> passkeys::BoxedQuery<'a, Any> {
    let kept = passkeys::environment_id.eq(env.to_string()).and(passkeys::removed_at.is_null());
    let query = passkeys::table.filter(kept).into_boxed::<Any>();
    match &filter.user_id {
        Some(user) => query.filter(passkeys::user_id.eq(user)),
        None => query,
    }
}

/// How many passkeys match.
pub async fn count(conn: &mut Conn, env: EnvironmentId, filter: &Filter) -> Result<i64> {
    Ok(filtered(env, filter).select(count_star()).get_result(conn).await?)
}

/// One page of the passkeys that match, without its total.
pub async fn page(
    conn: &mut Conn,
    env: EnvironmentId,
    filter: &Filter,
    request: &PageRequest<Key>,
) -> Result<Page<Passkey>> {
    let Key::CreatedAt = request.order.key;
    let query = paged(filtered(env, filter), request, passkeys::created_at, passkeys::id);
    let rows: Vec<Row> = query.select(Row::as_select()).load(conn).await?;
    let keys: Vec<Passkey> = rows.into_iter().map(Passkey::try_from).collect::<Result<_>>()?;
    Ok(Page::cut(keys, request.limit, 0, |key| (key.created_at.millis(), key.id.to_string())))
}

/// Adds a passkey.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, key: &Passkey) -> Result<()> {
    diesel::insert_into(passkeys::table).values(row(env, key)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes a passkey of a person who was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, key: &Passkey) -> Result<()> {
    let target = passkeys::table.find((env.to_string(), key.id.to_string()));
    let hit = diesel::update(target).set(row(env, key)).execute(&mut **tx).await?;
    one_row(hit, "passkeys")
}

/// Whether an error says that the credential id is known already.
pub fn is_known(error: &crate::Error) -> bool {
    match error {
        crate::Error::Conflict(conflict) => {
            conflict.is_on("passkeys_credential", &["passkeys.environment_id", "passkeys.credential_id"])
        }
        _ => false,
    }
}
