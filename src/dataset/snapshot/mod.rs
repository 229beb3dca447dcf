//! Snapshots: the latest observation of every entity in sorted tables, for analysts.
//!
//! ```text
//! TAKE     parts behind the previous snapshot, and that snapshot ─ merged by key ─▶ latest rows ─▶ snapshots/<n>.tmp
//!          (a table without new rows is linked, and of a table in ranges each range without any); every file and directory
//!          synced; renamed to snapshots/<n>.
//! SHOW     a fresh link is renamed to `latest`, atomically. ← readers see the new one
//! CANCEL   before that, the draft is cleared away: readers see the old one, and the next run takes it anew.
//! RETIRE   old snapshots become drafts again, and go; with `prune`, parts whose rows it holds go by a commit.
//! ```
//! A snapshot follows from the parts and the passes alone; the previous one only saves reading parts again. The latest
//! observation of an entity wins, and its child rows are those of the same page. Memory is bounded by the files open at once,
//! whatever their size.

mod builder;
mod chains;
pub(super) mod check;
mod families;
mod hand_over;
pub(super) mod inventory;
mod latest;
mod merge;
mod merge_columns;
mod pages;
mod passes;
mod periods;
mod ranges;
mod row_writer;
mod run;
pub(super) mod snapshot_dir;
mod touched;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::thread;

use jiff::SignedDuration;

pub use super::cancel::Cancel;
use super::cancel::NEVER;
use super::commit::{Part, PrunedPart};
use super::damage::Damage;
use super::error::{During, Error};
use super::layout::Layout;
use super::manifest::Manifest;
use super::recorded_file::RecordedFile;
use super::store::{Batch, RunInfo, Store};
use crate::table::snapshot::Role;
use crate::table::{self, Table};
use builder::{Draft, Form, TableInputs};
use families::{Family, Task};
pub use inventory::{Contents, File, Inventory, State};
use passes::Passes;
use snapshot_dir::{Loaded, SnapshotDir, damaged_inventory};
use touched::{has_gone, ranges_of};

/// The options of a snapshot.
pub struct SnapshotOptions<'a> {
    /// Tables that get a file even without rows, with the tables that belong to them; tables with rows always get one.
    pub tables: &'a [&'static Table],
    /// Tables whose history is kept, beside those whose history was kept before.
    pub history: &'a [&'static Table],
    /// Tables that are kept in ranges of ids, with the tables that belong to them.
    pub split: &'a [&'static Table],
    /// Returns true if an older snapshot is kept, given the number of newer ones and its age.
    pub keep: &'a dyn Fn(usize, SignedDuration) -> bool,
    /// Removes the parts whose rows the snapshot holds.
    pub prune: bool,
    /// The threads that build tables side by side: [`threads`], unless the order of all calls is to be the same each time.
    pub threads: usize,
}

/// Returns the threads that build the tables of a snapshot, 1 or 2: more would share the tables of few families.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(2))
}

/// The memory that all files open at once may take, in bytes.
const OPEN_MAX: u64 = 20 << 20;

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
    let (taken, base) = make(store, options, NEVER)?;
    remove_superfluous(store, options, &taken, base, NEVER)?;
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
    let (taken, base) = match make(store, options, cancel) {
        Err(Error::Cancelled) => return Ok(None),
        made => made?,
    };
    match remove_superfluous(store, options, &taken, base, cancel) {
        // What is left is removed behind the next snapshot.
        Err(Error::Cancelled) => Ok(Some(taken)),
        removed => removed.map(|()| Some(taken)),
    }
}

/// True if the last pass of these records has ended and the newest snapshot was taken before.
pub fn is_owed(manifest: &Manifest, newest: Option<&Inventory>) -> bool {
    let Some(last) = manifest.last.as_ref().filter(|last| last.is_pass_over()) else { return false };
    !newest.is_some_and(|taken| taken.pass == last.pass && taken.state != State::Unfinished)
}

/// Returns the tables that the newest snapshot has, or those whose history it keeps.
///
/// # Errors
/// [`Error::Disk`].
pub fn tables(store: &Store, history: bool) -> Result<Vec<&'static Table>, Error> {
    let Some(inventory) = newest(store)? else { return Ok(Vec::new()) };
    Ok(table::ALL.iter().copied().filter(|table| inventory.has(table.name, history)).collect())
}

/// Returns the tables that the newest snapshot has in ranges, and, of those that it lacks, the ones that are split by default.
///
/// # Errors
/// [`Error::Disk`].
pub fn split(store: &Store) -> Result<Vec<&'static Table>, Error> {
    let inventory = newest(store)?;
    let known = |table: &Table| inventory.as_ref().and_then(|inventory| inventory.is_split(table.name));
    let is_split = |table: &&'static Table| known(table).unwrap_or(table.is_split_by_default());
    Ok(table::ALL.iter().copied().filter(|table| table.role() == Role::Entity).filter(is_split).collect())
}

/// Returns the inventory of the newest snapshot, if it is sound.
///
/// # Errors
/// [`Error::Disk`].
pub fn newest(store: &Store) -> Result<Option<Inventory>, Error> {
    let directory = SnapshotDir::new(store.layout(), store.storage());
    let Some(newest) = directory.numbers()?.last().copied() else { return Ok(None) };
    Ok(directory.inventory(newest)?.sound())
}

/// Removes what a snapshot makes superfluous: older snapshots, and parts. `base` is as [`make`] returns it.
fn remove_superfluous(
    store: &mut Store,
    options: &SnapshotOptions<'_>,
    taken: &Taken,
    base: u64,
    cancel: Cancel<'_>,
) -> Result<(), Error> {
    retire(store, options, taken, cancel)?;
    prune(store, options, taken, base, cancel)
}

/// Removes the older snapshots that are not kept. The newest one stays; where parts were removed, its rows must be sound.
fn retire(store: &Store, options: &SnapshotOptions<'_>, taken: &Taken, cancel: Cancel<'_>) -> Result<(), Error> {
    let directory = SnapshotDir::new(store.layout(), store.storage());
    for (newer, number) in directory.numbers()?.into_iter().rev().enumerate().skip(1) {
        // A damaged one is of no use.
        let old = directory.inventory(number)?.sound();
        let age = |old: &Inventory| jiff::Timestamp::now().duration_since(old.at);
        if old.as_ref().is_some_and(|old| (options.keep)(newer, age(old))) {
            continue;
        }
        if store.manifest().history.absorbed > 0 {
            let has = |file: &File| old.iter().any(|old| old.files.iter().any(|other| file.is_same(other)));
            check_copies(store, taken, &|file| !has(file), cancel)?;
        }
        directory.remove(number)?;
    }
    Ok(())
}

/// Removes the parts whose rows the snapshot holds, if asked to. Parts of `pages` stay, because they may hold bodies.
fn prune(
    store: &mut Store,
    options: &SnapshotOptions<'_>,
    taken: &Taken,
    base: u64,
    cancel: Cancel<'_>,
) -> Result<(), Error> {
    let (Taken::New(inventory) | Taken::Nothing(inventory)) = taken else { return Ok(()) };
    if !options.prune {
        return Ok(());
    }
    let manifest = store.manifest();
    let absorbed = manifest.history.parts.range(..=inventory.commit).flat_map(|(_, parts)| parts);
    let held = |part: &&Part| *part.table != table::pages::TABLE && inventory.has(part.table.name, false);
    let prune: Vec<PrunedPart> = absorbed.filter(held).map(PrunedPart::from).collect();
    let Some(last) = manifest.last.clone().filter(|_| !prune.is_empty()) else { return Ok(()) };
    // The rows of later parts are in files that were written.
    let is_copy = |file: &File, part: &PrunedPart| part.table == file.table.name && part.name.commit <= base;
    check_copies(store, taken, &|file| prune.iter().any(|part| is_copy(file, part)), cancel)?;
    let info = RunInfo::of(&last);
    // The walk states do not change.
    store.commit(&info, Batch { tables: Vec::new(), pass: last.pass, walks: last.walks, prune }).map(drop)
}

/// Fails unless these files of a snapshot are sound, so that other copies of their rows may go. This run has read what it wrote,
/// and all of a snapshot that is not new; the files that were taken over are hashed here.
fn check_copies(store: &Store, taken: &Taken, wanted: &dyn Fn(&File) -> bool, cancel: Cancel<'_>) -> Result<(), Error> {
    let Taken::New(inventory) = taken else { return Ok(()) };
    let directory = SnapshotDir::new(store.layout(), store.storage());
    let taken_over = inventory.files.iter().filter(|file| !file.rewritten && wanted(file));
    let mut recorded = taken_over.map(|file| directory.recorded(inventory.snapshot, file));
    recorded.try_for_each(|file| file.open(store.storage(), cancel).map(drop))
}

/// Takes the snapshot. Returns with it the last commit whose rows may be in files that were taken over; 0 for none.
fn make(store: &Store, options: &SnapshotOptions<'_>, cancel: Cancel<'_>) -> Result<(Taken, u64), Error> {
    let Some(last) = &store.manifest().last else { return Ok((Taken::Empty, 0)) };
    let passes = Passes::of(store.manifest());
    let directory = SnapshotDir::new(store.layout(), store.storage());
    let work = Work { store, options, passes: &passes, directory: &directory, cancel };
    let Found { base, damaged } = work.base()?;
    let reached = base.as_ref().map_or(0, |base| base.inventory.commit);
    let number = directory.numbers()?.last().map_or(1, |newest| newest + 1);
    let mut inventory = Inventory::new(number, last, store.last_hash().to_owned());
    inventory.walks = passes.walks();
    // A pass may end without a row; it has its snapshot all the same.
    let is_of_now = |base: &Base| (base.inventory.pass, base.inventory.state) == (inventory.pass, inventory.state);
    let taken = match base {
        Some(base) if base.changed.is_empty() && is_of_now(&base) => {
            if !damaged.is_empty() {
                directory.switch_latest(base.inventory.snapshot)?;
            }
            Taken::Nothing(base.inventory)
        }
        base => Taken::New(work.make(inventory, base.as_ref())?),
    };
    damaged.into_iter().try_for_each(|number| directory.remove(number))?;
    Ok((taken, reached))
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
    /// The changes since, of each table that has any.
    changed: BTreeMap<&'static str, Change>,
    /// The files that will be read, by name; all of them if nothing has changed. Each was found sound.
    files: BTreeMap<String, RecordedFile>,
}

/// The rows of a table that are not as a snapshot has them.
#[derive(Debug, Clone)]
enum Change {
    /// Any of them.
    All,
    /// The rows in some ranges of ids.
    Ranges(BTreeSet<u16>),
}

impl Base {
    /// True if a file holds rows that have changed.
    fn is_changed(&self, file: &File) -> bool {
        match (self.changed.get(file.table.name), file.range) {
            (None, _) => false,
            (Some(Change::Ranges(ranges)), Some(range)) => ranges.contains(&range),
            (Some(_), _) => true,
        }
    }

    /// Returns the files of a table, or of its history, that are read.
    fn files_read(&self, table: &Table, history: bool) -> Vec<RecordedFile> {
        let of_table = self.inventory.files_of(table.name, history).filter(|file| self.is_changed(file));
        of_table.filter_map(|file| self.files.get(&file.file_name()).cloned()).collect()
    }
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
            let lacks = |table: &&'static Table| !inventory.has(table.name, true) && inventory.has(table.name, false);
            if history.absorbed == 0 && self.options.history.iter().any(lacks) {
                // A history begins with the first observation, so it is made from all parts.
                continue;
            }
            if let Some(damage) = self.directory.misfit(&inventory)? {
                damaged.push(number);
                damages.push(damage);
                continue;
            }
            match self.based_on(inventory) {
                Ok(base) => return Ok(Found { base: Some(base), damaged }),
                Err(Error::Rotten { path, reason: fault }) if path.starts_with(self.directory.path(number)) => {
                    let place = path.strip_prefix(self.directory.path(number)).unwrap_or(&path);
                    let file = place.to_string_lossy().into_owned();
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

    /// Finds what has changed since a snapshot, and hashes what of it will be read; if nothing has changed, all of it.
    fn based_on(&self, inventory: Inventory) -> Result<Base, Error> {
        let changed = self.changed(&inventory)?;
        let mut base = Base { inventory, changed, files: BTreeMap::new() };
        for file in &base.inventory.files {
            if base.changed.is_empty() || base.is_changed(file) {
                let recorded = self.directory.recorded(base.inventory.snapshot, file);
                recorded.open(self.store.storage(), self.cancel)?;
                base.files.insert(file.file_name(), recorded);
            }
        }
        Ok(base)
    }

    /// Returns the tables whose rows or `gone_at` differ from a snapshot's. An entity and its child rows change together.
    fn changed(&self, inventory: &Inventory) -> Result<BTreeMap<&'static str, Change>, Error> {
        let mut changed = BTreeMap::new();
        for owner in table::ALL.iter().copied().filter(|table| table.owner() == *table) {
            let family = table::ALL.iter().copied().filter(|table| table.owner() == owner);
            let of_family = self.change(inventory, owner, &family.clone().collect::<Vec<_>>())?;
            for table in family {
                let is_new = !inventory.has(table.name, false) && is_wanted(table, self.options.tables);
                let change = of_family.clone().or_else(|| is_new.then_some(Change::Ranges(BTreeSet::new())));
                changed.extend(change.map(|change| (table.name, change)));
            }
        }
        Ok(changed)
    }

    /// Returns the rows of a table and of those that belong to it that differ from a snapshot's; `None` if none does.
    fn change(
        &self,
        inventory: &Inventory,
        owner: &'static Table,
        family: &[&'static Table],
    ) -> Result<Option<Change>, Error> {
        let is_known = inventory.has(owner.name, false);
        let is_fresh = family.iter().any(|table| !self.parts(table, inventory.commit).is_empty());
        let found_gone = is_known
            && owner.role() != Role::Log
            && self.passes.found_gone_since(inventory.pass, inventory.state != State::Unfinished);
        let is_split = self.options.split.contains(&owner);
        if is_known && inventory.is_split(owner.name).unwrap_or(false) != is_split {
            return Ok(Some(Change::All));
        }
        let begins_history = self.options.history.contains(&owner) && !inventory.has(owner.name, true);
        if !is_known || !is_split || begins_history {
            return Ok((is_fresh || found_gone).then_some(Change::All));
        }
        // A child row is new only where its owner is.
        let (storage, parts) = (self.store.storage(), self.parts(owner, inventory.commit));
        let mut ranges = ranges_of(storage, owner, &parts, self.cancel)?;
        for file in inventory.files_of(owner.name, false).filter(|_| found_gone) {
            if let Some(range) = file.range.filter(|range| !ranges.contains(range))
                && has_gone(
                    storage,
                    owner,
                    &self.directory.recorded(inventory.snapshot, file),
                    self.passes,
                    self.cancel,
                )?
            {
                ranges.insert(range);
            }
        }
        Ok((is_fresh || !ranges.is_empty()).then_some(Change::Ranges(ranges)))
    }

    /// Returns the parts of a table that were committed after this commit.
    fn parts(&self, table: &Table, after: u64) -> Vec<RecordedFile> {
        let parts = self.store.manifest().history.parts.range(after + 1..).flat_map(|(_, parts)| parts);
        let of_table = parts.filter(|part| part.table == table);
        of_table.map(|part| RecordedFile::of_part(self.store.layout(), part)).collect()
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
        let threads = self.options.threads.max(1);
        let of_draft = Draft {
            storage,
            passes: self.passes,
            dataset: self.store.layout().root(),
            number,
            path: &draft,
            facts,
            open_max: OPEN_MAX / threads as u64,
            aside: threads > 1,
            runs: AtomicUsize::new(0),
        };
        let before = base.map(|base| self.directory.path(base.inventory.snapshot)).unwrap_or_default();
        let made = families::build(&of_draft, self.families(base, &before), threads, self.cancel).and_then(|files| {
            inventory.from = base.map(|base| base.inventory.snapshot);
            inventory.files = files;
            let place = |file: &File| table::ALL.iter().position(|table| *table == file.table);
            inventory.files.sort_by_key(|file| (place(file), file.history, file.range));
            let path = Layout::inventory(&draft);
            let text = inventory.encode().map_err(std::io::Error::from).during("write", &path)?;
            storage.write(&path, &mut |to| to.write_all(text.as_bytes())).during("write", &path)
        });
        // A draft that cannot be removed harms nobody but takes room. The next open tries again.
        made.inspect_err(|_| drop(self.directory.clear(number)))?;
        self.directory.publish(&inventory)?;
        Ok(inventory)
    }

    /// Returns the work of every table, and of its history. `before` is the directory of the snapshot before.
    fn families<'b>(&self, base: Option<&'b Base>, before: &'b Path) -> Vec<Family<'b>> {
        let mut families: BTreeMap<&'static str, Family<'b>> = BTreeMap::new();
        let mut had: BTreeSet<&'static str> = BTreeSet::new();
        for table in table::ALL.iter().copied() {
            let is_changed = base.is_none_or(|base| base.changed.contains_key(table.name));
            // The empty file of a table without rows has no place beside others.
            let stays = |base: &Base, file: &File| !base.is_changed(file) && (!is_changed || file.rows > 0);
            let of_table = base.into_iter().flat_map(|base| base.inventory.files.iter().map(move |file| (base, file)));
            let of_table = of_table.filter(|(base, file)| file.table == table && stays(base, file));
            let linked: Vec<_> = of_table.map(|(_, file)| (before, file)).collect();
            let belongs = table.parent.is_some_and(|(parent, _)| had.contains(parent));
            let written = if is_changed { self.inputs(table, belongs, base) } else { None };
            if written.is_some() || !linked.is_empty() {
                had.insert(table.name);
                families.entry(table.owner().name).or_default().push(Task { table, linked, written });
            }
        }
        families.into_values().collect()
    }

    /// Returns the rows of a changed table and its form; `None` if it has no place in the snapshot. `belongs` is true if the table
    /// that its rows belong to has one.
    fn inputs(&self, table: &'static Table, belongs: bool, base: Option<&Base>) -> Option<(TableInputs, Form)> {
        let before = |history: bool| base.map_or_else(Vec::new, |base| base.files_read(table, history));
        let had = |history: bool| base.is_some_and(|base| base.inventory.has(table.name, history));
        let inputs = TableInputs {
            before: before(false),
            history: before(true),
            parts: self.parts(table, base.map_or(0, |base| base.inventory.commit)),
        };
        let form = Form {
            split: self.options.split.contains(&table.owner()),
            history: self.options.history.contains(&table) || had(true),
        };
        let is_due = belongs || self.options.tables.contains(&table) || had(false) || !inputs.parts.is_empty();
        is_due.then_some((inputs, form))
    }
}
