//! Secret keys. Only the SHA-256 of a key is kept; the look-up by it finds the environment.

use crate::paging::paged;
use crate::row::{at, corrupt, one_row, read};
use crate::schema::api_keys;
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use crypto::TokenHash;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::action::Actions;
use domain::key::{ApiKey, ApiKeyKind, SecretAge};
use domain::page::{Page, PageRequest};
use domain::{ApiKeyId, EnvironmentId, Timestamp};

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(Any))]
struct Row {
    id: String,
    environment_id: String,
    kind: String,
    prefix: String,
    name: String,
    restricted_to_actions: Option<Doc<Vec<String>>>,
    last_used_at: Option<i64>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    created_by: Option<String>,
    created_at: i64,
}

impl TryFrom<Row> for ApiKey {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "api_keys.id")?,
            environment_id: read(&row.environment_id, "api_keys.environment_id")?,
            kind: match row.kind.as_str() {
                "secret" => ApiKeyKind::Secret,
                "publishable" => ApiKeyKind::Publishable,
                _ => return Err(corrupt("api_keys.kind")),
            },
            prefix: row.prefix,
            name: row.name,
            actions: row.restricted_to_actions.map_or(Actions::ALL, |names| Actions::only(names.0)),
            last_used_at: row.last_used_at.map(at),
            expires_at: row.expires_at.map(at),
            revoked_at: row.revoked_at.map(at),
            created_by: row.created_by,
            created_at: at(row.created_at),
        })
    }
}

/// Finds a key by the hash of its secret, or of the one before while that still counts, and says which of the two it
/// is; whatever the key's state.
pub async fn by_secret(conn: &mut Conn, secret: &TokenHash, now: Timestamp) -> Result<Option<(ApiKey, SecretAge)>> {
    let hash = secret.as_bytes().as_slice();
    let row: Option<Row> = api_keys::table
        .filter(api_keys::hashed_secret.eq(hash))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    if let Some(row) = row {
        return Ok(Some((ApiKey::try_from(row)?, SecretAge::Newest)));
    }
    let row: Option<Row> = api_keys::table
        .filter(api_keys::previous_hash.eq(hash).and(api_keys::previous_until.gt(now.millis())))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(|row| Ok((ApiKey::try_from(row)?, SecretAge::Retiring))).transpose()
}

/// Finds a key of an environment.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: ApiKeyId) -> Result<Option<ApiKey>> {
    let row: Option<Row> = api_keys::table
        .find(id.to_string())
        .filter(api_keys::environment_id.eq(env.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(ApiKey::try_from).transpose()
}

/// Finds a key of an environment and holds its row until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, id: ApiKeyId) -> Result<Option<ApiKey>> {
    let row: Option<Row> = api_keys::table
        .find(id.to_string())
        .filter(api_keys::environment_id.eq(env.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(ApiKey::try_from).transpose()
}

/// The secrets of a row: the newest, the one before, and until when that one counts.
type Secrets = (Vec<u8>, Option<Vec<u8>>, Option<i64>);

/// What a secret is to a key at this time; none when it is nothing to it any more.
fn shown(found: Option<(Row, Secrets)>, secret: &TokenHash, now: Timestamp) -> Result<Option<(ApiKey, SecretAge)>> {
    let Some((row, (newest, previous, until))) = found else { return Ok(None) };
    let is = |hash: &[u8]| TokenHash::from_bytes(hash).is_some_and(|hash| hash == *secret);
    let age = if is(&newest) {
        SecretAge::Newest
    } else if previous.as_deref().is_some_and(is) && until.is_some_and(|until| until > now.millis()) {
        SecretAge::Retiring
    } else {
        return Ok(None);
    };
    Ok(Some((ApiKey::try_from(row)?, age)))
}

/// Finds a key that somebody has shown, with what the secret is to it at this time; none when it is nothing to it any
/// more.
pub async fn find_shown(
    conn: &mut Conn,
    env: EnvironmentId,
    id: ApiKeyId,
    secret: &TokenHash,
    now: Timestamp,
) -> Result<Option<(ApiKey, SecretAge)>> {
    let found = api_keys::table
        .find(id.to_string())
        .filter(api_keys::environment_id.eq(env.to_string()))
        .select((Row::as_select(), (api_keys::hashed_secret, api_keys::previous_hash, api_keys::previous_until)))
        .first(conn)
        .await
        .optional()?;
    shown(found, secret, now)
}

/// The same, and holds its row until the transaction ends.
pub async fn lock_shown(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    id: ApiKeyId,
    secret: &TokenHash,
    now: Timestamp,
) -> Result<Option<(ApiKey, SecretAge)>> {
    let found = api_keys::table
        .find(id.to_string())
        .filter(api_keys::environment_id.eq(env.to_string()))
        .select((Row::as_select(), (api_keys::hashed_secret, api_keys::previous_hash, api_keys::previous_until)))
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    shown(found, secret, now)
}

/// All keys of an environment, live and revoked, oldest first.
pub async fn list(conn: &mut Conn, env: EnvironmentId) -> Result<Vec<ApiKey>> {
    let rows: Vec<Row> = api_keys::table
        .filter(api_keys::environment_id.eq(env.to_string()))
        .order((api_keys::created_at.asc(), api_keys::id.asc()))
        .select(Row::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// What a list of keys can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// When they were made.
    CreatedAt,
}

/// How many keys an environment has, live and revoked.
pub async fn count(conn: &mut Conn, env: EnvironmentId) -> Result<i64> {
    let all = api_keys::table.filter(api_keys::environment_id.eq(env.to_string()));
    Ok(all.select(count_star()).get_result(conn).await?)
}

/// One page of the keys of an environment, without its total.
pub async fn page(conn: &mut Conn, env: EnvironmentId, request: &PageRequest<Key>) -> Result<Page<ApiKey>> {
    let Key::CreatedAt = request.order.key;
    let all = api_keys::table.filter(api_keys::environment_id.eq(env.to_string())).into_boxed::<Any>();
    let query = paged(all, request, api_keys::created_at, api_keys::id);
    let rows: Vec<Row> = query.select(Row::as_select()).load(conn).await?;
    let keys: Vec<ApiKey> = rows.into_iter().map(ApiKey::try_from).collect::<Result<_>>()?;
    Ok(Page::cut(keys, request.limit, 0, |key| (key.created_at.millis(), key.id.to_string())))
}

/// Adds a key.
pub async fn insert(tx: &mut Tx<'_>, key: &ApiKey, secret: &TokenHash) -> Result<()> {
    diesel::insert_into(api_keys::table)
        .values((
            api_keys::id.eq(key.id.to_string()),
            api_keys::environment_id.eq(key.environment_id.to_string()),
            api_keys::kind.eq(key.kind.as_str()),
            api_keys::prefix.eq(&key.prefix),
            api_keys::hashed_secret.eq(secret.as_bytes().as_slice()),
            api_keys::name.eq(&key.name),
            api_keys::restricted_to_actions.eq(key.actions.named().map(|names| Doc(names.to_vec()))),
            api_keys::expires_at.eq(key.expires_at.map(Timestamp::millis)),
            api_keys::created_by.eq(&key.created_by),
            api_keys::created_at.eq(key.created_at.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes what may change of a key that was locked: its name, and since when it is worth nothing.
pub async fn save(tx: &mut Tx<'_>, key: &ApiKey) -> Result<()> {
    let target =
        api_keys::table.find(key.id.to_string()).filter(api_keys::environment_id.eq(key.environment_id.to_string()));
    let hit = diesel::update(target)
        .set((api_keys::name.eq(&key.name), api_keys::revoked_at.eq(key.revoked_at.map(Timestamp::millis))))
        .execute(&mut **tx)
        .await?;
    one_row(hit, "api_keys")
}

/// Gives a key that was locked another secret. The one that it has counts until `previous_until`, or no longer; one
/// from before that is forgotten.
pub async fn rotate(
    tx: &mut Tx<'_>,
    key: &ApiKey,
    secret: &TokenHash,
    previous_until: Option<Timestamp>,
) -> Result<()> {
    let target = || {
        let environment = api_keys::environment_id.eq(key.environment_id.to_string());
        api_keys::table.find(key.id.to_string()).filter(environment)
    };
    let (fresh, prefix) = (api_keys::hashed_secret.eq(secret.as_bytes().as_slice()), api_keys::prefix.eq(&key.prefix));
    let hit = match previous_until {
        Some(until) => {
            let before = api_keys::previous_hash.eq(api_keys::hashed_secret.nullable());
            let change = (fresh, prefix, before, api_keys::previous_until.eq(until.millis()));
            diesel::update(target()).set(change).execute(&mut **tx).await?
        }
        None => {
            let none = (api_keys::previous_hash.eq(None::<Vec<u8>>), api_keys::previous_until.eq(None::<i64>));
            diesel::update(target()).set((fresh, prefix, none)).execute(&mut **tx).await?
        }
    };
    one_row(hit, "api_keys")
}

/// Notes when keys were last used.
pub async fn touch(tx: &mut Tx<'_>, used: &[(ApiKeyId, Timestamp)]) -> Result<()> {
    for (id, when) in used {
        diesel::update(api_keys::table.find(id.to_string()))
            .set(api_keys::last_used_at.eq(when.millis()))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
