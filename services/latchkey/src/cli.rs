//! What the command line says, and which command answers it.

use crate::{api_keys, audit, bench, bootstrap, config, dev, environments, keys, migrate, openapi, serve};
use anyhow::Context as _;
use boot::Config;
use boot::config::{ConfigError, Sources};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "latchkey", version, about = "Self-hosted authentication: sign-up, sign-in, sessions and tokens.")]
struct Cli {
    /// A settings file; what it leaves out has its default
    #[arg(long, global = true, value_name = "FILE", env = "LATCHKEY_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything in one process for a developer: database, APIs, worker and an inbox instead of mail
    Dev(dev::Arguments),
    /// Serve an API, the worker, or all of them in one process
    Serve(serve::Arguments),
    /// Bring the database to the form of this version
    Migrate(Place),
    /// Make the first workspace, project and environment; shows its keys once
    Bootstrap(bootstrap::Arguments),
    /// Environments: create, list
    #[command(subcommand)]
    Environments(environments::Command),
    /// Secret keys of backends: create, list, revoke
    #[command(subcommand)]
    ApiKeys(api_keys::Command),
    /// Signing keys: rotate
    #[command(subcommand)]
    Keys(keys::Command),
    /// The audit log: verify
    #[command(subcommand)]
    Audit(audit::Command),
    /// The settings: check
    #[command(subcommand)]
    Config(config::Command),
    /// Write the OpenAPI documents of both APIs
    Openapi(openapi::Arguments),
    /// Measure this build on this machine: requests, memory, and the targets it is held to
    Bench(bench::Arguments),
}

/// Which database is meant; without it, the one that `DATABASE_URL` or the settings name.
#[derive(Args, Clone, Default)]
pub(crate) struct Place {
    /// The folder of the SQLite database and the master key
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

impl Place {
    pub(crate) fn add_to(&self, sources: &mut Sources) {
        if let Some(folder) = &self.data_dir {
            let text = folder.to_string_lossy().into_owned();
            sources.flags.push(("data_dir", text.into()));
        }
    }
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            // As clap does for a wrong command line: the caller has to change something first.
            let is_usage = error.downcast_ref::<ConfigError>().is_some();
            ExitCode::from(if is_usage { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let sources = Sources::of_process(cli.config);
    let settings = |place: &Place| {
        let mut sources = sources.clone();
        place.add_to(&mut sources);
        settings(&sources)
    };
    match cli.command {
        Command::Dev(arguments) => dev::run(arguments, sources),
        Command::Serve(arguments) => serve::run(&arguments, settings(&arguments.place)?),
        Command::Migrate(place) => on_runtime(migrate::run(settings(&place)?)),
        Command::Bootstrap(arguments) => on_runtime(bootstrap::run(&arguments, settings(&arguments.place)?)),
        Command::Environments(command) => on_runtime(environments::run(&command, settings(command.place())?)),
        Command::ApiKeys(command) => on_runtime(api_keys::run(&command, settings(command.place())?)),
        Command::Keys(command) => on_runtime(keys::run(&command, settings(command.place())?)),
        Command::Audit(command) => on_runtime(audit::run(&command, settings(command.place())?)),
        Command::Config(command) => config::run(&command, &settings(command.place())?),
        Command::Openapi(arguments) => openapi::run(&arguments),
        Command::Bench(arguments) => on_runtime(bench::run(&arguments, sources)),
    }
}

/// Loads the settings and starts logging.
pub(crate) fn settings(sources: &Sources) -> anyhow::Result<Config> {
    let config = boot::config::load(sources)?;
    boot::logging::install(&config.logging);
    Ok(config)
}

fn on_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime for the command")?.block_on(work)
}

#[cfg(test)]
pub(crate) fn understands<'a>(words: impl Iterator<Item = &'a str>) -> bool {
    Cli::try_parse_from(words).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_that_needs_the_database_takes_its_folder() {
        for line in [
            "dev",
            "serve all",
            "migrate",
            "bootstrap",
            "environments list",
            "environments create --name x",
            "api-keys list",
            "api-keys create --name x",
            "api-keys revoke apik_01",
            "keys rotate",
            "audit verify",
            "config check",
        ] {
            assert!(
                understands(["latchkey"].into_iter().chain(line.split(' ')).chain(["--data-dir", "/tmp/x"])),
                "{line}"
            );
        }
    }
}
