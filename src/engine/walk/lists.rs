//! The lists of a run: a walk looks for missing things only when all walks of its endpoint have read theirs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{Mutex, Notify};

use crate::definition::{Crawl, Walk};

/// The state of all lists of a run.
pub(crate) struct Lists {
    /// Walks of each endpoint that still read their lists. Walks that wait for the rows of others do not count.
    open: RefCell<BTreeMap<&'static str, usize>>,
    /// Endpoints with a list that was left unfinished.
    unfinished: RefCell<BTreeSet<&'static str>>,
    left: Notify,
    /// Held by the walk that looks things up: the next one need not look them up again.
    pub(super) looking_up: Mutex<()>,
}

impl Lists {
    /// The lists of a run that begins.
    pub(crate) fn of(crawl: &Crawl) -> Self {
        let mut open: BTreeMap<&'static str, usize> = BTreeMap::new();
        for walk in crawl.walks.iter().filter(|walk| !walk.needs_rows()) {
            *open.entry(walk.endpoint.name).or_default() += 1;
        }
        Self { open: open.into(), unfinished: RefCell::default(), left: Notify::new(), looking_up: Mutex::new(()) }
    }

    /// Records that a walk has read its list, or leaves it to a later run.
    pub(super) fn leave(&self, walk: &Walk, is_read: bool) {
        if !walk.needs_rows() {
            self.open.borrow_mut().entry(walk.endpoint.name).and_modify(|open| *open = open.saturating_sub(1));
        }
        if !is_read {
            self.unfinished.borrow_mut().insert(walk.endpoint.name);
        }
        self.left.notify_waiters();
    }

    /// Waits until no walk of an endpoint reads its list any more; false when one of them is left to a later run.
    pub(super) async fn are_read(&self, endpoint: &str) -> bool {
        loop {
            let left = self.left.notified();
            if self.open.borrow().get(endpoint).is_none_or(|open| *open == 0) {
                return !self.unfinished.borrow().contains(endpoint);
            }
            left.await;
        }
    }
}
