//! Files that only their owner may read.

use std::io::{self, Write};
use std::path::Path;

/// Makes a folder that only its owner may enter, with its parents; one that is there stays as it is.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a new file with mode 0600, whole or not at all; one that is there is never overwritten.
pub(crate) fn create(path: &Path, text: &str) -> io::Result<()> {
    write(path, text, |from, to| {
        std::fs::hard_link(from, to)?;
        std::fs::remove_file(from)
    })
}

/// Writes a file with mode 0600 in place of the one that is there.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    write(path, text, |from, to| std::fs::rename(from, to))
}

fn write(path: &Path, text: &str, publish: impl Fn(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", crypto::random::jti()));
    let temporary = Path::new(&temporary);
    let written = options().open(temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        publish(temporary, path)
    });
    if written.is_err() {
        // What is left over is of no use; the first error is the one to tell.
        let _ = std::fs::remove_file(temporary);
    }
    written
}

fn options() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Whether others than the owner and the group may do anything with the file, or the group write it.
#[cfg(unix)]
pub(crate) fn is_exposed(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o027 != 0)
}

/// Not known on this system.
#[cfg(not(unix))]
pub(crate) fn is_exposed(_: &Path) -> io::Result<bool> {
    Ok(false)
}
