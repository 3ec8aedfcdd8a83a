//! A file of hashes, one a line, in rising order: `HASH` or `HASH:count`, as the published lists are. It is searched
//! where it lies, by halves; a list of a billion lines takes thirty small reads.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// The digits of a hash.
const DIGITS: usize = 40;

/// No line is longer: a hash, a colon, a count, a line break.
const LONGEST: usize = 80;

/// Whether the hash, in upper-case hexadecimal digits, is in the file.
pub(super) fn contains(path: &Path, digest: &str) -> io::Result<bool> {
    // Opened for each question: a newer list may take its place at any time.
    let mut file = File::open(path)?;
    let (mut low, mut high) = (0, file.metadata()?.len());
    while low < high {
        let line = line_at(&mut file, low + (high - low) / 2)?;
        match line.digest.as_str().cmp(digest) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => low = line.end,
            std::cmp::Ordering::Greater => high = line.start,
        }
    }
    Ok(false)
}

/// Whether the file begins like one that can be searched.
pub(super) fn check(path: &Path) -> io::Result<()> {
    line_at(&mut File::open(path)?, 0).map(drop)
}

struct Line {
    digest: String,
    start: u64,
    /// Where the next line begins.
    end: u64,
}

/// The line that a byte belongs to; a line break belongs to the line before it.
fn line_at(file: &mut File, at: u64) -> io::Result<Line> {
    let from = at.saturating_sub(LONGEST as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut window = Vec::with_capacity(2 * LONGEST);
    file.take(2 * LONGEST as u64).read_to_end(&mut window)?;
    let here = usize::try_from(at - from).unwrap_or(usize::MAX).min(window.len());
    let start = window[..here].iter().rposition(|b| *b == b'\n').map_or(0, |before| before + 1);
    if start == 0 && from > 0 {
        return Err(unreadable());
    }
    let line = &window[start..];
    let end = line.iter().position(|b| *b == b'\n').map_or(line.len(), |at| at + 1);
    let digest = line.get(..DIGITS).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit)).ok_or_else(unreadable)?;
    if !matches!(line.get(DIGITS), None | Some(b':' | b'\r' | b'\n')) || end > LONGEST {
        return Err(unreadable());
    }
    let digest = String::from_utf8_lossy(digest).to_ascii_uppercase();
    Ok(Line { digest, start: from + start as u64, end: from + (start + end) as u64 })
}

fn unreadable() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "not a list of SHA-1 hashes, one a line in rising order")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn list(lines: &[String], line_break: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for line in lines {
            write!(file, "{line}{line_break}").unwrap();
        }
        file.flush().unwrap();
        file
    }

    fn digest(n: u64) -> String {
        crypto::digest::sha1_hex_for_lists(&n.to_be_bytes())
    }

    #[test]
    fn every_line_of_a_list_is_found_and_nothing_between_them() {
        for line_break in ["\n", "\r\n"] {
            for size in [1, 2, 3, 10, 1000] {
                let mut digests: Vec<String> = (0..size).map(digest).collect();
                digests.sort();
                // Counts of different lengths, and some lines without one.
                let lines: Vec<String> = digests
                    .iter()
                    .enumerate()
                    .map(|(i, d)| if i % 5 == 0 { d.clone() } else { format!("{d}:{}", 7_u64.pow((i % 10) as u32)) })
                    .collect();
                let file = list(&lines, line_break);

                assert!(digests.iter().all(|d| contains(file.path(), d).unwrap()), "{size} {line_break:?}");
                assert!((size..size + 1000).all(|n| !contains(file.path(), &digest(n)).unwrap()));
                for edge in ["0".repeat(40), "F".repeat(40)] {
                    assert!(!contains(file.path(), &edge).unwrap());
                }
            }
        }
    }

    #[test]
    fn lower_case_and_a_last_line_without_a_break_are_fine() {
        let file = list(&[digest(1).to_lowercase()], "");
        assert!(contains(file.path(), &digest(1)).unwrap());
        assert!(check(file.path()).is_ok());
    }

    #[test]
    fn an_empty_list_knows_nothing_and_another_file_is_told() {
        assert!(!contains(list(&[], "\n").path(), &digest(1)).unwrap());
        for wrong in ["password", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8 9", &"x".repeat(500)] {
            let file = list(&[wrong.to_owned()], "\n");
            assert_eq!(check(file.path()).unwrap_err().kind(), ErrorKind::InvalidData, "{wrong}");
            assert!(contains(file.path(), &digest(1)).is_err());
        }
        assert_eq!(check(Path::new("/nowhere")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
