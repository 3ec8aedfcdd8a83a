//! `latchkey audit verify` and `latchkey audit seal`.

use crate::cli::Place;
use crate::{operator, print};
use anyhow::bail;
use boot::Config;
use boot::master_key::Missing;
use engine::audit::{Expected, Proof};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Prove that no entry of the audit log was changed, moved or taken out; names the first that was and exits 1
    Verify {
        #[command(flatten)]
        place: Place,
        /// The environment's id or slug; every environment if left out
        #[arg(long)]
        environment: Option<String>,
        /// An entry that was noted elsewhere, as `SEQUENCE:HASH`: it must still be there
        #[arg(long, value_name = "SEQUENCE:HASH", requires = "environment", value_parser = expected)]
        expect: Option<Expected>,
    },
    /// Seal the end of logs that a version without seals began, once after the upgrade; what was cut off before cannot be
    /// found out
    Seal {
        #[command(flatten)]
        place: Place,
        /// The environment's id or slug; every environment if left out
        #[arg(long)]
        environment: Option<String>,
    },
}

fn expected(text: &str) -> Result<Expected, String> {
    let parts = text.split_once(':').and_then(|(sequence, hash)| Some((sequence.parse().ok()?, hash)));
    match parts {
        Some((sequence, hash)) if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok((sequence, hash.to_ascii_lowercase()))
        }
        _ => Err("a number, a colon and 64 hexadecimal digits are wanted".to_owned()),
    }
}

impl Command {
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Verify { place, .. } | Self::Seal { place, .. } => place,
        }
    }
}

pub(crate) async fn run(command: &Command, config: Config) -> anyhow::Result<()> {
    let (environment, expected) = match command {
        Command::Verify { environment, expect, .. } => (environment, expect.as_ref()),
        Command::Seal { environment, .. } => (environment, None),
    };
    let proofs = operator::with_engine(config, Missing::Refuse, async |engine| {
        let environments = match environment {
            Some(name) => vec![operator::environment(engine, Some(name)).await?],
            None => engine::bootstrap::list_environments(engine).await?,
        };
        let mut proofs = Vec::new();
        for env in environments {
            let cx = operator::context(engine, &env);
            let proof = match command {
                Command::Verify { .. } => engine::audit::verify(engine, &cx, expected).await?,
                Command::Seal { .. } => engine::audit::seal(engine, &cx).await?,
            };
            proofs.push((env, proof));
        }
        Ok(proofs)
    })
    .await?;
    let mut rows = Vec::new();
    let mut broken = Vec::new();
    for (env, proof) in proofs {
        match proof {
            Proof::Sound { entries, last, hash } => {
                rows.push([env.id.to_string(), env.slug, entries.to_string(), last.to_string(), hash]);
            }
            Proof::Unsealed { last, .. } => broken.push(format!(
                "{} ({}), entry {last}: nothing proves that it is the last; if a version without seals wrote it, run `latchkey audit seal` once, and \
                 else somebody has taken the seal away",
                env.id, env.slug
            )),
            Proof::Broken { sequence, why } => {
                broken.push(format!("{} ({}), entry {sequence}: {why}", env.id, env.slug))
            }
        }
    }
    if !rows.is_empty() {
        print::table(["id", "slug", "entries", "last", "hash of the last"], &rows)?;
    }
    if !broken.is_empty() {
        bail!("the audit log is not what was written: {}", broken.join("; "));
    }
    Ok(())
}
