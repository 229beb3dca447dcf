//! Snapshots: the latest observation of every entity in one sorted file per table, for analysts.
//!
//! ```text
//! TAKE     parts behind the previous snapshot, and that snapshot ─ merged by key ─▶ latest rows ─▶ snapshots/<n>.tmp
//!          (a table without new rows is linked); every file and directory synced; renamed to snapshots/<n>.
//! SHOW     a fresh link is renamed to `latest`, atomically. ← readers see the new one
//! CANCEL   before that, the draft is cleared away: readers see the old one, and the next run takes it anew.
//! RETIRE   old snapshots become drafts again, and go; with `prune`, parts whose rows it holds go by a commit.
//! ```
//! A snapshot follows from the parts and the passes alone; the previous one only saves reading parts again. The latest
//! observation of an entity wins, and its child rows are those of the same page. Memory is bounded by the files open at once,
//! whatever their size.

mod builder;
pub(super) mod check;
mod inventory;
mod latest;
mod merge;
mod merge_columns;
mod passes;
mod periods;
mod row_writer;
mod run;
pub(super) mod snapshot_dir;

use std::collections::BTreeMap;

use jiff::SignedDuration;

pub use super::cancel::Cancel;
use super::cancel::NEVER;
use super::commit::{Part, PrunedPart};
use super::damage::Damage;
use super::error::{During, Error};
use super::layout::Layout;
use super::recorded_file::RecordedFile;
use super::store::{Batch, RunInfo, Store};
use crate::table::snapshot::Role;
use crate::table::{self, Table};
use builder::{SnapshotBuilder, TableInputs};
pub use inventory::{File, Inventory, State};
use passes::Passes;
use snapshot_dir::{Loaded, SnapshotDir, damaged_inventory};

/// The options of a snapshot.
pub struct SnapshotOptions<'a> {
    /// Tables that get a file even without rows, with the tables that belong to them; tables with rows always get one.
    pub tables: &'a [&'static Table],
    /// Tables whose history is kept, beside those whose history was kept before.
    pub history: &'a [&'static Table],
    /// Returns true if an older snapshot is kept, given the number of newer ones and its age.
    pub keep: &'a dyn Fn(usize, SignedDuration) -> bool,
    /// Removes the parts whose rows the snapshot holds.
    pub prune: bool,
}

/// The result of taking a snapshot.
#[derive(Debug)]
pub enum Taken {
    /// A new snapshot.
    New(Inventory),
    /// No new one: the newest snapshot is up to date.
    Nothing(Inventory),
    /// No new one: no rows were committed yet.
    Empty,
}

/// Takes a snapshot of everything committed to an open dataset, and removes what it makes superfluous.
///
/// # Errors
/// [`Error::Damaged`] if parts were removed and no sound snapshot holds their rows; [`Error::Disk`].
pub fn take(store: &mut Store, options: &SnapshotOptions<'_>) -> Result<Taken, Error> {
    let taken = make(store, options, NEVER)?;
    prune(store, options, &taken)?;
    Ok(taken)
}

/// Like [`take`], but returns `None` if cancelled before `latest` is switched.
///
/// # Errors
/// As [`take`].
pub fn take_unless(
    store: &mut Store,
    options: &SnapshotOptions<'_>,
    cancel: Cancel<'_>,
) -> Result<Option<Taken>, Error> {
    let taken = match make(store, options, cancel) {
        Err(Error::Cancelled) => return Ok(None),
        taken => taken?,
    };
    prune(store, options, &taken)?;
    Ok(Some(taken))
}

/// True if the last pass has ended and no snapshot was taken since.
///
/// # Errors
/// [`Error::Disk`].
pub fn is_owed(store: &Store) -> Result<bool, Error> {
    let Some(last) = store.manifest().last.as_ref().filter(|last| last.is_pass_over()) else { return Ok(false) };
    let newest = newest(store)?;
    Ok(!newest.is_some_and(|taken| taken.pass == last.pass && taken.state != State::Unfinished))
}

/// Returns the tables that the newest snapshot has, or those whose history it keeps.
///
/// # Errors
/// [`Error::Disk`].
pub fn tables(store: &Store, history: bool) -> Result<Vec<&'static Table>, Error> {
    let Some(inventory) = newest(store)? else { return Ok(Vec::new()) };
    Ok(table::ALL.iter().copied().filter(|table| inventory.file(table.name, history).is_some()).collect())
}

/// Returns the inventory of the newest snapshot, if it is sound.
fn newest(store: &Store) -> Result<Option<Inventory>, Error> {
    let directory = SnapshotDir::new(store.layout(), store.storage());
    let Some(newest) = directory.numbers()?.last().copied() else { return Ok(None) };
    Ok(directory.inventory(newest)?.sound())
}

/// Removes the parts whose rows the snapshot holds, if asked to. Parts of `pages` stay, because they may hold bodies.
fn prune(store: &mut Store, options: &SnapshotOptions<'_>, taken: &Taken) -> Result<(), Error> {
    let (Taken::New(inventory) | Taken::Nothing(inventory)) = taken else { return Ok(()) };
    if !options.prune {
        return Ok(());
    }
    let manifest = store.manifest();
    let absorbed = manifest.history.parts.range(..=inventory.commit).flat_map(|(_, parts)| parts);
    let held = |part: &&Part| part.table != table::pages::TABLE.name && inventory.file(&part.table, false).is_some();
    let prune: Vec<PrunedPart> = absorbed.filter(held).map(PrunedPart::from).collect();
    let Some(last) = manifest.last.clone().filter(|_| !prune.is_empty()) else { return Ok(()) };
    check_copies(store, taken, &|file| prune.iter().any(|part| part.table == file.table))?;
    let info = RunInfo { run: last.run, crawl: last.crawl, definition: last.definition };
    // The walk states do not change.
    store.commit(&info, Batch { tables: Vec::new(), pass: last.pass, walks: last.walks, prune }).map(drop)
}

/// Fails unless these files of a snapshot are sound, so that other copies of their rows may go. This run has read what it wrote,
/// and all of a snapshot that is not new; the files that were taken over are hashed here.
fn check_copies(store: &Store, taken: &Taken, wanted: &dyn Fn(&File) -> bool) -> Result<(), Error> {
    let Taken::New(inventory) = taken else { return Ok(()) };
    let directory = SnapshotDir::new(store.layout(), store.storage());
    let taken_over = inventory.files.iter().filter(|file| !file.rewritten && wanted(file));
    let mut recorded = taken_over.filter_map(|file| directory.recorded(inventory.snapshot, file));
    recorded.try_for_each(|file| file.open(store.storage(), NEVER).map(drop))
}

fn make(store: &Store, options: &SnapshotOptions<'_>, cancel: Cancel<'_>) -> Result<Taken, Error> {
    let Some(last) = &store.manifest().last else { return Ok(Taken::Empty) };
    let passes = Passes::of(store.manifest());
    let directory = SnapshotDir::new(store.layout(), store.storage());
    let work = Work { store, options, passes: &passes, directory: &directory, cancel };
    let Found { base, damaged } = work.base()?;
    let taken = match base {
        Some(base) if base.changed.is_empty() => {
            if !damaged.is_empty() {
                directory.switch_latest(base.inventory.snapshot)?;
            }
            Taken::Nothing(base.inventory)
        }
        base => {
            let number = directory.numbers()?.last().map_or(1, |newest| newest + 1);
            let inventory = Inventory::new(number, last, store.last_hash().to_owned());
            Taken::New(work.make(inventory, base.as_ref())?)
        }
    };
    damaged.into_iter().try_for_each(|number| directory.remove(number))?;
    work.retire(&taken)?;
    Ok(taken)
}

/// True if a table, or one that its rows belong to, is among these.
fn is_wanted(table: &'static Table, tables: &[&'static Table]) -> bool {
    let parent = || table.parent.and_then(|(parent, _)| table::named(parent));
    tables.contains(&table) || parent().is_some_and(|parent| is_wanted(parent, tables))
}

/// Everything from which a snapshot is made.
struct Work<'a> {
    store: &'a Store,
    options: &'a SnapshotOptions<'a>,
    passes: &'a Passes,
    directory: &'a SnapshotDir<'a>,
    cancel: Cancel<'a>,
}

/// The snapshots found before a new one is made.
struct Found {
    /// The newest sound snapshot; `None` if the new one is made from parts alone.
    base: Option<Base>,
    /// Newer snapshots, which are damaged.
    damaged: Vec<u64>,
}

/// The snapshot from which the next one is made.
struct Base {
    inventory: Inventory,
    /// The tables that have changed since.
    changed: Vec<&'static Table>,
    /// The files that will be read, by name; all of them if nothing has changed. Each was found sound.
    files: BTreeMap<String, RecordedFile>,
}

impl Work<'_> {
    /// Finds the newest sound snapshot that has everything asked for.
    fn base(&self) -> Result<Found, Error> {
        let history = &self.store.manifest().history;
        let (mut damaged, mut damages) = (Vec::new(), Vec::new());
        for number in self.directory.numbers()?.into_iter().rev() {
            let inventory = match self.directory.inventory(number)? {
                Loaded::Sound(inventory) => inventory,
                Loaded::Damaged(fault) => {
                    damaged.push(number);
                    damages.push(damaged_inventory(number, &fault));
                    continue;
                }
            };
            if inventory.commit < history.absorbed.max(history.replaced) {
                // Parts behind it were removed, or replaced by others that repeat its rows.
                break;
            }
            let begun = |table: &&Table| inventory.file(table.name, true).is_some();
            let lacks = |table: &&'static Table| !begun(table) && inventory.file(table.name, false).is_some();
            if history.absorbed == 0 && self.options.history.iter().any(lacks) {
                // A history begins with the first observation, so it is made from all parts.
                continue;
            }
            let changed = self.changed(&inventory);
            // Every file that will be read must be whole; if nothing changed, all files must be.
            let is_read = |file: &&File| changed.is_empty() || changed.iter().any(|table| table.name == file.table);
            match self.sound_files(&inventory, &is_read) {
                Ok(files) => return Ok(Found { base: Some(Base { inventory, changed, files }), damaged }),
                Err(Error::Rotten { path, reason: fault }) => {
                    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    damaged.push(number);
                    damages.push(Damage::Snapshot { snapshot: number, file, fault });
                }
                Err(error) => return Err(error),
            }
        }
        match history.absorbed {
            0 => Ok(Found { base: None, damaged }),
            commit => {
                damages.insert(0, Damage::LostSnapshot { commit });
                Err(Error::Damaged { dataset: self.store.layout().root().to_owned(), damages })
            }
        }
    }

    /// Hashes some files of a snapshot. Returns them by name.
    fn sound_files(
        &self,
        inventory: &Inventory,
        wanted: &dyn Fn(&&File) -> bool,
    ) -> Result<BTreeMap<String, RecordedFile>, Error> {
        let mut sound = BTreeMap::new();
        for file in inventory.files.iter().filter(wanted) {
            let unknown = || Error::rotten(&self.directory.path(inventory.snapshot), "has a table of another version");
            let recorded = self.directory.recorded(inventory.snapshot, file).ok_or_else(unknown)?;
            recorded.open(self.store.storage(), self.cancel)?;
            sound.insert(file.name(), recorded);
        }
        Ok(sound)
    }

    /// Returns the tables whose rows or `gone_at` differ from a snapshot's. An entity and its child rows change together.
    fn changed(&self, inventory: &Inventory) -> Vec<&'static Table> {
        let found_gone = self.passes.found_gone_since(inventory.pass, inventory.state != State::Unfinished);
        let fresh = |table: &Table| !self.parts(table, inventory.commit).is_empty();
        let owner = |table: &'static Table| if let Role::Child(owner) = table.role() { owner } else { table };
        let changed = |table: &&'static Table| {
            let family = table::ALL.iter().filter(|other| owner(other) == owner(table));
            let known = inventory.file(table.name, false).is_some();
            (!known && is_wanted(table, self.options.tables))
                || (known && found_gone && table.role() != Role::Log)
                || family.into_iter().any(|table| fresh(table))
        };
        table::ALL.iter().copied().filter(changed).collect()
    }

    /// Returns the parts of a table that were committed after this commit.
    fn parts(&self, table: &Table, after: u64) -> Vec<RecordedFile> {
        let parts = self.store.manifest().history.parts.range(after + 1..).flat_map(|(_, parts)| parts);
        let of_table = parts.filter(|part| part.table == table.name);
        of_table.map(|part| RecordedFile::of_part(self.store.layout(), table, part)).collect()
    }

    /// Makes the snapshot and switches `latest` to it.
    fn make(&self, mut inventory: Inventory, base: Option<&Base>) -> Result<Inventory, Error> {
        let (number, storage) = (inventory.snapshot, self.store.storage());
        let draft = self.directory.begin(number)?;
        let facts = vec![
            ("crawl", inventory.crawl.clone()),
            ("snapshot", number.to_string()),
            ("commit", inventory.commit.to_string()),
            ("commit_hash", inventory.commit_hash.clone()),
        ];
        let mut builder = SnapshotBuilder {
            storage,
            passes: self.passes,
            cancel: self.cancel,
            dataset: self.store.layout().root(),
            draft: &draft,
            facts,
            runs: 0,
            built: Vec::new(),
        };
        let made = self.build(&mut builder, base).and_then(|()| {
            inventory.from = base.map(|base| base.inventory.snapshot);
            inventory.files = builder.built.iter().map(|built| built.entry.clone()).collect();
            let path = Layout::inventory(&draft);
            let text = inventory.encode().map_err(std::io::Error::from).during("write", &path)?;
            storage.write(&path, &mut |to| to.write_all(text.as_bytes())).during("write", &path)
        });
        // A draft that cannot be removed harms nobody but takes room. The next open tries again.
        made.inspect_err(|_| drop(self.directory.clear(number)))?;
        self.directory.publish(number)?;
        Ok(inventory)
    }

    /// Builds the file of every table, and its history.
    fn build(&self, builder: &mut SnapshotBuilder<'_>, base: Option<&Base>) -> Result<(), Error> {
        for table in table::ALL.iter().copied() {
            if let Some(base) = base.filter(|base| !base.changed.contains(&table)) {
                for file in base.inventory.files.iter().filter(|file| file.table == table.name) {
                    builder.link(&self.directory.path(base.inventory.snapshot), file)?;
                }
                continue;
            }
            let before = |history: bool| {
                let base = base?;
                base.files.get(&base.inventory.file(table.name, history)?.name()).cloned()
            };
            let inputs = TableInputs {
                before: before(false),
                history: before(true),
                parts: self.parts(table, base.map_or(0, |base| base.inventory.commit)),
            };
            let has_history = self.options.history.contains(&table) || inputs.history.is_some();
            let belongs = table.parent.is_some_and(|(parent, _)| builder.has(parent));
            let is_due = belongs || self.options.tables.contains(&table);
            if is_due || inputs.before.is_some() || !inputs.parts.is_empty() {
                builder.table(table, inputs, has_history)?;
            }
        }
        Ok(())
    }

    /// Removes the older snapshots that are not kept. The newest one stays. Where parts were removed, its rows must be sound.
    fn retire(&self, taken: &Taken) -> Result<(), Error> {
        let numbers = self.directory.numbers()?;
        for (newer, number) in numbers.into_iter().rev().enumerate().skip(1) {
            // A damaged one is of no use.
            let old = self.directory.inventory(number)?.sound();
            let age = |old: &Inventory| jiff::Timestamp::now().duration_since(old.at);
            if old.as_ref().is_some_and(|old| (self.options.keep)(newer, age(old))) {
                continue;
            }
            if self.store.manifest().history.absorbed > 0 {
                let is_same = |file: &File, other: &File| file.name() == other.name() && file.hash == other.hash;
                let has = |file: &File| old.iter().any(|old| old.files.iter().any(|other| is_same(file, other)));
                check_copies(self.store, taken, &|file| !has(file))?;
            }
            self.directory.remove(number)?;
        }
        Ok(())
    }
}
