//! `latchkey audit verify`.

use crate::cli::Place;
use crate::{operator, print};
use anyhow::bail;
use boot::Config;
use boot::master_key::Missing;
use engine::audit::Proof;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Prove that no entry of the audit log was changed, moved or taken out; names the first that was and exits 1
    Verify {
        #[command(flatten)]
        place: Place,
        /// The environment's id or slug; every environment if left out
        #[arg(long)]
        environment: Option<String>,
    },
}

impl Command {
    pub(crate) fn place(&self) -> &Place {
        let Self::Verify { place, .. } = self;
        place
    }
}

pub(crate) async fn run(command: &Command, config: Config) -> anyhow::Result<()> {
    let Command::Verify { environment, .. } = command;
    let proofs = operator::with_engine(config, Missing::Refuse, async |engine| {
        let environments = match environment {
            Some(name) => vec![operator::environment(engine, Some(name)).await?],
            None => engine::bootstrap::list_environments(engine).await?,
        };
        let mut proofs = Vec::new();
        for env in environments {
            let proof = engine::audit::verify(engine, &operator::context(engine, &env)).await?;
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
