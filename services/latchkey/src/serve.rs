//! `latchkey serve fapi|bapi|worker|all`.

use crate::cli::Place;
use actix_web::dev::Server;
use boot::clock::SystemClock;
use boot::master_key::Missing;
use boot::{Config, Mail, Platform, Wiring};
use domain::Surface;
use std::sync::Arc;
use web::process::{self, Servers, bind};
use worker::Worker;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// What this process does; on SQLite one process does all of it
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The browser-facing API
    Fapi,
    /// The backend API
    Bapi,
    /// Jobs, events and upkeep
    Worker,
    /// All of them in one process
    All,
}

pub(crate) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<()> {
    let surfaces: &[Surface] = match arguments.what {
        What::Worker => {
            boot::process::one_of_several(&config)?;
            return worker::serve(config);
        }
        What::Fapi => &[Surface::Fapi],
        What::Bapi => &[Surface::Bapi],
        What::All => &[Surface::Fapi, Surface::Bapi],
    };
    let is_whole = arguments.what == What::All;
    if !is_whole {
        boot::process::one_of_several(&config)?;
    }
    actix_web::rt::System::new().block_on(serve(config, surfaces, is_whole))
}

async fn serve(config: Config, surfaces: &[Surface], is_whole: bool) -> anyhow::Result<()> {
    let wiring = Wiring {
        clock: Arc::new(SystemClock),
        mail: if is_whole || config.smtp.is_some() { Mail::Smtp } else { Mail::Unused },
        missing_master_key: Missing::Refuse,
        threads: process::threads(&config, surfaces.len()),
    };
    let platform = boot::start(config, wiring).await?;
    let limits = process::limits(&platform.config);
    let mut servers: Vec<Server> = Vec::new();
    for surface in surfaces {
        let listen = if *surface == Surface::Bapi { &platform.config.bapi } else { &platform.config.fapi };
        let listener = bind(listen, surface.as_str())?;
        let address = listener.local_addr()?;
        let routes = if *surface == Surface::Bapi { bapi::routes } else { fapi::routes };
        servers.push(process::serve(&platform, *surface, routes, Arc::clone(&limits), listener)?);
        tracing::info!(surface = surface.as_str(), address = %address, "listening");
    }
    servers.extend(process::serve_ops(&platform)?);
    let worker = if is_whole {
        Some(worker::start(&platform)?)
    } else {
        boot::background::start(&platform)?;
        None
    };
    process::forget_idle_callers(limits);
    run_until_stopped(&platform, Servers::start(servers), worker).await
}

/// Serves until asked to stop, then finishes what is in hand: requests, the job, what was gathered, the database's log.
pub(crate) async fn run_until_stopped(
    platform: &Platform,
    servers: Servers,
    worker: Option<Worker>,
) -> anyhow::Result<()> {
    boot::process::asked_to_stop().await?;
    servers.stop().await;
    if worker.is_some_and(|worker| !worker.stop(platform.config.shutdown_timeout)) {
        tracing::warn!("a job was still in hand: it is taken up again at the next start");
    }
    platform.finish().await;
    Ok(())
}
