//! The files of one snapshot: table by table, written anew or taken over from the snapshot before.

use std::path::{Path, PathBuf};

use super::form::{Form, row_columns};
use super::inventory::File;
use super::merge::Merge;
use super::passes::Passes;
use super::periods::carry_on;
use super::run::rows_of;
use super::shelf::path_in;
use super::sink::{Purpose, Shape, Sink, Unique, write};
use super::winner::{choose, copy, follow, thin};
use crate::dataset::error::{During, Error};
use crate::dataset::layout::{Layout, is_run};
use crate::dataset::parquet_file::fingerprint;
use crate::storage::Storage;
use crate::table::Table;
use crate::table::snapshot::Role;

/// Columns that are open at once; files with more are first merged into fewer.
const WIDTH_MAX: usize = 112;
/// The columns of Parquet that take as much memory as a run.
const RUN_WIDTH: usize = 8;

/// A snapshot being made.
pub(super) struct Making<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) passes: &'a Passes,
    /// The dataset.
    pub(super) dataset: &'a Path,
    /// The directory it is made in.
    pub(super) draft: &'a Path,
    /// What every file's metadata tells.
    pub(super) facts: Vec<(&'static str, String)>,
    /// Sorted runs made so far.
    pub(super) runs: usize,
    /// The files made so far.
    pub(super) files: Vec<File>,
}

/// Where a table's rows are: its file in the snapshot before, and the parts committed since.
#[derive(Debug, Default, Clone)]
pub(super) struct Sources {
    pub(super) before: Option<PathBuf>,
    pub(super) history: Option<PathBuf>,
    pub(super) parts: Vec<PathBuf>,
}

impl Making<'_> {
    /// Takes a file over from the snapshot before.
    pub(super) fn take_over(&mut self, from: &Path, file: &File) -> Result<(), Error> {
        let Some(to) = path_in(self.draft, file) else { return Ok(()) };
        self.storage.link(from, &to).during("create", &to)?;
        self.files.push(File { rewritten: false, ..file.clone() });
        Ok(())
    }

    /// Writes a table, and its history where one is kept.
    pub(super) fn table(&mut self, table: &'static Table, sources: Sources, history: bool) -> Result<(), Error> {
        let (inputs, runs) = self.gather(table, &sources, history)?;
        match table.role() {
            Role::Entity => {
                self.file(table, false, 3, &mut |making, sink| {
                    choose(&mut making.merge(Form::of_rows(table), &inputs)?, making.passes, sink)
                })?;
                if history {
                    let earlier: Vec<PathBuf> = sources.history.into_iter().collect();
                    self.file(table, true, 2, &mut |making, sink| {
                        let mut earlier = making.merge(Form::of_states(table), &earlier)?;
                        let mut observed = making.merge(Form::of_states(table), &inputs)?;
                        carry_on(&mut earlier, &mut observed, making.passes, sink)
                    })?;
                }
            }
            Role::Child(owner) => self.file(table, false, 1, &mut |making, sink| {
                let mut rows = making.merge(Form::of_rows(table), &inputs)?;
                // Nothing is left to follow where no page has shown an owner.
                let owners = making.written(owner);
                follow(&mut rows, &mut making.merge(Form::of_keys(owner), &owners)?, sink)
            })?,
            Role::Log => self.file(table, false, 0, &mut |making, sink| {
                copy(&mut making.merge(Form::of_rows(table), &inputs)?, sink)
            })?,
        }
        runs.iter().try_for_each(|run| self.storage.remove(run).during("remove", run))
    }

    /// Few enough files with all rows of a table: parts are merged into runs until they can be open together. The second
    /// list names the runs.
    fn gather(
        &mut self,
        table: &'static Table,
        sources: &Sources,
        each_pass: bool,
    ) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
        let part = row_columns(table).len();
        let width = |file: &PathBuf| if is_run(file) { RUN_WIDTH } else { part };
        let mut files = sources.parts.clone();
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
        files.extend(sources.before.clone());
        Ok((files, runs))
    }

    /// Merges some files into a run: of things only the observations that may still win.
    fn run(&self, table: &'static Table, run: &Path, chunk: &[PathBuf], each_pass: bool) -> Result<(), Error> {
        let marks = if table.role() == Role::Entity { 2 } else { 0 };
        let shape = Shape { columns: row_columns(table), marks, purpose: Purpose::Run, unique: None };
        write(self.storage, run, &shape, &mut |sink| {
            let mut merge = self.merge(Form::of_rows(table), chunk)?;
            if marks == 0 { copy(&mut merge, sink) } else { thin(&mut merge, self.passes, each_pass, sink) }
        })
    }

    /// Writes one file of the snapshot and notes what it holds, as the disk has it.
    fn file(
        &mut self,
        table: &'static Table,
        history: bool,
        marks: usize,
        fill: &mut dyn FnMut(&Self, &mut Sink<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut file =
            File { table: table.name.to_owned(), history, rows: 0, bytes: 0, hash: String::new(), rewritten: true };
        let Some(path) = path_in(self.draft, &file) else { return Ok(()) };
        let columns = if history { table.history_columns() } else { table.snapshot_columns() };
        // A history tells of a thing once for each time that it changed.
        let unique = (!history).then(|| Unique { dataset: self.dataset.to_owned(), table });
        let shape = Shape { columns, marks, purpose: Purpose::Readers(&self.facts), unique };
        write(self.storage, &path, &shape, &mut |sink| fill(self, sink))?;
        (file.bytes, file.hash) = fingerprint(self.storage, &path)?;
        file.rows = rows_of(self.storage, &path)?;
        self.files.push(file);
        Ok(())
    }

    /// True when a table has its file already.
    pub(super) fn has(&self, table: &str) -> bool {
        self.files.iter().any(|file| file.table == table && !file.history)
    }

    /// The file of a table that was made already.
    fn written(&self, table: &Table) -> Vec<PathBuf> {
        let file = self.files.iter().find(|file| file.table == table.name && !file.history);
        file.and_then(|file| path_in(self.draft, file)).into_iter().collect()
    }

    fn merge(&self, form: Result<Form, arrow::error::ArrowError>, files: &[PathBuf]) -> Result<Merge, Error> {
        Merge::open(self.storage, form, files)
    }
}
