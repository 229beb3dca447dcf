//! Walks numbered pages, several at once, until the endpoint's own sign of the end.

use std::cell::{Cell, RefCell};

use super::context::Context;
use super::failed_page::{AfterFailure, handle_failure};
use super::page::{ask, fetch};
use super::partition::{Finish, Partition};
use super::request::Turn;
use super::workers;
use crate::api::endpoint::LastPage;
use crate::dataset::commit::{End, Why};
use crate::definition::Walk;
use crate::engine::Error;
use crate::engine::writer::message::Next;

/// The pages of one walk, which its workers share.
struct Pages {
    /// The page to be requested next.
    next: Cell<u64>,
    last: Cell<LastNumber>,
    /// Set when the list must be taken for one without end: no further page is requested.
    endless: RefCell<Option<End>>,
    /// True when a page was refused for good, as those behind it would be.
    over: Cell<bool>,
}

/// Walks all pages.
pub(super) async fn run(walk: &Walk, sign: LastPage, context: Context<'_>) -> Result<Finish, Error> {
    let partition = Partition::begin(walk, "", context);
    let first = partition.pages + 1;
    let pages = Pages {
        next: Cell::new(first),
        last: Cell::new(LastNumber::new(sign, first)),
        endless: RefCell::default(),
        over: Cell::default(),
    };
    // An earlier run may have taken pages behind the next one.
    let begun = context.writer.progress().walk(&walk.name).partition_state("").done_beyond;
    let next = || {
        loop {
            let page = pages.next.get();
            let is_over = pages.over.get() || pages.endless.borrow().is_some();
            if is_over || pages.last.get().is_reached(page - 1) {
                return None;
            }
            pages.next.set(page + 1);
            if !begun.contains(&page) {
                return Some(page);
            }
        }
    };
    let take = async |page| {
        let mut again = false;
        while context.run.stop.may_ask(again) {
            let request = ask(walk, &partition, Turn { page, cursor: None, limit: walk.limit, again }, context)?;
            let step = match fetch(&request, u32::MAX, &mut None, context).await {
                None => break,
                Some(Ok(step)) => step,
                Some(Err(failure)) => match handle_failure(&request, failure, false, false, context).await {
                    AfterFailure::Next(step) => step,
                    // Half a page is another page by number.
                    AfterFailure::Smaller { .. } => continue,
                    AfterFailure::Finish(finish) => return Ok(finish),
                },
            };
            match step {
                Next::Again(_) => again = true,
                Next::Taken { empty, reported_pages, endless } => {
                    pages.endless.replace_with(|known| known.take().or(endless));
                    let mut last = pages.last.get();
                    last.take(page, empty, reported_pages);
                    pages.last.set(last);
                    return Ok(Finish::Done);
                }
                Next::Halted => return Ok(Finish::Halted),
                Next::Over
                | Next::Page(_)
                | Next::Larger(_)
                | Next::Compare(_)
                | Next::Fewer(_)
                | Next::Anew(_)
                | Next::Elsewhere => {
                    pages.over.set(true);
                    return Ok(Finish::Done);
                }
            }
        }
        Ok::<_, Error>(Finish::Unfinished(context.run.stop.reason().unwrap_or_default()))
    };
    // If pages report how many there are, the first is requested alone, so that none behind the last is requested.
    let first = if sign == LastPage::Reported { next() } else { None };
    let mut finish = match first {
        Some(page) => take(page).await?,
        None => Finish::Done,
    };
    if matches!(finish, Finish::Done) {
        finish = workers::run(context.crawl.pace.in_flight, async || next(), take).await?;
    }
    // A stop may have interrupted a page behind the last.
    let taken = context.writer.progress().walk(&walk.name).partition_state("").pages;
    let all_taken = pages.last.get().is_reached(taken);
    let end = pages.endless.take().or(all_taken.then_some(End { why: Why::Complete, detail: None }));
    if let Some(end) = end.filter(|_| matches!(finish, Finish::Done | Finish::Unfinished(_)) && !pages.over.get()) {
        finish = Finish::Done;
        let page = pages.next.get().saturating_sub(1);
        let request = ask(walk, &partition, Turn { page, cursor: None, limit: walk.limit, again: false }, context)?;
        context.writer.end(&request, None, end).await;
    }
    Ok(finish)
}

/// The last of numbered pages, as far as the pages taken so far show it.
#[derive(Clone, Copy)]
pub(super) struct LastNumber {
    /// The endpoint's sign of the end.
    sign: LastPage,
    /// The first page of this run.
    first: u64,
    number: Option<u64>,
}

impl LastNumber {
    /// Nothing is known of it.
    pub(super) const fn new(sign: LastPage, first: u64) -> Self {
        Self { sign, first, number: None }
    }

    /// True if this page is known to be the last one or one behind it.
    pub(super) fn is_reached(&self, page: u64) -> bool {
        self.number.is_some_and(|last| page >= last)
    }

    /// Notes a page that was taken, and how many it says there are.
    pub(super) fn take(&mut self, page: u64, empty: bool, reported: Option<u64>) {
        let known = self.number;
        let last = match self.sign {
            LastPage::Reported if empty => match known {
                // Pages before said that there are more, and the next one shows who is right.
                Some(known) if known > page => Some(known.min(reported.unwrap_or_default().max(page + 1))),
                _ => reported.or(Some(page)),
            },
            // A smaller number may be old, and a page more shows that.
            LastPage::Reported => reported.map(|reported| reported.max(known.unwrap_or_default())),
            // One empty page may be a mistake of the server, and the page behind it shows that. The first of a run may stand
            // behind an empty one that an earlier run took.
            LastPage::Empty if empty => {
                Some(known.unwrap_or(u64::MAX).min(if page == self.first { page } else { page + 1 }))
            }
            LastPage::Empty => known.filter(|last| page < *last),
        };
        // A page with items behind the supposed end shows that it was a false one.
        self.number = last.filter(|last| empty || page <= *last);
    }
}
