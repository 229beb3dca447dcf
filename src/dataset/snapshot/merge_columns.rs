//! The columns that a merge reads, in a fixed order, with keys that compare as bytes.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use arrow::array::{
    Array as _, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, new_null_array,
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use zstd::bulk::Decompressor;

use super::pages::Shared;
use super::ranges::range_of;
use crate::dataset::columns::Columns;
use crate::table::snapshot::{Role, seen};
use crate::table::{Column, Table};

/// The columns that are read, and those by which rows are compared.
pub(super) struct MergeColumns {
    schema: SchemaRef,
    key: Comparison,
    /// The first column of the key: the one whose ranges a table is kept in.
    id: &'static str,
    /// The column that names the listed entity: see [`RowRef::entity`].
    name: &'static str,
    /// The columns that decide whether an entity has changed.
    state: Option<Comparison>,
    /// The decompressor of the files.
    zstd: Shared,
}

struct Comparison {
    columns: Vec<usize>,
    converter: RowConverter,
}

/// Some rows of a file with their keys.
pub(super) struct KeyedBatch {
    pub(super) rows: RecordBatch,
    keys: Rows,
    name: &'static str,
    states: Option<Rows>,
    /// The first column of the key, where it is a number.
    ids: Option<Int64Array>,
    pass: Int64Array,
    walk: StringArray,
    page: Int64Array,
    /// The columns of [`INSTANTS`]; `None` for those that are not read.
    instants: [Option<TimestampMillisecondArray>; INSTANTS.len()],
}

/// A row of a batch.
#[derive(Clone)]
pub(super) struct RowRef {
    pub(super) batch: Rc<KeyedBatch>,
    pub(super) row: usize,
}

impl MergeColumns {
    /// Returns the columns of a table's parts, runs and snapshots that a snapshot keeps.
    pub(super) fn of_rows(table: &Table) -> Result<Self, ArrowError> {
        Self::new(table, &row_columns(table), &[])
    }

    /// Returns the columns of [`MergeColumns::of_rows`], with the counters and states compared.
    pub(super) fn of_rows_and_states(table: &Table) -> Result<Self, ArrowError> {
        Self::new(table, &row_columns(table), &states(table))
    }

    /// Returns the columns of a snapshot's table that name the row, its page and when its entity was gone.
    pub(super) fn of_keys(table: &Table) -> Result<Self, ArrowError> {
        let link = table.parent.map_or(&[][..], |(_, link)| link);
        let wanted = |column: &Column| [table.key, link, &LATEST].iter().any(|names| names.contains(&column.name));
        let columns: Vec<Column> = table.snapshot_columns().into_iter().filter(wanted).collect();
        Self::new(table, &columns, &[])
    }

    /// Returns the columns of a table's history that name the row and its period.
    pub(super) fn of_periods(table: &Table) -> Result<Self, ArrowError> {
        let wanted = |column: &Column| table.key.contains(&column.name) || PERIOD.contains(&column.name);
        let columns: Vec<Column> = table.history_columns().into_iter().filter(wanted).collect();
        Self::new(table, &columns, &[])
    }

    /// Returns the columns of a table's history, with the counters and states compared.
    pub(super) fn of_states(table: &Table) -> Result<Self, ArrowError> {
        Self::new(table, &table.history_columns(), &states(table))
    }

    fn new(table: &Table, columns: &[Column], state: &[&str]) -> Result<Self, ArrowError> {
        let schema = schema(columns);
        let key = Comparison::new(&schema, table.key)?;
        let name = table.parent.map_or(table.key[0], |(_, link)| link[0]);
        let name = if schema.index_of(name).is_ok() { name } else { table.key[0] };
        let state = if state.is_empty() { None } else { Some(Comparison::new(&schema, state)?) };
        let zstd = Arc::new(Mutex::new(Decompressor::new()?));
        Ok(Self { schema, key, id: table.key[0], name, state, zstd })
    }

    /// Returns the decompressor of the files.
    pub(super) fn zstd(&self) -> &Shared {
        &self.zstd
    }

    /// True if this column of a file is read.
    pub(super) fn reads(&self, column: &str) -> bool {
        self.schema.field_with_name(column).is_ok()
    }

    /// Puts the columns of a file into order. A column that the file lacks is null; rows straight from a page were first and
    /// last seen when it arrived.
    pub(super) fn batch(&self, read: &RecordBatch) -> Result<KeyedBatch, ArrowError> {
        let column = |field: &Arc<Field>| -> ArrayRef {
            let fallback =
                || if SEEN.contains(&field.name().as_str()) { read.column_by_name("fetched_at") } else { None };
            let found = read.column_by_name(field.name()).or_else(fallback);
            found.cloned().unwrap_or_else(|| new_null_array(field.data_type(), read.num_rows()))
        };
        let columns = self.schema.fields().iter().map(column).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let (pass, page) = (rows.numbers("pass").array().cloned(), rows.numbers("page").array().cloned());
        let (Some(pass), Some(walk), Some(page)) = (pass, rows.texts("walk").array().cloned(), page) else {
            return Err(ArrowError::SchemaError("a file does not say which pages its rows are from".to_owned()));
        };
        let keys = self.key.of(&rows)?;
        let states = self.state.as_ref().map(|state| state.of(&rows)).transpose()?;
        let ids = rows.numbers(self.id).array().cloned();
        let instants = INSTANTS.map(|name| rows.instants(name).array().cloned());
        Ok(KeyedBatch { rows, keys, name: self.name, states, ids, pass, walk, page, instants })
    }
}

/// The columns of a snapshot's file by which child rows are chosen and dated.
const LATEST: [&str; 4] = ["pass", "walk", "page", "gone_at"];
/// The columns of a history that distinguish its periods.
const PERIOD: [&str; 5] = ["pass", "walk", "page", "valid_from", "valid_to"];
/// The columns of which instants are read row by row.
const INSTANTS: [&str; 6] = ["fetched_at", "first_seen_at", "last_seen_at", "gone_at", "valid_from", "valid_to"];
/// The columns that rows straight from a page do not have.
const SEEN: [&str; 2] = ["first_seen_at", "last_seen_at"];

/// Returns the columns of rows that are merged into a snapshot.
pub(super) fn row_columns(table: &Table) -> Vec<Column> {
    let mut columns = table.kept_columns();
    if table.role() == Role::Entity {
        columns.extend(seen());
    }
    columns
}

fn states(table: &Table) -> Vec<&'static str> {
    table.state_columns().iter().map(|column| column.name).collect()
}

/// Returns the Arrow schema of some columns.
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

impl KeyedBatch {
    /// Returns the key of a row: see [`RowRef::key`].
    pub(super) fn key(&self, row: usize) -> &[u8] {
        self.keys.row(row).data()
    }
}

impl RowRef {
    /// Returns the row's key as bytes that compare like the key. The columns follow each other, so the key of a child row
    /// begins with the key of its owner.
    pub(super) fn key(&self) -> &[u8] {
        self.batch.key(self.row)
    }

    /// Returns the row's counters and states as bytes; empty where none are compared.
    pub(super) fn state(&self) -> &[u8] {
        self.batch.states.as_ref().map_or(&[], |states| states.row(self.row).data())
    }

    /// Returns the range of ids that the row is in; the first one for things that have names.
    pub(super) fn range(&self) -> u16 {
        self.batch.ids.as_ref().map_or(0, |ids| range_of(ids.value(self.row)))
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

    /// True if both rows are from the same page.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.pass() == other.pass() && self.page() == other.page() && self.walk() == other.walk()
    }

    /// Returns the name of the entity that a list shows with this row: the first column of the key, for a version its model's.
    pub(super) fn entity(&self) -> String {
        self.text(self.batch.name)
    }

    /// Returns the id or name in a column as text.
    pub(super) fn text(&self, column: &str) -> String {
        self.batch.rows.keys(column).get(self.row).map(|key| key.to_string()).unwrap_or_default()
    }

    /// Returns the instant in one of [`INSTANTS`], in milliseconds since 1970.
    pub(super) fn instant(&self, column: &str) -> Option<i64> {
        let at = INSTANTS.iter().position(|name| *name == column)?;
        let instants = self.batch.instants[at].as_ref()?;
        instants.is_valid(self.row).then(|| instants.value(self.row))
    }
}
