//! Reads the records of a dataset without touching it, even while a crawl writes to it.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use super::commit::{Part, chain_hash};
use super::damage::Damage;
use super::error::{During, Error};
use super::layout::{FileHash, Layout, record_number};
use super::manifest::Manifest;
use super::recovery::{Recovery, check_chain, is_full, plan_recovery};
use super::snapshot::snapshot_dir::SnapshotDir;
use crate::storage::{Entry, Storage};
use crate::table::{self, Table};

/// Returns the manifest of a dataset; an empty one if there is no dataset.
///
/// # Errors
/// [`Error::Damaged`] or [`Error::Disk`].
pub fn read_manifest(layout: &Layout, storage: &dyn Storage) -> Result<Manifest, Error> {
    let (manifest, damages) = check_chain(&read_records(layout, storage)?);
    if damages.is_empty() { Ok(manifest) } else { Err(Error::damaged(layout.root(), damages)) }
}

/// Returns the files of the records that count, as (number, content): from the last full one on, or all if none is full.
///
/// # Errors
/// [`Error::Disk`].
pub fn read_records(layout: &Layout, storage: &dyn Storage) -> Result<Vec<(u64, Vec<u8>)>, Error> {
    let mut numbers = record_numbers(layout, storage)?;
    loop {
        let error = match read_back(&numbers, layout, storage) {
            Err(error) if error.is_missing_file() => error,
            other => return other,
        };
        // A running crawl may have removed it after writing a new full record.
        let listed = std::mem::replace(&mut numbers, record_numbers(layout, storage)?);
        if listed == numbers {
            return Err(error);
        }
    }
}

fn read_back(numbers: &[u64], layout: &Layout, storage: &dyn Storage) -> Result<Vec<(u64, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    for commit in numbers.iter().rev().copied() {
        let path = layout.record(commit);
        let content = match storage.read(&path) {
            // It is no regular file.
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let damage = Damage::Record { commit, reason: error.to_string() };
                return Err(Error::damaged(layout.root(), vec![damage]));
            }
            content => content.during("read", &path)?,
        };
        let begins = is_full(commit, &content);
        files.push((commit, content));
        if begins {
            break;
        }
    }
    files.reverse();
    Ok(files)
}

/// Returns the numbers of the records on disk, in order.
pub(super) fn record_numbers(layout: &Layout, storage: &dyn Storage) -> Result<Vec<u64>, Error> {
    let directory = layout.commits();
    let entries = match storage.list(&directory) {
        // The directory, or the dataset, is a file.
        Err(error) if error.kind() == ErrorKind::NotADirectory => Vec::new(),
        entries => entries.during("list", &directory)?,
    };
    let mut numbers: Vec<u64> = entries.iter().filter_map(|entry| record_number(&entry.name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns the files in the parts directory of every table.
///
/// # Errors
/// [`Error::Disk`].
pub fn list_parts(layout: &Layout, storage: &dyn Storage) -> Result<BTreeMap<&'static str, Vec<Entry>>, Error> {
    let list = |table: &&'static Table| {
        let directory = layout.parts(table);
        Ok((table.name, storage.list(&directory).during("list", &directory)?))
    };
    table::ALL.iter().map(list).collect()
}

/// The records of a sound dataset, and the work that an interrupted run left.
pub(super) struct Inspected {
    pub(super) manifest: Manifest,
    pub(super) last_hash: String,
    pub(super) recovery: Recovery,
}

/// Checks everything that a writer relies on, without writing.
pub(super) fn inspect(layout: &Layout, storage: &dyn Storage) -> Result<Inspected, Error> {
    let damaged = |damages| Error::damaged(layout.root(), damages);
    let files = read_records(layout, storage)?;
    let last_hash = files.last().map_or_else(String::new, |(_, content)| chain_hash(content));
    let (manifest, damages) = check_chain(&files);
    if !damages.is_empty() {
        return Err(damaged(damages));
    }
    let files = list_parts(layout, storage)?;
    let recovery = plan_recovery(&manifest, &files).map_err(damaged)?;
    let has_name = |part: &Part| {
        let name = part.name.to_string();
        files.get(part.table.name).is_some_and(|files| files.iter().any(|file| file.name == name))
    };
    for part in recovery.publish.iter().filter(|part| !has_name(part)) {
        // Only a part that is exactly what was committed may get a name ending in `.parquet`.
        let path = layout.staged(part.table, &part.name);
        let content = storage.read(&path).during("read", &path)?;
        if FileHash::of(&content) != part.hash {
            let damage = Damage::PartHash { table: part.table.name.to_owned(), name: part.name.to_string() };
            return Err(damaged(vec![damage]));
        }
    }
    let latest = layout.latest();
    match storage.read_symlink(&latest) {
        Err(error) if error.kind() == ErrorKind::InvalidInput => return Err(damaged(vec![Damage::NoLink])),
        link => link.during("read", &latest)?,
    };
    let snapshots = SnapshotDir::new(layout, storage);
    if let Some(newest) = snapshots.numbers()?.last() {
        // Fails if a newer version made it.
        snapshots.inventory(*newest)?;
    }
    // Hashing whole snapshots takes too long here. Taking the next snapshot does it.
    if manifest.history.absorbed > 0 {
        snapshots.newest_with(manifest.history.absorbed)?;
    }
    Ok(Inspected { manifest, last_hash, recovery })
}
