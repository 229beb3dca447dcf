//! Snapshots: the newest observation of every thing, one sorted file per table — what analysts read.
//!
//! ```text
//! TAKE     parts behind the previous snapshot, and that snapshot ─ merged by key ─▶ winners ─▶ snapshots/<n>.tmp
//!          (a table without new rows is linked); every file and directory synced; renamed to snapshots/<n>.
//! SHOW     a fresh link is renamed to `latest`, atomically. ← readers see the new one
//! HALT     told to stop before that, it clears the draft away: readers see the old one, and the next run takes it anew.
//! RETIRE   old snapshots become drafts again, and go; where it is wished, parts whose rows it holds go by a commit.
//! ```
//! A snapshot follows from the parts and the passes alone; the previous one only saves reading parts again. Of each thing
//! the newest observation wins, and its child rows are those that the same page showed. Memory is bounded by the files
//! open at once, whatever their size.

pub(super) mod check;
mod form;
mod halting;
mod inventory;
mod making;
mod merge;
mod passes;
mod periods;
mod run;
pub(super) mod shelf;
mod sink;
mod winner;

use std::path::PathBuf;

use jiff::SignedDuration;

use super::commit::PrunedPart;
use super::damage::Damage;
use super::error::{During, Error};
use super::layout::Layout;
use super::manifest::Manifest;
use super::store::{Batch, RunInfo, Store};
use crate::storage::Storage;
use crate::table::snapshot::Role;
use crate::table::{self, Table};
pub use halting::Halt;
use halting::Halting;
pub use inventory::{File, Inventory, State};
use making::{Making, Sources};
use passes::Passes;
use shelf::Shelf;

/// How a snapshot is to be taken.
pub struct Wishes<'a> {
    /// The tables that were asked for, beside those that are there: each has a file, and so have those whose rows belong to
    /// it, even where nothing came.
    pub tables: &'a [&'static Table],
    /// The tables whose history is kept, beside those whose history was kept before.
    pub history: &'a [&'static Table],
    /// Whether a snapshot stays: how many newer ones there are, and how old it is.
    pub keep: &'a dyn Fn(usize, SignedDuration) -> bool,
    /// Whether the parts whose rows it holds are removed.
    pub prune: bool,
}

/// What came of it.
#[derive(Debug)]
pub enum Taken {
    /// A new snapshot.
    New(Inventory),
    /// Nothing: the newest one holds all there is to hold.
    Nothing(Inventory),
    /// Nothing: no rows were committed yet.
    Empty,
}

/// Takes a snapshot of everything committed to an open dataset, and removes what it makes superfluous.
///
/// # Errors
/// [`Error::Damaged`] when parts are gone that only a damaged snapshot had absorbed; [`Error::Disk`].
pub fn take(store: &mut Store, wishes: &Wishes<'_>) -> Result<Taken, Error> {
    let taken = make(store, store.storage(), wishes)?;
    prune(store, wishes, &taken)?;
    Ok(taken)
}

/// Likewise, unless it is told to stop before the snapshot is shown: then it is `None`, and to be taken another time.
///
/// # Errors
/// As [`take`].
pub fn take_unless(store: &mut Store, wishes: &Wishes<'_>, halt: &Halt) -> Result<Option<Taken>, Error> {
    let storage = Halting::new(store.storage(), halt);
    let taken = match make(store, &storage, wishes) {
        Err(_) if storage.has_halted() => return Ok(None),
        taken => taken?,
    };
    prune(store, wishes, &taken)?;
    Ok(Some(taken))
}

/// Whether the last pass is over and no snapshot was taken since.
///
/// # Errors
/// [`Error::Disk`].
pub fn is_owed(store: &Store) -> Result<bool, Error> {
    let Some(last) = store.manifest().last.as_ref().filter(|last| last.is_pass_over()) else { return Ok(false) };
    let shelf = Shelf::new(store.layout(), store.storage());
    let Some(newest) = shelf.numbers()?.last().copied() else { return Ok(true) };
    let tells = |taken: Inventory| taken.pass == last.pass && taken.state != State::Unfinished;
    Ok(!shelf.inventory(newest)?.is_ok_and(tells))
}

/// The tables that the newest snapshot has, or whose history it keeps.
///
/// # Errors
/// [`Error::Disk`].
pub fn tables(store: &Store, history: bool) -> Result<Vec<&'static Table>, Error> {
    let shelf = Shelf::new(store.layout(), store.storage());
    let Some(newest) = shelf.numbers()?.last().copied() else { return Ok(Vec::new()) };
    let Ok(inventory) = shelf.inventory(newest)? else { return Ok(Vec::new()) };
    Ok(table::ALL.iter().copied().filter(|table| inventory.file(table.name, history).is_some()).collect())
}

/// Removes the parts whose rows the snapshot holds, where it is wished; not those of `pages`, which may hold bodies.
fn prune(store: &mut Store, wishes: &Wishes<'_>, taken: &Taken) -> Result<(), Error> {
    let (Taken::New(inventory) | Taken::Nothing(inventory)) = taken else { return Ok(()) };
    if !wishes.prune {
        return Ok(());
    }
    let manifest = store.manifest();
    let absorbed = manifest.history.parts.range(..=inventory.commit).flat_map(|(_, parts)| parts);
    let absorbed = absorbed.filter(|part| part.table != table::pages::TABLE.name);
    let prune: Vec<PrunedPart> =
        absorbed.map(|part| PrunedPart { table: part.table.clone(), name: part.name.clone() }).collect();
    let Some(last) = manifest.last.clone().filter(|_| !prune.is_empty()) else { return Ok(()) };
    let info = RunInfo { run: last.run, crawl: last.crawl, definition: last.definition };
    // The walks stand where they stood.
    store.commit(&info, Batch { tables: Vec::new(), pass: last.pass, walks: last.walks, prune }).map(drop)
}

fn make(store: &Store, storage: &dyn Storage, wishes: &Wishes<'_>) -> Result<Taken, Error> {
    let (layout, manifest) = (store.layout(), store.manifest());
    let Some(last) = &manifest.last else { return Ok(Taken::Empty) };
    let passes = Passes::of(manifest);
    let shelf = Shelf::new(layout, storage);
    let work = Work { layout, storage, manifest, passes: &passes, shelf: &shelf };
    let Found { base, damaged } = work.base(wishes)?;
    let taken = match base {
        Some(base) if base.changed.is_empty() => {
            if !damaged.is_empty() {
                shelf.show(base.inventory.snapshot)?;
            }
            Taken::Nothing(base.inventory)
        }
        base => {
            let number = shelf.numbers()?.last().map_or(1, |newest| newest + 1);
            let inventory = Inventory::new(number, last, store.last_hash().to_owned());
            Taken::New(work.make(inventory, base.as_ref(), wishes)?)
        }
    };
    damaged.into_iter().try_for_each(|number| shelf.remove(number))?;
    work.retire(wishes)?;
    Ok(taken)
}

/// True when a table, or one that its rows belong to, was asked for.
fn is_wished(table: &'static Table, wished: &[&'static Table]) -> bool {
    let parent = || table.parent.and_then(|(parent, _)| table::named(parent));
    wished.contains(&table) || parent().is_some_and(|parent| is_wished(parent, wished))
}

/// All that a snapshot is made from.
struct Work<'a> {
    layout: &'a Layout,
    storage: &'a dyn Storage,
    manifest: &'a Manifest,
    passes: &'a Passes,
    shelf: &'a Shelf<'a>,
}

/// Where the next snapshot begins.
struct Found {
    /// The newest sound snapshot; `None` when all is made from parts.
    base: Option<Base>,
    /// Newer ones, which nobody can use.
    damaged: Vec<u64>,
}

/// The snapshot that the next one is made from.
struct Base {
    inventory: Inventory,
    /// The tables that are not as it has them.
    changed: Vec<&'static Table>,
}

impl Work<'_> {
    /// Finds the newest sound snapshot that has what is asked for.
    fn base(&self, wishes: &Wishes<'_>) -> Result<Found, Error> {
        let mut damaged = Vec::new();
        for number in self.shelf.numbers()?.into_iter().rev() {
            let Ok(inventory) = self.shelf.inventory(number)? else {
                damaged.push(number);
                continue;
            };
            if inventory.commit < self.manifest.history.absorbed.max(self.manifest.history.replaced) {
                // Parts behind it are gone, or say once more what it holds.
                break;
            }
            let begun = |table: &&Table| inventory.file(table.name, true).is_some();
            let lacks = |table: &&'static Table| !begun(table) && inventory.file(table.name, false).is_some();
            if self.manifest.history.absorbed == 0 && wishes.history.iter().any(lacks) {
                // A history begins with the first observation, not with the first wish for one.
                continue;
            }
            let changed = self.changed(&inventory, wishes.tables);
            // What will be read is looked at as a whole; a snapshot that stays as it is too.
            let read = |file: &&File| changed.is_empty() || changed.iter().any(|table| table.name == file.table);
            let faults = inventory.files.iter().filter(read).map(|file| self.shelf.fault(number, file));
            if faults.collect::<Result<Vec<_>, _>>()?.iter().all(Option::is_none) {
                return Ok(Found { base: Some(Base { inventory, changed }), damaged });
            }
            damaged.push(number);
        }
        match self.manifest.history.absorbed {
            0 => Ok(Found { base: None, damaged }),
            commit => {
                let damages = vec![Damage::LostSnapshot { commit }];
                Err(Error::Damaged { dataset: self.layout.root().to_owned(), damages })
            }
        }
    }

    /// The tables that have other rows or marks than a snapshot: a thing and its child rows change together.
    fn changed(&self, inventory: &Inventory, wished: &[&'static Table]) -> Vec<&'static Table> {
        let marks = self.passes.found_gone_since(inventory.pass, inventory.state != State::Unfinished);
        let fresh = |table: &Table| !self.parts(table, inventory.commit).is_empty();
        let owner = |table: &'static Table| if let Role::Child(owner) = table.role() { owner } else { table };
        let moved = |table: &&'static Table| {
            let family = table::ALL.iter().filter(|other| owner(other) == owner(table));
            let known = inventory.file(table.name, false).is_some();
            (!known && is_wished(table, wished))
                || (known && marks && table.role() != Role::Log)
                || family.into_iter().any(|table| fresh(table))
        };
        table::ALL.iter().copied().filter(moved).collect()
    }

    /// The parts of a table that were committed after this commit.
    fn parts(&self, table: &Table, after: u64) -> Vec<PathBuf> {
        let parts = self.manifest.history.parts.range(after + 1..).flat_map(|(_, parts)| parts);
        parts.filter(|part| part.table == table.name).map(|part| self.layout.part(table, &part.name)).collect()
    }

    /// Makes the snapshot and shows it.
    fn make(&self, mut inventory: Inventory, base: Option<&Base>, wishes: &Wishes<'_>) -> Result<Inventory, Error> {
        let number = inventory.snapshot;
        let draft = self.shelf.begin(number)?;
        let facts = vec![
            ("crawl", inventory.crawl.clone()),
            ("snapshot", number.to_string()),
            ("commit", inventory.commit.to_string()),
            ("commit_hash", inventory.commit_hash.clone()),
        ];
        let (storage, passes, dataset) = (self.storage, self.passes, self.layout.root());
        let mut making = Making { storage, passes, dataset, draft: &draft, facts, runs: 0, files: Vec::new() };
        let made = self.fill(&mut making, base, wishes).and_then(|()| {
            inventory.from = base.map(|base| base.inventory.snapshot);
            inventory.files = std::mem::take(&mut making.files);
            let path = Layout::inventory(&draft);
            let text = inventory.encode().map_err(std::io::Error::from).during("write", &path)?;
            self.storage.write(&path, &mut |to| to.write_all(text.as_bytes())).during("write", &path)
        });
        // A draft that cannot be ended is in the way of nobody, but takes room; the next opening tries again.
        made.inspect_err(|_| drop(self.shelf.clear(number)))?;
        self.shelf.put_up(number)?;
        Ok(inventory)
    }

    fn fill(&self, making: &mut Making<'_>, base: Option<&Base>, wishes: &Wishes<'_>) -> Result<(), Error> {
        for table in table::ALL.iter().copied() {
            let before = |history: bool| {
                let base = base?;
                let file = base.inventory.file(table.name, history)?;
                Some((file, self.shelf.path(base.inventory.snapshot, file)?))
            };
            let is_changed = base.is_none_or(|base| base.changed.contains(&table));
            if !is_changed {
                for (file, path) in [before(false), before(true)].into_iter().flatten() {
                    making.take_over(&path, file)?;
                }
                continue;
            }
            let sources = Sources {
                before: before(false).map(|(_, path)| path),
                history: before(true).map(|(_, path)| path),
                parts: self.parts(table, base.map_or(0, |base| base.inventory.commit)),
            };
            let has_history = wishes.history.contains(&table) || sources.history.is_some();
            let belongs = table.parent.is_some_and(|(parent, _)| making.has(parent));
            let is_due = belongs || wishes.tables.contains(&table);
            if is_due || sources.before.is_some() || !sources.parts.is_empty() {
                making.table(table, sources, has_history)?;
            }
        }
        Ok(())
    }

    /// Removes the snapshots that nobody wants any more; the newest one stays.
    fn retire(&self, wishes: &Wishes<'_>) -> Result<(), Error> {
        let numbers = self.shelf.numbers()?;
        for (newer, number) in numbers.into_iter().rev().enumerate().skip(1) {
            let stays = match self.shelf.inventory(number)? {
                Ok(inventory) => (wishes.keep)(newer, jiff::Timestamp::now().duration_since(inventory.at)),
                // Nobody can use it.
                Err(_) => false,
            };
            if !stays {
                self.shelf.remove(number)?;
            }
        }
        Ok(())
    }
}
