//! What else the machine does meanwhile.

use anyhow::Context as _;
use std::time::{Duration, Instant};

/// The processors at one moment.
pub(super) struct Machine {
    at: Instant,
    busy: Duration,
}

impl Machine {
    pub(super) fn now() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string("/proc/stat").context("/proc does not tell what the processors do")?;
        let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal (proc(5)); what is stolen is not ours either.
        let busy: u64 = ticks.iter().take(8).enumerate().filter(|(i, _)| !matches!(i, 3 | 4)).map(|(_, t)| t).sum();
        Ok(Self { at: Instant::now(), busy: super::server::ticks(busy) })
    }

    /// How many processors were busy on average since then with something other than what took `ours`.
    pub(super) fn others_since(&self, earlier: &Self, ours: Duration) -> f64 {
        let busy = self.busy.saturating_sub(earlier.busy).saturating_sub(ours);
        busy.as_secs_f64() / self.at.duration_since(earlier.at).as_secs_f64()
    }
}
