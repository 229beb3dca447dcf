//! What is read of the files that are merged: columns in a fixed order, and keys that compare as bytes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, new_null_array,
};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef, TimestampMillisecondType};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

use crate::table::snapshot::{Role, seen};
use crate::table::{Column, Table};

/// Which columns are read, and by which of them rows are compared.
pub(super) struct Form {
    schema: SchemaRef,
    key: Comparison,
    /// The column that names what a list shows: see [`Place::thing`].
    name: usize,
    /// The columns that are compared to tell whether a thing has changed.
    state: Option<Comparison>,
}

struct Comparison {
    columns: Vec<usize>,
    converter: RowConverter,
}

/// Some rows of a file, with their keys.
pub(super) struct Batch {
    pub(super) rows: RecordBatch,
    keys: Rows,
    name: usize,
    states: Option<Rows>,
    pass: Int64Array,
    walk: StringArray,
    page: Int64Array,
}

/// A row of a batch.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) batch: Arc<Batch>,
    pub(super) row: usize,
}

impl Form {
    /// Of a table's parts, runs and snapshots: the columns that a snapshot keeps, and of things when they were seen.
    pub(super) fn of_rows(table: &Table) -> Result<Self, ArrowError> {
        Self::new(table, &row_columns(table), &[])
    }

    /// Of a snapshot's tables: which observation won, and when the thing had gone.
    pub(super) fn of_keys(table: &Table) -> Result<Self, ArrowError> {
        let wanted = |column: &Column| table.key.contains(&column.name) || WINNER.contains(&column.name);
        let columns: Vec<Column> = table.snapshot_columns().into_iter().filter(wanted).collect();
        Self::new(table, &columns, &[])
    }

    /// Of a history: how long each thing was in each state.
    pub(super) fn of_periods(table: &Table) -> Result<Self, ArrowError> {
        let wanted = |column: &Column| table.key.contains(&column.name) || PERIOD.contains(&column.name);
        let columns: Vec<Column> = table.history_columns().into_iter().filter(wanted).collect();
        Self::new(table, &columns, &[])
    }

    /// Of what a history is made of: its columns, and when each row was observed.
    pub(super) fn of_states(table: &Table) -> Result<Self, ArrowError> {
        let observed = table.columns().into_iter().filter(|column| column.name == "fetched_at");
        let columns: Vec<Column> = table.history_columns().into_iter().chain(observed).collect();
        let states: Vec<&str> = table.state_columns().iter().map(|column| column.name).collect();
        Self::new(table, &columns, &states)
    }

    /// Reads these columns, and compares states by those.
    fn new(table: &Table, columns: &[Column], state: &[&str]) -> Result<Self, ArrowError> {
        let schema = schema(columns);
        let key = Comparison::new(&schema, table.key)?;
        let name = table.parent.map_or(table.key[0], |(_, link)| link[0]);
        let name = schema.index_of(name).unwrap_or(key.columns[0]);
        let state = if state.is_empty() { None } else { Some(Comparison::new(&schema, state)?) };
        Ok(Self { schema, key, name, state })
    }

    /// Whether a column of a file is read.
    pub(super) fn reads(&self, column: &str) -> bool {
        self.schema.field_with_name(column).is_ok()
    }

    /// Brings what was read into the form's order. A column that the file has not yet is null; rows straight from a page
    /// were first and last seen when it arrived.
    pub(super) fn batch(&self, read: &RecordBatch) -> Result<Batch, ArrowError> {
        let column = |field: &Arc<Field>| -> ArrayRef {
            let fallback =
                || if SEEN.contains(&field.name().as_str()) { read.column_by_name("fetched_at") } else { None };
            let found = read.column_by_name(field.name()).or_else(fallback);
            found.cloned().unwrap_or_else(|| new_null_array(field.data_type(), read.num_rows()))
        };
        let columns = self.schema.fields().iter().map(column).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let number = |name: &str| rows.column_by_name(name).and_then(|c| c.as_primitive_opt::<Int64Type>()).cloned();
        let walk = rows.column_by_name("walk").and_then(|column| column.as_string_opt::<i32>()).cloned();
        let (Some(pass), Some(walk), Some(page)) = (number("pass"), walk, number("page")) else {
            return Err(ArrowError::SchemaError("a file does not say which pages its rows are from".to_owned()));
        };
        let keys = self.key.of(&rows)?;
        let states = self.state.as_ref().map(|state| state.of(&rows)).transpose()?;
        Ok(Batch { rows, keys, name: self.name, states, pass, walk, page })
    }
}

/// The columns of a snapshot's file by which child rows are chosen and marked.
const WINNER: [&str; 4] = ["pass", "walk", "page", "gone_at"];
/// The columns of a history by which its periods are told apart.
const PERIOD: [&str; 5] = ["pass", "walk", "page", "valid_from", "valid_to"];
/// The columns that rows straight from a page do not have.
const SEEN: [&str; 2] = ["first_seen_at", "last_seen_at"];

/// The columns of rows on their way into a snapshot.
pub(super) fn row_columns(table: &Table) -> Vec<Column> {
    let mut columns = table.kept_columns();
    if table.role() == Role::Entity {
        columns.extend(seen());
    }
    columns
}

/// The Arrow schema of some columns.
pub(super) fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(column.name, column.data_type.clone(), column.nullable);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

impl Comparison {
    fn new(schema: &Schema, names: &[&str]) -> Result<Self, ArrowError> {
        let columns = names.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let field = |column: &usize| SortField::new(schema.field(*column).data_type().clone());
        Ok(Self { converter: RowConverter::new(columns.iter().map(field).collect())?, columns })
    }

    fn of(&self, rows: &RecordBatch) -> Result<Rows, ArrowError> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|column| Arc::clone(rows.column(*column))).collect();
        self.converter.convert_columns(&columns)
    }
}

impl Place {
    /// The row's key as bytes, in the order of keys. Keys are written one column behind the other, so the key of a child
    /// row begins with that of its owner.
    pub(super) fn key(&self) -> &[u8] {
        self.batch.keys.row(self.row).data()
    }

    /// The counters and states of the row as bytes; empty where the form compares none.
    pub(super) fn state(&self) -> &[u8] {
        self.batch.states.as_ref().map_or(&[], |states| states.row(self.row).data())
    }

    pub(super) fn pass(&self) -> i64 {
        self.batch.pass.value(self.row)
    }

    pub(super) fn walk(&self) -> &str {
        self.batch.walk.value(self.row)
    }

    pub(super) fn page(&self) -> i64 {
        self.batch.page.value(self.row)
    }

    /// Whether both rows are from the same page.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.pass() == other.pass() && self.page() == other.page() && self.walk() == other.walk()
    }

    /// The name of what a list shows the row with: the first column of the key, of a version its model's.
    pub(super) fn thing(&self) -> String {
        self.name_in(self.batch.rows.column(self.batch.name))
    }

    /// A number or a name that the row has in the column, as text.
    pub(super) fn shown(&self, column: &str) -> String {
        self.batch.rows.column_by_name(column).map(|column| self.name_in(column)).unwrap_or_default()
    }

    fn name_in(&self, column: &ArrayRef) -> String {
        let number = column.as_primitive_opt::<Int64Type>().map(|numbers| numbers.value(self.row).to_string());
        let name = || column.as_string_opt::<i32>().map(|names| names.value(self.row).to_owned());
        number.or_else(name).unwrap_or_default()
    }

    /// An instant in the row.
    pub(super) fn instant(&self, column: &str) -> Option<i64> {
        let column = self.batch.rows.column_by_name(column)?;
        let instants: &TimestampMillisecondArray = column.as_primitive_opt::<TimestampMillisecondType>()?;
        instants.is_valid(self.row).then(|| instants.value(self.row))
    }
}
