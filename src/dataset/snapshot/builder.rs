//! Builds the files of one snapshot, table by table: each is written anew, or linked from the snapshot before. A table is one
//! file, or one for each range of ids in a directory.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::chains::{Chain, Weighed, chained, too_many};
use super::inventory::File;
use super::latest::{children_of_latest, compact, copy, latest};
use super::merge::Merge;
use super::merge_columns::{MergeColumns, row_columns};
use super::passes::Passes;
use super::periods::latest_and_history;
use super::row_writer::{Purpose, RowWriter, Shape, Unique, write};
use super::run::RUN_BYTES;
use super::snapshot_dir::path_in;
use crate::dataset::cancel::Cancel;
use crate::dataset::error::{During, Error};
use crate::dataset::layout::Layout;
use crate::dataset::recorded_file::RecordedFile;
use crate::storage::{Storage, Unsynced};
use crate::table::Table;
use crate::table::snapshot::Role;

/// The files whose contents are made durable together.
const SYNCED: usize = 24;

/// The draft of a snapshot.
pub(super) struct Draft<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) passes: &'a Passes,
    /// The directory of the dataset.
    pub(super) dataset: &'a Path,
    /// The number of the snapshot.
    pub(super) number: u64,
    /// Its directory.
    pub(super) path: &'a Path,
    /// The facts in the metadata of every file but those of ranges, whose bytes follow from their rows alone.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The memory that the files open at once may take for each builder, in bytes. More are first merged into fewer.
    pub(super) open_max: u64,
    /// True to encode rows on other threads than they are merged on.
    pub(super) aside: bool,
    /// The number of runs written so far.
    pub(super) runs: AtomicUsize,
}

/// Builds the tables of a draft that belong together.
pub(super) struct FamilyBuilder<'a> {
    draft: &'a Draft<'a>,
    cancel: Cancel<'a>,
    /// The files built so far.
    built: Vec<Built>,
    /// Their contents that are not durable yet.
    unsynced: Vec<Unsynced>,
}

/// A file of the snapshot being built.
struct Built {
    /// Its entry for the inventory.
    entry: File,
    file: RecordedFile,
}

/// The files that hold the rows to write: those of the snapshot before that are not linked, and the parts committed since.
pub(super) struct TableInputs {
    pub(super) before: Chain,
    pub(super) history: Chain,
    pub(super) parts: Vec<RecordedFile>,
}

impl TableInputs {
    /// Returns the size of all files, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.before.iter().chain(&self.history).chain(&self.parts).map(RecordedFile::bytes).sum()
    }
}

/// The form of a table in a snapshot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// True to keep it in ranges of ids.
    pub(super) split: bool,
    /// True to keep its history.
    pub(super) history: bool,
}

impl<'a> FamilyBuilder<'a> {
    pub(super) fn new(draft: &'a Draft<'a>, cancel: Cancel<'a>) -> Self {
        Self { draft, cancel, built: Vec::new(), unsynced: Vec::new() }
    }

    /// Makes the files durable. Returns their entries for the inventory.
    pub(super) fn finish(mut self) -> Result<Vec<File>, Error> {
        self.sync()?;
        Ok(self.built.into_iter().map(|built| built.entry).collect())
    }

    /// Links a file of the snapshot before, which is in this directory.
    pub(super) fn link(&mut self, before: &Path, file: &File) -> Result<(), Error> {
        let (from, to) = (path_in(before, file), path_in(self.draft.path, file));
        self.make_place(&to)?;
        self.draft.storage.link(&from, &to).during("create", &to)?;
        let entry = File { rewritten: false, ..file.clone() };
        self.built.push(Built { file: RecordedFile::new(to, entry.bytes, entry.hash), entry });
        Ok(())
    }

    /// Writes a table, and its history if one is kept. A table in ranges gets the files of those that have rows in the inputs,
    /// beside the files that were linked; if there are none, an empty one.
    pub(super) fn table(&mut self, table: &'static Table, inputs: TableInputs, form: Form) -> Result<(), Error> {
        let (mut files, runs) = self.gather(table, inputs.parts, form.history)?;
        files.push(inputs.before);
        let columns = if form.history { MergeColumns::of_rows_and_states(table) } else { MergeColumns::of_rows(table) };
        let mut rows = self.merge(columns, files)?;
        match table.role() {
            Role::Entity => {
                let history = form.history.then_some(inputs.history);
                let mut earlier =
                    history.map(|files| self.merge(MergeColumns::of_states(table), vec![files])).transpose()?;
                if !form.split {
                    self.entity(table, None, &mut rows, earlier.as_mut())?;
                }
                while form.split
                    && let range @ Some(_) = rows.next_range()
                {
                    self.entity(table, range, &mut rows, earlier.as_mut())?;
                }
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
        for history in [false, form.history && table.role() == Role::Entity] {
            if !self.built.iter().any(|built| built.entry.table == table && built.entry.history == history) {
                let (empty, unsynced) = self.write(table, history, Some(0), &mut |_| Ok(()))?;
                self.built.push(empty);
                self.unsynced.push(unsynced);
            }
        }
        runs.iter().try_for_each(|run| self.draft.storage.remove(run).during("remove", run))
    }

    /// Writes the latest rows of a range, or all for `None`. With the history so far, it is extended in the same reading.
    fn entity(
        &mut self,
        table: &'static Table,
        range: Option<u16>,
        rows: &mut Merge<'a>,
        earlier: Option<&mut Merge<'a>>,
    ) -> Result<(), Error> {
        let passes = self.draft.passes;
        let Some(earlier) = earlier else {
            return self.file(table, false, range, &mut |to| latest(rows, passes, to));
        };
        earlier.narrow(range)?;
        let mut history = None;
        let written = self.write(table, false, range, &mut |to| {
            let mut extended = |periods: &mut RowWriter<'_>| latest_and_history(rows, earlier, passes, to, periods);
            history = Some(self.write(table, true, range, &mut extended)?);
            Ok(())
        })?;
        [Some(written), history].into_iter().flatten().try_for_each(|written| self.keep(range, written))
    }

    /// Puts parts into chains, and merges chains into runs until few enough are left to be open together. Returns these chains,
    /// and the runs among them.
    fn gather(
        &mut self,
        table: &'static Table,
        parts: Vec<RecordedFile>,
        each_pass: bool,
    ) -> Result<(Vec<Chain>, Vec<PathBuf>), Error> {
        let mut chains = chained(self.draft.storage, table, parts, self.cancel)?;
        let mut runs: Vec<PathBuf> = Vec::new();
        while let Some(together) = too_many(&chains, self.draft.open_max) {
            let merged: Vec<Chain> = chains.drain(..together).map(|chain| chain.files).collect();
            let number = 1 + self.draft.runs.fetch_add(1, Ordering::Relaxed);
            let run = self.run(table, &Layout::snapshot_run(self.draft.path, number), &merged, each_pass)?;
            for read in runs.extract_if(.., |run| merged.iter().flatten().any(|file| file.path() == run)) {
                self.draft.storage.remove(&read).during("remove", &read)?;
            }
            runs.push(run.path().to_owned());
            chains.push(Weighed { files: vec![run], memory: RUN_BYTES });
        }
        Ok((chains.into_iter().map(|chain| chain.files).collect(), runs))
    }

    /// Merges some chains into a run. Of an entity it keeps only the observations that may still win.
    fn run(&self, table: &'static Table, run: &Path, chains: &[Chain], each_pass: bool) -> Result<RecordedFile, Error> {
        let timestamps = if table.role() == Role::Entity { 2 } else { 0 };
        let shape = Shape {
            columns: row_columns(table),
            timestamps,
            purpose: Purpose::Run,
            unique: None,
            aside: self.draft.aside,
        };
        write(self.draft.storage, run, &shape, &mut |to| {
            let mut merge = self.merge(MergeColumns::of_rows(table), chains.to_vec())?;
            if timestamps == 0 { copy(&mut merge, to) } else { compact(&mut merge, self.draft.passes, each_pass, to) }
        })
        // No run outlives its draft.
        .map(|(run, _)| run)
    }

    /// Writes one file of the snapshot; of a range only if it has rows.
    fn file(
        &mut self,
        table: &'static Table,
        history: bool,
        range: Option<u16>,
        fill: &mut dyn FnMut(&mut RowWriter<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let written = self.write(table, history, range, fill)?;
        self.keep(range, written)
    }

    /// Keeps a file that was written; of a range only if it has rows.
    fn keep(&mut self, range: Option<u16>, (built, unsynced): (Built, Unsynced)) -> Result<(), Error> {
        if range.is_some() && built.entry.rows == 0 {
            let path = built.file.path();
            return self.draft.storage.remove(path).during("remove", path);
        }
        self.built.push(built);
        self.unsynced.push(unsynced);
        if self.unsynced.len() < SYNCED { Ok(()) } else { self.sync() }
    }

    /// Makes the contents written so far durable.
    fn sync(&mut self) -> Result<(), Error> {
        let failed = self.draft.storage.sync(std::mem::take(&mut self.unsynced)).into_iter().next();
        failed.map_or(Ok(()), |failed| Err(failed.error).during("write", &failed.path))
    }

    /// Writes one file of the snapshot. Returns its entry for the inventory, read back from the disk.
    fn write(
        &self,
        table: &'static Table,
        history: bool,
        range: Option<u16>,
        fill: &mut dyn FnMut(&mut RowWriter<'_>) -> Result<(), Error>,
    ) -> Result<(Built, Unsynced), Error> {
        let of_table = Layout::snapshot_file(self.draft.path, table, history);
        let path = range.map_or_else(|| of_table.clone(), |range| Layout::snapshot_range(&of_table, range));
        self.make_place(&path)?;
        let (columns, timestamps) = match table.role() {
            Role::Entity if history => (table.history_columns(), 2),
            Role::Entity => (table.snapshot_columns(), 3),
            Role::Child(_) => (table.snapshot_columns(), 1),
            Role::Log => (table.snapshot_columns(), 0),
        };
        // A history has one row for each period of an entity.
        let unique = (!history).then(|| Unique { dataset: self.draft.dataset.to_owned(), table });
        let facts = if range.is_some() { &[][..] } else { &self.draft.facts };
        let shape = Shape { columns, timestamps, purpose: Purpose::Readers(facts), unique, aside: self.draft.aside };
        let (file, unsynced) = write(self.draft.storage, &path, &shape, fill)?;
        let rows = file.open(self.draft.storage, self.cancel)?.footer()?.file_metadata().num_rows();
        let rows = u64::try_from(rows).unwrap_or(0);
        let (bytes, hash, written_for) = (file.bytes(), file.hash(), self.draft.number);
        let entry = File { table, history, range, rows, bytes, hash, rewritten: true, written_for };
        Ok((Built { entry, file }, unsynced))
    }

    /// Creates the directory of a file that is to be in one of its own.
    fn make_place(&self, path: &Path) -> Result<(), Error> {
        let directory = path.parent().unwrap_or(path);
        if directory == self.draft.path {
            Ok(())
        } else {
            self.draft.storage.make_dir(directory).during("create", directory)
        }
    }

    /// Returns the files that were written of a table, with the range of each.
    fn written(&self, table: &str) -> impl Iterator<Item = (Option<u16>, RecordedFile)> {
        let of_table =
            move |built: &&Built| built.entry.table.name == table && !built.entry.history && built.entry.rewritten;
        self.built.iter().filter(of_table).map(|built| (built.entry.range, built.file.clone()))
    }

    fn merge(
        &self,
        columns: Result<MergeColumns, arrow::error::ArrowError>,
        files: Vec<Chain>,
    ) -> Result<Merge<'a>, Error> {
        Merge::open(self.draft.storage, columns, files, self.cancel)
    }
}
