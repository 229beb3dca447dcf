//! Rows read back over everything a dataset holds of a table, a few columns at a time.

use std::io::ErrorKind;

use arrow::array::RecordBatch;
use parquet::arrow::ProjectionMask;

use super::layout::Layout;
use super::ranges::open;
use super::storage::Storage;
use super::store::as_io;
use super::{During, Error};
use crate::table::Table;

/// Shows some columns of every row of a table, in batches: those in the published parts, and those in the newest snapshot,
/// which may hold the rows of parts that were removed. The columns come in the table's order, without those that an older
/// file does not have.
///
/// # Errors
/// [`Error::Disk`].
pub fn each_batch(
    layout: &Layout,
    storage: &dyn Storage,
    table: &Table,
    columns: &[&str],
    show: &mut dyn FnMut(&RecordBatch),
) -> Result<(), Error> {
    let directory = layout.parts(table);
    let entries = storage.list(&directory).during("list", &directory)?.into_iter();
    let parts = entries.filter(|entry| entry.name.ends_with(".parquet"));
    let latest = layout.latest_table(table);
    for path in parts.map(|entry| Layout::entry(&directory, &entry.name)).chain([latest.clone()]) {
        let builder = match open(storage, &path) {
            Err(Error::Disk { source, .. }) if path == latest && source.kind() == ErrorKind::NotFound => continue,
            builder => builder?,
        };
        let only = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let reader = builder.with_projection(only).build().map_err(as_io).during("read", &path)?;
        for batch in reader {
            show(&batch.map_err(std::io::Error::other).during("read", &path)?);
        }
    }
    Ok(())
}
