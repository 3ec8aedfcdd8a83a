//! From a name to the addresses that may be connected to: looked up once, and the connection uses exactly these.

use super::address::is_allowed;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The cause of a failed look-up.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The addresses of a name, to come.
pub type LookUp = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, Cause>> + Send>>;

/// Knows the addresses of names.
pub trait Names: Send + Sync {
    /// Looks a name up.
    fn addresses(&self, name: &str) -> LookUp;
}

/// As the machine is set up: `/etc/hosts`, `/etc/resolv.conf` and what else its C library asks.
pub(super) struct OfTheMachine;

impl Names for OfTheMachine {
    fn addresses(&self, name: &str) -> LookUp {
        let name = name.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    }
}

/// By the servers that the operator names, and nobody else.
pub(super) struct OfServers(TokioResolver);

impl OfServers {
    pub(super) fn new(servers: &[SocketAddr]) -> Result<Self, Cause> {
        let mut config = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
        for server in servers {
            let mut named = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut named.connections {
                connection.port = server.port();
            }
            config.add_name_server(named);
        }
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        (options.timeout, options.attempts, options.cache_size) = (Duration::from_secs(2), 2, 1024);
        Ok(Self(builder.build()?))
    }
}

impl Names for OfServers {
    fn addresses(&self, name: &str) -> LookUp {
        // A name is meant whole: no search list of this machine is appended to it.
        let name = format!("{}.", name.trim_end_matches('.'));
        let resolver = self.0.clone();
        Box::pin(async move { Ok(resolver.lookup_ip(name).await?.iter().collect()) })
    }
}

/// The name leads to no address that may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name has no public address")]
pub(super) struct NotPublic;

/// Stands between the client and the names: forbidden addresses do not pass.
pub(super) struct Guard {
    pub(super) names: Arc<dyn Names>,
    pub(super) allowed: Arc<[IpNet]>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, allowed) = (self.names.addresses(name.as_str()), Arc::clone(&self.allowed));
        Box::pin(async move {
            let mut found = found.await?;
            found.retain(|ip| is_allowed(*ip, &allowed));
            // Nobody makes us knock at hundreds of doors.
            found.truncate(8);
            if found.is_empty() {
                return Err(NotPublic.into());
            }
            // Port 0 is filled in from the URL.
            Ok(Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}
