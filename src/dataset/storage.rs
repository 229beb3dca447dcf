//! The few things a dataset asks of a disk, each with its durability told beside it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

/// A place that keeps files. [`Disk`] is the real one.
pub trait Storage: Send + Sync {
    /// Makes a directory and those above it; none of them is durable before [`Storage::sync_dir`] of its parent.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names and sizes of the files in a directory, sorted; empty when there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// A file's content.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Writes a new file, replacing any of that name, and makes its content durable — its name is not, before
    /// [`Storage::sync_dir`]. A failed sync is never tried again: the kernel may have dropped the pages and say yes.
    fn write(&self, path: &Path, content: &mut Content<'_>) -> io::Result<()>;
    /// Gives a file a second name; fails when that name exists. Durable after [`Storage::sync_dir`].
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file another name, replacing any of that name atomically. Durable after [`Storage::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name; no error when there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Locks a file exclusively without waiting; `None` when another process holds it. Dropping the guard unlocks.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send>>>;
}

/// What writes a file's content.
pub type Content<'a> = dyn FnMut(&mut (dyn Write + Send)) -> io::Result<()> + 'a;

/// A file in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The local disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let bytes = match entry.metadata() {
                // Removed since it was listed, by the run that owns the dataset.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?.len(),
            };
            files.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), bytes });
        }
        files.sort();
        Ok(files)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn write(&self, path: &Path, content: &mut Content<'_>) -> io::Result<()> {
        let mut file = io::BufWriter::with_capacity(1 << 16, File::create(path)?);
        content(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send>>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Reads a text file that is not part of a dataset: a crawl file, a recorded catalog.
///
/// # Errors
/// As the system says, and when the file is no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Reads a text file that only its owner may read: a key file.
///
/// # Errors
/// As the system says, and `PermissionDenied` when group or others may read it.
pub fn read_private_text(path: &Path) -> io::Result<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            let advice = format!("others may read it (mode {:03o}); run `chmod 600` on it", mode & 0o777);
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, advice));
        }
    }
    fs::read_to_string(path)
}
