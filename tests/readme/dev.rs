//! The real `latchkey dev`, as a process of its own.

use serde_json::Value;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use testkit::{EngineKind, TestDatabase, Turn};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Long enough for a machine that builds at the same time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A command that knows where programs are, and nothing else of our environment.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A `latchkey dev` that runs; it is killed when it is dropped.
pub(crate) struct Dev {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Dev {
    /// Starts it on a folder, and on PostgreSQL when a database is named; its log goes to a file beside the folder.
    pub async fn start(folder: &Path, database: Option<&str>, arguments: &[&str]) -> Self {
        let log = std::fs::File::create(folder.join("log")).expect("the folder is ours");
        let mut command = command(env!("CARGO_BIN_EXE_latchkey"));
        command.arg("dev").arg("--data-dir").arg(folder.join("data")).args(arguments.iter().map(OsString::from));
        if let Some(url) = database {
            command.env("DATABASE_URL", url);
        }
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary was built");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        Self { process, lines }
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("it says something in time");
        line.expect("it prints text").expect("it goes on")
    }

    /// The one line of `--json`, once everything is ready.
    pub async fn ready(&mut self) -> Value {
        serde_json::from_str(&self.line().await).expect("the line is JSON")
    }

    /// Asks it to stop, and waits until it has; what else it printed.
    pub async fn stop(mut self) -> Vec<String> {
        let id = self.process.id().expect("it runs").to_string();
        let asked = command("kill").args(["-TERM", &id]).status().await.expect("there is a kill");
        assert!(asked.success());
        let status = tokio::time::timeout(PATIENCE, self.process.wait()).await.expect("it stops in time");
        assert!(status.expect("it can be waited for").success(), "a stop that was asked for is a success");
        let mut rest = Vec::new();
        while let Some(line) = self.lines.next_line().await.expect("it prints text") {
            rest.push(line);
        }
        rest
    }
}

/// Runs a test with a database of PostgreSQL, or none for SQLite; without a server, the former is left out.
pub(crate) fn on<F: Future<Output = ()>>(engine: EngineKind, test: impl FnOnce(Option<String>) -> F) {
    let turn = if engine == EngineKind::Postgres { Turn::take() } else { None };
    if engine == EngineKind::Postgres && turn.is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let database = match engine {
            EngineKind::Postgres => TestDatabase::make(engine).await,
            EngineKind::Sqlite => None,
        };
        test(database.as_ref().map(|database| database.url().to_owned())).await;
    });
}
