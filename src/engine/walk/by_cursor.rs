//! Walks a partition along the server's cursors, or one of a fan-out by numbers: page after page, until the end, an obstacle, or a
//! stop.

use super::by_number::LastNumber;
use super::context::Context;
use super::failed_page::{self, AfterFailure, handle_failure};
use super::page::{ask, fetch};
use super::page_size::Size;
use super::partition::{Finish, Partition};
use super::request::Turn;
use crate::api::endpoint::Paging;
use crate::dataset::commit::{End, Why};
use crate::definition::Walk;
use crate::engine::Error;
use crate::engine::writer::message::{Next, PageRequest};
use crate::fetch::printable;

/// Walks a partition until nothing more can be had in this run. Calls `on_page` after each page.
pub(super) async fn run(
    definition: &Walk,
    partition: Partition,
    context: Context<'_>,
    on_page: impl Fn(),
) -> Result<Finish, Error> {
    let mut size = Size::new(definition.limit, definition.endpoint.limit_max, partition.larger);
    // The cursor of a largest page, requested because more rows share its instant than a usual page shows.
    let mut tied = partition.cursor.clone().filter(|_| partition.larger);
    let (mut cursor, mut page, mut again) = (partition.cursor.clone(), partition.pages + 1, partition.again);
    let (mut once_more, mut shown, mut first_shown, mut before) = (false, 0, false, None);
    let mut last = match definition.endpoint.paging {
        Paging::Number { last } => Some(LastNumber::new(last, page)),
        Paging::Cursor { .. } | Paging::Lookup | Paging::Single => None,
    };
    while context.run.stop.may_ask(once_more) {
        let turn = Turn { page, cursor: cursor.clone(), limit: size.now(), again };
        let request = ask(definition, &partition, turn, context)?;
        let request = PageRequest { shown, first_shown, ..request };
        let attempts = if size.is_seeking() { failed_page::FEW } else { u32::MAX };
        let step = match fetch(&request, attempts, &mut before, context).await {
            None => break,
            Some(Ok(Next::Elsewhere)) if partition.is_at_forged(context) => return Ok(Finish::ForgedRefused),
            Some(Ok(Next::Elsewhere)) => {
                let cursor = printable(cursor.as_deref().unwrap_or_default());
                context.writer.begin_anew(&request, format!("the server ignores the cursor `{cursor}`"))
            }
            Some(Ok(step)) => step,
            Some(Err(failure)) => {
                let forged = partition.is_at_forged(context);
                match handle_failure(&request, failure, forged, size.is_seeking(), context).await {
                    AfterFailure::Next(step) => {
                        size.given_up();
                        step
                    }
                    AfterFailure::Smaller { fails } => {
                        size.halve(fails);
                        once_more = true;
                        continue;
                    }
                    AfterFailure::Finish(finish) => return Ok(finish),
                }
            }
        };
        let step = match step {
            Next::Larger(next) if tied.as_ref() == Some(&next) => {
                page += 1;
                let turn = Turn { page, cursor: Some(next), limit: size.now(), again: false };
                let stuck = ask(definition, &partition, turn, context)?;
                failed_page::pass_instant(&stuck, context).await
            }
            step => step,
        };
        again = matches!(step, Next::Again(_));
        let was_empty = matches!(step, Next::Again(0)) && !once_more;
        (once_more, shown, first_shown) = (again, 0, was_empty);
        match step {
            Next::Page(next) => {
                on_page();
                (cursor, page, tied) = (Some(next), page + 1, None);
                size.taken();
            }
            Next::Larger(next) => {
                tied = Some(next.clone());
                (cursor, page) = (Some(next), page + 1);
                size.enlarge();
            }
            Next::Anew(first) => {
                cursor = first;
                size.reset();
            }
            Next::Again(items) => {
                shown = items;
                // With another number of items a page by number is another page.
                if last.is_none() {
                    size.another();
                }
            }
            Next::Taken { empty, reported_pages, endless } => {
                on_page();
                let Some(last) = &mut last else { return Ok(Finish::Done) };
                last.take(page, empty, reported_pages);
                let complete = End { why: Why::Complete, detail: None };
                let end = endless.or(last.is_reached(page).then_some(complete));
                if let Some(end) = end {
                    context.writer.end(&request, None, end).await;
                    return Ok(Finish::Done);
                }
                page += 1;
            }
            Next::Over | Next::Compare(_) | Next::Fewer(_) | Next::Elsewhere => {
                return Ok(Finish::Done);
            }
            Next::Halted => return Ok(Finish::Halted),
        }
    }
    Ok(Finish::Unfinished(context.run.stop.reason().unwrap_or_default()))
}

/// Records that the server refuses the forged cursor of a partition, and warns once. Returns true when the partition begins
/// without a cursor instead, false when it must wait for the one before it.
pub(super) fn refuse_forged(walk: &Walk, key: &str, context: Context<'_>) -> bool {
    let (is_known, is_first) = {
        let mut progress = context.writer.progress();
        let progress = progress.change(&walk.name);
        (progress.state().forging_refused, progress.refuse_forged(key))
    };
    let name = &*walk.name;
    match is_first {
        _ if is_known => {}
        true => tracing::warn!(
            walk = name,
            "the server refuses the cursor at which this pass was to begin; walking the whole list"
        ),
        false => tracing::warn!(walk = name, "the server refuses cursors that it did not name; walking without splits"),
    }
    is_first
}
