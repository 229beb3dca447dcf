//! Pushes a dataset to a place, even while a crawl writes to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::chain::Chain;
use super::copied::Copied;
use super::delta;
use super::head::{Head, Snapshot};
use super::kept::Place;
use super::several::{Cancelling, several};
use crate::dataset::cancel::Cancel;
use crate::dataset::commit::chain_hash;
use crate::dataset::error::{During, Error};
use crate::dataset::folder;
use crate::dataset::layout::{FileHash, Layout, PlaceName};
use crate::dataset::recorded_file::RecordedFile;
use crate::dataset::snapshot::inventory::Inventory;
use crate::dataset::snapshot::snapshot_dir::SnapshotDir;
use crate::storage::Storage;

/// Pushes the records of a dataset, the parts that they name and its newest snapshot. What is there already is not sent again.
///
/// # Errors
/// [`Error::Absent`] and [`Error::Foreign`] of the dataset; [`Error::Apart`] if the place holds anything else than an earlier
/// state of this dataset; [`Error::Occupied`] and [`Error::Overtaken`] by another push; [`Error::Damaged`] and [`Error::Rotten`] of
/// either; [`Error::Away`] and [`Error::Refused`] of the place; [`Error::Disk`]; [`Error::Cancelled`].
pub fn push(layout: &Layout, storage: &dyn Storage, place: &dyn Place, cancel: Cancel<'_>) -> Result<Copied, Error> {
    folder::require(layout, storage)?;
    check_names(place)?;
    let seen = State::of(layout, storage)?;
    if seen.chain.records.is_empty() {
        return Err(Error::Absent { dataset: layout.root().to_owned() });
    }
    let head = continued(&seen.chain, place)?;
    let _lock = place.hold()?;
    send(seen, layout, storage, place, cancel, &mut |now| now.replace(head.as_deref(), place).map(drop))
}

/// Replaces the head.
pub(super) type Replace<'a> = dyn FnMut(Head) -> Result<(), Error> + 'a;

/// Sends a state of a dataset, its head by `replace`.
pub(super) fn send(
    mut seen: State,
    layout: &Layout,
    storage: &dyn Storage,
    place: &dyn Place,
    cancel: Cancel<'_>,
    replace: &mut Replace<'_>,
) -> Result<Copied, Error> {
    loop {
        let push = Push { layout, place, storage, cancel, copied: Mutex::default(), listed: Mutex::default() };
        match push.all(&seen, replace) {
            Ok(()) => return Ok(push.copied.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Err(error) if error.is_of(layout.root()) => {
                // A crawl may have pruned a part or retired the snapshot meanwhile.
                let now = State::of(layout, storage)?;
                if now == seen {
                    return Err(error);
                }
                seen = now;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Fails if the top of a place holds anything that no push made.
pub(super) fn check_names(place: &dyn Place) -> Result<(), Error> {
    match place.list("")?.keys().find(|name| !PlaceName::TOP.contains(&name.as_str())) {
        Some(name) => {
            let reason = format!("holds `{}`, which no push made; name a new or an empty one", name.escape_debug());
            Err(Error::Apart { there: place.root().to_owned(), reason })
        }
        None => Ok(()),
    }
}

/// Fails if a place that has no head, or has lost it, has a record of a commit that this dataset lacks: a new head would forget it.
pub(super) fn check_headless(place: &dyn Place, chain: &Chain) -> Result<(), Error> {
    let records = place.list("records")?;
    let commit = |name: &str| name.split_once('-').and_then(|(commit, _)| commit.parse::<u64>().ok()).unwrap_or(0);
    let Some(last) = records.keys().max_by_key(|name| commit(name)) else { return Ok(()) };
    let ours = chain.records.iter().find(|(number, _)| *number == commit(last));
    let is_ours = match ours {
        Some((number, content)) => records.contains_key(PlaceName::record(*number, &FileHash::of(content)).split().1),
        None => commit(last) <= chain.manifest.last_commit(),
    };
    if is_ours {
        return Ok(());
    }
    // Another one has begun the place since its head was read.
    if Head::read(place)?.is_some() {
        return Err(Error::Overtaken { place: place.root().to_owned() });
    }
    let reason = format!(
        "has no `latest.json`, but `records/{}` of a commit that this dataset lacks; push the copy that has it, or name another place",
        last.escape_debug()
    );
    Err(Error::Apart { there: place.root().to_owned(), reason })
}

/// Returns the content of the head. Fails unless the place is empty or holds an earlier state of this dataset.
fn continued(chain: &Chain, place: &dyn Place) -> Result<Option<Vec<u8>>, Error> {
    let Some((head, content)) = Head::read(place)? else { return check_headless(place, chain).map(|()| None) };
    let there = Chain::of_place(place, &head)?;
    chain.continues(&there).map_err(|reason| Error::Apart { there: place.root().to_owned(), reason })?;
    Ok(Some(content))
}

/// A dataset at one moment.
pub(super) struct State {
    pub(super) chain: Chain,
    /// The newest whole snapshot that these records know.
    pub(super) snapshot: Option<Inventory>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.chain.last_hash() == other.chain.last_hash() && self.snapshot == other.snapshot
    }
}

impl State {
    pub(super) fn of(layout: &Layout, storage: &dyn Storage) -> Result<Self, Error> {
        // Read in this order, the records know at least the commits of all snapshots but those taken meanwhile.
        let chain = Chain::of_dataset(layout, storage)?;
        let mut snapshot = chain.newest_snapshot(layout, storage)?;
        let absorbed = chain.manifest.history.absorbed;
        if snapshot.as_ref().map_or(0, |taken| taken.commit) < absorbed {
            // Its only copy of some rows: it says what is wrong with it.
            snapshot = Some(SnapshotDir::new(layout, storage).newest_with(absorbed)?);
        }
        Ok(Self { chain, snapshot })
    }
}

/// A push under way.
struct Push<'a> {
    layout: &'a Layout,
    place: &'a dyn Place,
    storage: &'a dyn Storage,
    cancel: Cancel<'a>,
    copied: Mutex<Copied>,
    /// Names and sizes in the folders of the place that were listed.
    listed: Mutex<BTreeMap<String, BTreeMap<String, u64>>>,
}

impl Push<'_> {
    fn all(&self, state: &State, replace: &mut Replace<'_>) -> Result<(), Error> {
        let mut files = Vec::new();
        for part in state.chain.manifest.live_parts() {
            files.push((PlaceName::part(part.table, &part.name), RecordedFile::of_part(self.layout, part)));
        }
        let mut contents = Vec::new();
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut snapshot = None;
        if let Some(inventory) = &state.snapshot {
            let number = inventory.snapshot;
            let path = Layout::inventory(&self.layout.snapshot(number));
            for file in &inventory.files {
                let recorded = SnapshotDir::new(self.layout, self.storage).recorded(number, file);
                let name = PlaceName::table(file.table, file.history, &file.hash);
                tables.entry(file.name()).or_default().push(name.as_str().to_owned());
                files.push((name, recorded));
            }
            let content = self.storage.read(&path).during("read", &path)?;
            let hash = self.hash(&content)?;
            contents.push((PlaceName::inventory(&hash), content));
            snapshot = Some(Snapshot { number, inventory: hash });
        }
        for (number, content) in &state.chain.records {
            contents.push((PlaceName::record(*number, &self.hash(content)?), content.clone()));
        }
        self.list(files.iter().map(|(name, _)| name).chain(contents.iter().map(|(name, _)| name)))?;
        several(&files, self.cancel, |(name, file), cancel| self.send(file, name, cancel))?;
        several(&contents, self.cancel, |(name, content), _| self.send_content(content, name))?;
        let Some(record) = state.chain.last_hash() else { return Ok(()) };
        let commit = state.chain.manifest.last_commit();
        let mut copied = self.copied();
        (copied.commit, copied.snapshot) = (commit, snapshot.as_ref().map(|snapshot| snapshot.number));
        drop(copied);
        replace(Head::new(commit, record, snapshot, tables))?;
        if let Some(inventory) = &state.snapshot {
            let (written, unlogged) = delta::log(self.place, inventory, self.cancel)?;
            let mut copied = self.copied();
            written.into_iter().for_each(|bytes| copied.note(bytes));
            copied.unlogged = unlogged;
        }
        Ok(())
    }

    /// Lists the folders of these files.
    fn list<'a>(&self, names: impl Iterator<Item = &'a PlaceName>) -> Result<(), Error> {
        let folders: BTreeSet<&str> = names.map(|name| name.split().0).collect();
        several(&Vec::from_iter(folders), self.cancel, |folder, _| {
            let found = self.place.list(folder)?;
            self.listed.lock().unwrap_or_else(PoisonError::into_inner).insert((*folder).to_owned(), found);
            Ok(())
        })
    }

    /// Sends a file that has no other content under this name, unless one of its size is there.
    fn send(&self, file: &RecordedFile, to: &PlaceName, cancel: Cancel<'_>) -> Result<(), Error> {
        if self.size_there(to) == Some(file.bytes()) {
            self.copied().present += 1;
            return Ok(());
        }
        // Each block that is sent is compared with what was hashed.
        let content = file.open(self.storage, cancel)?.stream();
        self.place.put(to, &mut Cancelling { content, cancel })?;
        self.copied().note(file.bytes());
        Ok(())
    }

    /// Sends a content under the name that its hash makes, unless it is there.
    fn send_content(&self, content: &[u8], to: &PlaceName) -> Result<(), Error> {
        let there = self.size_there(to) == Some(content.len() as u64);
        if there && self.place.read(to)?.is_some_and(|there| there == content) {
            self.copied().present += 1;
        } else {
            self.place.put(to, &mut &*content)?;
            self.copied().note(content.len() as u64);
        }
        Ok(())
    }

    fn hash(&self, content: &[u8]) -> Result<FileHash, Error> {
        FileHash::try_from(chain_hash(content)).map_err(|fault| Error::rotten(self.place.root(), fault))
    }

    /// Returns the size of a file in the place; `None` if there was none when its folder was listed.
    fn size_there(&self, name: &PlaceName) -> Option<u64> {
        let (folder, name) = name.split();
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).get(folder)?.get(name).copied()
    }

    fn copied(&self) -> MutexGuard<'_, Copied> {
        self.copied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
