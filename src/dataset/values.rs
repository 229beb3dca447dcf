//! The distinct values of one column over all parts of a table: what a fan-out walks over.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::layout::Layout;
use super::storage::Storage;
use super::store::as_io;
use super::{During, Error};
use crate::table::Table;

/// The distinct values of a column in the published parts of a table, as text; numbers in the order of numbers.
/// Memory grows with the number of values, 1.2 million ids take some 40 MB while they are gathered.
///
/// # Errors
/// [`Error::Disk`].
pub fn distinct(layout: &Layout, storage: &dyn Storage, table: &Table, column: &str) -> Result<Vec<String>, Error> {
    let directory = layout.parts(table);
    let (mut numbers, mut texts) = (BTreeSet::new(), BTreeSet::new());
    for entry in storage.list(&directory).during("list", &directory)? {
        if !entry.name.ends_with(".parquet") {
            continue;
        }
        let path = Layout::entry(&directory, &entry.name);
        let content = Bytes::from(storage.read(&path).during("read", &path)?);
        gather(content, column, &mut numbers, &mut texts).map_err(as_io).during("read", &path)?;
    }
    Ok(numbers.iter().map(i64::to_string).chain(texts).collect())
}

fn gather(
    content: Bytes,
    column: &str,
    numbers: &mut BTreeSet<i64>,
    texts: &mut BTreeSet<String>,
) -> Result<(), parquet::errors::ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(content)?;
    if builder.schema().index_of(column).is_err() {
        // An older version's part: the column is null in all its rows.
        return Ok(());
    }
    let only = ProjectionMask::columns(builder.parquet_schema(), [column]);
    for batch in builder.with_projection(only).build()? {
        let batch = batch?;
        let values = batch.column(0);
        match values.data_type() {
            DataType::Int64 => numbers.extend(values.as_primitive::<Int64Type>().iter().flatten()),
            DataType::Utf8 => {
                for text in values.as_string::<i32>().iter().flatten() {
                    if !texts.contains(text) {
                        texts.insert(text.to_owned());
                    }
                }
            }
            // Other columns name nothing that can be asked for.
            _ => {}
        }
    }
    Ok(())
}
