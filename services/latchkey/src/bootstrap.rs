//! `latchkey bootstrap`.

use crate::cli::Place;
use crate::environments::{Kind, announce};
use crate::operator;
use boot::Config;
use boot::master_key::Missing;
use engine::bootstrap::BootstrapSpec;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The name of the workspace
    #[arg(long, default_value = "Workspace")]
    workspace: String,
    /// The name of the project
    #[arg(long, default_value = "Project")]
    project: String,
    /// The name of the environment
    #[arg(long, default_value = "Production")]
    environment: String,
    /// What the environment is for
    #[arg(long, value_enum, default_value_t = Kind::Production)]
    kind: Kind,
    /// An origin that may call with cookies; may be given several times
    #[arg(long = "allowed-origin", value_name = "ORIGIN")]
    allowed_origins: Vec<String>,
    /// One JSON line instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let spec = BootstrapSpec {
        workspace: arguments.workspace.clone(),
        project: arguments.project.clone(),
        environment: arguments.environment.clone(),
        kind: arguments.kind.into(),
        allowed_origins: arguments.allowed_origins.clone(),
    };
    let made =
        operator::with_engine(config, Missing::Create, async |engine| Ok(engine::bootstrap::run(engine, spec).await?))
            .await?;
    announce(&made, arguments.json)
}
