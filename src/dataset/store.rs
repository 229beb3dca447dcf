//! Opens a dataset for writing, commits to it and publishes the committed parts.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, ErrorKind};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::cancel::NEVER;
use super::commit::{Part, PrunedPart, Record, WalkState, chain_hash};
use super::directories::{named, sync_all};
use super::error::{During, Error};
use super::folder;
use super::layout::{Layout, PartName, RunId, is_draft};
use super::manifest::{FULL_EVERY, Manifest};
use super::part::{Maker, read_rows, rows_in_footer, write_part};
use super::read::{Inspected, inspect, record_numbers};
use super::recorded_file::{RecordedFile, as_io, create_recorded};
use super::recovery::Recovery;
use super::snapshot::snapshot_dir::SnapshotDir;
use crate::storage::{Disk, Failed, Holder, Storage, Unsynced, is_locked};
use crate::table::{self, Table};

/// A dataset open for writing. Its lock keeps every other writer out.
pub struct Store {
    layout: Layout,
    storage: Arc<dyn Storage>,
    /// The records up to the last commit.
    manifest: Manifest,
    last_hash: String,
    full_every: u64,
    /// Directories of parts that this store has created.
    ensured: HashSet<PathBuf>,
    /// Parts whose final names are not durable yet, so that they keep their staged ones.
    unsettled: Vec<(&'static Table, PartName)>,
    _lock: Box<dyn Send>,
}

/// The content of a commit: rows and walk states that become durable together.
#[derive(Debug)]
pub struct Batch {
    /// The rows by table. Tables without rows may be left out.
    pub tables: Vec<(&'static Table, RecordBatch)>,
    /// The pass.
    pub pass: u64,
    /// The state of every walk of the pass after exactly these rows.
    pub walks: BTreeMap<String, WalkState>,
    /// Parts to remove, because a snapshot or `tables` holds their rows.
    pub prune: Vec<PrunedPart>,
}

/// The fields that are the same in every record of a run.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// The run.
    pub run: RunId,
    /// The crawl's name.
    pub crawl: String,
    /// The server: see [`Record::server`].
    pub server: String,
    /// The definition: see [`Record::definition`].
    pub definition: serde_json::Value,
}

impl RunInfo {
    /// Returns the fields of the run that made a record.
    pub fn of(record: &Record) -> Self {
        let Record { run, crawl, server, definition, .. } = record;
        let (run, definition) = (run.clone(), definition.clone());
        Self { run, crawl: crawl.clone(), server: server.clone(), definition }
    }
}

impl Store {
    /// Opens the dataset in this directory for writing, or creates one. Finishes the work of an interrupted run.
    ///
    /// # Errors
    /// [`Error::Held`]; [`Error::Damaged`], [`Error::Newer`] and [`Error::Foreign`], and then nothing was written;
    /// [`Error::Lacking`]; [`Error::Disk`].
    pub fn open(layout: Layout, storage: Arc<dyn Storage>) -> Result<Self, Error> {
        let path = layout.lock();
        folder::recognize(&layout, &*storage)?;
        let locked_before =
            storage.list(layout.root()).during("list", layout.root())?.iter().any(|e| e.name == ".lock");
        if !locked_before {
            // No other writer is in it, and a damaged dataset must not even get a lock file.
            inspect(&layout, &*storage)?;
        }
        storage.make_dir(layout.root()).during("create", layout.root())?;
        let lock = storage.lock(&path, folder::MARK).map_err(|error| unable(&layout, LOCKS, "lock", &path, error))?;
        let lock = lock.ok_or_else(|| Error::held(layout.root(), &*storage, &path, folder::MARK))?;
        let Inspected { manifest, last_hash, recovery } = inspect(&layout, &*storage)?;
        // A damaged dataset is not written to.
        storage.name_holder(&path, folder::MARK);
        for directory in [layout.commits(), layout.runs()] {
            storage.make_dir(&directory).during("create", &directory)?;
        }
        probe(&layout, &*storage)?;
        sync_names(&layout, &*storage, manifest.last.is_none())?;
        let (ensured, unsettled) = (HashSet::new(), Vec::new());
        let full_every = FULL_EVERY;
        let mut store = Self { layout, storage, manifest, last_hash, full_every, ensured, unsettled, _lock: lock };
        store.recover(&recovery)?;
        Ok(store)
    }

    /// Fails unless the file system has symbolic links, which snapshots need.
    ///
    /// # Errors
    /// [`Error::Lacking`]; [`Error::Disk`].
    pub fn check_symlinks(&self) -> Result<(), Error> {
        let probe = self.layout.probe();
        let made = self.storage.symlink(&Layout::latest_target(1), &probe);
        made.map_err(|error| unable(&self.layout, SYMLINKS, "create", &probe, error))?;
        self.remove(&probe)
    }

    /// Sets the least number of records between two full ones, instead of [`FULL_EVERY`].
    pub fn write_full_every(&mut self, records: u64) {
        self.full_every = records;
    }

    /// Returns the dataset's records, including the last commit's.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the dataset's layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the rows of a part.
    ///
    /// # Errors
    /// [`Error::Rotten`] if it is not what was committed; [`Error::Disk`].
    pub fn rows(&self, part: &Part) -> Result<Vec<RecordBatch>, Error> {
        let file = RecordedFile::of_part(&self.layout, part).open(&*self.storage, NEVER)?;
        read_rows(part.table, file.whole()?).map_err(|error| file.fault(&error))
    }

    /// Returns the hash by which the next record will name the last one.
    pub(super) fn last_hash(&self) -> &str {
        &self.last_hash
    }

    /// Returns the storage of the dataset.
    pub(super) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    fn recover(&mut self, recovery: &Recovery) -> Result<(), Error> {
        self.publish(recovery.publish.iter().map(|part| (part.table, part.name.clone())).collect())?;
        if !self.unsettled.is_empty() {
            self.settle()?;
        }
        for (table, name) in &recovery.sweep {
            if let Some(table) = table::named(table) {
                self.remove(&Layout::entry(&self.layout.parts(table), name))?;
            }
        }
        self.remove_pruned()?;
        self.remove_redundant()?;
        for directory in [self.layout.commits(), self.layout.runs()] {
            for entry in self.storage.list(&directory).during("list", &directory)? {
                if is_draft(&entry.name) {
                    self.remove(&Layout::entry(&directory, &entry.name))?;
                }
            }
        }
        SnapshotDir::new(&self.layout, &*self.storage).recover()
    }

    /// Makes rows and walk states durable together, then publishes the parts. After `Ok` no crash can undo the commit. The staged
    /// names of its parts stay until the next commit, report or [`Store::settle`], which make the final ones durable.
    ///
    /// # Errors
    /// [`Error::Disk`]. Before the commit point the staged files are removed again, and the last commit remains the latest.
    /// After it the commit is made, and the next [`Store::open`] publishes it. In both cases this store must not be used again.
    pub fn commit(&mut self, info: &RunInfo, batch: Batch) -> Result<Record, Error> {
        let commit = self.manifest.last_commit() + 1;
        if let Some(part) = batch.prune.iter().find(|part| !self.manifest.has(part)) {
            let missing = io::Error::other(format!("no commit has a part `{}/{}`", part.table, part.name));
            return Err(missing).during("remove parts of", self.layout.root());
        }
        let name = PartName { commit, run: info.run.clone() };
        let tables: Vec<_> = batch.tables.iter().filter(|(_, rows)| rows.num_rows() > 0).map(|(t, _)| *t).collect();
        let drafted = self.stage(info, &name, batch.tables).and_then(|(parts, mut unsynced)| {
            let record = Record {
                format: super::commit::FORMAT,
                commit,
                previous: self.last_hash.clone(),
                at: jiff::Timestamp::now(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                run: info.run.clone(),
                crawl: info.crawl.clone(),
                server: info.server.clone(),
                definition: info.definition.clone(),
                pass: batch.pass,
                walks: batch.walks,
                parts,
                pruned: batch.prune,
                before: self
                    .manifest
                    .is_full_due(self.full_every)
                    .then(|| Box::new(mem::take(&mut self.manifest.history))),
            };
            let (hash, draft) = self.draft(&record)?;
            unsynced.push(draft);
            sync_all(&*self.storage, unsynced)?;
            self.remove_staged()?;
            record.parts.iter().try_for_each(|part| self.check_staged(part))?;
            Ok((record, hash))
        });
        let (record, hash) = drafted.inspect_err(|_| self.discard(&tables, &name))?;
        // From here on staged files must stay, because a link that reports an error may have been made.
        self.enact(commit)?;
        let record = self.manifest.add(record).clone();
        self.last_hash = hash;
        self.publish(tables.into_iter().map(|table| (table, name.clone())).collect())?;
        self.remove_pruned()?;
        if self.manifest.full == commit {
            self.remove_redundant()?;
        }
        Ok(record)
    }

    /// Unlinks the parts that the last commit removed, durably, so that no part of an older commit ever comes back.
    fn remove_pruned(&self) -> Result<(), Error> {
        let mut tables = BTreeSet::new();
        for part in self.manifest.last.iter().flat_map(|last| &last.pruned) {
            let Some(table) = table::named(&part.table) else { continue };
            self.remove(&self.layout.part(table, &part.name))?;
            tables.insert(self.layout.parts(table));
        }
        let mut failed = self.storage.sync(tables.into_iter().map(Unsynced::Names).collect());
        // Copied by something that leaves out empty directories.
        failed.retain(|failed| failed.error.kind() != ErrorKind::NotFound);
        failed.into_iter().try_for_each(|Failed { path, error }| Err(error).during("sync", &path))
    }

    /// Removes the records before the last full one. If a crash brings some back, the next open removes them.
    fn remove_redundant(&self) -> Result<(), Error> {
        let mut numbers = record_numbers(&self.layout, &*self.storage)?;
        numbers.retain(|commit| *commit < self.manifest.full);
        numbers.into_iter().map(|commit| self.layout.record(commit)).try_for_each(|path| self.remove(&path))
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        self.storage.remove(path).during("remove", path)
    }

    /// Writes the rows of every table as a staged part. Returns the parts, for the record, with all that must be durable first: the
    /// final names of the commit before, too.
    fn stage(
        &mut self,
        info: &RunInfo,
        name: &PartName,
        tables: Vec<(&'static Table, RecordBatch)>,
    ) -> Result<(Vec<Part>, Vec<Unsynced>), Error> {
        let maker = Maker { crawl: &info.crawl, commit: name.commit, run: info.run.to_string() };
        let (mut parts, mut unsynced, mut changed) = (Vec::new(), Vec::new(), self.unsettled_directories());
        for (table, batch) in tables {
            let rows = batch.num_rows() as u64;
            if rows == 0 {
                continue;
            }
            changed.extend(self.ensure_once(self.layout.parts(table))?);
            let path = self.layout.staged(table, name);
            let mut write = |to: &mut (dyn io::Write + Send)| write_part(table, &batch, &maker, to).map_err(as_io);
            let (written, content) = create_recorded(&*self.storage, &path, &mut write).during("write", &path)?;
            unsynced.push(content);
            let (bytes, hash) = (written.bytes(), written.hash());
            parts.push(Part { table, name: name.clone(), rows, bytes, hash });
        }
        // Each directory once, behind the last change of its names.
        unsynced.extend(changed.into_iter().map(Unsynced::Names));
        Ok((parts, unsynced))
    }

    /// Creates the directory of a table's parts, unless this store did so before. Returns the directories whose names change by
    /// that and by a new part.
    fn ensure_once(&mut self, directory: PathBuf) -> Result<Vec<PathBuf>, Error> {
        let mut changed = vec![directory.clone()];
        if !self.ensured.contains(&directory) {
            self.storage.make_dir(&directory).during("create", &directory)?;
            let inside = directory.ancestors().skip(1).take_while(|dir| dir.starts_with(self.layout.root()));
            changed.extend(inside.map(|dir| named(dir).to_owned()));
            self.ensured.insert(directory);
        }
        Ok(changed)
    }

    /// Reads a staged part back, and compares it with what was written.
    fn check_staged(&self, part: &Part) -> Result<(), Error> {
        let path = self.layout.staged(part.table, &part.name);
        let file = RecordedFile::new(path, part.bytes, part.hash).open(&*self.storage, NEVER)?;
        let found = rows_in_footer(part.table, file.whole()?).map_err(|error| file.fault(&error))?;
        if found != part.rows {
            return Err(file.fault(&format!("it holds {found} rows where {} were written", part.rows)));
        }
        Ok(())
    }

    /// Writes the record as a draft. Returns the hash by which the next record will name it, and its content, which is not
    /// durable yet.
    fn draft(&self, record: &Record) -> Result<(String, Unsynced), Error> {
        let draft = self.layout.record_draft(record.commit);
        let text = record.encode().map_err(io::Error::from).during("write", &draft)?;
        let content = self.storage.create(&draft, &mut |to| to.write_all(text.as_bytes())).during("write", &draft)?;
        Ok((chain_hash(text.as_bytes()), content))
    }

    /// Makes the commit: links the drafted record to its number, which is the commit point.
    fn enact(&self, commit: u64) -> Result<(), Error> {
        let (draft, path) = (self.layout.record_draft(commit), self.layout.record(commit));
        // A link, not a rename: it fails if another writer was faster, whatever happened to the lock.
        self.storage.link(&draft, &path).during("create", &path)?;
        let commits = self.layout.commits();
        self.storage.sync_dir(&commits).during("sync", &commits)?;
        self.remove(&draft)
    }

    /// Links committed parts to their final names, which are durable once the store is settled.
    fn publish(&mut self, parts: Vec<(&'static Table, PartName)>) -> Result<(), Error> {
        for (table, name) in &parts {
            let (staged, path) = (self.layout.staged(table, name), self.layout.part(table, name));
            match self.storage.link(&staged, &path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => other.during("create", &path)?,
            }
        }
        self.unsettled = parts;
        Ok(())
    }

    /// Makes the final names of the last commit's parts durable and removes the staged ones. Without this call the next commit, the
    /// next report or the next [`Store::open`] does both, so that a commit waits for the disk only twice.
    ///
    /// # Errors
    /// [`Error::Disk`]; this store must not be used again.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.settle_beside(Vec::new())
    }

    /// Settles, and makes these contents durable beside it.
    fn settle_beside(&mut self, mut unsynced: Vec<Unsynced>) -> Result<(), Error> {
        unsynced.extend(self.unsettled_directories().into_iter().map(Unsynced::Names));
        sync_all(&*self.storage, unsynced)?;
        self.remove_staged()
    }

    /// Returns the directories of the parts whose final names are not durable yet.
    fn unsettled_directories(&self) -> BTreeSet<PathBuf> {
        self.unsettled.iter().map(|(table, _)| self.layout.parts(table)).collect()
    }

    /// Removes the staged names of parts whose final ones are durable now.
    fn remove_staged(&mut self) -> Result<(), Error> {
        let settled = mem::take(&mut self.unsettled);
        settled.iter().try_for_each(|(table, name)| self.remove(&self.layout.staged(table, name)))
    }

    /// Removes the staged files of a failed commit, ignoring errors: the next open sweeps the rest.
    fn discard(&self, tables: &[&'static Table], name: &PartName) {
        for table in tables {
            let _ = self.storage.remove(&self.layout.staged(table, name));
        }
        let _ = self.storage.remove(&self.layout.record_draft(name.commit));
    }

    /// Replaces the report of a run, and settles.
    ///
    /// # Errors
    /// [`Error::Disk`]; this store must not be used again.
    pub fn write_report(&mut self, run: &RunId, text: &str) -> Result<(), Error> {
        let (draft, path) = (self.layout.report_draft(run), self.layout.report(run));
        let content = self.storage.create(&draft, &mut |to| to.write_all(text.as_bytes())).during("write", &draft)?;
        self.settle_beside(vec![content])?;
        self.storage.rename(&draft, &path).during("replace", &path)
    }
}

/// Returns the process that writes to a dataset on the disk, as far as it can be named; `None` if there is none.
///
/// # Errors
/// The lock cannot be opened, or the file system has no locks.
pub fn holder(layout: &Layout) -> io::Result<Option<Option<Holder>>> {
    let path = layout.lock();
    Ok(is_locked(&path)?.then(|| Disk.holder(&path, folder::MARK)))
}

const LOCKS: &str = "has no locks (`flock`), without which two crawls could write at once";
const HARD_LINKS: &str = "has no hard links, by which commits are made";
const SYNCS: &str = "cannot sync directories, without which a power loss could undo commits";
const SYMLINKS: &str =
    "has no symbolic links, by which snapshots are published; `snapshot = { take = false }` does without";

/// Tries the links that commits need.
fn probe(layout: &Layout, storage: &dyn Storage) -> Result<(), Error> {
    let link = layout.probe();
    let link_error = |error| unable(layout, HARD_LINKS, "create", &link, error);
    match storage.link(&layout.lock(), &link) {
        // A run was killed here.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.map_err(link_error)?,
    }
    storage.remove(&link).during("remove", &link)
}

/// Makes all names of a dataset that are not its parts' durable, because this run or a killed one may have created them: a record
/// may have been linked without a sync of its directory. In a new dataset those of the directories above it, too.
fn sync_names(layout: &Layout, storage: &dyn Storage, is_new: bool) -> Result<(), Error> {
    let (root, commits) = (layout.root(), layout.commits());
    let above = root.ancestors().skip(1).filter(|_| is_new).map(named);
    let names = [root, &commits].into_iter().chain(above).map(|dir| Unsynced::Names(dir.to_owned())).collect();
    for Failed { path, error } in storage.sync(names) {
        match error.kind() {
            _ if path.starts_with(root) => return Err(unable(layout, SYNCS, "sync", &path, error)),
            // No directory was created where none may be, and some file systems cannot sync directories.
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {}
            ErrorKind::InvalidInput | ErrorKind::Unsupported => {}
            _ => return Err(error).during("sync", &path),
        }
    }
    Ok(())
}

/// Returns the error of an action: a lack of the file system, if the error says that the action is impossible there.
fn unable(layout: &Layout, lacking: &'static str, action: &'static str, path: &Path, source: io::Error) -> Error {
    match source.kind() {
        ErrorKind::Unsupported | ErrorKind::InvalidInput => {
            Error::Lacking { dataset: layout.root().to_owned(), lacking, source }
        }
        _ => Error::Disk { action, path: path.to_owned(), source },
    }
}
