//! `latchkey environments create|list`.

use crate::cli::Place;
use crate::{operator, print};
use anyhow::Context as _;
use boot::Config;
use boot::master_key::Missing;
use domain::environment::EnvironmentKind;
use engine::bootstrap::{Bootstrapped, publishable_key};
use serde_json::json;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make an environment; shows its keys once
    Create {
        #[command(flatten)]
        place: Place,
        /// What people call it
        #[arg(long)]
        name: String,
        /// What it is for
        #[arg(long, value_enum, default_value_t = Kind::Development)]
        kind: Kind,
        /// What commands call it; made from the name if left out
        #[arg(long)]
        slug: Option<String>,
        /// The project (prj_...); the only one if left out
        #[arg(long)]
        project: Option<String>,
        /// An origin that may call with cookies; may be given several times
        #[arg(long = "allowed-origin", value_name = "ORIGIN")]
        allowed_origins: Vec<String>,
        /// One JSON line instead of text
        #[arg(long)]
        json: bool,
    },
    /// Show all environments
    List {
        #[command(flatten)]
        place: Place,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

/// What an environment is for.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Kind {
    Development,
    Staging,
    Production,
}

impl From<Kind> for EnvironmentKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Development => Self::Development,
            Kind::Staging => Self::Staging,
            Kind::Production => Self::Production,
        }
    }
}

impl Command {
    pub(crate) fn place(&self) -> &Place {
        let (Self::Create { place, .. } | Self::List { place, .. }) = self;
        place
    }
}

pub(crate) async fn run(command: &Command, config: Config) -> anyhow::Result<()> {
    match command {
        Command::Create { name, kind, slug, project, allowed_origins, json, .. } => {
            let project =
                project.as_ref().map(|id| id.parse()).transpose().context("--project wants an id: prj_...")?;
            let made = operator::with_engine(config, Missing::Refuse, async |engine| {
                let (name, slug, origins) = (name.clone(), slug.clone(), allowed_origins.clone());
                Ok(engine::bootstrap::create_environment(engine, project, name, (*kind).into(), slug, origins).await?)
            })
            .await?;
            announce(&made, *json)
        }
        Command::List { json, .. } => {
            let all = operator::with_engine(config, Missing::Refuse, async |engine| {
                Ok(engine::bootstrap::list_environments(engine).await?)
            })
            .await?;
            if *json {
                let rows: Vec<_> = all
                    .iter()
                    .map(|env| {
                        json!({
                            "id": env.id, "slug": env.slug, "name": env.name, "kind": env.kind, "fapi_url": env.issuer,
                            "publishable_key": publishable_key(env), "created_at": env.created_at,
                        })
                    })
                    .collect();
                return print::json(&rows);
            }
            let rows: Vec<_> = all
                .iter()
                .map(|env| {
                    [
                        env.id.to_string(),
                        env.slug.clone(),
                        env.kind.as_str().to_owned(),
                        env.issuer.clone(),
                        publishable_key(env),
                    ]
                })
                .collect();
            Ok(print::table(["id", "slug", "kind", "fapi url", "publishable key"], &rows)?)
        }
    }
}

/// Shows an environment with its keys; the secret one only when it was made just now.
pub(crate) fn announce(made: &Bootstrapped, as_json: bool) -> anyhow::Result<()> {
    let env = &made.environment;
    let secret = made.secret_key.as_ref().map(|key| key.expose().clone());
    if as_json {
        return print::json(&json!({
            "environment_id": env.id, "slug": env.slug, "fapi_url": env.issuer, "created": made.created,
            "publishable_key": made.publishable_key, "secret_key": secret,
        }));
    }
    println!(
        "{} {} ({})",
        if made.created { "made environment" } else { "found environment" },
        env.id,
        env.kind.as_str()
    );
    println!("  slug             {}", env.slug);
    println!("  FAPI URL         {}", env.issuer);
    println!("  publishable key  {}", made.publishable_key);
    match secret {
        Some(secret) => println!("  secret key       {secret}\n\nThe secret key is shown this once: keep it now."),
        None => println!("  secret key       (shown when it was made; `latchkey api-keys create` makes another)"),
    }
    Ok(())
}
