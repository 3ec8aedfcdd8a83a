//! The server under test: started, watched from outside, stopped.

use super::client::Connection;
use anyhow::{Context as _, bail};
use boot::Config;
use boot::config::{Sources, load};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// What the kernel counts a process's time in: USER_HZ, which is 100 on every platform that has /proc.
const TICKS_PER_SECOND: u64 = 100;

/// So many ticks as time.
pub(super) fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / TICKS_PER_SECOND)
}

/// Processor time of all threads of a process so far, in user space and in the kernel.
pub(super) fn cpu_of(process: u32) -> anyhow::Result<Duration> {
    let text = proc(process, "stat")?;
    // The second field is the name in brackets, which may hold anything; utime and stime are the 14th and 15th.
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).context("/proc has another form")?;
    let read: Vec<u64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let [user, system] = read[..] else { bail!("/proc has another form") };
    Ok(ticks(user + system))
}

fn proc(process: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{process}/{file}");
    std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read: the benchmark wants Linux"))
}

/// The environment variables that make a server the one under test.
pub(super) struct Surroundings {
    pub(super) variables: Vec<(String, String)>,
}

impl Surroundings {
    /// The settings as the server will see them.
    pub(super) fn config(&self, sources: &Sources) -> anyhow::Result<Config> {
        let ours = |name: &String| self.variables.iter().any(|(other, _)| other == name);
        let kept = sources.environment.iter().filter(|(name, _)| !ours(name)).cloned();
        let environment = kept.chain(self.variables.iter().cloned()).collect();
        Ok(load(&Sources { environment, ..sources.clone() })?)
    }
}

/// Two ports that are free at this moment.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) fapi: u16,
    pub(super) bapi: u16,
}

impl Ports {
    pub(super) fn free() -> anyhow::Result<Self> {
        let take = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("the loopback has no free port");
        // Both are held until both are known, or the second would be the first again.
        let (fapi, bapi) = (take()?, take()?);
        Ok(Self { fapi: fapi.local_addr()?.port(), bapi: bapi.local_addr()?.port() })
    }
}

/// Which server is started.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// As in production.
    Serve,
    /// The same for a developer: it alone pushes to the machine itself and without TLS.
    Dev,
}

/// A running server; killed when dropped.
pub(super) struct Server {
    child: Child,
    pid: u32,
    ports: Ports,
}

impl Server {
    /// Starts the server and tells how long it took until it was ready to serve.
    pub(super) async fn start(around: &Surroundings, kind: Kind, ports: Ports) -> anyhow::Result<(Self, Duration)> {
        let program = std::env::current_exe().context("this executable cannot be found")?;
        let mut command = Command::new(program);
        command
            .args(match kind {
                Kind::Serve => &["serve", "all"][..],
                Kind::Dev => &["dev"],
            })
            .envs(around.variables.iter().map(|(name, value)| (name, value)))
            .env("LATCHKEY_FAPI__PORT", ports.fapi.to_string())
            .env("LATCHKEY_BAPI__PORT", ports.bapi.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let began = Instant::now();
        let child = command.spawn().context("the server cannot be started")?;
        let pid = child.id().context("the server ended at once")?;
        let mut server = Self { child, pid, ports };
        loop {
            if server.is_ready().await {
                return Ok((server, began.elapsed()));
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended while it started: {status}");
            }
            if began.elapsed() > Duration::from_secs(30) {
                bail!("the server was not ready after 30 seconds");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut connection) = Connection::open(self.fapi()).await else { return false };
        let asked = connection.ask(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        asked.is_ok_and(|answer| answer.status == 200)
    }

    pub(super) fn fapi(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.fapi).into()
    }

    pub(super) fn bapi(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.bapi).into()
    }

    /// Processor time of all threads so far, in user space and in the kernel.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(self.pid)
    }

    /// Bytes of memory that are no copy of a file.
    pub(super) fn rss_anon(&self) -> anyhow::Result<u64> {
        let text = proc(self.pid, "status")?;
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok());
        Ok(kib.context("/proc does not tell RssAnon")? * 1024)
    }

    /// Waits until the server has nothing to do any more.
    pub(super) async fn settle(&self) -> anyhow::Result<()> {
        const LOOK: Duration = Duration::from_millis(500);
        let mut quiet = 0;
        for _ in 0..240 {
            let before = self.cpu()?;
            tokio::time::sleep(LOOK).await;
            quiet = if self.cpu()? - before <= LOOK / 20 { quiet + 1 } else { 0 };
            if quiet == 3 {
                return Ok(());
            }
        }
        bail!("the server did not come to rest within two minutes")
    }

    /// Asks the server to end as an operator would.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.pid)]).status().await;
        if !asked.context("no shell to stop the server with")?.success() {
            bail!("the server has ended before it was asked to");
        }
        let status = tokio::time::timeout(Duration::from_secs(40), self.child.wait()).await;
        let status = status.context("the server does not stop")??;
        if status.success() { Ok(()) } else { bail!("the server ended badly: {status}") }
    }
}
