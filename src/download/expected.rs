//! What a dataset knows of the file that a version's download link gives: the primary one, by the newest observation.

use std::collections::{BTreeMap, BTreeSet};

use super::folder::Expected;
use crate::dataset::Error;
use crate::dataset::columns::Columns;
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
        let (of_versions, ids, instants) =
            (batch.numbers("version_id"), batch.numbers("id"), batch.instants("fetched_at"));
        let (names, sizes, primary) = (batch.texts("name"), batch.decimals("size_kb"), batch.flags("is_primary"));
        for row in 0..batch.num_rows() {
            let version = of_versions.get(row).filter(|version| versions.contains(version));
            let (Some(version), Some(id)) = (version, ids.get(row)) else { continue };
            let at = instants.get(row).unwrap_or_default();
            let newest = files.get(&version).is_none_or(|(_, seen, _)| *seen <= at);
            if newest && primary.get(row) == Some(true) {
                let bytes = sizes.get(row).map(|kilobytes| (kilobytes * 1024.0).round() as u64);
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
