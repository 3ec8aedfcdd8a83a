//! SQLite: how a file is opened, who reads, who writes, who scans.
mod limit;
mod open;
mod readers;
mod scans;
mod writer;

pub(crate) use open::{Role, connect, open, switch_to_wal};
pub(crate) use readers::{ReadGuard, Readers};
pub(crate) use scans::Scans;
pub(crate) use writer::Writer;
