//! The file operations of a dataset, each with its durability.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the disk below every dataset")]

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

mod lock;
mod regular;
mod space;
mod text;
mod unsynced;

pub use lock::{Holder, is_locked};
pub use space::{MinFree, free_bytes};
pub use unsynced::{Failed, Unsynced, a_sync_has_failed};

pub use text::{create_private, create_text, read_foreign_text, read_private_text, read_text, replace_text, resolved};

/// A place that keeps files. [`Disk`] is the real one.
pub trait Storage: Send + Sync {
    /// Creates a directory and those above it; each is durable after a [`Storage::sync`] of the names in its parent.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// Returns names and sizes of the files in a directory, sorted by name; empty if there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// Returns a file's content.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Opens a file to be read in ranges, however large it is.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Ranges>>;
    /// Writes a new file, replacing any of that name. Returns its content, which is not durable yet; its name is durable after a
    /// [`Storage::sync`] of the names in its directory.
    fn create(&self, path: &Path, content: &mut Content<'_>) -> io::Result<Unsynced>;
    /// Makes contents and names durable, side by side and in any order. Returns those that failed, after all were tried. A failed
    /// sync is never repeated: the kernel may have dropped the pages and report success.
    fn sync(&self, batch: Vec<Unsynced>) -> Vec<Failed>;
    /// Gives a file a second name; fails if that name exists, and with `Unsupported` where files have one name only. Durable after
    /// [`Storage::sync_dir`].
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file, a symbolic link or a directory another name, replacing any file or link of that name atomically.
    /// Durable after [`Storage::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name of a file or symbolic link; no error if there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory; no error if there is none.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Creates a symbolic link to a directory; `target` is relative to the directory of the link. Durable after [`Storage::sync_dir`].
    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()>;
    /// Returns the target of a symbolic link; `None` if there is none.
    fn read_symlink(&self, path: &Path) -> io::Result<Option<PathBuf>>;
    /// Locks a file exclusively without waiting; returns `None` if another process holds it. Dropping the guard unlocks. A new
    /// file, or one that a power loss cut short or filled with zeros, gets `mark` as its content, durably.
    fn lock(&self, path: &Path, mark: &[u8]) -> io::Result<Option<Box<dyn Send>>>;
    /// Writes this process behind the mark of a lock that it holds. Nobody needs that after a power loss, and a disk without room
    /// for it is no reason to end, so it is not durable and may fail.
    fn name_holder(&self, _path: &Path, _mark: &[u8]) {}
    /// Returns the process that is named by a lock which some process holds; `None` if it cannot be named.
    fn holder(&self, path: &Path, mark: &[u8]) -> Option<Holder> {
        let mut text = vec![0; mark.len() + Holder::BYTES_MAX];
        let read = self.open(path).and_then(|file| file.read_at(0, &mut text)).ok()?;
        Holder::named_by(text[..read].strip_prefix(mark)?)
    }

    /// Makes a content or the names of a directory durable.
    fn sync_one(&self, unsynced: Unsynced) -> io::Result<()> {
        self.sync(vec![unsynced]).pop().map_or(Ok(()), |failed| Err(failed.error))
    }
    /// Writes a new file as [`Storage::create`] does, and makes its content durable.
    fn write(&self, path: &Path, content: &mut Content<'_>) -> io::Result<()> {
        self.sync_one(self.create(path, content)?)
    }
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.sync_one(Unsynced::Names(dir.to_owned()))
    }
}

/// Writes a file's content.
pub type Content<'a> = dyn FnMut(&mut (dyn Write + Send)) -> io::Result<()> + 'a;

/// A file open for reading.
pub trait Ranges: Send + Sync {
    /// Returns the size of the file.
    fn bytes(&self) -> io::Result<u64>;
    /// Reads from offset `at` into the buffer. Returns the bytes read, which are 0 only at the end.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// A file in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// The size in bytes.
    pub bytes: u64,
}

/// Most bytes of a file that is read whole: a record, an inventory, a report, or a part, which is written from less memory.
const WHOLE_MAX: u64 = 1 << 30;

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
                // A running crawl may have removed it since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?.len(),
            };
            files.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), bytes });
        }
        files.sort();
        Ok(files)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let (mut file, mut content) = (regular::open(path)?, Vec::new());
        if file.metadata()?.len() > WHOLE_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is larger than 1 GiB"));
        }
        file.read_to_end(&mut content)?;
        Ok(content)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Ranges>> {
        Ok(Box::new(Opened(regular::open(path)?)))
    }

    fn create(&self, path: &Path, content: &mut Content<'_>) -> io::Result<Unsynced> {
        let mut file = io::BufWriter::with_capacity(1 << 16, regular::create(path)?);
        content(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Unsynced::Content(path.to_owned(), Box::new(move || file.sync_all())))
    }

    fn sync(&self, batch: Vec<Unsynced>) -> Vec<Failed> {
        unsynced::side_by_side(batch, |unsynced| match unsynced {
            Unsynced::Content(_, sync) => sync(),
            Unsynced::Names(dir) => File::open(dir)?.sync_all(),
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to).map_err(impossible)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        unless_missing(fs::remove_file(path))
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        unless_missing(fs::remove_dir(dir))
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::symlink(target, path).map_err(impossible);
        #[cfg(not(unix))]
        return std::os::windows::fs::symlink_dir(target, path);
    }

    fn read_symlink(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        match fs::read_link(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            other => other.map(Some),
        }
    }

    fn lock(&self, path: &Path, mark: &[u8]) -> io::Result<Option<Box<dyn Send>>> {
        lock::lock(path, mark)
    }

    fn name_holder(&self, path: &Path, mark: &[u8]) {
        let _ = lock::name_holder(path, mark);
    }
}

/// A file that is read in ranges, by several threads if need be.
struct Opened(File);

impl Ranges for Opened {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(&self.0, buffer, at);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(&self.0, buffer, at);
    }
}

/// Returns the error of a link, which is `Unsupported` where the file system has no such links.
fn impossible(error: io::Error) -> io::Error {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error()) {
        return io::Error::new(io::ErrorKind::Unsupported, error);
    }
    error
}

/// True if a path leads through symbolic links without end.
pub fn is_loop_of_links(error: &io::Error) -> bool {
    #[cfg(unix)]
    let code = Some(rustix::io::Errno::LOOP.raw_os_error());
    #[cfg(not(unix))]
    let code = None;
    code.is_some() && error.raw_os_error() == code
}

/// Turns the error that there is nothing to remove into success.
fn unless_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
