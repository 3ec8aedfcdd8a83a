//! From settings to a running platform.
//!
//! The secret kept here is where settings come from: files, the environment, secrets in files, and
//! which of them wins. Nobody else reads the environment; every part declares what it needs as values.

pub mod background;
pub mod clock;
pub mod config;
pub mod dev_keys;
pub mod logging;
pub mod master_key;
pub mod metrics;
mod platform;
mod private_file;
pub mod process;

pub use config::Config;
pub use platform::{Mail, Platform, StartError, Wiring, migrate, start};
