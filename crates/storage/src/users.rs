//! People. What belongs to them has files of its own.

use crate::paging::paged;
use crate::row::{at, at_or_never, corrupt, one_row, read, read_opt};
use crate::schema::{deleted_users, email_addresses as emails, phone_numbers as numbers, users};
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::page::{Page, PageRequest};
use domain::text::{Metadata, Username};
use domain::user::{FactorSummary, Lock, LockedBy, PasswordDigest, Person, User};
use domain::{EnvironmentId, Timestamp, UserId};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = users, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct Row {
    environment_id: String,
    pub(crate) id: String,
    external_id: Option<String>,
    username: Option<String>,
    username_key: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    password_digest: Option<String>,
    primary_email_address_id: Option<String>,
    primary_phone_number_id: Option<String>,
    image_key: Option<String>,
    passkey_handle: Option<Vec<u8>>,
    delete_self_enabled: bool,
    factors: i64,
    mfa_enabled_at: Option<i64>,
    mfa_disabled_at: Option<i64>,
    banned: bool,
    locked_by: Option<String>,
    locked_until: Option<i64>,
    last_sign_in_at: i64,
    last_active_at: i64,
    locale: Option<String>,
    public_metadata: Doc<Metadata>,
    private_metadata: Doc<Metadata>,
    unsafe_metadata: Doc<Metadata>,
    search_text: String,
    created_at: i64,
    updated_at: i64,
    devices_since: Option<i64>,
}

impl TryFrom<Row> for User {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        let lock = match row.locked_by {
            None => None,
            Some(by) => Some(Lock {
                until: row.locked_until.map(at),
                by: LockedBy::parse(&by).ok_or_else(|| corrupt("users.locked_by"))?,
            }),
        };
        let username = row.username.map(|u| Username::parse(&u).map_err(|_| corrupt("users.username"))).transpose()?;
        Ok(Self {
            id: read(&row.id, "users.id")?,
            external_id: row.external_id,
            username,
            first_name: row.first_name,
            last_name: row.last_name,
            password_digest: row.password_digest.map(PasswordDigest::new),
            primary_email_address_id: read_opt(
                row.primary_email_address_id.as_ref(),
                "users.primary_email_address_id",
            )?,
            primary_phone_number_id: read_opt(row.primary_phone_number_id.as_ref(), "users.primary_phone_number_id")?,
            image_key: row.image_key,
            passkey_handle: row
                .passkey_handle
                .map(|handle| handle.try_into().map_err(|_| corrupt("users.passkey_handle")))
                .transpose()?,
            delete_self_enabled: row.delete_self_enabled,
            factors: FactorSummary::from_bits(row.factors),
            mfa_enabled_at: row.mfa_enabled_at.map(at),
            mfa_disabled_at: row.mfa_disabled_at.map(at),
            banned: row.banned,
            lock,
            last_sign_in_at: at_or_never(row.last_sign_in_at),
            last_active_at: at_or_never(row.last_active_at),
            locale: row.locale,
            public_metadata: row.public_metadata.0,
            private_metadata: row.private_metadata.0,
            unsafe_metadata: row.unsafe_metadata.0,
            devices_since: row.devices_since.map(at),
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, person: &Person) -> Row {
    let user = &person.user;
    Row {
        environment_id: env.to_string(),
        id: user.id.to_string(),
        external_id: user.external_id.clone(),
        username: user.username.as_ref().map(|u| u.as_str().to_owned()),
        username_key: user.username.as_ref().map(Username::key),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        password_digest: user.password_digest.as_ref().map(|d| d.as_str().to_owned()),
        primary_email_address_id: user.primary_email_address_id.map(|id| id.to_string()),
        primary_phone_number_id: user.primary_phone_number_id.map(|id| id.to_string()),
        image_key: user.image_key.clone(),
        passkey_handle: user.passkey_handle.map(|handle| handle.to_vec()),
        delete_self_enabled: user.delete_self_enabled,
        factors: person.factor_summary().bits(),
        mfa_enabled_at: user.mfa_enabled_at.map(Timestamp::millis),
        mfa_disabled_at: user.mfa_disabled_at.map(Timestamp::millis),
        banned: user.banned,
        locked_by: user.lock.map(|l| l.by.as_str().to_owned()),
        locked_until: user.lock.and_then(|l| l.until).map(Timestamp::millis),
        last_sign_in_at: user.last_sign_in_at.map_or(0, Timestamp::millis),
        last_active_at: user.last_active_at.map_or(0, Timestamp::millis),
        locale: user.locale.clone(),
        public_metadata: Doc(user.public_metadata.clone()),
        private_metadata: Doc(user.private_metadata.clone()),
        unsafe_metadata: Doc(user.unsafe_metadata.clone()),
        search_text: person.search_text(),
        created_at: user.created_at.millis(),
        updated_at: user.updated_at.millis(),
        devices_since: user.devices_since.map(Timestamp::millis),
    }
}

/// Finds a person.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: UserId) -> Result<Option<User>> {
    let row: Option<Row> =
        users::table.find((env.to_string(), id.to_string())).select(Row::as_select()).first(conn).await.optional()?;
    row.map(User::try_from).transpose()
}

/// Which factors a person has, in short; none of somebody who is gone.
pub async fn factors(conn: &mut Conn, env: EnvironmentId, id: UserId) -> Result<FactorSummary> {
    let bits: Option<i64> =
        users::table.find((env.to_string(), id.to_string())).select(users::factors).first(conn).await.optional()?;
    Ok(FactorSummary::from_bits(bits.unwrap_or(0)))
}

/// Finds a person with the addresses.
pub async fn person(conn: &mut Conn, env: EnvironmentId, id: UserId) -> Result<Option<Person>> {
    match find(conn, env, id).await? {
        Some(user) => Ok(Some(whole(conn, env, user).await?)),
        None => Ok(None),
    }
}

/// A person who was read already, with everything that belongs to one.
pub async fn whole(conn: &mut Conn, env: EnvironmentId, user: User) -> Result<Person> {
    Ok(Person {
        email_addresses: crate::email_addresses::of_user(conn, env, user.id).await?,
        phone_numbers: crate::phone_numbers::of_user(conn, env, user.id).await?,
        passkeys: crate::passkeys::of_user(conn, env, user.id).await?,
        second: crate::second_factors::of_user(conn, env, user.id).await?,
        user,
    })
}

/// Finds a person with the addresses and holds the row until the transaction ends: everything about one
/// person is written under this lock.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, id: UserId) -> Result<Option<Person>> {
    let row: Option<Row> = users::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(whole(tx, env, User::try_from(row)?).await?))
}

/// The people with these ids, in no particular order.
pub async fn by_ids(conn: &mut Conn, env: EnvironmentId, ids: &[UserId]) -> Result<Vec<Person>> {
    match ids {
        [] => return Ok(Vec::new()),
        // Nearly always one; its statements stay prepared, and those of a list do not.
        [one] => return Ok(person(conn, env, *one).await?.into_iter().collect()),
        _ => {}
    }
    let rows: Vec<Row> = users::table
        .filter(users::environment_id.eq(env.to_string()).and(users::id.eq_any(texts(ids))))
        .select(Row::as_select())
        .load(conn)
        .await?;
    everything_of(conn, env, rows).await
}

/// The person who has a user name, without regard to case.
pub async fn by_username(conn: &mut Conn, env: EnvironmentId, key: &str) -> Result<Option<User>> {
    let row: Option<Row> = users::table
        .filter(users::environment_id.eq(env.to_string()).and(users::username_key.eq(key)))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(User::try_from).transpose()
}

/// Adds a person; the addresses are added on their own.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, person: &Person) -> Result<()> {
    diesel::insert_into(users::table).values(row(env, person)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes a person who was locked. The addresses are needed for the search text; they are written on their own.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, person: &Person) -> Result<()> {
    let target = users::table.find((env.to_string(), person.user.id.to_string()));
    let hit = diesel::update(target).set(row(env, person)).execute(&mut **tx).await?;
    one_row(hit, "users")
}

/// Replaces a password hash by one of the same password, if it is still the one that was checked.
pub async fn rehash(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    id: UserId,
    from: &PasswordDigest,
    to: &PasswordDigest,
) -> Result<bool> {
    let hit = diesel::update(
        users::table.find((env.to_string(), id.to_string())).filter(users::password_digest.eq(from.as_str())),
    )
    .set(users::password_digest.eq(to.as_str()))
    .execute(&mut **tx)
    .await?;
    Ok(hit == 1)
}

/// Notes when people were last active; never moves a time back.
pub async fn touch(tx: &mut Tx<'_>, env: EnvironmentId, id: UserId, when: Timestamp) -> Result<()> {
    diesel::update(
        users::table.find((env.to_string(), id.to_string())).filter(users::last_active_at.lt(when.millis())),
    )
    .set(users::last_active_at.eq(when.millis()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes a person, the addresses and the numbers; the id stays taken.
pub async fn delete(tx: &mut Tx<'_>, env: EnvironmentId, id: UserId, now: Timestamp) -> Result<()> {
    let key = (env.to_string(), id.to_string());
    diesel::delete(emails::table.filter(emails::environment_id.eq(&key.0).and(emails::user_id.eq(&key.1))))
        .execute(&mut **tx)
        .await?;
    diesel::delete(numbers::table.filter(numbers::environment_id.eq(&key.0).and(numbers::user_id.eq(&key.1))))
        .execute(&mut **tx)
        .await?;
    let hit = diesel::delete(users::table.find((key.0.clone(), key.1.clone()))).execute(&mut **tx).await?;
    one_row(hit, "users")?;
    diesel::insert_into(deleted_users::table)
        .values((
            deleted_users::environment_id.eq(key.0),
            deleted_users::id.eq(key.1),
            deleted_users::deleted_at.eq(now.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What a list of people can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// When they were made.
    CreatedAt,
    /// When they were last changed.
    UpdatedAt,
    /// When they were last active.
    LastActiveAt,
    /// When they last signed in.
    LastSignInAt,
}

impl Key {
    /// The value that a person is ordered by.
    pub fn of(self, user: &User) -> i64 {
        match self {
            Self::CreatedAt => user.created_at.millis(),
            Self::UpdatedAt => user.updated_at.millis(),
            Self::LastActiveAt => user.last_active_at.map_or(0, Timestamp::millis),
            Self::LastSignInAt => user.last_sign_in_at.map_or(0, Timestamp::millis),
        }
    }
}

/// Which people are meant: OR inside one filter, AND across them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Has one of these addresses, in canonical form.
    pub email_addresses: Vec<String>,
    /// Has one of these phone numbers.
    pub phone_numbers: Vec<String>,
    /// Has one of these user names, without regard to case.
    pub usernames: Vec<String>,
    /// Is one of these.
    pub user_ids: Vec<String>,
    /// Has one of these external ids.
    pub external_ids: Vec<String>,
    /// Has this substring in an address, the user name or a name; lower case.
    pub query: Option<String>,
    /// Was active at this time or later.
    pub last_active_at_since: Option<i64>,
    /// Was made after this time.
    pub created_at_after: Option<i64>,
    /// Was made before this time.
    pub created_at_before: Option<i64>,
}

impl Filter {
    /// Whether everybody is meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

type Boxed<'a> = users::BoxedQuery<'a, Any>;

fn filtered<'a>(env: EnvironmentId, filter: &'a Filter) -> Boxed<'a> {
    let mut query = users::table.filter(users::environment_id.eq(env.to_string())).into_boxed::<Any>();
    if !filter.email_addresses.is_empty() {
        let owners = emails::table
            .filter(emails::environment_id.eq(env.to_string()).and(emails::canonical.eq_any(&filter.email_addresses)))
            .select(emails::user_id);
        query = query.filter(users::id.eq_any(owners));
    }
    if !filter.phone_numbers.is_empty() {
        let owners = numbers::table
            .filter(
                numbers::environment_id.eq(env.to_string()).and(numbers::phone_number.eq_any(&filter.phone_numbers)),
            )
            .select(numbers::user_id);
        query = query.filter(users::id.eq_any(owners));
    }
    if !filter.usernames.is_empty() {
        let keys: Vec<String> = filter.usernames.iter().map(|u| u.to_ascii_lowercase()).collect();
        query = query.filter(users::username_key.eq_any(keys));
    }
    if !filter.user_ids.is_empty() {
        query = query.filter(users::id.eq_any(&filter.user_ids));
    }
    if !filter.external_ids.is_empty() {
        query = query.filter(users::external_id.eq_any(&filter.external_ids));
    }
    if let Some(needle) = &filter.query {
        query = query.filter(anydb::contains(users::search_text, needle.clone()));
    }
    if let Some(since) = filter.last_active_at_since {
        // Zero stands for never.
        query = query.filter(users::last_active_at.ge(since.max(1)));
    }
    if let Some(after) = filter.created_at_after {
        query = query.filter(users::created_at.gt(after));
    }
    if let Some(before) = filter.created_at_before {
        query = query.filter(users::created_at.lt(before));
    }
    query
}

/// How many people match.
pub async fn count(conn: &mut Conn, env: EnvironmentId, filter: &Filter) -> Result<i64> {
    Ok(filtered(env, filter).select(count_star()).get_result(conn).await?)
}

/// One page of the people who match, `limit + 1` rows at most, and without its total.
pub async fn page(
    conn: &mut Conn,
    env: EnvironmentId,
    filter: &Filter,
    request: &PageRequest<Key>,
) -> Result<Page<Person>> {
    let query = filtered(env, filter);
    let query = match request.order.key {
        Key::CreatedAt => paged(query, request, users::created_at, users::id),
        Key::UpdatedAt => paged(query, request, users::updated_at, users::id),
        Key::LastActiveAt => paged(query, request, users::last_active_at, users::id),
        Key::LastSignInAt => paged(query, request, users::last_sign_in_at, users::id),
    };
    let rows: Vec<Row> = query.select(Row::as_select()).load(conn).await?;
    let people = everything_of(conn, env, rows).await?;
    let key = request.order.key;
    Ok(Page::cut(people, request.limit, 0, |p| (key.of(&p.user), p.user.id.to_string())))
}

async fn everything_of(conn: &mut Conn, env: EnvironmentId, rows: Vec<Row>) -> Result<Vec<Person>> {
    let ids: Vec<String> = rows.iter().map(|r| r.id.clone()).collect();
    let mut addresses = crate::email_addresses::of_users(conn, env, ids.clone()).await?;
    let mut numbers = crate::phone_numbers::of_users(conn, env, ids.clone()).await?;
    let mut keys = crate::passkeys::of_users(conn, env, ids.clone()).await?;
    let mut second = crate::second_factors::of_users(conn, env, ids).await?;
    rows.into_iter()
        .map(|row| {
            let second = second.remove(&row.id).unwrap_or_default();
            let user = User::try_from(row)?;
            Ok(Person {
                email_addresses: addresses.remove(&user.id).unwrap_or_default(),
                phone_numbers: numbers.remove(&user.id).unwrap_or_default(),
                passkeys: keys.remove(&user.id).unwrap_or_default(),
                second,
                user,
            })
        })
        .collect()
}

fn texts(ids: &[UserId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
