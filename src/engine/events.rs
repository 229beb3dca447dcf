//! Events of a run. Progress bars, logs, run reports and metrics listen to them.

use std::time::Duration;

use crate::dataset::commit::{End, Record};
use crate::dataset::layout::RunId;
use crate::dataset::snapshot::Inventory;
use crate::fetch;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The dataset is open and the run begins.
    Started {
        /// The run.
        run: &'a RunId,
        /// The pass it works on.
        pass: u64,
        /// True when an earlier run began the pass.
        resumed: bool,
    },
    /// A walk begins, or continues behind the pages it has.
    WalkStarted {
        /// Its name.
        walk: &'a str,
        /// Pages it has.
        pages: u64,
        /// Items on them.
        items: u64,
    },
    /// Something happened while a page was fetched.
    Fetch {
        /// Its walk.
        walk: &'a str,
        /// The request, its answer, or a wait.
        event: &'a fetch::Event,
    },
    /// A page's rows were taken.
    Page {
        /// Its walk.
        walk: &'a str,
        /// Its number.
        page: u64,
        /// Items on it.
        items: u64,
        /// Items no table could take.
        rejects: u64,
        /// Control bytes and broken escapes that were repaired.
        repairs: u32,
        /// Bytes of its body after decompression.
        bytes: u64,
    },
    /// A page was given up; its rows are missing.
    GivenUp {
        /// Its walk.
        walk: &'a str,
        /// Its number.
        page: u64,
        /// The cursor that asks for it.
        cursor: Option<&'a str>,
        /// Why.
        reason: &'a str,
    },
    /// A page is asked for again with fewer items.
    Smaller {
        /// Its walk.
        walk: &'a str,
        /// Items asked for from now on.
        limit: u32,
        /// Why.
        reason: &'a str,
    },
    /// A walk is over.
    WalkEnded {
        /// Its name.
        walk: &'a str,
        /// Why.
        end: &'a End,
    },
    /// A walk stopped; a later run continues it.
    WalkStopped {
        /// Its name.
        walk: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// Rows and cursors became durable.
    Committed {
        /// The record.
        record: &'a Record,
        /// Time it took to write.
        took: Duration,
    },
    /// Readers see a new snapshot.
    SnapshotTaken {
        /// Its files.
        inventory: &'a Inventory,
        /// Time it took to make.
        took: Duration,
    },
    /// Parts were removed, because the snapshot holds their rows.
    Pruned {
        /// Their bytes.
        bytes: u64,
    },
}

/// Listens to a run. Called from several threads; must return quickly.
pub trait Listener: Send + Sync {
    /// Takes note of an event.
    fn event(&self, event: &Event<'_>);
}

/// Listeners in a row.
impl<L: Listener + ?Sized> Listener for Vec<std::sync::Arc<L>> {
    fn event(&self, event: &Event<'_>) {
        for listener in self {
            listener.event(event);
        }
    }
}
