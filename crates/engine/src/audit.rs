//! The audit log: the event log as an auditor reads it, what was refused, and the proof that nobody has changed it.

mod proof;

pub(crate) use proof::is_sound_until;
pub use proof::{Expected, Proof, seal, verify};

use crate::refusals::stored;
use crate::{Engine, StorageError, tenancy};
use domain::audit::Denial;
use domain::page::{Page, PageRequest};
use domain::{AuditEntryId, Context, EventId, Kind, Refusal, Verdict, code};
use keys::EnvironmentKeys;
use storage::audit::{AuditFilter, Chained};
use storage::events::Denied;
use storage::failures::Budget;
use storage::retention::Anchor;

/// Alike refusals that have entries of their own; the rest is counted in the next one.
const ALIKE: Budget = Budget { max: 10, window_seconds: 60 };

/// Why there is no entry.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is none with this id, or it has no place in the chain yet.
    #[error("there is no such entry")]
    NotFound,
    /// The database failed.
    #[error("the audit log cannot be read")]
    Storage(#[from] StorageError),
}
stored!(AuditError);

impl Refusal for AuditError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(code::RESOURCE_NOT_FOUND),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// A page of the entries that are meant, newest first unless asked otherwise.
pub async fn list(
    engine: &Engine,
    cx: &Context,
    filter: AuditFilter,
    request: PageRequest<()>,
) -> Result<Page<Chained>, StorageError> {
    let env = cx.env;
    if filter.is_empty() {
        let mut reader = engine.read().await?;
        let total = storage::audit::count(&mut reader, env, &filter).await?;
        let page = storage::audit::page(&mut reader, env, &filter, &request).await?;
        return Ok(Page { total, ..page });
    }
    let counted = filter.clone();
    let total = engine.scan(async move |conn| storage::audit::count(conn, env, &counted).await).await?;
    let page = engine.scan(async move |conn| storage::audit::page(conn, env, &filter, &request).await).await?;
    Ok(Page { total, ..page })
}

/// One entry.
pub async fn find(engine: &Engine, cx: &Context, id: AuditEntryId) -> Result<Chained, AuditError> {
    let id = id.to_string();
    let ulid = id.split_once('_').map_or("", |(_, ulid)| ulid);
    let row = format!("{}_{ulid}", EventId::PREFIX);
    storage::audit::find(&mut *engine.read().await?, cx.env, &row).await?.ok_or(AuditError::NotFound)
}

/// Writes down what was refused in a request, at most ten alike entries a minute.
pub async fn refused(engine: &Engine, cx: &Context, attempts: Vec<(Denial, String)>) -> Result<(), StorageError> {
    let from = cx.ip.map(|ip| ip.to_string()).unwrap_or_default();
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            for (denial, identity) in &attempts {
                let alike = format!("{}\0{identity}\0{from}", denial.as_str());
                let alike = format!("audit:{}", &crypto::digest::sha256_hex(alike.as_bytes())[..32]);
                let Some(omitted) = storage::failures::admit(tx, cx.env, &alike, "audit", ALIKE, cx.now).await? else {
                    continue;
                };
                let (subject_type, subject_id) = subject(&tenant.keys, identity);
                let denied = Denied { denial: *denial, subject_type, subject_id, omitted: i64::from(omitted) };
                storage::events::deny(tx, cx, &denied).await?;
            }
            Ok(())
        })
        .await
}

/// The thing that an identity names: a person, a key, or an identifier that is nobody's. Of that one a digest stands in
/// the log for as long as the log is kept: under a key, or whoever reads the log could try all numbers there are.
fn subject(keys: &EnvironmentKeys, identity: &str) -> (&'static str, String) {
    let mut parts = identity.split(':');
    let kind = parts.next().unwrap_or_default();
    let id = match (kind, parts.next().unwrap_or_default()) {
        ("identifier", digest) => {
            crypto::digest::hex(&keys.audit_anchor.tag(&[b"identifier", digest.as_bytes()])[..16])
        }
        (_, id) => id.to_owned(),
    };
    let kinds = ["user", "api_key", "identifier", "challenge", "client", "environment", "project"];
    (kinds.into_iter().find(|known| *known == kind).unwrap_or("environment"), id)
}

/// What proves that an anchor is ours: without the environment's keys nobody can cut the log short and say that it was
/// always so.
pub(crate) fn tag_of(keys: &EnvironmentKeys, anchor: &Anchor) -> String {
    crypto::base64url::encode(&keys.audit_anchor.tag(&parts(anchor).each_ref().map(|part| part.as_bytes())))
}

fn is_ours(keys: &EnvironmentKeys, anchor: &Anchor, tag: &str) -> bool {
    let parts = parts(anchor);
    let tag = crypto::base64url::decode(tag);
    tag.is_ok_and(|tag| keys.audit_anchor.verify(&parts.each_ref().map(|part| part.as_bytes()), &tag))
}

fn parts(anchor: &Anchor) -> [String; 3] {
    [anchor.sequence.to_string(), anchor.position.to_string(), anchor.hash.clone()]
}
