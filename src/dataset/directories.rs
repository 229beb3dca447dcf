//! Directories whose names are made durable.

use std::path::Path;

use super::error::{During, Error};
use crate::storage::{Failed, Storage, Unsynced};

/// Creates a directory and makes its name durable.
pub(super) fn ensure_dir(storage: &dyn Storage, directory: &Path) -> Result<(), Error> {
    storage.make_dir(directory).during("create", directory)?;
    let parent = named(directory.parent().unwrap_or(directory));
    storage.sync_dir(parent).during("sync", parent)
}

/// Makes the names of a batch, and its contents, durable side by side.
pub(super) fn sync_all(storage: &dyn Storage, batch: Vec<Unsynced>) -> Result<(), Error> {
    match storage.sync(batch).into_iter().next() {
        Some(Failed { path, error }) => Err(error).during("sync", &path),
        None => Ok(()),
    }
}

/// Returns the directory that a path names: `.` for the empty path.
pub(super) fn named(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}
