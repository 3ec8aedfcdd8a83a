//! Answers kept under the caller's `Idempotency-Key`, so that a request sent twice happens once.
//!
//! A claim is inserted first, in a transaction of its own; the answer is kept in the transaction of the
//! change. A claim that was lost meanwhile therefore takes the change down with it.

use crate::log_schema::idempotency_keys::{self as keys, dsl};
use crate::row::corrupt;
use crate::{Conn, Error, Result, Tx};
use anydb::Any;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::context::IdempotencyClaim;
use domain::environment::ADMIN_SLUG;
use domain::time::{hours, minutes};
use domain::{ApiKeyId, EnvironmentId, Timestamp};
use std::time::Duration;

/// After this long without an answer the owner of a claim counts as dead.
const OWNER_DIES_AFTER: Duration = Duration::from_secs(60);
/// How long an answer is kept.
const KEPT_FOR: Duration = hours(24);
/// How long an answer is kept that holds a secret shown once.
const SEALED_FOR: Duration = minutes(10);

/// What a claim on a key met.
#[derive(Clone, PartialEq, Eq)]
pub enum ClaimState {
    /// The key is the caller's now: go on, then `keep` or `release`.
    Fresh,
    /// Another request holds the key and has no answer yet.
    Running,
    /// The key belongs to another request.
    Mismatch,
    /// The request was answered before.
    Done {
        /// The status it was answered with.
        status: i32,
        /// The body it was answered with, as it was kept.
        body: String,
        /// Whether the body is sealed.
        sealed: bool,
        /// The `ETag` it was answered with.
        etag: Option<String>,
    },
}

// A kept body may hold what must not be seen in a log.
impl std::fmt::Debug for ClaimState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fresh => f.write_str("Fresh"),
            Self::Running => f.write_str("Running"),
            Self::Mismatch => f.write_str("Mismatch"),
            Self::Done { status, sealed, .. } => {
                f.debug_struct("Done").field("status", status).field("sealed", sealed).finish_non_exhaustive()
            }
        }
    }
}

/// An answer to keep.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "the body may hold what must not be seen in a log")]
pub struct Answer<'a> {
    /// The status, a 2xx.
    pub status: i32,
    /// The body, sealed if it holds a secret shown once.
    pub body: &'a str,
    /// Whether the body is sealed; then it is kept for 10 minutes instead of 24 hours.
    pub sealed: bool,
    /// What the request created; deleting that drops the answer.
    pub subject_id: Option<&'a str>,
    /// The `ETag` header, where it has one.
    pub etag: Option<&'a str>,
}

/// The claim belongs to another request by now, or to none.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the claim on the idempotency key was lost before its change was done")]
pub struct ClaimLost;

#[derive(Queryable, Selectable)]
#[diesel(table_name = keys, check_for_backend(Any))]
struct Row {
    fingerprint: Vec<u8>,
    owner: String,
    expires_at: i64,
    status: Option<i32>,
    body: Option<String>,
    sealed: bool,
    etag: Option<String>,
}

/// A digest of everything the key is bound to, each part with its length so that none runs into the next.
fn digest(claim: &IdempotencyClaim) -> Vec<u8> {
    let mut text = Vec::new();
    for part in [&claim.scope, &claim.route, &claim.key] {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    crypto::digest::sha256(&text).to_vec()
}

/// Claims a key for a request, in a transaction that the caller commits before anything else happens.
pub async fn claim(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    claim: &IdempotencyClaim,
    fingerprint: [u8; 32],
    now: Timestamp,
) -> Result<ClaimState> {
    let conn: &mut Conn = tx;
    let (env, key, owner) = (env.to_string(), digest(claim), claim.owner.to_string());
    let free_at = (now + OWNER_DIES_AFTER).millis();
    // The update changes nothing; it locks and reads in one statement, whoever releases meanwhile.
    let row: Row = diesel::insert_into(keys::table)
        .values((
            dsl::environment_id.eq(&env),
            dsl::claim.eq(&key),
            dsl::fingerprint.eq(fingerprint.as_slice()),
            dsl::owner.eq(&owner),
            dsl::expires_at.eq(free_at),
            dsl::sealed.eq(false),
        ))
        .on_conflict((dsl::environment_id, dsl::claim))
        .do_update()
        .set(dsl::owner.eq(dsl::owner))
        .returning(Row::as_returning())
        .get_result(conn)
        .await?;
    if row.owner == owner && row.status.is_none() {
        return Ok(ClaimState::Fresh);
    }
    if row.expires_at <= now.millis() {
        diesel::update(keys::table.find((&env, &key)))
            .set((
                dsl::fingerprint.eq(fingerprint.as_slice()),
                dsl::owner.eq(&owner),
                dsl::expires_at.eq(free_at),
                dsl::status.eq(None::<i32>),
                dsl::body.eq(None::<String>),
                dsl::sealed.eq(false),
                dsl::subject_id.eq(None::<String>),
                dsl::etag.eq(None::<String>),
            ))
            .execute(conn)
            .await?;
        return Ok(ClaimState::Fresh);
    }
    if row.fingerprint != fingerprint {
        return Ok(ClaimState::Mismatch);
    }
    Ok(match row.status {
        None => ClaimState::Running,
        Some(status) => ClaimState::Done {
            status,
            body: row.body.ok_or_else(|| corrupt("idempotency_keys.body"))?,
            sealed: row.sealed,
            etag: row.etag,
        },
    })
}

/// Keeps the answer in the transaction of the change; fails with [`ClaimLost`] as its source, so that
/// the change is undone, when the claim was taken over.
pub async fn keep(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    claim: &IdempotencyClaim,
    answer: &Answer<'_>,
    now: Timestamp,
) -> Result<()> {
    let conn: &mut Conn = tx;
    let kept_for = if answer.sealed { SEALED_FOR } else { KEPT_FOR };
    let hit = diesel::update(keys::table.find((env.to_string(), digest(claim))))
        .filter(dsl::owner.eq(claim.owner.to_string()))
        .filter(dsl::status.is_null())
        .set((
            dsl::status.eq(answer.status),
            dsl::body.eq(answer.body),
            dsl::sealed.eq(answer.sealed),
            dsl::subject_id.eq(answer.subject_id),
            dsl::etag.eq(answer.etag),
            dsl::expires_at.eq((now + kept_for).millis()),
        ))
        .execute(conn)
        .await?;
    match hit {
        1 => Ok(()),
        _ => Err(Error::from(diesel::result::Error::QueryBuilderError(Box::new(ClaimLost)))),
    }
}

/// Frees the key of a request that changed nothing; a claim that was taken over or answered stays.
pub async fn release(tx: &mut Tx<'_>, env: EnvironmentId, claim: &IdempotencyClaim) -> Result<()> {
    let conn: &mut Conn = tx;
    diesel::delete(keys::table.find((env.to_string(), digest(claim))))
        .filter(dsl::owner.eq(claim.owner.to_string()))
        .filter(dsl::status.is_null())
        .execute(conn)
        .await?;
    Ok(())
}

/// Drops the answers that tell of an object, in the transaction that deletes it.
pub async fn drop_for_subject(tx: &mut Tx<'_>, env: EnvironmentId, subject_id: &str) -> Result<()> {
    let conn: &mut Conn = tx;
    diesel::delete(keys::table)
        .filter(dsl::environment_id.eq(env.to_string()))
        .filter(dsl::subject_id.eq(subject_id))
        .execute(conn)
        .await?;
    Ok(())
}

/// Drops the answers that tell of a key, in the transaction that ends its secret: those of its environment, and those of
/// the operators', who may have made the key or, as its first one, the environment.
pub async fn drop_for_key(tx: &mut Tx<'_>, env: EnvironmentId, key: ApiKeyId) -> Result<()> {
    let conn: &mut Conn = tx;
    diesel::sql_query(
        "DELETE FROM idempotency_keys WHERE subject_id = $1 AND environment_id IN ( \
             SELECT id FROM \"environments\" WHERE id = $2 OR slug = $3)",
    )
    .bind::<Text, _>(key.to_string())
    .bind::<Text, _>(env.to_string())
    .bind::<Text, _>(ADMIN_SLUG)
    .execute(conn)
    .await?;
    Ok(())
}

/// Drops what is kept under the operators' claims about the keys of an environment, in the transaction that deletes it
/// and before its keys are gone.
pub async fn drop_for_keys_of(tx: &mut Tx<'_>, operators: EnvironmentId, env: EnvironmentId) -> Result<()> {
    let conn: &mut Conn = tx;
    diesel::sql_query(
        "DELETE FROM idempotency_keys WHERE environment_id = $1 AND subject_id IN ( \
             SELECT id FROM api_keys WHERE environment_id = $2)",
    )
    .bind::<Text, _>(operators.to_string())
    .bind::<Text, _>(env.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes at most `max` entries that count as absent.
pub async fn sweep(tx: &mut Tx<'_>, now: Timestamp, max: usize) -> Result<usize> {
    let conn: &mut Conn = tx;
    // The outer test again: a key that was claimed anew since the inner one looked must stay.
    Ok(diesel::sql_query(
        "DELETE FROM idempotency_keys WHERE expires_at <= $1 \
         AND (environment_id, claim) IN ( \
             SELECT environment_id, claim FROM idempotency_keys \
             WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind::<BigInt, _>(now.millis())
    .bind::<BigInt, _>(i64::try_from(max).unwrap_or(i64::MAX))
    .execute(conn)
    .await?)
}
