//! Where the database is and how it is used.
use crate::backend::EngineKind;
use crate::error::Error;
use std::fmt;
use std::time::Duration;

/// What SQLite promises about a commit that it has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// It survives a power cut.
    #[default]
    Full,
    /// It survives a crash of the process; a power cut may undo the last ones.
    Normal,
}

/// The settings of a [`Database`](crate::Database).
#[derive(Clone)]
pub struct Options {
    /// `postgres://…`, `postgresql://…`, `sqlite:PATH`, `sqlite://PATH`, or a path.
    pub url: String,
    /// PostgreSQL connections of the whole process, divided among the workers.
    pub max_connections: u32,
    /// How many handles will be made.
    pub workers: u32,
    /// What a commit on SQLite is worth.
    pub synchronous: Synchronous,
    /// How many scans run at a time in the whole process.
    pub scan_slots: u32,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
    /// SQLite connections that one handle opens for reading, at most.
    pub readers: u32,
}

impl Options {
    /// The defaults, with the database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 40,
            workers: 1,
            synchronous: Synchronous::Full,
            scan_slots: 2,
            acquire_timeout: Duration::from_secs(5),
            readers: 4,
        }
    }

    // Two at least: a worker with one would wait for itself when a read and a write meet.
    pub(crate) fn pool_size(&self) -> usize {
        (self.max_connections / self.workers.max(1)).max(2) as usize
    }
}

// The URL holds a password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("engine", &EngineKind::of_url(&self.url).ok())
            .field("max_connections", &self.max_connections)
            .field("workers", &self.workers)
            .field("synchronous", &self.synchronous)
            .field("scan_slots", &self.scan_slots)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

impl EngineKind {
    /// The engine that a database URL asks for.
    pub fn of_url(url: &str) -> Result<Self, Error> {
        Ok(match Location::parse(url)? {
            Location::Postgres(_) => Self::Postgres,
            Location::Sqlite(_) => Self::Sqlite,
        })
    }
}

/// A database URL, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Postgres(String),
    Sqlite(String),
}

impl Location {
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        let path = match url.strip_prefix("sqlite:") {
            Some(path) => path.strip_prefix("//").unwrap_or(path),
            None => url,
        };
        match path {
            "" => Err(Error::Settings("the path of the SQLite file is empty")),
            // Readers and the writer are several connections, which must see one database.
            ":memory:" => Err(Error::Settings("SQLite needs a file")),
            path if path.starts_with("file:") || path.contains("://") => {
                Err(Error::Settings("unknown scheme of the database URL"))
            }
            path => Ok(Self::Sqlite(path.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_url_finds_its_engine() {
        for (url, path) in [
            ("sqlite:data/latchkey.db", "data/latchkey.db"),
            ("sqlite://data/latchkey.db", "data/latchkey.db"),
            ("sqlite:///var/lib/latchkey.db", "/var/lib/latchkey.db"),
            ("/var/lib/latchkey.db", "/var/lib/latchkey.db"),
            ("latchkey.db", "latchkey.db"),
        ] {
            assert!(Location::parse(url).ok() == Some(Location::Sqlite(path.into())), "{url}");
        }
        for url in ["postgres://u:p@h/d", "postgresql://h/d?sslmode=require"] {
            assert_eq!(EngineKind::of_url(url).ok(), Some(EngineKind::Postgres), "{url}");
        }
    }

    #[test]
    fn an_unknown_or_volatile_place_is_refused() {
        for url in ["", "sqlite:", "sqlite::memory:", ":memory:", "mysql://h/d", "file:x?mode=ro"] {
            assert!(matches!(EngineKind::of_url(url), Err(Error::Settings(_))), "{url}");
        }
    }

    #[test]
    fn options_never_show_the_password() {
        let shown = format!("{:?}", Options::new("postgres://root:hunter2@db/x"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
