//! Directories whose names are made durable.

use std::io::ErrorKind;
use std::path::Path;

use super::error::{During, Error};
use crate::storage::Storage;

/// Creates a directory and makes its name durable.
pub(super) fn ensure_dir(storage: &dyn Storage, directory: &Path) -> Result<(), Error> {
    storage.make_dir(directory).during("create", directory)?;
    let parent = named(directory.parent().unwrap_or(directory));
    storage.sync_dir(parent).during("sync", parent)
}

/// Makes the names of all directories above the dataset durable, because this run or a killed one may have created them.
pub(super) fn sync_above(storage: &dyn Storage, root: &Path) -> Result<(), Error> {
    for directory in root.ancestors().skip(1).map(named) {
        match storage.sync_dir(directory).map_err(|error| (error.kind(), error)) {
            // No directory was created where none may be, and some file systems cannot sync directories.
            Err((ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem, _)) => {}
            Err((ErrorKind::InvalidInput | ErrorKind::Unsupported, _)) => {}
            other => other.map_err(|(_, error)| error).during("sync", directory)?,
        }
    }
    Ok(())
}

/// Returns the directory that a path names: `.` for the empty path.
fn named(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}
