//! Rows read back over all parts of a table, a few columns at a time.

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::layout::Layout;
use super::storage::Storage;
use super::store::as_io;
use super::{During, Error};
use crate::table::Table;

/// Shows some columns of every row in the published parts of a table, in batches; they come in the table's order, without
/// those that an older part does not have.
///
/// # Errors
/// [`Error::Disk`].
pub fn each_batch(
    layout: &Layout,
    storage: &dyn Storage,
    table: &Table,
    columns: &[&str],
    show: &mut dyn FnMut(&RecordBatch),
) -> Result<(), Error> {
    let directory = layout.parts(table);
    for entry in storage.list(&directory).during("list", &directory)? {
        if !entry.name.ends_with(".parquet") {
            continue;
        }
        let path = Layout::entry(&directory, &entry.name);
        let content = Bytes::from(storage.read(&path).during("read", &path)?);
        read(content, columns, show).map_err(as_io).during("read", &path)?;
    }
    Ok(())
}

fn read(
    content: Bytes,
    columns: &[&str],
    show: &mut dyn FnMut(&RecordBatch),
) -> Result<(), parquet::errors::ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(content)?;
    let only = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    for batch in builder.with_projection(only).build()? {
        show(&batch?);
    }
    Ok(())
}
