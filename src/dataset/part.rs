//! Writes rows as one immutable Parquet file, sorted by key, and reads them back.

use std::cmp::Ordering;
use std::io::Write;
use std::ops::Range;
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
        let slice = order.slice(at, SLICE_ROWS.min(order.len() - at));
        let (first, follow) = (slice.value(0), slice.values().windows(2).all(|pair| pair[0] + 1 == pair[1]));
        // Rows that are in order already need not be copied.
        let sorted = if follow { rows.slice(first as usize, slice.len()) } else { take_record_batch(rows, &slice)? };
        writer.write(&sorted)?;
        at += slice.len();
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

/// Returns the rows in order; those that are the same in all columns stay as they came. Pages arrive nearly sorted, with the rows
/// of one id together, so these are put into their places as a whole, and sorted by the other columns only then.
fn order(table: &Table, rows: &RecordBatch) -> Result<UInt32Array, ArrowError> {
    let columns = sort_columns(table).into_iter().map(|name| Sorting::of(rows, name)).collect::<Result<Vec<_>, _>>()?;
    let sort = |order: &mut [u32], columns: &[Sorting<'_>]| {
        let compare =
            |a: usize, b: usize| columns.iter().map(|column| column.compare(a, b)).find(|order| order.is_ne());
        order.sort_by(|a, b| compare(*a as usize, *b as usize).unwrap_or(Ordering::Equal));
    };
    let Some((Sorting::Numbers(ids), rest)) = columns.split_first() else {
        let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
        sort(&mut order, &columns);
        return Ok(order.into());
    };
    let mut at = 0;
    let mut runs: Vec<(i64, Range<u32>)> = Vec::new();
    for run in ids.chunk_by(|a, b| a == b) {
        let end = at + run.len() as u32;
        runs.push((run[0], at..end));
        at = end;
    }
    runs.sort_by_key(|(id, _)| *id);
    let mut order: Vec<u32> = Vec::with_capacity(ids.len());
    for of_id in runs.chunk_by(|a, b| a.0 == b.0) {
        let from = order.len();
        order.extend(of_id.iter().flat_map(|(_, rows)| rows.clone()));
        sort(&mut order[from..], rest);
    }
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

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, TimestampMillisecondArray};
    use proptest::prelude::*;

    use super::*;
    use crate::table::named;

    /// Returns rows with these values in the columns that sort them, and the same in all others.
    fn rows(table: &Table, values: &[Vec<i64>]) -> RecordBatch {
        let names = sort_columns(table);
        let column = |field: &Arc<Field>| -> ArrayRef {
            let place = names.iter().position(|name| name == field.name());
            let values = values.iter().map(|row| place.map_or(0, |place| row[place]));
            match field.data_type() {
                DataType::Int64 => Arc::new(values.collect::<Int64Array>()),
                DataType::Utf8 => Arc::new(StringArray::from_iter_values(values.map(|value| value.to_string()))),
                DataType::Timestamp(..) => {
                    Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC"))
                }
                other => new_null_array(other, values.len()),
            }
        };
        let schema = table.schema();
        RecordBatch::try_new(Arc::clone(&schema), schema.fields().iter().map(column).collect()).unwrap()
    }

    #[test]
    fn a_part_is_the_same_whatever_the_order_in_which_its_rows_came() {
        let table = named("model_tags").unwrap();
        let part = |values: &[Vec<i64>]| {
            let rows = rows(table, values);
            let maker = Maker { crawl: "c", commit: 1, run: String::from("r") };
            let mut part = Vec::new();
            write_part(table, &rows, &maker, &mut part).unwrap();
            (part.clone(), read_rows(table, part.into()).unwrap().iter().map(RecordBatch::num_rows).sum::<usize>())
        };
        let count = 3 * SLICE_ROWS as i64 + 7;
        let sorted: Vec<Vec<i64>> = (0..count).map(|n| vec![n / 3, n % 3, 1, 1, 1, 1]).collect();
        let (mut turned, mut behind) = (sorted.clone(), sorted.clone());
        turned.reverse();
        // Of the last rows only one is not in its place.
        behind.swap(SLICE_ROWS * 2 + 1, SLICE_ROWS * 2 + 5);
        let expected = part(&sorted);
        assert_eq!(expected.1 as i64, count);
        assert!(part(&turned) == expected && part(&behind) == expected);
    }

    proptest! {
        #[test]
        fn rows_are_ordered_as_a_stable_sort_of_all_columns_orders_them(
            table in prop::sample::select(vec!["models", "model_tags", "image_tags", "tags", "file_hashes"]),
            values in prop::collection::vec(prop::collection::vec(0..4_i64, 6), 0..40)
        ) {
            let table = named(table).unwrap();
            let count = sort_columns(table).len();
            let mut expected: Vec<u32> = (0..values.len() as u32).collect();
            // Digits are ordered as texts as they are as numbers.
            expected.sort_by_key(|row| values[*row as usize][..count].to_vec());
            prop_assert_eq!(order(table, &rows(table, &values)).unwrap().values().to_vec(), expected);
        }
    }
}
