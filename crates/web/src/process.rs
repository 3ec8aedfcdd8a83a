//! A surface as a server of a process that was wired by `boot`: alone, or beside the other surface.

use crate::routing::ServiceConfig;
use crate::server::{AppParts, ServerSettings};
use crate::{LimitSettings, Limits, Probes, server};
use actix_web::dev::{Server, ServerHandle};
use actix_web::rt;
use boot::clock::SystemClock;
use boot::config::Listen;
use boot::master_key::Missing;
use boot::process::Failure;
use boot::{Config, Mail, Platform, Wiring};
use domain::Surface;
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What both APIs of a process share: one count of requests, whichever port they came by.
pub fn limits(config: &Config) -> Arc<Limits> {
    let buckets = config.limits.buckets.iter();
    Arc::new(Limits::new(LimitSettings {
        buckets: buckets
            .map(|(name, quota)| (name.clone(), crate::limits::Allowance::new(quota.requests, quota.seconds.into())))
            .collect(),
        development_multiplier: config.limits.relaxed_factor,
    }))
}

/// One of the APIs on a socket; it answers while it is polled.
pub fn serve(
    platform: &Platform,
    surface: Surface,
    routes: fn(&mut ServiceConfig),
    limits: Arc<Limits>,
    listener: TcpListener,
) -> io::Result<Server> {
    let config = &platform.config;
    let parts = AppParts {
        surface,
        trusted_proxies: config.trusted_proxies.clone().into(),
        limits,
        metrics: Arc::clone(&platform.render_metrics),
        probes: if config.http.ops_listen.is_some() { Probes::Alive } else { Probes::All },
    };
    let settings = settings(config);
    let platform = platform.clone();
    server::serve(parts, move || platform.engine(), routes, listener, &settings)
}

/// The socket of the process's own readiness and metrics, where one is set; it answers while it is polled.
pub fn serve_ops(platform: &Platform) -> io::Result<Option<Server>> {
    let Some(address) = platform.config.http.ops_listen else { return Ok(None) };
    let listen = Listen { host: address.ip().to_string(), port: address.port() };
    let listener = bind(&listen, "socket of http.ops_listen")?;
    tracing::info!(address = %listener.local_addr()?, "readiness and metrics have a socket of their own");
    let (settings, metrics) = (settings(&platform.config), Arc::clone(&platform.render_metrics));
    let platform = platform.clone();
    server::serve_probes(move || platform.engine(), metrics, listener, &settings).map(Some)
}

fn settings(config: &Config) -> ServerSettings {
    ServerSettings {
        workers: config.http.worker_count(),
        keep_alive: Duration::from_secs(config.http.keep_alive_seconds),
        request_timeout: Duration::from_secs(config.http.client_timeout_seconds),
        shutdown_timeout: config.shutdown_timeout,
        ..ServerSettings::default()
    }
}

/// Threads that ask for an engine: those of so many surfaces, the worker or the background, the main one, and the one
/// that answers machines.
pub fn threads(config: &Config, surfaces: usize) -> usize {
    config.http.worker_count() * surfaces + 2 + usize::from(config.http.ops_listen.is_some())
}

/// Servers that run beside each other on the calling thread's system.
pub struct Servers(Vec<ServerHandle>);

impl Servers {
    /// Lets them answer.
    pub fn start(servers: Vec<Server>) -> Self {
        let handles = servers.iter().map(Server::handle).collect();
        for server in servers {
            rt::spawn(async move {
                if let Err(error) = server.await {
                    tracing::error!(%error, "a server has ended");
                }
            });
        }
        Self(handles)
    }

    /// Takes no new connection and finishes the requests in hand.
    pub async fn stop(self) {
        let stopping: Vec<_> = self.0.into_iter().map(|handle| rt::spawn(handle.stop(true))).collect();
        for stopped in stopping {
            // A task that panicked has stopped, too.
            let _ = stopped.await;
        }
    }
}

/// Gives back the memory of callers that were not seen for a while.
pub fn forget_idle_callers(limits: Arc<Limits>) {
    rt::spawn(async move {
        loop {
            rt::time::sleep(Duration::from_secs(60)).await;
            limits.forget_idle();
        }
    });
}

/// Takes the port, or says which one it was.
pub fn bind(listen: &Listen, what: &str) -> io::Result<TcpListener> {
    TcpListener::bind((listen.host.as_str(), listen.port)).map_err(|error| {
        let told = format!("the {what} cannot listen on {}:{}: {error}", listen.host, listen.port);
        io::Error::new(error.kind(), told)
    })
}

/// The whole `main` of a process that serves one surface and nothing else.
pub fn main(name: &str, surface: Surface, routes: fn(&mut ServiceConfig)) -> ExitCode {
    boot::process::main(name, |config| rt::System::new().block_on(alone(config, surface, routes)))
}

async fn alone(config: Config, surface: Surface, routes: fn(&mut ServiceConfig)) -> Result<(), Failure> {
    // Jobs send mail, and they are the worker's.
    let (clock, threads) = (Arc::new(SystemClock), threads(&config, 1));
    let wiring = Wiring { clock, mail: Mail::Unused, missing_master_key: Missing::Refuse, threads };
    let platform = boot::start(config, wiring).await?;
    let listen = if surface == Surface::Bapi { &platform.config.bapi } else { &platform.config.fapi };
    let listener = bind(listen, surface.as_str())?;
    let limits = limits(&platform.config);
    let mut servers = vec![serve(&platform, surface, routes, Arc::clone(&limits), listener)?];
    servers.extend(serve_ops(&platform)?);
    boot::background::start(&platform)?;
    forget_idle_callers(limits);
    let servers = Servers::start(servers);
    boot::process::asked_to_stop().await?;
    servers.stop().await;
    platform.finish().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Bucket;
    use boot::config::{Quota, Sources, load};

    #[test]
    fn the_default_settings_name_every_bucket_and_say_what_the_code_says() {
        let config = load(&Sources::default()).unwrap();
        for bucket in Bucket::ALL {
            let quota = config.limits.buckets.get(bucket.name());
            let Some(Quota { requests, seconds }) = quota else { panic!("no `{}`", bucket.name()) };
            assert_eq!(
                crate::limits::Allowance::new(*requests, (*seconds).into()),
                bucket.allowance(),
                "{}",
                bucket.name()
            );
        }
    }
}
