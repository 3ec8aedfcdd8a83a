//! Whether a password is known from a breach: asked by a few digits of its hash, or looked up in a file of one's own.

mod file;
mod range;

use crate::http::{Http, HttpError};
use crypto::Secret;
use std::path::PathBuf;

/// The digest that published lists are made of: 40 upper-case hexadecimal digits.
type Digest = String;

/// Where breached passwords are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreachedSettings {
    /// The range API, without a slash at the end.
    pub base_url: String,
    /// A file of hashes, one a line, in rising order.
    pub file: Option<PathBuf>,
}

/// The range API that most of the world asks.
pub const RANGE_API: &str = "https://api.pwnedpasswords.com";

/// Which of the two is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreachSource {
    /// The range API.
    RangeApi,
    /// The file.
    LocalFile,
}

impl BreachSource {
    /// The word of the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RangeApi => "range_api",
            Self::LocalFile => "local_file",
        }
    }
}

/// Why nobody could tell.
#[derive(Debug, thiserror::Error)]
pub enum BreachError {
    /// The range API did not answer.
    #[error("the range API cannot be asked")]
    Range(#[from] HttpError),
    /// It answered something else than a range.
    #[error("the range API answered {0} and no range")]
    NotARange(u16),
    /// No file is named.
    #[error("breached_passwords.file is not set")]
    NoFile,
    /// The file cannot be read.
    #[error("the file of breached passwords cannot be read")]
    File(#[from] std::io::Error),
}

/// Looks passwords up.
pub struct Breached {
    range: range::RangeApi,
    file: Option<PathBuf>,
}

impl Breached {
    /// Looks up where the settings say.
    pub fn new(settings: BreachedSettings, http: Http) -> Self {
        Self { range: range::RangeApi::new(settings.base_url, http), file: settings.file }
    }

    /// Whether there is a file to look in.
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Whether a password is known from a breach. No more of it than five digits of its hash leaves the machine.
    pub async fn contains(&self, source: BreachSource, password: &Secret<String>) -> Result<bool, BreachError> {
        let digest = Secret::new(crypto::digest::sha1_hex_for_lists(password.expose().as_bytes()));
        match source {
            BreachSource::RangeApi => self.range.contains(&digest).await,
            BreachSource::LocalFile => {
                let path = self.file.clone().ok_or(BreachError::NoFile)?;
                let found = tokio::task::spawn_blocking(move || file::contains(&path, digest.expose())).await;
                Ok(found.map_err(std::io::Error::other)??)
            }
        }
    }
}

/// Opens a file of hashes and looks at its beginning, so that a wrong one is told at start.
pub fn check_file(path: &std::path::Path) -> std::io::Result<()> {
    file::check(path)
}
