//! Rows → one immutable Parquet file, sorted by key; and what its footer must say.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, lexsort_to_indices, take_record_batch};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::table::Table;

/// Rows handed to the encoder at a time: bounds the memory that sorting takes beside the rows themselves.
const SLICE_ROWS: usize = 4096;
/// Bytes of one row group, encoded: readers skip and parallelize by it, and the writer holds one in memory.
const ROW_GROUP_BYTES: usize = 16 << 20;

/// What is written into a part's metadata: who made it.
#[derive(Debug, Clone)]
pub struct Maker<'a> {
    /// The crawl's name.
    pub crawl: &'a str,
    /// The commit's number.
    pub commit: u64,
    /// The run.
    pub run: String,
}

/// Writes the rows, sorted by the table's key and then by the page they came from.
///
/// # Errors
/// When the rows do not fit the schema, or the writer fails.
pub fn write_part(
    table: &Table,
    rows: &RecordBatch,
    maker: &Maker<'_>,
    to: &mut (dyn Write + Send),
) -> Result<(), ParquetError> {
    let order = order(table, rows)?;
    let mut writer = ArrowWriter::try_new(to, table.schema(), Some(properties(table, maker)?))?;
    let mut at = 0;
    while at < order.len() {
        let length = SLICE_ROWS.min(order.len() - at);
        writer.write(&take_record_batch(rows, &order.slice(at, length))?)?;
        at += length;
    }
    writer.close()?;
    Ok(())
}

/// The columns by which the rows of a part are ordered: the key, then the page the row came from.
pub fn sort_columns(table: &Table) -> Vec<&'static str> {
    let mut names = table.key.to_vec();
    names.extend(["pass", "walk", "page"].into_iter().filter(|name| !table.key.contains(name)));
    names
}

fn order(table: &Table, rows: &RecordBatch) -> Result<UInt32Array, ArrowError> {
    let column = |name: &str| -> Result<SortColumn, ArrowError> {
        let values: ArrayRef = Arc::clone(rows.column(rows.schema().index_of(name)?));
        Ok(SortColumn { values, options: None })
    };
    let columns = sort_columns(table).into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
    lexsort_to_indices(&columns, None)
}

fn properties(table: &Table, maker: &Maker<'_>) -> Result<WriterProperties, ParquetError> {
    let fact = |key: &str, value: String| KeyValue::new(format!("civitrawl.{key}"), value);
    let facts = vec![
        fact("version", env!("CARGO_PKG_VERSION").to_owned()),
        fact("crawl", maker.crawl.to_owned()),
        fact("commit", maker.commit.to_string()),
        fact("run", maker.run.clone()),
    ];
    let builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_key_value_metadata(Some(facts));
    let plain = |builder: WriterPropertiesBuilder, name: &str| {
        builder.set_column_dictionary_enabled(ColumnPath::from(name), false)
    };
    let unique = table.columns().into_iter().filter(|column| !column.dictionary);
    Ok(unique.fold(builder, |builder, column| plain(builder, column.name)).build())
}

/// The rows that the footer of a part counts, when the file is whole and has the table's schema.
///
/// # Errors
/// When the footer cannot be read, or the columns are others.
pub fn rows_in_footer(table: &Table, content: Bytes) -> Result<u64, ParquetError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(content)?;
    if reader.schema().fields() != table.schema().fields() {
        return Err(ParquetError::General(format!("its columns are not those of table `{}`", table.name)));
    }
    let rows = reader.metadata().file_metadata().num_rows();
    u64::try_from(rows).map_err(|_| ParquetError::General(format!("its footer counts {rows} rows")))
}
