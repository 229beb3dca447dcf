//! Writes rows as one immutable Parquet file, sorted by key, and reads them back.

use std::cmp::Ordering;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::columns::Columns;
use crate::table::{Column, Table};

/// Rows passed to the encoder at a time; bounds the memory for their sorted copy.
const SLICE_ROWS: usize = 4096;
/// The row groups of a part: a commit writes several tables at once.
const OF_PARTS: RowGroups = RowGroups { bytes: 4 << 20, rows: 128 << 10 };

/// The most that one row group has. Readers skip and parallelize by row groups, and the writer holds one in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowGroups {
    /// Encoded bytes.
    pub(super) bytes: usize,
    pub(super) rows: usize,
}

/// Parquet page size. A merge holds one page per column of each open file.
pub(super) const PAGE_BYTES: usize = 256 << 10;

/// The origin of a part, for its metadata.
#[derive(Debug, Clone)]
pub struct Maker<'a> {
    /// The crawl's name.
    pub crawl: &'a str,
    /// The commit's number.
    pub commit: u64,
    /// The run.
    pub run: String,
}

/// Writes the rows, sorted by the table's key and then by the page they are from.
///
/// # Errors
/// If the rows do not fit the schema, or writing fails.
pub fn write_part(
    table: &Table,
    rows: &RecordBatch,
    maker: &Maker<'_>,
    to: &mut (dyn Write + Send),
) -> Result<(), ParquetError> {
    let order = order(table, rows)?;
    let facts =
        vec![("crawl", maker.crawl.to_owned()), ("commit", maker.commit.to_string()), ("run", maker.run.clone())];
    let mut writer = ArrowWriter::try_new(to, table.schema(), Some(properties(&table.columns(), 1, OF_PARTS, facts)?))?;
    let mut at = 0;
    while at < order.len() {
        let length = SLICE_ROWS.min(order.len() - at);
        writer.write(&take_record_batch(rows, &order.slice(at, length))?)?;
        at += length;
    }
    writer.close()?;
    Ok(())
}

/// Returns the rows of a part in batches, with all columns of the table.
///
/// # Errors
/// If it is no Parquet file, or not one of this table.
pub fn read_rows(table: &Table, content: Bytes) -> Result<Vec<RecordBatch>, ParquetError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(content)?.build()?;
    reader.map(|batch| Ok(fit(table, &batch?)?)).collect()
}

/// Returns rows with all columns of the table. Columns that an older version of this program did not write are null.
///
/// # Errors
/// If they have other columns, or lack one that is never null.
pub fn fit(table: &Table, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (schema, had) = (table.schema(), rows.schema());
    if let Some(other) = had.fields().iter().find(|field| schema.index_of(field.name()).is_err()) {
        return Err(ArrowError::SchemaError(format!("`{}` has no column `{}`", table.name, other.name())));
    }
    let column = |field: &Arc<Field>| {
        let null = || new_null_array(field.data_type(), rows.num_rows());
        rows.column_by_name(field.name()).cloned().unwrap_or_else(null)
    };
    RecordBatch::try_new(Arc::clone(&schema), schema.fields().iter().map(column).collect())
}

/// Returns the columns by which the rows of a part are sorted: the key, then the page of the row.
pub fn sort_columns(table: &Table) -> Vec<&'static str> {
    let mut names = table.key.to_vec();
    names.extend(["pass", "walk", "page"].into_iter().filter(|name| !table.key.contains(name)));
    names
}

/// A column by which rows are sorted; never null.
enum Sorting<'a> {
    Numbers(&'a [i64]),
    Texts(&'a StringArray),
}

impl<'a> Sorting<'a> {
    fn of(rows: &'a RecordBatch, name: &str) -> Result<Self, ArrowError> {
        let numbers = rows.numbers(name).array().map(|numbers| Self::Numbers(numbers.values()));
        let sorting = numbers.or_else(|| rows.texts(name).array().map(Self::Texts));
        sorting.ok_or_else(|| ArrowError::SchemaError(format!("`{name}` is neither numbers nor texts")))
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        match self {
            Self::Numbers(numbers) => numbers[a].cmp(&numbers[b]),
            Self::Texts(texts) => texts.value(a).cmp(texts.value(b)),
        }
    }
}

fn order(table: &Table, rows: &RecordBatch) -> Result<UInt32Array, ArrowError> {
    let columns = sort_columns(table).into_iter().map(|name| Sorting::of(rows, name)).collect::<Result<Vec<_>, _>>()?;
    let compare = |a: usize, b: usize| columns.iter().map(|column| column.compare(a, b)).find(|order| order.is_ne());
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    // Pages arrive nearly sorted, and the stable sort is fast on such input.
    order.sort_by(|a, b| compare(*a as usize, *b as usize).unwrap_or(Ordering::Equal));
    Ok(order.into())
}

/// Returns the writer properties of a file with these columns, and with these facts in its metadata.
pub(super) fn properties(
    columns: &[Column],
    level: i32,
    row_groups: RowGroups,
    facts: Vec<(&str, String)>,
) -> Result<WriterProperties, ParquetError> {
    let fact = |(key, value)| KeyValue::new(format!("civitrawl.{key}"), value);
    let facts = std::iter::once(("version", env!("CARGO_PKG_VERSION").to_owned())).chain(facts).map(fact).collect();
    let builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_max_row_group_bytes(Some(row_groups.bytes))
        .set_max_row_group_row_count(Some(row_groups.rows))
        .set_key_value_metadata(Some(facts));
    Ok(columns.iter().filter(|column| !column.dictionary).fold(builder, without_dictionary).build())
}

/// Ids and instants are stored as differences, which halves some tables. Texts are stored plain: as differences of their lengths
/// they take 2 % less, but fastparquet and Spark before 3.4 cannot read that.
fn without_dictionary(builder: WriterPropertiesBuilder, column: &Column) -> WriterPropertiesBuilder {
    let path = ColumnPath::from(column.name);
    let builder = builder.set_column_dictionary_enabled(path.clone(), false);
    match column.data_type {
        DataType::Int64 | DataType::Timestamp(..) => builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        // Minimum and maximum of such texts do not help a reader to skip.
        DataType::Utf8 | DataType::Binary => builder.set_column_statistics_enabled(path, EnabledStatistics::None),
        _ => builder,
    }
}

/// Returns the number of rows in the footer of a part.
///
/// # Errors
/// If the footer cannot be read, or the columns are not the table's.
pub fn rows_in_footer(table: &Table, content: Bytes) -> Result<u64, ParquetError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(content)?;
    if reader.schema().fields() != table.schema().fields() {
        return Err(ParquetError::General(format!("its columns are not those of table `{}`", table.name)));
    }
    let rows = reader.metadata().file_metadata().num_rows();
    u64::try_from(rows).map_err(|_| ParquetError::General(format!("its footer counts {rows} rows")))
}
