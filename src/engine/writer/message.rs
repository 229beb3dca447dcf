//! What the walks ask of the page writer, and what it answers: pages that were asked for, and where a partition goes after each.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::api::endpoint::Endpoint;
use crate::dataset::commit::{BoundaryPage, End};
use crate::dataset::missing::{CONTROL, GONE};
use crate::fetch::{Answer, PageUrl, Unreadable};

/// A page that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct PageRequest {
    /// Its walk.
    pub(crate) walk: Arc<str>,
    /// Its partition's key; empty for the only one.
    pub(crate) partition: Arc<str>,
    /// What is asked.
    pub(crate) endpoint: &'static Endpoint,
    /// The query parameters, without `limit` and cursor.
    pub(crate) params: Arc<[(String, String)]>,
    /// The id or hash looked up.
    pub(crate) key: Option<Arc<str>>,
    /// Its number in the partition.
    pub(crate) page: u64,
    /// The cursor sent.
    pub(crate) cursor: Option<String>,
    /// Items asked for.
    pub(crate) limit: u32,
    /// Whether it is asked for once more because the first answer was doubtful.
    pub(crate) again: bool,
    /// Items of that answer, of which nothing was taken.
    pub(crate) shown: u64,
    /// The answer before was empty, so that this one may be a full last page.
    pub(crate) first_shown: bool,
    /// True when its answer was compared with that to the same question without its filters.
    pub(crate) compared: bool,
    /// Its value stands in a list of the crawl file, and who wrote it there expects something.
    pub(crate) listed: bool,
    /// Its address.
    pub(crate) url: PageUrl,
}

impl PageRequest {
    /// The name that rows carry: the walk's, and behind a slash the partition's.
    pub(crate) fn name(&self) -> String {
        partition_name(&self.walk, &self.partition)
    }
}

/// The name of a partition, unique within the pass.
pub(crate) fn partition_name(walk: &str, partition: &str) -> String {
    if partition.is_empty() { walk.to_owned() } else { format!("{walk}/{partition}") }
}

/// What the keys of partitions begin with that look again at what a walk's own partitions left open.
pub(crate) const RECHECK: &str = "recheck/";
/// The partition that reads the page once more at which new rows appear.
pub(crate) const BOUNDARY: &str = "recheck/boundary";

/// True when a partition asks for a single thing that its list did, or did not, show.
pub(crate) fn is_single(partition: &str) -> bool {
    partition.starts_with(GONE) || partition.starts_with(CONTROL)
}

/// What a walk's own partitions left open.
#[derive(Debug, Default)]
pub(crate) struct Recheck {
    /// The page to be read once more.
    pub(crate) boundary: Option<BoundaryPage>,
    /// Models to be asked for by id, in the list.
    pub(crate) missing_versions: Vec<i64>,
    /// Models to be looked up.
    pub(crate) without_versions: Vec<i64>,
    /// Partitioning of single look-ups of which nothing was learnt.
    pub(crate) lost: BTreeSet<String>,
}

/// What came of a list that is believed so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    pub(crate) items: u64,
    pub(crate) rejects: u64,
    /// True when all of the list was asked for, not only what is new.
    pub(crate) whole: bool,
    /// Pages given up.
    pub(crate) given_up: u64,
}

/// What a page does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unshown {
    /// The filters of its question that its items do not show to be in force.
    pub(crate) filters: Vec<&'static str>,
    /// The ids of its items.
    pub(crate) ids: Vec<i64>,
}

/// Where a partition goes after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// To the page at this cursor.
    Page(String),
    /// To the page at this cursor, with as many items as the server gives: more rows share its instant than were asked for.
    Larger(String),
    /// To the list's beginning, or that of the window, at this cursor: the server goes on with the last one no more.
    Anew(Option<String>),
    /// To the same page once more: the answer looks like a false end, and nothing was taken of so many items.
    Again(u64),
    /// Nowhere yet: the page does not show that these filters of its question are in force, and nothing was taken.
    Compare(Unshown),
    /// Of numbered pages: the page was taken.
    Taken {
        /// Whether it had items.
        empty: bool,
        /// How many pages there are, where the endpoint tells it.
        reported_pages: Option<u64>,
        /// Why the walk is over, should the list have no end.
        endless: Option<End>,
    },
    /// Nowhere: it is over.
    Over,
    /// Nowhere: nothing more can be written.
    Halted,
}

/// What the walks ask of the page writer.
pub(crate) enum Message {
    /// A partition begins, or goes on; of a fan-out it may be over already, by an earlier run.
    Begin { walk: Arc<str>, partition: Arc<str>, over: bool },
    /// A page's answer.
    Take(PageRequest, Answer, oneshot::Sender<Result<Next, Unreadable>>),
    /// A page that cannot be had, why, and the cursor behind it where that could be found.
    GiveUp(PageRequest, Option<Answer>, String, Option<String>, oneshot::Sender<Next>),
    /// A partition whose cursor the server goes on with no more, in its words.
    Anew(PageRequest, String, oneshot::Sender<Next>),
    /// A partition is over; with the answer that says so, where it is one worth keeping.
    End(PageRequest, Option<Answer>, End, oneshot::Sender<Next>),
    /// The later part of a window becomes a window of its own, unless the partition has passed it: its key.
    Split { walk: Arc<str>, partition: Arc<str>, at: i64, cursor: String, reply: oneshot::Sender<Option<String>> },
    /// The cursor at which the window before this one ended, once it has.
    Handover { walk: Arc<str>, partition: Arc<str>, reply: oneshot::Sender<Option<String>> },
    /// The cursor at which an incremental walk begins was refused: its partition begins where the list does.
    Whole { walk: Arc<str>, partition: Arc<str> },
    /// What came of a walk's list; `None` where that is not believed anyway.
    Came { walk: Arc<str>, reply: oneshot::Sender<Option<Came>> },
    /// True when a single look-up, by its partition, showed the thing.
    Shown { walk: Arc<str>, partition: Arc<str>, reply: oneshot::Sender<bool> },
    /// A walk's list is not believed.
    Doubt { walk: Arc<str>, detail: String },
    /// Things that a walk does not find gone.
    Withhold { walk: Arc<str>, things: BTreeSet<String> },
    /// What a walk's own partitions left open.
    Recheck { walk: Arc<str>, reply: oneshot::Sender<Recheck> },
    /// Every partition of a walk is over.
    Close { walk: Arc<str> },
    /// Everything taken so far shall be durable.
    Flush(oneshot::Sender<()>),
}
