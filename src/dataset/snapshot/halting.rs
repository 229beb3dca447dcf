//! A disk that reads no further once it is told to stop: making a snapshot is reading from first to last, so it ends at the
//! next look at a file, wherever it is. Names and directories stay what they are, so that what was begun can be cleared away.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::storage::{Content, Entry, Ranges, Storage};

/// Asked before every read whether to stop.
pub type Halt = Arc<dyn Fn() -> bool + Send + Sync>;

/// A disk, until it is told to stop.
pub(super) struct Halting<'a> {
    disk: &'a dyn Storage,
    halt: Halt,
    halted: Arc<AtomicBool>,
}

impl<'a> Halting<'a> {
    pub(super) fn new(disk: &'a dyn Storage, halt: &Halt) -> Self {
        Self { disk, halt: Arc::clone(halt), halted: Arc::default() }
    }

    /// Whether a read was refused: an error was this one, and no fault of the disk.
    pub(super) fn has_halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }
}

/// A file of that disk.
struct File {
    file: Box<dyn Ranges>,
    halt: Halt,
    halted: Arc<AtomicBool>,
}

impl Ranges for File {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.halt)() {
            self.halted.store(true, Ordering::Relaxed);
            return Err(io::Error::other("the snapshot was told to stop"));
        }
        self.file.read_at(at, buffer)
    }
}

impl Storage for Halting<'_> {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Ranges>> {
        let file = self.disk.open(path)?;
        Ok(Box::new(File { file, halt: Arc::clone(&self.halt), halted: Arc::clone(&self.halted) }))
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.make_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(dir)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }

    fn write(&self, path: &Path, content: &mut Content<'_>) -> io::Result<()> {
        self.disk.write(path, content)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.remove_dir(dir)
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.disk.symlink(target, path)
    }

    fn read_symlink(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        self.disk.read_symlink(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send>>> {
        self.disk.lock(path)
    }
}
