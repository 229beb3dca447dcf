//! Tables and columns of which a crawl keeps nothing: their rows are not written, their values are null.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::Field;

use super::Table;

/// The tables and columns of which nothing is kept; none by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dropped {
    /// Whole tables.
    pub tables: Vec<&'static Table>,
    /// Columns that may be null, with their tables.
    pub columns: Vec<(&'static Table, &'static str)>,
}

impl Dropped {
    /// Returns the names, `table` or `table.column`, each once and in order.
    pub fn names(&self) -> Vec<String> {
        let columns = self.columns.iter().map(|(table, column)| format!("{}.{column}", table.name));
        let mut names: Vec<String> = self.tables.iter().map(|table| table.name.to_owned()).chain(columns).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// True if nothing is kept of this column.
    pub fn has(&self, table: &Table, column: &str) -> bool {
        self.columns.iter().any(|(of, dropped)| *of == table && *dropped == column)
    }

    /// Returns what is kept of a table's rows; `None` if nothing is.
    pub fn kept(&self, table: &Table, rows: RecordBatch) -> Option<RecordBatch> {
        if self.tables.iter().any(|dropped| *dropped == table) {
            return None;
        }
        if !self.columns.iter().any(|(of, _)| *of == table) {
            return Some(rows);
        }
        let column = |(field, array): (&Arc<Field>, &ArrayRef)| match self.has(table, field.name()) {
            true => new_null_array(field.data_type(), rows.num_rows()),
            false => Arc::clone(array),
        };
        let schema = rows.schema();
        let columns = schema.fields().iter().zip(rows.columns()).map(column).collect();
        // The columns are those of the rows, and may be null.
        Some(RecordBatch::try_new(schema, columns).unwrap_or(rows))
    }
}
