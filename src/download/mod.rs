//! Fetching the files of versions into a folder, several side by side, each checked before it gets its name. What takes long on
//! the disk, hashing and syncing, is done beside the thread that all requests share.

pub mod digest;
pub mod expected;
pub mod file_name;
pub mod folder;
pub mod status;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicBool;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::api::lookup::Kind;
use crate::api::verbatim;
use crate::download::file_name::FileName;
use crate::download::folder::{Expected, Mismatch, Part, Vault};
use crate::engine::events::Event;
use crate::fetch::{self, Barred, Sink, download_url};
use crate::lookup::{Broken, Desk, Found};

/// What became of one version's file.
#[derive(Debug)]
pub enum Outcome {
    /// It arrived and is what it should be.
    Downloaded {
        /// What it is called now.
        name: FileName,
        /// Its size.
        bytes: u64,
        /// Whether its SHA256 was known, and so checked.
        checked: bool,
    },
    /// It was there before.
    AlreadyThere(FileName),
    /// It is not to be had, now or ever.
    Barred(Barred),
    /// What arrived is not what it should be.
    Wrong {
        /// How it differs.
        mismatch: Mismatch,
        /// What it is called now; `None` when it was thrown away.
        kept: Option<FileName>,
    },
    /// Files of other content have its name, with and without its number.
    NameTaken(FileName),
}

/// A run of downloads.
pub struct Downloads<'a> {
    /// Where the server is asked.
    pub desk: Desk<'a>,
    /// Where files go.
    pub vault: &'a Vault,
    /// What is known of them already; of others the server is asked.
    pub expected: &'a BTreeMap<i64, Expected>,
    /// Hears how many bytes have arrived.
    pub arrived: &'a dyn Fn(u64),
}

impl Downloads<'_> {
    /// Fetches the file of every version and tells of each as it is done with.
    ///
    /// # Errors
    /// When the run was stopped; what has arrived stays, and the next run goes on behind it.
    pub async fn run(&self, versions: &[i64], mut tell: impl FnMut(i64, Outcome)) -> Result<(), Broken> {
        let work = async {
            let one = |version: &i64| {
                let version = *version;
                async move { (version, self.one(version).await) }
            };
            let mut outcomes = stream::iter(versions).map(one).buffer_unordered(self.desk.in_flight);
            while let Some((version, outcome)) = outcomes.next().await {
                let outcome = match outcome {
                    Ok(outcome) => outcome,
                    Err(Obstacle::Broken(broken)) => return Err(broken),
                    Err(Obstacle::Disk(error)) => Outcome::Barred(Barred::Disk(error)),
                };
                tell(version, outcome);
            }
            Ok(())
        };
        let never = AtomicBool::new(false);
        tokio::select! {
            biased;
            done = work => done,
            () = self.desk.stop.must_drop(&never) => Err(Broken::Stopped(self.desk.stop.reason().unwrap_or_default())),
        }
    }

    async fn one(&self, version: i64) -> Result<Outcome, Obstacle> {
        let expected = match self.expected.get(&version) {
            Some(expected) => expected.clone(),
            None => match self.desk.one(Kind::Version, &version.to_string()).await? {
                Found::Item(text) => facts(&text),
                Found::Missing(words) => return Ok(Outcome::Barred(Barred::Gone(words))),
            },
        };
        let wished = |name: &Option<String>| name.as_deref().map(|name| FileName::near(name, version));
        let (name, facts) = (wished(&expected.name), expected.clone());
        if let Some(outcome) = self.aside(move |vault| before(vault, name, version, &facts)).await? {
            return Ok(outcome);
        }
        let Some(url) = download_url(self.desk.base, version) else {
            return Ok(Outcome::Barred(Barred::Redirect(String::from("the server's address has no path"))));
        };
        let part = self.aside(move |vault| vault.part(version)).await?;
        let mut arriving = Arriving { part, arrived: self.arrived };
        let whole = expected.sha256.as_ref().is_some_and(|sha256| *sha256 == arriving.part.sha256());
        let mut name = wished(&expected.name);
        // A run that ended between the last byte and the name has left all there is.
        if !whole {
            let notify = |event: fetch::Event| self.desk.listener.event(&Event::of("download", &event));
            match self.desk.fetcher.file(&url, &mut arriving, expected.sha256.is_some(), &notify).await {
                Ok(sent) => name = wished(&sent).or(name),
                Err(barred) => {
                    if arriving.is_empty() {
                        arriving.part.discard()?;
                    }
                    return Ok(Outcome::Barred(barred));
                }
            }
        }
        let name = name.unwrap_or_else(|| FileName::near("", version));
        let part = arriving.part;
        Ok(self.aside(move |vault| settle(vault, part, &name, version, &expected)).await?)
    }

    /// Does what takes long on the disk while others go on asking.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Vault) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let vault = self.vault.clone();
        let done = tokio::task::spawn_blocking(move || work(&vault)).await;
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

/// What earlier runs have left: the file itself, by its name or whatever it is called now, or one whose hash was not as expected,
/// which would only come once more.
fn before(vault: &Vault, name: Option<FileName>, version: i64, expected: &Expected) -> io::Result<Option<Outcome>> {
    for name in name.into_iter().flat_map(|name| [name.numbered(version), name]).rev() {
        if vault.holds(&name, expected)? == Some(true) {
            return Ok(Some(Outcome::AlreadyThere(name)));
        }
    }
    match vault.find(expected)? {
        // The hash that was expected has changed to what it is.
        Some(found) if found.is_mismatched() => vault.take_back(&found, version)?,
        Some(found) => return Ok(Some(Outcome::AlreadyThere(found))),
        None => {}
    }
    let Some(sha256) = &expected.sha256 else { return Ok(None) };
    let kept = FileName::mismatched(version, sha256);
    Ok(vault.sha256(&kept)?.filter(|found| found != sha256).map(|found| {
        let mismatch = Mismatch::Hash { found, expected: sha256.clone() };
        Outcome::Wrong { mismatch, kept: Some(kept) }
    }))
}

/// Checks what has arrived and gives it its name.
fn settle(vault: &Vault, part: Part, name: &FileName, version: i64, expected: &Expected) -> io::Result<Outcome> {
    let (bytes, sha256) = (part.bytes(), part.sha256());
    if let Err(mismatch) = expected.check(bytes, &sha256) {
        // Of the right size it is what the site has, and would come again: then it is the hash that is wrong.
        let kept = expected.sha256.as_ref().filter(|_| expected.has_size(bytes));
        let kept = kept.map(|sha256| FileName::mismatched(version, sha256));
        return match kept {
            Some(kept) if vault.keep(&part, &kept)? => Ok(Outcome::Wrong { mismatch, kept: Some(kept) }),
            _ => part.discard().map(|()| Outcome::Wrong { mismatch, kept: None }),
        };
    }
    let same = Expected { name: None, bytes: None, sha256: Some(sha256) };
    for name in [name.clone(), name.numbered(version)] {
        if vault.keep(&part, &name)? {
            return Ok(Outcome::Downloaded { name, bytes, checked: expected.sha256.is_some() });
        }
        if vault.holds(&name, &same)? == Some(true) {
            part.discard()?;
            return Ok(Outcome::AlreadyThere(name));
        }
    }
    Ok(Outcome::NameTaken(name.clone()))
}

/// What the server says of a version's primary file.
fn facts(text: &str) -> Expected {
    let file = verbatim::primary_file(text);
    let bytes = file.size_kb.map(|kilobytes| (kilobytes * 1024.0).round() as u64);
    Expected { name: file.name, bytes, sha256: file.sha256 }
}

/// A part that is arriving.
struct Arriving<'a> {
    part: Part,
    arrived: &'a dyn Fn(u64),
}

impl Sink for Arriving<'_> {
    fn len(&self) -> u64 {
        self.part.bytes()
    }

    fn restart(&mut self) -> io::Result<()> {
        self.part.restart()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.part.write(bytes)?;
        (self.arrived)(bytes.len() as u64);
        Ok(())
    }
}

/// Why one download did not get on.
enum Obstacle {
    Broken(Broken),
    Disk(io::Error),
}

impl From<Broken> for Obstacle {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                Self::Disk(io::Error::new(error.kind(), "another process downloads this file"))
            }
            _ => Self::Disk(error),
        }
    }
}
