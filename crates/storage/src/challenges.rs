//! Challenges.

use crate::row::{at, corrupt, one_row, read};
use crate::schema::challenges;
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::challenge::{Challenge, ChallengeStatus, Parent, Step};
use domain::code::Code;
use domain::strategy::Strategy;
use domain::{ChallengeId, EnvironmentId, NewId, Timestamp};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = challenges, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    id: String,
    parent_kind: String,
    parent_id: String,
    strategy: String,
    step: String,
    status: String,
    attempts: i32,
    expire_at: i64,
    target: Option<String>,
    code_mac: Option<Vec<u8>>,
    nonce: Option<String>,
    ticket_hash: Option<Vec<u8>>,
    redirect_url: Option<String>,
    state: Option<String>,
    options: Option<Doc<serde_json::Value>>,
    error: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Challenge {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "challenges.id")?,
            parent: Parent::parse(&row.parent_kind, &row.parent_id).ok_or_else(|| corrupt("challenges.parent_kind"))?,
            strategy: Strategy::parse(&row.strategy).ok_or_else(|| corrupt("challenges.strategy"))?,
            step: Step::parse(&row.step).ok_or_else(|| corrupt("challenges.step"))?,
            status: ChallengeStatus::parse(&row.status).ok_or_else(|| corrupt("challenges.status"))?,
            attempts: u32::try_from(row.attempts).map_err(|_| corrupt("challenges.attempts"))?,
            expire_at: at(row.expire_at),
            target: row.target,
            code_mac: row.code_mac,
            nonce: row.nonce,
            ticket_hash: row.ticket_hash,
            redirect_url: row.redirect_url,
            state: row.state,
            options: row.options.map(|options| options.0),
            error: row.error,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, challenge: &Challenge) -> Row {
    Row {
        environment_id: env.to_string(),
        id: challenge.id.to_string(),
        parent_kind: challenge.parent.kind().to_owned(),
        parent_id: challenge.parent.id(),
        strategy: challenge.strategy.as_str().to_owned(),
        step: challenge.step.as_str().to_owned(),
        status: challenge.status.as_str().to_owned(),
        attempts: i32::try_from(challenge.attempts).unwrap_or(i32::MAX),
        expire_at: challenge.expire_at.millis(),
        target: challenge.target.clone(),
        code_mac: challenge.code_mac.clone(),
        nonce: challenge.nonce.clone(),
        ticket_hash: challenge.ticket_hash.clone(),
        redirect_url: challenge.redirect_url.clone(),
        state: challenge.state.clone(),
        options: challenge.options.clone().map(Doc),
        error: challenge.error.clone(),
        created_at: challenge.created_at.millis(),
        updated_at: challenge.updated_at.millis(),
    }
}

/// Finds a challenge under its parent.
pub async fn find(conn: &mut Conn, env: EnvironmentId, parent: &Parent, id: ChallengeId) -> Result<Option<Challenge>> {
    let row: Option<Row> = challenges::table
        .find((env.to_string(), id.to_string()))
        .filter(challenges::parent_kind.eq(parent.kind()).and(challenges::parent_id.eq(parent.id())))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Challenge::try_from).transpose()
}

/// Finds a challenge under its parent and holds its row until the transaction ends: whoever holds it decides
/// who consumed the proof.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, parent: &Parent, id: ChallengeId) -> Result<Option<Challenge>> {
    let row: Option<Row> = challenges::table
        .find((env.to_string(), id.to_string()))
        .filter(challenges::parent_kind.eq(parent.kind()).and(challenges::parent_id.eq(parent.id())))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(Challenge::try_from).transpose()
}

/// Finds the challenge that a mailed ticket belongs to.
pub async fn by_ticket(conn: &mut Conn, env: EnvironmentId, ticket_hash: &[u8]) -> Result<Option<Challenge>> {
    let row: Option<Row> = challenges::table
        .filter(challenges::environment_id.eq(env.to_string()).and(challenges::ticket_hash.eq(ticket_hash)))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Challenge::try_from).transpose()
}

/// Adds a challenge.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, challenge: &Challenge) -> Result<()> {
    diesel::insert_into(challenges::table).values(row(env, challenge)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes a challenge that was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, challenge: &Challenge) -> Result<()> {
    let target = challenges::table.find((env.to_string(), challenge.id.to_string()));
    let hit = diesel::update(target).set(row(env, challenge)).execute(&mut **tx).await?;
    one_row(hit, "challenges")
}

/// The newest challenge of a parent that was proven in this way.
pub async fn verified(
    conn: &mut Conn,
    env: EnvironmentId,
    parent: &Parent,
    strategy: Strategy,
) -> Result<Option<Challenge>> {
    let row: Option<Row> = challenges::table
        .filter(
            challenges::environment_id
                .eq(env.to_string())
                .and(challenges::parent_kind.eq(parent.kind()))
                .and(challenges::parent_id.eq(parent.id()))
                .and(challenges::strategy.eq(strategy.as_str()))
                .and(challenges::status.eq(ChallengeStatus::Verified.as_str())),
        )
        .order(challenges::id.desc())
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(Challenge::try_from).transpose()
}

/// Fails every open challenge of a parent for good.
pub async fn fail_open(tx: &mut Tx<'_>, env: EnvironmentId, parent: &Parent, why: Code, now: Timestamp) -> Result<()> {
    diesel::update(
        challenges::table.filter(
            challenges::environment_id
                .eq(env.to_string())
                .and(challenges::parent_kind.eq(parent.kind()))
                .and(challenges::parent_id.eq(parent.id()))
                .and(challenges::status.eq(ChallengeStatus::Pending.as_str())),
        ),
    )
    .set((
        challenges::status.eq(ChallengeStatus::Failed.as_str()),
        challenges::error.eq(why.name),
        challenges::updated_at.eq(now.millis()),
    ))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Makes every open challenge of a parent give way.
pub async fn supersede(tx: &mut Tx<'_>, env: EnvironmentId, parent: &Parent, now: Timestamp) -> Result<()> {
    diesel::update(
        challenges::table.filter(
            challenges::environment_id
                .eq(env.to_string())
                .and(challenges::parent_kind.eq(parent.kind()))
                .and(challenges::parent_id.eq(parent.id()))
                .and(challenges::status.eq(ChallengeStatus::Pending.as_str())),
        ),
    )
    .set((challenges::status.eq(ChallengeStatus::Expired.as_str()), challenges::updated_at.eq(now.millis())))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes challenges begun before a time, oldest first and at most `max`; ids are in the order of time.
pub async fn sweep(tx: &mut Tx<'_>, env: EnvironmentId, before: Timestamp, max: i64) -> Result<usize> {
    Ok(diesel::sql_query(
        "DELETE FROM challenges WHERE environment_id = $1 AND id IN ( \
             SELECT id FROM challenges WHERE environment_id = $1 AND id < $2 ORDER BY id LIMIT $3)",
    )
    .bind::<Text, _>(env.to_string())
    .bind::<Text, _>(ChallengeId::new(before, [0; 10]).to_string())
    .bind::<BigInt, _>(max)
    .execute(&mut **tx)
    .await?)
}
