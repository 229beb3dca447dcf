//! Opening a dataset for writing, committing to it, publishing what was committed.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;

use super::commit::{Damage, Part, Record, Recovery, Walk, chain_hash, check_chain, plan_recovery};
use super::layout::{Layout, PartName, RunId, is_draft, record_number};
use super::part::{Maker, rows_in_footer, write_part};
use super::storage::{Entry, Storage};
use super::{During, Error};
use crate::table::{self, Table};

/// A dataset open for writing: the only writer there is while it lives.
pub struct Store {
    layout: Layout,
    storage: Arc<dyn Storage>,
    last: u64,
    last_hash: String,
    /// Directories whose names are known to be durable.
    ensured: HashSet<PathBuf>,
    _lock: Box<dyn Send>,
}

/// Where an opened dataset stands.
#[derive(Debug, Default)]
pub struct Standing {
    /// The last record; `None` in a new dataset.
    pub last: Option<Record>,
    /// Fingerprints of the cursors met in the last record's pass, by walk and strand.
    pub met: Met,
}

/// Fingerprints of cursors, by walk and strand.
pub type Met = BTreeMap<(String, String), HashSet<String>>;

/// What a commit makes durable together.
#[derive(Debug)]
pub struct Batch {
    /// Rows by table; tables without rows may be left out.
    pub tables: Vec<(&'static Table, RecordBatch)>,
    /// The pass they belong to.
    pub pass: u64,
    /// Where every walk of the pass stands with exactly these rows.
    pub walks: BTreeMap<String, Walk>,
}

/// Who commits: the same for every commit of a run.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The run.
    pub run: RunId,
    /// The crawl's name.
    pub crawl: String,
    /// The definition's fingerprint.
    pub definition: serde_json::Value,
}

impl Store {
    /// Opens the dataset in this directory for writing, or begins one there; finishes what an interrupted run left.
    ///
    /// # Errors
    /// [`Error::Held`], [`Error::Damaged`] (and then nothing was written) or [`Error::Disk`].
    pub fn open(layout: Layout, storage: Arc<dyn Storage>) -> Result<(Self, Standing), Error> {
        let path = layout.lock();
        let locked_before =
            storage.list(layout.root()).during("list", layout.root())?.iter().any(|e| e.name == ".lock");
        if !locked_before {
            // Nobody else is in it, and a damaged dataset must not even get a lock file.
            inspect(&layout, &*storage)?;
        }
        ensure_dir(&*storage, layout.root())?;
        let lock = storage.lock(&path).during("lock", &path)?;
        let lock = lock.ok_or_else(|| Error::Held { dataset: layout.root().to_owned() })?;
        let Inspected { records, last_hash, recovery } = inspect(&layout, &*storage)?;
        if records.is_empty() {
            sync_above(&*storage, layout.root())?;
        }
        // This makes durable, too, a record that was linked by a run that died before it synced the directory.
        let commits = layout.commits();
        ensure_dir(&*storage, &commits)?;
        storage.sync_dir(&commits).during("sync", &commits)?;
        let last = records.len() as u64;
        let store = Self { layout, storage, last, last_hash, ensured: HashSet::new(), _lock: lock };
        store.recover(&recovery)?;
        Ok((store, stand(records)))
    }

    /// The dataset's layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn recover(&self, recovery: &Recovery) -> Result<(), Error> {
        let publish: Vec<_> =
            recovery.publish.iter().filter_map(|part| Some((table::named(&part.table)?, part.name.clone()))).collect();
        self.publish(&publish)?;
        for (table, name) in &recovery.sweep {
            if let Some(table) = table::named(table) {
                let path = Layout::entry(&self.layout.parts(table), name);
                self.storage.remove(&path).during("remove", &path)?;
            }
        }
        for directory in [self.layout.commits(), self.layout.runs()] {
            for entry in self.storage.list(&directory).during("list", &directory)? {
                if is_draft(&entry.name) {
                    let path = Layout::entry(&directory, &entry.name);
                    self.storage.remove(&path).during("remove", &path)?;
                }
            }
        }
        Ok(())
    }

    /// Makes rows and cursors durable together, then publishes the parts. Once this has returned `Ok`, no crash undoes it.
    ///
    /// # Errors
    /// [`Error::Disk`]. Before the commit point the staged files are removed again and the last checkpoint stands; behind
    /// it the commit stands and the next [`Store::open`] finishes its publish. Either way this store must not be used again.
    pub fn commit(&mut self, writer: &Writer, batch: Batch) -> Result<Record, Error> {
        let commit = self.last + 1;
        let name = PartName { commit, run: writer.run.clone() };
        let tables: Vec<_> = batch.tables.iter().filter(|(_, rows)| rows.num_rows() > 0).map(|(t, _)| *t).collect();
        let drafted = self.stage(writer, &name, batch.tables).and_then(|parts| {
            let record = Record {
                format: super::commit::FORMAT,
                commit,
                previous: self.last_hash.clone(),
                at: jiff::Timestamp::now(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                run: writer.run.clone(),
                crawl: writer.crawl.clone(),
                definition: writer.definition.clone(),
                pass: batch.pass,
                walks: batch.walks,
                parts,
            };
            self.draft(&record).map(|hash| (record, hash))
        });
        let (record, hash) = drafted.inspect_err(|_| self.discard(&tables, &name))?;
        // From here on nothing staged may be removed: even a link that reports an error may have been made.
        self.enact(commit)?;
        (self.last, self.last_hash) = (commit, hash);
        let parts: Vec<_> = tables.into_iter().map(|table| (table, name.clone())).collect();
        self.publish(&parts)?;
        Ok(record)
    }

    /// Writes every table's rows as a staged part, durable under its staged name.
    fn stage(
        &mut self,
        writer: &Writer,
        name: &PartName,
        tables: Vec<(&'static Table, RecordBatch)>,
    ) -> Result<Vec<Part>, Error> {
        let maker = Maker { crawl: &writer.crawl, commit: name.commit, run: writer.run.to_string() };
        let mut parts = Vec::new();
        for (table, rows) in tables {
            if rows.num_rows() == 0 {
                continue;
            }
            let directory = self.layout.parts(table);
            self.ensure_once(&directory)?;
            let path = self.layout.staged(table, name);
            let mut write = |to: &mut (dyn io::Write + Send)| write_part(table, &rows, &maker, to).map_err(as_io);
            self.storage.write(&path, &mut write).during("write", &path)?;
            parts.push(self.check_staged(table, name, rows.num_rows() as u64)?);
            self.storage.sync_dir(&directory).during("sync", &directory)?;
        }
        Ok(parts)
    }

    /// Reads a staged part back: what a record will promise is what the disk has.
    fn check_staged(&self, table: &Table, name: &PartName, rows: u64) -> Result<Part, Error> {
        let path = self.layout.staged(table, name);
        let content = Bytes::from(self.storage.read(&path).during("read back", &path)?);
        let (bytes, hash) = (content.len() as u64, blake3::hash(&content).to_string());
        let found = rows_in_footer(table, content).map_err(as_io).during("read back", &path)?;
        if found != rows {
            let wrong = io::Error::other(format!("it holds {found} rows where {rows} were written"));
            return Err(wrong).during("read back", &path);
        }
        Ok(Part { table: table.name.to_owned(), name: name.clone(), rows, bytes, hash })
    }

    /// Writes the record where it does not count yet, and returns the hash its successor will name.
    fn draft(&self, record: &Record) -> Result<String, Error> {
        let draft = self.layout.record_draft(record.commit);
        let text = record.encode().map_err(io::Error::from).during("write", &draft)?;
        self.storage.write(&draft, &mut |to| to.write_all(text.as_bytes())).during("write", &draft)?;
        Ok(chain_hash(text.as_bytes()))
    }

    /// The commit point: the drafted record gets its number.
    fn enact(&self, commit: u64) -> Result<(), Error> {
        let (draft, path) = (self.layout.record_draft(commit), self.layout.record(commit));
        // A link, not a rename: it fails when another writer was faster, whatever became of the lock.
        self.storage.link(&draft, &path).during("create", &path)?;
        let commits = self.layout.commits();
        self.storage.sync_dir(&commits).during("sync", &commits)?;
        self.storage.remove(&draft).during("remove", &draft)
    }

    /// Gives committed parts their final names.
    fn publish(&self, parts: &[(&'static Table, PartName)]) -> Result<(), Error> {
        for (table, name) in parts {
            let (staged, path) = (self.layout.staged(table, name), self.layout.part(table, name));
            match self.storage.link(&staged, &path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => other.during("create", &path)?,
            }
        }
        for (table, _) in parts {
            let directory = self.layout.parts(table);
            self.storage.sync_dir(&directory).during("sync", &directory)?;
        }
        for (table, name) in parts {
            let staged = self.layout.staged(table, name);
            self.storage.remove(&staged).during("remove", &staged)?;
        }
        Ok(())
    }

    /// Removes what a failed commit staged, as far as the disk lets it: the next open sweeps the rest.
    fn discard(&self, tables: &[&'static Table], name: &PartName) {
        for table in tables {
            let _ = self.storage.remove(&self.layout.staged(table, name));
        }
        let _ = self.storage.remove(&self.layout.record_draft(name.commit));
    }

    /// Makes sure of a directory inside the dataset, once.
    fn ensure_once(&mut self, directory: &Path) -> Result<(), Error> {
        let inside: Vec<_> = directory.ancestors().take_while(|dir| *dir != self.layout.root()).collect();
        for dir in inside.into_iter().rev() {
            if !self.ensured.contains(dir) {
                ensure_dir(&*self.storage, dir)?;
                self.ensured.insert(dir.to_owned());
            }
        }
        Ok(())
    }

    /// Replaces the report of a run.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn write_report(&mut self, run: &RunId, text: &str) -> Result<(), Error> {
        self.ensure_once(&self.layout.runs())?;
        let (draft, path) = (self.layout.report_draft(run), self.layout.report(run));
        self.storage.write(&draft, &mut |to| to.write_all(text.as_bytes())).during("write", &draft)?;
        self.storage.rename(&draft, &path).during("replace", &path)
    }
}

/// A sound dataset, and what an interrupted run left to do in it.
struct Inspected {
    records: Vec<Record>,
    last_hash: String,
    recovery: Recovery,
}

/// Looks at everything that a writer relies on, and touches nothing.
fn inspect(layout: &Layout, storage: &dyn Storage) -> Result<Inspected, Error> {
    let damaged = |damages| Error::Damaged { dataset: layout.root().to_owned(), damages };
    let files = read_records(layout, storage)?;
    let last_hash = files.last().map_or_else(String::new, |(_, content)| chain_hash(content));
    let (records, damages) = check_chain(&files);
    if !damages.is_empty() {
        return Err(damaged(damages));
    }
    let files = list_parts(layout, storage)?;
    let recovery = plan_recovery(&records, &files).map_err(damaged)?;
    let has_name = |part: &Part| {
        let name = part.name.to_string();
        files.get(part.table.as_str()).is_some_and(|files| files.iter().any(|file| file.name == name))
    };
    for part in recovery.publish.iter().filter(|part| !has_name(part)) {
        // A name ending in `.parquet` is a promise: nothing gets one that is not what was committed.
        let Some(table) = table::named(&part.table) else { continue };
        let path = layout.staged(table, &part.name);
        let content = storage.read(&path).during("read", &path)?;
        if blake3::hash(&content).to_string() != part.hash {
            let damage = Damage::PartHash { table: part.table.clone(), name: part.name.to_string() };
            return Err(damaged(vec![damage]));
        }
    }
    Ok(Inspected { records, last_hash, recovery })
}

/// Reads a dataset without touching it; it may be written to meanwhile.
///
/// # Errors
/// [`Error::Absent`] or [`Error::Disk`].
pub fn read_records(layout: &Layout, storage: &dyn Storage) -> Result<Vec<(u64, Vec<u8>)>, Error> {
    let directory = layout.commits();
    let entries = storage.list(&directory).during("list", &directory)?;
    let mut numbers: Vec<u64> = entries.iter().filter_map(|entry| record_number(&entry.name)).collect();
    numbers.sort_unstable();
    let read = |n: u64| {
        let path = layout.record(n);
        storage.read(&path).map(|content| (n, content)).during("read", &path)
    };
    numbers.into_iter().map(read).collect()
}

/// The files in every table's parts directory.
///
/// # Errors
/// [`Error::Disk`].
pub fn list_parts(layout: &Layout, storage: &dyn Storage) -> Result<BTreeMap<&'static str, Vec<Entry>>, Error> {
    let list = |table: &&'static Table| {
        let directory = layout.parts(table);
        Ok((table.name, storage.list(&directory).during("list", &directory)?))
    };
    table::ALL.iter().map(list).collect()
}

fn stand(mut records: Vec<Record>) -> Standing {
    let Some(last) = records.pop() else { return Standing::default() };
    let mut met = Met::new();
    for record in records.iter().chain([&last]).filter(|record| record.pass == last.pass) {
        for (name, walk) in &record.walks {
            for (key, strand) in walk.strands.iter().filter(|(_, strand)| !strand.met.is_empty()) {
                met.entry((name.clone(), key.clone())).or_default().extend(strand.met.iter().cloned());
            }
        }
    }
    // Strands that are over meet no more cursors.
    met.retain(|(walk, key), _| last.walks.get(walk).is_some_and(|walk| walk.strands.contains_key(key)));
    Standing { last: Some(last), met }
}

/// Makes a directory, and its name durable in the one above.
fn ensure_dir(storage: &dyn Storage, directory: &Path) -> Result<(), Error> {
    storage.make_dir(directory).during("create", directory)?;
    let parent = named(directory.parent().unwrap_or(directory));
    storage.sync_dir(parent).during("sync", parent)
}

/// Makes the names of all directories above the dataset durable: this run may have made some of them, or one that died.
fn sync_above(storage: &dyn Storage, root: &Path) -> Result<(), Error> {
    for directory in root.ancestors().skip(1).map(named) {
        match storage.sync_dir(directory).map_err(|error| (error.kind(), error)) {
            // Nobody has made a name where names may not be made, or on a file system that syncs no directories.
            Err((ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem, _)) => {}
            Err((ErrorKind::InvalidInput | ErrorKind::Unsupported, _)) => {}
            other => other.map_err(|(_, error)| error).during("sync", directory)?,
        }
    }
    Ok(())
}

/// The directory that a path names; the current one has no name.
fn named(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

pub(super) fn as_io(error: parquet::errors::ParquetError) -> io::Error {
    match error {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
