//! The master keys: found, checked, or made on the first day.

use crate::config::MasterKeySource;
use crate::private_file;
use crypto::seal::{MasterKeyError, MasterKeys};
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no master key to work with.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No file; `serve` never makes one.
    #[error("there is no master key file at {}; `latchkey bootstrap` makes one", .0.display())]
    Missing(PathBuf),
    /// Others may read it.
    #[error("the master key file {} may be read by others or written by its group; run `chmod 600` on it", .0.display())]
    Exposed(PathBuf),
    /// It cannot be read or made.
    #[error("the master key file {} cannot be used", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// Its content is no list of master keys.
    #[error("the master keys cannot be read")]
    Content(#[from] MasterKeyError),
}

/// What to do when there is no file yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Make a key.
    Create,
    /// Say so.
    Refuse,
}

/// Master keys, and where they came from.
pub struct Loaded {
    /// The keys.
    pub keys: MasterKeys,
    /// The file, if it was made just now.
    pub created: Option<PathBuf>,
}

/// Reads the master keys, or makes the first one with mode 0600.
pub fn load(source: &MasterKeySource, missing: Missing) -> Result<Loaded, LoadError> {
    match source {
        MasterKeySource::Text(text) => Ok(Loaded { keys: MasterKeys::parse(text.expose())?, created: None }),
        MasterKeySource::File(path) => match read(path) {
            Ok(keys) => Ok(Loaded { keys, created: None }),
            Err(LoadError::Missing(_)) if missing == Missing::Create => create(path),
            Err(error) => Err(error),
        },
    }
}

fn read(path: &Path) -> Result<MasterKeys, LoadError> {
    let of_file = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::Missing(path.to_owned()),
        _ => LoadError::File(path.to_owned(), error),
    };
    if private_file::is_exposed(path).map_err(of_file)? {
        return Err(LoadError::Exposed(path.to_owned()));
    }
    let text = crypto::Secret::new(std::fs::read_to_string(path).map_err(of_file)?);
    Ok(MasterKeys::parse(text.expose())?)
}

fn create(path: &Path) -> Result<Loaded, LoadError> {
    let of_file = |error| LoadError::File(path.to_owned(), error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private_file::folder(folder).map_err(of_file)?;
    }
    let keys = MasterKeys::generate();
    match private_file::create(path, keys.to_text().expose()) {
        Ok(()) => Ok(Loaded { keys, created: Some(path.to_owned()) }),
        // Another process was faster: its key counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Loaded { keys: read(path)?, created: None }),
        Err(error) => Err(of_file(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::seal::WrapKey;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_master_key_is_its_owners_alone_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/master.key");
        let source = MasterKeySource::File(path.clone());

        let first = load(&source, Missing::Create).unwrap();
        let second = load(&source, Missing::Create).unwrap();

        assert_eq!((first.created.as_deref(), second.created), (Some(path.as_path()), None));
        assert_eq!(first.keys.key_id(), second.keys.key_id());
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_missing_master_key_is_not_made_for_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let source = MasterKeySource::File(folder.path().join("master.key"));

        assert!(matches!(load(&source, Missing::Refuse), Err(LoadError::Missing(_))));
    }

    #[test]
    fn a_master_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let source = MasterKeySource::File(path.clone());
        load(&source, Missing::Create).unwrap();

        for (mode, refused) in [(0o644, true), (0o604, true), (0o660, true), (0o640, false), (0o400, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let answer = load(&source, Missing::Refuse);
            assert_eq!(matches!(answer, Err(LoadError::Exposed(_))), refused, "{mode:o}");
        }
    }

    #[test]
    fn a_damaged_master_key_is_refused_and_never_shown_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        private_file::create(&path, "hunter2").unwrap();

        let error = load(&MasterKeySource::File(path.clone()), Missing::Create).err().unwrap();

        assert!(matches!(error, LoadError::Content(_)));
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "hunter2");
    }

    #[test]
    fn two_processes_that_start_at_once_end_with_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let source = MasterKeySource::File(folder.path().join("master.key"));

        let ids: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| load(&source, Missing::Create).unwrap().keys.key_id().to_owned()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });

        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}
