//! Builds the files of one snapshot, table by table: each is written anew, or linked from the snapshot before. A table is one
//! file, or one for each range of ids in a directory.

use std::path::{Path, PathBuf};

use super::inventory::File;
use super::latest::{children_of_latest, compact, copy, latest};
use super::merge::{Chain, Merge};
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

/// Writes the rows of a range, which a merge returns, or all rows for `None`.
type FillRange<'f, 'a> = dyn FnMut(Option<u16>, &mut Merge<'a>, &mut RowWriter<'_>) -> Result<(), Error> + 'f;

/// A snapshot being built.
pub(super) struct SnapshotBuilder<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) passes: &'a Passes,
    pub(super) cancel: Cancel<'a>,
    /// The directory of the dataset.
    pub(super) dataset: &'a Path,
    /// The number of the snapshot.
    pub(super) number: u64,
    /// The directory of the draft.
    pub(super) draft: &'a Path,
    /// The facts in the metadata of every file but those of ranges, whose bytes follow from their rows alone.
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

/// The files that hold the rows to write: those of the snapshot before that are not linked, and the parts committed since.
pub(super) struct TableInputs {
    pub(super) before: Chain,
    pub(super) history: Chain,
    pub(super) parts: Vec<RecordedFile>,
}

/// The form of a table in a snapshot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// True to keep it in ranges of ids.
    pub(super) split: bool,
    /// True to keep its history.
    pub(super) history: bool,
}

impl<'a> SnapshotBuilder<'a> {
    /// Links a file of the snapshot before, which is in this directory.
    pub(super) fn link(&mut self, before: &Path, file: &File) -> Result<(), Error> {
        let (Some(from), Some(to)) = (path_in(before, file), path_in(self.draft, file)) else { return Ok(()) };
        self.make_place(&to)?;
        self.storage.link(&from, &to).during("create", &to)?;
        let entry = File { rewritten: false, ..file.clone() };
        self.built.push(Built { file: RecordedFile::new(to, entry.bytes, &entry.hash), entry });
        Ok(())
    }

    /// Writes a table, and its history if one is kept. A table in ranges gets the files of those that have rows in the inputs,
    /// beside the files that were linked; if there are none, an empty one.
    pub(super) fn table(&mut self, table: &'static Table, inputs: TableInputs, form: Form) -> Result<(), Error> {
        let (files, runs) = self.gather(table, inputs.parts, form.history)?;
        let files: Vec<Chain> = files.into_iter().map(|file| vec![file]).chain([inputs.before]).collect();
        let (passes, mut rows) = (self.passes, self.merge(MergeColumns::of_rows(table), files.clone())?);
        match table.role() {
            Role::Entity => {
                self.files(table, false, form.split, &mut rows, &mut |_, rows, to| latest(rows, passes, to))?;
            }
            Role::Child(owner) => {
                // None where no page has shown an owner: then no child row is kept.
                let owners: Vec<(Option<u16>, RecordedFile)> = self.written(owner.name).collect();
                let owners: Vec<(Option<u16>, Chain)> = match form.split {
                    true => owners.into_iter().map(|(range, file)| (range, vec![file])).collect(),
                    false => vec![(None, owners.into_iter().map(|(_, file)| file).collect())],
                };
                for (range, owners) in owners {
                    rows.narrow(range)?;
                    let mut owners = self.merge(MergeColumns::of_keys(owner), vec![owners])?;
                    if range.is_none() || rows.peek().is_some() {
                        self.file(table, false, range, &mut |to| children_of_latest(&mut rows, &mut owners, to))?;
                    }
                }
            }
            Role::Log => self.file(table, false, None, &mut |to| copy(&mut rows, to))?,
        }
        if form.history && table.role() == Role::Entity {
            let mut earlier = self.merge(MergeColumns::of_states(table), vec![inputs.history])?;
            let mut observed = self.merge(MergeColumns::of_states(table), files)?;
            self.files(table, true, form.split, &mut observed, &mut |range, observed, to| {
                earlier.narrow(range)?;
                extend(&mut earlier, observed, passes, to)
            })?;
        }
        for history in [false, form.history && table.role() == Role::Entity] {
            if !self.built.iter().any(|built| built.entry.table == table.name && built.entry.history == history) {
                let empty = self.write(table, history, Some(0), &mut |_| Ok(()))?;
                self.built.push(empty);
            }
        }
        runs.iter().try_for_each(|run| self.storage.remove(run).during("remove", run))
    }

    /// Writes one file of all rows or, if the table is split, one of each range that has rows.
    fn files(
        &mut self,
        table: &'static Table,
        history: bool,
        split: bool,
        rows: &mut Merge<'a>,
        fill: &mut FillRange<'_, 'a>,
    ) -> Result<(), Error> {
        if !split {
            return self.file(table, history, None, &mut |to| fill(None, rows, to));
        }
        while let range @ Some(_) = rows.next_range() {
            self.file(table, history, range, &mut |to| fill(range, rows, to))?;
        }
        Ok(())
    }

    /// Merges parts into runs until few enough files are left to be open together. Returns these files, and the runs among
    /// them.
    fn gather(
        &mut self,
        table: &'static Table,
        mut files: Vec<RecordedFile>,
        each_pass: bool,
    ) -> Result<(Vec<RecordedFile>, Vec<PathBuf>), Error> {
        let part = row_columns(table).len();
        let width = |file: &RecordedFile| if is_run(file.path()) { RUN_WIDTH } else { part };
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
            let files = chunk.iter().map(|file| vec![file.clone()]).collect();
            let mut merge = self.merge(MergeColumns::of_rows(table), files)?;
            if timestamps == 0 { copy(&mut merge, to) } else { compact(&mut merge, self.passes, each_pass, to) }
        })
    }

    /// Writes one file of the snapshot; of a range only if it has rows.
    fn file(
        &mut self,
        table: &'static Table,
        history: bool,
        range: Option<u16>,
        fill: &mut dyn FnMut(&mut RowWriter<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let built = self.write(table, history, range, fill)?;
        if range.is_some() && built.entry.rows == 0 {
            let path = built.file.path();
            return self.storage.remove(path).during("remove", path);
        }
        self.built.push(built);
        Ok(())
    }

    /// Writes one file of the snapshot. Returns its entry for the inventory, read back from the disk.
    fn write(
        &self,
        table: &'static Table,
        history: bool,
        range: Option<u16>,
        fill: &mut dyn FnMut(&mut RowWriter<'_>) -> Result<(), Error>,
    ) -> Result<Built, Error> {
        let of_table = Layout::snapshot_file(self.draft, table, history);
        let path = range.map_or_else(|| of_table.clone(), |range| Layout::snapshot_range(&of_table, range));
        self.make_place(&path)?;
        let (columns, timestamps) = match table.role() {
            Role::Entity if history => (table.history_columns(), 2),
            Role::Entity => (table.snapshot_columns(), 3),
            Role::Child(_) => (table.snapshot_columns(), 1),
            Role::Log => (table.snapshot_columns(), 0),
        };
        // A history has one row for each period of an entity.
        let unique = (!history).then(|| Unique { dataset: self.dataset.to_owned(), table });
        let facts = if range.is_some() { &[][..] } else { &self.facts };
        let shape = Shape { columns, timestamps, purpose: Purpose::Readers(facts), unique };
        let file = write(self.storage, &path, &shape, fill)?;
        let rows = file.open(self.storage, self.cancel)?.parquet()?.metadata().file_metadata().num_rows();
        let (table, rows) = (table.name.to_owned(), u64::try_from(rows).unwrap_or(0));
        let (bytes, hash, written_for) = (file.bytes(), file.hash().to_owned(), self.number);
        Ok(Built { entry: File { table, history, range, rows, bytes, hash, rewritten: true, written_for }, file })
    }

    /// Creates the directory of a file that is to be in one of its own.
    fn make_place(&self, path: &Path) -> Result<(), Error> {
        let directory = path.parent().unwrap_or(path);
        if directory == self.draft { Ok(()) } else { self.storage.make_dir(directory).during("create", directory) }
    }

    /// True if the table was built already.
    pub(super) fn has(&self, table: &str) -> bool {
        self.built.iter().any(|built| built.entry.table == table)
    }

    /// Returns the files that were written of a table, with the range of each.
    fn written(&self, table: &str) -> impl Iterator<Item = (Option<u16>, RecordedFile)> {
        let of_table =
            move |built: &&Built| built.entry.table == table && !built.entry.history && built.entry.rewritten;
        self.built.iter().filter(of_table).map(|built| (built.entry.range, built.file.clone()))
    }

    fn merge(
        &self,
        columns: Result<MergeColumns, arrow::error::ArrowError>,
        files: Vec<Chain>,
    ) -> Result<Merge<'a>, Error> {
        Merge::open(self.storage, columns, files, self.cancel)
    }
}
