//! Reads a few columns of all rows that a dataset holds of a table.

use std::io;

use arrow::array::RecordBatch;
use parquet::arrow::ProjectionMask;

use super::cancel::{Cancel, NEVER, check};
use super::error::{During, Error};
use super::layout::Layout;
use super::read::read_manifest;
use super::recorded_file::RecordedFile;
use super::snapshot::snapshot_dir::SnapshotDir;
use crate::storage::Storage;
use crate::table::Table;

/// The files that hold the rows of a table: the committed parts and, if parts were removed, a snapshot's files.
pub struct Scan<'a> {
    layout: Layout,
    storage: &'a dyn Storage,
    table: &'a Table,
    files: Vec<RecordedFile>,
}

impl<'a> Scan<'a> {
    /// Finds the files of a table by the records.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a record is damaged, or no sound snapshot holds the rows of removed parts; [`Error::Disk`].
    pub fn open(layout: &Layout, storage: &'a dyn Storage, table: &'a Table) -> Result<Self, Error> {
        Self::open_at(layout, storage, table, u64::MAX)
    }

    /// Like [`Scan::open`], but without the parts of commits after this one. If some of its parts were replaced since, by others
    /// that repeat their rows, all count.
    ///
    /// # Errors
    /// As [`Scan::open`].
    pub fn open_at(layout: &Layout, storage: &'a dyn Storage, table: &'a Table, commit: u64) -> Result<Self, Error> {
        let manifest = read_manifest(layout, storage)?;
        let commit = if manifest.history.replaced > commit { u64::MAX } else { commit };
        let parts = manifest.live_parts().filter(|part| part.table == table && part.name.commit <= commit);
        let mut files: Vec<RecordedFile> = parts.map(|part| RecordedFile::of_part(layout, part)).collect();
        let commit = manifest.history.absorbed;
        if commit > 0 {
            let directory = SnapshotDir::new(layout, storage);
            let taken = directory.newest_with(commit)?;
            files.extend(taken.files_of(table.name, false).map(|file| directory.recorded(taken.snapshot, file)));
        }
        Ok(Self { layout: layout.clone(), storage, table, files })
    }

    /// Returns the table.
    pub fn table(&self) -> &'a Table {
        self.table
    }

    /// Calls `show` with some columns of every row, in batches. The columns are in the table's order, without those that an
    /// older file lacks. A file is checked when it is read for the first time.
    ///
    /// # Errors
    /// [`Error::Rotten`] if a file is not what is recorded: what was shown before is not to be used then; [`Error::Disk`].
    pub fn each(&self, columns: &[&str], show: &mut dyn FnMut(&RecordBatch)) -> Result<(), Error> {
        self.each_until(NEVER, columns, show)
    }

    /// Like [`Scan::each`], until it is cancelled.
    ///
    /// # Errors
    /// As [`Scan::each`]; [`Error::Cancelled`].
    pub fn each_until(
        &self,
        cancel: Cancel<'_>,
        columns: &[&str],
        show: &mut dyn FnMut(&RecordBatch),
    ) -> Result<(), Error> {
        for file in &self.files {
            let checked = match file.open(self.storage, cancel) {
                Err(error) => return Err(self.unless_replaced(file, error)?),
                Ok(checked) => checked,
            };
            let builder = checked.parquet()?;
            let only = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
            let reader = builder.with_projection(only).build().map_err(|error| checked.fault(&error))?;
            for batch in reader {
                check(cancel)?;
                show(&batch.map_err(|error| checked.fault(&error))?);
            }
        }
        Ok(())
    }

    /// Returns the error of a file, or another one if a crawl has removed the file meanwhile.
    fn unless_replaced(&self, file: &RecordedFile, error: Error) -> Result<Error, Error> {
        let now = Self::open(&self.layout, self.storage, self.table)?;
        if now.files.iter().any(|other| other.path() == file.path()) {
            return Ok(error);
        }
        Err(io::Error::other("a crawl has replaced it meanwhile")).during("read", file.path())
    }
}

/// Calls `show` with some columns of every row of a table: see [`Scan::each`].
///
/// # Errors
/// As [`Scan::open`] and [`Scan::each`].
pub fn each_batch(
    layout: &Layout,
    storage: &dyn Storage,
    table: &Table,
    columns: &[&str],
    show: &mut dyn FnMut(&RecordBatch),
) -> Result<(), Error> {
    Scan::open(layout, storage, table)?.each(columns, show)
}
