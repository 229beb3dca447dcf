//! Numbered pages: several at once, until the endpoint's own sign of the end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::context::Shared;
use super::page::{AfterFailure, ask, fetch, handle_failure};
use super::partition::{Finish, Partition};
use crate::api::endpoint::LastPage;
use crate::dataset::commit::{End, PartitionState, WalkState, Why};
use crate::definition::Walk;
use crate::engine::Error;
use crate::engine::writer::message::Next;

/// What the workers of one walk share.
#[derive(Default)]
struct Pages {
    next: Cell<u64>,
    /// The last page there is, once that is known.
    last: Cell<Option<u64>>,
    /// Why no further page is asked for, should the list have no end.
    endless: RefCell<Option<End>>,
    /// Pages that are to be asked for and were not taken yet.
    open: RefCell<BTreeSet<u64>>,
    /// A page was refused for good, and so would be those behind it.
    over: Cell<bool>,
}

impl Pages {
    fn behind(taken: u64) -> Self {
        Self { next: Cell::new(taken + 1), ..Self::default() }
    }

    /// Whether there is nothing left to take, whoever was stopped behind the end.
    fn all_taken(&self) -> bool {
        self.last.get().is_some_and(|last| self.next.get() > last && self.open.borrow().range(..=last).next().is_none())
    }
}

/// Walks all pages, `workers` at once.
pub(crate) async fn run(
    walk: &Walk,
    state: &WalkState,
    last: LastPage,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Finish, Error> {
    let name: Arc<str> = walk.name.as_str().into();
    let begun = state.partitions.get("").cloned().unwrap_or_default();
    let partition = Partition::new(walk, &name, "", state);
    shared.writer.begin(&name, &partition.partition, false);
    let pages = Pages::behind(begun.pages);
    let take = async |page| {
        let mut again = false;
        while shared.stop.may_ask(again) {
            let request = ask(walk, &partition, page, None, walk.limit, again, shared)?;
            let step = match fetch(&request, u32::MAX, shared).await {
                None => break,
                Some(Ok(step)) => step,
                Some(Err(failure)) => match handle_failure(&request, failure, false, false, shared).await {
                    AfterFailure::Next(step) => step,
                    // Half a page by number would be another page.
                    AfterFailure::Smaller { .. } => continue,
                    AfterFailure::Finish(finish) => return Ok(finish),
                },
            };
            match step {
                Next::Again(_) => again = true,
                Next::Taken { empty, reported_pages, endless } => {
                    pages.endless.replace_with(|known| known.take().or(endless));
                    learn(&pages, last, page, empty, reported_pages);
                    pages.open.borrow_mut().remove(&page);
                    return Ok(Finish::Done);
                }
                Next::Halted => return Ok(Finish::Halted),
                Next::Over | Next::Page(_) | Next::Larger(_) | Next::Compare(_) | Next::Anew(_) => {
                    pages.over.set(true);
                    return Ok(Finish::Done);
                }
            }
        }
        Ok::<_, Error>(Finish::Unfinished(shared.stop.reason().unwrap_or_default()))
    };
    let worker = || async {
        while let Some(page) = next(&pages, &begun) {
            match take(page).await? {
                Finish::Done => {}
                finish => return Ok(finish),
            }
        }
        Ok::<_, Error>(Finish::Done)
    };
    // Where a page tells how many there are, nobody asks for those behind the last: the first is asked for alone.
    let first = if last == LastPage::Reported { next(&pages, &begun) } else { None };
    let mut finish = match first {
        Some(page) => take(page).await?,
        None => Finish::Done,
    };
    if matches!(finish, Finish::Done) {
        finish = Finish::worst(try_join_all((0..workers).map(|_| worker())).await?);
    }
    let all_taken = pages.all_taken().then_some(End { why: Why::Complete, detail: None });
    let end = pages.endless.take().or(all_taken);
    if let Some(end) = end.filter(|_| matches!(finish, Finish::Done | Finish::Unfinished(_)) && !pages.over.get()) {
        finish = Finish::Done;
        let request = ask(walk, &partition, pages.next.get().saturating_sub(1), None, walk.limit, false, shared)?;
        shared.writer.end(&request, None, end).await;
    }
    Ok(finish)
}

/// The next page nobody asked for yet; `None` behind the last.
fn next(pages: &Pages, begun: &PartitionState) -> Option<u64> {
    loop {
        let page = pages.next.get();
        let is_over = pages.over.get() || pages.endless.borrow().is_some();
        if is_over || pages.last.get().is_some_and(|last| page > last) {
            return None;
        }
        pages.next.set(page + 1);
        if !begun.done_beyond.contains(&page) {
            pages.open.borrow_mut().insert(page);
            return Some(page);
        }
    }
}

/// Takes what a page says of the end.
fn learn(pages: &Pages, sign: LastPage, page: u64, empty: bool, reported_pages: Option<u64>) {
    let last = match sign {
        LastPage::Reported => reported_pages.or(empty.then_some(page)),
        LastPage::Empty => empty.then(|| pages.last.get().map_or(page, |last| last.min(page))).or(pages.last.get()),
    };
    // A page with items behind the supposed end: the end was a false one.
    let refuted = !empty && last.is_some_and(|last| page > last);
    pages.last.set(if refuted { None } else { last });
}
