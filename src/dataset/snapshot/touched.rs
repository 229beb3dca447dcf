//! Finds the ranges in which something has changed since the snapshot before.

use std::collections::BTreeSet;

use parquet::arrow::ProjectionMask;

use super::latest::gone;
use super::merge::Merge;
use super::merge_columns::MergeColumns;
use super::passes::Passes;
use super::ranges::range_of;
use crate::dataset::cancel::{Cancel, check};
use crate::dataset::columns::Columns;
use crate::dataset::error::Error;
use crate::dataset::recorded_file::RecordedFile;
use crate::storage::Storage;
use crate::table::Table;

/// Returns the ranges that have rows in these parts of a table.
pub(super) fn ranges_of(
    storage: &dyn Storage,
    table: &Table,
    parts: &[RecordedFile],
    cancel: Cancel<'_>,
) -> Result<BTreeSet<u16>, Error> {
    let mut ranges = BTreeSet::new();
    for part in parts {
        let file = part.open(storage, cancel)?;
        let builder = file.parquet()?;
        let only = ProjectionMask::columns(builder.parquet_schema(), [table.key[0]]);
        let reader = builder.with_projection(only).build().map_err(|error| file.fault(&error))?;
        for batch in reader {
            check(cancel)?;
            let batch = batch.map_err(|error| file.fault(&error))?;
            ranges.extend(batch.numbers(table.key[0]).iter().flatten().map(range_of));
        }
    }
    Ok(ranges)
}

/// True if the entities of a range were found gone, or there again, since its file was written.
pub(super) fn has_gone(
    storage: &dyn Storage,
    table: &Table,
    file: &RecordedFile,
    passes: &Passes,
    cancel: Cancel<'_>,
) -> Result<bool, Error> {
    let mut rows = Merge::open(storage, MergeColumns::of_keys(table), vec![vec![file.clone()]], cancel)?;
    while let Some(row) = rows.next()? {
        if gone(&row, passes) != row.instant("gone_at") {
            return Ok(true);
        }
    }
    Ok(false)
}
