//! `latchkey api-keys create|list|revoke`.

use crate::cli::Place;
use crate::{operator, print};
use anyhow::{Context as _, bail};
use boot::Config;
use boot::master_key::Missing;
use domain::action::Actions;
use domain::key::ApiKey;
use domain::{ApiKeyId, Timestamp};
use engine::api_keys::{Made, NewKey};
use serde_json::json;
use std::time::Duration;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a secret key; it is shown once
    Create {
        #[command(flatten)]
        place: Place,
        /// The environment's id or slug; the only one if left out
        #[arg(long)]
        environment: Option<String>,
        /// What the key is called
        #[arg(long)]
        name: String,
        /// After so many days it is worth nothing
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=36_500))]
        expires_in_days: Option<u64>,
        /// An operation or a group of them that it may use (`listUsers`, `users:read`, `users:write`), and nothing else;
        /// may be given several times
        #[arg(long = "only", value_name = "ACTION")]
        only: Vec<String>,
        /// One JSON line instead of text
        #[arg(long)]
        json: bool,
    },
    /// Show the keys, without their secrets
    List {
        #[command(flatten)]
        place: Place,
        /// The environment's id or slug; the only one if left out
        #[arg(long)]
        environment: Option<String>,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Make a key worthless at once
    Revoke {
        #[command(flatten)]
        place: Place,
        /// The environment's id or slug; the only one if left out
        #[arg(long)]
        environment: Option<String>,
        /// The key's id: apik_...
        id: String,
    },
}

impl Command {
    pub(crate) fn place(&self) -> &Place {
        let (Self::Create { place, .. } | Self::List { place, .. } | Self::Revoke { place, .. }) = self;
        place
    }
}

pub(crate) async fn run(command: &Command, config: Config) -> anyhow::Result<()> {
    operator::with_engine(config, Missing::Refuse, async |engine| match command {
        Command::Create { environment, name, expires_in_days, only, json, .. } => {
            let env = operator::environment(engine, environment.as_deref()).await?;
            let cx = operator::context(engine, &env);
            let expires_at = expires_in_days.map(|days| cx.now + Duration::from_secs(days * 86_400));
            let actions = if only.is_empty() { Actions::ALL } else { Actions::only(only.iter().cloned()) };
            let wanted = NewKey { name: name.clone(), actions, expires_at };
            let catalogue = web::Operations::named_by(bapi::routes).catalogue();
            if wanted.check(&catalogue, &env, cx.now).is_err() {
                bail!("--only names an operation of openapi/bapi.yaml, or a group of them such as `users:read`");
            }
            let Made { key, secret } = engine::api_keys::create(engine, &cx, None, wanted).await?;
            if *json {
                return print::json(&json!({ "id": key.id, "environment_id": env.id, "secret_key": secret.expose() }));
            }
            println!(
                "made {} for {}\n  {}\n\nThe secret key is shown this once: keep it now.",
                key.id,
                env.slug,
                secret.expose()
            );
            Ok(())
        }
        Command::List { environment, json, .. } => {
            let env = operator::environment(engine, environment.as_deref()).await?;
            let keys = engine::api_keys::list(engine, &operator::context(engine, &env)).await?;
            show(&keys, engine.now(), *json)
        }
        Command::Revoke { environment, id, .. } => {
            let id: ApiKeyId = id.parse().with_context(|| format!("`{id}` is no id of a key: apik_..."))?;
            let env = operator::environment(engine, environment.as_deref()).await?;
            engine::api_keys::revoke(engine, &operator::context(engine, &env), None, id).await?;
            println!("revoked {id}");
            Ok(())
        }
    })
    .await
}

fn show(keys: &[ApiKey], now: Timestamp, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let rows: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({
                    "id": key.id, "name": key.name, "prefix": key.prefix, "kind": key.kind.as_str(), "live": key.is_live(now),
                    "restricted_to_actions": key.actions.named(),
                    "created_at": key.created_at, "last_used_at": key.last_used_at, "expires_at": key.expires_at,
                    "revoked_at": key.revoked_at,
                })
            })
            .collect();
        return print::json(&rows);
    }
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let state = match (key.revoked_at, key.is_live(now)) {
                (Some(at), _) => format!("revoked {}", print::moment(at)),
                (None, true) => "live".to_owned(),
                (None, false) => "expired".to_owned(),
            };
            let used = key.last_used_at.map_or_else(|| "never".to_owned(), print::moment);
            [key.id.to_string(), key.name.clone(), key.prefix.clone(), state, used]
        })
        .collect();
    Ok(print::table(["id", "name", "prefix", "state", "last used"], &rows)?)
}
