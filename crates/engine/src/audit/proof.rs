//! The proof that the audit log is as it was written: the chain from its beginning, or from where we cut it, to its
//! end.

use super::is_ours;
use crate::{Engine, StorageError, tenancy};
use domain::audit::GENESIS;
use domain::{Context, EnvironmentId};
use storage::audit::Link;

/// How many entries are looked at in one query.
const BATCH: i64 = 1000;

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
    /// Somebody was at it.
    Broken {
        /// The first place that is wrong.
        sequence: i64,
        /// What is wrong there.
        why: &'static str,
    },
}

/// Walks the chain of an environment.
pub async fn verify(engine: &Engine, cx: &Context) -> Result<Proof, StorageError> {
    loop {
        let begins = begin(engine, cx.env).await?;
        let proof = match &begins {
            Ok(begin) => walk(engine, cx.env, begin).await?,
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

async fn walk(engine: &Engine, env: EnvironmentId, begin: &(i64, String)) -> Result<Proof, StorageError> {
    let (first, mut hash) = begin.clone();
    let mut at = first;
    // Before the entries: those that are added meanwhile are no surplus.
    let (end, end_hash) = storage::audit::end(&mut *engine.read().await?, env).await?;
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
        }
    }
    if at < end {
        return Ok(Proof::Broken { sequence: at + 1, why: "the entry is missing" });
    }
    Ok(Proof::Sound { entries: at - first, last: at, hash })
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
