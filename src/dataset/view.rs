//! What readers may look at, and a snapshot's columns streamed batch by batch to whoever counts, without what is gone.

use arrow::array::{Array, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::{filter_record_batch, is_null};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMillisecondType};
use parquet::arrow::ProjectionMask;
use serde_json::Value;

use super::error::{During, Error};
use super::layout::Layout;
use super::parquet_file::as_io;
use super::parquet_file::open;
use super::snapshot::Inventory;
use super::snapshot::shelf::Shelf;
use crate::storage::Storage;
use crate::table::{Column, Table};

/// Rows handed on at a time.
const BATCH_ROWS: usize = 8192;

/// A snapshot open for reading.
pub struct Snapshot<'a> {
    layout: &'a Layout,
    storage: &'a dyn Storage,
    /// What it holds.
    pub inventory: Inventory,
    /// What the one before it held, when that is still there.
    pub previous: Option<Inventory>,
}

impl<'a> Snapshot<'a> {
    /// The snapshot that readers see; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Disk`], also when it is not whole.
    pub fn newest(layout: &'a Layout, storage: &'a dyn Storage) -> Result<Option<Self>, Error> {
        let shelf = Shelf::new(layout, storage);
        let Some(Ok(number)) = shelf.latest()? else { return Ok(None) };
        let path = layout.snapshot(number);
        let inventory =
            shelf.inventory(number)?.map_err(std::io::Error::other).during("read the inventory of", &path)?;
        let earlier = shelf.numbers()?.into_iter().rev().filter(|earlier| *earlier < number);
        let mut previous = None;
        for earlier in earlier {
            if let Ok(inventory) = shelf.inventory(earlier)? {
                previous = Some(inventory);
                break;
            }
        }
        Ok(Some(Self { layout, storage, inventory, previous }))
    }

    /// Hands on the rows of a table that are not gone, with these of its columns; none when the snapshot lacks the table.
    ///
    /// # Errors
    /// [`Error::Disk`], and what `each` returns.
    pub fn scan(
        &self,
        table: &'static Table,
        columns: &[&str],
        each: &mut dyn FnMut(&Rows) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let shelf = Shelf::new(self.layout, self.storage);
        let file = self.inventory.file(table.name, false);
        let Some(path) = file.and_then(|file| shelf.path(self.inventory.snapshot, file)) else { return Ok(()) };
        let builder = open(self.storage, &path)?;
        let wanted = columns.iter().copied().chain(["gone_at"]);
        let only = ProjectionMask::columns(builder.parquet_schema(), wanted);
        let reader = builder.with_projection(only).with_batch_size(BATCH_ROWS).build().map_err(as_io);
        for batch in reader.during("read", &path)? {
            let batch = batch.map_err(std::io::Error::other).during("read", &path)?;
            let batch = match batch.column_by_name("gone_at") {
                None => batch,
                Some(gone_at) => {
                    let there = is_null(gone_at).and_then(|there| filter_record_batch(&batch, &there));
                    there.map_err(|error| Error::unfit(table, &error))?
                }
            };
            each(&Rows { table, batch })?;
        }
        Ok(())
    }

    /// How many rows of a table are not gone.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn count(&self, table: &'static Table) -> Result<u64, Error> {
        let mut count = 0;
        self.scan(table, &[table.key[0]], &mut |rows| {
            count += rows.len();
            Ok(())
        })?;
        Ok(count)
    }

    /// The reports of the dataset's runs, oldest first; one that is not whole is left out.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn run_reports(&self) -> Result<Vec<Value>, Error> {
        let directory = self.layout.runs();
        let mut reports = Vec::new();
        for entry in self.storage.list(&directory).during("list", &directory)? {
            if entry.name.ends_with(".json") {
                let path = Layout::entry(&directory, &entry.name);
                let content = self.storage.read(&path).during("read", &path)?;
                reports.extend(serde_json::from_slice::<Value>(&content));
            }
        }
        Ok(reports)
    }
}

/// A glob that matches this path alone.
fn literal(path: &str) -> String {
    let special = |c: char| matches!(c, '[' | '*' | '?');
    path.chars().map(|c| if special(c) { format!("[{c}]") } else { c.to_string() }).collect()
}

/// What readers may look at: the file of a table or of its history in the newest snapshot, or all parts of a table.
#[derive(Debug)]
pub struct Source {
    /// What it is called: the table's name, with `_history` behind it for a history.
    pub name: String,
    /// The table.
    pub table: &'static Table,
    /// Whether it is the table's history.
    pub history: bool,
    /// Whether it is of a snapshot.
    pub snapshot: bool,
    /// A glob that matches its files.
    pub files: String,
    /// The file, or the directory of the parts.
    pub place: String,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// What readers may look at in a dataset, in the order of the tables.
///
/// # Errors
/// [`Error::Absent`] when there is no dataset, [`Error::Disk`].
pub fn sources(layout: &Layout, storage: &dyn Storage) -> Result<Vec<Source>, Error> {
    let inventory = Snapshot::newest(layout, storage)?.map(|snapshot| snapshot.inventory);
    let mut sources = Vec::new();
    for table in crate::table::ALL.iter().copied() {
        let file = |history| inventory.as_ref().and_then(|inventory| inventory.file(table.name, history));
        for file in [file(false), file(true)].into_iter().flatten() {
            let path = if file.history { Layout::snapshot_history } else { Layout::snapshot_table };
            let place = path(&layout.latest(), table).display().to_string();
            let columns = if file.history { table.history_columns() } else { table.snapshot_columns() };
            let (name, history, files) = (file.name(), file.history, literal(&place));
            sources.push(Source { name, table, history, snapshot: true, files, place, columns });
        }
        let parts = layout.parts(table);
        let parted = storage.list(&parts).during("list", &parts)?.iter().any(|part| part.name.ends_with(".parquet"));
        if parted && file(false).is_none() {
            let place = parts.display().to_string();
            let files = format!("{}/*.parquet", literal(&place));
            let (name, columns) = (table.name.to_owned(), table.columns());
            sources.push(Source { name, table, history: false, snapshot: false, files, place, columns });
        }
    }
    if sources.is_empty() { Err(Error::Absent { dataset: layout.root().to_owned() }) } else { Ok(sources) }
}

/// Some rows of a table.
#[derive(Debug)]
pub struct Rows {
    table: &'static Table,
    batch: RecordBatch,
}

impl Rows {
    /// How many.
    pub fn len(&self) -> u64 {
        self.batch.num_rows() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.batch.num_rows() == 0
    }

    /// A column of texts.
    ///
    /// # Errors
    /// When it is none.
    pub fn texts(&self, column: &str) -> Result<&StringArray, Error> {
        self.column(column, |values| values.as_string_opt::<i32>())
    }

    /// A column of whole numbers.
    ///
    /// # Errors
    /// When it is none.
    pub fn integers(&self, column: &str) -> Result<&Int64Array, Error> {
        self.column(column, |values| values.as_primitive_opt::<Int64Type>())
    }

    /// A column of numbers.
    ///
    /// # Errors
    /// When it is none.
    pub fn decimals(&self, column: &str) -> Result<&Float64Array, Error> {
        self.column(column, |values| values.as_primitive_opt::<Float64Type>())
    }

    /// How many rows say yes in a column.
    ///
    /// # Errors
    /// When it says something else than yes or no.
    pub fn yes(&self, column: &str) -> Result<u64, Error> {
        let values: &BooleanArray = self.column(column, |values| values.as_boolean_opt())?;
        Ok(values.true_count() as u64)
    }

    /// The months (`2026-11`, UTC) of a column of instants.
    ///
    /// # Errors
    /// When it is none.
    pub fn months(&self, column: &str) -> Result<impl Iterator<Item = Option<String>> + '_, Error> {
        let instants = self.column(column, |values| values.as_primitive_opt::<TimestampMillisecondType>())?;
        let month = |ms: i64| Some(jiff::Timestamp::from_millisecond(ms).ok()?.strftime("%Y-%m").to_string());
        Ok(instants.iter().map(move |ms| ms.and_then(month)))
    }

    /// Every text of the lists in a column.
    ///
    /// # Errors
    /// When they are no lists of texts.
    pub fn each_text(&self, column: &str, each: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let lists = self.column(column, |values| values.as_list_opt::<i32>())?;
        for list in lists.iter().flatten() {
            list.as_string_opt::<i32>().into_iter().flatten().flatten().for_each(&mut *each);
        }
        Ok(())
    }

    fn column<'a, T: ?Sized>(
        &'a self,
        name: &str,
        read: impl Fn(&'a dyn Array) -> Option<&'a T>,
    ) -> Result<&'a T, Error> {
        let values = self.batch.column_by_name(name).and_then(|values| read(values.as_ref()));
        values.ok_or_else(|| Error::unfit(self.table, &format!("the column `{name}` is not as declared")))
    }
}
