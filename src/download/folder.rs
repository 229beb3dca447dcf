//! A folder that downloads go to: parts that grow, files that are whole, nothing overwritten.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one place where downloads are written")]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::digest::{self, Digest};
use super::file_name::FileName;
use crate::dataset::layout::Layout;

/// How far a size that the server tells may be off, in bytes.
const SIZE_SLACK: u64 = 1024;

/// A folder that downloads go to.
#[derive(Debug, Clone)]
pub struct Vault {
    folder: PathBuf,
    /// The files that are there, by size and name, each with its SHA256 once that was needed; none until they are.
    index: Arc<Mutex<Option<Index>>>,
}

type Index = BTreeMap<(u64, FileName), Option<String>>;

/// What a file should be, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    /// Its name, in the server's words.
    pub name: Option<String>,
    /// Its size, within a kilobyte.
    pub bytes: Option<u64>,
    /// Its SHA256, in upper-case hexadecimal.
    pub sha256: Option<String>,
}

/// How a file differs from what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Other bytes.
    #[error("hash mismatch: its SHA256 is {found}, {expected} was expected")]
    Hash {
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// More or fewer bytes.
    #[error("size mismatch: it has {found} bytes, about {expected} were expected")]
    Size {
        /// How many there are.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
}

impl Expected {
    /// Whether a file of this size and hash is what was expected; the hash decides where it is known.
    ///
    /// # Errors
    /// How it differs.
    pub fn check(&self, bytes: u64, sha256: &str) -> Result<(), Mismatch> {
        match (&self.sha256, self.bytes) {
            (Some(expected), _) if expected != sha256 => {
                Err(Mismatch::Hash { found: sha256.to_owned(), expected: expected.clone() })
            }
            (None, Some(expected)) if !self.has_size(bytes) => Err(Mismatch::Size { found: bytes, expected }),
            _ => Ok(()),
        }
    }

    /// True when this is its size, as far as that is known.
    pub fn has_size(&self, bytes: u64) -> bool {
        self.bytes.is_none_or(|expected| bytes.abs_diff(expected) <= SIZE_SLACK)
    }
}

impl Vault {
    /// The vault in this folder, which is made if need be.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, index: Arc::default() })
    }

    /// Whether a file of this name is there and is what was expected; `None` when there is none.
    ///
    /// # Errors
    /// As the system says.
    pub fn holds(&self, name: &FileName, expected: &Expected) -> io::Result<Option<bool>> {
        Ok(self.read(name)?.map(|(bytes, sha256)| expected.check(bytes, &sha256).is_ok()))
    }

    /// The SHA256 of the file of this name; `None` when there is none.
    ///
    /// # Errors
    /// As the system says.
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

    /// The file that is what was expected, whatever it is called; `None` when there is none, or neither its size nor its hash
    /// is known. Only files of about that size are read, each once.
    ///
    /// # Errors
    /// As the system says.
    pub fn find(&self, expected: &Expected) -> io::Result<Option<FileName>> {
        let (Some(bytes), Some(sha256)) = (expected.bytes, &expected.sha256) else { return Ok(None) };
        let mut found = None;
        for (key, known) in self.of_size(bytes)? {
            let path = Layout::entry(&self.folder, key.1.as_str());
            // A file that went, or that nobody may read, is not the one.
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

    /// The files of about this size.
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
            let name = entry.file_name().to_str().and_then(FileName::there);
            let size = fs::metadata(entry.path()).ok().filter(|facts| facts.is_file()).map(|facts| facts.len());
            // What is hidden is a part, or not ours.
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

    /// Takes a file that was set aside for its hash back as what has arrived of a version, unless some has already.
    ///
    /// # Errors
    /// As the system says.
    pub fn take_back(&self, name: &FileName, version: i64) -> io::Result<()> {
        let part = Layout::entry(&self.folder, FileName::part(version).as_str());
        match fs::symlink_metadata(&part) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::rename(Layout::entry(&self.folder, name.as_str()), &part)
            }
            there => there.map(drop),
        }
    }

    /// What has arrived of a version's file, ready to take more; nobody else may add to it meanwhile.
    ///
    /// # Errors
    /// As the system says, and `WouldBlock` when another process downloads it.
    pub fn part(&self, version: i64) -> io::Result<Part> {
        let path = Layout::entry(&self.folder, FileName::part(version).as_str());
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut bytes = 0;
        let digest = digest::of_file(&path, &mut |piece| bytes += piece)?;
        file.seek(io::SeekFrom::Start(bytes))?;
        Ok(Part { path, file, bytes, digest })
    }

    /// Gives a whole file its name, unless that is taken: whether it was free.
    ///
    /// # Errors
    /// As the system says.
    pub fn keep(&self, part: &Part, name: &FileName) -> io::Result<bool> {
        let named = self.name(part, name)?;
        if named {
            self.note((part.bytes(), name.clone()), part.sha256());
        }
        Ok(named)
    }

    fn name(&self, part: &Part, name: &FileName) -> io::Result<bool> {
        let path = Layout::entry(&self.folder, name.as_str());
        part.file.sync_all()?;
        match fs::hard_link(&part.path, &path) {
            Ok(()) => fs::remove_file(&part.path)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            // A file system without links, as on many memory sticks: nobody else takes the name in between.
            Err(error) => match fs::symlink_metadata(&path) {
                Ok(_) => return Ok(false),
                Err(absent) if absent.kind() == ErrorKind::NotFound => fs::rename(&part.path, &path)?,
                Err(_) => return Err(error),
            },
        }
        match File::open(&self.folder).and_then(|folder| folder.sync_all()) {
            // Some file systems sync no folders.
            Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Err(error),
            _ => Ok(true),
        }
    }
}

/// What has arrived of a file.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    file: File,
    bytes: u64,
    digest: Digest,
}

impl Part {
    /// How many bytes have arrived.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The SHA256 of what has arrived.
    pub fn sha256(&self) -> String {
        self.digest.clone().finish()
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// As the system says.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Begins anew.
    ///
    /// # Errors
    /// As the system says.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        (self.bytes, self.digest) = (0, Digest::default());
        Ok(())
    }

    /// Removes it.
    ///
    /// # Errors
    /// As the system says.
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
    fn parts_grow_over_runs_and_get_their_name_once() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path().join("deep/vault")).unwrap();
        let mut part = vault.part(7).unwrap();
        part.write(b"abc").unwrap();
        assert_eq!(vault.part(7).unwrap_err().kind(), ErrorKind::WouldBlock, "one at a time");
        drop(part);
        let mut part = vault.part(7).unwrap();
        assert_eq!(part.bytes(), 3);
        part.write(b"d").unwrap();
        let expected = Expected { sha256: Some(part.sha256()), ..Expected::default() };
        assert!(vault.keep(&part, &name("x.pt")).unwrap());
        assert_eq!(vault.holds(&name("x.pt"), &expected).unwrap(), Some(true));
        assert_eq!(vault.holds(&name("y.pt"), &expected).unwrap(), None);
        let mut other = vault.part(8).unwrap();
        other.write(b"zzzz").unwrap();
        other.restart().unwrap();
        other.write(b"z").unwrap();
        assert!(!vault.keep(&other, &name("x.pt")).unwrap(), "nothing is overwritten");
        assert_eq!(fs::read(folder.path().join("deep/vault/x.pt")).unwrap(), b"abcd");
        other.discard().unwrap();
        assert_eq!(fs::read_dir(folder.path().join("deep/vault")).unwrap().count(), 1);
    }

    #[test]
    fn the_hash_decides_and_else_the_size() {
        let known = |bytes, sha256: Option<&str>| Expected { name: None, bytes, sha256: sha256.map(str::to_owned) };
        assert!(known(Some(9_999), Some("AB")).check(5, "AB").is_ok());
        assert!(matches!(known(None, Some("AB")).check(5, "CD"), Err(Mismatch::Hash { .. })));
        assert!(matches!(known(Some(5_000), None).check(6_100, "CD"), Err(Mismatch::Size { .. })));
        assert!(known(Some(5_000), None).check(5_900, "CD").is_ok() && known(None, None).check(1, "").is_ok());
    }

    #[test]
    fn a_file_is_found_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        fs::write(folder.path().join("same size"), "abd").unwrap();
        fs::write(folder.path().join("renamed"), "abc").unwrap();
        let sha256 = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        let known = |bytes, sha256: &str| Expected { name: None, bytes, sha256: Some(sha256.to_owned()) };
        assert_eq!(vault.find(&known(Some(5), sha256)).unwrap(), FileName::there("renamed"));
        assert_eq!(vault.find(&known(Some(5_000), sha256)).unwrap(), None);
        assert_eq!(vault.find(&known(None, sha256)).unwrap(), None);
        // One that has come since is known too.
        let mut part = vault.part(7).unwrap();
        part.write(b"new").unwrap();
        assert!(vault.keep(&part, &name("x.pt")).unwrap());
        assert_eq!(vault.find(&known(Some(3), &part.sha256())).unwrap(), Some(name("x.pt")));
        fs::remove_file(folder.path().join("renamed")).unwrap();
        assert_eq!(vault.find(&known(Some(3), sha256)).unwrap(), None);
    }
}
