//! Reads the columns of Parquet files with one decompressor for all of them.
//!
//! The reader of the Parquet library makes a compressor and a decompressor for each column of each row group, which takes longer
//! than to read the few rows of a small part.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;

use crate::dataset::recorded_file::Chunks;

/// A decompressor, used by the columns in turns.
pub(super) type Shared = Arc<Mutex<Decompressor<'static>>>;

/// Returns a reader of these columns of a file, with so many rows at a time.
pub(super) fn read(
    chunks: Chunks,
    footer: Arc<ParquetMetaData>,
    columns: ProjectionMask,
    rows: usize,
    zstd: &Shared,
) -> Result<ParquetRecordBatchReader> {
    let levels = parquet_to_arrow_field_levels(footer.file_metadata().schema_descr(), columns, None)?;
    let groups = Groups { chunks: Arc::new(chunks), footer, zstd: Arc::clone(zstd) };
    let rows = rows.min(groups.num_rows());
    ParquetRecordBatchReader::try_new_with_row_groups(&levels, &groups, rows, None)
}

/// The row groups of a file.
struct Groups {
    chunks: Arc<Chunks>,
    footer: Arc<ParquetMetaData>,
    zstd: Shared,
}

impl RowGroups for Groups {
    fn num_rows(&self) -> usize {
        self.footer.row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).sum()
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let (chunks, footer, zstd) = (Arc::clone(&self.chunks), Arc::clone(&self.footer), Arc::clone(&self.zstd));
        Ok(Box::new(Column { chunks, footer, column, groups: 0..self.footer.num_row_groups(), zstd }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.footer.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.footer
    }
}

/// A column of a file, group by group.
struct Column {
    chunks: Arc<Chunks>,
    footer: Arc<ParquetMetaData>,
    column: usize,
    groups: Range<usize>,
    zstd: Shared,
}

impl Iterator for Column {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.groups.next()?;
        Some(self.pages(self.footer.row_group(group)))
    }
}

impl PageIterator for Column {}

impl Column {
    fn pages(&self, group: &RowGroupMetaData) -> Result<Box<dyn PageReader>> {
        let (column, rows) = (group.column(self.column), usize::try_from(group.num_rows())?);
        let read =
            |column: &ColumnChunkMetaData| SerializedPageReader::new(Arc::clone(&self.chunks), column, rows, None);
        if !matches!(column.compression(), Compression::ZSTD(_)) {
            return Ok(Box::new(read(column)?));
        }
        // Pages of a column that says it is not compressed are returned as they are in the file.
        let pages = read(&column.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?)?;
        Ok(Box::new(Pages { pages, zstd: Arc::clone(&self.zstd), most: usize::try_from(column.uncompressed_size())? }))
    }
}

/// The pages of a column of a row group.
struct Pages {
    /// The pages as they are in the file.
    pages: SerializedPageReader<Chunks>,
    zstd: Shared,
    /// The bytes of all pages. A page that claims to have more is damaged.
    most: usize,
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.pages.get_next_page()? else { return Ok(None) };
        if matches!(page, Page::DataPageV2 { is_compressed: false, .. }) {
            return Ok(Some(page));
        }
        let (buf, levels) = match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => (buf, 0),
            // The levels before the values are never compressed.
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
                let levels = usize::try_from(levels)?.min(buf.len());
                (buf, levels)
            }
        };
        let mut zstd = self.zstd.lock().unwrap_or_else(PoisonError::into_inner);
        // A page without values may have nothing that is compressed.
        let rest = &buf[levels..];
        let values = if rest.is_empty() { Vec::new() } else { zstd.decompress(rest, self.most)? };
        *buf = Bytes::from(if levels == 0 { values } else { [&buf[..levels], &values].concat() });
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::basic::ZstdLevel;
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::cancel::NEVER;
    use crate::dataset::layout::Layout;
    use crate::dataset::recorded_file::{CheckedFile, create_recorded};
    use crate::storage::Disk;

    /// Writes numbers and the same as texts, with small pages and row groups. Returns them, and the file.
    fn file(numbers: &[Option<i64>], codec: Compression, version: WriterVersion) -> (RecordBatch, CheckedFile) {
        let texts = numbers.iter().map(|number| number.map(|number| number.to_string()));
        let texts: ArrayRef = Arc::new(StringArray::from_iter(texts));
        let columns = [("numbers", Arc::new(Int64Array::from(numbers.to_vec())) as ArrayRef), ("texts", texts)];
        let rows =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
        let properties = WriterProperties::builder().set_compression(codec).set_writer_version(version);
        let properties = properties.set_data_page_row_count_limit(8).set_write_batch_size(4);
        let properties = properties.set_max_row_group_row_count(Some(50)).build();
        let directory = tempfile::TempDir::new().unwrap();
        let written = create_recorded(&Disk, &Layout::entry(directory.path(), "file"), &mut |to| {
            let mut writer = ArrowWriter::try_new(to, rows.schema(), Some(properties.clone()))?;
            writer.write(&rows)?;
            Ok(writer.close().map(drop)?)
        });
        (rows, written.unwrap().0.open(&Disk, NEVER).unwrap())
    }

    fn reader(file: &CheckedFile) -> Result<ParquetRecordBatchReader> {
        let zstd = Arc::new(Mutex::new(Decompressor::new()?));
        read(file.chunks(), file.footer().unwrap().into(), ProjectionMask::all(), 7, &zstd)
    }

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(
            numbers in prop::collection::vec(prop::option::of(prop_oneof![0..5_i64, any::<i64>()]), 1..200),
            is_compressed in prop::bool::weighted(0.8),
            version in prop_oneof![Just(WriterVersion::PARQUET_1_0), Just(WriterVersion::PARQUET_2_0)],
        ) {
            let zstd = Compression::ZSTD(ZstdLevel::default());
            let codec = if is_compressed { zstd } else { Compression::UNCOMPRESSED };
            let (rows, file) = file(&numbers, codec, version);
            let read: Vec<RecordBatch> = reader(&file).unwrap().map(|rows| rows.unwrap()).collect();
            prop_assert!(read.iter().all(|rows| rows.num_rows() <= 7));
            prop_assert_eq!(arrow::compute::concat_batches(&rows.schema(), &read).unwrap(), rows);
        }
    }

    #[test]
    fn a_page_larger_than_its_column_is_refused() {
        let (_, file) = file(&[Some(7); 400], Compression::ZSTD(ZstdLevel::default()), WriterVersion::PARQUET_1_0);
        let footer = Arc::new(file.footer().unwrap());
        let zstd = Arc::new(Mutex::new(Decompressor::new().unwrap()));
        let column =
            Column { chunks: Arc::new(file.chunks()), footer: Arc::clone(&footer), column: 0, groups: 0..1, zstd };
        let group = footer.row_group(0).clone();
        let mut columns = group.columns().to_vec();
        columns[0] = columns[0].clone().into_builder().set_total_uncompressed_size(3).build().unwrap();
        let group = group.into_builder().set_column_metadata(columns).build().unwrap();
        assert!(column.pages(&group).unwrap().get_next_page().unwrap_err().to_string().contains("too small"));
    }
}
