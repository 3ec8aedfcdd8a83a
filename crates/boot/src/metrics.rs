//! Counters and histograms for Prometheus.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Writes the metrics of this process in Prometheus' text form.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// The metrics cannot be gathered.
#[derive(Debug, thiserror::Error)]
#[error("the metrics recorder cannot be installed")]
pub struct MetricsError(#[from] BuildError);

// The recorder is the process's: a second platform in it (tests) shares the first one's.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder, once per process, and tells how to read it.
pub fn install() -> Result<Render, MetricsError> {
    let handle = match RECORDER.get() {
        Some(handle) => handle.clone(),
        None => {
            let handle = PrometheusBuilder::new()
                .set_buckets_for_metric(
                    Matcher::Suffix("_seconds".to_owned()),
                    &[0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0],
                )?
                .install_recorder()?;
            fold_in_background(handle.clone());
            RECORDER.get_or_init(|| handle).clone()
        }
    };
    Ok(Arc::new(move || handle.render()))
}

// Samples of a histogram pile up until they are folded: a process that nobody scrapes would grow.
fn fold_in_background(handle: PrometheusHandle) {
    let started = std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(5));
            handle.run_upkeep();
        }
    });
    if let Err(error) = started {
        tracing::warn!(%error, "metrics are folded only when they are read");
    }
}
