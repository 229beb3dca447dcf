//! Text files of the user's own: crawl files, keys, reports.

#![expect(clippy::disallowed_methods, reason = "the user's own files")]

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::regular;

/// Most bytes of a private file.
const PRIVATE_MAX: u64 = 16 << 10;

/// Reads a text file that is not part of a dataset: a crawl file, a recorded catalog. It may be a pipe or a device.
///
/// # Errors
/// The I/O error, and `InvalidData` if it is not UTF-8 or larger than `bytes_max`.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    bounded(fs::File::open(path)?, bytes_max)
}

/// Reads the same of a stranger, which may be anything.
///
/// # Errors
/// The I/O error, and `InvalidData` if it is no regular file, not UTF-8, or larger than `bytes_max`.
pub fn read_foreign_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    bounded(regular::open(path)?, bytes_max)
}

fn bounded(file: fs::File, bytes_max: u64) -> io::Result<String> {
    let (mut bytes, unfit) = (Vec::new(), |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason));
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(unfit(format!("it is larger than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| unfit(String::from("it is not UTF-8; save it in that encoding")))
}

/// Replaces a text file that is not part of a dataset. A reader sees the old text or the new one, never half of it.
///
/// # Errors
/// The I/O error, and `InvalidData` if the path leads to a directory, a device or a FIFO.
pub fn replace_text(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        // A device or a FIFO, even at the end of a link.
        return Err(regular::no_file());
    }
    let draft = path.with_file_name(format!(".{name}.tmp"));
    regular::create(&draft)?.write_all(text.as_bytes())?;
    fs::rename(&draft, path)
}

/// Creates a text file that is not part of a dataset, all at once. Whatever has its name is left alone.
///
/// # Errors
/// The I/O error, `AlreadyExists` if there is anything of that name.
pub fn create_text(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.tmp"));
    regular::create(&draft)?.write_all(text.as_bytes())?;
    let created = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    created
}

/// Creates a file that only its owner may read, for a text that its owner may wish to read before others do.
///
/// # Errors
/// The I/O error, `AlreadyExists` if there is anything of that name.
pub fn create_private(path: &Path) -> io::Result<impl io::Write + use<>> {
    regular::create_private(path)
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
    let file = regular::open(path)?;
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
