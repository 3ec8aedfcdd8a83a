//! What `dev` shows again at its second start: the secret key of the development environment, in plain text.
//!
//! Everywhere else a secret key is shown once and kept as a hash. This file is for development only: mode 0600, and
//! worth nothing without the database beside it.

use crate::private_file;
use crypto::Secret;
use domain::EnvironmentId;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The name of the file in the data folder.
pub const FILE: &str = "dev-keys.json";

/// Finds the secret key of an environment; none if the file does not know it.
pub fn find(data_dir: &Path, environment: EnvironmentId) -> io::Result<Option<Secret<String>>> {
    Ok(read(data_dir)?.remove(&environment.to_string()).map(Secret::new))
}

/// Keeps the secret key of an environment.
pub fn keep(data_dir: &Path, environment: EnvironmentId, key: &Secret<String>) -> io::Result<()> {
    let mut keys = read(data_dir)?;
    keys.insert(environment.to_string(), key.expose().clone());
    private_file::folder(data_dir)?;
    let text = Secret::new(serde_json::to_string_pretty(&keys).map_err(io::Error::other)?);
    private_file::replace(&data_dir.join(FILE), text.expose())
}

fn read(data_dir: &Path) -> io::Result<BTreeMap<String, String>> {
    match std::fs::read_to_string(data_dir.join(FILE)) {
        // A damaged file is as good as none: `dev` makes a new key and says so.
        Ok(text) => Ok(serde_json::from_str(&text).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{NewId, Timestamp};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_development_key_is_found_again_by_its_environment_only() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let [one, two] = [1, 2].map(|n| EnvironmentId::new(Timestamp::from_millis(5), [n; 10]));

        keep(&data, one, &Secret::new("sk_test_one".to_owned())).unwrap();
        keep(&data, two, &Secret::new("sk_test_two".to_owned())).unwrap();

        let found = |id| find(&data, id).unwrap().map(|key| key.expose().clone());
        assert_eq!((found(one).as_deref(), found(two).as_deref()), (Some("sk_test_one"), Some("sk_test_two")));
        let mode = std::fs::metadata(data.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(find(folder.path(), one).unwrap().is_none());
    }
}
