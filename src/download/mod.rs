//! Downloads the files of versions into a folder, several at once, and checks each before it gets its name. All work on the disk
//! runs beside the thread that all requests share.

pub mod digest;
pub mod expected;
pub mod file_name;
pub mod folder;
pub mod status;

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::api::lookup::Kind;
use crate::download::expected::{Expected, Mismatch};
use crate::download::file_name::FileName;
use crate::download::folder::{DownloadFolder, Holder, PartialFile};
use crate::download::status::DownloadStatus;
use crate::fetch::{Arrived, AttemptError, Sink, Source, download_url};
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
        let Some(url) = download_url(self.lookup.base, version, expected.file) else {
            return Ok(DownloadStatus::NotFollowed(String::from("the server's address has no path")));
        };
        let Some(partial) = self.aside(move |folder| folder.partial(version)).await? else {
            return Ok(DownloadStatus::NameTaken(FileName::partial(version)));
        };
        // A run that ended between the last byte and the name has left a whole file.
        let is_whole = expected.sha256.as_ref().is_some_and(|sha256| *sha256 == partial.sha256());
        let mut arriving = Arriving { partial: Some(partial), arrived: self.arrived };
        let arrived = if is_whole {
            Arrived { name: None, ended: true, uniform: true }
        } else {
            let attempts = || self.lookup.fetcher.attempts(&url, self.lookup.notify);
            let (facts, had_part) = (expected.facts(), arriving.bytes() > 0);
            let mut arrived = attempts().file(&mut arriving, &facts, true).await;
            // Compared with the whole file once more, the wrong bytes of a damaged part or of a passing fault are replaced.
            let is_sure = |arrived: &Arrived| arrived.uniform && !had_part && expected.is_size(arriving.bytes());
            if arrived.as_ref().is_ok_and(|arrived| !is_sure(arrived)) && !arriving.is(&expected) {
                arrived = attempts().file(&mut arriving, &facts, false).await;
            }
            match arrived {
                Ok(arrived) => arrived,
                Err(error) => {
                    if arriving.bytes() == 0 {
                        arriving.discard().await?;
                    }
                    return Ok(refused(error, &expected));
                }
            }
        };
        let name = plain(&arrived.name).or_else(|| plain(&expected.name));
        let name = name.unwrap_or_else(|| FileName::near("", version));
        let partial = arriving.taken()?;
        Ok(self.aside(move |folder| settle(folder, partial, &arrived, &name, version, &expected)).await?)
    }

    /// Runs slow disk work on a thread of its own.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DownloadFolder) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let folder = self.folder.clone();
        aside(move || work(&folder)).await
    }
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Returns the status of a file that could not be fetched.
fn refused(error: AttemptError, expected: &Expected) -> DownloadStatus {
    match (error, expected.size) {
        (AttemptError::OtherSize(found), Some(size)) => {
            DownloadStatus::Wrong { mismatch: Mismatch::Size { found, expected: size.bytes }, kept: None }
        }
        (error, _) => error.into(),
    }
}

/// Returns the status of a file that earlier runs have left: the file itself under any name, or one with another hash than
/// expected, because the same bytes would arrive again. A file of which nothing is known but the name is fetched again.
fn before(
    folder: &DownloadFolder,
    name: Option<FileName>,
    version: i64,
    expected: &Expected,
) -> io::Result<Option<DownloadStatus>> {
    let mut is_free = false;
    for name in name.into_iter().flat_map(|name| [name.clone(), name.numbered(version)]) {
        match folder.holder(&name)? {
            Holder::Nobody => is_free = true,
            Holder::NoFile if !is_free => return Ok(Some(DownloadStatus::NameTaken(name))),
            holder if expected.is_checkable() && holder.is(expected) => {
                let checked = expected.sha256.is_some();
                return Ok(Some(DownloadStatus::AlreadyThere { name, checked }));
            }
            _ => {}
        }
    }
    match folder.find(expected)? {
        // The expected hash was corrected to that of the file kept.
        Some(found) if found.is_mismatched() => folder.take_back(&found, version)?,
        Some(name) => return Ok(Some(DownloadStatus::AlreadyThere { name, checked: true })),
        None => {}
    }
    let Some(sha256) = &expected.sha256 else { return Ok(None) };
    let kept = FileName::mismatched(version, sha256);
    Ok(match folder.holder(&kept)? {
        Holder::File { sha256: found, .. } if found != *sha256 => {
            let mismatch = Mismatch::Hash { found, expected: sha256.clone() };
            Some(DownloadStatus::Wrong { mismatch, kept: Some(kept) })
        }
        _ => None,
    })
}

/// Checks a file that arrived and gives it its name.
fn settle(
    folder: &DownloadFolder,
    partial: PartialFile,
    arrived: &Arrived,
    name: &FileName,
    version: i64,
    expected: &Expected,
) -> io::Result<DownloadStatus> {
    let (bytes, sha256) = (partial.bytes(), partial.sha256());
    if let Err(mismatch) = expected.check(bytes, &sha256) {
        if !arrived.ended {
            let reason = format!("it ended at byte {bytes}, perhaps too early: {mismatch}");
            return Ok(DownloadStatus::Unfinished(reason));
        }
        // With the right size, and all of one kind, it is the site's file, and would arrive again: then the expected hash is wrong.
        let kept = expected.sha256.as_ref().filter(|_| arrived.uniform && expected.has_size(bytes));
        let kept = kept.map(|sha256| FileName::mismatched(version, sha256));
        return match kept {
            Some(kept) if folder.keep(&partial, &kept)? => Ok(DownloadStatus::Wrong { mismatch, kept: Some(kept) }),
            _ => partial.discard().map(|()| DownloadStatus::Wrong { mismatch, kept: None }),
        };
    }
    let same = Expected { sha256: Some(sha256), ..Expected::default() };
    for name in [name.clone(), name.numbered(version)] {
        if folder.keep(&partial, &name)? {
            let checked = expected.sha256.is_some();
            return Ok(match expected.is_checkable() {
                true => DownloadStatus::Downloaded { name, bytes, checked },
                false => DownloadStatus::Unchecked { name, bytes },
            });
        }
        match folder.holder(&name)? {
            Holder::NoFile => return Ok(DownloadStatus::NameTaken(name)),
            holder if holder.is(&same) => {
                partial.discard()?;
                return Ok(DownloadStatus::AlreadyThere { name, checked: true });
            }
            _ => {}
        }
    }
    Ok(DownloadStatus::NameTaken(name.clone()))
}

/// A partial file while its bytes arrive.
struct Arriving<'a> {
    /// `None` only while work on it is under way.
    partial: Option<PartialFile>,
    arrived: &'a dyn Fn(u64),
}

impl Arriving<'_> {
    /// Works on the file beside the thread that all requests share.
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut PartialFile) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let mut partial = self.taken()?;
        let (partial, done) = aside(move || {
            let done = work(&mut partial);
            (partial, done)
        })
        .await;
        self.partial = Some(partial);
        done
    }

    /// Returns true if the file is the expected one.
    fn is(&self, expected: &Expected) -> bool {
        self.partial.as_ref().is_some_and(|partial| expected.check(partial.bytes(), &partial.sha256()).is_ok())
    }

    fn taken(&mut self) -> io::Result<PartialFile> {
        self.partial.take().ok_or_else(|| io::Error::other("the partial file is in use"))
    }

    async fn discard(mut self) -> io::Result<()> {
        let partial = self.taken()?;
        aside(move || partial.discard()).await
    }
}

impl Sink for Arriving<'_> {
    fn bytes(&self) -> u64 {
        self.partial.as_ref().map_or(0, PartialFile::bytes)
    }

    fn source(&self) -> Option<&Source> {
        self.partial.as_ref().and_then(PartialFile::source)
    }

    async fn note(&mut self, source: Option<Source>) -> io::Result<()> {
        self.with(|partial| partial.note(source)).await
    }

    async fn room(&mut self) -> io::Result<u64> {
        self.with(|partial| partial.room()).await
    }

    async fn difference(&mut self, at: u64, bytes: &Bytes) -> io::Result<Option<u64>> {
        if at >= self.bytes() {
            return Ok(None);
        }
        let bytes = bytes.clone();
        self.with(move |partial| partial.difference(at, &bytes)).await
    }

    async fn cut(&mut self, at: u64) -> io::Result<()> {
        if at >= self.bytes() {
            return Ok(());
        }
        self.with(move |partial| partial.cut(at)).await
    }

    async fn append(&mut self, bytes: Bytes) -> io::Result<()> {
        let length = bytes.len() as u64;
        self.with(move |partial| partial.append(&bytes)).await?;
        (self.arrived)(length);
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
