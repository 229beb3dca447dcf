//! What happens during a run, as events: progress bars, logs, run reports and tests are listeners.

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
        /// Whether an earlier run began the pass.
        resumed: bool,
    },
    /// A walk begins, or goes on behind the pages it has.
    WalkStarted {
        /// Its name.
        walk: &'a str,
        /// Pages it has.
        pages: u64,
        /// Items on them.
        items: u64,
    },
    /// A request left.
    Sent {
        /// Its walk.
        walk: &'a str,
        /// How often this page was asked for, this time included.
        attempt: u32,
    },
    /// An answer arrived whole.
    Answered {
        /// Its walk.
        walk: &'a str,
        /// HTTP status.
        status: u16,
        /// Bytes of its body as received.
        bytes: u64,
        /// From sending the request to the body's end.
        latency: Duration,
    },
    /// A page will be asked for again.
    Retrying {
        /// Its walk.
        walk: &'a str,
        /// How often it was asked for.
        attempt: u32,
        /// How long until it is asked for again.
        wait: Duration,
        /// Why.
        reason: &'a str,
    },
    /// Everybody waits, because the server asked for it.
    Throttled {
        /// How long.
        pause: Duration,
        /// Requests per second afterwards.
        rate: f64,
    },
    /// The pace is again what was set.
    Recovered {
        /// Requests per second.
        rate: f64,
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
    /// A page's rows could not be had.
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
    /// A walk stopped and will go on in a later run.
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
        /// How long writing took.
        took: Duration,
    },
    /// Readers see a new snapshot.
    SnapshotTaken {
        /// What it holds.
        inventory: &'a Inventory,
        /// How long making it took.
        took: Duration,
    },
}

impl<'a> Event<'a> {
    /// What happens while a page of this walk is fetched.
    pub(crate) fn of(walk: &'a str, event: &'a fetch::Event) -> Self {
        match event {
            fetch::Event::Sent { attempt } => Self::Sent { walk, attempt: *attempt },
            fetch::Event::Answered { status, bytes, latency } => {
                Self::Answered { walk, status: *status, bytes: *bytes, latency: *latency }
            }
            fetch::Event::Retrying { attempt, wait, reason } => {
                Self::Retrying { walk, attempt: *attempt, wait: *wait, reason }
            }
            fetch::Event::Throttled { pause, rate } => Self::Throttled { pause: *pause, rate: *rate },
            fetch::Event::Recovered { rate } => Self::Recovered { rate: *rate },
        }
    }
}

/// Listens to a run. Called from several threads; must return quickly.
pub trait Listener: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// Listeners in a row.
impl<M: Listener + ?Sized> Listener for Vec<std::sync::Arc<M>> {
    fn event(&self, event: &Event<'_>) {
        for listener in self {
            listener.event(event);
        }
    }
}
