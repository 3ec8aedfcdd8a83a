//! `latchkey dev`: everything in one process, ready to be called.

use crate::{cli, inbox, print, serve};
use anyhow::Context as _;
use boot::clock::SystemClock;
use boot::config::{Listen, Sources, without_password};
use boot::master_key::Missing;
use boot::{Config, Mail, Platform, Wiring, dev_keys};
use crypto::Secret;
use domain::Surface;
use domain::environment::{Environment, EnvironmentKind};
use engine::api_keys::NewKey;
use engine::bootstrap::{BootstrapSpec, Bootstrapped};
use outbound::Inbox;
use serde::Serialize;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use web::process::{self, Servers};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The port of the browser-facing API; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    fapi_port: Option<u16>,
    /// The port of the backend API; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    bapi_port: Option<u16>,
    /// Where the database, the master key and the development keys lie
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// One JSON line on stdout once everything is ready, instead of text
    #[arg(long)]
    json: bool,
}

/// What a developer needs to know, and the one line of `--json`.
#[derive(Serialize)]
struct Ready {
    fapi_url: String,
    bapi_url: String,
    publishable_key: String,
    secret_key: String,
    environment_id: String,
    inbox_url: String,
    database: String,
}

struct Sockets {
    fapi: TcpListener,
    bapi: TcpListener,
    inbox: TcpListener,
}

pub(crate) fn run(arguments: Arguments, mut sources: Sources) -> anyhow::Result<()> {
    cli::Place { data_dir: arguments.data_dir.clone() }.add_to(&mut sources);
    for (key, port) in [("fapi.port", arguments.fapi_port), ("bapi.port", arguments.bapi_port)] {
        if let Some(port) = port {
            sources.flags.push((key, i64::from(port).into()));
        }
    }
    let mut config = cli::settings(&sources)?.for_development();
    let sockets = bind(&config)?;
    if !config.has_own_public_url() {
        config.public_url = local(&sockets.fapi)?;
    }
    actix_web::rt::System::new().block_on(serve(config, sockets, arguments.json))
}

/// The sockets come first: only then the ports are known, and so the issuer.
fn bind(config: &Config) -> anyhow::Result<Sockets> {
    let take = |listen: &Listen, what: &str, flag: &str| {
        web::process::bind(listen, what)
            .with_context(|| format!("another port can be chosen: {flag} 0 takes a free one"))
    };
    let host = "127.0.0.1";
    Ok(Sockets {
        fapi: take(&config.fapi, "FAPI", "--fapi-port")?,
        bapi: take(&config.bapi, "BAPI", "--bapi-port")?,
        // The same port at each start if it is free: a tab that stays open goes on working.
        inbox: TcpListener::bind((host, inbox::PORT))
            .or_else(|_| TcpListener::bind((host, 0)))
            .context("there is no port for the inbox")?,
    })
}

fn local(listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://localhost:{}", listener.local_addr()?.port()))
}

async fn serve(config: Config, sockets: Sockets, as_json: bool) -> anyhow::Result<()> {
    boot::migrate(&config).await?;
    let (bapi_url, inbox_url) = (local(&sockets.bapi)?, local(&sockets.inbox)?);
    let wiring = Wiring {
        clock: Arc::new(SystemClock),
        mail: Mail::Inbox(Inbox::new()),
        missing_master_key: Missing::Create,
        threads: process::threads(&config, 2),
    };
    let platform = boot::start(config, wiring).await?;
    let made =
        engine::bootstrap::run(&platform.engine(), spec()).await.context("the first environment cannot be made")?;
    let secret_key = secret_key(&platform, &made).await?;
    let limits = process::limits(&platform.config);
    let mut servers = vec![
        process::serve(&platform, Surface::Fapi, fapi::routes, Arc::clone(&limits), sockets.fapi)?,
        process::serve(&platform, Surface::Bapi, bapi::routes, Arc::clone(&limits), sockets.bapi)?,
    ];
    servers.extend(process::serve_ops(&platform)?);
    if let Some(inbox) = &platform.inbox {
        servers.push(inbox::serve(inbox.clone(), sockets.inbox)?);
    }
    let worker = worker::start(&platform)?;
    process::forget_idle_callers(limits);
    let servers = Servers::start(servers);
    let ready = Ready {
        fapi_url: made.environment.issuer.clone(),
        bapi_url,
        publishable_key: made.publishable_key,
        secret_key: secret_key.expose().clone(),
        environment_id: made.environment.id.to_string(),
        inbox_url,
        database: without_password(platform.config.database.url.expose()),
    };
    if as_json {
        print::json(&ready)?
    } else {
        show(&ready, &platform.config)
    }
    serve::run_until_stopped(&platform, servers, Some(worker)).await
}

fn spec() -> BootstrapSpec {
    BootstrapSpec {
        workspace: "My workspace".to_owned(),
        project: "My project".to_owned(),
        environment: "Development".to_owned(),
        kind: EnvironmentKind::Development,
        // Whatever port the developer's own application runs on.
        allowed_origins: vec!["http://localhost:*".to_owned(), "http://127.0.0.1:*".to_owned()],
    }
}

/// The same key at every start; a new one only when the file that held it is gone.
async fn secret_key(platform: &Platform, made: &Bootstrapped) -> anyhow::Result<Secret<String>> {
    let folder = &platform.config.data_dir;
    let env: &Environment = &made.environment;
    let keep = |key: &Secret<String>| {
        dev_keys::keep(folder, env.id, key)
            .with_context(|| format!("{} cannot be written", folder.join(dev_keys::FILE).display()))
    };
    if let Some(key) = &made.secret_key {
        keep(key)?;
        return Ok(key.clone());
    }
    let found = dev_keys::find(folder, env.id);
    if let Some(key) = found.with_context(|| format!("{} cannot be read", folder.join(dev_keys::FILE).display()))? {
        return Ok(key);
    }
    let engine = platform.engine();
    let cx = crate::operator::context(&engine, env);
    let made = engine::api_keys::create(&engine, &cx, None, NewKey::unrestricted("Development")).await?;
    keep(&made.secret)?;
    Ok(made.secret)
}

fn show(ready: &Ready, config: &Config) {
    println!("Latchkey is ready.\n");
    println!("  FAPI             {}", ready.fapi_url);
    println!("  BAPI             {}", ready.bapi_url);
    println!("  publishable key  {}", ready.publishable_key);
    println!("  secret key       {}", ready.secret_key);
    println!("  inbox            {}", ready.inbox_url);
    println!("  database         {}", ready.database);
    println!("  data             {}", config.data_dir.display());
    println!("\nMail and short messages go to the inbox, never out. Ctrl-C stops.");
}
