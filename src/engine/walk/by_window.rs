//! Time windows: one walk along the dates becomes several side by side, each split further while it is walked, so that no
//! worker is idle before the end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::Notify;

use super::context::Shared;
use super::partition::{Finish, Partition, first_partition};
use super::request::Turn;
use super::{by_cursor, page};
use crate::api::endpoint::{Paging, Windows};
use crate::dataset::commit::{End, WalkState, Why};
use crate::definition::Walk;
use crate::engine::Error;
use crate::engine::writer::progress::NOTHING_BEHIND;

/// A window is only split while it seems to hold at least this many pages more.
const PAGES_WORTH_A_SPLIT: f64 = 4.0;

/// A window being walked.
#[derive(Debug)]
struct Pane {
    partition: Arc<str>,
    /// Where it began, where it stands and where it ends, in milliseconds since 1970.
    from: i64,
    at: Cell<i64>,
    until: Cell<i64>,
    /// Pages taken in this run.
    pages: Cell<u32>,
}

impl Pane {
    /// Pages that seem to be left, by the density met so far.
    fn pages_left(&self) -> f64 {
        let walked = (self.at.get() - self.from) as f64;
        let finish = (self.until.get() - self.at.get()) as f64;
        if walked <= 0.0 { 0.0 } else { f64::from(self.pages.get()) * finish / walked }
    }
}

/// What the workers of one walk share.
struct Frame<'a> {
    walk: &'a Walk,
    name: Arc<str>,
    windows: Windows,
    shared: Shared<'a>,
    /// Windows of an earlier run that nobody walks yet.
    waiting: RefCell<Vec<(Arc<str>, WalkState)>>,
    panes: RefCell<BTreeMap<Arc<str>, Rc<Pane>>>,
    /// Whether the server takes cursors made here; no more of them are made once it has refused one.
    forging: Cell<bool>,
    moved: Notify,
    /// How often anything moved.
    moves: Cell<u64>,
    /// Windows whose forged cursor was refused and that the window before them has not reached yet; and how many of them
    /// have looked in vain since anything moved.
    held: Cell<usize>,
    idle: Cell<usize>,
    begins: i64,
    ends: i64,
}

impl Frame<'_> {
    /// Wakes everybody who waits for something to move: whoever looked in vain must look again.
    fn stir(&self) {
        self.moves.set(self.moves.get() + 1);
        self.idle.set(0);
        self.moved.notify_waiters();
    }
}

/// Walks the windows, `count` at once.
pub(crate) async fn run(
    walk: &Walk,
    state: &WalkState,
    count: u32,
    from: i64,
    shared: Shared<'_>,
) -> Result<Finish, Error> {
    let Paging::Cursor { windows: Some(windows), .. } = walk.endpoint.paging else { return Ok(Finish::Done) };
    let name: Arc<str> = walk.name.as_str().into();
    let mut keys: Vec<Arc<str>> = state.partitions.keys().map(|key| key.as_str().into()).collect();
    if keys.is_empty() {
        let first: Arc<str> = first_partition(&walk.partitioning).into();
        shared.writer.begin(&name, &first, false);
        keys.push(first);
    }
    let frame = Frame {
        walk,
        name,
        windows,
        shared,
        waiting: RefCell::new(keys.into_iter().map(|key| (key, state.clone())).collect()),
        panes: RefCell::default(),
        forging: Cell::new(true),
        moved: Notify::new(),
        moves: Cell::new(0),
        held: Cell::new(0),
        idle: Cell::new(0),
        begins: from,
        ends: jiff::Timestamp::now().as_millisecond(),
    };
    let all = try_join_all((0..count).map(|_| work(&frame))).await?;
    Ok(Finish::worst(all))
}

/// One worker: a window that waits, else half of the largest that is being walked, until there is none.
async fn work(frame: &Frame<'_>) -> Result<Finish, Error> {
    loop {
        let waiting = frame.waiting.borrow_mut().pop();
        let next = match waiting {
            Some(window) => Some(window),
            None => steal(frame).await,
        };
        let finish = match next {
            Some((key, state)) => walk_window(frame, key, &state).await?,
            None if frame.panes.borrow().is_empty() || frame.shared.stop.reason().is_some() => return Ok(Finish::Done),
            None => {
                frame.moved.notified().await;
                continue;
            }
        };
        if !matches!(finish, Finish::Done) {
            frame.stir();
            return Ok(finish);
        }
    }
}

/// Walks one window to its end.
async fn walk_window(frame: &Frame<'_>, key: Arc<str>, state: &WalkState) -> Result<Finish, Error> {
    let stored = state.partitions.get(&*key).cloned().unwrap_or_default();
    let from = stored.from.unwrap_or(frame.begins);
    let at = stored.cursor.as_deref().and_then(frame.windows.at).unwrap_or(from);
    let pane = Rc::new(Pane {
        partition: Arc::clone(&key),
        from: at.min(from.max(frame.begins)),
        at: Cell::new(at),
        until: Cell::new(stored.until.unwrap_or(frame.ends)),
        pages: Cell::new(0),
    });
    frame.panes.borrow_mut().insert(Arc::clone(&key), Rc::clone(&pane));
    let on_page = |cursor: &str| {
        pane.pages.set(pane.pages.get() + 1);
        pane.at.set((frame.windows.at)(cursor).unwrap_or(pane.at.get()));
        frame.stir();
    };
    let mut partition = Partition::new(frame.walk, &frame.name, &key, state);
    let mut finish = by_cursor::run(frame.walk, partition.clone(), frame.shared, on_page).await?;
    if matches!(finish, Finish::ForgedRefused) {
        tracing::warn!(walk = &*frame.name, "the server refuses cursors that it did not name; walking without splits");
        frame.forging.set(false);
        frame.panes.borrow_mut().remove(&key);
        frame.stir();
        if state.since.is_some() && stored.from == state.since {
            // No window before this one could hand over anything: it is the first.
            by_cursor::whole(partition, frame.shared);
            return Box::pin(walk_window(frame, key, &WalkState::default())).await;
        }
        finish = match await_handover(frame, &pane).await {
            None => Finish::Unfinished(String::from("the window before it is unfinished")),
            Some(cursor) if cursor == NOTHING_BEHIND => {
                let turn = Turn { page: 1, cursor: None, limit: frame.walk.limit, again: false };
                let request = page::ask(frame.walk, &partition, turn, frame.shared)?;
                frame.shared.writer.end(&request, None, End { why: Why::Complete, detail: None }).await;
                Finish::Done
            }
            Some(cursor) => {
                (partition.cursor, partition.forged) = (Some(cursor), false);
                by_cursor::run(frame.walk, partition, frame.shared, on_page).await?
            }
        };
    }
    frame.panes.borrow_mut().remove(&key);
    frame.stir();
    Ok(finish)
}

/// What the window before this one hands over when it ends, and the window is walked again; `None` when nobody is left who
/// could hand over anything.
async fn await_handover(frame: &Frame<'_>, pane: &Rc<Pane>) -> Option<String> {
    frame.held.set(frame.held.get() + 1);
    let cursor = loop {
        let (moved, moves) = (frame.moved.notified(), frame.moves.get());
        let cursor = frame.shared.writer.handover(&frame.name, &pane.partition).await;
        if cursor.is_some() {
            frame.panes.borrow_mut().insert(Arc::clone(&pane.partition), Rc::clone(pane));
            break cursor;
        }
        if frame.moves.get() == moves {
            frame.idle.set(frame.idle.get() + 1);
            // Another that is held may have been handed something just now: only when all have looked since anything
            // moved, none has.
            if frame.panes.borrow().is_empty() && frame.idle.get() == frame.held.get() {
                break None;
            }
        }
        moved.await;
    };
    frame.held.set(frame.held.get() - 1);
    frame.stir();
    cursor
}

/// Half of the largest window that is left, when it is worth the requests.
async fn steal(frame: &Frame<'_>) -> Option<(Arc<str>, WalkState)> {
    if !frame.forging.get() {
        return None;
    }
    let victim = {
        let panes = frame.panes.borrow();
        let worth = panes.values().filter(|pane| pane.pages_left() >= PAGES_WORTH_A_SPLIT);
        worth.max_by(|a, b| a.pages_left().total_cmp(&b.pages_left())).map(Rc::clone)?
    };
    let (at, until) = (victim.at.get(), victim.until.get());
    let middle = at + (until - at) / 2;
    // Others must not split the same window meanwhile.
    victim.until.set(middle);
    let cursor = (frame.windows.forge)(middle);
    let key = frame.shared.writer.split(&frame.name, &victim.partition, middle, cursor.clone()).await?;
    let window = crate::dataset::commit::PartitionState {
        cursor: Some(cursor),
        from: Some(middle),
        until: Some(until).filter(|until| *until < frame.ends),
        ..Default::default()
    };
    let state = WalkState { partitions: [(key.clone(), window)].into(), ..WalkState::default() };
    Some((key.as_str().into(), state))
}
