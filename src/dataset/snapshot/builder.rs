//! Builds the files of one snapshot, table by table: each is written anew, or linked from the snapshot before.

use std::path::{Path, PathBuf};

use super::inventory::File;
use super::latest::{children_of_latest, compact, copy, latest};
use super::merge::Merge;
use super::merge_columns::{MergeColumns, row_columns};
use super::passes::Passes;
use super::periods::extend;
use super::row_writer::{Purpose, RowWriter, Shape, Unique, write};
use super::snapshot_dir::path_in;
use crate::dataset::cancel::Cancel;
use crate::dataset::error::{During, Error};
use crate::dataset::layout::{Layout, is_run};
use crate::dataset::recorded_file::RecordedFile;
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
    pub(super) built: Vec<Built>,
}

/// A file of the snapshot being built.
pub(super) struct Built {
    /// Its entry for the inventory.
    pub(super) entry: File,
    file: RecordedFile,
}

/// The files that hold a table's rows: those of the snapshot before, and the parts committed since.
pub(super) struct TableInputs {
    pub(super) before: Option<RecordedFile>,
    pub(super) history: Option<RecordedFile>,
    pub(super) parts: Vec<RecordedFile>,
}

impl SnapshotBuilder<'_> {
    /// Links a file of the snapshot before, which is in this directory.
    pub(super) fn link(&mut self, before: &Path, file: &File) -> Result<(), Error> {
        let (Some(from), Some(to)) = (path_in(before, file), path_in(self.draft, file)) else { return Ok(()) };
        self.storage.link(&from, &to).during("create", &to)?;
        let entry = File { rewritten: false, ..file.clone() };
        self.built.push(Built { file: RecordedFile::new(to, entry.bytes, &entry.hash), entry });
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
                let owners: Vec<RecordedFile> = self.written(owner.name).cloned().collect();
                children_of_latest(&mut rows, &mut self.merge(MergeColumns::of_keys(owner), &owners)?, to)
            })?,
            Role::Log => {
                self.file(table, false, 0, &mut |to| copy(&mut self.merge(MergeColumns::of_rows(table), &files)?, to))?
            }
        };
        self.built.push(file);
        if history && table.role() == Role::Entity {
            let earlier: Vec<RecordedFile> = inputs.history.into_iter().collect();
            let file = self.file(table, true, 2, &mut |to| {
                let mut earlier = self.merge(MergeColumns::of_states(table), &earlier)?;
                let mut observed = self.merge(MergeColumns::of_states(table), &files)?;
                extend(&mut earlier, &mut observed, self.passes, to)
            })?;
            self.built.push(file);
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
    ) -> Result<(Vec<RecordedFile>, Vec<PathBuf>), Error> {
        let part = row_columns(table).len();
        let width = |file: &RecordedFile| if is_run(file.path()) { RUN_WIDTH } else { part };
        let mut files = inputs.parts.clone();
        let mut runs: Vec<PathBuf> = Vec::new();
        while files.len() > 1 && files.iter().map(width).sum::<usize>() > WIDTH_MAX {
            let mut open = 0;
            let fits = |file: &&RecordedFile| {
                open += width(file);
                open <= WIDTH_MAX
            };
            let together = files.iter().take_while(fits).count().max(2);
            let chunk: Vec<RecordedFile> = files.drain(..together).collect();
            self.runs += 1;
            let run = self.run(table, &Layout::snapshot_run(self.draft, self.runs), &chunk, each_pass)?;
            for merged in runs.extract_if(.., |run| chunk.iter().any(|file| file.path() == run)) {
                self.storage.remove(&merged).during("remove", &merged)?;
            }
            runs.push(run.path().to_owned());
            files.push(run);
        }
        files.extend(inputs.before.clone());
        Ok((files, runs))
    }

    /// Merges some files into a run. Of an entity it keeps only the observations that may still win.
    fn run(
        &self,
        table: &'static Table,
        run: &Path,
        chunk: &[RecordedFile],
        each_pass: bool,
    ) -> Result<RecordedFile, Error> {
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
    ) -> Result<Built, Error> {
        let path = Layout::snapshot_file(self.draft, table, history);
        let columns = if history { table.history_columns() } else { table.snapshot_columns() };
        // A history has one row for each period of an entity.
        let unique = (!history).then(|| Unique { dataset: self.dataset.to_owned(), table });
        let shape = Shape { columns, timestamps, purpose: Purpose::Readers(&self.facts), unique };
        let file = write(self.storage, &path, &shape, fill)?;
        let rows = file.open(self.storage, self.cancel)?.parquet()?.metadata().file_metadata().num_rows();
        let (table, rows) = (table.name.to_owned(), u64::try_from(rows).unwrap_or(0));
        let (bytes, hash) = (file.bytes(), file.hash().to_owned());
        Ok(Built { entry: File { table, history, rows, bytes, hash, rewritten: true }, file })
    }

    /// True if the file of this table was built already.
    pub(super) fn has(&self, table: &str) -> bool {
        self.written(table).next().is_some()
    }

    /// Returns the file of a table if it was built already.
    fn written(&self, table: &str) -> impl Iterator<Item = &RecordedFile> {
        let of_table = move |built: &&Built| built.entry.table == table && !built.entry.history;
        self.built.iter().filter(of_table).map(|built| &built.file)
    }

    fn merge(
        &self,
        columns: Result<MergeColumns, arrow::error::ArrowError>,
        files: &[RecordedFile],
    ) -> Result<Merge<'_>, Error> {
        Merge::open(self.storage, columns, files, self.cancel)
    }
}
