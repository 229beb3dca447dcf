//! Pushes a dataset to a place, even while a crawl writes to it.

use std::collections::BTreeMap;

use super::chain::Chain;
use super::copied::Copied;
use super::head::{Head, Snapshot};
use super::kept::Place;
use crate::dataset::cancel::{Cancel, check};
use crate::dataset::commit::chain_hash;
use crate::dataset::error::{During, Error};
use crate::dataset::folder::{self, Folder};
use crate::dataset::layout::{FileHash, Layout, PlaceName};
use crate::dataset::recorded_file::RecordedFile;
use crate::dataset::snapshot::inventory::Inventory;
use crate::dataset::snapshot::snapshot_dir::SnapshotDir;
use crate::storage::Storage;
use crate::table;

/// Pushes the records of a dataset, the parts that they name and its newest snapshot. What is there already is not sent again.
///
/// # Errors
/// [`Error::Absent`] and [`Error::Foreign`] of the dataset; [`Error::Apart`] if the place holds anything else than an earlier
/// state of this dataset; [`Error::Held`] and [`Error::Overtaken`] by another push; [`Error::Damaged`] and [`Error::Rotten`] of
/// either; [`Error::Away`] and [`Error::Refused`] of the place; [`Error::Disk`]; [`Error::Cancelled`].
pub fn push(layout: &Layout, storage: &dyn Storage, place: &dyn Place, cancel: Cancel<'_>) -> Result<Copied, Error> {
    if folder::recognize(layout, storage)? == Folder::Empty {
        return Err(Error::Absent { dataset: layout.root().to_owned() });
    }
    check_names(place)?;
    let seen = State::of(layout, storage)?;
    if seen.chain.records.is_empty() {
        return Err(Error::Absent { dataset: layout.root().to_owned() });
    }
    continued(&seen.chain, place)?;
    let _lock = place.hold()?;
    let head = continued(&seen.chain, place)?;
    let (copied, now) = send(seen, layout, storage, place, cancel)?;
    now.replace(head.as_deref(), place)?;
    Ok(copied)
}

/// Sends a state of a dataset but for the head, which it returns.
pub(super) fn send(
    mut seen: State,
    layout: &Layout,
    storage: &dyn Storage,
    place: &dyn Place,
    cancel: Cancel<'_>,
) -> Result<(Copied, Head), Error> {
    loop {
        let mut push = Push { layout, place, storage, cancel, copied: Copied::default(), listed: BTreeMap::new() };
        match push.all(&seen) {
            Ok(head) => return Ok((push.copied, head)),
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

/// Returns the content of the head. Fails unless the place is empty or holds an earlier state of this dataset.
fn continued(chain: &Chain, place: &dyn Place) -> Result<Option<Vec<u8>>, Error> {
    let Some((head, content)) = Head::read(place)? else { return Ok(None) };
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
        let snapshots = SnapshotDir::new(layout, storage);
        let mut snapshot = None;
        for number in snapshots.numbers()?.into_iter().rev() {
            snapshot =
                snapshots.inventory(number)?.sound().filter(|taken| taken.commit <= chain.manifest.last_commit());
            if snapshot.is_some() {
                break;
            }
        }
        let absorbed = chain.manifest.history.absorbed;
        if snapshot.as_ref().map_or(0, |taken| taken.commit) < absorbed {
            // Its only copy of some rows: it says what is wrong with it.
            snapshot = Some(snapshots.newest_with(absorbed)?);
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
    copied: Copied,
    /// Names and sizes in the folders of the place that were listed.
    listed: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Push<'_> {
    /// Sends all but the head, which it returns.
    fn all(&mut self, state: &State) -> Result<Head, Error> {
        for part in state.chain.manifest.live_parts() {
            let Some(table) = table::named(&part.table) else { continue };
            let file = RecordedFile::of_part(self.layout, table, part);
            self.send(&file, &PlaceName::part(table, &part.name))?;
        }
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut snapshot = None;
        if let Some(inventory) = &state.snapshot {
            let number = inventory.snapshot;
            let path = Layout::inventory(&self.layout.snapshot(number));
            for file in &inventory.files {
                let Some(table) = table::named(&file.table) else { continue };
                let hash = FileHash::try_from(file.hash.clone()).map_err(|fault| Error::rotten(&path, fault))?;
                let recorded = SnapshotDir::new(self.layout, self.storage).recorded(number, file);
                let Some(recorded) = recorded else { continue };
                let name = PlaceName::table(table, file.history, &hash);
                self.send(&recorded, &name)?;
                tables.entry(file.name()).or_default().push(name.as_str().to_owned());
            }
            let content = self.storage.read(&path).during("read", &path)?;
            let hash = self.send_content(&content, PlaceName::inventory)?;
            snapshot = Some(Snapshot { number, inventory: hash });
        }
        for (number, content) in &state.chain.records {
            self.send_content(content, |hash| PlaceName::record(*number, hash))?;
        }
        let Some(record) = state.chain.last_hash() else { return Ok(Head::empty()) };
        let commit = state.chain.manifest.last_commit();
        (self.copied.commit, self.copied.snapshot) = (commit, snapshot.as_ref().map(|snapshot| snapshot.number));
        Ok(Head::new(commit, record, snapshot, tables))
    }

    /// Sends a file that has no other content under this name, unless one of its size is there.
    fn send(&mut self, file: &RecordedFile, to: &PlaceName) -> Result<(), Error> {
        check(self.cancel)?;
        if self.size_there(to)? == Some(file.bytes()) {
            self.copied.present += 1;
            return Ok(());
        }
        // Each block that is sent is compared with what was hashed.
        let checked = file.open(self.storage, self.cancel)?;
        self.place.put(to, &mut checked.stream())?;
        self.copied.note(file.bytes());
        Ok(())
    }

    /// Sends a content under the name that its hash makes, unless it is there.
    fn send_content(&mut self, content: &[u8], name: impl Fn(&FileHash) -> PlaceName) -> Result<FileHash, Error> {
        check(self.cancel)?;
        let hash = FileHash::try_from(chain_hash(content)).map_err(|fault| Error::rotten(self.place.root(), fault))?;
        let name = name(&hash);
        let there = self.size_there(&name)? == Some(content.len() as u64);
        if there && self.place.read(&name)?.is_some_and(|there| there == content) {
            self.copied.present += 1;
        } else {
            self.place.put(&name, &mut &content[..])?;
            self.copied.note(content.len() as u64);
        }
        Ok(hash)
    }

    /// Returns the size of a file in the place; `None` if there is none.
    fn size_there(&mut self, name: &PlaceName) -> Result<Option<u64>, Error> {
        let (folder, name) = name.split();
        if !self.listed.contains_key(folder) {
            self.listed.insert(folder.to_owned(), self.place.list(folder)?);
        }
        Ok(self.listed[folder].get(name).copied())
    }
}
