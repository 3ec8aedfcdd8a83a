//! The proof that the audit log is as it was written: the chain from its beginning, or from where we cut it, to its
//! end.

use super::is_ours;
use crate::{Engine, StorageError, tenancy};
use domain::audit::{GENESIS, is_head};
use domain::{Context, EnvironmentId};
use keys::EnvironmentKeys;
use storage::Tx;
use storage::audit::Link;
use storage::retention::Anchor;

/// How many entries are looked at in one query.
const BATCH: i64 = 1000;

/// How often a log that grows is looked through before its end is sealed.
const SEALING_TRIES: usize = 20;

/// What the chain of an environment is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Every entry is as it was written.
    Sound {
        /// How many entries there are.
        entries: i64,
        /// The place of the last one.
        last: i64,
        /// Its hash: who keeps it elsewhere can prove later that this much was there.
        hash: String,
    },
    /// Every entry is as it was written, but nothing proves that the last one is the last: the end of the log was never
    /// sealed, by a version before this one, or somebody has taken the seal away.
    Unsealed {
        /// The place of the last one.
        last: i64,
        /// Its hash.
        hash: String,
    },
    /// Somebody was at it.
    Broken {
        /// The first place that is wrong.
        sequence: i64,
        /// What is wrong there.
        why: &'static str,
    },
}

/// An entry that somebody has noted elsewhere: its place and its hash.
pub type Expected = (i64, String);

/// Walks the chain of an environment, and looks for an entry that was noted elsewhere.
///
/// The seal at the end proves that nothing was cut off, but not against somebody who puts the whole log back to what it
/// was at an earlier time, its seal included: against that one helps an entry that was noted outside of the database.
pub async fn verify(engine: &Engine, cx: &Context, expected: Option<&Expected>) -> Result<Proof, StorageError> {
    loop {
        let begins = begin(engine, cx.env).await?;
        let proof = match &begins {
            Ok(begin) => walk(engine, cx.env, begin, expected).await?,
            Err(broken) => return Ok(broken.clone()),
        };
        // Retention may have cut the log while it was read: then it is looked at anew.
        if matches!(proof, Proof::Sound { .. }) || begin(engine, cx.env).await? == begins {
            return Ok(proof);
        }
    }
}

/// Where the chain begins: the place and the hash before the first entry.
async fn begin(engine: &Engine, env: EnvironmentId) -> Result<Result<(i64, String), Proof>, StorageError> {
    let tenant = tenancy::tenant(engine, env).await?;
    let anchor = storage::retention::anchor(&mut *engine.read().await?, env).await?;
    Ok(match anchor {
        None => Ok((0, GENESIS.to_owned())),
        Some((anchor, tag)) if is_ours(&tenant.keys, &anchor, &tag) => Ok((anchor.sequence, anchor.hash)),
        Some((anchor, _)) => {
            Err(Proof::Broken { sequence: anchor.sequence, why: "we did not delete what came before it" })
        }
    })
}

async fn walk(
    engine: &Engine,
    env: EnvironmentId,
    begin: &(i64, String),
    expected: Option<&Expected>,
) -> Result<Proof, StorageError> {
    let tenant = tenancy::tenant(engine, env).await?;
    let (first, mut hash) = begin.clone();
    let mut at = first;
    let differs = |at: i64, hash: &str| expected.is_some_and(|(wanted, known)| *wanted == at && known != hash);
    if let Some((wanted, _)) = expected
        && *wanted < first
    {
        return Ok(Proof::Broken { sequence: *wanted, why: "it is not kept any more: expect a later entry" });
    }
    if differs(at, &hash) {
        return Ok(Proof::Broken { sequence: at, why: "it is not the entry that was expected" });
    }
    // Before the entries: those that are added meanwhile are no surplus.
    let head = storage::audit::head(&mut *engine.read().await?, env).await?;
    // Nothing says so before the first entry of a log from before there were seals.
    let (end, end_hash, tag) = head.unwrap_or_else(|| (0, GENESIS.to_owned(), None));
    if at == end && hash != end_hash {
        return Ok(Proof::Broken { sequence: at, why: "the log ended with another entry here" });
    }
    loop {
        let links = storage::audit::links(&mut *engine.read().await?, env, at, BATCH).await?;
        if links.is_empty() {
            break;
        }
        for link in links {
            if let Err(why) = fits(&link, at, &hash) {
                return Ok(Proof::Broken { sequence: at + 1, why });
            }
            at = link.sequence;
            hash = link.record.map(|(_, hash)| hash).unwrap_or_default();
            if at == end && hash != end_hash {
                return Ok(Proof::Broken { sequence: at, why: "the log ended with another entry here" });
            }
            if differs(at, &hash) {
                return Ok(Proof::Broken { sequence: at, why: "it is not the entry that was expected" });
            }
        }
    }
    if at < end {
        return Ok(Proof::Broken { sequence: at + 1, why: "the entry is missing" });
    }
    if let Some((wanted, _)) = expected
        && *wanted > at
    {
        return Ok(Proof::Broken { sequence: *wanted, why: "the entry that was expected is missing" });
    }
    if at > end {
        // Added meanwhile by us, and so within the end of by now; or by somebody else.
        let now = storage::audit::head(&mut *engine.read().await?, env).await?;
        let reached = now.map_or(0, |(sequence, ..)| sequence);
        if at > reached {
            return Ok(Proof::Broken { sequence: reached + 1, why: "the log ended before this entry" });
        }
    }
    match tag {
        None => Ok(Proof::Unsealed { last: at, hash }),
        Some(tag) if is_head(&tenant.keys.audit_head, env, end, &end_hash, &tag) => {
            Ok(Proof::Sound { entries: at - first, last: at, hash })
        }
        Some(_) => Ok(Proof::Broken { sequence: end + 1, why: "the log did not end before it" }),
    }
}

/// Seals the end of a log that never was, if every entry is as it was written; says what the log is worth then. What
/// was cut off before cannot be found out: that is for whoever asks to know.
pub async fn seal(engine: &Engine, cx: &Context) -> Result<Proof, StorageError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let mut proof = verify(engine, cx, None).await?;
    for _ in 0..SEALING_TRIES {
        let Proof::Unsealed { last, hash } = proof else { break };
        let tenant = tenant.clone();
        // Not when entries were added meanwhile: those are looked at first.
        engine
            .write(cx, async move |tx, cx| {
                storage::events::seal(tx, cx.env, &tenant.keys.audit_head, last, &hash).await
            })
            .await?;
        proof = verify(engine, cx, None).await?;
    }
    Ok(proof)
}

/// Looks at the entries that retention is about to delete: what somebody has made older than it is must not take its
/// traces along, nor have its end signed by us. Says the first place that is wrong.
pub(crate) async fn is_sound_until(
    tx: &mut Tx<'_>,
    keys: &EnvironmentKeys,
    env: EnvironmentId,
    end: &Anchor,
) -> Result<Result<(), i64>, StorageError> {
    let (mut at, mut hash) = match storage::retention::anchor(tx, env).await? {
        None => (0, GENESIS.to_owned()),
        Some((anchor, tag)) if is_ours(keys, &anchor, &tag) => (anchor.sequence, anchor.hash),
        Some((anchor, _)) => return Ok(Err(anchor.sequence)),
    };
    while at < end.sequence {
        let links = storage::audit::links(tx, env, at, BATCH.min(end.sequence - at)).await?;
        if links.is_empty() {
            return Ok(Err(at + 1));
        }
        for link in links {
            if fits(&link, at, &hash).is_err() {
                return Ok(Err(at + 1));
            }
            at = link.sequence;
            hash = link.record.map(|(_, hash)| hash).unwrap_or_default();
        }
    }
    Ok(if hash == end.hash { Ok(()) } else { Err(at) })
}

/// Whether an entry is the next one, and is what was written.
fn fits(link: &Link, before: i64, hash: &str) -> Result<(), &'static str> {
    if link.sequence != before + 1 {
        return Err("the entry is missing");
    }
    let Some((record, own)) = &link.record else { return Err("the entry cannot be read") };
    if record.prev_hash != hash {
        return Err("it does not follow the entry before it");
    }
    if record.hash() != *own {
        return Err("it is not what was written");
    }
    if !link.payload_fits {
        return Err("its event's data is not what was written");
    }
    Ok(())
}
