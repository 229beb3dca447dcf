//! The destination of downloads: partial files that grow, whole files, nothing overwritten.
//!
//! All errors are those of the file system.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one place where downloads are written")]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::digest::{self, Digest};
use super::expected::{Expected, SIZE_SLACK};
use super::file_name::FileName;
use crate::dataset::layout::Layout;

/// A folder that downloads go to. Clones share its index.
#[derive(Debug, Clone)]
pub struct DownloadFolder {
    folder: PathBuf,
    /// Its files by size and name, each with its SHA256 once computed; `None` until first needed.
    index: Arc<Mutex<Option<Index>>>,
}

type Index = BTreeMap<(u64, FileName), Option<String>>;

impl DownloadFolder {
    /// Opens a folder; creates it if missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, index: Arc::default() })
    }

    /// Returns whether the file of this name is the expected one; `None` if there is no file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn holds(&self, name: &FileName, expected: &Expected) -> io::Result<Option<bool>> {
        Ok(self.read(name)?.map(|(bytes, sha256)| expected.check(bytes, &sha256).is_ok()))
    }

    /// Returns the SHA256 of the file of this name; `None` if there is no file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sha256(&self, name: &FileName) -> io::Result<Option<String>> {
        Ok(self.read(name)?.map(|(_, sha256)| sha256))
    }

    fn read(&self, name: &FileName) -> io::Result<Option<(u64, String)>> {
        let path = Layout::entry(&self.folder, name.as_str());
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(_) => {
                let mut bytes = 0;
                let digest = digest::of_file(&path, &mut |piece| bytes += piece)?;
                Ok(Some((bytes, digest.finish())))
            }
        }
    }

    /// Finds the expected file under any name; `None` if it is not there, or its size or hash is not known. Only files of about
    /// that size are read, each once.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn find(&self, expected: &Expected) -> io::Result<Option<FileName>> {
        let (Some(bytes), Some(sha256)) = (expected.bytes, &expected.sha256) else { return Ok(None) };
        let mut found = None;
        for (key, known) in self.of_size(bytes)? {
            let path = Layout::entry(&self.folder, key.1.as_str());
            // A file that is gone or unreadable is not the expected one.
            let digest = || digest::of_file(&path, &mut |_| {}).map(Digest::finish).unwrap_or_default();
            let digest = known.unwrap_or_else(digest);
            if digest == *sha256 && path.is_file() {
                found = Some(key.1.clone());
            }
            self.note(key, digest);
            if found.is_some() {
                break;
            }
        }
        Ok(found)
    }

    /// Returns the files of about this size.
    fn of_size(&self, bytes: u64) -> io::Result<Index> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let index = match &mut *index {
            Some(index) => index,
            none => none.insert(self.listed()?),
        };
        let (from, to) = (bytes.saturating_sub(SIZE_SLACK), bytes.saturating_add(SIZE_SLACK));
        let near = index.iter().skip_while(|((bytes, _), _)| *bytes < from).take_while(|((bytes, _), _)| *bytes <= to);
        Ok(near.map(|(key, known)| (key.clone(), known.clone())).collect())
    }

    fn listed(&self) -> io::Result<Index> {
        let mut index = Index::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(FileName::existing);
            let size = fs::metadata(entry.path()).ok().filter(|facts| facts.is_file()).map(|facts| facts.len());
            // A hidden file is a partial one, or not from here.
            if let (Some(name), Some(size)) = (name.filter(|name| !name.as_str().starts_with('.')), size) {
                index.insert((size, name), None);
            }
        }
        Ok(index)
    }

    fn note(&self, key: (u64, FileName), sha256: String) {
        if let Some(index) = &mut *self.index.lock().unwrap_or_else(PoisonError::into_inner) {
            index.insert(key, Some(sha256));
        }
    }

    /// Turns a file that was kept despite its hash back into the partial file of a version, unless that has one.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn take_back(&self, name: &FileName, version: i64) -> io::Result<()> {
        let part = Layout::entry(&self.folder, FileName::partial(version).as_str());
        match fs::symlink_metadata(&part) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::rename(Layout::entry(&self.folder, name.as_str()), &part)
            }
            there => there.map(drop),
        }
    }

    /// Opens the partial file of a version, locked, at its end.
    ///
    /// # Errors
    /// `WouldBlock` when another process downloads it, and those of the file system.
    pub fn partial(&self, version: i64) -> io::Result<PartialFile> {
        let path = Layout::entry(&self.folder, FileName::partial(version).as_str());
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut bytes = 0;
        let digest = digest::of_file(&path, &mut |piece| bytes += piece)?;
        file.seek(io::SeekFrom::Start(bytes))?;
        Ok(PartialFile { path, file, bytes, digest })
    }

    /// Gives a whole file its name, durably; returns false when the name is taken.
    ///
    /// # Errors
    /// The file system's error.
    pub fn keep(&self, partial: &PartialFile, name: &FileName) -> io::Result<bool> {
        let named = self.name(partial, name)?;
        if named {
            self.note((partial.bytes(), name.clone()), partial.sha256());
        }
        Ok(named)
    }

    fn name(&self, partial: &PartialFile, name: &FileName) -> io::Result<bool> {
        let path = Layout::entry(&self.folder, name.as_str());
        partial.file.sync_all()?;
        match fs::hard_link(&partial.path, &path) {
            Ok(()) => fs::remove_file(&partial.path)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            // A file system without links, as on many memory sticks: no other process is expected to take the name meanwhile.
            Err(error) => match fs::symlink_metadata(&path) {
                Ok(_) => return Ok(false),
                Err(absent) if absent.kind() == ErrorKind::NotFound => fs::rename(&partial.path, &path)?,
                Err(_) => return Err(error),
            },
        }
        match File::open(&self.folder).and_then(|folder| folder.sync_all()) {
            // Some file systems cannot sync folders.
            Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Err(error),
            _ => Ok(true),
        }
    }
}

/// A file that has arrived in part.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    digest: Digest,
}

impl PartialFile {
    /// Bytes that have arrived.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the SHA256 of the bytes that have arrived.
    pub fn sha256(&self) -> String {
        self.digest.clone().finish()
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Drops all bytes.
    ///
    /// # Errors
    /// When it cannot be truncated.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        (self.bytes, self.digest) = (0, Digest::default());
        Ok(())
    }

    /// Deletes it.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub fn discard(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FileName {
        FileName::near(text, 1)
    }

    #[test]
    fn partial_files_grow_over_runs_and_get_their_name_once() {
        let directory = tempfile::tempdir().unwrap();
        let folder = DownloadFolder::open(directory.path().join("deep/folder")).unwrap();
        let mut partial = folder.partial(7).unwrap();
        partial.write(b"abc").unwrap();
        assert_eq!(folder.partial(7).unwrap_err().kind(), ErrorKind::WouldBlock, "one at a time");
        drop(partial);
        let mut partial = folder.partial(7).unwrap();
        assert_eq!(partial.bytes(), 3);
        partial.write(b"d").unwrap();
        let expected = Expected { sha256: Some(partial.sha256()), ..Expected::default() };
        assert!(folder.keep(&partial, &name("x.pt")).unwrap());
        assert_eq!(folder.holds(&name("x.pt"), &expected).unwrap(), Some(true));
        assert_eq!(folder.holds(&name("y.pt"), &expected).unwrap(), None);
        let mut other = folder.partial(8).unwrap();
        other.write(b"zzzz").unwrap();
        other.restart().unwrap();
        other.write(b"z").unwrap();
        assert!(!folder.keep(&other, &name("x.pt")).unwrap(), "nothing is overwritten");
        assert_eq!(fs::read(directory.path().join("deep/folder/x.pt")).unwrap(), b"abcd");
        other.discard().unwrap();
        assert_eq!(fs::read_dir(directory.path().join("deep/folder")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_found_under_any_name() {
        let directory = tempfile::tempdir().unwrap();
        let folder = DownloadFolder::open(directory.path()).unwrap();
        fs::write(directory.path().join("same size"), "abd").unwrap();
        fs::write(directory.path().join("renamed"), "abc").unwrap();
        let sha256 = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        let known = |bytes, sha256: &str| Expected { name: None, bytes, sha256: Some(sha256.to_owned()) };
        assert_eq!(folder.find(&known(Some(5), sha256)).unwrap(), FileName::existing("renamed"));
        assert_eq!(folder.find(&known(Some(5_000), sha256)).unwrap(), None);
        assert_eq!(folder.find(&known(None, sha256)).unwrap(), None);
        // One that has come since is known too.
        let mut partial = folder.partial(7).unwrap();
        partial.write(b"new").unwrap();
        assert!(folder.keep(&partial, &name("x.pt")).unwrap());
        assert_eq!(folder.find(&known(Some(3), &partial.sha256())).unwrap(), Some(name("x.pt")));
        fs::remove_file(directory.path().join("renamed")).unwrap();
        assert_eq!(folder.find(&known(Some(3), sha256)).unwrap(), None);
    }
}
