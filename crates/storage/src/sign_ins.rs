//! Sign-in attempts.

use crate::row::{at, corrupt, one_row, read, read_opt};
use crate::schema::sign_ins;
use crate::{Conn, Result, Tx};
use anydb::{Any, Lock as _};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::identifier::{Identifier, IdentifierKind};
use domain::sign_in::{FirstProof, SignIn, SignInStatus};
use domain::strategy::Strategy;
use domain::{ClientId, EnvironmentId, NewId, SignInId, Timestamp, UserId};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sign_ins, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    id: String,
    client_id: String,
    status: String,
    identifier_kind: Option<String>,
    identifier: Option<String>,
    canonical: Option<String>,
    user_id: Option<String>,
    first_factor: Option<String>,
    first_factor_at: Option<i64>,
    first_factor_number: Option<String>,
    invitation_id: Option<String>,
    current_challenge_id: Option<String>,
    created_session_id: Option<String>,
    abandon_at: i64,
    was_test: bool,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for SignIn {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        let identifier = match (row.identifier_kind, row.identifier, row.canonical) {
            (Some(kind), Some(shown), Some(canonical)) => Some(Identifier {
                kind: IdentifierKind::parse(&kind).ok_or_else(|| corrupt("sign_ins.identifier_kind"))?,
                shown,
                canonical,
            }),
            _ => None,
        };
        let first = match (row.first_factor, row.first_factor_at) {
            (Some(strategy), Some(proven_at)) => Some(FirstProof {
                strategy: Strategy::parse(&strategy).ok_or_else(|| corrupt("sign_ins.first_factor"))?,
                at: at(proven_at),
                number: read_opt(row.first_factor_number.as_ref(), "sign_ins.first_factor_number")?,
            }),
            _ => None,
        };
        Ok(Self {
            id: read(&row.id, "sign_ins.id")?,
            client_id: read(&row.client_id, "sign_ins.client_id")?,
            status: SignInStatus::parse(&row.status).ok_or_else(|| corrupt("sign_ins.status"))?,
            identifier,
            user_id: read_opt(row.user_id.as_ref(), "sign_ins.user_id")?,
            first,
            invitation_id: read_opt(row.invitation_id.as_ref(), "sign_ins.invitation_id")?,
            current_challenge_id: read_opt(row.current_challenge_id.as_ref(), "sign_ins.current_challenge_id")?,
            created_session_id: read_opt(row.created_session_id.as_ref(), "sign_ins.created_session_id")?,
            abandon_at: at(row.abandon_at),
            was_test: row.was_test,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, sign_in: &SignIn) -> Row {
    let identifier = sign_in.identifier.as_ref();
    Row {
        environment_id: env.to_string(),
        id: sign_in.id.to_string(),
        client_id: sign_in.client_id.to_string(),
        status: sign_in.status.as_str().to_owned(),
        identifier_kind: identifier.map(|i| i.kind.as_str().to_owned()),
        identifier: identifier.map(|i| i.shown.clone()),
        canonical: identifier.map(|i| i.canonical.clone()),
        user_id: sign_in.user_id.map(|id| id.to_string()),
        first_factor: sign_in.first.as_ref().map(|first| first.strategy.as_str().to_owned()),
        first_factor_at: sign_in.first.as_ref().map(|first| first.at.millis()),
        first_factor_number: sign_in.first_number().map(|id| id.to_string()),
        invitation_id: sign_in.invitation_id.map(|id| id.to_string()),
        current_challenge_id: sign_in.current_challenge_id.map(|id| id.to_string()),
        created_session_id: sign_in.created_session_id.map(|id| id.to_string()),
        abandon_at: sign_in.abandon_at.millis(),
        was_test: sign_in.was_test,
        created_at: sign_in.created_at.millis(),
        updated_at: sign_in.updated_at.millis(),
    }
}

/// Finds a sign-in of a client.
pub async fn find(conn: &mut Conn, env: EnvironmentId, client: ClientId, id: SignInId) -> Result<Option<SignIn>> {
    let row: Option<Row> = sign_ins::table
        .find((env.to_string(), id.to_string()))
        .filter(sign_ins::client_id.eq(client.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(SignIn::try_from).transpose()
}

/// Finds a sign-in of a client and holds its row until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, client: ClientId, id: SignInId) -> Result<Option<SignIn>> {
    let row: Option<Row> = sign_ins::table
        .find((env.to_string(), id.to_string()))
        .filter(sign_ins::client_id.eq(client.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(SignIn::try_from).transpose()
}

/// Finds a sign-in, whichever client it began on: for a mailed link, which is followed in any browser.
pub async fn anywhere(conn: &mut Conn, env: EnvironmentId, id: SignInId) -> Result<Option<SignIn>> {
    let row: Option<Row> = sign_ins::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(SignIn::try_from).transpose()
}

/// The newest sign-in of a client, whatever its state.
pub async fn newest(conn: &mut Conn, env: EnvironmentId, client: ClientId) -> Result<Option<SignIn>> {
    let row: Option<Row> = sign_ins::table
        .filter(sign_ins::environment_id.eq(env.to_string()).and(sign_ins::client_id.eq(client.to_string())))
        .order((sign_ins::created_at.desc(), sign_ins::id.desc()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(SignIn::try_from).transpose()
}

/// Gives up every sign-in that has proven a person and waits for more, but one.
pub async fn abandon_of_user(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    user: UserId,
    but: Option<SignInId>,
    now: Timestamp,
) -> Result<()> {
    let waiting = sign_ins::table.filter(
        sign_ins::environment_id
            .eq(env.to_string())
            .and(sign_ins::user_id.eq(user.to_string()))
            .and(sign_ins::status.ne(SignInStatus::Complete.as_str()))
            .and(sign_ins::status.ne(SignInStatus::Abandoned.as_str()))
            .and(sign_ins::id.ne(but.map(|id| id.to_string()).unwrap_or_default())),
    );
    diesel::update(waiting)
        .set((
            sign_ins::status.eq(SignInStatus::Abandoned.as_str()),
            sign_ins::current_challenge_id.eq(None::<String>),
            sign_ins::updated_at.eq(now.millis()),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Adds a sign-in.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, sign_in: &SignIn) -> Result<()> {
    diesel::insert_into(sign_ins::table).values(row(env, sign_in)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes a sign-in that was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, sign_in: &SignIn) -> Result<()> {
    let target = sign_ins::table.find((env.to_string(), sign_in.id.to_string()));
    let hit = diesel::update(target).set(row(env, sign_in)).execute(&mut **tx).await?;
    one_row(hit, "sign_ins")
}

/// Deletes sign-ins begun before a time, oldest first and at most `max`; ids are in the order of time.
pub async fn sweep(tx: &mut Tx<'_>, env: EnvironmentId, before: Timestamp, max: i64) -> Result<usize> {
    Ok(diesel::sql_query(
        "DELETE FROM sign_ins WHERE environment_id = $1 AND id IN ( \
             SELECT id FROM sign_ins WHERE environment_id = $1 AND id < $2 ORDER BY id LIMIT $3)",
    )
    .bind::<Text, _>(env.to_string())
    .bind::<Text, _>(SignInId::new(before, [0; 10]).to_string())
    .bind::<BigInt, _>(max)
    .execute(&mut **tx)
    .await?)
}
