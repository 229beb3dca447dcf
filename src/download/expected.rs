//! The facts known about a version's file, from the server or from a dataset.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array as _, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMillisecondType};

use crate::api::verbatim;
use crate::dataset::Error;
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
        for row in 0..batch.num_rows() {
            let version = integer(batch, "version_id", row).filter(|version| versions.contains(version));
            let (Some(version), Some(id)) = (version, integer(batch, "id", row)) else { continue };
            let at = integer(batch, "fetched_at", row).unwrap_or_default();
            let newest = files.get(&version).is_none_or(|(_, seen, _)| *seen <= at);
            if newest && flag(batch, "is_primary", row) {
                let bytes = float(batch, "size_kb", row).map(bytes);
                let expected = Expected { name: text(batch, "name", row), bytes, sha256: None };
                files.insert(version, (id, at, expected));
            }
        }
    })?;
    let columns = ["version_id", "file_id", "algorithm", "hash"];
    each_batch(layout, storage, &file_hashes::TABLE, &columns, &mut |batch| {
        for row in 0..batch.num_rows() {
            let version = integer(batch, "version_id", row);
            let Some((file, _, expected)) = version.and_then(|version| files.get_mut(&version)) else { continue };
            let sha256 = text(batch, "algorithm", row).is_some_and(|algorithm| algorithm == "SHA256");
            if sha256 && integer(batch, "file_id", row) == Some(*file) {
                expected.sha256 = text(batch, "hash", row).map(|hash| hash.to_ascii_uppercase());
            }
        }
    })?;
    Ok(files.into_iter().map(|(version, (_, _, expected))| (version, expected)).collect())
}

fn integer(batch: &RecordBatch, column: &str, row: usize) -> Option<i64> {
    let values = batch.column_by_name(column)?;
    let number = values.as_primitive_opt::<Int64Type>().map(|numbers| numbers.value(row));
    let instant = || values.as_primitive_opt::<TimestampMillisecondType>().map(|instants| instants.value(row));
    number.or_else(instant).filter(|_| values.is_valid(row))
}

fn float(batch: &RecordBatch, column: &str, row: usize) -> Option<f64> {
    let values = batch.column_by_name(column)?.as_primitive_opt::<Float64Type>()?;
    values.is_valid(row).then(|| values.value(row))
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let values = batch.column_by_name(column)?.as_string_opt::<i32>()?;
    values.is_valid(row).then(|| values.value(row).to_owned())
}

fn flag(batch: &RecordBatch, column: &str, row: usize) -> bool {
    let values = batch.column_by_name(column).and_then(|column| column.as_boolean_opt());
    values.is_some_and(|values| values.is_valid(row) && values.value(row))
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
