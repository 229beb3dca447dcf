//! Pulls a dataset from a place into a directory that is empty or holds an earlier state of it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chain::{Chain, read_named};
use super::copied::Copied;
use super::head::Head;
use super::kept::Place;
use super::several::several;
use crate::dataset::cancel::{Cancel, check};
use crate::dataset::checksummed_json::Fault;
use crate::dataset::directories::{ensure_dir, sync_all};
use crate::dataset::error::{During, Error};
use crate::dataset::folder;
use crate::dataset::layout::{Layout, PlaceName};
use crate::dataset::recorded_file::{RecordedFile, create_recorded};
use crate::dataset::snapshot::inventory::Inventory;
use crate::dataset::snapshot::snapshot_dir::{SnapshotDir, path_in};
use crate::dataset::store::Store;
use crate::storage::{Storage, Unsynced};
use crate::table;

/// Pulls what the head of a place names. What is there already is not fetched again.
///
/// # Errors
/// [`Error::NotPushed`] if nothing was pushed there; [`Error::Apart`] and [`Error::Foreign`] if the directory holds anything else
/// than an earlier state of that dataset; [`Error::Held`]; [`Error::Damaged`], [`Error::Rotten`] and [`Error::Newer`] of either,
/// and then no commit was added; [`Error::Disk`]; [`Error::Cancelled`].
pub fn pull(
    place: &dyn Place,
    layout: &Layout,
    storage: Arc<dyn Storage>,
    cancel: Cancel<'_>,
) -> Result<Copied, Error> {
    let Some((head, _)) = Head::read(place)?.filter(|(head, _)| head.commit > 0) else {
        return Err(Error::NotPushed { place: place.root().to_owned() });
    };
    let there = Chain::of_place(place, &head)?;
    let snapshot = inventory(place, &head)?;
    pull_these(&there, snapshot, place, layout, storage, cancel)
}

/// Pulls these records of a place and this snapshot.
pub(super) fn pull_these(
    there: &Chain,
    snapshot: Option<(Inventory, Vec<u8>)>,
    place: &dyn Place,
    layout: &Layout,
    storage: Arc<dyn Storage>,
    cancel: Cancel<'_>,
) -> Result<Copied, Error> {
    folder::recognize(layout, &*storage)?;
    let continued =
        |here: &Chain| there.continues(here).map_err(|reason| Error::Apart { there: layout.root().to_owned(), reason });
    continued(&Chain::of_dataset(layout, &*storage)?)?;
    storage.make_dir(layout.root()).during("create", layout.root())?;
    let lock = storage.lock(&layout.lock(), folder::MARK).during("lock", &layout.lock())?;
    let Some(lock) = lock else {
        return Err(Error::held(layout.root(), &*storage, &layout.lock(), folder::MARK));
    };
    let here = Chain::of_dataset(layout, &*storage)?;
    continued(&here)?;
    storage.name_holder(&layout.lock(), folder::MARK);
    let pull = Pull { place, layout, storage: &*storage, cancel, copied: Mutex::default() };
    pull.parts(there)?;
    let snapshot = snapshot.map(|(inventory, content)| pull.snapshot(inventory, &content)).transpose()?;
    pull.withdraw(&here, there)?;
    pull.records(&here, there)?;
    if let Some((inventory, true)) = &snapshot {
        SnapshotDir::new(layout, &*storage).publish(inventory)?;
    }
    let mut copied = pull.copied.into_inner().unwrap_or_else(PoisonError::into_inner);
    (copied.commit, copied.snapshot) =
        (there.manifest.last_commit(), snapshot.map(|(inventory, _)| inventory.snapshot));
    drop(lock);
    // Publishes the parts, and removes what was withdrawn.
    match Store::open(layout.clone(), storage) {
        Ok(_) | Err(Error::Held { .. }) => Ok(copied),
        Err(error) => Err(error),
    }
}

/// Returns the inventory that the head of a place names, and its content.
pub(super) fn inventory(place: &dyn Place, head: &Head) -> Result<Option<(Inventory, Vec<u8>)>, Error> {
    let Some(snapshot) = &head.snapshot else { return Ok(None) };
    let name = PlaceName::inventory(&snapshot.inventory);
    let content = read_named(place, &name, &snapshot.inventory)?;
    match Inventory::decode(snapshot.number, &content) {
        Ok(inventory) => Ok(Some((inventory, content))),
        Err(Fault::Damaged(reason)) => Err(Error::rotten(&place.path(&name), format!("is damaged: {reason}"))),
        Err(Fault::Newer(newer)) => Err(Error::Newer { dataset: place.root().to_owned(), newer }),
    }
}

/// A pull under way.
struct Pull<'a> {
    place: &'a dyn Place,
    layout: &'a Layout,
    storage: &'a dyn Storage,
    cancel: Cancel<'a>,
    copied: Mutex<Copied>,
}

impl Pull<'_> {
    /// Fetches the parts that are not here to their staged names, by which nothing reads them before a record names them.
    fn parts(&self, there: &Chain) -> Result<(), Error> {
        let (mut due, mut directories) = (Vec::new(), Vec::new());
        for table in table::ALL {
            let directory = self.layout.parts(table);
            let parts = there.manifest.live_parts().filter(|part| part.table == *table);
            let mut parts = parts.peekable();
            if parts.peek().is_none() {
                continue;
            }
            ensure_dir(self.storage, self.layout.root())?;
            ensure_dir(self.storage, directory.parent().unwrap_or(&directory))?;
            ensure_dir(self.storage, &directory)?;
            let entries = self.storage.list(&directory).during("list", &directory)?;
            let present: BTreeMap<String, u64> = entries.into_iter().map(|entry| (entry.name, entry.bytes)).collect();
            for part in parts {
                if present.get(&part.name.to_string()) == Some(&part.bytes) {
                    self.copied().present += 1;
                    continue;
                }
                let staged = RecordedFile::new(self.layout.staged(table, &part.name), part.bytes, part.hash);
                due.push((PlaceName::part(table, &part.name), staged));
            }
            directories.push(Unsynced::Names(directory));
        }
        several(&due, self.cancel, |(from, to), cancel| self.fetch(from, to, cancel))?;
        sync_all(self.storage, directories)
    }

    /// Fetches the files of the snapshot to a draft. Returns true unless the snapshot is here already.
    fn snapshot(&self, inventory: Inventory, content: &[u8]) -> Result<(Inventory, bool), Error> {
        let number = inventory.snapshot;
        let snapshots = SnapshotDir::new(self.layout, self.storage);
        if let Some(newest) = snapshots.numbers()?.last().copied().filter(|newest| *newest >= number) {
            let path = Layout::inventory(&self.layout.snapshot(newest));
            if newest == number && self.storage.read(&path).is_ok_and(|here| here == content) {
                self.copied().present += inventory.files.len() as u64;
                return Ok((inventory, false));
            }
            let reason = format!("holds a snapshot {newest} of its own; name a new directory");
            return Err(Error::Apart { there: self.layout.root().to_owned(), reason });
        }
        let (draft, mut due) = (snapshots.begin(number)?, Vec::new());
        for file in &inventory.files {
            let path = path_in(&draft, file);
            if file.range.is_some() {
                ensure_dir(self.storage, path.parent().unwrap_or(&path))?;
            }
            let source = PlaceName::table(file.table, file.history, &file.hash);
            due.push((source, RecordedFile::new(path, file.bytes, file.hash)));
        }
        several(&due, self.cancel, |(from, to), cancel| self.fetch(from, to, cancel))?;
        let path = Layout::inventory(&draft);
        self.storage.write(&path, &mut |to| to.write_all(content)).during("write", &path)?;
        Ok((inventory, true))
    }

    /// Gives the parts that are no longer named their staged names again: an earlier state still finds them, and a later one
    /// sweeps them.
    fn withdraw(&self, here: &Chain, there: &Chain) -> Result<(), Error> {
        for part in here.manifest.live_parts().filter(|part| !there.has(part)) {
            let (table, layout) = (part.table, self.layout);
            let (path, staged) = (layout.part(table, &part.name), layout.staged(table, &part.name));
            match self.storage.rename(&path, &staged) {
                // The same pull was killed after this.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                renamed => renamed.during("withdraw", &path)?,
            }
            let directory = self.layout.parts(table);
            self.storage.sync_dir(&directory).during("sync", &directory)?;
        }
        Ok(())
    }

    /// Adds the records that are not here, in order.
    fn records(&self, here: &Chain, there: &Chain) -> Result<(), Error> {
        let directory = self.layout.commits();
        ensure_dir(self.storage, &directory)?;
        for (number, content) in there.records.iter().filter(|(number, _)| *number > here.manifest.last_commit()) {
            let (draft, path) = (self.layout.record_draft(*number), self.layout.record(*number));
            self.storage.write(&draft, &mut |to| to.write_all(content)).during("write", &draft)?;
            self.storage.rename(&draft, &path).during("create", &path)?;
            self.storage.sync_dir(&directory).during("sync", &directory)?;
            self.copied().note(content.len() as u64);
        }
        Ok(())
    }

    /// Fetches a file, unless a killed pull did. It is durable, and it is what is recorded, or this fails.
    fn fetch(&self, from: &PlaceName, to: &RecordedFile, cancel: Cancel<'_>) -> Result<(), Error> {
        if to.open(self.storage, cancel).is_ok() {
            self.copied().present += 1;
            return Ok(());
        }
        let (mut fetched, path) = (Ok(()), to.path());
        let written = create_recorded(self.storage, path, &mut |writer| {
            let mut sink = |block: &[u8]| check(cancel).and_then(|()| writer.write_all(block).during("write", path));
            fetched = self.place.fetch(from, to.bytes(), &mut sink);
            // The error itself is kept beside.
            fetched.as_ref().map_err(|_| ErrorKind::Other.into()).copied()
        });
        fetched?;
        let (written, unsynced) = written.during("write", path)?;
        if written.hash() != to.hash() {
            return Err(Error::other_hash(&self.place.path(from)));
        }
        self.storage.sync_one(unsynced).during("write", path)?;
        self.copied().note(to.bytes());
        Ok(())
    }

    fn copied(&self) -> MutexGuard<'_, Copied> {
        self.copied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
