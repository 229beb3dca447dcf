//! Where a dataset's snapshots stand: found, put up whole, removed; and the link that says which one readers see.

use std::path::{Path, PathBuf};

use super::inventory::{File, Inventory};
use crate::dataset::damage::Damage;
use crate::dataset::directories::ensure_dir;
use crate::dataset::error::{During, Error};
use crate::dataset::layout::{Layout, latest_number, snapshot_draft_number, snapshot_number};
use crate::dataset::parquet_file::fingerprint;
use crate::storage::Storage;
use crate::table;

/// The snapshots of a dataset.
pub(in crate::dataset) struct Shelf<'a> {
    layout: &'a Layout,
    storage: &'a dyn Storage,
}

impl<'a> Shelf<'a> {
    pub(in crate::dataset) fn new(layout: &'a Layout, storage: &'a dyn Storage) -> Self {
        Self { layout, storage }
    }

    /// The snapshots there are, by number.
    pub(in crate::dataset) fn numbers(&self) -> Result<Vec<u64>, Error> {
        let directory = self.layout.snapshots();
        let entries = self.storage.list(&directory).during("list", &directory)?;
        Ok(entries.iter().filter_map(|entry| snapshot_number(&entry.name)).collect())
    }

    /// The snapshot that readers see; the inner error is what is wrong with the link.
    pub(in crate::dataset) fn latest(&self) -> Result<Option<Result<u64, String>>, Error> {
        let link = self.layout.latest();
        let target = match self.storage.read_symlink(&link) {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                return Ok(Some(Err(Damage::NoLink.to_string())));
            }
            target => target.during("read", &link)?,
        };
        let elsewhere =
            |target: &Path| format!("`latest` leads to `{}`, which is no snapshot's place", target.display());
        Ok(target.map(|target| latest_number(&target).ok_or_else(|| elsewhere(&target))))
    }

    /// Finishes what a run left that died while it made or removed a snapshot.
    pub(in crate::dataset) fn tidy(&self) -> Result<(), Error> {
        let directory = self.layout.snapshots();
        let entries = self.storage.list(&directory).during("list", &directory)?;
        if !entries.is_empty() {
            // What that run renamed and did not sync is relied on from here on: shown, cleared away, made the only place of rows.
            self.storage.sync_dir(&directory).during("sync", &directory)?;
        }
        for number in entries.iter().filter_map(|entry| snapshot_draft_number(&entry.name)) {
            self.clear(number)?;
        }
        let draft = self.layout.latest_draft();
        self.storage.remove(&draft).during("remove", &draft)?;
        match self.numbers()?.last() {
            // It was whole before it got its number.
            Some(newest) if self.latest()? != Some(Ok(*newest)) => self.show(*newest),
            _ => Ok(()),
        }
    }

    /// What a snapshot says it holds; the inner error is what is wrong with that.
    pub(in crate::dataset) fn inventory(&self, number: u64) -> Result<Result<Inventory, String>, Error> {
        let path = Layout::inventory(&self.layout.snapshot(number));
        match self.storage.read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Err("it has no inventory".to_owned())),
            content => Ok(Inventory::decode(number, &content.during("read", &path)?)),
        }
    }

    /// Whether a snapshot holds the rows of commits up to this one, by its inventory and the sizes of its files.
    pub(in crate::dataset) fn seems_to_hold(&self, commit: u64) -> Result<bool, Error> {
        for number in self.numbers()? {
            let directory = self.layout.snapshot(number);
            let there = self.storage.list(&directory).during("list", &directory)?;
            let is_there = |file: &File| {
                let name = format!("{}.parquet", file.name());
                there.iter().any(|entry| entry.name == name && entry.bytes == file.bytes)
            };
            let holds = |taken: Inventory| taken.commit >= commit && taken.files.iter().all(is_there);
            if self.inventory(number)?.is_ok_and(holds) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The path of a snapshot's file; `None` for a table that this version does not know.
    pub(in crate::dataset) fn path(&self, number: u64, file: &File) -> Option<PathBuf> {
        path_in(&self.layout.snapshot(number), file)
    }

    /// What is wrong with a file of a snapshot, its rows aside.
    pub(in crate::dataset) fn fault(&self, number: u64, file: &File) -> Result<Option<String>, Error> {
        let name = file.name();
        let Some(path) = self.path(number, file) else {
            return Ok(Some(format!("`{name}` is of no table that this version knows")));
        };
        match fingerprint(self.storage, &path) {
            Err(Error::Disk { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(Some(format!("`{name}.parquet` is missing")))
            }
            found => {
                let (bytes, hash) = found?;
                let whole = (bytes, &hash) == (file.bytes, &file.hash);
                Ok((!whole).then(|| format!("`{name}.parquet` is not what was written: its hash is another")))
            }
        }
    }

    /// An empty directory for the draft of a snapshot.
    pub(super) fn begin(&self, number: u64) -> Result<PathBuf, Error> {
        let draft = self.layout.snapshot_draft(number);
        ensure_dir(self.storage, &self.layout.snapshots())?;
        ensure_dir(self.storage, &draft)?;
        Ok(draft)
    }

    /// Gives a draft, all of whose files are durable, its number, and shows it to readers.
    pub(super) fn put_up(&self, number: u64) -> Result<(), Error> {
        let (draft, path, all) =
            (self.layout.snapshot_draft(number), self.layout.snapshot(number), self.layout.snapshots());
        self.storage.sync_dir(&draft).during("sync", &draft)?;
        self.storage.rename(&draft, &path).during("create", &path)?;
        self.storage.sync_dir(&all).during("sync", &all)?;
        self.show(number)
    }

    /// Lets the link lead to this snapshot.
    pub(super) fn show(&self, number: u64) -> Result<(), Error> {
        let (draft, link, root) = (self.layout.latest_draft(), self.layout.latest(), self.layout.root());
        self.storage.symlink(&Layout::latest_target(number), &draft).during("create", &draft)?;
        self.storage.rename(&draft, &link).during("replace", &link)?;
        self.storage.sync_dir(root).during("sync", root)
    }

    /// Removes a snapshot that readers no longer see. It is a draft again first, so that it is never seen in part.
    pub(super) fn remove(&self, number: u64) -> Result<(), Error> {
        let (path, draft, all) =
            (self.layout.snapshot(number), self.layout.snapshot_draft(number), self.layout.snapshots());
        self.storage.rename(&path, &draft).during("remove", &path)?;
        self.storage.sync_dir(&all).during("sync", &all)?;
        self.clear(number)
    }

    /// Removes the draft of a snapshot and all that is in it.
    pub(super) fn clear(&self, number: u64) -> Result<(), Error> {
        let draft = self.layout.snapshot_draft(number);
        for entry in self.storage.list(&draft).during("list", &draft)? {
            let path = Layout::entry(&draft, &entry.name);
            self.storage.remove(&path).during("remove", &path)?;
        }
        self.storage.remove_dir(&draft).during("remove", &draft)
    }
}

/// The path of a file in a snapshot's directory; `None` for a table that this version does not know.
pub(super) fn path_in(snapshot: &Path, file: &File) -> Option<PathBuf> {
    let table = table::named(&file.table)?;
    let path = if file.history { Layout::snapshot_history } else { Layout::snapshot_table };
    Some(path(snapshot, table))
}
