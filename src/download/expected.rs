//! What a dataset knows of the file that a version's download link gives: the primary one, by the newest observation.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array as _, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMillisecondType};

use super::folder::Expected;
use crate::dataset::Error;
use crate::dataset::layout::Layout;
use crate::dataset::scan::each_batch;
use crate::storage::Storage;
use crate::table::{file_hashes, version_files};

/// The primary files of these versions; those of which the dataset knows none are missing.
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
                let bytes = float(batch, "size_kb", row).map(|kilobytes| (kilobytes * 1024.0).round() as u64);
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
