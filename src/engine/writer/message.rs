//! The page writer's mailbox: requested pages go in, the next step comes out.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::api::endpoint::Endpoint;
use crate::dataset::commit::End;
use crate::dataset::missing::{CONTROL, GONE};
use crate::fetch::{Answer, PageUrl, Unreadable};

/// A page that is requested.
#[derive(Debug, Clone)]
pub(crate) struct PageRequest {
    /// Its walk.
    pub(crate) walk: Arc<str>,
    /// Its partition's key; empty for the only one.
    pub(crate) partition: Arc<str>,
    /// The endpoint asked.
    pub(crate) endpoint: &'static Endpoint,
    /// The query parameters, without `limit` and cursor.
    pub(crate) params: Arc<[(String, String)]>,
    /// The id or hash looked up.
    pub(crate) key: Option<Arc<str>>,
    /// Its number in the partition.
    pub(crate) page: u64,
    /// The cursor sent.
    pub(crate) cursor: Option<String>,
    /// Items requested.
    pub(crate) limit: u32,
    /// True when it is requested once more because the first answer was doubtful.
    pub(crate) again: bool,
    /// Items of that answer, none of which was taken. One with fewer is not taken either.
    pub(crate) shown: u64,
    /// Another answer to it, which was not taken.
    pub(crate) other: Option<Other>,
    /// True when the answer before was empty, so that this one may be a full last page.
    pub(crate) first_shown: bool,
    /// True when its answer was compared with the answer without filters.
    pub(crate) compared: bool,
    /// True when the crawl file lists its value, so that its author expects something.
    pub(crate) listed: bool,
    /// Its address.
    pub(crate) url: PageUrl,
}

/// An answer to a request for a page that was asked for twice.
#[derive(Debug, Clone)]
pub(crate) enum Other {
    /// It had so many items.
    Items(u64),
    /// It was a refusal, for this reason.
    Refusal(String),
}

impl PageRequest {
    /// Returns the partition's name, as rows carry it.
    pub(crate) fn name(&self) -> String {
        partition_name(&self.walk, &self.partition)
    }
}

/// Returns a partition's name, unique within the pass: the walk's, and behind a slash the key, if any.
pub(crate) fn partition_name(walk: &str, partition: &str) -> String {
    if partition.is_empty() { walk.to_owned() } else { format!("{walk}/{partition}") }
}

/// Prefix of the keys of partitions that recheck what a walk's own partitions left open.
pub(crate) const RECHECK: &str = "recheck/";
/// Key of the partition that rereads the page where new rows appear.
pub(crate) const BOUNDARY: &str = "recheck/boundary";

/// Returns true for a partition that looks up a single thing.
pub(crate) fn is_single(partition: &str) -> bool {
    partition.starts_with(GONE) || partition.starts_with(CONTROL)
}

/// Signs of a page that its filters were ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unshown {
    /// The filters of its request that its items do not show to be in force.
    pub(crate) filters: Vec<&'static str>,
    /// The ids of its items.
    pub(crate) ids: Vec<i64>,
}

/// The next step of a partition after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Request the page at this cursor.
    Page(String),
    /// Request the page at this cursor with the largest limit: more rows share its instant than the walk's limit.
    Larger(String),
    /// Start over at the list's beginning, or at this cursor of the window's: the server no longer accepts the last one.
    Anew(Option<String>),
    /// Request the same page once more: the answer looks like a false end, and none of its items (so many) was taken.
    Again(u64),
    /// Take the answer before: this one has fewer items (so many), and none was taken.
    Fewer(u64),
    /// Compare first: the page does not show that these filters are in force, and nothing was taken.
    Compare(Unshown),
    /// The server ignored the cursor, again: the page is of another part of the list, and nothing of it was taken.
    Elsewhere,
    /// Continue by number: the page was taken.
    Taken {
        /// True when it had no items.
        empty: bool,
        /// The number of pages, where the endpoint reports it.
        reported_pages: Option<u64>,
        /// Set when the list must be taken for one without end.
        endless: Option<End>,
    },
    /// The partition is over.
    Over,
    /// Nothing more can be written.
    Halted,
}

/// A message to the page writer. Those with rows are messages so that rows and cursors move on one thread.
pub(crate) enum Message {
    /// An answer to be decoded and taken.
    Page(PageRequest, Answer, oneshot::Sender<Result<Next, Unreadable>>),
    /// A page to be recorded as given up.
    GiveUp(GivenUpPage, oneshot::Sender<Next>),
    /// A partition is over; the answer is one worth keeping, such as a 404.
    End(PageRequest, Option<Answer>, End, oneshot::Sender<Next>),
    /// Everything taken so far is to be made durable.
    Flush(oneshot::Sender<()>),
    /// A commit is due.
    Wake,
}

/// A page that cannot be had.
pub(crate) struct GivenUpPage {
    pub(crate) request: PageRequest,
    /// The answer that cannot be read, if there is one.
    pub(crate) answer: Option<Answer>,
    pub(crate) reason: String,
    /// The cursor behind the page, where one was found.
    pub(crate) behind: Option<String>,
}
