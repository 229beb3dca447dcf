//! Storages that break the protocol on purpose, one rule each: the model must catch every one.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Result;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use civitrawl::dataset::commit::{PrunedPart, Record};
use civitrawl::dataset::layout::{Layout, record_number, snapshot_number};
use civitrawl::storage::{Content, Entry, Failed, Ranges, Storage, Unsynced};
use civitrawl::table;

use crate::crawl::place;
use crate::machine::Machine;

/// The ways in which a storage is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// No directory is synced.
    NoDirectorySynced,
    /// The directory of the records is not synced.
    CommitsNotSynced,
    /// The directories of the parts are not synced.
    PartsNotSynced,
    /// Directories are synced that hold nothing but directories, and no others.
    OnlyParentsSynced,
    /// The directories above the files are not synced.
    ParentsNotSynced,
    /// Instead of a directory the one above it is synced.
    WrongDirectorySynced,
    /// No file is synced.
    NoFileSynced,
    /// Staged parts are not synced.
    StagedNotSynced,
    /// Of the staged parts of a commit, the last one is not synced.
    LastStagedNotSynced,
    /// The last staged part of a commit is synced when its record is there.
    RecordBeforeSynced,
    /// The directory of a staged part is synced before that is written.
    SyncedBeforeStaged,
    /// The directory above a new one is synced before that is made.
    SyncedBeforeMade,
    /// The directory of a part is synced before that has its final name.
    SyncedBeforeLinked,
    /// The directory of the records is synced together with the final names that the record allows.
    PublishedBeforeSynced,
    /// Drafts of records are not synced.
    DraftNotSynced,
    /// A link takes the old name away: a rename, which is not atomic.
    LinkRenames,
    /// A link is a copy made under the final name.
    LinkCopies,
    /// The staged name is removed before the final one is made.
    StagedRemovedFirst,
    /// The staged name is removed before the final one is durable.
    StagedRemovedAtOnce,
    /// The final names of a commit are not synced with the next one, where that adds nothing to their directory.
    UnsettledNotSynced,
    /// A part gets its final name as soon as it is written.
    PublishedAtOnce,
    /// A record is written under its number from the start.
    RecordWrittenInPlace,
    /// Nothing staged is ever removed.
    StagedKept,
    /// Staged files are not listed.
    StagedHidden,
    /// Records that a full one makes redundant are removed before that one is durable.
    RedundantRemovedFirst,
    /// Records that a full one has made redundant are not removed.
    RedundantKept,
    /// Parts that a commit removes are removed before it counts.
    PrunedRemovedFirst,
    /// Parts that a commit removed are not removed.
    PrunedKept,
    /// The removal of parts is not synced.
    PrunedNotSynced,
    /// Files of snapshots are not synced.
    SnapshotFilesNotSynced,
    /// The directory of a snapshot's draft is not synced.
    SnapshotNotSynced,
    /// The directories of tables in ranges are not synced.
    RangesNotSynced,
    /// The directory of all snapshots is not synced.
    SnapshotsNotSynced,
    /// `latest` leads to a snapshot before that one has its number.
    ShownFirst,
    /// `latest` is removed and made anew.
    ShownInPlace,
    /// The new `latest` is not synced.
    LatestNotSynced,
    /// `latest` is not switched.
    LatestKept,
    /// A snapshot's files are removed before it is a draft again.
    RetiredInPlace,
    /// That a snapshot is a draft again is not synced before its files are removed.
    RetirementNotSynced,
    /// Drafts of snapshots are not removed.
    SnapshotDraftKept,
    /// Whoever asks for the lock gets it.
    LockLost,
}

/// Every mutation.
pub(crate) const ALL: [Mutation; 41] = [
    Mutation::NoDirectorySynced,
    Mutation::CommitsNotSynced,
    Mutation::PartsNotSynced,
    Mutation::OnlyParentsSynced,
    Mutation::ParentsNotSynced,
    Mutation::WrongDirectorySynced,
    Mutation::NoFileSynced,
    Mutation::StagedNotSynced,
    Mutation::LastStagedNotSynced,
    Mutation::RecordBeforeSynced,
    Mutation::SyncedBeforeStaged,
    Mutation::SyncedBeforeMade,
    Mutation::SyncedBeforeLinked,
    Mutation::PublishedBeforeSynced,
    Mutation::DraftNotSynced,
    Mutation::LinkRenames,
    Mutation::LinkCopies,
    Mutation::StagedRemovedFirst,
    Mutation::StagedRemovedAtOnce,
    Mutation::UnsettledNotSynced,
    Mutation::PublishedAtOnce,
    Mutation::RecordWrittenInPlace,
    Mutation::StagedKept,
    Mutation::StagedHidden,
    Mutation::RedundantRemovedFirst,
    Mutation::RedundantKept,
    Mutation::PrunedRemovedFirst,
    Mutation::PrunedKept,
    Mutation::PrunedNotSynced,
    Mutation::SnapshotFilesNotSynced,
    Mutation::SnapshotNotSynced,
    Mutation::RangesNotSynced,
    Mutation::SnapshotsNotSynced,
    Mutation::ShownFirst,
    Mutation::ShownInPlace,
    Mutation::LatestNotSynced,
    Mutation::LatestKept,
    Mutation::RetiredInPlace,
    Mutation::RetirementNotSynced,
    Mutation::SnapshotDraftKept,
    Mutation::LockLost,
];

/// The machine's storage, broken or not.
pub(crate) fn wrap(machine: &Arc<Machine>, mutation: Option<Mutation>) -> Arc<dyn Storage> {
    match mutation {
        None => Arc::clone(machine) as Arc<dyn Storage>,
        Some(mutation) => {
            let (skipped, late) = (Mutex::default(), Mutex::default());
            Arc::new(Mutant { machine: Arc::clone(machine), mutation, skipped, late })
        }
    }
}

struct Mutant {
    machine: Arc<Machine>,
    mutation: Mutation,
    /// Directories whose next sync is to be left out.
    skipped: Mutex<BTreeSet<PathBuf>>,
    /// The syncs that are made later than the protocol wants.
    late: Mutex<Vec<Unsynced>>,
}

fn is_part(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("parquet")) && path.starts_with(place().root().join("parts"))
}

fn is_snapshot(path: &Path) -> bool {
    is_in(path, "snapshots") && path.extension().is_none()
}

fn is_snapshot_draft(path: &Path) -> bool {
    is_in(path, "snapshots") && path.extension() == Some(OsStr::new("tmp"))
}

fn is_record(path: &Path) -> bool {
    is_in(path, "commits") && path.extension() == Some(OsStr::new("json"))
}

fn is_staged(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("staged"))
}

fn is_draft(path: &Path) -> bool {
    is_in(path, "commits") && path.extension() == Some(OsStr::new("tmp"))
}

fn is_in(path: &Path, directory: &str) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with(directory))
}

/// The name a staged part or a draft is to get.
fn final_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = name.trim_start_matches('.');
    match name.strip_suffix(".tmp") {
        Some(number) => format!("{:08}.json", number.parse::<u64>().expect("drafts are numbered")),
        None => name.trim_end_matches(".staged").to_owned(),
    }
}

impl Mutant {
    fn syncs(&self, unsynced: &Unsynced) -> bool {
        match unsynced {
            Unsynced::Content(path, _) => match self.mutation {
                Mutation::NoFileSynced => false,
                Mutation::StagedNotSynced => !is_staged(path),
                Mutation::DraftNotSynced => !is_draft(path),
                Mutation::SnapshotFilesNotSynced => !path.parent().is_some_and(is_snapshot_draft),
                _ => true,
            },
            Unsynced::Names(directory) => {
                self.syncs_names(directory) && !locked(&self.skipped).remove(directory.as_path())
            }
        }
    }

    fn syncs_names(&self, directory: &Path) -> bool {
        let (commits, parts) = (directory.ends_with("commits"), is_in(directory, "parts"));
        match self.mutation {
            Mutation::NoDirectorySynced => false,
            Mutation::CommitsNotSynced => !commits,
            Mutation::PartsNotSynced => !parts,
            Mutation::OnlyParentsSynced => !commits && !parts,
            Mutation::ParentsNotSynced => commits || parts,
            Mutation::SnapshotNotSynced => !is_snapshot_draft(directory),
            Mutation::RangesNotSynced => directory.extension() != Some(OsStr::new("parquet")),
            Mutation::SnapshotsNotSynced => !directory.ends_with("snapshots"),
            _ => true,
        }
    }

    /// Takes out of a batch what is to be synced later, and adds what is late by now.
    fn delay(&self, batch: &mut Vec<Unsynced>) {
        let mut late = locked(&self.late);
        let last_staged = batch.iter().rposition(|unsynced| is_staged(unsynced.path()));
        let is_commits = batch.len() == 1 && batch.iter().all(|unsynced| unsynced.path() == place().commits());
        let has_draft = batch.iter().any(|unsynced| is_draft(unsynced.path()));
        let staged: BTreeSet<_> = batch
            .iter()
            .map(Unsynced::path)
            .filter(|path| is_staged(path))
            .filter_map(|path| Some(path.parent()?.to_owned()))
            .collect();
        match self.mutation {
            Mutation::LastStagedNotSynced => drop(last_staged.map(|last| batch.remove(last))),
            Mutation::RecordBeforeSynced => late.extend(last_staged.map(|last| batch.remove(last))),
            Mutation::UnsettledNotSynced if has_draft => {
                batch.retain(|unsynced| !is_in(unsynced.path(), "parts") || staged.contains(unsynced.path()));
            }
            Mutation::PublishedBeforeSynced if is_commits => late.append(batch),
            Mutation::PublishedBeforeSynced => batch.append(&mut late),
            _ => {}
        }
    }

    /// Syncs the directory that a name is in now, instead of the next time.
    fn sync_early(&self, path: &Path) {
        let directory = path.parent().expect("all names are in directories").to_owned();
        // It may be about to be made.
        let _ = self.machine.sync_dir(&directory);
        self.skip_sync_of(path);
    }

    /// Removes what the drafted record will make redundant or has removed, although it does not count yet.
    fn remove_first(&self, draft: &Path, number: &Path) -> Result<()> {
        let commit =
            record_number(&number.file_name().unwrap_or_default().to_string_lossy()).expect("it is a record's");
        let record = Record::decode(commit, &self.machine.read(draft)?).expect("it is whole");
        match self.mutation {
            Mutation::RedundantRemovedFirst if record.before.is_some() => {
                self.machine.link(draft, number)?;
                (1..commit).try_for_each(|commit| self.machine.remove(&place().record(commit)))
            }
            Mutation::PrunedRemovedFirst => {
                let path =
                    |part: &PrunedPart| place().part(table::named(&part.table).expect("it is known"), &part.name);
                record.pruned.iter().try_for_each(|part| self.machine.remove(&path(part)))?;
                self.machine.link(draft, number)
            }
            _ => self.machine.link(draft, number),
        }
    }

    /// Leaves out the next sync of the directory that a name is in.
    fn skip_sync_of(&self, path: &Path) {
        let directory = path.parent().expect("all names are in directories").to_owned();
        locked(&self.skipped).insert(directory);
    }

    /// Lets `latest` lead to a snapshot that is not there yet.
    fn show_first(&self, snapshot: &Path) -> Result<()> {
        let number = snapshot_number(&snapshot.file_name().unwrap_or_default().to_string_lossy()).expect("it is one");
        self.machine.symlink(&Layout::latest_target(number), &place().latest_draft())?;
        self.machine.rename(&place().latest_draft(), &place().latest())
    }

    /// Removes the files of a snapshot.
    fn empty(&self, snapshot: &Path) -> Result<()> {
        let files = self.machine.list(snapshot)?;
        files.iter().try_for_each(|file| self.machine.remove(&snapshot.join(&file.name)))
    }

    /// Writes a file that already has its final name.
    fn create_in_place(&self, path: &Path, content: &mut Content<'_>) -> Result<Unsynced> {
        let place = path.with_file_name(final_name(path));
        let unsynced = self.machine.create(&place, content)?;
        self.machine.link(&place, path)?;
        Ok(unsynced)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}

impl Storage for Mutant {
    fn make_dir(&self, dir: &Path) -> Result<()> {
        if self.mutation == Mutation::SyncedBeforeMade && is_in(dir, "parts") {
            self.sync_early(dir);
        }
        self.machine.make_dir(dir)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        let mut entries = self.machine.list(dir)?;
        entries.retain(|entry| self.mutation != Mutation::StagedHidden || !entry.name.ends_with(".staged"));
        Ok(entries)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.machine.read(path)
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Ranges>> {
        self.machine.open(path)
    }

    fn create(&self, path: &Path, content: &mut Content<'_>) -> Result<Unsynced> {
        match self.mutation {
            Mutation::PublishedAtOnce if is_staged(path) => return self.create_in_place(path, content),
            Mutation::RecordWrittenInPlace if is_draft(path) => return self.create_in_place(path, content),
            Mutation::SyncedBeforeStaged if is_staged(path) => self.sync_early(path),
            _ => {}
        }
        self.machine.create(path, content)
    }

    fn sync(&self, mut batch: Vec<Unsynced>) -> Vec<Failed> {
        batch.retain(|unsynced| self.syncs(unsynced));
        self.delay(&mut batch);
        for unsynced in &mut batch {
            match unsynced {
                Unsynced::Names(dir) if self.mutation == Mutation::WrongDirectorySynced => drop(dir.pop()),
                _ => {}
            }
        }
        self.machine.sync(batch)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        match self.mutation {
            Mutation::LinkRenames => self.machine.rename(from, to),
            Mutation::LinkCopies => {
                let content = self.machine.read(from)?;
                self.machine.write(to, &mut |file| file.write_all(&content))
            }
            Mutation::StagedRemovedFirst if is_staged(from) => {
                let kept = from.with_extension("kept");
                self.machine.rename(from, &kept)?;
                self.machine.rename(&kept, to)
            }
            Mutation::RecordWrittenInPlace if is_draft(from) => Ok(()),
            Mutation::RedundantRemovedFirst | Mutation::PrunedRemovedFirst if is_draft(from) => {
                self.remove_first(from, to)
            }
            Mutation::StagedRemovedAtOnce if is_staged(from) => {
                self.machine.link(from, to)?;
                self.machine.remove(from)
            }
            Mutation::SyncedBeforeLinked if is_staged(from) => {
                self.sync_early(to);
                self.machine.link(from, to)
            }
            Mutation::RecordBeforeSynced if is_draft(from) => {
                self.machine.link(from, to)?;
                let late = std::mem::take(&mut *locked(&self.late));
                self.machine.sync(late).into_iter().try_for_each(|failed| Err(failed.error))
            }
            _ => self.machine.link(from, to),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let is_latest = to == place().latest();
        match self.mutation {
            Mutation::ShownFirst if is_snapshot(to) => self.show_first(to)?,
            Mutation::ShownInPlace if is_latest => self.machine.remove(to)?,
            Mutation::LatestNotSynced if is_latest => self.skip_sync_of(to),
            Mutation::LatestKept if is_latest => return self.machine.remove(from),
            Mutation::RetiredInPlace if is_snapshot(from) => self.empty(from)?,
            Mutation::RetirementNotSynced if is_snapshot(from) => self.skip_sync_of(from),
            _ => {}
        }
        self.machine.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match self.mutation {
            Mutation::StagedKept if is_staged(path) => return Ok(()),
            Mutation::RedundantKept if is_record(path) => return Ok(()),
            Mutation::PrunedKept if is_part(path) => return Ok(()),
            Mutation::PrunedNotSynced if is_part(path) => self.skip_sync_of(path),
            _ => {}
        }
        self.machine.remove(path)
    }

    fn remove_dir(&self, dir: &Path) -> Result<()> {
        if self.mutation == Mutation::SnapshotDraftKept {
            return Ok(());
        }
        self.machine.remove_dir(dir)
    }

    fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        self.machine.symlink(target, path)
    }

    fn read_symlink(&self, path: &Path) -> Result<Option<PathBuf>> {
        self.machine.read_symlink(path)
    }

    fn lock(&self, path: &Path, mark: &[u8]) -> Result<Option<Box<dyn Send>>> {
        let hold = self.machine.lock(path, mark)?;
        Ok(if self.mutation == Mutation::LockLost { Some(Box::new(())) } else { hold })
    }
}
