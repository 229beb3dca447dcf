//! The directory of a dataset's snapshots, and the link `latest` that readers follow.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::inventory::{File, Inventory};
use crate::dataset::checksummed_json::Fault;
use crate::dataset::damage::Damage;
use crate::dataset::directories::ensure_dir;
use crate::dataset::error::{During, Error};
use crate::dataset::layout::{Layout, latest_number, snapshot_draft_number, snapshot_number};
use crate::dataset::recorded_file::RecordedFile;
use crate::storage::{Entry, Storage};

/// The snapshots of a dataset.
pub(in crate::dataset) struct SnapshotDir<'a> {
    layout: &'a Layout,
    storage: &'a dyn Storage,
}

/// The snapshot that readers see.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::dataset) enum Latest {
    /// There is no link.
    None,
    /// The link leads to the place of this snapshot.
    Snapshot(u64),
    /// The link is not usable, for this reason.
    Broken(String),
}

/// The inventory of a snapshot, as it was read.
pub(in crate::dataset) enum Loaded {
    /// It is whole.
    Sound(Inventory),
    /// It is missing or damaged, for this reason.
    Damaged(String),
}

impl Loaded {
    /// Returns the inventory if it is whole.
    pub(in crate::dataset) fn sound(self) -> Option<Inventory> {
        if let Self::Sound(inventory) = self { Some(inventory) } else { None }
    }
}

impl<'a> SnapshotDir<'a> {
    pub(in crate::dataset) fn new(layout: &'a Layout, storage: &'a dyn Storage) -> Self {
        Self { layout, storage }
    }

    /// Returns the numbers of all snapshots, in order.
    pub(in crate::dataset) fn numbers(&self) -> Result<Vec<u64>, Error> {
        let directory = self.layout.snapshots();
        let entries = self.storage.list(&directory).during("list", &directory)?;
        Ok(entries.iter().filter_map(|entry| snapshot_number(&entry.name)).collect())
    }

    /// Returns the snapshot that readers see.
    pub(in crate::dataset) fn latest(&self) -> Result<Latest, Error> {
        let link = self.layout.latest();
        let target = match self.storage.read_symlink(&link) {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                return Ok(Latest::Broken(Damage::NoLink.to_string()));
            }
            target => target.during("read", &link)?,
        };
        let Some(target) = target else { return Ok(Latest::None) };
        Ok(match latest_number(&target) {
            Some(number) => Latest::Snapshot(number),
            None => Latest::Broken(format!("`latest` leads to `{}`, which is no snapshot's place", target.display())),
        })
    }

    /// Finishes the work of a run that was killed while it made or removed a snapshot.
    pub(in crate::dataset) fn recover(&self) -> Result<(), Error> {
        let directory = self.layout.snapshots();
        let entries = self.storage.list(&directory).during("list", &directory)?;
        if !entries.is_empty() {
            // That run may have renamed a directory without syncing it. From here on its name must last.
            self.storage.sync_dir(&directory).during("sync", &directory)?;
        }
        for number in entries.iter().filter_map(|entry| snapshot_draft_number(&entry.name)) {
            self.clear(number)?;
        }
        let draft = self.layout.latest_draft();
        self.storage.remove(&draft).during("remove", &draft)?;
        match self.numbers()?.last() {
            // A snapshot gets its number only when it is whole, so readers may see it.
            Some(newest) if self.latest()? != Latest::Snapshot(*newest) => self.switch_latest(*newest),
            _ => Ok(()),
        }
    }

    /// Reads the inventory of a snapshot.
    pub(in crate::dataset) fn inventory(&self, number: u64) -> Result<Loaded, Error> {
        let path = Layout::inventory(&self.layout.snapshot(number));
        let content = match self.storage.read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Loaded::Damaged("it has no inventory".to_owned()));
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Ok(Loaded::Damaged(format!("its inventory cannot be read: {error}")));
            }
            content => content.during("read", &path)?,
        };
        Ok(match Inventory::decode(number, &content) {
            Ok(inventory) => Loaded::Sound(inventory),
            Err(Fault::Damaged(reason)) => Loaded::Damaged(reason),
            Err(Fault::Newer(newer)) => return Err(Error::Newer { dataset: self.layout.root().to_owned(), newer }),
        })
    }

    /// Returns the newest snapshot that holds the rows of all commits up to this one, judged by its inventory and the sizes of
    /// its files.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the fault of each snapshot if there is none; [`Error::Disk`].
    pub(in crate::dataset) fn newest_with(&self, commit: u64) -> Result<Inventory, Error> {
        let mut damages = vec![Damage::LostSnapshot { commit }];
        for snapshot in self.numbers()?.into_iter().rev() {
            match self.inventory(snapshot)? {
                Loaded::Damaged(fault) => damages.push(damaged_inventory(snapshot, &fault)),
                Loaded::Sound(taken) if taken.commit < commit => {}
                Loaded::Sound(taken) => match self.misfit(&taken)? {
                    None => return Ok(taken),
                    Some(damage) => damages.push(damage),
                },
            }
        }
        Err(Error::Damaged { dataset: self.layout.root().to_owned(), damages })
    }

    /// Returns the damage of the first file of a snapshot that is missing or has another size than was written.
    pub(super) fn misfit(&self, inventory: &Inventory) -> Result<Option<Damage>, Error> {
        let snapshot = inventory.snapshot;
        let mut listed: BTreeMap<PathBuf, Vec<Entry>> = BTreeMap::new();
        for file in &inventory.files {
            let path = path_in(&self.layout.snapshot(snapshot), file);
            let (directory, name) = (path.parent().unwrap_or(&path), path.file_name().unwrap_or_default());
            if !listed.contains_key(directory) {
                listed.insert(directory.to_owned(), self.entries(directory)?);
            }
            let found = listed[directory].iter().find(|entry| *entry.name == *name);
            let fault = match found {
                None => "is missing",
                Some(entry) if entry.bytes != file.bytes => "has another size than was written",
                Some(_) => continue,
            };
            return Ok(Some(Damage::Snapshot { snapshot, file: file.file_name(), fault: fault.to_owned() }));
        }
        Ok(None)
    }

    /// Returns the files in a directory of a snapshot; none if a file is in its place.
    pub(super) fn entries(&self, directory: &Path) -> Result<Vec<Entry>, Error> {
        match self.storage.list(directory) {
            Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(Vec::new()),
            entries => entries.during("list", directory),
        }
    }

    /// Returns the directory of a snapshot.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.layout.snapshot(number)
    }

    /// Returns a snapshot's file as its inventory records it.
    pub(in crate::dataset) fn recorded(&self, number: u64, file: &File) -> RecordedFile {
        RecordedFile::new(path_in(&self.layout.snapshot(number), file), file.bytes, file.hash)
    }

    /// Creates an empty directory for the draft of a snapshot. Returns its path.
    pub(in crate::dataset) fn begin(&self, number: u64) -> Result<PathBuf, Error> {
        let draft = self.layout.snapshot_draft(number);
        ensure_dir(self.storage, &self.layout.snapshots())?;
        ensure_dir(self.storage, &draft)?;
        Ok(draft)
    }

    /// Gives a draft its number and switches `latest` to it. The content of its files must be durable; their names are made so.
    pub(in crate::dataset) fn publish(&self, inventory: &Inventory) -> Result<(), Error> {
        let number = inventory.snapshot;
        let (draft, path, all) =
            (self.layout.snapshot_draft(number), self.layout.snapshot(number), self.layout.snapshots());
        for directory in directories(&draft, inventory) {
            self.storage.sync_dir(&directory).during("sync", &directory)?;
        }
        self.storage.sync_dir(&draft).during("sync", &draft)?;
        self.storage.rename(&draft, &path).during("create", &path)?;
        self.storage.sync_dir(&all).during("sync", &all)?;
        self.switch_latest(number)
    }

    /// Replaces `latest` atomically by a link to this snapshot.
    pub(super) fn switch_latest(&self, number: u64) -> Result<(), Error> {
        let (draft, link, root) = (self.layout.latest_draft(), self.layout.latest(), self.layout.root());
        self.storage.symlink(&Layout::latest_target(number), &draft).during("create", &draft)?;
        self.storage.rename(&draft, &link).during("replace", &link)?;
        self.storage.sync_dir(root).during("sync", root)
    }

    /// Removes a snapshot that is not the latest. It becomes a draft first, so that nobody sees a part of it.
    pub(super) fn remove(&self, number: u64) -> Result<(), Error> {
        let (path, draft, all) =
            (self.layout.snapshot(number), self.layout.snapshot_draft(number), self.layout.snapshots());
        self.storage.rename(&path, &draft).during("remove", &path)?;
        self.storage.sync_dir(&all).during("sync", &all)?;
        self.clear(number)
    }

    /// Removes the draft of a snapshot and all that is in it.
    pub(super) fn clear(&self, number: u64) -> Result<(), Error> {
        self.remove_all(&self.layout.snapshot_draft(number))
    }

    /// Removes a file, or a directory and all that is in it, also what others put there. What a link leads to is not touched.
    fn remove_all(&self, path: &Path) -> Result<(), Error> {
        match self.storage.read_symlink(path) {
            // It is no link.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            Err(error) => return Err(error).during("read", path),
            Ok(_) => return self.storage.remove(path).during("remove", path),
        }
        let entries = match self.storage.list(path) {
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return self.storage.remove(path).during("remove", path);
            }
            entries => entries.during("list", path)?,
        };
        for entry in entries {
            self.remove_all(&Layout::entry(path, &entry.name))?;
        }
        self.storage.remove_dir(path).during("remove", path)
    }
}

/// Returns the damage that the inventory of a snapshot has this fault.
pub(super) fn damaged_inventory(snapshot: u64, fault: &str) -> Damage {
    Damage::Snapshot { snapshot, file: String::from("snapshot.json"), fault: format!("is damaged: {fault}") }
}

/// Returns the path of a file in a snapshot's directory.
pub(in crate::dataset) fn path_in(snapshot: &Path, file: &File) -> PathBuf {
    let of_table = Layout::snapshot_file(snapshot, file.table, file.history);
    file.range.map_or_else(|| of_table.clone(), |range| Layout::snapshot_range(&of_table, range))
}

/// Returns the directories of tables that are kept in ranges, in a snapshot's directory.
pub(super) fn directories(snapshot: &Path, inventory: &Inventory) -> BTreeSet<PathBuf> {
    let in_ranges = inventory.files.iter().filter(|file| file.range.is_some());
    in_ranges.filter_map(|file| path_in(snapshot, file).parent().map(Path::to_owned)).collect()
}
