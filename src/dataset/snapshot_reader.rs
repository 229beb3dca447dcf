//! Reads the newest snapshot: its inventory, and its columns batch by batch, without rows that are gone.

use std::io::ErrorKind;

use arrow::array::RecordBatch;
use arrow::compute::{filter_record_batch, is_null};
use parquet::arrow::ProjectionMask;
use serde_json::Value;

use super::cancel::NEVER;
use super::error::{During, Error};
use super::layout::Layout;
use super::recorded_file::RecordedFile;
use super::snapshot::snapshot_dir::{Latest, Loaded, SnapshotDir};
use super::snapshot::{File, Inventory};
use crate::storage::Storage;
use crate::table::Table;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// A snapshot open for reading.
pub struct SnapshotReader<'a> {
    layout: &'a Layout,
    storage: &'a dyn Storage,
    /// The files of each table, without histories.
    files: Vec<(&'static Table, RecordedFile)>,
    /// Called with the bytes of each file that was read whole, to be compared with its record.
    progress: &'a dyn Fn(u64),
    /// The content of the snapshot.
    pub inventory: Inventory,
    /// The content of the newest snapshot before it; `None` if there is none.
    pub previous: Option<Inventory>,
}

impl<'a> SnapshotReader<'a> {
    /// Opens the snapshot that `latest` leads to. Returns `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Rotten`] if the link, the snapshot's inventory or that of the one before it is damaged; [`Error::Disk`].
    pub fn newest(layout: &'a Layout, storage: &'a dyn Storage) -> Result<Option<Self>, Error> {
        let directory = SnapshotDir::new(layout, storage);
        let number = match directory.latest()? {
            Latest::Snapshot(number) => number,
            Latest::None => return Ok(None),
            Latest::Broken(fault) => return Err(Error::rotten(&layout.latest(), format!("is damaged: {fault}"))),
        };
        let inventory_of = |number| match directory.inventory(number)? {
            Loaded::Sound(inventory) => Ok(inventory),
            Loaded::Damaged(reason) => {
                let path = Layout::inventory(&layout.snapshot(number));
                Err(Error::rotten(&path, format!("is damaged: {reason}")))
            }
        };
        let inventory = inventory_of(number)?;
        let earlier = directory.numbers()?.into_iter().filter(|earlier| *earlier < number).max();
        let previous = earlier.map(inventory_of).transpose()?;
        let recorded = |file: &File| (file.table, directory.recorded(number, file));
        let files = inventory.files.iter().filter(|file| !file.history).map(recorded).collect();
        Ok(Some(Self { layout, storage, files, progress: &|_| {}, inventory, previous }))
    }

    /// Returns the same reader, which calls `progress` with the bytes of each file as soon as it was compared with its record.
    #[must_use]
    pub fn watched(self, progress: &'a dyn Fn(u64)) -> Self {
        Self { progress, ..self }
    }

    /// Calls `show` with some columns of the rows of a table that are not gone, batch by batch. Never calls it if the
    /// snapshot lacks the table.
    ///
    /// # Errors
    /// [`Error::Rotten`] if its file is not what was written; [`Error::Disk`].
    pub fn scan(
        &self,
        table: &'static Table,
        columns: &[&str],
        show: &mut dyn FnMut(&RecordBatch),
    ) -> Result<(), Error> {
        for (_, file) in self.files.iter().filter(|(of, _)| *of == table) {
            let (is_new, bytes) = (!file.is_checked(), file.bytes());
            let file = file.open(self.storage, NEVER)?;
            if is_new {
                (self.progress)(bytes);
            }
            let builder = file.parquet()?;
            let wanted = columns.iter().copied().chain(["gone_at"]);
            let only = ProjectionMask::columns(builder.parquet_schema(), wanted);
            let reader = builder.with_projection(only).with_batch_size(BATCH_ROWS).build();
            for batch in reader.map_err(|error| file.fault(&error))? {
                let batch = batch.map_err(|error| file.fault(&error))?;
                let batch = match batch.column_by_name("gone_at") {
                    None => batch,
                    Some(gone_at) => {
                        let there = is_null(gone_at).and_then(|there| filter_record_batch(&batch, &there));
                        there.map_err(|error| Error::unfit(table, &error))?
                    }
                };
                show(&batch);
            }
        }
        Ok(())
    }

    /// Returns the number of rows of a table that are not gone.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub fn count(&self, table: &'static Table) -> Result<u64, Error> {
        let mut count = 0;
        self.scan(table, &[table.key[0]], &mut |rows| count += rows.num_rows() as u64)?;
        Ok(count)
    }

    /// Calls `show` with each report of the dataset's runs, oldest first, without damaged ones and those that are no files.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn run_reports(&self, show: &mut dyn FnMut(&Value)) -> Result<(), Error> {
        let directory = self.layout.runs();
        for entry in self.storage.list(&directory).during("list", &directory)? {
            if entry.name.ends_with(".json") {
                let path = Layout::entry(&directory, &entry.name);
                let content = match self.storage.read(&path) {
                    Err(error) if error.kind() == ErrorKind::InvalidData => continue,
                    content => content.during("read", &path)?,
                };
                serde_json::from_slice(&content).iter().for_each(&mut *show);
            }
        }
        Ok(())
    }
}
