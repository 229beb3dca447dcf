//! Reads a sorted file: Parquet, or a run, which is an intermediate file between many parts and one.
//!
//! An open Parquet file keeps a decompressor and a page for each column, some megabytes for a wide table. A run is one
//! compressed stream of small batches, so many can be open together.

use std::io::Write;
use std::vec;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::basic::Type;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use zstd::{Decoder, Encoder};

use super::merge_columns::{KeyedBatch, MergeColumns};
use super::pages;
use crate::dataset::cancel::Cancel;
use crate::dataset::error::Error;
use crate::dataset::layout::is_run;
use crate::dataset::part::PAGE_BYTES;
use crate::dataset::recorded_file::{CheckedFile, RecordedFile, Tail};
use crate::storage::Storage;

/// Rows read at a time from a Parquet file that is not read whole.
const BATCH_ROWS: u64 = 128;
/// The memory of an open column beside the rows and the page that it holds: its decoders. All columns share a decompressor.
const COLUMN_BYTES: u64 = 32 << 10;
/// The memory of a value, or of the place of a text.
const VALUE_BYTES: u64 = 8;
/// The most that a column of a part holds: a page of entries and one of the dictionary, of 1 MiB by the writer's default.
const PAGES_BYTES: u64 = PAGE_BYTES as u64 + (1 << 20);
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
    Rows(vec::IntoIter<RecordBatch>),
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
            Reader::Rows(rows) => rows.next().map(Ok),
            Reader::Parquet(reader) => reader.next(),
            Reader::Stream(reader) => reader.next(),
        };
        let rows = read.transpose().and_then(|rows| rows.map(|rows| columns.batch(&rows)).transpose());
        rows.map_err(|error| self.file.fault(&error))
    }
}

fn parquet(file: &CheckedFile, columns: &MergeColumns) -> Result<Reader, Error> {
    let footer = file.footer()?;
    let schema = footer.file_metadata().schema_descr();
    let wanted = schema.root_schema().get_fields().iter().enumerate().filter(|(_, field)| columns.reads(field.name()));
    let wanted: Vec<usize> = wanted.map(|(root, _)| root).collect();
    let wanted = ProjectionMask::roots(schema, wanted);
    let is_whole = of_rows(&footer).is_some_and(|rows| rows <= of_reader(&footer));
    let rows = if is_whole { usize::MAX } else { BATCH_ROWS as usize };
    let read = pages::read(file.chunks(), footer.into(), wanted, rows, columns.zstd());
    let reader = read.map_err(|error| file.fault(&error))?;
    if !is_whole {
        return Ok(Reader::Parquet(reader));
    }
    let rows: Result<Vec<RecordBatch>, ArrowError> = reader.collect();
    rows.map(|rows| Reader::Rows(rows.into_iter())).map_err(|error| file.fault(&error))
}

/// Returns the memory that an open Parquet file takes: that of all its rows, if these need no more than a reader of a few.
pub(super) fn memory(footer: &ParquetMetaData) -> u64 {
    of_rows(footer).unwrap_or(u64::MAX).min(of_reader(footer))
}

/// Returns the memory of a reader: of each column its pages, and the rows of a batch.
fn of_reader(footer: &ParquetMetaData) -> u64 {
    let of_column = |column: &ColumnChunkMetaData| {
        let bytes = u64::try_from(column.uncompressed_size()).unwrap_or(0);
        let rows = u64::try_from(column.num_values()).unwrap_or(0).max(1);
        let batch = bytes.saturating_mul(BATCH_ROWS) / rows;
        COLUMN_BYTES + bytes.min(PAGES_BYTES) + bytes.min(batch)
    };
    let of_group = |group: &RowGroupMetaData| group.columns().iter().map(of_column).sum();
    footer.row_groups().iter().map(of_group).max().unwrap_or(0)
}

/// Returns the memory of all rows; `None` if the footer does not know how long texts are.
fn of_rows(footer: &ParquetMetaData) -> Option<u64> {
    let of_column = |column: &ColumnChunkMetaData| {
        let texts = match column.column_type() {
            Type::BYTE_ARRAY => u64::try_from(column.unencoded_byte_array_data_bytes()?).ok()?,
            _ => 0,
        };
        let values = u64::try_from(column.num_values()).ok()?;
        Some(texts.saturating_add(values.saturating_mul(VALUE_BYTES)))
    };
    footer.row_groups().iter().flat_map(RowGroupMetaData::columns).map(of_column).sum()
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
