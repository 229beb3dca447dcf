//! Text files of the user's own: crawl files, keys, reports.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the user's own files")]

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Most bytes of a private file.
const PRIVATE_MAX: u64 = 16 << 10;

/// Reads a text file that is not part of a dataset: a crawl file, a recorded catalog.
///
/// # Errors
/// The I/O error, and `InvalidData` if the file is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Replaces a text file that is not part of a dataset. A reader sees the old text or the new one, never half of it.
///
/// # Errors
/// The I/O error.
pub fn replace_text(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.tmp"));
    fs::write(&draft, text)?;
    fs::rename(&draft, path)
}

/// Returns the absolute path of a file or directory, without links and `..`.
///
/// # Errors
/// The I/O error, such as `NotFound`.
pub fn resolved(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// Reads a text file of one line that only its owner may read, such as a key file.
///
/// # Errors
/// The I/O error, `PermissionDenied` if the group or others may read the file, and `InvalidData` if it is no regular file of
/// one line of UTF-8, or larger than any key.
pub fn read_private_text(path: &Path) -> io::Result<String> {
    let unfit = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason);
    // Asked before it is opened, because opening a FIFO waits for a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(unfit("it is no regular file"));
    }
    let file = File::open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Checks the open file, because the path may name another one a moment later.
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            let advice = format!("others may read it (mode {:03o}); run `chmod 600` on it", mode & 0o777);
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, advice));
        }
    }
    let mut text = String::new();
    file.take(PRIVATE_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > PRIVATE_MAX {
        return Err(unfit("it is larger than any key"));
    }
    if text.trim().contains(['\n', '\r']) {
        return Err(unfit("it holds more than one line"));
    }
    Ok(text)
}
