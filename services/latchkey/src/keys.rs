//! `latchkey keys rotate`.

use crate::cli::Place;
use crate::{operator, print};
use boot::Config;
use boot::master_key::Missing;
use crypto::jws;
use engine::signing::{self, Rotation};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Publish a new key, which signs once whoever checks tokens has had a day to fetch it; the old one still verifies
    /// for a while
    Rotate {
        #[command(flatten)]
        place: Place,
        /// The environment's id or slug; the only one if left out
        #[arg(long)]
        environment: Option<String>,
        /// Sign with the new key at once; who checks tokens must fetch the keys again when one is unknown
        #[arg(long)]
        now: bool,
        /// The key is known to strangers: withdraw it at once, with every token it signed
        #[arg(long, conflicts_with = "now")]
        compromised: bool,
        /// Which algorithm; that of the session tokens if left out
        #[arg(long, value_enum, ignore_case = true)]
        algorithm: Option<Algorithm>,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Algorithm {
    #[value(name = "ES256")]
    Es256,
    #[value(name = "RS256")]
    Rs256,
}

impl From<Algorithm> for jws::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => Self::Es256,
            Algorithm::Rs256 => Self::Rs256,
        }
    }
}

impl Command {
    pub(crate) fn place(&self) -> &Place {
        let Self::Rotate { place, .. } = self;
        place
    }
}

pub(crate) async fn run(command: &Command, config: Config) -> anyhow::Result<()> {
    let Command::Rotate { environment, now, compromised, algorithm, .. } = command;
    let how = match (now, compromised) {
        (_, true) => Rotation::Compromised,
        (true, false) => Rotation::Now,
        (false, false) => Rotation::Announced,
    };
    let (keys, settings) = operator::with_engine(config, Missing::Refuse, async |engine| {
        let env = operator::environment(engine, environment.as_deref()).await?;
        let cx = operator::context(engine, &env);
        let keys = signing::rotate(engine, &cx, algorithm.map(Into::into), how).await?;
        Ok((keys, env.settings.signing_keys))
    })
    .await?;
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let leaves = key.retire_at.map_or_else(String::new, print::moment);
            [
                key.id.to_string(),
                key.algorithm.clone(),
                key.status.as_str().to_owned(),
                print::moment(key.created_at),
                print::moment(key.signs_from(&settings)),
                leaves,
            ]
        })
        .collect();
    Ok(print::table(["id", "algorithm", "status", "made", "signs from", "leaves the JWKS"], &rows)?)
}
