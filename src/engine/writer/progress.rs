//! The live progress of all walks, which the page writer and the walks share behind one lock.
//!
//! Only the page writer moves cursors, on the thread that also hands the rows to a commit: a record never has a cursor
//! without its rows. The walks change what has no rows: they begin, split, doubt and close.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::walk_progress::WalkProgress;
use crate::dataset::commit::{End, WalkState};
use crate::definition::Crawl;
use crate::engine::pass::Pass;

/// The progress of all walks of a pass.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    walks: BTreeMap<String, WalkProgress>,
    /// The instant of the oldest change that is in no commit; `None` while there is none.
    changed: Option<Instant>,
    /// True when a walk was closed: a commit is due at once.
    urgent: bool,
}

/// Locks the progress. A thread that panicked with the lock leaves it usable; its panic ends the run elsewhere.
pub(crate) fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    /// The walks of a pass as its last record left them; `trusted` are those whose lists may be as short as they are.
    pub(super) fn new(pass: Pass, crawl: &Crawl, trusted: &BTreeSet<String>) -> Self {
        let mut walks = WalkProgress::all(pass.walks, pass.seen_cursors);
        for (name, walk) in &mut walks {
            let items = pass.earlier.lists.get(name).map_or(0, |list| list.items);
            (walk.least, walk.trusted) = (crawl.absence.least(items), trusted.contains(name));
            walk.beginning = crawl.walks.iter().find(|walk| walk.name == *name).and_then(|walk| walk.later.from);
        }
        Self { walks, ..Self::default() }
    }

    /// Returns a walk's progress, for reading and for what need not be durable.
    pub(crate) fn walk(&mut self, name: &str) -> &mut WalkProgress {
        self.walks.entry(name.to_owned()).or_default()
    }

    /// Returns a walk's progress for a change that the next commit records.
    pub(crate) fn change(&mut self, name: &str) -> &mut WalkProgress {
        self.changed.get_or_insert_with(Instant::now);
        self.walk(name)
    }

    /// Closes a walk, makes a commit due, and returns why the walk is over.
    pub(super) fn close(&mut self, name: &str) -> End {
        self.urgent = true;
        self.change(name).close()
    }

    /// Returns since when a commit is wanted, if any is, and true when it is due at once.
    pub(super) fn wants_commit(&self) -> (Option<Instant>, bool) {
        (self.changed, self.urgent)
    }

    /// Returns the state of every walk for a commit record; nothing is uncommitted any more.
    pub(super) fn record(&mut self) -> BTreeMap<String, WalkState> {
        (self.changed, self.urgent) = (None, false);
        self.walks.iter_mut().map(|(name, walk)| (name.clone(), walk.record())).collect()
    }
}
