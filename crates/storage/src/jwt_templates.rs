//! JWT templates. A key that was brought along comes and goes sealed.

use crate::paging::paged;
use crate::row::{at, at_or_never, corrupt, one_row, read};
use crate::schema::jwt_templates as rows;
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use crypto::jws::KeyKind;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::jwt_template::{CustomKey, JwtTemplate, SigningAlgorithm};
use domain::page::{Page, PageRequest};
use domain::{EnvironmentId, JwtTemplateId, Timestamp};
use serde_json::{Map, Value};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = rows, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    id: String,
    name: String,
    claims: Doc<Map<String, Value>>,
    lifetime: i64,
    allowed_clock_skew: i64,
    signing_algorithm: String,
    key_kind: Option<String>,
    sealed_key: Option<String>,
    key_fingerprint: Option<String>,
    public_jwk: Option<Doc<Value>>,
    last_used_at: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for JwtTemplate {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        let kind = |word: &str| KeyKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        let custom_key = match (row.key_kind, row.sealed_key, row.key_fingerprint) {
            (Some(word), Some(sealed), Some(fingerprint)) => Some(CustomKey {
                kind: kind(&word).ok_or_else(|| corrupt("jwt_templates.key_kind"))?,
                sealed,
                fingerprint,
                public_jwk: row.public_jwk.map(|jwk| jwk.0),
            }),
            (None, None, None) => None,
            _ => return Err(corrupt("jwt_templates.sealed_key")),
        };
        Ok(Self {
            id: read(&row.id, "jwt_templates.id")?,
            name: row.name,
            claims: row.claims.0,
            lifetime: row.lifetime,
            allowed_clock_skew: row.allowed_clock_skew,
            signing_algorithm: SigningAlgorithm::parse(&row.signing_algorithm)
                .ok_or_else(|| corrupt("jwt_templates.signing_algorithm"))?,
            custom_key,
            last_used_at: at_or_never(row.last_used_at),
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, template: &JwtTemplate) -> Row {
    let key = template.custom_key.as_ref();
    Row {
        environment_id: env.to_string(),
        id: template.id.to_string(),
        name: template.name.clone(),
        claims: Doc(template.claims.clone()),
        lifetime: template.lifetime,
        allowed_clock_skew: template.allowed_clock_skew,
        signing_algorithm: template.signing_algorithm.as_str().to_owned(),
        key_kind: key.map(|key| key.kind.as_str().to_owned()),
        sealed_key: key.map(|key| key.sealed.clone()),
        key_fingerprint: key.map(|key| key.fingerprint.clone()),
        public_jwk: key.and_then(|key| key.public_jwk.clone()).map(Doc),
        last_used_at: template.last_used_at.map_or(0, Timestamp::millis),
        created_at: template.created_at.millis(),
        updated_at: template.updated_at.millis(),
    }
}

/// Finds a template.
pub async fn find(conn: &mut Conn, env: EnvironmentId, id: JwtTemplateId) -> Result<Option<JwtTemplate>> {
    let row: Option<Row> =
        rows::table.find((env.to_string(), id.to_string())).select(Row::as_select()).first(conn).await.optional()?;
    row.map(JwtTemplate::try_from).transpose()
}

/// Finds a template by its name.
pub async fn by_name(conn: &mut Conn, env: EnvironmentId, name: &str) -> Result<Option<JwtTemplate>> {
    let row: Option<Row> = rows::table
        .filter(rows::environment_id.eq(env.to_string()).and(rows::name.eq(name)))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(JwtTemplate::try_from).transpose()
}

/// Finds a template and holds its row until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, id: JwtTemplateId) -> Result<Option<JwtTemplate>> {
    let row: Option<Row> = rows::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(JwtTemplate::try_from).transpose()
}

/// Adds a template.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, template: &JwtTemplate) -> Result<()> {
    diesel::insert_into(rows::table).values(row(env, template)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes a template that was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, template: &JwtTemplate) -> Result<()> {
    let target = rows::table.find((env.to_string(), template.id.to_string()));
    let hit = diesel::update(target).set(row(env, template)).execute(&mut **tx).await?;
    one_row(hit, "jwt_templates")
}

/// Deletes a template that was locked.
pub async fn delete(tx: &mut Tx<'_>, env: EnvironmentId, id: JwtTemplateId) -> Result<()> {
    let hit = diesel::delete(rows::table.find((env.to_string(), id.to_string()))).execute(&mut **tx).await?;
    one_row(hit, "jwt_templates")
}

/// Notes when tokens were last minted; never moves a time back. A template that is gone is left alone.
pub async fn touch(tx: &mut Tx<'_>, env: EnvironmentId, id: JwtTemplateId, when: Timestamp) -> Result<()> {
    diesel::update(rows::table.find((env.to_string(), id.to_string())).filter(rows::last_used_at.lt(when.millis())))
        .set(rows::last_used_at.eq(when.millis()))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether an error says that the name is taken.
pub fn is_taken(error: &crate::Error) -> bool {
    match error {
        crate::Error::Conflict(conflict) => {
            conflict.is_on("jwt_templates_name", &["jwt_templates.environment_id", "jwt_templates.name"])
        }
        _ => false,
    }
}

/// What a list of templates can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// When they were made.
    CreatedAt,
    /// When they were last changed.
    UpdatedAt,
}

/// How many templates an environment has.
pub async fn count(conn: &mut Conn, env: EnvironmentId) -> Result<i64> {
    Ok(rows::table.filter(rows::environment_id.eq(env.to_string())).select(count_star()).get_result(conn).await?)
}

/// One page of the templates, without its total.
pub async fn page(conn: &mut Conn, env: EnvironmentId, request: &PageRequest<Key>) -> Result<Page<JwtTemplate>> {
    let query = rows::table.filter(rows::environment_id.eq(env.to_string())).into_boxed::<Any>();
    let query = match request.order.key {
        Key::CreatedAt => paged(query, request, rows::created_at, rows::id),
        Key::UpdatedAt => paged(query, request, rows::updated_at, rows::id),
    };
    let found: Vec<Row> = query.select(Row::as_select()).load(conn).await?;
    let templates: Vec<JwtTemplate> = found.into_iter().map(JwtTemplate::try_from).collect::<Result<_>>()?;
    let key = request.order.key;
    Ok(Page::cut(templates, request.limit, 0, |template| {
        let value = if key == Key::CreatedAt { template.created_at } else { template.updated_at };
        (value.millis(), template.id.to_string())
    }))
}
