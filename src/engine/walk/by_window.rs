//! Time windows: one walk along the dates becomes several side by side, each split further while it is walked, so that no
//! worker is idle before the end.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Notify;

use super::context::Context;
use super::partition::{Finish, Partition};
use super::request::Turn;
use super::{by_cursor, page, workers};
use crate::api::endpoint::{Paging, Windows};
use crate::dataset::commit::{End, PartitionState, Why};
use crate::definition::Walk;
use crate::engine::Error;
use crate::engine::pass::first_partition;
use crate::engine::writer::density::Ahead;
use crate::engine::writer::progress::Progress;
use crate::engine::writer::walk_progress::{NOTHING_BEHIND, WalkProgress};

/// A window is only split while it seems to have at least this many pages left, and the root of the pages of the whole walk: a
/// split costs about half a page, and the idle worker before the end as much time as the window has left.
const PAGES_WORTH_A_SPLIT: f64 = 4.0;

/// The middle of a window is near if it is closer than so many pages like the last one.
const PAGES_NEAR: f64 = 4.0;

/// The last week (in milliseconds) is the first window to be split off: its ids show how many rows there are before it.
const LAST_WEEK: i64 = 7 * 86_400_000;

/// A window to be walked.
struct Window {
    key: Arc<str>,
    /// The server's own cursor for its beginning; set when the server refused the one made here.
    handover: Option<String>,
}

/// The windows of one walk, which its workers share. Where each window is, the walk's progress has.
struct WindowPool<'a> {
    walk: &'a Walk,
    windows: Windows,
    context: Context<'a>,
    /// Windows that no worker walks yet.
    waiting: RefCell<Vec<Arc<str>>>,
    /// Windows being walked.
    running: RefCell<BTreeSet<Arc<str>>>,
    /// Windows whose forged cursor the server refused: each waits for the cursor at which the window before it ends.
    held: RefCell<BTreeSet<Arc<str>>>,
    moved: Notify,
    begins: i64,
}

/// Walks the windows, `count` at once. The catalog begins at the instant `from`, as far as the crawl file says it.
pub(super) async fn run(walk: &Walk, count: u32, from: Option<i64>, context: Context<'_>) -> Result<Finish, Error> {
    let Paging::Cursor { windows: Some(windows), .. } = walk.endpoint.paging else { return Ok(Finish::Done) };
    let open = |key: &String| Arc::from(key.as_str());
    let mut waiting: Vec<Arc<str>> =
        context.writer.progress().walk(&walk.name).state().partitions.keys().map(open).collect();
    if waiting.is_empty() {
        waiting.push(Partition::begin(walk, first_partition(&walk.partitioning), context).partition);
    }
    let pool = WindowPool {
        walk,
        windows,
        context,
        waiting: waiting.into(),
        running: RefCell::default(),
        held: RefCell::default(),
        moved: Notify::new(),
        begins: from.unwrap_or_default(),
    };
    let finish = workers::run(count, async || pool.next().await, async |window| pool.walk(window).await).await?;
    let is_held = !pool.held.borrow().is_empty();
    Ok(match finish {
        Finish::Done if is_held => Finish::Unfinished(
            context.run.stop.reason().unwrap_or_else(|| String::from("the window before it is unfinished")),
        ),
        finish => finish,
    })
}

impl WindowPool<'_> {
    /// Returns a window to be walked: one that waits, else half of the largest. Waits for one while any window is being
    /// walked.
    async fn next(&self) -> Option<Window> {
        loop {
            let moved = self.moved.notified();
            let waiting = self.waiting.borrow_mut().pop().map(|key| Window { key, handover: None });
            let window = waiting.or_else(|| self.handed_over()).or_else(|| self.split_largest());
            if let Some(window) = window {
                self.running.borrow_mut().insert(Arc::clone(&window.key));
                return Some(window);
            }
            if self.running.borrow().is_empty() || self.context.run.stop.reason().is_some() {
                return None;
            }
            moved.await;
        }
    }

    /// Returns a held window once the window before it has ended.
    fn handed_over(&self) -> Option<Window> {
        let mut held = self.held.borrow_mut();
        let mut progress = self.context.writer.progress();
        let walk = progress.walk(&self.walk.name);
        let (key, handover) = held.iter().find_map(|key| Some((Arc::clone(key), walk.handover(key)?)))?;
        held.remove(&key);
        Some(Window { key, handover: Some(handover) })
    }

    /// Splits the window that seems to have most pages left, when that is worth the requests, and returns its later half.
    fn split_largest(&self) -> Option<Window> {
        let mut progress = self.context.writer.progress();
        if self.is_busy(&mut progress) {
            return None;
        }
        let walk = progress.walk(&self.walk.name);
        if walk.state().forging_refused {
            return None;
        }
        let least = PAGES_WORTH_A_SPLIT.max((walk.state().pages as f64).sqrt());
        let running = self.running.borrow();
        let rests = running.iter().filter_map(|key| Some((key, self.rest(key, walk)?)));
        let worth = rests.filter(|(_, rest)| rest.pages >= least);
        let (key, rest) = worth.max_by(|(_, a), (_, b)| a.pages.total_cmp(&b.pages))?;
        let cursor = (self.windows.forge)(rest.middle);
        let key = progress.change(&self.walk.name).split(key, rest.middle, cursor)?;
        Some(Window { key: key.into(), handover: None })
    }

    /// Returns true when all walks together have partitions enough to keep all requests in flight: one more would cost a request
    /// and gain nothing. Those of an endpoint with a limit of its own do not count, since they mostly wait for that.
    fn is_busy(&self, progress: &mut Progress) -> bool {
        let walks = self.context.crawl.walks.iter().filter(|walk| walk.endpoint.a_minute.is_none());
        let open: usize = walks.map(|walk| progress.walk(&walk.name).state().partitions.len()).sum();
        open > self.context.crawl.pace.in_flight as usize
    }

    /// Estimates what a window has left: by the ids between it and the next one, else by the density of its pages so far. `None`
    /// while the next one has no page.
    fn rest(&self, key: &str, walk: &WalkProgress) -> Option<Rest> {
        let windows = &walk.state().partitions;
        let window = windows.get(key)?;
        let begins = window.from.unwrap_or(self.begins);
        let at = window.cursor.as_deref().and_then(self.windows.at).unwrap_or(begins);
        let until = window.until.or(walk.state().began).unwrap_or(at).max(at);
        let (walked, left) = (at - begins.max(self.begins).min(at), until - at);
        if let Some(Ahead { pages, span }) = window.until.and_then(|until| walk.density().ahead(key, at, until)) {
            let half = ((pages / 2.0 * span as f64) as i64).min(left / 2);
            // A worker that is nearly there finds out alone where the rows are.
            let is_near = (half as f64) < PAGES_NEAR * span as f64;
            return (!is_near).then_some(Rest { pages, middle: at + half });
        }
        let is_next = |other: &PartitionState| other.from.is_some() && other.from == window.until && other.pages == 0;
        let by_id = self.walk.forges_first().is_some();
        let is_unknown = by_id && windows.values().any(is_next);
        let pages = if walked <= 0 { 0.0 } else { window.pages as f64 * left as f64 / walked as f64 };
        let is_last = by_id && window.until.is_none();
        let middle = if is_last { (at + left / 2).max(until - LAST_WEEK) } else { at + left / 2 };
        (!is_unknown).then_some(Rest { pages, middle })
    }

    /// Walks a window to its end, or holds it.
    async fn walk(&self, window: Window) -> Result<Finish, Error> {
        let Window { key, handover } = window;
        let partition = Partition::resume(self.walk, &key, self.context);
        let finish = match handover {
            Some(cursor) if cursor == NOTHING_BEHIND => {
                let turn = Turn { page: 1, cursor: None, limit: self.walk.limit, again: false };
                let request = page::ask(self.walk, &partition, turn, self.context)?;
                self.context.writer.end(&request, None, End { why: Why::Complete, detail: None }).await;
                Finish::Done
            }
            None if partition.is_at_forged(self.context) && self.is_forging_refused() => Finish::ForgedRefused,
            handover => {
                let forged = partition.forged && handover.is_none();
                let partition = Partition { cursor: handover.or(partition.cursor), forged, ..partition };
                by_cursor::run(self.walk, partition, self.context, || self.wake_all()).await?
            }
        };
        let finish = match finish {
            Finish::ForgedRefused => {
                self.hold(Arc::clone(&key));
                Finish::Done
            }
            finish => finish,
        };
        self.running.borrow_mut().remove(&key);
        self.wake_all();
        Ok(finish)
    }

    fn is_forging_refused(&self) -> bool {
        self.context.writer.progress().walk(&self.walk.name).state().forging_refused
    }

    /// Holds a window whose forged cursor the server refuses until the window before it ends. The first window has none before
    /// it, so it begins without a cursor.
    fn hold(&self, key: Arc<str>) {
        if by_cursor::refuse_forged(self.walk, &key, self.context) {
            self.waiting.borrow_mut().push(key);
        } else {
            self.held.borrow_mut().insert(key);
        }
    }

    /// Wakes all waiting workers.
    fn wake_all(&self) {
        self.moved.notify_waiters();
    }
}

/// An estimate of what a window has left.
struct Rest {
    pages: f64,
    /// The instant in the middle of it.
    middle: i64,
}
