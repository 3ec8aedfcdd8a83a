//! What can go wrong, said alike for both engines.
use diesel::result::{ConnectionError, DatabaseErrorInformation, DatabaseErrorKind, Error as DbError};
use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A fault, or a refusal of the database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A unique constraint stands against the row.
    #[error("a unique constraint stands against the row")]
    Conflict(Conflict),
    /// A row refers to nothing, or is still referred to.
    #[error("a row refers to nothing, or is still referred to")]
    ForeignKey,
    /// The transaction collided with another and may be run again.
    #[error("the transaction collided with another")]
    Retryable(#[source] Arc<DbError>),
    /// No connection was to be had in time.
    #[error("no database connection was to be had")]
    Unavailable(#[source] Arc<dyn StdError + Send + Sync>),
    /// A scan ran into its deadline.
    #[error("the query did not end before its deadline")]
    Deadline,
    /// A transaction awaited something else than its connection.
    #[error("a transaction awaited something else than its connection")]
    Stranger,
    /// The closure of a transaction panicked; nothing was kept.
    #[error("a transaction panicked")]
    Panicked,
    /// The database was shut down.
    #[error("the database is shut down")]
    Closed,
    /// The settings cannot be used.
    #[error("unusable database setting: {0}")]
    Settings(&'static str),
    /// The schema could not be brought up to date.
    #[error("a migration failed")]
    Migration(#[source] Arc<dyn StdError + Send + Sync>),
    /// Anything else that the database or its driver said.
    #[error("the database refused a statement")]
    Other(#[source] Arc<DbError>),
}

/// The unique constraint that stands against a row.
///
/// PostgreSQL names the constraint, SQLite lists its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    constraint: Option<String>,
    columns: Vec<String>,
}

impl Conflict {
    /// True when it is the constraint called `index` on PostgreSQL, over `columns`
    /// (`"table.column"`, in any order) on SQLite.
    pub fn is_on(&self, index: &str, columns: &[&str]) -> bool {
        if let Some(constraint) = &self.constraint {
            return constraint == index;
        }
        self.columns.len() == columns.len()
            && columns.iter().all(|column| self.columns.iter().any(|known| known == column))
    }

    fn read(info: &dyn DatabaseErrorInformation) -> Self {
        let list = info.message().strip_prefix("UNIQUE constraint failed: ");
        // SQLite names the index instead when it is on an expression.
        let named = list.and_then(|list| list.strip_prefix("index '")?.strip_suffix('\''));
        Self {
            constraint: info.constraint_name().or(named).map(str::to_owned),
            columns: match (list, named) {
                (Some(list), None) => list.split(", ").map(str::to_owned).collect(),
                _ => Vec::new(),
            },
        }
    }
}

/// Says whether running the whole transaction again may help.
pub trait Retry {
    /// True when the error is a collision with another transaction.
    fn is_retryable(&self) -> bool;
}

impl Retry for Error {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable(_))
    }
}

impl Error {
    /// The conflict, if this is one.
    pub fn conflict(&self) -> Option<&Conflict> {
        match self {
            Self::Conflict(conflict) => Some(conflict),
            _ => None,
        }
    }

    pub(crate) fn unavailable(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unavailable(Arc::from(cause.into()))
    }

    pub(crate) fn migration(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Migration(Arc::from(cause.into()))
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        let (kind, info) = match &error {
            DbError::DatabaseError(kind, info) => (kind, info),
            DbError::RollbackErrorOnCommit { commit_error, .. } if collided(commit_error) => {
                return Self::Retryable(Arc::new(error));
            }
            _ => return Self::Other(Arc::new(error)),
        };
        match kind {
            DatabaseErrorKind::UniqueViolation => Self::Conflict(Conflict::read(info.as_ref())),
            DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::RestrictViolation => Self::ForeignKey,
            DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => Self::unavailable(error),
            DatabaseErrorKind::Unknown if info.message().starts_with("terminating connection") => {
                Self::unavailable(error)
            }
            _ if collided(&error) => Self::Retryable(Arc::new(error)),
            _ => Self::Other(Arc::new(error)),
        }
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        Self::unavailable(error)
    }
}

/// Whether some server says what went wrong in words that nobody here can read.
static FOREIGN: AtomicBool = AtomicBool::new(false);

/// Notes that a server's words cannot be read; true for the first to say so.
pub(crate) fn words_are_foreign() -> bool {
    !FOREIGN.swap(true, Ordering::Relaxed)
}

fn collided(error: &DbError) -> bool {
    collided_in(error, FOREIGN.load(Ordering::Relaxed))
}

fn collided_in(error: &DbError, is_foreign: bool) -> bool {
    match error {
        DbError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        // diesel keeps no SQLSTATE: 40P01 and SQLITE_BUSY are known by what they say, and each connection to
        // PostgreSQL sees to it that this is English. Where it cannot, running a transaction again that failed for
        // another reason does no harm: nothing of it was kept.
        DbError::DatabaseError(DatabaseErrorKind::Unknown, info) => {
            is_foreign || matches!(info.message(), "deadlock detected" | "database is locked")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(message: &str) -> DbError {
        DbError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
    }

    #[test]
    fn a_deadlock_is_a_collision_in_whatever_language() {
        let deadlock = [unknown("deadlock detected"), unknown("Verklemmung")];
        assert_eq!(deadlock.each_ref().map(|error| collided_in(error, true)), [true, true]);
        assert_eq!(deadlock.each_ref().map(|error| collided_in(error, false)), [true, false]);
        let named = DbError::DatabaseError(DatabaseErrorKind::CheckViolation, Box::new("Prüfbedingung".to_owned()));
        assert!(!collided_in(&named, true), "what has a name is not guessed at");
    }
}
