//! The two APIs as servers of this process.

use actix_web::dev::{Server, ServerHandle};
use actix_web::rt;
use boot::{Config, Platform};
use domain::Surface;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use web::server::ServerSettings;
use web::{AppParts, LimitSettings, Limits};

/// What both APIs of a process share: one count of requests, whichever port they came by.
pub(crate) fn limits(config: &Config) -> Arc<Limits> {
    let buckets = config.limits.buckets.iter();
    Arc::new(Limits::new(LimitSettings {
        buckets: buckets
            .map(|(name, quota)| (name.clone(), web::limits::Allowance::new(quota.requests, quota.seconds.into())))
            .collect(),
        development_multiplier: config.limits.relaxed_factor,
    }))
}

/// One of the APIs on a socket; it answers while it is polled.
pub(crate) fn serve(
    platform: &Platform,
    surface: Surface,
    limits: Arc<Limits>,
    listener: TcpListener,
) -> io::Result<Server> {
    let config = &platform.config;
    let parts = AppParts {
        surface,
        trusted_proxies: config.trusted_proxies.clone().into(),
        limits,
        metrics: Arc::clone(&platform.render_metrics),
    };
    let settings = ServerSettings {
        workers: config.http.worker_count(),
        keep_alive: Duration::from_secs(config.http.keep_alive_seconds),
        request_timeout: Duration::from_secs(config.http.client_timeout_seconds),
        shutdown_timeout: config.shutdown_timeout,
        ..ServerSettings::default()
    };
    let platform = platform.clone();
    let routes = match surface {
        Surface::Bapi => bapi::routes,
        _ => fapi::routes,
    };
    web::server::serve(parts, move || platform.engine(), routes, listener, &settings)
}

/// Runs servers beside each other on the calling thread's system.
pub(crate) struct Servers(Vec<ServerHandle>);

impl Servers {
    pub(crate) fn start(servers: Vec<Server>) -> Self {
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
    pub(crate) async fn stop(self) {
        let stopping: Vec<_> = self.0.into_iter().map(|handle| rt::spawn(handle.stop(true))).collect();
        for stopped in stopping {
            // A task that panicked has stopped, too.
            let _ = stopped.await;
        }
    }
}

/// Gives back the memory of callers that were not seen for a while.
pub(crate) fn forget_idle_callers(limits: Arc<Limits>) {
    rt::spawn(async move {
        loop {
            rt::time::sleep(Duration::from_secs(60)).await;
            limits.forget_idle();
        }
    });
}

#[cfg(test)]
mod tests {
    use boot::config::{Quota, Sources, load};
    use web::Bucket;

    #[test]
    fn the_default_settings_name_every_bucket_and_say_what_the_code_says() {
        let config = load(&Sources::default()).unwrap();
        for bucket in Bucket::ALL {
            let quota = config.limits.buckets.get(bucket.name());
            let Some(Quota { requests, seconds }) = quota else { panic!("no `{}`", bucket.name()) };
            assert_eq!(
                web::limits::Allowance::new(*requests, (*seconds).into()),
                bucket.allowance(),
                "{}",
                bucket.name()
            );
        }
    }
}
