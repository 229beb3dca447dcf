//! A directory as a place.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::kept::{Place, Sink};
use crate::dataset::directories::ensure_dir;
use crate::dataset::error::{During, Error};
use crate::dataset::layout::{Layout, PlaceName};
use crate::storage::Storage;

/// The content of the lock file.
const MARK: &[u8] = b"civitrawl place\n";
/// Bytes read at a time.
const BLOCK: u64 = 256 << 10;

/// The directory, which need not exist.
pub struct Directory {
    root: PathBuf,
    storage: Arc<dyn Storage>,
    /// Directories whose names may not be durable yet: a killed push may have made names without the sync.
    touched: Mutex<BTreeSet<PathBuf>>,
}

impl Directory {
    /// Returns the place in this directory.
    pub fn new(root: impl Into<PathBuf>, storage: Arc<dyn Storage>) -> Self {
        Self { root: root.into(), storage, touched: Mutex::default() }
    }

    fn touched(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the directory of a file, and the one above it, unless it was touched already.
    fn make_room(&self, name: &PlaceName) -> Result<PathBuf, Error> {
        let directory = Layout::entry(&self.root, name.split().0);
        // Others wait until it is there.
        let mut touched = self.touched();
        if touched.insert(directory.clone()) {
            ensure_dir(&*self.storage, directory.parent().unwrap_or(&directory))?;
            ensure_dir(&*self.storage, &directory)?;
        }
        Ok(directory)
    }

    /// Returns a file's content; `None` if there is no such file.
    fn content(&self, name: &PlaceName) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(name);
        match self.storage.read(&path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(Error::rotten(&path, format!("cannot be read: {error}")))
            }
            content => content.map(Some).during("read", &path),
        }
    }

    /// Writes a file to its draft, durably.
    fn draft(&self, name: &PlaceName, content: &mut dyn Read) -> Result<PathBuf, Error> {
        let draft = name.draft(&self.root);
        self.storage.write(&draft, &mut |to| io::copy(content, to).map(drop)).during("write", &draft)?;
        Ok(draft)
    }

    /// Writes a file, which gets its name once its content is durable.
    fn write(&self, name: &PlaceName, content: &mut dyn Read) -> Result<(), Error> {
        let (draft, path) = (self.draft(name, content)?, name.path(&self.root));
        self.storage.rename(&draft, &path).during("create", &path)
    }
}

impl Place for Directory {
    fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &PlaceName) -> PathBuf {
        name.path(&self.root)
    }

    fn list(&self, folder: &str) -> Result<BTreeMap<String, u64>, Error> {
        let directory = Layout::entry(&self.root, folder);
        let entries = match self.storage.list(&directory) {
            Err(error) if folder.is_empty() && error.kind() == ErrorKind::NotADirectory => {
                let reason = String::from("is no directory; name a new or an empty one");
                return Err(Error::Apart { there: self.root.clone(), reason });
            }
            entries => entries.during("list", &directory)?,
        };
        if !entries.is_empty() {
            self.touched().insert(directory);
        }
        Ok(entries.into_iter().map(|entry| (entry.name, entry.bytes)).collect())
    }

    fn read(&self, name: &PlaceName) -> Result<Option<Vec<u8>>, Error> {
        let content = self.content(name)?;
        if content.is_some() {
            self.touched().insert(Layout::entry(&self.root, name.split().0));
        }
        Ok(content)
    }

    fn fetch(&self, name: &PlaceName, bytes: u64, sink: &mut Sink<'_>) -> Result<(), Error> {
        let path = self.path(name);
        let file = match self.storage.open(&path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(Error::rotten(&path, "is missing"));
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(Error::rotten(&path, format!("cannot be read: {error}")));
            }
            file => file.during("read", &path)?,
        };
        let found = file.bytes().during("read", &path)?;
        if found != bytes {
            return Err(Error::other_size(&path, found, bytes));
        }
        let (mut block, mut at) = (vec![0; BLOCK.min(bytes) as usize], 0);
        while at < bytes {
            let read = match file.read_at(at, &mut block).during("read", &path)? {
                0 => return Err(Error::other_size(&path, at, bytes)),
                read => read.min((bytes - at) as usize),
            };
            sink(&block[..read])?;
            at += read as u64;
        }
        Ok(())
    }

    fn put(&self, name: &PlaceName, content: &mut dyn Read) -> Result<(), Error> {
        self.make_room(name)?;
        self.write(name, content)
    }

    /// A directory has a lock instead of conditions.
    fn probe(&self) -> Result<(), Error> {
        Ok(())
    }

    fn create(&self, name: &PlaceName, content: &[u8]) -> Result<bool, Error> {
        let directory = self.make_room(name)?;
        let (draft, path) = (self.draft(name, &mut &*content)?, self.path(name));
        let made = match self.storage.link(&draft, &path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            // Files have one name only; the lock keeps other pushes out.
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let is_free = self.read(name)?.is_none();
                is_free && self.storage.rename(&draft, &path).during("create", &path).map(|()| true)?
            }
            linked => linked.during("create", &path).map(|()| true)?,
        };
        self.storage.remove(&draft).during("remove", &draft)?;
        self.storage.sync_dir(&directory).during("sync", &directory)?;
        Ok(made || self.read(name)?.is_some_and(|there| there == content))
    }

    fn hold(&self) -> Result<Box<dyn Send>, Error> {
        self.storage.make_dir(&self.root).during("create", &self.root)?;
        let path = PlaceName::lock().path(&self.root);
        let lock = self.storage.lock(&path, MARK).during("lock", &path)?;
        let lock = lock.ok_or_else(|| {
            let holder = self.storage.holder(&path, MARK);
            Error::Occupied { place: self.root.clone(), holder }
        })?;
        self.storage.name_holder(&path, MARK);
        Ok(lock)
    }

    fn replace_head(&self, seen: Option<&[u8]>, mut content: &[u8]) -> Result<(), Error> {
        // The lock keeps others out, but one may have been there between the reading and the lock.
        if self.content(&PlaceName::head())?.as_deref() != seen {
            return Err(Error::Overtaken { place: self.root.clone() });
        }
        for directory in std::mem::take(&mut *self.touched()) {
            self.storage.sync_dir(&directory).during("sync", &directory)?;
        }
        self.write(&PlaceName::head(), &mut content)?;
        self.storage.sync_dir(&self.root).during("sync", &self.root)
    }
}
