//! The folder of this run's SQLite files, and the end of those that dead runs left behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const PREFIX: &str = "latchkey-test-";

struct Run {
    folder: PathBuf,
    // Held for as long as the process lives: who can lock it knows that the run is over.
    _lock: File,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let parent = std::env::temp_dir();
    clean(&parent);
    let id: [u8; 6] = crypto::random::bytes();
    let name: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = parent.join(format!("{PREFIX}{name}"));
    fs::create_dir(&folder).expect("a temporary folder can be made");
    let lock = File::create(folder.join("lock")).expect("a file can be made");
    lock.lock().expect("a new file can be locked");
    Run { folder, _lock: lock }
});

/// The folder of this run.
pub(super) fn of_run() -> &'static Path {
    &RUN.folder
}

fn clean(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // A folder without its lock is a run's that is just beginning.
        let Ok(lock) = File::open(entry.path().join("lock")) else { continue };
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}
