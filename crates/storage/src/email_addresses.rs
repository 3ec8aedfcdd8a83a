//! E-mail addresses of people.

use crate::row::{at, by_user, corrupt, one_row, read, read_opt};
use crate::schema::email_addresses;
use crate::{Conn, Result, Tx};
use anydb::{Any, Lock as _};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::user::EmailAddress;
use domain::{Email, EmailAddressId, EnvironmentId, UserId};
use std::collections::HashMap;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = email_addresses, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    id: String,
    user_id: String,
    email_address: String,
    canonical: String,
    verified: bool,
    current_challenge_id: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for EmailAddress {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "email_addresses.id")?,
            user_id: read(&row.user_id, "email_addresses.user_id")?,
            email: Email::parse(&row.email_address).map_err(|_| corrupt("email_addresses.email_address"))?,
            canonical: row.canonical,
            verified: row.verified,
            current_challenge_id: read_opt(row.current_challenge_id.as_ref(), "email_addresses.current_challenge_id")?,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, address: &EmailAddress) -> Row {
    Row {
        environment_id: env.to_string(),
        id: address.id.to_string(),
        user_id: address.user_id.to_string(),
        email_address: address.email.as_str().to_owned(),
        canonical: address.canonical.clone(),
        verified: address.verified,
        current_challenge_id: address.current_challenge_id.map(|id| id.to_string()),
        created_at: address.created_at.millis(),
        updated_at: address.updated_at.millis(),
    }
}

/// Finds an address.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: EmailAddressId) -> Result<Option<EmailAddress>> {
    let row: Option<Row> = email_addresses::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(EmailAddress::try_from).transpose()
}

/// Finds an address and holds its row until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, id: EmailAddressId) -> Result<Option<EmailAddress>> {
    let row: Option<Row> = email_addresses::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(EmailAddress::try_from).transpose()
}

/// All rows of an address in its canonical form, whoever claims it; the proven one first.
pub async fn by_canonical(conn: &mut Conn, env: EnvironmentId, canonical: &str) -> Result<Vec<EmailAddress>> {
    let rows: Vec<Row> = email_addresses::table
        .filter(email_addresses::environment_id.eq(env.to_string()).and(email_addresses::canonical.eq(canonical)))
        .order((email_addresses::verified.desc(), email_addresses::created_at.asc(), email_addresses::id.asc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(EmailAddress::try_from).collect()
}

/// The addresses of a person, oldest first.
pub async fn of_user(conn: &mut Conn, env: EnvironmentId, user: UserId) -> Result<Vec<EmailAddress>> {
    let rows: Vec<Row> = email_addresses::table
        .filter(email_addresses::environment_id.eq(env.to_string()).and(email_addresses::user_id.eq(user.to_string())))
        .order((email_addresses::created_at.asc(), email_addresses::id.asc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(EmailAddress::try_from).collect()
}

/// The addresses of several people, oldest first, by person.
pub(crate) async fn of_users(
    conn: &mut Conn,
    env: EnvironmentId,
    users: Vec<String>,
) -> Result<HashMap<UserId, Vec<EmailAddress>>> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = email_addresses::table
        .filter(email_addresses::environment_id.eq(env.to_string()).and(email_addresses::user_id.eq_any(users)))
        .order((email_addresses::created_at.asc(), email_addresses::id.asc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    by_user(rows, |address: &EmailAddress| address.user_id)
}

/// Adds an address.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, address: &EmailAddress) -> Result<()> {
    diesel::insert_into(email_addresses::table).values(row(env, address)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes an address of a person who was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, address: &EmailAddress) -> Result<()> {
    let target = email_addresses::table.find((env.to_string(), address.id.to_string()));
    let hit = diesel::update(target).set(row(env, address)).execute(&mut **tx).await?;
    one_row(hit, "email_addresses")
}

/// Deletes an address.
pub async fn delete(tx: &mut Tx<'_>, env: EnvironmentId, id: EmailAddressId) -> Result<()> {
    let hit = diesel::delete(email_addresses::table.find((env.to_string(), id.to_string()))).execute(&mut **tx).await?;
    one_row(hit, "email_addresses")
}

/// Whether an error says that somebody else has the address.
pub fn is_taken(error: &crate::Error) -> bool {
    match error {
        crate::Error::Conflict(conflict) => {
            conflict.is_on("email_addresses_verified", &["email_addresses.environment_id", "email_addresses.canonical"])
                || conflict.is_on(
                    "email_addresses_own",
                    &["email_addresses.environment_id", "email_addresses.user_id", "email_addresses.canonical"],
                )
        }
        _ => false,
    }
}
