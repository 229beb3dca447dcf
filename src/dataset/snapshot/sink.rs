//! A Parquet file of a snapshot being written, row by row.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use parquet::arrow::ArrowWriter;

use super::form::{Place, schema};
use super::merge::Sheet;
use crate::dataset::part::properties;
use crate::dataset::storage::Storage;
use crate::dataset::store::as_io;
use crate::dataset::{During, Error};
use crate::table::Column;

/// How hard files that are read for weeks are pressed.
const LEVEL: i32 = 3;

/// What a file is made of, beside its rows.
pub(super) struct Shape<'a> {
    /// Its columns.
    pub(super) columns: Vec<Column>,
    /// How many of the last columns are instants that are given row by row.
    pub(super) marks: usize,
    /// What its metadata tells.
    pub(super) facts: &'a [(&'static str, String)],
}

/// Where the rows of one file go.
pub(super) struct Sink<'a> {
    writer: ArrowWriter<&'a mut (dyn Write + Send)>,
    sheet: Sheet,
    path: PathBuf,
}

impl Sink<'_> {
    /// Appends a row.
    pub(super) fn push(&mut self, place: &Place, marks: &[Option<i64>]) -> Result<(), Error> {
        self.sheet.push(place, marks);
        if self.sheet.is_full() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let rows = self.sheet.take().map_err(io::Error::other).during("write", &self.path)?;
        rows.map_or(Ok(()), |rows| self.writer.write(&rows).map_err(as_io).during("write", &self.path))
    }
}

/// Writes a file with the rows that `fill` gives, and makes its content durable.
///
/// # Errors
/// The first error of `fill`, or of the disk.
pub(super) fn write(
    storage: &dyn Storage,
    path: &Path,
    shape: &Shape<'_>,
    fill: &mut dyn FnMut(&mut Sink<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failed = None;
    let written = storage.write(path, &mut |to| {
        let properties = properties(&shape.columns, LEVEL, shape.facts.to_vec()).map_err(as_io)?;
        let schema = schema(&shape.columns);
        let writer = ArrowWriter::try_new(to, schema.clone(), Some(properties)).map_err(as_io)?;
        let mut sink = Sink { writer, sheet: Sheet::new(schema, shape.marks), path: path.to_owned() };
        match fill(&mut sink).and_then(|()| sink.flush()) {
            Ok(()) => sink.writer.close().map(drop).map_err(as_io),
            Err(error) => {
                failed = Some(error);
                Err(io::Error::other("its rows cannot be had"))
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => written.during("write", path),
    }
}
