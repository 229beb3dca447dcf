//! Downloads the files of versions into a folder, several at once, and checks each before it gets its name. Slow disk work,
//! hashing and syncing, runs beside the thread that all requests share.

pub mod digest;
pub mod expected;
pub mod file_name;
pub mod folder;
pub mod status;

use std::collections::BTreeMap;
use std::io;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::api::lookup::Kind;
use crate::download::expected::{Expected, Mismatch};
use crate::download::file_name::FileName;
use crate::download::folder::{DownloadFolder, PartialFile};
use crate::download::status::DownloadStatus;
use crate::fetch::{Sink, download_url};
use crate::lookup::{Found, Lookup, LookupError};

/// A run of downloads.
pub struct Downloads<'a> {
    /// Asks the server for versions.
    pub lookup: Lookup<'a>,
    /// The destination.
    pub folder: &'a DownloadFolder,
    /// Files known already, by version; the server is asked for others.
    pub expected: &'a BTreeMap<i64, Expected>,
    /// Receives the number of bytes that arrived.
    pub arrived: &'a dyn Fn(u64),
}

impl Downloads<'_> {
    /// Downloads the file of every version and reports each when it is done.
    ///
    /// # Errors
    /// When the run was stopped. Bytes that arrived are kept, and the next run continues behind them.
    pub async fn run(&self, versions: &[i64], mut report: impl FnMut(i64, DownloadStatus)) -> Result<(), LookupError> {
        let work = async {
            let one = async |version: &i64| (*version, self.one(*version).await);
            let mut done = stream::iter(versions).map(one).buffer_unordered(self.lookup.in_flight);
            while let Some((version, status)) = done.next().await {
                match status {
                    Ok(status) => report(version, status),
                    Err(DownloadError::Disk(error)) => report(version, DownloadStatus::DiskRefused(error)),
                    Err(DownloadError::Lookup(error)) => return Err(error),
                }
            }
            Ok(())
        };
        tokio::select! {
            biased;
            done = work => done,
            () = self.lookup.stop.asked() => Err(LookupError::stopped(self.lookup.stop)),
        }
    }

    async fn one(&self, version: i64) -> Result<DownloadStatus, DownloadError> {
        let expected = match self.expected.get(&version) {
            Some(expected) => expected.clone(),
            None => match self.lookup.one(Kind::Version, &version.to_string()).await? {
                Found::Item(text) => Expected::of_version(&text),
                Found::Missing(words) => return Ok(DownloadStatus::Gone(words)),
            },
        };
        let plain = |name: &Option<String>| name.as_deref().map(|name| FileName::near(name, version));
        let (name, known) = (plain(&expected.name), expected.clone());
        if let Some(status) = self.aside(move |folder| before(folder, name, version, &known)).await? {
            return Ok(status);
        }
        let Some(url) = download_url(self.lookup.base, version) else {
            return Ok(DownloadStatus::NotFollowed(String::from("the server's address has no path")));
        };
        let partial = self.aside(move |folder| folder.partial(version)).await?;
        let mut arriving = Arriving { partial, arrived: self.arrived };
        let mut name = plain(&expected.name);
        // A run that ended between the last byte and the name has left a whole file.
        let whole = expected.sha256.as_ref().is_some_and(|sha256| *sha256 == arriving.partial.sha256());
        if !whole {
            let attempts = self.lookup.fetcher.attempts(&url, self.lookup.notify);
            match attempts.file(&mut arriving, expected.sha256.is_some()).await {
                Ok(sent) => name = plain(&sent).or(name),
                Err(error) => {
                    if arriving.bytes() == 0 {
                        arriving.partial.discard()?;
                    }
                    return Ok(error.into());
                }
            }
        }
        let name = name.unwrap_or_else(|| FileName::near("", version));
        let partial = arriving.partial;
        Ok(self.aside(move |folder| settle(folder, partial, &name, version, &expected)).await?)
    }

    /// Runs slow disk work on a thread of its own.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DownloadFolder) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let folder = self.folder.clone();
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

/// Returns the status of a file that earlier runs have left: the file itself under any name, or one with another hash than
/// expected, because the same bytes would arrive again.
fn before(
    folder: &DownloadFolder,
    name: Option<FileName>,
    version: i64,
    expected: &Expected,
) -> io::Result<Option<DownloadStatus>> {
    for name in name.into_iter().flat_map(|name| [name.numbered(version), name]).rev() {
        if folder.holds(&name, expected)? == Some(true) {
            return Ok(Some(DownloadStatus::AlreadyThere(name)));
        }
    }
    match folder.find(expected)? {
        // The expected hash was corrected to that of the file kept.
        Some(found) if found.is_mismatched() => folder.take_back(&found, version)?,
        Some(found) => return Ok(Some(DownloadStatus::AlreadyThere(found))),
        None => {}
    }
    let Some(sha256) = &expected.sha256 else { return Ok(None) };
    let kept = FileName::mismatched(version, sha256);
    Ok(folder.sha256(&kept)?.filter(|found| found != sha256).map(|found| {
        let mismatch = Mismatch::Hash { found, expected: sha256.clone() };
        DownloadStatus::Wrong { mismatch, kept: Some(kept) }
    }))
}

/// Checks a file that arrived and gives it its name.
fn settle(
    folder: &DownloadFolder,
    partial: PartialFile,
    name: &FileName,
    version: i64,
    expected: &Expected,
) -> io::Result<DownloadStatus> {
    let (bytes, sha256) = (partial.bytes(), partial.sha256());
    if let Err(mismatch) = expected.check(bytes, &sha256) {
        // With the right size it is the site's file, and would arrive again: then the expected hash is wrong.
        let kept = expected.sha256.as_ref().filter(|_| expected.has_size(bytes));
        let kept = kept.map(|sha256| FileName::mismatched(version, sha256));
        return match kept {
            Some(kept) if folder.keep(&partial, &kept)? => Ok(DownloadStatus::Wrong { mismatch, kept: Some(kept) }),
            _ => partial.discard().map(|()| DownloadStatus::Wrong { mismatch, kept: None }),
        };
    }
    let same = Expected { name: None, bytes: None, sha256: Some(sha256) };
    for name in [name.clone(), name.numbered(version)] {
        if folder.keep(&partial, &name)? {
            return Ok(DownloadStatus::Downloaded { name, bytes, checked: expected.sha256.is_some() });
        }
        if folder.holds(&name, &same)? == Some(true) {
            partial.discard()?;
            return Ok(DownloadStatus::AlreadyThere(name));
        }
    }
    Ok(DownloadStatus::NameTaken(name.clone()))
}

/// A partial file while its bytes arrive.
struct Arriving<'a> {
    partial: PartialFile,
    arrived: &'a dyn Fn(u64),
}

impl Sink for Arriving<'_> {
    fn bytes(&self) -> u64 {
        self.partial.bytes()
    }

    fn restart(&mut self) -> io::Result<()> {
        self.partial.restart()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.partial.write(bytes)?;
        (self.arrived)(bytes.len() as u64);
        Ok(())
    }
}

/// Why one download has no status of its own.
enum DownloadError {
    Lookup(LookupError),
    Disk(io::Error),
}

impl From<LookupError> for DownloadError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error)
    }
}

impl From<io::Error> for DownloadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                Self::Disk(io::Error::new(error.kind(), "another process downloads this file"))
            }
            _ => Self::Disk(error),
        }
    }
}
