//! Several sorted files as one: their rows in the order of keys, and the rows that are picked as batches again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::form::{Batch, Form, Place};
use super::run::Run;
use crate::dataset::error::{During, Error};
use crate::storage::Storage;

/// Sorted files being merged.
pub(super) struct Merge {
    form: Form,
    inputs: Vec<Input>,
    /// The inputs that have a row, the one with the least key last.
    order: Vec<usize>,
}

struct Input {
    run: Run,
    next: Option<Place>,
}

impl Merge {
    /// Opens the files.
    pub(super) fn open(
        storage: &dyn Storage,
        form: Result<Form, ArrowError>,
        files: &[PathBuf],
    ) -> Result<Self, Error> {
        let form =
            form.map_err(io::Error::other).during("compare rows of", files.first().map_or(Path::new(""), |f| f))?;
        let open = |path: &PathBuf| Ok(Input { run: Run::open(storage, path, &form)?, next: None });
        let inputs = files.iter().map(open).collect::<Result<Vec<_>, Error>>()?;
        let mut merge = Self { form, order: Vec::with_capacity(inputs.len()), inputs };
        for input in 0..merge.inputs.len() {
            merge.advance(input)?;
        }
        Ok(merge)
    }

    /// The row that comes next, which stays.
    pub(super) fn peek(&self) -> Option<&Place> {
        self.order.last().and_then(|first| self.inputs[*first].next.as_ref())
    }

    /// The row that comes next.
    pub(super) fn next(&mut self) -> Result<Option<Place>, Error> {
        let Some(first) = self.order.pop() else { return Ok(None) };
        let place = self.inputs[first].next.clone();
        self.advance(first)?;
        Ok(place)
    }

    /// The rows of the next key, all of them; false when there is none.
    pub(super) fn next_group(&mut self, group: &mut Vec<Place>) -> Result<bool, Error> {
        group.clear();
        group.extend(self.next()?);
        while let (Some(first), Some(next)) = (group.first(), self.peek())
            && first.key() == next.key()
        {
            group.extend(self.next()?);
        }
        Ok(!group.is_empty())
    }

    /// Moves an input on and puts it where its next row belongs.
    fn advance(&mut self, input: usize) -> Result<(), Error> {
        self.inputs[input].advance(&self.form)?;
        if let Some(next) = &self.inputs[input].next {
            let key = |other: &usize| self.inputs[*other].next.as_ref().map(Place::key);
            let at = self.order.partition_point(|other| (key(other), *other) > (Some(next.key()), input));
            self.order.insert(at, input);
        }
        Ok(())
    }
}

impl Input {
    fn advance(&mut self, form: &Form) -> Result<(), Error> {
        if let Some(place) = &mut self.next
            && place.row + 1 < place.batch.rows.num_rows()
        {
            place.row += 1;
            return Ok(());
        }
        self.next = None;
        while let Some(batch) = self.run.next(form)? {
            if batch.rows.num_rows() > 0 {
                self.next = Some(Place { batch: Arc::new(batch), row: 0 });
                break;
            }
        }
        Ok(())
    }
}

/// Rows picked from many batches, with instants of their own in the last columns.
pub(super) struct Sheet {
    schema: SchemaRef,
    batches: Vec<Arc<Batch>>,
    picks: Vec<(usize, usize)>,
    marks: Vec<Vec<Option<i64>>>,
}

/// Rows of a sheet that is full.
const SHEET_ROWS: usize = 1024;

impl Sheet {
    /// An empty sheet whose last columns, this many, are given row by row.
    pub(super) fn new(schema: SchemaRef, marks: usize) -> Self {
        Self { schema, batches: Vec::new(), picks: Vec::new(), marks: vec![Vec::new(); marks] }
    }

    /// Picks a row.
    pub(super) fn push(&mut self, place: &Place, marks: &[Option<i64>]) {
        let known = self.batches.iter().rposition(|batch| Arc::ptr_eq(batch, &place.batch));
        let batch = known.unwrap_or_else(|| {
            self.batches.push(Arc::clone(&place.batch));
            self.batches.len() - 1
        });
        self.picks.push((batch, place.row));
        for (column, mark) in self.marks.iter_mut().zip(marks) {
            column.push(*mark);
        }
    }

    /// Whether the rows should be taken.
    pub(super) fn is_full(&self) -> bool {
        self.picks.len() >= SHEET_ROWS
    }

    /// The rows picked, and an empty sheet; `None` when none were.
    pub(super) fn take(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.picks.is_empty() {
            return Ok(None);
        }
        let copied = self.schema.fields().len() - self.marks.len();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for column in 0..copied {
            let values: Vec<&dyn Array> = self.batches.iter().map(|batch| &**batch.rows.column(column)).collect();
            columns.push(interleave(&values, &self.picks)?);
        }
        for marks in &mut self.marks {
            columns.push(Arc::new(TimestampMillisecondArray::from(std::mem::take(marks)).with_timezone("UTC")));
        }
        self.batches.clear();
        self.picks.clear();
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map(Some)
    }
}
