//! What the walks ask of the book, and what it answers: pages that were asked for, and where a strand goes after each.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::api::endpoint::Endpoint;
use crate::dataset::commit::{Edge, End};
use crate::dataset::unmet::{CONTROL, GONE};
use crate::fetch::{Answer, PageUrl, Unreadable};

/// A page that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Its walk.
    pub(super) walk: Arc<str>,
    /// Its strand's key; empty for the only one.
    pub(super) strand: Arc<str>,
    /// What is asked.
    pub(super) endpoint: &'static Endpoint,
    /// The query parameters, without `limit` and cursor.
    pub(super) params: Arc<[(String, String)]>,
    /// The id or hash looked up.
    pub(super) key: Option<Arc<str>>,
    /// Its number in the strand.
    pub(super) page: u64,
    /// The cursor sent.
    pub(super) cursor: Option<String>,
    /// Items asked for.
    pub(super) limit: u32,
    /// Whether it is asked for once more because the first answer was doubtful.
    pub(super) again: bool,
    /// Items of that answer, of which nothing was taken.
    pub(super) shown: u64,
    /// The answer before was empty, so that this one may be a full last page.
    pub(super) first_shown: bool,
    /// True when its answer was compared with that to the same question without its filters.
    pub(super) compared: bool,
    /// Its value stands in a list of the crawl file, and who wrote it there expects something.
    pub(super) listed: bool,
    /// Its address.
    pub(super) url: PageUrl,
}

impl Asked {
    /// The name that rows carry: the walk's, and behind a slash the strand's.
    pub(super) fn name(&self) -> String {
        strand_name(&self.walk, &self.strand)
    }
}

/// The name of a strand, unique within the pass.
pub(super) fn strand_name(walk: &str, strand: &str) -> String {
    if strand.is_empty() { walk.to_owned() } else { format!("{walk}/{strand}") }
}

/// What the keys of strands begin with that look again at what a walk's own strands left open.
pub(super) const AGAIN: &str = "again/";
/// The strand that reads the page once more at which new rows appear.
pub(super) const EDGE: &str = "again/edge";

/// True when a strand asks for a single thing that its list did, or did not, show.
pub(super) fn is_single(strand: &str) -> bool {
    strand.starts_with(GONE) || strand.starts_with(CONTROL)
}

/// What a walk's own strands left open.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// The page to be read once more.
    pub(super) edge: Option<Edge>,
    /// Models to be asked for by id, in the list.
    pub(super) short: Vec<i64>,
    /// Models to be looked up.
    pub(super) hollow: Vec<i64>,
    /// Strands of single look-ups of which nothing was learnt.
    pub(super) lost: BTreeSet<String>,
}

/// What came of a list that is believed so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    pub(super) items: u64,
    pub(super) rejects: u64,
    /// True when all of the list was asked for, not only what is new.
    pub(super) whole: bool,
    /// Pages given up.
    pub(super) given_up: u64,
}

/// What a page does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unshown {
    /// The filters of its question that its items do not show to be in force.
    pub(super) filters: Vec<&'static str>,
    /// The ids of its items.
    pub(super) ids: Vec<i64>,
}

/// Where a strand goes after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// To the page at this cursor.
    Next(String),
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
        pages_told: Option<u64>,
        /// Why the walk is over, should the list have no end.
        endless: Option<End>,
    },
    /// Nowhere: it is over.
    Over,
    /// Nowhere: nothing more can be written.
    Halted,
}

/// What the walks ask of the book.
pub(super) enum Job {
    /// A strand begins, or goes on; of a fan-out it may be over already, by an earlier run.
    Begin { walk: Arc<str>, strand: Arc<str>, over: bool },
    /// A page's answer.
    Take(Asked, Answer, oneshot::Sender<Result<Step, Unreadable>>),
    /// A page that cannot be had, why, and the cursor behind it where that could be found.
    GiveUp(Asked, Option<Answer>, String, Option<String>, oneshot::Sender<Step>),
    /// A strand whose cursor the server goes on with no more, in its words.
    Anew(Asked, String, oneshot::Sender<Step>),
    /// A strand is over; with the answer that says so, where it is one worth keeping.
    End(Asked, Option<Answer>, End, oneshot::Sender<Step>),
    /// The later part of a window becomes a window of its own, unless the strand has passed it: its key.
    Split { walk: Arc<str>, strand: Arc<str>, at: i64, cursor: String, reply: oneshot::Sender<Option<String>> },
    /// The cursor at which the window before this one ended, once it has.
    Handover { walk: Arc<str>, strand: Arc<str>, reply: oneshot::Sender<Option<String>> },
    /// The cursor at which an incremental walk begins was refused: its strand begins where the list does.
    Whole { walk: Arc<str>, strand: Arc<str> },
    /// What came of a walk's list; `None` where that is not believed anyway.
    Came { walk: Arc<str>, reply: oneshot::Sender<Option<Came>> },
    /// True when a single look-up, by its strand, showed the thing.
    Shown { walk: Arc<str>, strand: Arc<str>, reply: oneshot::Sender<bool> },
    /// A walk's list is not believed.
    Doubt { walk: Arc<str>, detail: String },
    /// Things that a walk does not find gone.
    Withhold { walk: Arc<str>, things: BTreeSet<String> },
    /// What a walk's own strands left open.
    Rest { walk: Arc<str>, reply: oneshot::Sender<Rest> },
    /// Every strand of a walk is over.
    Close { walk: Arc<str> },
    /// Everything taken so far shall be durable.
    Flush(oneshot::Sender<()>),
}
