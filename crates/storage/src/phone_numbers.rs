//! Phone numbers of people.

use crate::paging::paged;
use crate::row::{at, by_user, corrupt, one_row, read, read_opt};
use crate::schema::{phone_numbers, users};
use crate::{Conn, Result, Tx};
use anydb::{Any, Lock as _};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::page::{Page, PageRequest};
use domain::user::PhoneNumber;
use domain::{EnvironmentId, Phone, PhoneNumberId, UserId};
use std::collections::HashMap;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = phone_numbers, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    id: String,
    user_id: String,
    phone_number: String,
    verified: bool,
    reserved_for_second_factor: bool,
    default_second_factor: bool,
    current_challenge_id: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for PhoneNumber {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "phone_numbers.id")?,
            user_id: read(&row.user_id, "phone_numbers.user_id")?,
            number: Phone::from_e164(&row.phone_number).map_err(|_| corrupt("phone_numbers.phone_number"))?,
            verified: row.verified,
            reserved_for_second_factor: row.reserved_for_second_factor,
            default_second_factor: row.default_second_factor,
            current_challenge_id: read_opt(row.current_challenge_id.as_ref(), "phone_numbers.current_challenge_id")?,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, number: &PhoneNumber) -> Row {
    Row {
        environment_id: env.to_string(),
        id: number.id.to_string(),
        user_id: number.user_id.to_string(),
        phone_number: number.number.as_str().to_owned(),
        verified: number.verified,
        reserved_for_second_factor: number.reserved_for_second_factor,
        default_second_factor: number.default_second_factor,
        current_challenge_id: number.current_challenge_id.map(|id| id.to_string()),
        created_at: number.created_at.millis(),
        updated_at: number.updated_at.millis(),
    }
}

/// Finds a number.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: PhoneNumberId) -> Result<Option<PhoneNumber>> {
    let row: Option<Row> = phone_numbers::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(PhoneNumber::try_from).transpose()
}

/// Finds a number and holds its row until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, id: PhoneNumberId) -> Result<Option<PhoneNumber>> {
    let row: Option<Row> = phone_numbers::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(PhoneNumber::try_from).transpose()
}

/// All rows of a number, whoever claims it; the proven one first.
pub async fn by_number(conn: &mut Conn, env: EnvironmentId, number: &Phone) -> Result<Vec<PhoneNumber>> {
    let rows: Vec<Row> = phone_numbers::table
        .filter(phone_numbers::environment_id.eq(env.to_string()).and(phone_numbers::phone_number.eq(number.as_str())))
        .order((phone_numbers::verified.desc(), phone_numbers::created_at.asc(), phone_numbers::id.asc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(PhoneNumber::try_from).collect()
}

/// The numbers of a person, oldest first.
pub async fn of_user(conn: &mut Conn, env: EnvironmentId, user: UserId) -> Result<Vec<PhoneNumber>> {
    let rows: Vec<Row> = phone_numbers::table
        .filter(phone_numbers::environment_id.eq(env.to_string()).and(phone_numbers::user_id.eq(user.to_string())))
        .order((phone_numbers::created_at.asc(), phone_numbers::id.asc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(PhoneNumber::try_from).collect()
}

/// The numbers of several people, oldest first, by person.
pub(crate) async fn of_users(
    conn: &mut Conn,
    env: EnvironmentId,
    users: Vec<String>,
) -> Result<HashMap<UserId, Vec<PhoneNumber>>> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = phone_numbers::table
        .filter(phone_numbers::environment_id.eq(env.to_string()).and(phone_numbers::user_id.eq_any(users)))
        .order((phone_numbers::created_at.asc(), phone_numbers::id.asc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    by_user(rows, |number: &PhoneNumber| number.user_id)
}

/// Adds a number.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, number: &PhoneNumber) -> Result<()> {
    diesel::insert_into(phone_numbers::table).values(row(env, number)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes a number of a person who was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, number: &PhoneNumber) -> Result<()> {
    let target = phone_numbers::table.find((env.to_string(), number.id.to_string()));
    let hit = diesel::update(target).set(row(env, number)).execute(&mut **tx).await?;
    one_row(hit, "phone_numbers")
}

/// Deletes a number.
pub async fn delete(tx: &mut Tx<'_>, env: EnvironmentId, id: PhoneNumberId) -> Result<()> {
    let hit = diesel::delete(phone_numbers::table.find((env.to_string(), id.to_string()))).execute(&mut **tx).await?;
    one_row(hit, "phone_numbers")
}

/// A number as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The number.
    pub number: PhoneNumber,
    /// Whether it is its owner's primary one.
    pub is_primary: bool,
}

type ShownRow = (Row, Option<String>);

fn shown((row, primary): ShownRow) -> Result<Shown> {
    let is_primary = primary.as_deref() == Some(row.id.as_str());
    Ok(Shown { number: PhoneNumber::try_from(row)?, is_primary })
}

/// Finds a number as it is shown.
pub async fn find_shown(conn: &mut Conn, env: EnvironmentId, id: PhoneNumberId) -> Result<Option<Shown>> {
    let row: Option<ShownRow> = phone_numbers::table
        .inner_join(
            users::table
                .on(users::environment_id.eq(phone_numbers::environment_id).and(users::id.eq(phone_numbers::user_id))),
        )
        .filter(phone_numbers::environment_id.eq(env.to_string()).and(phone_numbers::id.eq(id.to_string())))
        .select((Row::as_select(), users::primary_phone_number_id))
        .first(conn)
        .await
        .optional()?;
    row.map(shown).transpose()
}

/// How many numbers there are, of everybody or of one person.
pub async fn count(conn: &mut Conn, env: EnvironmentId, user: Option<UserId>) -> Result<i64> {
    let mut query = phone_numbers::table.filter(phone_numbers::environment_id.eq(env.to_string())).into_boxed::<Any>();
    if let Some(user) = user {
        query = query.filter(phone_numbers::user_id.eq(user.to_string()));
    }
    Ok(query.select(count_star()).get_result(conn).await?)
}

/// One page of the numbers of everybody or of one person, by when they were added, without its total.
pub async fn page(
    conn: &mut Conn,
    env: EnvironmentId,
    user: Option<UserId>,
    request: &PageRequest<()>,
) -> Result<Page<Shown>> {
    let mut query = phone_numbers::table
        .inner_join(
            users::table
                .on(users::environment_id.eq(phone_numbers::environment_id).and(users::id.eq(phone_numbers::user_id))),
        )
        .filter(phone_numbers::environment_id.eq(env.to_string()))
        .select((Row::as_select(), users::primary_phone_number_id))
        .into_boxed::<Any>();
    if let Some(user) = user {
        query = query.filter(phone_numbers::user_id.eq(user.to_string()));
    }
    let query = paged(query, request, phone_numbers::created_at, phone_numbers::id);
    let rows: Vec<ShownRow> = query.load(conn).await?;
    let found: Vec<Shown> = rows.into_iter().map(shown).collect::<Result<_>>()?;
    Ok(Page::cut(found, request.limit, 0, |s| (s.number.created_at.millis(), s.number.id.to_string())))
}

/// Whether an error says that somebody else has the number.
pub fn is_taken(error: &crate::Error) -> bool {
    match error {
        crate::Error::Conflict(conflict) => {
            conflict.is_on("phone_numbers_verified", &["phone_numbers.environment_id", "phone_numbers.phone_number"])
                || conflict.is_on(
                    "phone_numbers_own",
                    &["phone_numbers.environment_id", "phone_numbers.user_id", "phone_numbers.phone_number"],
                )
        }
        _ => false,
    }
}
