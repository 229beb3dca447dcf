//! A sorted Parquet file, read batch by batch in ranges: memory does not grow with the file.

use std::io;
use std::path::{Path, PathBuf};

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::form::{Batch, Form};
use crate::dataset::ranges::open;
use crate::dataset::storage::Storage;
use crate::dataset::store::as_io;
use crate::dataset::{During, Error};

/// Rows read at a time, from each of the files that are merged together.
const BATCH_ROWS: usize = 128;

/// A sorted file being read.
pub(super) struct Run {
    reader: ParquetRecordBatchReader,
    path: PathBuf,
}

impl Run {
    /// Opens a file for the columns of a form.
    pub(super) fn open(storage: &dyn Storage, path: &Path, form: &Form) -> Result<Self, Error> {
        let builder = open(storage, path)?;
        let wanted = builder.schema().fields().iter().enumerate().filter(|(_, field)| form.reads(field.name()));
        let wanted: Vec<usize> = wanted.map(|(root, _)| root).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(as_io);
        Ok(Self { reader: reader.during("read", path)?, path: path.to_owned() })
    }

    /// The next rows; `None` at the end.
    pub(super) fn next(&mut self, form: &Form) -> Result<Option<Batch>, Error> {
        let read = self.reader.next().transpose().map_err(io::Error::other).during("read", &self.path)?;
        read.map(|rows| form.batch(&rows)).transpose().map_err(io::Error::other).during("read", &self.path)
    }
}

/// The rows that the footer of a file counts.
pub(super) fn rows_of(storage: &dyn Storage, path: &Path) -> Result<u64, Error> {
    Ok(u64::try_from(open(storage, path)?.metadata().file_metadata().num_rows()).unwrap_or(0))
}
