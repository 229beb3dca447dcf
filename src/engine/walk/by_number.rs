//! Numbered pages: several at once, until the endpoint's own sign of the end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::by_cursor::{Met, Shared, ask, fetch, meet};
use super::partition::{Left, Thread};
use crate::api::endpoint::LastPage;
use crate::dataset::commit::{End, Strand, Walk as State, Why};
use crate::definition::Walk;
use crate::engine::Error;
use crate::engine::writer::message::Step;

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
    state: &State,
    last: LastPage,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Left, Error> {
    let name: Arc<str> = walk.name.as_str().into();
    let begun = state.strands.get("").cloned().unwrap_or_default();
    let thread = Thread::new(walk, &name, "", state);
    shared.ledger.begin(&name, &thread.strand, false);
    let pages = Pages::behind(begun.pages);
    let take = async |page| {
        let mut again = false;
        while shared.stop.may_ask(again) {
            let asked = ask(walk, &thread, page, None, walk.limit, again, shared)?;
            let step = match fetch(&asked, u32::MAX, shared).await {
                None => break,
                Some(Ok(step)) => step,
                Some(Err(failure)) => match meet(&asked, failure, false, false, shared).await {
                    Met::Step(step) => step,
                    // Half a page by number would be another page.
                    Met::Smaller { .. } => continue,
                    Met::Left(left) => return Ok(left),
                },
            };
            match step {
                Step::Again(_) => again = true,
                Step::Taken { empty, pages_told, endless } => {
                    pages.endless.replace_with(|known| known.take().or(endless));
                    learn(&pages, last, page, empty, pages_told);
                    pages.open.borrow_mut().remove(&page);
                    return Ok(Left::Over);
                }
                Step::Halted => return Ok(Left::Halted),
                Step::Over | Step::Next(_) | Step::Larger(_) | Step::Compare(_) | Step::Anew(_) => {
                    pages.over.set(true);
                    return Ok(Left::Over);
                }
            }
        }
        Ok::<_, Error>(Left::Unfinished(shared.stop.reason().unwrap_or_default()))
    };
    let worker = || async {
        while let Some(page) = next(&pages, &begun) {
            match take(page).await? {
                Left::Over => {}
                left => return Ok(left),
            }
        }
        Ok::<_, Error>(Left::Over)
    };
    // Where a page tells how many there are, nobody asks for those behind the last: the first is asked for alone.
    let first = if last == LastPage::Told { next(&pages, &begun) } else { None };
    let mut left = match first {
        Some(page) => take(page).await?,
        None => Left::Over,
    };
    if matches!(left, Left::Over) {
        left = Left::worst(try_join_all((0..workers).map(|_| worker())).await?);
    }
    let all_taken = pages.all_taken().then_some(End { why: Why::Complete, detail: None });
    let end = pages.endless.take().or(all_taken);
    if let Some(end) = end.filter(|_| matches!(left, Left::Over | Left::Unfinished(_)) && !pages.over.get()) {
        left = Left::Over;
        let asked = ask(walk, &thread, pages.next.get().saturating_sub(1), None, walk.limit, false, shared)?;
        shared.ledger.end(&asked, None, end).await;
    }
    Ok(left)
}

/// The next page nobody asked for yet; `None` behind the last.
fn next(pages: &Pages, begun: &Strand) -> Option<u64> {
    loop {
        let page = pages.next.get();
        let is_over = pages.over.get() || pages.endless.borrow().is_some();
        if is_over || pages.last.get().is_some_and(|last| page > last) {
            return None;
        }
        pages.next.set(page + 1);
        if !begun.ahead.contains(&page) {
            pages.open.borrow_mut().insert(page);
            return Some(page);
        }
    }
}

/// Takes what a page says of the end.
fn learn(pages: &Pages, sign: LastPage, page: u64, empty: bool, told: Option<u64>) {
    let last = match sign {
        LastPage::Told => told.or(empty.then_some(page)),
        LastPage::Empty => empty.then(|| pages.last.get().map_or(page, |last| last.min(page))).or(pages.last.get()),
    };
    // A page with items behind the supposed end: the end was a false one.
    let refuted = !empty && last.is_some_and(|last| page > last);
    pages.last.set(if refuted { None } else { last });
}
