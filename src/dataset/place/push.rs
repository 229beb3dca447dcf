//! Pushes a dataset to a place, even while a crawl writes to it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::chain::Chain;
use super::copied::Copied;
use super::head::{Head, Snapshot};
use crate::dataset::cancel::{Cancel, check};
use crate::dataset::commit::chain_hash;
use crate::dataset::directories::ensure_dir;
use crate::dataset::error::{During, Error};
use crate::dataset::folder::{self, Folder};
use crate::dataset::layout::{FileHash, Layout, PlaceLayout};
use crate::dataset::recorded_file::RecordedFile;
use crate::dataset::snapshot::inventory::Inventory;
use crate::dataset::snapshot::snapshot_dir::SnapshotDir;
use crate::storage::{Content, Storage};
use crate::table;

/// The content of the lock file of a place.
const MARK: &[u8] = b"civitrawl place\n";

/// Pushes the records of a dataset, the parts that they name and its newest snapshot. What is there already is not sent again.
///
/// # Errors
/// [`Error::Absent`] and [`Error::Foreign`] of the dataset; [`Error::Apart`] if the place holds anything else than an earlier
/// state of this dataset; [`Error::Held`] by another push; [`Error::Damaged`] and [`Error::Rotten`] of either; [`Error::Disk`];
/// [`Error::Cancelled`].
pub fn push(layout: &Layout, place: &PlaceLayout, storage: &dyn Storage, cancel: Cancel<'_>) -> Result<Copied, Error> {
    if folder::recognize(layout, storage)? == Folder::Empty {
        return Err(Error::Absent { dataset: layout.root().to_owned() });
    }
    check_names(place, storage)?;
    let mut seen = State::of(layout, storage)?;
    if seen.chain.records.is_empty() {
        return Err(Error::Absent { dataset: layout.root().to_owned() });
    }
    continued(&seen.chain, place, storage)?;
    storage.make_dir(place.root()).during("create", place.root())?;
    let lock = storage.lock(&place.lock(), MARK).during("lock", &place.lock())?;
    let Some(_lock) = lock else { return Err(Error::held(place.root(), storage, &place.lock(), MARK)) };
    continued(&seen.chain, place, storage)?;
    storage.name_holder(&place.lock(), MARK);
    loop {
        let mut push = Push { layout, place, storage, cancel, copied: Copied::default(), touched: BTreeSet::new() };
        match push.all(&seen) {
            Ok(()) => return Ok(push.copied),
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => {
                // A crawl may have pruned a part or retired the snapshot meanwhile.
                let now = State::of(layout, storage)?;
                if now == seen {
                    return Err(error);
                }
                seen = now;
            }
        }
    }
}

/// Fails if the top of a place holds anything that no push made.
fn check_names(place: &PlaceLayout, storage: &dyn Storage) -> Result<(), Error> {
    let apart = |reason: String| Error::Apart { there: place.root().to_owned(), reason };
    let entries = match storage.list(place.root()) {
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(apart(String::from("is no directory; name a new or an empty one")));
        }
        entries => entries.during("list", place.root())?,
    };
    match entries.iter().find(|entry| !PlaceLayout::NAMES.contains(&entry.name.as_str())) {
        Some(entry) => Err(apart(format!(
            "holds `{}`, which no push made; name a new or an empty directory",
            entry.name.escape_debug()
        ))),
        None => Ok(()),
    }
}

/// Fails unless the place is empty or holds an earlier state of this dataset.
fn continued(chain: &Chain, place: &PlaceLayout, storage: &dyn Storage) -> Result<(), Error> {
    let Some(head) = Head::read(place, storage)? else { return Ok(()) };
    let there = Chain::of_place(place, &head, storage)?;
    chain.continues(&there).map_err(|reason| Error::Apart { there: place.root().to_owned(), reason })
}

/// A dataset at one moment.
struct State {
    chain: Chain,
    /// The newest whole snapshot that these records know.
    snapshot: Option<Inventory>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.chain.last_hash() == other.chain.last_hash() && self.snapshot == other.snapshot
    }
}

impl State {
    fn of(layout: &Layout, storage: &dyn Storage) -> Result<Self, Error> {
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
    place: &'a PlaceLayout,
    storage: &'a dyn Storage,
    cancel: Cancel<'a>,
    copied: Copied,
    /// Directories whose names are not durable yet.
    touched: BTreeSet<PathBuf>,
}

impl Push<'_> {
    fn all(&mut self, state: &State) -> Result<(), Error> {
        let mut listed = BTreeMap::new();
        for part in state.chain.manifest.live_parts() {
            let Some(table) = table::named(&part.table) else { continue };
            let file = RecordedFile::of_part(self.layout, table, part);
            self.send(&file, &self.place.part(table, &part.name), &mut listed)?;
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
                self.send(&recorded, &self.place.table(table, file.history, &hash), &mut listed)?;
                tables.entry(file.name()).or_default().push(PlaceLayout::table_name(table, file.history, &hash));
            }
            let content = self.storage.read(&path).during("read", &path)?;
            let hash = self.send_content(&content, |place, hash| place.inventory(hash))?;
            snapshot = Some(Snapshot { number, inventory: hash });
        }
        for (number, content) in &state.chain.records {
            self.send_content(content, |place, hash| place.record(*number, hash))?;
        }
        for directory in std::mem::take(&mut self.touched) {
            self.storage.sync_dir(&directory).during("sync", &directory)?;
        }
        let Some(record) = state.chain.last_hash() else { return Ok(()) };
        let commit = state.chain.manifest.last_commit();
        (self.copied.commit, self.copied.snapshot) = (commit, snapshot.as_ref().map(|snapshot| snapshot.number));
        Head::new(commit, record, snapshot, tables).write(self.place, self.storage)
    }

    /// Sends a file that has no other content under this name, unless one of its size is there.
    fn send(
        &mut self,
        file: &RecordedFile,
        to: &Path,
        listed: &mut BTreeMap<PathBuf, BTreeMap<String, u64>>,
    ) -> Result<(), Error> {
        check(self.cancel)?;
        let (directory, name) = (to.parent().unwrap_or(to), to.file_name().unwrap_or_default().to_string_lossy());
        if !listed.contains_key(directory) {
            let entries = self.storage.list(directory).during("list", directory)?;
            listed.insert(directory.to_owned(), entries.into_iter().map(|entry| (entry.name, entry.bytes)).collect());
        }
        if listed[directory].get(&*name) == Some(&file.bytes()) {
            self.copied.present += 1;
            // A killed push may have named it without the sync.
            self.touched.insert(directory.to_owned());
            return Ok(());
        }
        let checked = file.open(self.storage, self.cancel)?;
        // Each block is compared with what was hashed.
        self.write(to, &mut |to| io::copy(&mut checked.stream(), to).map(drop))?;
        self.copied.note(file.bytes());
        Ok(())
    }

    /// Sends a content under the name that its hash makes.
    fn send_content(
        &mut self,
        content: &[u8],
        name: impl Fn(&PlaceLayout, &FileHash) -> PathBuf,
    ) -> Result<FileHash, Error> {
        let hash = FileHash::try_from(chain_hash(content)).map_err(|fault| Error::rotten(self.place.root(), fault))?;
        let path = name(self.place, &hash);
        match self.storage.read(&path) {
            Ok(there) if there == content => {
                self.copied.present += 1;
                self.touched.extend(path.parent().map(Path::to_owned));
            }
            _ => {
                self.write(&path, &mut |to| to.write_all(content))?;
                self.copied.note(content.len() as u64);
            }
        }
        Ok(hash)
    }

    /// Writes a file, which gets its name once its content is durable.
    fn write(&mut self, path: &Path, content: &mut Content<'_>) -> Result<(), Error> {
        let (directory, draft) = (path.parent().unwrap_or(path), PlaceLayout::draft(path));
        if !self.touched.contains(directory) {
            let above = directory.parent().unwrap_or(directory);
            ensure_dir(self.storage, above)?;
            ensure_dir(self.storage, directory)?;
        }
        self.storage.write(&draft, content).during("write", &draft)?;
        self.storage.rename(&draft, path).during("create", path)?;
        self.touched.insert(directory.to_owned());
        Ok(())
    }
}
