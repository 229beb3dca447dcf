//! Checks what snapshots promise: whole files, rows in order, no key twice, child rows beside their owner, and a link that
//! leads to a snapshot. Reads only, in little memory.

use std::path::PathBuf;

use arrow::error::ArrowError;

use super::form::{Form, Place};
use super::inventory::{File, Inventory};
use super::merge::Merge;
use super::shelf::Shelf;
use crate::dataset::error::Error;
use crate::dataset::layout::Layout;
use crate::storage::Storage;
use crate::table::snapshot::Role;
use crate::table::{self, Table};

/// Checks every snapshot of a dataset: how many there are, and every fault, a sentence each.
///
/// # Errors
/// [`Error::Disk`].
pub(in crate::dataset) fn check(layout: &Layout, storage: &dyn Storage) -> Result<(u64, Vec<String>), Error> {
    let shelf = Shelf::new(layout, storage);
    let (mut checked, mut faults) = (0, Vec::new());
    for number in shelf.numbers()? {
        let check = Check { shelf: &shelf, storage, number };
        let found = check.snapshot();
        // One that was retired meanwhile promises nothing any more.
        if shelf.numbers()?.contains(&number) {
            checked += 1;
            let way_out = match shelf.numbers()?.last() == Some(&number) {
                true => "`civitrawl snapshot` makes it anew while there are parts to make it from",
                false => "newer ones do not need it; its directory can be removed",
            };
            faults.extend(found?.into_iter().map(|fault| format!("snapshot {number}: {fault}; {way_out}")));
        }
    }
    faults.extend(link(&shelf)?);
    Ok((checked, faults))
}

/// What is wrong with the link that readers follow.
fn link(shelf: &Shelf<'_>) -> Result<Option<String>, Error> {
    loop {
        let latest = shelf.latest()?;
        let numbers = shelf.numbers()?;
        // It may be switched meanwhile.
        if shelf.latest()? != latest {
            continue;
        }
        return Ok(match latest {
            Some(Err(fault)) => Some(fault),
            Some(Ok(number)) if !numbers.contains(&number) => {
                Some(format!("`latest` leads to snapshot {number}, which is missing"))
            }
            _ => None,
        });
    }
}

struct Check<'a> {
    shelf: &'a Shelf<'a>,
    storage: &'a dyn Storage,
    number: u64,
}

impl Check<'_> {
    fn snapshot(&self) -> Result<Vec<String>, Error> {
        let inventory = match self.shelf.inventory(self.number)? {
            Ok(inventory) => inventory,
            Err(reason) => return Ok(vec![format!("`snapshot.json` is damaged: {reason}")]),
        };
        let (mut faults, mut broken) = (Vec::new(), Vec::new());
        for file in &inventory.files {
            if let Some(fault) = self.shelf.fault(self.number, file)? {
                faults.push(fault);
                broken.push(file.table.as_str());
            }
        }
        for file in &inventory.files {
            let Some(table) = table::named(&file.table) else { continue };
            let owner = if let Role::Child(owner) = table.role() { owner.name } else { table.name };
            // What is not what was written may not even be readable.
            if !broken.contains(&table.name) && !broken.contains(&owner) {
                let fault = self.rows(&inventory, table, file)?;
                faults.extend(fault.map(|fault| format!("`{}.parquet` {fault}", file.name())));
            }
        }
        Ok(faults)
    }

    /// What is wrong with the rows of a file that is, byte for byte, what was written.
    fn rows(&self, inventory: &Inventory, table: &'static Table, file: &File) -> Result<Option<String>, Error> {
        let form = if file.history { Form::of_periods(table) } else { Form::of_keys(table) };
        let mut rows = self.open(form, Some(file))?;
        let mut owners = match table.role() {
            Role::Child(owner) => Some(self.open(Form::of_keys(owner), inventory.file(owner.name, false))?),
            Role::Entity | Role::Log => None,
        };
        let (mut count, mut previous): (u64, Option<Place>) = (0, None);
        while let Some(row) = rows.next()? {
            if previous.is_some_and(|previous| !follows(&previous, &row)) {
                return Ok(Some(String::from("is not sorted by its key, or holds one twice")));
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

    fn open(&self, form: Result<Form, ArrowError>, file: Option<&File>) -> Result<Merge, Error> {
        let path: Option<PathBuf> = file.and_then(|file| self.shelf.path(self.number, file));
        Merge::open(self.storage, form, path.as_slice())
    }
}

/// Whether a row stands behind another: by its key, or as a later period of the same thing.
fn follows(previous: &Place, row: &Place) -> bool {
    let from = row.instant("valid_from");
    previous.key() < row.key()
        || (previous.key() == row.key()
            && from.is_some()
            && previous.instant("valid_to").is_some_and(|to| Some(to) <= from))
}

/// Whether a child row's owner is there, and won with the page that shows the row.
fn owned(owners: &mut Merge, child: &Place) -> Result<bool, Error> {
    Ok(super::winner::owner(owners, child)?.is_some_and(|owner| owner.instant("gone_at") == child.instant("gone_at")))
}
