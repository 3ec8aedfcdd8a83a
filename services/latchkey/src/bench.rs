//! `latchkey bench`: how fast this build answers on this machine, and whether it holds what is promised of it.
//!
//! The server is a process of its own, made from this same executable; what is measured goes over HTTP on the
//! loopback. Everything is drawn from one seed: two runs ask for the same things in the same order.

mod authenticator;
mod client;
mod factors;
mod load;
mod machine;
mod outbox;
mod people;
mod pull;
mod raw;
mod receiver;
mod report;
mod scenario;
mod series;
mod server;
mod writes;

use crate::print;
use anyhow::{Context as _, bail};
use boot::Config;
use boot::config::{Sources, load, without_password};
use machine::Others;
use outbox::Comparison;
use report::{Findings, Report};
use scenario::{Route, Scenario, Wanted};
use server::{Kind, Ports, Server, Surroundings};
use std::path::PathBuf;
use std::time::Duration;
use storage::EngineKind;
use writes::{Writes, Written};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// People in the database
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    users: u32,
    /// What everything random is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long each kind of request is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often the mint, the sign-in and the write with its event are measured, in turn with what they are
    /// compared with
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measures only these kinds of request
    #[arg(long, value_enum, value_name = "KIND")]
    only: Vec<Route>,
    /// Connections that ask at the same time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// `sqlite` for one in a temporary folder, or the URL of an empty PostgreSQL database; without it the one that
    /// DATABASE_URL names
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// One JSON line instead of tables
    #[arg(long)]
    json: bool,
}

/// A folder that is gone when the benchmark is.
struct Folder(PathBuf);

impl Folder {
    fn make() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("latchkey-bench-{}", crypto::random::jti()));
        std::fs::create_dir(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("note: {} stays behind: {error}", self.0.display());
        }
    }
}

pub(crate) async fn run(arguments: &Arguments, sources: Sources) -> anyhow::Result<()> {
    let folder = Folder::make()?;
    let surroundings = surroundings(arguments, &sources, &folder)?;
    // Tasks that share this thread: the client must leave the cores to the server.
    let report = tokio::task::LocalSet::new().run_until(measure(arguments, &sources, &surroundings)).await?;
    if arguments.json { print::json(&report) } else { report.show() }
}

/// The settings that differ from an operator's: where everything lies, and limits that do not bite.
fn surroundings(arguments: &Arguments, sources: &Sources, folder: &Folder) -> anyhow::Result<Surroundings> {
    let given = load(sources)?;
    let named = arguments.database.as_deref().unwrap_or(match given.database.is_in_data_dir {
        true => "sqlite",
        false => given.database.url.expose(),
    });
    let url = match named {
        "sqlite" => "",
        url if matches!(EngineKind::of_url(url), Ok(EngineKind::Postgres)) => url,
        other => bail!("--database takes `sqlite` or postgres://..., not {}", without_password(other)),
    };
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| variables.push((format!("LATCHKEY_{name}"), value.to_owned()));
    set("DATA_DIR", &folder.0.to_string_lossy());
    set("DATABASE__URL", url);
    set("DATABASE__URL_FILE", "");
    set("MASTER_KEY", "");
    set("MASTER_KEY_FILE", "");
    set("PUBLIC_URL", "http://localhost:4000");
    set("FAPI__HOST", "127.0.0.1");
    set("BAPI__HOST", "127.0.0.1");
    // `serve` wants a mail server; nothing that is measured sends mail.
    set("SMTP__HOST", "127.0.0.1");
    set("SMTP__PORT", "9");
    set("SMTP__TLS", "none");
    set("LOGGING__LEVEL", "warn");
    let waiting = given.passwords.waiting_per_thread.max(arguments.connections.into());
    set("PASSWORDS__WAITING_PER_SLOT", &waiting.to_string());
    for bucket in given.limits.buckets.keys() {
        let name = bucket.replace('.', "__").to_uppercase();
        set(&format!("LIMITS__{name}"), "1000000/1");
    }
    Ok(Surroundings { variables })
}

async fn measure(arguments: &Arguments, sources: &Sources, around: &Surroundings) -> anyhow::Result<Report> {
    let config = around.config(sources)?;
    refuse_what_is_in_use(&config).await?;
    let tell = |what: &str| eprintln!("bench: {what}");

    tell(&format!("{} people are made", arguments.users));
    let places = people::fill(config.clone(), arguments.users, arguments.seed).await?;

    tell("the server starts five times");
    // The first start has the event log of all those people to put in order; it is not timed.
    let first = Server::start(around, Kind::Serve, Ports::free()?).await?.0;
    first.settle().await?;
    first.stop().await?;
    let mut starts = Vec::new();
    let mut running = None;
    for _ in 0..5 {
        if let Some(server) = running.take() {
            Server::stop(server).await?;
        }
        let (server, took) = Server::start(around, Kind::Serve, Ports::free()?).await?;
        starts.push(took);
        running = Some(server);
    }
    let Some(server) = running else { bail!("no server is running") };
    server.settle().await?;
    let idle = server.rss_anon()?;

    let length = Duration::from_secs(arguments.seconds);
    let wanted = Wanted(&arguments.only);
    let scenario = Scenario {
        place: &places.main,
        server: &server,
        connections: arguments.connections.into(),
        workers: config.http.worker_count(),
        passwords: config.passwords,
        length,
        rounds: arguments.rounds,
        wanted,
        seed: arguments.seed,
    };
    let mut others = Others::default();
    let outcome = others.beside(Some(&server), scenario.run(tell)).await?;
    let used = server.rss_anon()?;
    server.stop().await?;

    let mut written = Written::default();
    if wanted.has(Route::Write) || wanted.has(Route::Webhooks) {
        let server = Server::start(around, Kind::Dev, Ports::free()?).await?.0;
        server.settle().await?;
        let writes = Writes {
            place: &places.pushed,
            server: &server,
            connections: arguments.connections.into(),
            length,
            wanted,
            seed: arguments.seed,
        };
        written = others.beside(Some(&server), writes.run(tell)).await?;
        server.stop().await?;
    }
    let mut outbox = None;
    if wanted.has(Route::Outbox) {
        tell(Route::Outbox.name());
        let writers = arguments.connections.into();
        let comparison = Comparison { place: &places.main, writers, rounds: arguments.rounds, length };
        outbox = Some(others.beside(None, comparison.run(config.clone())).await?);
    }
    Ok(Report::new(arguments, &config, &Findings { starts, idle, used, others, outcome, written, outbox }))
}

/// A benchmark fills and floods its database: it must be nobody's.
async fn refuse_what_is_in_use(config: &Config) -> anyhow::Result<()> {
    if config.database.is_in_data_dir {
        return Ok(());
    }
    let url = config.database.url.expose();
    let shown = without_password(url);
    let pending = storage::pending(url).await.with_context(|| format!("{shown} cannot be read"))?;
    if pending.is_empty() {
        bail!("{shown} has tables of Latchkey already: the benchmark wants an empty database of its own");
    }
    Ok(())
}
