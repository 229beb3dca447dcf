//! Merges sorted files: returns their rows in the order of keys.

use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow::error::ArrowError;

use super::merge_columns::{MergeColumns, RowRef};
use super::run::Run;
use crate::dataset::cancel::{Cancel, check};
use crate::dataset::error::{During, Error};
use crate::dataset::recorded_file::RecordedFile;
use crate::storage::Storage;

/// Sorted files being merged.
pub(super) struct Merge<'a> {
    columns: MergeColumns,
    inputs: Vec<Input>,
    /// The inputs that have a row left, the one with the least key last.
    order: Vec<usize>,
    cancel: Cancel<'a>,
}

struct Input {
    run: Run,
    next: Option<RowRef>,
}

impl<'a> Merge<'a> {
    /// Opens the files, which are compared with what is recorded of them. Each batch that is read checks `cancel` first.
    pub(super) fn open(
        storage: &dyn Storage,
        columns: Result<MergeColumns, ArrowError>,
        files: &[RecordedFile],
        cancel: Cancel<'a>,
    ) -> Result<Self, Error> {
        let first = files.first().map_or(Path::new(""), RecordedFile::path);
        let columns = columns.map_err(io::Error::other).during("compare rows of", first)?;
        let open = |file| Ok(Input { run: Run::open(storage, file, &columns, cancel)?, next: None });
        let inputs = files.iter().map(open).collect::<Result<Vec<_>, Error>>()?;
        let mut merge = Self { columns, order: Vec::with_capacity(inputs.len()), inputs, cancel };
        for input in 0..merge.inputs.len() {
            merge.advance(input)?;
        }
        Ok(merge)
    }

    /// Returns the next row without moving on.
    pub(super) fn peek(&self) -> Option<&RowRef> {
        self.order.last().and_then(|first| self.inputs[*first].next.as_ref())
    }

    /// Returns the next row.
    pub(super) fn next(&mut self) -> Result<Option<RowRef>, Error> {
        let Some(first) = self.order.pop() else { return Ok(None) };
        let row = self.inputs[first].next.clone();
        self.advance(first)?;
        Ok(row)
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

    /// Moves an input to its next row, and puts it into its place in the order.
    fn advance(&mut self, input: usize) -> Result<(), Error> {
        self.inputs[input].advance(&self.columns, self.cancel)?;
        if let Some(next) = &self.inputs[input].next {
            let key = |other: &usize| self.inputs[*other].next.as_ref().map(RowRef::key);
            let at = self.order.partition_point(|other| (key(other), *other) > (Some(next.key()), input));
            self.order.insert(at, input);
        }
        Ok(())
    }
}

impl Input {
    fn advance(&mut self, columns: &MergeColumns, cancel: Cancel<'_>) -> Result<(), Error> {
        if let Some(row) = &mut self.next
            && row.row + 1 < row.batch.rows.num_rows()
        {
            row.row += 1;
            return Ok(());
        }
        check(cancel)?;
        self.next = None;
        while let Some(batch) = self.run.next(columns)? {
            if batch.rows.num_rows() > 0 {
                self.next = Some(RowRef { batch: Arc::new(batch), row: 0 });
                break;
            }
        }
        Ok(())
    }
}
