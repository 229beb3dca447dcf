//! A folder that downloads go to: parts that grow, files that are whole, nothing overwritten.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek as _, Write as _};
use std::path::PathBuf;

use super::digest::{self, Digest};
use super::file_name::FileName;
use super::layout::Layout;

/// A folder that downloads go to.
#[derive(Debug, Clone)]
pub struct Vault {
    folder: PathBuf,
}

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
            (None, Some(expected)) if bytes.abs_diff(expected) > 1024 => Err(Mismatch::Size { found: bytes, expected }),
            _ => Ok(()),
        }
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
        Ok(Self { folder })
    }

    /// Whether a file of this name is there and is what was expected; `None` when there is none.
    ///
    /// # Errors
    /// As the system says.
    pub fn holds(&self, name: &FileName, expected: &Expected) -> io::Result<Option<bool>> {
        let path = Layout::entry(&self.folder, name.as_str());
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(_) => {
                let mut bytes = 0;
                let digest = digest::of_file(&path, &mut |piece| bytes += piece)?;
                Ok(Some(expected.check(bytes, &digest.finish()).is_ok()))
            }
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
}
