//! A walk: one strand of pages, or many side by side, each kind in its own file.

pub(super) mod absence;
pub(super) mod bad_page;
pub(super) mod by_cursor;
pub(super) mod by_number;
pub(super) mod by_value;
pub(super) mod by_window;
pub(super) mod ignored_filter;
pub(super) mod key_check;
pub(super) mod missing;
pub(super) mod page_size;
pub(super) mod partition;
pub(super) mod recheck;
pub(super) mod unknown_values;

use std::sync::Arc;

use super::Error;
use super::events::Event;
use super::walk::by_cursor::Shared;
use super::walk::partition::{Left, Thread};
use super::writer::message::AGAIN;

use crate::api::endpoint::Paging;
use crate::dataset::commit::Walk as State;
use crate::dataset::layout::Layout;
use crate::definition::{Strands, Walk};

/// Walks until nothing more can be had in this run. `workers` strands at most are walked at once.
pub(super) async fn run(
    walk: &Walk,
    state: &State,
    dataset: &Layout,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Left, Error> {
    if state.end.is_some() {
        shared.lists.leave(walk, true);
        return Ok(Left::Over);
    }
    shared.monitor.event(&Event::WalkStarted { walk: &walk.name, pages: state.pages, items: state.items });
    let name: Arc<str> = walk.name.as_str().into();
    // A run may have ended between the last strand's end and the walk's.
    let nothing_left = !state.ends.is_empty() && state.strands.keys().all(|key| key.starts_with(AGAIN));
    let left = match (&walk.strands, walk.endpoint.paging) {
        (Strands::One | Strands::Windows { .. }, _) if nothing_left => Left::Over,
        (Strands::Each(each), _) => by_value::run(walk, each, state, dataset, workers, shared).await?,
        (Strands::Windows { count, from }, _) => by_window::run(walk, state, *count, *from, shared).await?,
        (Strands::One, Paging::Number { last }) => by_number::run(walk, state, last, workers, shared).await?,
        (Strands::One, _) => {
            let thread = Thread::new(walk, &name, "", state);
            shared.ledger.begin(&name, &thread.strand, false);
            match by_cursor::run(walk, thread.clone(), shared, |_| {}).await? {
                Left::ForgedRefused => by_cursor::run(walk, by_cursor::whole(thread, shared), shared, |_| {}).await?,
                left => left,
            }
        }
    };
    let left = match left {
        Left::Over => recheck::run(walk, &name, state, workers, shared).await?,
        left => left,
    };
    shared.lists.leave(walk, matches!(left, Left::Over));
    let left = match left {
        Left::Over => missing::settle(walk, &name, dataset, workers, shared).await?,
        left => left,
    };
    if matches!(left, Left::Over) {
        shared.ledger.close_walk(&name);
    }
    Ok(left)
}
