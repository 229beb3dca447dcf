//! Merges sorted files: returns their rows in the order of keys, of all ids or of one range of them.

use std::io;
use std::path::Path;
use std::rc::Rc;
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
    /// The end of the rows in the batch of that input which come before those of all others.
    ahead: usize,
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
        let mut merge = Self { storage, columns, inputs, order, ahead: 0, range: None, cancel };
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
        if let Some(first) = self.order.last().copied() {
            match &mut self.inputs[first].next {
                Some(next) if next.row + 1 < self.ahead => next.row += 1,
                _ => {
                    self.order.pop();
                    self.advance(first)?;
                }
            }
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
        self.ahead = self.ahead();
        Ok(())
    }

    /// Returns the end of the rows in the first input's batch that come before those of all others.
    fn ahead(&self) -> usize {
        let place = |input: &usize| self.inputs[*input].next.as_ref().map(|next| (next, *input));
        let mut order = self.order.iter().rev().filter_map(place);
        let Some((next, first)) = order.next() else { return 0 };
        let rows = next.batch.rows.num_rows();
        let Some((other, second)) = order.next() else { return rows };
        let least = (other.key(), second);
        let is_ahead = |row: usize| (next.batch.key(row), first) < least;
        // Most often it is a few rows or all of them, so the steps double.
        let (mut last, mut step) = (next.row, 1);
        while last + step < rows && is_ahead(last + step) {
            last += step;
            step *= 2;
        }
        let (mut from, mut to) = (last + 1, rows.min(last + step));
        while from < to {
            let middle = from.midpoint(to);
            if is_ahead(middle) { from = middle + 1 } else { to = middle }
        }
        from
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
                    let first = RowRef { batch: Rc::new(batch), row: 0 };
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
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
    use arrow::datatypes::{DataType, Field};
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::cancel::NEVER;
    use crate::dataset::layout::Layout;
    use crate::dataset::part::{Maker, write_part};
    use crate::dataset::recorded_file::create_recorded;
    use crate::storage::Disk;
    use crate::table::{self, Table};

    /// Writes a part of images with these ids, all from one page.
    fn part(directory: &Path, name: &str, ids: &[i64], page: i64) -> RecordedFile {
        let table: &Table = table::named("images").unwrap();
        let column = |field: &Arc<Field>| -> ArrayRef {
            match field.data_type() {
                _ if field.is_nullable() => new_null_array(field.data_type(), ids.len()),
                DataType::Int64 if field.name() == "page" => Arc::new(Int64Array::from(vec![page; ids.len()])),
                DataType::Int64 => Arc::new(Int64Array::from(ids.to_vec())),
                DataType::Utf8 => Arc::new(StringArray::from(vec!["walk"; ids.len()])),
                other => arrow::compute::cast(&Int64Array::from(ids.to_vec()), other).unwrap(),
            }
        };
        let columns: Vec<ArrayRef> = table.schema().fields().iter().map(column).collect();
        let rows = RecordBatch::try_new(table.schema(), columns).unwrap();
        let maker = Maker { crawl: "crawl", commit: 1, run: String::new() };
        let path = Layout::entry(directory, name);
        let mut content =
            |to: &mut (dyn io::Write + Send)| write_part(table, &rows, &maker, to).map_err(io::Error::other);
        create_recorded(&Disk, &path, &mut content).unwrap().0
    }

    fn open<'a>(chains: Vec<Chain>) -> Result<Merge<'a>, Error> {
        Merge::open(&Disk, MergeColumns::of_rows(table::named("images").unwrap()), chains, NEVER)
    }

    fn ids(chains: Vec<Chain>) -> Result<Vec<String>, Error> {
        let mut merge = open(chains)?;
        let mut ids = Vec::new();
        while let Some(row) = merge.next()? {
            ids.push(row.text("id"));
        }
        Ok(ids)
    }

    #[test]
    fn a_chain_whose_files_do_not_follow_each_other_is_refused() {
        let directory = tempfile::TempDir::new().unwrap();
        let [low, high, amid] = [("low", [1, 4]), ("high", [5, 9]), ("amid", [4, 6])]
            .map(|(name, ids)| part(directory.path(), name, &ids, 0));
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

    /// The ids of some chains of parts. Each part of a chain begins behind the last id of the one before.
    fn chains() -> impl Strategy<Value = Vec<Vec<Vec<i64>>>> {
        // Short steps interleave rows, long ones leave spans of one chain alone.
        let step = prop_oneof![4 => 0..3_i64, 1 => 40..400_i64];
        let part = (1..9_i64, prop::collection::vec(step, 1..40));
        let chain = prop::collection::vec(part, 1..4).prop_map(|parts| {
            let mut last = 0;
            let mut ids = |(gap, steps): (i64, Vec<i64>)| {
                last += gap;
                steps
                    .into_iter()
                    .map(|step| {
                        last += step;
                        last
                    })
                    .collect()
            };
            parts.into_iter().map(&mut ids).collect()
        });
        prop::collection::vec(chain, 0..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn it_returns_what_sorting_does(chains in chains()) {
            let directory = tempfile::TempDir::new().unwrap();
            let mut sorted = Vec::new();
            let mut files = Vec::new();
            for (page, chain) in (0_i64..).zip(&chains) {
                let name = |number| format!("{page}-{number}");
                let of_chain = chain.iter().enumerate().map(|(at, ids)| part(directory.path(), &name(at), ids, page));
                files.push(of_chain.collect());
                sorted.extend(chain.iter().flatten().map(|id| (*id, page)));
            }
            sorted.sort_unstable();
            let (mut rows, mut merge) = (Vec::new(), open(files).unwrap());
            while let Some(row) = merge.next().unwrap() {
                rows.push((row.text("id").parse().unwrap(), row.page()));
            }
            prop_assert_eq!(rows, sorted);
        }
    }
}
