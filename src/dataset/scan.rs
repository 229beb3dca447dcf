//! Reads a few columns of all rows that a dataset holds of a table.

use std::path::Path;

use arrow::array::RecordBatch;
use parquet::arrow::ProjectionMask;

use super::cancel::NEVER;
use super::damage::Damage;
use super::error::{During, Error};
use super::layout::Layout;
use super::parquet_file::as_io;
use super::parquet_file::{open, size_and_hash};
use super::read::read_manifest;
use crate::storage::Storage;
use crate::table::Table;

/// Calls `show` with some columns of every row of a table, in batches: of the published parts and, if parts were removed, of
/// the newest snapshot. The columns are in the table's order, without those that an older file lacks.
///
/// # Errors
/// [`Error::Damaged`] if the only snapshot that holds some rows cannot be read; [`Error::Disk`].
pub fn each_batch(
    layout: &Layout,
    storage: &dyn Storage,
    table: &Table,
    columns: &[&str],
    show: &mut dyn FnMut(&RecordBatch),
) -> Result<(), Error> {
    let directory = layout.parts(table);
    let entries = storage.list(&directory).during("list", &directory)?.into_iter();
    for part in entries.filter(|entry| entry.name.ends_with(".parquet")) {
        each_of_file(storage, &Layout::entry(&directory, &part.name), columns, show)?;
    }
    let commit = read_manifest(layout, storage)?.history.absorbed;
    if commit == 0 {
        return Ok(());
    }
    let latest = layout.latest_table(table);
    match each_of_file(storage, &latest, columns, show) {
        Err(error) if error.is_missing_file() => Ok(()),
        // If the disk itself fails, it fails here once more.
        Err(_) => size_and_hash(storage, &latest, NEVER).and_then(|_| {
            Err(Error::Damaged { dataset: layout.root().to_owned(), damages: vec![Damage::LostSnapshot { commit }] })
        }),
        read => read,
    }
}

fn each_of_file(
    storage: &dyn Storage,
    path: &Path,
    columns: &[&str],
    show: &mut dyn FnMut(&RecordBatch),
) -> Result<(), Error> {
    let builder = open(storage, path)?;
    let only = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    let reader = builder.with_projection(only).build().map_err(as_io).during("read", path)?;
    for batch in reader {
        show(&batch.map_err(std::io::Error::other).during("read", path)?);
    }
    Ok(())
}
