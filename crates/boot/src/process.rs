//! What every process of ours does at its beginning and its end.

use crate::config::{Config, Sources, load};
use crate::logging;
use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// The failure of a command, told on stderr with all its causes.
pub type Failure = Box<dyn Error + Send + Sync>;

/// SQLite is for one process.
#[derive(Debug, thiserror::Error)]
#[error(
    "the database is SQLite, which serves one process: run `latchkey serve all`, or name a PostgreSQL server in DATABASE_URL"
)]
pub struct SqliteIsForOne;

/// Refuses to be one process of several on a database that is for one.
pub fn one_of_several(config: &Config) -> Result<(), SqliteIsForOne> {
    match storage::EngineKind::of_url(config.database.url.expose()) {
        Ok(storage::EngineKind::Sqlite) => Err(SqliteIsForOne),
        // What is no URL at all is told when it is opened.
        Ok(storage::EngineKind::Postgres) | Err(_) => Ok(()),
    }
}

/// Makes the one TLS provider known; everything that speaks TLS wants it first.
pub fn install_crypto() {
    // An error means that it is known already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The whole `main` of a process that is one of several and takes `--config FILE` only.
pub fn main(name: &str, run: impl FnOnce(Config) -> Result<(), Failure>) -> ExitCode {
    install_crypto();
    let done = config_file(name, std::env::args_os().skip(1)).and_then(|file| {
        let config = load(&Sources::of_process(file))?;
        one_of_several(&config)?;
        logging::install(&config.logging);
        run(config)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{name}: {}", chain(&*failure));
            ExitCode::FAILURE
        }
    }
}

fn config_file(name: &str, mut arguments: impl Iterator<Item = OsString>) -> Result<Option<PathBuf>, Failure> {
    let usage = || format!("usage: {name} [--config FILE]");
    match (arguments.next(), arguments.next(), arguments.next()) {
        (None, ..) => Ok(std::env::var_os("LATCHKEY_CONFIG").map(PathBuf::from)),
        (Some(flag), Some(file), None) if flag == "--config" => Ok(Some(file.into())),
        _ => Err(usage().into()),
    }
}

/// An error with all its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Waits until the process is asked to stop: Ctrl-C, or SIGTERM. A second request ends it at once.
pub async fn asked_to_stop() -> io::Result<()> {
    signal().await?;
    tracing::info!("stopping: what is in hand is finished first");
    std::thread::Builder::new().name("second signal".to_owned()).spawn(|| {
        let waited =
            tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|r| r.block_on(signal()));
        if waited.is_ok() {
            std::process::exit(130);
        }
    })?;
    Ok(())
}

#[cfg(unix)]
async fn signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thin_process_takes_a_settings_file_and_nothing_else() {
        let read = |arguments: &[&str]| config_file("x", arguments.iter().map(OsString::from));
        assert_eq!(read(&["--config", "a.toml"]).unwrap(), Some(PathBuf::from("a.toml")));
        for wrong in [&["--config"][..], &["a.toml"], &["--config", "a", "b"], &["--help"]] {
            assert!(read(wrong).unwrap_err().to_string().contains("usage"), "{wrong:?}");
        }
    }

    #[test]
    fn a_part_does_not_start_on_sqlite() {
        let with = |url: &str| {
            load(&Sources { environment: vec![("DATABASE_URL".into(), url.into())], ..Sources::default() }).unwrap()
        };
        assert!(one_of_several(&with("sqlite:x.db")).is_err());
        assert!(one_of_several(&with("postgres://db/x")).is_ok());
    }
}
