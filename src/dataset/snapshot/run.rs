//! Reads a sorted file: Parquet, or a run, which is an intermediate file between many parts and one.
//!
//! An open Parquet file keeps a decompressor and a page for each column, some megabytes for a wide table. A run is one
//! compressed stream of small batches, so many can be open together.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use zstd::{Decoder, Encoder};

use super::merge_columns::{KeyedBatch, MergeColumns};
use crate::dataset::cancel::Cancel;
use crate::dataset::error::Error;
use crate::dataset::layout::is_run;
use crate::dataset::recorded_file::{CheckedFile, RecordedFile, Tail};
use crate::storage::Storage;

/// Rows read at a time from each Parquet file of a merge.
pub(super) const BATCH_ROWS: usize = 128;
/// Bytes of a batch in a run.
const BATCH_BYTES: usize = 128 << 10;
/// The window of a run's zstd stream, as a power of two: its reader keeps so many bytes.
const WINDOW: u32 = 17;
/// The memory of an open run: its window, and some batches.
pub(super) const RUN_BYTES: u64 = 512 << 10;

/// The zstd level of runs: fast, because each is read once.
const LEVEL: i32 = -5;

/// A sorted file being read.
pub(super) struct Run {
    reader: Reader,
    file: CheckedFile,
}

enum Reader {
    Parquet(ParquetRecordBatchReader),
    Stream(Box<StreamReader<Decoder<'static, Tail>>>),
}

impl Run {
    /// Opens a file for these columns.
    pub(super) fn open(
        storage: &dyn Storage,
        recorded: &RecordedFile,
        columns: &MergeColumns,
        cancel: Cancel<'_>,
    ) -> Result<Self, Error> {
        let file = recorded.open(storage, cancel)?;
        let reader = if is_run(recorded.path()) { stream(&file)? } else { parquet(&file, columns)? };
        Ok(Self { reader, file })
    }

    /// Returns the error for content that cannot be right.
    pub(super) fn fault(&self, reason: &str) -> Error {
        self.file.fault(&reason)
    }

    /// Returns the next rows; `None` at the end.
    pub(super) fn next(&mut self, columns: &MergeColumns) -> Result<Option<KeyedBatch>, Error> {
        let read = match &mut self.reader {
            Reader::Parquet(reader) => reader.next(),
            Reader::Stream(reader) => reader.next(),
        };
        let rows = read.transpose().and_then(|rows| rows.map(|rows| columns.batch(&rows)).transpose());
        rows.map_err(|error| self.file.fault(&error))
    }
}

fn parquet(file: &CheckedFile, columns: &MergeColumns) -> Result<Reader, Error> {
    let builder = file.parquet()?;
    let wanted = builder.schema().fields().iter().enumerate().filter(|(_, field)| columns.reads(field.name()));
    let wanted: Vec<usize> = wanted.map(|(root, _)| root).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    reader.map(Reader::Parquet).map_err(|error| file.fault(&error))
}

fn stream(file: &CheckedFile) -> Result<Reader, Error> {
    let decoder = Decoder::with_buffer(file.stream()).map_err(|error| file.fault(&error))?;
    let reader = StreamReader::try_new(decoder, None).map_err(|error| file.fault(&error))?;
    Ok(Reader::Stream(Box::new(reader)))
}

/// A run being written.
pub(super) struct RunWriter<W: Write> {
    stream: StreamWriter<Encoder<'static, W>>,
}

impl<W: Write> RunWriter<W> {
    pub(super) fn new(to: W, schema: &Schema) -> Result<Self, ArrowError> {
        let mut encoder = Encoder::new(to, LEVEL)?;
        encoder.window_log(WINDOW)?;
        Ok(Self { stream: StreamWriter::try_new(encoder, schema)? })
    }

    /// Appends rows, in batches small enough for its reader.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let row_bytes = rows.get_array_memory_size() / rows.num_rows().max(1);
        let length = (BATCH_BYTES / row_bytes.max(1)).max(1);
        let mut at = 0;
        while at < rows.num_rows() {
            let length = length.min(rows.num_rows() - at);
            self.stream.write(&rows.slice(at, length))?;
            at += length;
        }
        Ok(())
    }

    pub(super) fn close(self) -> Result<(), ArrowError> {
        self.stream.into_inner()?.finish()?;
        Ok(())
    }
}
