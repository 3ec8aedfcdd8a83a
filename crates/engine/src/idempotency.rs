//! A write that is asked for twice under one key happens once.

use crate::api_keys::Shown;
use crate::refusals::stored;
use crate::{Engine, tenancy};
use domain::context::IdempotencyClaim;
use domain::etag::ETag;
use domain::key::SecretAge;
use domain::{Actor, ApiKeyId, Context, EnvironmentId, Kind, Refusal, Verdict, code};
use std::time::Duration;
use storage::idempotency::{Answer, ClaimState};
use storage::{Error, Tx};

/// How long the second of two requests waits for the first.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(50);

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The key is this request's: do the work.
    Fresh(IdempotencyClaim),
    /// The work was done: answer this.
    Replay(StoredAnswer),
}

/// An answer that was given before.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
    /// Its `ETag`, where it had one.
    pub etag: Option<String>,
}

impl std::fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why a key cannot be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It came before with another request.
    #[error("the idempotency key belongs to another request")]
    Mismatch,
    /// The first request is still running.
    #[error("the first request with this idempotency key is still running")]
    InProgress,
    /// The key that asks is worth nothing by now.
    #[error("the key that asks is worth nothing any more")]
    AskerGone,
    /// The secret that was shown is being replaced, and manages no keys.
    #[error("the secret is being replaced")]
    SecretRetiring,
    /// The database failed.
    #[error("the idempotency key cannot be claimed")]
    Storage(#[from] Error),
}
stored!(ClaimError);

impl Refusal for ClaimError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Mismatch => Kind::Conflict.code(code::IDEMPOTENCY_KEY_REUSED),
            Self::AskerGone => Kind::Unauthenticated.code(code::AUTHENTICATION_INVALID),
            Self::InProgress => Kind::Conflict.code(code::IDEMPOTENCY_IN_PROGRESS),
            Self::SecretRetiring => Kind::Forbidden.code(code::API_KEY_SECRET_RETIRING),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Claims a key for a request, in a step of its own that commits before the work begins. Looked at in the same step:
/// whoever asks with a key that was revoked or rotated away meanwhile hears no answer that was kept, nor one about keys
/// whose secret is being replaced since it began to wait.
pub async fn claim(
    engine: &Engine,
    cx: &Context,
    (shown, manages_keys): (Shown, bool),
    route: String,
    key: String,
    fingerprint: [u8; 32],
) -> Result<Claimed, ClaimError> {
    let scope = match &cx.actor {
        Actor::ApiKey(id) => id.to_string(),
        other => other.id().unwrap_or_default(),
    };
    let claim = IdempotencyClaim { scope, route, key, owner: cx.request_id };
    let started = std::time::Instant::now();
    loop {
        let mine = claim.clone();
        let state = engine
            .write(cx, async move |tx, cx| {
                match shown.age(tx, cx.env, cx.now).await? {
                    None => return Err(ClaimError::AskerGone),
                    Some(SecretAge::Retiring) if manages_keys => return Err(ClaimError::SecretRetiring),
                    Some(_) => {}
                }
                Ok::<_, ClaimError>(storage::idempotency::claim(tx, cx.env, &mine, fingerprint, cx.now).await?)
            })
            .await?;
        match state {
            ClaimState::Fresh => return Ok(Claimed::Fresh(claim)),
            ClaimState::Mismatch => return Err(ClaimError::Mismatch),
            ClaimState::Done { status, body, sealed, etag } => {
                let body = if sealed { unseal(engine, cx, &claim, &body).await? } else { body.into_bytes() };
                let status = u16::try_from(status).unwrap_or(200);
                return Ok(Claimed::Replay(StoredAnswer { status, body, etag }));
            }
            ClaimState::Running if started.elapsed() >= PATIENCE => return Err(ClaimError::InProgress),
            ClaimState::Running => tokio::time::sleep(STEP).await,
        }
    }
}

fn place(claim: &IdempotencyClaim) -> String {
    crypto::digest::sha256_hex(format!("{}\n{}\n{}", claim.scope, claim.route, claim.key).as_bytes())
}

async fn unseal(engine: &Engine, cx: &Context, claim: &IdempotencyClaim, body: &str) -> Result<Vec<u8>, Error> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let plain = tenant.keys.open("idempotency_keys", "body", &place(claim), body).map_err(storage::fault_from)?;
    Ok(plain.expose().clone())
}

/// Frees the key of a request that changed nothing.
pub async fn release(engine: &Engine, cx: &Context, claim: &IdempotencyClaim) -> Result<(), Error> {
    let claim = claim.clone();
    engine.write(cx, async move |tx, cx| storage::idempotency::release(tx, cx.env, &claim).await).await
}

/// Keeps the answer of a write in the transaction of the write itself; nothing happens without a key.
pub(crate) async fn keep<T: serde::Serialize>(
    tx: &mut Tx<'_>,
    cx: &Context,
    status: i32,
    body: &T,
    subject: Option<String>,
) -> Result<(), Error> {
    let Some(claim) = &cx.idempotency else { return Ok(()) };
    let body = serde_json::to_string(body).expect("a body of ours has a JSON form");
    let answer = Answer { status, body: &body, sealed: false, subject_id: subject.as_deref(), etag: None };
    storage::idempotency::keep(tx, cx.env, claim, &answer, cx.now).await
}

/// The same for a document that is answered with its tag.
pub(crate) async fn keep_tagged<T: serde::Serialize>(tx: &mut Tx<'_>, cx: &Context, document: &T) -> Result<(), Error> {
    let Some(claim) = &cx.idempotency else { return Ok(()) };
    let body = serde_json::to_string(document).expect("a body of ours has a JSON form");
    let etag = ETag::of(document).quoted();
    let answer = Answer { status: 200, body: &body, sealed: false, subject_id: None, etag: Some(&etag) };
    storage::idempotency::keep(tx, cx.env, claim, &answer, cx.now).await
}

/// The same for an answer that holds a secret: sealed, and for ten minutes only.
pub(crate) async fn keep_sealed<T: serde::Serialize>(
    tx: &mut Tx<'_>,
    cx: &Context,
    keys: &keys::EnvironmentKeys,
    status: i32,
    body: &T,
    subject: String,
) -> Result<(), Error> {
    let Some(claim) = &cx.idempotency else { return Ok(()) };
    let plain = serde_json::to_vec(body).expect("a body of ours has a JSON form");
    let body = keys.seal("idempotency_keys", "body", &place(claim), &plain);
    let answer = Answer { status, body: &body, sealed: true, subject_id: Some(&subject), etag: None };
    storage::idempotency::keep(tx, cx.env, claim, &answer, cx.now).await
}

/// Drops the kept answer of a create when what it created is deleted: create, delete, create makes a new one.
pub(crate) async fn forget(tx: &mut Tx<'_>, cx: &Context, subject: &str) -> Result<(), Error> {
    storage::idempotency::drop_for_subject(tx, cx.env, subject).await
}

/// Drops every kept answer that holds a secret of a key, whoever asked for it: the secret is worth nothing any more, or
/// is not the newest. Of an environment that was made with the key the answer goes as well.
pub(crate) async fn forget_key(tx: &mut Tx<'_>, env: EnvironmentId, key: ApiKeyId) -> Result<(), Error> {
    storage::idempotency::drop_for_key(tx, env, key).await
}

/// Drops the operators' kept answers about the keys of an environment that is being deleted.
pub(crate) async fn forget_keys_of(tx: &mut Tx<'_>, cx: &Context, env: EnvironmentId) -> Result<(), Error> {
    storage::idempotency::drop_for_keys_of(tx, cx.env, env).await
}
