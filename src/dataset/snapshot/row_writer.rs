//! Writes one file row by row: a file of a snapshot, or a run that will be merged into one.

use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayData, ArrayRef, MutableArrayData, RecordBatch, TimestampMillisecondArray, make_array,
};
use arrow::datatypes::{Field, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;

use super::hand_over::{HandOver, hand_over};
use super::merge_columns::{KeyedBatch, RowRef, schema};
use super::run::RunWriter;
use crate::dataset::damage::Damage;
use crate::dataset::error::{During, Error};
use crate::dataset::part::{RowGroups, properties};
use crate::dataset::recorded_file::{RecordedFile, as_io, create_recorded};
use crate::storage::{Storage, Unsynced};
use crate::table::{Column, Table};

/// The zstd level of snapshots: they are read for weeks.
const LEVEL: i32 = 2;
/// The row groups of files for readers, who fetch each column of each group by itself.
const ROW_GROUPS: RowGroups = RowGroups { bytes: 16 << 20, rows: 1 << 20 };
/// The rows that are written together.
const BATCH_ROWS: usize = 1024;

/// The shape of a file, apart from its rows.
pub(super) struct Shape<'a> {
    /// The columns.
    pub(super) columns: Vec<Column>,
    /// The number of columns at the end that are instants given row by row.
    pub(super) timestamps: usize,
    /// The use of the file.
    pub(super) purpose: Purpose<'a>,
    /// Set if no key may occur twice.
    pub(super) unique: Option<Unique>,
    /// True to encode the rows on a thread of its own.
    pub(super) aside: bool,
}

/// A table whose rows, sorted by key, must not have the same key twice.
#[derive(Clone)]
pub(super) struct Unique {
    pub(super) dataset: PathBuf,
    pub(super) table: &'static Table,
}

/// The use of a file.
pub(super) enum Purpose<'a> {
    /// A run: it is read once, by a merge.
    Run,
    /// A file for readers, with these facts in its metadata.
    Readers(&'a [(&'static str, String)]),
}

enum Writer<W: Write + Send> {
    Run(RunWriter<W>),
    Parquet(ArrowWriter<W>),
}

/// Writes the rows of one file.
pub(super) struct RowWriter<'a> {
    /// Hands batches over to the writer of the file.
    write: &'a mut HandOver<'a, RecordBatch>,
    batch: BatchBuilder,
    path: PathBuf,
    unique: Option<Unique>,
    /// The key of the last row; empty before the first.
    last_key: Vec<u8>,
}

impl RowWriter<'_> {
    /// Appends a row with the instants of its last columns.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the key may occur once only, and the last row has it; [`Error::Disk`].
    pub(super) fn push(&mut self, row: &RowRef, timestamps: &[Option<i64>]) -> Result<(), Error> {
        if let Some(unique) = &self.unique {
            if self.last_key == row.key() {
                return Err(unique.doubled(row));
            }
            self.last_key.clear();
            self.last_key.extend_from_slice(row.key());
        }
        self.batch.push(row, timestamps);
        if self.batch.is_full() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let rows = self.batch.take().map_err(io::Error::other).during("write", &self.path)?;
        rows.map_or(Ok(()), |rows| (self.write)(rows)).during("write", &self.path)
    }
}

impl Unique {
    fn doubled(&self, row: &RowRef) -> Error {
        let values = self.table.key.iter().map(|column| format!("{column} {}", row.text(column)));
        let key = values.collect::<Vec<_>>().join(", ");
        let damages = vec![Damage::DoubledKey { table: self.table.name, key }];
        Error::Damaged { dataset: self.dataset.clone(), damages }
    }
}

impl<W: Write + Send> Writer<W> {
    fn new(to: W, shape: &Shape<'_>) -> io::Result<Self> {
        let schema = schema(&shape.columns);
        match shape.purpose {
            Purpose::Run => RunWriter::new(to, &schema).map(Self::Run).map_err(io::Error::other),
            Purpose::Readers(facts) => {
                let properties = properties(&shape.columns, LEVEL, ROW_GROUPS, facts.to_vec()).map_err(as_io)?;
                ArrowWriter::try_new(to, schema, Some(properties)).map(Self::Parquet).map_err(as_io)
            }
        }
    }

    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        match self {
            Self::Run(writer) => writer.write(rows).map_err(io::Error::other),
            Self::Parquet(writer) => writer.write(rows).map_err(as_io),
        }
    }

    fn close(self) -> io::Result<()> {
        match self {
            Self::Run(writer) => writer.close().map_err(io::Error::other),
            Self::Parquet(writer) => writer.close().map(drop).map_err(as_io),
        }
    }
}

/// Writes a file with the rows that `fill` pushes. Returns what was written, and its content, which is not durable yet.
///
/// # Errors
/// The first error of `fill`; [`Error::Disk`].
pub(super) fn write(
    storage: &dyn Storage,
    path: &Path,
    shape: &Shape<'_>,
    fill: &mut dyn FnMut(&mut RowWriter<'_>) -> Result<(), Error>,
) -> Result<(RecordedFile, Unsynced), Error> {
    let mut failed = None;
    let written = create_recorded(storage, path, &mut |to| {
        let mut writer = Writer::new(to, shape)?;
        let filled = hand_over(shape.aside, &mut |rows: RecordBatch| writer.write(&rows), |write| {
            let batch = BatchBuilder::new(schema(&shape.columns), shape.timestamps);
            let (path, unique) = (path.to_owned(), shape.unique.clone());
            let mut rows = RowWriter { write, batch, path, unique, last_key: Vec::new() };
            fill(&mut rows).and_then(|()| rows.flush())
        })?;
        match filled {
            Ok(()) => writer.close(),
            Err(error) => {
                failed = Some(error);
                Err(io::Error::other("its rows cannot be read"))
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => written.during("write", path),
    }
}

/// Builds a batch of rows that are picked from many batches; its last columns are given row by row.
struct BatchBuilder {
    schema: SchemaRef,
    batches: Vec<Rc<KeyedBatch>>,
    /// The picked rows: neighbours of one batch together.
    spans: Vec<(usize, Range<usize>)>,
    /// The number of picked rows.
    rows: usize,
    timestamps: Vec<Vec<Option<i64>>>,
}

impl BatchBuilder {
    fn new(schema: SchemaRef, timestamps: usize) -> Self {
        Self { schema, batches: Vec::new(), spans: Vec::new(), rows: 0, timestamps: vec![Vec::new(); timestamps] }
    }

    fn push(&mut self, row: &RowRef, timestamps: &[Option<i64>]) {
        let known = self.batches.iter().rposition(|batch| Rc::ptr_eq(batch, &row.batch));
        let batch = known.unwrap_or_else(|| {
            self.batches.push(Rc::clone(&row.batch));
            self.batches.len() - 1
        });
        match self.spans.last_mut() {
            Some((last, rows)) if (*last, rows.end) == (batch, row.row) => rows.end += 1,
            _ => self.spans.push((batch, row.row..row.row + 1)),
        }
        self.rows += 1;
        for (column, timestamp) in self.timestamps.iter_mut().zip(timestamps) {
            column.push(*timestamp);
        }
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS
    }

    /// Returns the picked rows of a column. Each batch has the file's columns, and may have more.
    fn copied(&self, column: &Field) -> Result<ArrayRef, ArrowError> {
        let of_batch = |batch: &Rc<KeyedBatch>| batch.rows.schema_ref().index_of(column.name());
        if let [(batch, rows)] = &self.spans[..] {
            let batch = &self.batches[*batch];
            return Ok(batch.rows.column(of_batch(batch)?).slice(rows.start, rows.len()));
        }
        let values = |batch: &Rc<KeyedBatch>| Ok(batch.rows.column(of_batch(batch)?).to_data());
        let values: Vec<ArrayData> = self.batches.iter().map(values).collect::<Result<_, ArrowError>>()?;
        let mut copied = MutableArrayData::new(values.iter().collect(), false, self.rows);
        for (batch, rows) in &self.spans {
            copied.try_extend(*batch, rows.start, rows.end)?;
        }
        Ok(make_array(copied.freeze()))
    }

    /// Returns the picked rows and starts anew; `None` if no row was picked.
    fn take(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.rows == 0 {
            return Ok(None);
        }
        let copied = self.schema.fields().len() - self.timestamps.len();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for column in &self.schema.fields()[..copied] {
            columns.push(self.copied(column)?);
        }
        for timestamps in &mut self.timestamps {
            columns.push(Arc::new(TimestampMillisecondArray::from(std::mem::take(timestamps)).with_timezone("UTC")));
        }
        self.batches.clear();
        self.spans.clear();
        self.rows = 0;
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map(Some)
    }
}
