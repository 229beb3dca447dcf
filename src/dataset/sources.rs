//! The files of a dataset that readers may open.

use super::error::{During, Error};
use super::layout::Layout;
use super::snapshot_reader::SnapshotReader;
use crate::storage::Storage;
use crate::table::{Column, Table};

/// The file or files of a table or of its history in the newest snapshot, or all parts of a table.
#[derive(Debug)]
pub struct Source {
    /// The table's name, followed by `_history` for a history.
    pub name: String,
    /// The table.
    pub table: &'static Table,
    /// True for the table's history.
    pub history: bool,
    /// True for a file of a snapshot.
    pub snapshot: bool,
    /// A glob that matches the files.
    pub files: String,
    /// The file, or the directory of the ranges or of the parts.
    pub place: String,
    /// The columns.
    pub columns: Vec<Column>,
}

/// Returns the files that readers may open, in the order of the tables.
///
/// # Errors
/// [`Error::Absent`] if there is no dataset; [`Error::Disk`].
pub fn sources(layout: &Layout, storage: &dyn Storage) -> Result<Vec<Source>, Error> {
    let inventory = SnapshotReader::newest(layout, storage)?.map(|snapshot| snapshot.inventory);
    let mut sources = Vec::new();
    for table in crate::table::ALL.iter().copied() {
        let first = |history| inventory.as_ref().and_then(|inventory| inventory.files_of(table.name, history).next());
        for file in [first(false), first(true)].into_iter().flatten() {
            let place = Layout::snapshot_file(&layout.latest(), table, file.history).display().to_string();
            let columns = if file.history { table.history_columns() } else { table.snapshot_columns() };
            // DuckDB takes a name with special characters for a glob, which matches no directory.
            let files = format!("{}{}", literal(&place), if file.range.is_some() { "/*.parquet" } else { "" });
            let (name, history) = (file.name(), file.history);
            sources.push(Source { name, table, history, snapshot: true, files, place, columns });
        }
        let parts = layout.parts(table);
        let parted = storage.list(&parts).during("list", &parts)?.iter().any(|part| part.name.ends_with(".parquet"));
        if parted && first(false).is_none() {
            let place = parts.display().to_string();
            let files = format!("{}/*.parquet", literal(&place));
            let (name, columns) = (table.name.to_owned(), table.columns());
            sources.push(Source { name, table, history: false, snapshot: false, files, place, columns });
        }
    }
    if sources.is_empty() { Err(Error::Absent { dataset: layout.root().to_owned() }) } else { Ok(sources) }
}

/// Returns a glob that matches this path alone.
pub fn literal(path: &str) -> String {
    let special = |c: char| matches!(c, '[' | '*' | '?');
    path.chars().map(|c| if special(c) { format!("[{c}]") } else { c.to_string() }).collect()
}
