//! Checks the snapshots: whole files, rows in order, no key twice, child rows beside their owner, and a link that leads to a
//! snapshot. Reads only, in little memory.

use std::collections::{BTreeMap, BTreeSet};

use arrow::error::ArrowError;

use super::inventory::{File, Inventory};
use super::latest::owner;
use super::merge::Merge;
use super::merge_columns::{MergeColumns, RowRef};
use super::snapshot_dir::{Latest, Loaded, SnapshotDir, directories};
use crate::dataset::cancel::Cancel;
use crate::dataset::error::Error;
use crate::dataset::layout::Layout;
use crate::dataset::recorded_file::RecordedFile;
use crate::storage::Storage;
use crate::table::Table;
use crate::table::snapshot::Role;

/// Checks every snapshot of a dataset, and calls `done` with the bytes of each file. Returns their number and one sentence for
/// each fault.
///
/// # Errors
/// [`Error::Disk`]; [`Error::Cancelled`].
pub(in crate::dataset) fn check(
    layout: &Layout,
    storage: &dyn Storage,
    cancel: Cancel<'_>,
    done: &mut dyn FnMut(u64),
) -> Result<(u64, Vec<String>), Error> {
    let directory = SnapshotDir::new(layout, storage);
    let (mut checked, mut faults) = (0, Vec::new());
    for number in directory.numbers()? {
        let check = Check { directory: &directory, storage, number, cancel };
        let found = check.snapshot(done);
        // A snapshot that a crawl removed meanwhile is not checked.
        if directory.numbers()?.contains(&number) {
            checked += 1;
            faults.extend(found?.into_iter().map(|fault| format!("snapshot {number}: {fault}")));
        }
    }
    faults.extend(link(&directory)?);
    Ok((checked, faults))
}

/// Returns the bytes of the files of all snapshots, as their inventories have them.
///
/// # Errors
/// [`Error::Disk`].
pub(in crate::dataset) fn bytes_of_snapshots(layout: &Layout, storage: &dyn Storage) -> Result<u64, Error> {
    let directory = SnapshotDir::new(layout, storage);
    let mut bytes = 0;
    for number in directory.numbers()? {
        let inventory = directory.inventory(number)?.sound();
        bytes += inventory.iter().flat_map(|inventory| &inventory.files).map(|file| file.bytes).sum::<u64>();
    }
    Ok(bytes)
}

/// Returns the fault of the link that readers follow.
fn link(directory: &SnapshotDir<'_>) -> Result<Option<String>, Error> {
    loop {
        let latest = directory.latest()?;
        let numbers = directory.numbers()?;
        // A crawl may switch it meanwhile.
        if directory.latest()? != latest {
            continue;
        }
        return Ok(match latest {
            Latest::Broken(fault) => Some(fault),
            Latest::Snapshot(number) if !numbers.contains(&number) => {
                Some(format!("`latest` leads to snapshot {number}, which is missing"))
            }
            Latest::Snapshot(_) | Latest::None => None,
        });
    }
}

struct Check<'a> {
    directory: &'a SnapshotDir<'a>,
    storage: &'a dyn Storage,
    number: u64,
    cancel: Cancel<'a>,
}

impl Check<'_> {
    /// Returns each fault of the snapshot, with its remedy.
    fn snapshot(&self, done: &mut dyn FnMut(u64)) -> Result<Vec<String>, Error> {
        let (strays, faults) = match self.directory.inventory(self.number)? {
            Loaded::Sound(inventory) => (self.strays(&inventory)?, self.files(&inventory, done)?),
            Loaded::Damaged(reason) => (Vec::new(), vec![format!("`snapshot.json` is damaged: {reason}")]),
        };
        let way_out = match self.directory.numbers()?.last() == Some(&self.number) {
            true => "`civitrawl snapshot` makes it anew while there are parts to make it from",
            false => "newer ones do not need it; its directory can be removed",
        };
        Ok(strays.into_iter().chain(faults.into_iter().map(|fault| format!("{fault}; {way_out}"))).collect())
    }

    /// Returns the faults of the files of the snapshot.
    fn files(&self, inventory: &Inventory, done: &mut dyn FnMut(u64)) -> Result<Vec<String>, Error> {
        let (mut faults, mut sound) = (Vec::new(), BTreeMap::new());
        for file in &inventory.files {
            let name = file.file_name();
            let recorded = self.directory.recorded(self.number, file);
            let opened = recorded.open(self.storage, self.cancel).map(|_| None);
            match or_fault(opened)? {
                Some(fault) => faults.push(format!("`{name}` {fault}")),
                None => drop(sound.insert(name, recorded)),
            }
        }
        for file in &inventory.files {
            let of_owner = inventory.files_of(file.table.owner().name, false).find(|owner| owner.range == file.range);
            let owner = of_owner.map(File::file_name);
            let recorded_owner = owner.as_ref().and_then(|name| sound.get(name));
            let is_lost = owner.is_some() && recorded_owner.is_none();
            let Some(recorded) = sound.get(&file.file_name()).filter(|_| !is_lost) else { continue };
            let fault = or_fault(self.rows(file.table, file, recorded, recorded_owner))?;
            faults.extend(fault.map(|fault| format!("`{}` {fault}", file.file_name())));
            done(file.bytes);
        }
        Ok(faults)
    }

    /// Returns a fault for each file in the directory of a table that is not the snapshot's: readers may read it too.
    fn strays(&self, inventory: &Inventory) -> Result<Vec<String>, Error> {
        let known: BTreeSet<String> = inventory.files.iter().map(File::file_name).collect();
        let mut faults = Vec::new();
        for directory in directories(&self.directory.path(self.number), inventory) {
            let table = directory.file_name().unwrap_or_default().to_string_lossy();
            let found = self.directory.entries(&directory)?.into_iter();
            let strays = found.map(|entry| format!("{table}/{}", entry.name)).filter(|name| !known.contains(name));
            faults.extend(
                strays
                    .map(|name| format!("`{}` is not of it, and readers may read it; remove it", name.escape_debug())),
            );
        }
        Ok(faults)
    }

    /// Returns the fault of the rows of a file whose hash is right; of a child table also its owner's file is needed.
    fn rows(
        &self,
        table: &'static Table,
        file: &File,
        recorded: &RecordedFile,
        owner: Option<&RecordedFile>,
    ) -> Result<Option<String>, Error> {
        let columns = if file.history { MergeColumns::of_periods(table) } else { MergeColumns::of_keys(table) };
        let mut rows = self.open(columns, Some(recorded))?;
        let mut owners = match table.role() {
            Role::Child(of) => Some(self.open(MergeColumns::of_keys(of), owner)?),
            Role::Entity | Role::Log => None,
        };
        let (mut count, mut previous): (u64, Option<RowRef>) = (0, None);
        while let Some(row) = rows.next()? {
            if previous.is_some_and(|previous| !follows(&previous, &row)) {
                return Ok(Some(String::from("is not sorted by its key, or holds one twice")));
            }
            if file.range.is_some_and(|range| range != row.range()) {
                return Ok(Some(String::from("holds a row of another range")));
            }
            if let Some(owners) = &mut owners
                && !owned(owners, &row)?
            {
                return Ok(Some(String::from(
                    "holds a row whose owner is not there, or was last seen on another page",
                )));
            }
            (count, previous) = (count + 1, Some(row));
        }
        Ok((count != file.rows).then(|| format!("holds {count} rows; {} were written", file.rows)))
    }

    fn open(&self, columns: Result<MergeColumns, ArrowError>, file: Option<&RecordedFile>) -> Result<Merge<'_>, Error> {
        Merge::open(self.storage, columns, vec![file.cloned().into_iter().collect()], self.cancel)
    }
}

/// Returns the fault of a file where it was met as an error.
fn or_fault(checked: Result<Option<String>, Error>) -> Result<Option<String>, Error> {
    match checked {
        Err(Error::Rotten { reason, .. }) => Ok(Some(reason)),
        other => other,
    }
}

/// True if a row belongs behind another: by its key, or as a later period of the same entity.
fn follows(previous: &RowRef, row: &RowRef) -> bool {
    let from = row.instant("valid_from");
    previous.key() < row.key()
        || (previous.key() == row.key()
            && from.is_some()
            && previous.instant("valid_to").is_some_and(|to| Some(to) <= from))
}

/// True if the owner of a child row is there, is from the same page and was found gone at the same time.
fn owned(owners: &mut Merge<'_>, child: &RowRef) -> Result<bool, Error> {
    Ok(owner(owners, child)?.is_some_and(|owner| owner.instant("gone_at") == child.instant("gone_at")))
}
