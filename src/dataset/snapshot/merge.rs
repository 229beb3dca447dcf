//! Merges sorted files: returns their rows in the order of keys, of all ids or of one range of them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::vec;

use arrow::error::ArrowError;

use super::chains::Chain;
use super::merge_columns::{MergeColumns, RowRef};
use super::run::Run;
use crate::dataset::cancel::{Cancel, check};
use crate::dataset::error::{During, Error};
use crate::dataset::recorded_file::RecordedFile;
use crate::storage::Storage;

/// Sorted files being merged.
pub(super) struct Merge<'a> {
    storage: &'a dyn Storage,
    columns: MergeColumns,
    inputs: Vec<Input>,
    /// The inputs that have a row left, the one with the least key last.
    order: Vec<usize>,
    /// Set if rows behind this range are held back.
    range: Option<u16>,
    cancel: Cancel<'a>,
}

struct Input {
    /// The file being read; `None` before the first one and behind the last one.
    run: Option<Run>,
    rest: vec::IntoIter<RecordedFile>,
    next: Option<RowRef>,
}

impl<'a> Merge<'a> {
    /// Opens the first file of each chain. The files are compared with what is recorded of them. Each batch that is read checks
    /// `cancel` first.
    pub(super) fn open(
        storage: &'a dyn Storage,
        columns: Result<MergeColumns, ArrowError>,
        chains: Vec<Chain>,
        cancel: Cancel<'a>,
    ) -> Result<Self, Error> {
        let first = chains.iter().flatten().next().map_or(Path::new(""), RecordedFile::path);
        let columns = columns.map_err(io::Error::other).during("compare rows of", first)?;
        let input = |chain: Chain| Input { run: None, rest: chain.into_iter(), next: None };
        let inputs: Vec<Input> = chains.into_iter().map(input).collect();
        let order = Vec::with_capacity(inputs.len());
        let mut merge = Self { storage, columns, inputs, order, range: None, cancel };
        for input in 0..merge.inputs.len() {
            merge.advance(input)?;
        }
        Ok(merge)
    }

    /// Returns the next row without moving on.
    pub(super) fn peek(&self) -> Option<&RowRef> {
        let next = self.order.last().and_then(|first| self.inputs[*first].next.as_ref());
        next.filter(|row| self.range.is_none_or(|range| row.range() == range))
    }

    /// Returns the next row.
    pub(super) fn next(&mut self) -> Result<Option<RowRef>, Error> {
        let Some(row) = self.peek().cloned() else { return Ok(None) };
        if let Some(first) = self.order.pop() {
            self.advance(first)?;
        }
        Ok(Some(row))
    }

    /// Fills `group` with all rows of the next key; returns false if there is none.
    pub(super) fn next_group(&mut self, group: &mut Vec<RowRef>) -> Result<bool, Error> {
        group.clear();
        group.extend(self.next()?);
        while let (Some(first), Some(next)) = (group.first(), self.peek())
            && first.key() == next.key()
        {
            group.extend(self.next()?);
        }
        Ok(!group.is_empty())
    }

    /// Moves on to the next range that has rows and returns it; only its rows are returned from here on. `None` at the end.
    pub(super) fn next_range(&mut self) -> Option<u16> {
        self.range = None;
        self.range = self.peek().map(RowRef::range);
        self.range
    }

    /// Moves on to this range, or to all rows for `None`; only its rows are returned from here on.
    pub(super) fn narrow(&mut self, range: Option<u16>) -> Result<(), Error> {
        self.range = None;
        while let (Some(range), Some(next)) = (range, self.peek())
            && next.range() < range
        {
            self.next()?;
        }
        self.range = range;
        Ok(())
    }

    /// Moves an input to its next row, and puts it into its place in the order.
    fn advance(&mut self, input: usize) -> Result<(), Error> {
        self.inputs[input].advance(self.storage, &self.columns, self.cancel)?;
        if let Some(next) = &self.inputs[input].next {
            let key = |other: &usize| self.inputs[*other].next.as_ref().map(RowRef::key);
            let at = self.order.partition_point(|other| (key(other), *other) > (Some(next.key()), input));
            self.order.insert(at, input);
        }
        Ok(())
    }
}

impl Input {
    fn advance(&mut self, storage: &dyn Storage, columns: &MergeColumns, cancel: Cancel<'_>) -> Result<(), Error> {
        if let Some(row) = &mut self.next
            && row.row + 1 < row.batch.rows.num_rows()
        {
            row.row += 1;
            return Ok(());
        }
        check(cancel)?;
        let last = self.next.take();
        loop {
            match self.run.as_mut().map(|run| run.next(columns)).transpose()?.flatten() {
                Some(batch) if batch.rows.num_rows() == 0 => {}
                Some(batch) => {
                    let first = RowRef { batch: Arc::new(batch), row: 0 };
                    // Statistics, and files of other programs, may be wrong: a merge of unsorted rows would double some.
                    if let Some(run) = self.run.as_ref().filter(|_| last.is_some_and(|last| first.key() < last.key())) {
                        return Err(run.fault("its rows are not in the order of keys"));
                    }
                    self.next = Some(first);
                    return Ok(());
                }
                None => {
                    // The file that was read is closed before the next one is opened.
                    self.run = None;
                    let Some(file) = self.rest.next() else { return Ok(()) };
                    self.run = Some(Run::open(storage, &file, columns, cancel)?);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array as _, ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
    use arrow::datatypes::DataType;

    use super::*;
    use crate::dataset::cancel::NEVER;
    use crate::dataset::layout::Layout;
    use crate::dataset::part::{Maker, write_part};
    use crate::dataset::recorded_file::create_recorded;
    use crate::storage::Disk;
    use crate::table::{self, Table};

    /// Writes a part of images with these ids.
    fn part(directory: &Path, name: &str, ids: &[i64]) -> RecordedFile {
        let table: &Table = table::named("images").unwrap();
        let column = |field: &std::sync::Arc<arrow::datatypes::Field>| -> ArrayRef {
            match field.data_type() {
                _ if field.is_nullable() => new_null_array(field.data_type(), ids.len()),
                DataType::Int64 => Arc::new(Int64Array::from(ids.to_vec())),
                DataType::Utf8 => Arc::new(StringArray::from(vec!["walk"; ids.len()])),
                other => arrow::compute::cast(&Int64Array::from(ids.to_vec()), other).unwrap(),
            }
        };
        let columns: Vec<ArrayRef> = table.schema().fields().iter().map(column).collect();
        assert!(columns.iter().all(|column| column.len() == ids.len()));
        let rows = RecordBatch::try_new(table.schema(), columns).unwrap();
        let maker = Maker { crawl: "crawl", commit: 1, run: String::new() };
        let path = Layout::entry(directory, name);
        let mut content =
            |to: &mut (dyn io::Write + Send)| write_part(table, &rows, &maker, to).map_err(io::Error::other);
        create_recorded(&Disk, &path, &mut content).unwrap().0
    }

    fn ids(chains: Vec<Chain>) -> Result<Vec<String>, Error> {
        let mut merge = Merge::open(&Disk, MergeColumns::of_rows(table::named("images").unwrap()), chains, NEVER)?;
        let mut ids = Vec::new();
        while let Some(row) = merge.next()? {
            ids.push(row.text("id"));
        }
        Ok(ids)
    }

    #[test]
    fn a_chain_whose_files_do_not_follow_each_other_is_refused() {
        let directory = tempfile::TempDir::new().unwrap();
        let [low, high, amid] =
            [("low", [1, 4]), ("high", [5, 9]), ("amid", [4, 6])].map(|(name, ids)| part(directory.path(), name, &ids));
        let sound = ["1", "4", "5", "9"];
        assert_eq!(ids(vec![vec![low.clone(), high.clone()]]).unwrap(), sound);
        assert_eq!(ids(vec![vec![high.clone()], vec![low.clone()]]).unwrap(), sound);
        assert_eq!(ids(vec![vec![low.clone()], vec![amid.clone()]]).unwrap(), ["1", "4", "4", "6"]);
        for (chain, refused) in
            [(vec![high.clone(), low.clone()], &low), (vec![low.clone(), amid, high.clone()], &high)]
        {
            let error = ids(vec![chain]).unwrap_err();
            assert!(matches!(&error, Error::Rotten { path, .. } if path == refused.path()), "{error:?}");
        }
    }
}
