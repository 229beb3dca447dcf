//! A walk: one strand of pages, or many side by side, each kind in its own file.

use std::sync::Arc;

use super::Error;
use super::job::AGAIN;
use super::monitor::Event;
use super::strand::{self, Shared};
use super::thread::{Left, Thread};
use super::{again, each, gone, numbers, windows};
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
        (Strands::Each(each), _) => each::run(walk, each, state, dataset, workers, shared).await?,
        (Strands::Windows { count, from }, _) => windows::run(walk, state, *count, *from, shared).await?,
        (Strands::One, Paging::Number { last }) => numbers::run(walk, state, last, workers, shared).await?,
        (Strands::One, _) => {
            let thread = Thread::new(walk, &name, "", state);
            shared.ledger.begin(&name, &thread.strand, false);
            match strand::run(walk, thread.clone(), shared, |_| {}).await? {
                Left::ForgedRefused => strand::run(walk, strand::whole(thread, shared), shared, |_| {}).await?,
                left => left,
            }
        }
    };
    let left = match left {
        Left::Over => again::run(walk, &name, state, workers, shared).await?,
        left => left,
    };
    shared.lists.leave(walk, matches!(left, Left::Over));
    let left = match left {
        Left::Over => gone::settle(walk, &name, dataset, workers, shared).await?,
        left => left,
    };
    if matches!(left, Left::Over) {
        shared.ledger.close_walk(&name);
    }
    Ok(left)
}
