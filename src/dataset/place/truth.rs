//! A place as the truth of a dataset. Its directory is then a copy that one machine works on, and may be empty.
//!
//! ```text
//! READ     the head, and the records that it names; refuse another crawl's. A run that has nothing to do ends here.
//! PROBE    refuse a store that ignores conditions.
//! FENCE    replace the head, on the condition of what was read, by the same state with this run's id.
//! LOG      write what the Delta logs lack, unless the head says that they are complete.
//! FOLLOW   fetch what the directory lacks; or send what it has ahead; or, where both went on, set its own commits aside first.
//! COMMIT   behind each commit of the directory: its parts, its record; the head replaced on the condition of the last one.
//! SETTLE   behind a snapshot: everything that is not there; the head; the Delta logs; the head that says so.
//! ```
//!
//! The head alone says what is committed, and its content is the whole state: the last record, by a hash that covers all records
//! before it, the newest snapshot, and the run. Each replacement is conditional on the content that the run itself wrote before,
//! so heads form one chain, and a run can only add to the state that it knows. All other files have one content for ever and are
//! there before a head names them; none is ever removed. So a put that is lost is repeated, and one that arrives late is harmless:
//! of a file, because it changes nothing; of the head, because it is refused unless the state is still the one that it builds on,
//! and then it is the next state. The name of the head is never free again, so nothing can be committed behind a reader's back
//! under a number that was once removed, and no list is needed to find out.
//!
//! A refusal says nothing but that the head is another one, and an error not even that. The head is read back: ours, the answer was
//! lost; the last one, the put is repeated; any other, this run has ended. The fence costs one put and ends all earlier runs at
//! their next commit, the ones that sleep included; without it the first to commit would win, and not the one that began last. No
//! clock, no lease and no lock is needed. A directory has a lock instead of conditions, and keeps all other runs out by it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chain::Chain;
use super::delta;
use super::head::Head;
use super::kept::Place;
use super::pull::{inventory, pull_these};
use super::push::{State, check_headless, check_names, send};
use super::several::several;
use crate::dataset::cancel::{Cancel, NEVER};
use crate::dataset::commit::{Record, chain_hash};
use crate::dataset::directories::ensure_dir;
use crate::dataset::error::{During, Error};
use crate::dataset::folder;
use crate::dataset::layout::{FileHash, Layout, PartName, PlaceName, RunId};
use crate::dataset::manifest::Manifest;
use crate::dataset::recorded_file::RecordedFile;
use crate::dataset::snapshot::inventory::Inventory;
use crate::dataset::snapshot::snapshot_dir::SnapshotDir;
use crate::storage::Storage;
use crate::table;

/// The place, as a run that goes on with its dataset has it.
pub struct Truth {
    place: Box<dyn Place + Send>,
    run: RunId,
    /// The head as this run wrote it, and its content.
    head: Head,
    content: Vec<u8>,
    /// See [`Truth::unlogged`].
    unlogged: Vec<String>,
    /// Keeps other runs out of a directory.
    _hold: Box<dyn Send>,
}

/// The crawl that a dataset must belong to.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// Its name.
    pub crawl: &'a str,
    /// Its server: see [`Record::server`].
    pub server: &'a str,
}

/// A place and a directory as a run finds them. Nothing was written to either.
pub struct Opening<'a> {
    place: Box<dyn Place + Send>,
    layout: &'a Layout,
    storage: &'a Arc<dyn Storage>,
    /// The head, and its content; an empty one and `None` if there is none.
    head: Head,
    seen: Option<Vec<u8>>,
    /// The records that the head names.
    there: Chain,
    /// The snapshot that the head names, and the content of its inventory.
    snapshot: Option<(Inventory, Vec<u8>)>,
    way: Way,
}

/// The outcome of an opening.
#[derive(Debug, Default)]
pub struct Opened {
    /// The directory that took what only this machine had, because another one had gone on; `None` if there was nothing.
    pub aside: Option<PathBuf>,
}

/// The way to make a directory and a place the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Nothing,
    Send,
    Fetch,
}

impl fmt::Debug for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Truth").field("place", &self.place.root()).field("head", &self.head).finish_non_exhaustive()
    }
}

impl<'a> Opening<'a> {
    /// Reads both.
    ///
    /// # Errors
    /// [`Error::Apart`] and [`Error::Foreign`] if either is another crawl's; [`Error::Damaged`], [`Error::Rotten`] and
    /// [`Error::Newer`] of either; [`Error::Away`] and [`Error::Refused`] of the place; [`Error::Disk`].
    pub fn read(
        place: Box<dyn Place + Send>,
        layout: &'a Layout,
        storage: &'a Arc<dyn Storage>,
        whose: Whose<'_>,
    ) -> Result<Self, Error> {
        folder::recognize(layout, &**storage)?;
        let here = Chain::of_dataset(layout, &**storage)?;
        whose.check(&here, layout.root())?;
        check_names(&*place)?;
        let (head, seen) = Head::read(&*place)?.map_or((Head::empty(), None), |(head, seen)| (head, Some(seen)));
        let there = Chain::of_place(&*place, &head)?;
        whose.check(&there, place.root())?;
        if seen.is_none() {
            check_headless(&*place, &here).map_err(fenced)?;
        }
        let snapshot = inventory(&*place, &head)?;
        let ours = here.newest_snapshot(layout, &**storage)?;
        let way = way(&here, &there, ours.as_ref(), inventory_of(&snapshot));
        Ok(Self { place, layout, storage, head, seen, there, snapshot, way })
    }

    /// Returns the records and the newest snapshot of the place, which the run would continue; `None` if the directory adds to them.
    pub fn state(&self) -> Option<(&Manifest, Option<&Inventory>)> {
        (self.way != Way::Send).then(|| (&self.there.manifest, inventory_of(&self.snapshot)))
    }

    /// Returns true if the directory lacks something that the place holds.
    pub fn is_behind(&self) -> bool {
        self.way == Way::Fetch
    }

    /// Returns true if neither holds a commit.
    pub fn is_empty(&self) -> bool {
        self.there.records.is_empty() && self.way == Way::Nothing
    }

    /// Takes the place for this run, which ends all earlier ones, and makes the directory the same.
    ///
    /// # Errors
    /// [`Error::Held`] and [`Error::Occupied`]; [`Error::Fenced`]; those of [`Opening::read`]; [`Error::Cancelled`].
    pub fn fence(self, run: RunId, cancel: Cancel<'_>) -> Result<(Truth, Opened), Error> {
        let Self { place, layout, storage, head, seen, there, snapshot, .. } = self;
        storage.make_dir(layout.root()).during("create", layout.root())?;
        let lock = storage.lock(&layout.lock(), folder::MARK).during("lock", &layout.lock())?;
        let Some(lock) = lock else {
            return Err(Error::held(layout.root(), &**storage, &layout.lock(), folder::MARK));
        };
        storage.name_holder(&layout.lock(), folder::MARK);
        // A run that held the directory may have gone on with it since.
        let here = Chain::of_dataset(layout, &**storage)?;
        let ours = here.newest_snapshot(layout, &**storage)?;
        let hold = place.hold()?;
        place.probe()?;
        let head = head.by(&run);
        let content = head.replace(seen.as_deref(), &*place).map_err(fenced)?;
        let mut truth = Truth { place, run, head, content, unlogged: Vec::new(), _hold: hold };

        let mut opened = Opened::default();
        let theirs = inventory_of(&snapshot);
        let way = way(&here, &there, ours.as_ref(), theirs);
        if let Some(theirs) = theirs.filter(|_| way != Way::Send && !truth.head.logged) {
            let (_, unlogged) = delta::log(&*truth.place, theirs, cancel)?;
            truth.note_logs(unlogged)?;
        }
        match way {
            Way::Nothing => {}
            Way::Send => drop(truth.settle(layout, &**storage, cancel)?),
            Way::Fetch => {
                let aside = Aside { layout, storage: &**storage, to: layout.aside(&truth.run) };
                if aside.all(&here, &there, theirs)? {
                    opened.aside = Some(aside.to);
                }
                // What is done from here on takes the lock itself.
                drop(lock);
                pull_these(&there, snapshot, &*truth.place, layout, Arc::clone(storage), cancel)?;
            }
        }
        Ok((truth, opened))
    }
}

/// Returns the inventory without its content.
fn inventory_of(snapshot: &Option<(Inventory, Vec<u8>)>) -> Option<&Inventory> {
    snapshot.as_ref().map(|(inventory, _)| inventory)
}

impl Truth {
    /// Returns the run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Makes the last commit of the dataset the place's. After `Ok` the place holds it, and no other run undoes it.
    ///
    /// # Errors
    /// [`Error::Fenced`]; [`Error::Away`] and [`Error::Refused`] of the place; [`Error::Rotten`]; [`Error::Disk`]. The next opening
    /// on this machine sends what was not sent.
    pub fn commit(&mut self, layout: &Layout, storage: &dyn Storage, record: &Record) -> Result<(), Error> {
        let place = &*self.place;
        several(&record.parts, NEVER, |part, cancel| {
            let file = RecordedFile::of_part(layout, part).open(storage, cancel)?;
            place.put(&PlaceName::part(part.table, &part.name), &mut file.stream())
        })?;
        let path = layout.record(record.commit);
        let content = storage.read(&path).during("read", &path)?;
        let hash = FileHash::of(&content);
        self.place.put(&PlaceName::record(record.commit, &hash), &mut &content[..])?;
        self.replace(self.head.with(record.commit, hash))
    }

    /// Makes the place hold everything that the dataset holds, its newest snapshot included.
    ///
    /// # Errors
    /// As [`Truth::commit`]; [`Error::Cancelled`].
    pub fn settle(&mut self, layout: &Layout, storage: &dyn Storage, cancel: Cancel<'_>) -> Result<(), Error> {
        let Self { place, run, head, content, .. } = self;
        let copied = send(State::of(layout, storage)?, layout, storage, &**place, cancel, &mut |now| {
            let logged = head.logged && head.snapshot == now.snapshot;
            let now = now.by(run).logged(logged);
            *content = now.replace(Some(content), &**place).map_err(fenced)?;
            *head = now;
            Ok(())
        })?;
        self.note_logs(copied.unlogged)
    }

    /// Keeps these sentences about Delta logs. If there is none, the head says that the logs have its snapshot.
    fn note_logs(&mut self, unlogged: Vec<String>) -> Result<(), Error> {
        self.unlogged = unlogged;
        let is_due = self.unlogged.is_empty() && self.head.snapshot.is_some() && !self.head.logged;
        if is_due { self.replace(self.head.clone().logged(true)) } else { Ok(()) }
    }

    /// Returns a sentence about each Delta log that was left as it is when they were last written: see [`Copied::unlogged`].
    ///
    /// [`Copied::unlogged`]: super::Copied::unlogged
    pub fn unlogged(&self) -> &[String] {
        &self.unlogged
    }

    fn replace(&mut self, head: Head) -> Result<(), Error> {
        self.content = head.replace(Some(&self.content), &*self.place).map_err(fenced)?;
        self.head = head;
        Ok(())
    }
}

impl Whose<'_> {
    /// Fails if a copy is not of this crawl.
    fn check(self, copy: &Chain, root: &Path) -> Result<(), Error> {
        let Some(last) = &copy.manifest.last else { return Ok(()) };
        if (last.crawl.as_str(), last.server.as_str()) == (self.crawl, self.server) {
            return Ok(());
        }
        let reason = format!(
            "holds the crawl `{}` of `{}`, and this is `{}` of `{}`; name another `store`, and a dataset of its own",
            last.crawl, last.server, self.crawl, self.server
        );
        Err(Error::Apart { there: root.to_owned(), reason })
    }
}

/// Returns the error of a head that another run replaced.
fn fenced(error: Error) -> Error {
    match error {
        Error::Overtaken { place } => Error::Fenced { place },
        error => error,
    }
}

/// Chooses the way. What the place holds always wins: a directory only adds to it. The newest snapshot of the directory need not be
/// the one that its records need, because an opening was killed; then there is one in the place.
fn way(here: &Chain, there: &Chain, ours: Option<&Inventory>, theirs: Option<&Inventory>) -> Way {
    let adds = match (ours, theirs) {
        _ if ours == theirs => Some(false),
        (Some(ours), Some(theirs)) if ours.snapshot > theirs.snapshot && ours.commit >= theirs.commit => Some(true),
        (Some(_), None) => Some(true),
        _ => None,
    };
    match adds {
        Some(false) if here.continues(there).is_ok() && there.continues(here).is_ok() => Way::Nothing,
        Some(_) if here.continues(there).is_ok() => Way::Send,
        _ => Way::Fetch,
    }
}

/// Sets aside what the place does not hold.
struct Aside<'a> {
    layout: &'a Layout,
    storage: &'a dyn Storage,
    to: PathBuf,
}

impl Aside<'_> {
    /// Leaves an earlier state of the place, or less. Returns true if anything was set aside. Parts go first: a kill leaves records
    /// without them, which the next opening finds apart again.
    fn all(&self, here: &Chain, there: &Chain, newest: Option<&Inventory>) -> Result<bool, Error> {
        let is_apart = there.continues(here).is_err();
        let snapshots = SnapshotDir::new(self.layout, self.storage);
        let mut moved = false;
        if is_apart {
            for table in table::ALL {
                let directory = self.layout.parts(table);
                let kept = |name: &PartName| {
                    there.manifest.live_parts().any(|part| part.table == *table && part.name == *name)
                };
                for entry in self.storage.list(&directory).during("list", &directory)? {
                    if entry.name.parse().is_ok_and(|name| !kept(&name)) {
                        self.take(&Layout::entry(&directory, &entry.name), &format!("{}-{}", table.name, entry.name))?;
                        moved = true;
                    }
                }
            }
        }
        // The last one first, so that those which are left are always a state.
        for (number, content) in here.records.iter().rev().filter(|_| is_apart) {
            if !there.records.iter().any(|(n, theirs)| n == number && chain_hash(theirs) == chain_hash(content)) {
                self.take(&self.layout.record(*number), &format!("record-{number}.json"))?;
                moved = true;
            }
        }
        for number in snapshots.numbers()? {
            let is_theirs = || Ok(snapshots.inventory(number)?.sound().as_ref() == newest);
            let is_later = newest.is_none_or(|newest| number >= newest.snapshot);
            if (is_apart || is_later) && !is_theirs()? {
                self.take(&self.layout.snapshot(number), &format!("snapshot-{number}"))?;
                moved = true;
            }
        }
        if snapshots.numbers()?.is_empty() {
            self.storage.remove(&self.layout.latest()).during("remove", &self.layout.latest())?;
        }
        Ok(moved)
    }

    /// Gives a file or a directory another place, durably.
    fn take(&self, path: &Path, name: &str) -> Result<(), Error> {
        ensure_dir(self.storage, self.to.parent().unwrap_or(&self.to))?;
        ensure_dir(self.storage, &self.to)?;
        self.storage.rename(path, &Layout::entry(&self.to, name)).during("set aside", path)?;
        self.storage.sync_dir(&self.to).during("sync", &self.to)?;
        let parent = path.parent().unwrap_or(path);
        self.storage.sync_dir(parent).during("sync", parent)
    }
}
