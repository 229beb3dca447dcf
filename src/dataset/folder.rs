//! Recognizes the directory of a dataset, so that no other one is written to or swept.

use std::io::ErrorKind;

use super::error::{During, Error};
use super::layout::Layout;
use super::read::record_numbers;
use crate::storage::Storage;

/// The first bytes of a lock file, by which a dataset without records is recognized.
pub(super) const MARK: &[u8] = b"civitrawl\n";

/// The content of a directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Folder {
    /// There is nothing, or not even the directory.
    Empty,
    /// A dataset, or the beginning of one.
    Dataset,
}

/// Recognizes a directory by its records or its lock file, or by having nothing in it but what an interrupted first opening made.
///
/// # Errors
/// [`Error::Foreign`] if it holds anything else; [`Error::Disk`].
pub(super) fn recognize(layout: &Layout, storage: &dyn Storage) -> Result<Folder, Error> {
    let foreign = || Error::Foreign { dataset: layout.root().to_owned() };
    let entries = match storage.list(layout.root()) {
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Err(foreign()),
        entries => entries.during("list", layout.root())?,
    };
    // The root of a file system may hold this directory, and nothing else.
    let names: Vec<&str> =
        entries.iter().map(|entry| entry.name.as_str()).filter(|name| *name != "lost+found").collect();
    if names.is_empty() {
        return Ok(Folder::Empty);
    }
    let lock =
        if names.contains(&".lock") { storage.read(&layout.lock()).unwrap_or_else(|_| vec![1]) } else { Vec::new() };
    let is_begun = |name: &&str| match *name {
        // A power loss may leave a part of the mark, or zeros.
        ".lock" => MARK.starts_with(&lock) || lock.iter().all(|byte| *byte == 0),
        _ if Layout::entry(layout.root(), name) == layout.probe() => true,
        "commits" | "parts" | "runs" | "snapshots" => {
            storage.list(&Layout::entry(layout.root(), name)).is_ok_and(|entries| entries.is_empty())
        }
        _ => false,
    };
    if lock.starts_with(MARK) || names.iter().all(is_begun) || !record_numbers(layout, storage)?.is_empty() {
        return Ok(Folder::Dataset);
    }
    Err(foreign())
}

/// Fails unless a directory that is only read holds a dataset.
///
/// # Errors
/// [`Error::Absent`] if it holds none; [`Error::Disk`].
pub(super) fn require(layout: &Layout, storage: &dyn Storage) -> Result<(), Error> {
    match recognize(layout, storage) {
        Ok(Folder::Empty) | Err(Error::Foreign { .. }) => Err(Error::Absent { dataset: layout.root().to_owned() }),
        found => found.map(drop),
    }
}
