//! Logs: to stderr, as text or as JSON, one line an event.

use crate::config::{LogFormat, Logging};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging; a second call in one process changes nothing.
pub fn install(logging: &Logging) {
    let filter = EnvFilter::try_new(&logging.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let base = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error means that a subscriber is there already: tests start several platforms.
    let _ = match logging.format {
        LogFormat::Text => base.with_ansi(false).try_init(),
        LogFormat::Json => base.json().flatten_event(true).with_current_span(false).try_init(),
    };
}
