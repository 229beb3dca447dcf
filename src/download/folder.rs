//! The destination of downloads: partial files that grow, whole files, nothing overwritten. Links, FIFOs, devices and folders
//! inside are neither followed nor opened.
//!
//! All errors are those of the file system.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one place where downloads are written")]

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::digest::{self, Digest};
use super::expected::Expected;
use super::file_name::FileName;
use crate::dataset::layout::Layout;
use crate::fetch::Source;

/// Longest note beside a partial file that is read, in bytes.
const NOTE_MAX: u64 = 1024;
/// Bytes of the disk that downloads leave free.
const RESERVE: u64 = 16 << 20;

/// A folder that downloads go to. Clones share its index.
#[derive(Debug, Clone)]
pub struct DownloadFolder {
    folder: PathBuf,
    /// Its files by size and name, each with its SHA256 once computed; `None` until first needed.
    index: Arc<Mutex<Option<Index>>>,
}

type Index = BTreeMap<(u64, FileName), Option<String>>;

/// The thing that has a name in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nothing.
    Nobody,
    /// A file.
    File {
        /// Its size in bytes.
        bytes: u64,
        /// Its SHA256.
        sha256: String,
    },
    /// A link, a folder, a FIFO or a device.
    NoFile,
}

impl Holder {
    /// Returns true for a file that is the expected one.
    pub fn is(&self, expected: &Expected) -> bool {
        matches!(self, Self::File { bytes, sha256 } if expected.check(*bytes, sha256).is_ok())
    }
}

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

    /// Returns the thing of this name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn holder(&self, name: &FileName) -> io::Result<Holder> {
        let mut bytes = 0;
        Ok(match open(&self.entry(name), OpenOptions::new().read(true)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Holder::Nobody,
            Err(error) => return Err(error),
            Ok(None) => Holder::NoFile,
            Ok(Some(mut file)) => {
                let sha256 = digest::of_rest(&mut file, &mut |piece| bytes += piece)?.finish();
                Holder::File { bytes, sha256 }
            }
        })
    }

    /// Finds the expected file under any name; `None` if it is not there, or its size or hash is not known. Only files of about
    /// that size are read, each once.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn find(&self, expected: &Expected) -> io::Result<Option<FileName>> {
        let (Some(size), Some(sha256)) = (expected.size, &expected.sha256) else { return Ok(None) };
        for (key, known) in self.of_size(size.near())? {
            let digest = match known {
                Some(known) => known,
                // A file that is gone or unreadable is not the expected one.
                None => match self.holder(&key.1) {
                    Ok(Holder::File { sha256, .. }) => sha256,
                    _ => continue,
                },
            };
            let found = (digest == *sha256 && fs::symlink_metadata(self.entry(&key.1)).is_ok()).then(|| key.1.clone());
            self.note(key, digest);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Returns the files of these sizes.
    fn of_size(&self, sizes: RangeInclusive<u64>) -> io::Result<Index> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let index = match &mut *index {
            Some(index) => index,
            none => none.insert(self.listed()?),
        };
        let near = index.iter().skip_while(|((bytes, _), _)| bytes < sizes.start());
        let near = near.take_while(|((bytes, _), _)| bytes <= sizes.end());
        Ok(near.map(|(key, known)| (key.clone(), known.clone())).collect())
    }

    fn listed(&self) -> io::Result<Index> {
        let mut index = Index::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(FileName::existing);
            let size = entry.metadata().ok().filter(Metadata::is_file).map(|facts| facts.len());
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
        let part = self.entry(&FileName::partial(version));
        match fs::symlink_metadata(&part) {
            Err(error) if error.kind() == ErrorKind::NotFound => fs::rename(self.entry(name), &part),
            there => there.map(drop),
        }
    }

    /// Opens the partial file of a version, locked, at its end. `None` if another thing has its name.
    ///
    /// # Errors
    /// `WouldBlock` when another process downloads it, and those of the file system.
    pub fn partial(&self, version: i64) -> io::Result<Option<PartialFile>> {
        let path = self.entry(&FileName::partial(version));
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let Some(mut file) = open(&path, &mut options)? else { return Ok(None) };
        lock(&file)?;
        if has_other_names(&file.metadata()?) {
            // Written to, its other names would change too; without this name they are safe.
            fs::remove_file(&path)?;
            let Some(own) = open(&path, options.create_new(true))? else { return Ok(None) };
            lock(&own)?;
            file = own;
        }
        let mut bytes = 0;
        let digest = digest::of_rest(&mut file, &mut |piece| bytes += piece)?;
        let note = self.entry(&FileName::note(version));
        let source = read_note(&note).filter(|_| bytes > 0);
        Ok(Some(PartialFile { path, file, bytes, digest, note, source }))
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
        let path = self.entry(name);
        partial.file.sync_all()?;
        if !partial.has_its_name()? {
            return Err(io::Error::other("another process replaced the partial file; run again"));
        }
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
        remove_note(&partial.note)?;
        match File::open(&self.folder).and_then(|folder| folder.sync_all()) {
            // Some file systems cannot sync folders.
            Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Err(error),
            _ => Ok(true),
        }
    }

    fn entry(&self, name: &FileName) -> PathBuf {
        Layout::entry(&self.folder, name.as_str())
    }
}

/// Opens a regular file; `None` if the path names anything else, which is not touched. A link is not followed.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<Option<File>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;
        // The path may name another thing a moment after it was looked at.
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    }
    let is_other = || fs::symlink_metadata(path).is_ok_and(|facts| !facts.is_file());
    if is_other() {
        return Ok(None);
    }
    match options.open(path) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        Err(_) if is_other() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Locks a file; the error is `WouldBlock` when another process holds it.
fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => ErrorKind::WouldBlock.into(),
        TryLockError::Error(error) => error,
    })
}

#[cfg(unix)]
fn has_other_names(facts: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(facts) > 1
}

#[cfg(not(unix))]
fn has_other_names(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.is_file() && one.len() == other.len()
}

/// Reads the note beside a partial file. `None` if there is none, or it is not as it was written.
fn read_note(path: &Path) -> Option<Source> {
    let mut text = String::new();
    let file = open(path, OpenOptions::new().read(true)).ok()??;
    file.take(NOTE_MAX).read_to_string(&mut text).ok()?;
    Source::parse(&text)
}

/// Removes the note beside a partial file. Anything else of that name stays, because it is never read.
fn remove_note(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(facts) if facts.is_file() => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// A file that has arrived in part.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    digest: Digest,
    /// The file beside it that holds `source` over restarts.
    note: PathBuf,
    source: Option<Source>,
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

    /// Returns the state of the file at its host that the bytes belong to, if it is known.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Keeps that state beside the file, or forgets it. Without a place to keep it, it is not known to the next run.
    ///
    /// # Errors
    /// When an older note cannot be removed, or the new one cannot be written.
    pub fn note(&mut self, source: Option<Source>) -> io::Result<()> {
        self.source = None;
        remove_note(&self.note)?;
        if let Some(source) = &source
            && let Some(mut file) = open(&self.note, OpenOptions::new().write(true).create_new(true))?
        {
            file.write_all(source.to_text().as_bytes())?;
        }
        self.source = source;
        Ok(())
    }

    /// Returns how many more bytes the disk has room for.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn room(&self) -> io::Result<u64> {
        #[cfg(unix)]
        {
            let disk = rustix::fs::fstatvfs(&self.file)?;
            // Some remote file systems do not know their size.
            let free = if disk.f_blocks == 0 { u64::MAX } else { disk.f_bavail.saturating_mul(disk.f_frsize) };
            Ok(free.saturating_sub(RESERVE))
        }
        #[cfg(not(unix))]
        Ok(u64::MAX - RESERVE)
    }

    /// Returns the position of the first byte from `at` on that differs from these; `None` if all that are there agree.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn difference(&mut self, at: u64, bytes: &[u8]) -> io::Result<Option<u64>> {
        let both = self.bytes.saturating_sub(at).min(bytes.len() as u64) as usize;
        let mut stored = vec![0; both];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut stored)?;
        let same = stored.iter().zip(bytes).take_while(|(one, other)| one == other).count();
        Ok((same < both).then(|| at + same as u64))
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Drops all bytes from `at` on.
    ///
    /// # Errors
    /// When it cannot be truncated, or the rest cannot be read.
    pub fn cut(&mut self, at: u64) -> io::Result<()> {
        if at < self.bytes {
            self.file.set_len(at)?;
            self.file.rewind()?;
            (self.bytes, self.digest) = (at, digest::of_rest(&mut self.file, &mut |_| {})?);
        }
        Ok(())
    }

    /// Deletes it.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub fn discard(self) -> io::Result<()> {
        remove_note(&self.note)?;
        if self.has_its_name()? { fs::remove_file(&self.path) } else { Ok(()) }
    }

    /// Returns true unless its name was given to another thing meanwhile.
    fn has_its_name(&self) -> io::Result<bool> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            facts => Ok(is_same(&facts?, &self.file.metadata()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::download::expected::Size;

    fn name(text: &str) -> FileName {
        FileName::near(text, 1)
    }

    fn part(folder: &DownloadFolder, version: i64) -> PartialFile {
        folder.partial(version).unwrap().unwrap()
    }

    #[test]
    fn the_state_at_the_host_is_kept_beside_the_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let folder = DownloadFolder::open(directory.path()).unwrap();
        let source = Source::parse("\"v1\"\n9\n");
        assert!(source.is_some());
        let mut partial = part(&folder, 7);
        partial.note(source.clone()).unwrap();
        partial.append(b"abc").unwrap();
        drop(partial);
        assert_eq!(part(&folder, 7).source(), source.as_ref());
        let note = directory.path().join(".7.source");
        for text in ["", "\"v1\"\n9", "v1\n9\n", "../x\n9\n", "\"v1\"\n9\n\n", "\"v1\"\r\n9\n"] {
            fs::write(&note, text).unwrap();
            assert_eq!(part(&folder, 7).source(), None, "{text}");
        }
        let mut partial = part(&folder, 7);
        partial.note(source.clone()).unwrap();
        assert_eq!(fs::read_to_string(&note).unwrap(), "\"v1\"\n9\n");
        partial.note(None).unwrap();
        assert!(partial.source().is_none() && !note.exists());
        fs::create_dir(&note).unwrap();
        partial.note(source).unwrap();
        drop(partial);
        assert_eq!(part(&folder, 7).source(), None, "a folder is no note");
    }

    #[test]
    fn the_first_byte_that_differs_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let folder = DownloadFolder::open(directory.path()).unwrap();
        let mut partial = part(&folder, 7);
        partial.append(b"abcdef").unwrap();
        for (at, bytes, differs) in [
            (0, "abc", None),
            (0, "abX", Some(2)),
            (3, "defg", None),
            (3, "Xefg", Some(3)),
            (6, "x", None),
            (5, "Xx", Some(5)),
        ] {
            assert_eq!(partial.difference(at, bytes.as_bytes()).unwrap(), differs, "{at} {bytes}");
        }
        partial.append(b"g").unwrap();
        assert_eq!(fs::read(directory.path().join(".7.part")).unwrap(), b"abcdefg");
    }

    #[cfg(unix)]
    #[test]
    fn other_things_than_files_are_neither_followed_nor_opened() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let folder = DownloadFolder::open(directory.path().join("files")).unwrap();
        let (victim, entry) = (directory.path().join("victim"), |name: &str| directory.path().join("files").join(name));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, entry(".1.part")).unwrap();
        symlink("/dev/zero", entry(".2.part")).unwrap();
        symlink("nowhere", entry(".3.part")).unwrap();
        fs::create_dir(entry(".4.part")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, entry(".5.part"), rustix::fs::Mode::RWXU).unwrap();
        for version in 1..=5 {
            assert!(folder.partial(version).unwrap().is_none(), "{version}");
            assert_eq!(folder.holder(&FileName::partial(version)).unwrap(), Holder::NoFile, "{version}");
        }
        fs::hard_link(&victim, entry(".6.part")).unwrap();
        part(&folder, 6).append(b"more").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        symlink(&victim, entry(".7.source")).unwrap();
        part(&folder, 7).note(Source::parse("\"v1\"\n9\n")).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn partial_files_grow_over_runs_and_get_their_name_once() {
        let directory = tempfile::tempdir().unwrap();
        let folder = DownloadFolder::open(directory.path().join("deep/folder")).unwrap();
        let mut partial = part(&folder, 7);
        partial.append(b"abc").unwrap();
        assert_eq!(folder.partial(7).unwrap_err().kind(), ErrorKind::WouldBlock, "one at a time");
        drop(partial);
        let mut partial = part(&folder, 7);
        assert_eq!(partial.bytes(), 3);
        partial.append(b"d").unwrap();
        let expected = Expected { sha256: Some(partial.sha256()), ..Expected::default() };
        assert!(folder.keep(&partial, &name("x.pt")).unwrap());
        assert!(folder.holder(&name("x.pt")).unwrap().is(&expected));
        assert_eq!(folder.holder(&name("y.pt")).unwrap(), Holder::Nobody);
        let mut other = part(&folder, 8);
        other.append(b"zzzz").unwrap();
        other.cut(1).unwrap();
        assert_eq!(other.sha256(), "594E519AE499312B29433B7DD8A97FF068DEFCBA9755B6D5D00E84C524D67B06");
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
        let known = |bytes: Option<u64>, sha256: &str| Expected {
            size: bytes.map(Size::exact),
            sha256: Some(sha256.to_owned()),
            ..Expected::default()
        };
        assert_eq!(folder.find(&known(Some(5), sha256)).unwrap(), FileName::existing("renamed"));
        assert_eq!(folder.find(&known(Some(5_000), sha256)).unwrap(), None);
        assert_eq!(folder.find(&known(None, sha256)).unwrap(), None);
        // One that has come since is known too.
        let mut partial = part(&folder, 7);
        partial.append(b"new").unwrap();
        assert!(folder.keep(&partial, &name("x.pt")).unwrap());
        assert_eq!(folder.find(&known(Some(3), &partial.sha256())).unwrap(), Some(name("x.pt")));
        fs::remove_file(directory.path().join("renamed")).unwrap();
        assert_eq!(folder.find(&known(Some(3), sha256)).unwrap(), None);
    }
}
