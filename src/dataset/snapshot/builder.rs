//! Builds the files of one snapshot, table by table: each is written anew, or linked from the snapshot before.

use std::path::{Path, PathBuf};

use super::inventory::File;
use super::latest::{children_of_latest, compact, copy, latest};
use super::merge::Merge;
use super::merge_columns::{MergeColumns, row_columns};
use super::passes::Passes;
use super::periods::extend;
use super::row_writer::{Purpose, RowWriter, Shape, Unique, write};
use super::run::rows_of;
use super::snapshot_dir::path_in;
use crate::dataset::cancel::Cancel;
use crate::dataset::error::{During, Error};
use crate::dataset::layout::{Layout, is_run};
use crate::dataset::parquet_file::size_and_hash;
use crate::storage::Storage;
use crate::table::Table;
use crate::table::snapshot::Role;

/// The columns that may be open at once. More files are first merged into fewer.
const WIDTH_MAX: usize = 112;
/// The columns of Parquet that take as much memory as a run.
const RUN_WIDTH: usize = 8;

/// A snapshot being built.
pub(super) struct SnapshotBuilder<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) passes: &'a Passes,
    pub(super) cancel: Cancel<'a>,
    /// The directory of the dataset.
    pub(super) dataset: &'a Path,
    /// The directory of the draft.
    pub(super) draft: &'a Path,
    /// The facts in every file's metadata.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The number of runs written so far.
    pub(super) runs: usize,
    /// The files built so far.
    pub(super) files: Vec<File>,
}

/// The files that hold a table's rows: those of the snapshot before, and the parts committed since.
#[derive(Debug, Default, Clone)]
pub(super) struct TableInputs {
    pub(super) before: Option<PathBuf>,
    pub(super) history: Option<PathBuf>,
    pub(super) parts: Vec<PathBuf>,
}

impl SnapshotBuilder<'_> {
    /// Links a file of the snapshot before.
    pub(super) fn link(&mut self, from: &Path, file: &File) -> Result<(), Error> {
        let Some(to) = path_in(self.draft, file) else { return Ok(()) };
        self.storage.link(from, &to).during("create", &to)?;
        self.files.push(File { rewritten: false, ..file.clone() });
        Ok(())
    }

    /// Writes a table, and its history if one is kept.
    pub(super) fn table(&mut self, table: &'static Table, inputs: TableInputs, history: bool) -> Result<(), Error> {
        let (files, runs) = self.gather(table, &inputs, history)?;
        let file = match table.role() {
            Role::Entity => self.file(table, false, 3, &mut |to| {
                latest(&mut self.merge(MergeColumns::of_rows(table), &files)?, self.passes, to)
            })?,
            Role::Child(owner) => self.file(table, false, 1, &mut |to| {
                let mut rows = self.merge(MergeColumns::of_rows(table), &files)?;
                // Empty where no page has shown an owner: then no child row is kept.
                let owners = self.written(owner);
                children_of_latest(&mut rows, &mut self.merge(MergeColumns::of_keys(owner), &owners)?, to)
            })?,
            Role::Log => {
                self.file(table, false, 0, &mut |to| copy(&mut self.merge(MergeColumns::of_rows(table), &files)?, to))?
            }
        };
        self.files.push(file);
        if history && table.role() == Role::Entity {
            let earlier: Vec<PathBuf> = inputs.history.into_iter().collect();
            let file = self.file(table, true, 2, &mut |to| {
                let mut earlier = self.merge(MergeColumns::of_states(table), &earlier)?;
                let mut observed = self.merge(MergeColumns::of_states(table), &files)?;
                extend(&mut earlier, &mut observed, self.passes, to)
            })?;
            self.files.push(file);
        }
        runs.iter().try_for_each(|run| self.storage.remove(run).during("remove", run))
    }

    /// Merges parts into runs until few enough files are left to be open together. Returns these files, and the runs among
    /// them.
    fn gather(
        &mut self,
        table: &'static Table,
        inputs: &TableInputs,
        each_pass: bool,
    ) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
        let part = row_columns(table).len();
        let width = |file: &PathBuf| if is_run(file) { RUN_WIDTH } else { part };
        let mut files = inputs.parts.clone();
        let mut runs: Vec<PathBuf> = Vec::new();
        while files.len() > 1 && files.iter().map(width).sum::<usize>() > WIDTH_MAX {
            let mut open = 0;
            let fits = |file: &&PathBuf| {
                open += width(file);
                open <= WIDTH_MAX
            };
            let together = files.iter().take_while(fits).count().max(2);
            let chunk: Vec<PathBuf> = files.drain(..together).collect();
            self.runs += 1;
            let run = Layout::snapshot_run(self.draft, self.runs);
            self.run(table, &run, &chunk, each_pass)?;
            for merged in chunk.iter().filter(|file| runs.contains(file)) {
                self.storage.remove(merged).during("remove", merged)?;
            }
            runs.retain(|run| !chunk.contains(run));
            runs.push(run.clone());
            files.push(run);
        }
        files.extend(inputs.before.clone());
        Ok((files, runs))
    }

    /// Merges some files into a run. Of an entity it keeps only the observations that may still win.
    fn run(&self, table: &'static Table, run: &Path, chunk: &[PathBuf], each_pass: bool) -> Result<(), Error> {
        let timestamps = if table.role() == Role::Entity { 2 } else { 0 };
        let shape = Shape { columns: row_columns(table), timestamps, purpose: Purpose::Run, unique: None };
        write(self.storage, run, &shape, &mut |to| {
            let mut merge = self.merge(MergeColumns::of_rows(table), chunk)?;
            if timestamps == 0 { copy(&mut merge, to) } else { compact(&mut merge, self.passes, each_pass, to) }
        })
    }

    /// Writes one file of the snapshot. Returns its entry for the inventory, read back from the disk.
    fn file(
        &self,
        table: &'static Table,
        history: bool,
        timestamps: usize,
        fill: &mut dyn FnMut(&mut RowWriter<'_>) -> Result<(), Error>,
    ) -> Result<File, Error> {
        let path = Layout::snapshot_file(self.draft, table, history);
        let columns = if history { table.history_columns() } else { table.snapshot_columns() };
        // A history has one row for each period of an entity.
        let unique = (!history).then(|| Unique { dataset: self.dataset.to_owned(), table });
        let shape = Shape { columns, timestamps, purpose: Purpose::Readers(&self.facts), unique };
        write(self.storage, &path, &shape, fill)?;
        let (bytes, hash) = size_and_hash(self.storage, &path, self.cancel)?;
        let rows = rows_of(self.storage, &path)?;
        Ok(File { table: table.name.to_owned(), history, rows, bytes, hash, rewritten: true })
    }

    /// True if the file of this table was built already.
    pub(super) fn has(&self, table: &str) -> bool {
        self.files.iter().any(|file| file.table == table && !file.history)
    }

    /// Returns the file of a table if it was built already.
    fn written(&self, table: &Table) -> Vec<PathBuf> {
        let file = self.has(table.name).then(|| Layout::snapshot_file(self.draft, table, false));
        file.into_iter().collect()
    }

    fn merge(
        &self,
        columns: Result<MergeColumns, arrow::error::ArrowError>,
        files: &[PathBuf],
    ) -> Result<Merge<'_>, Error> {
        Merge::open(self.storage, columns, files, self.cancel)
    }
}
