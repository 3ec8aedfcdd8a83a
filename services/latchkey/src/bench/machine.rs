//! What else the machine does meanwhile.

use super::server::{Server, cpu_of};
use anyhow::Context as _;
use std::time::{Duration, Instant};

/// The processors at one moment.
struct Machine {
    at: Instant,
    busy: Duration,
}

impl Machine {
    fn now() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string("/proc/stat").context("/proc does not tell what the processors do")?;
        let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal (proc(5)); what is stolen is not ours either.
        let busy: u64 = ticks.iter().take(8).enumerate().filter(|(i, _)| !matches!(i, 3 | 4)).map(|(_, t)| t).sum();
        Ok(Self { at: Instant::now(), busy: super::server::ticks(busy) })
    }
}

/// What the machine did for neither a server nor the benchmark while something was measured.
#[derive(Default)]
pub(super) struct Others {
    busy: Duration,
    elapsed: Duration,
}

impl Others {
    /// Measures, and looks at what else goes on meanwhile.
    pub(super) async fn beside<T>(
        &mut self,
        server: Option<&Server>,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let ours = || {
            let of_server = server.map_or(Ok(Duration::ZERO), Server::cpu)?;
            anyhow::Ok(of_server + cpu_of(std::process::id())?)
        };
        let (before, spent) = (Machine::now()?, ours()?);
        let done = work.await?;
        let (after, spent) = (Machine::now()?, ours()? - spent);
        self.busy += after.busy.saturating_sub(before.busy).saturating_sub(spent);
        self.elapsed += after.at.duration_since(before.at);
        Ok(done)
    }

    /// How many processors that kept busy on average.
    pub(super) fn average(&self) -> f64 {
        self.busy.as_secs_f64() / self.elapsed.as_secs_f64()
    }
}
