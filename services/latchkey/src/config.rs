//! `latchkey config check`.

use crate::cli::Place;
use boot::Config;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Check the settings, and show them as they count, without secrets
    Check {
        #[command(flatten)]
        place: Place,
        /// Only the verdict
        #[arg(long)]
        quiet: bool,
    },
}

impl Command {
    pub(crate) fn place(&self) -> &Place {
        let Self::Check { place, .. } = self;
        place
    }
}

/// Whoever comes here has settings that passed every check.
pub(crate) fn run(command: &Command, config: &Config) -> anyhow::Result<()> {
    let Command::Check { quiet, .. } = command;
    if !quiet {
        println!("{}", config.effective());
    }
    eprintln!("the settings are sound");
    if config.smtp.is_none() {
        eprintln!("note: smtp.host is not set: `serve` needs it, `dev` does not");
    }
    if config.public_url.starts_with("http://") && !config.public_url.starts_with("http://localhost") {
        eprintln!("note: public_url is not https: cookies and passwords travel in the clear");
    }
    Ok(())
}
