//! The facts known about a version's file, from the server or from a dataset.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::verbatim;
use crate::dataset::Error;
use crate::dataset::columns::Columns;
use crate::dataset::layout::Layout;
use crate::dataset::scan::each_batch;
use crate::storage::Storage;
use crate::table::{file_hashes, version_files};

/// Error of a size that the server states, in bytes.
pub(super) const SIZE_SLACK: u64 = 1024;

/// The facts known about a file before it arrives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    /// Its name, as the server sent it.
    pub name: Option<String>,
    /// Its size in bytes, within a kilobyte.
    pub bytes: Option<u64>,
    /// Its SHA256, in upper-case hexadecimal.
    pub sha256: Option<String>,
}

/// The difference between a file and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Other bytes.
    #[error("its SHA256 is {found}, {expected} was expected")]
    Hash {
        /// Its SHA256.
        found: String,
        /// The expected SHA256.
        expected: String,
    },
    /// More or fewer bytes.
    #[error("it has {found} bytes, about {expected} were expected")]
    Size {
        /// Its size in bytes.
        found: u64,
        /// The expected size in bytes.
        expected: u64,
    },
}

impl Expected {
    /// Returns the facts in the server's JSON of a version: those of its primary file.
    pub fn of_version(text: &str) -> Self {
        let file = verbatim::primary_file(text);
        Self { name: file.name, bytes: file.size_kb.map(bytes), sha256: file.sha256 }
    }

    /// Checks a file of this size and hash. The hash decides if it is known, else the size.
    ///
    /// # Errors
    /// The difference.
    pub fn check(&self, bytes: u64, sha256: &str) -> Result<(), Mismatch> {
        match (&self.sha256, self.bytes) {
            (Some(expected), _) if expected != sha256 => {
                Err(Mismatch::Hash { found: sha256.to_owned(), expected: expected.clone() })
            }
            (None, Some(expected)) if !self.has_size(bytes) => Err(Mismatch::Size { found: bytes, expected }),
            _ => Ok(()),
        }
    }

    /// Returns true when this may be its size.
    pub fn has_size(&self, bytes: u64) -> bool {
        self.bytes.is_none_or(|expected| bytes.abs_diff(expected) <= SIZE_SLACK)
    }
}

fn bytes(kilobytes: f64) -> u64 {
    (kilobytes * 1024.0).round() as u64
}

/// Returns the primary files of these versions as a dataset observed them last; versions without one are left out.
///
/// # Errors
/// [`Error::Disk`].
pub fn primary_files(
    layout: &Layout,
    storage: &dyn Storage,
    versions: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, Expected>, Error> {
    let mut files: BTreeMap<i64, (i64, i64, Expected)> = BTreeMap::new();
    let columns = ["version_id", "id", "name", "size_kb", "is_primary", "fetched_at"];
    each_batch(layout, storage, &version_files::TABLE, &columns, &mut |batch| {
        let (of_versions, ids, instants) =
            (batch.numbers("version_id"), batch.numbers("id"), batch.instants("fetched_at"));
        let (names, sizes, primary) = (batch.texts("name"), batch.decimals("size_kb"), batch.flags("is_primary"));
        for row in 0..batch.num_rows() {
            let version = of_versions.get(row).filter(|version| versions.contains(version));
            let (Some(version), Some(id)) = (version, ids.get(row)) else { continue };
            let at = instants.get(row).unwrap_or_default();
            let newest = files.get(&version).is_none_or(|(_, seen, _)| *seen <= at);
            if newest && primary.get(row) == Some(true) {
                let bytes = sizes.get(row).map(bytes);
                let expected = Expected { name: names.get(row).map(str::to_owned), bytes, sha256: None };
                files.insert(version, (id, at, expected));
            }
        }
    })?;
    let columns = ["version_id", "file_id", "algorithm", "hash"];
    each_batch(layout, storage, &file_hashes::TABLE, &columns, &mut |batch| {
        let (of_versions, ids) = (batch.numbers("version_id"), batch.numbers("file_id"));
        let (algorithms, hashes) = (batch.texts("algorithm"), batch.texts("hash"));
        for row in 0..batch.num_rows() {
            let version = of_versions.get(row);
            let Some((file, _, expected)) = version.and_then(|version| files.get_mut(&version)) else { continue };
            if algorithms.get(row) == Some("SHA256") && ids.get(row) == Some(*file) {
                expected.sha256 = hashes.get(row).map(str::to_ascii_uppercase);
            }
        }
    })?;
    Ok(files.into_iter().map(|(version, (_, _, expected))| (version, expected)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_decides_and_else_the_size() {
        let known = |bytes, sha256: Option<&str>| Expected { name: None, bytes, sha256: sha256.map(str::to_owned) };
        assert!(known(Some(9_999), Some("AB")).check(5, "AB").is_ok());
        assert!(matches!(known(None, Some("AB")).check(5, "CD"), Err(Mismatch::Hash { .. })));
        assert!(matches!(known(Some(5_000), None).check(6_100, "CD"), Err(Mismatch::Size { .. })));
        assert!(known(Some(5_000), None).check(5_900, "CD").is_ok() && known(None, None).check(1, "").is_ok());
    }
}
