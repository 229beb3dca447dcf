//! A walk: one partition of pages, or many side by side, each kind in its own file.

pub(super) mod absence;
pub(super) mod bad_page;
pub(super) mod by_cursor;
pub(super) mod by_number;
pub(super) mod by_value;
pub(super) mod by_window;
pub(super) mod context;
pub(super) mod ignored_filter;
pub(super) mod key_check;
pub(super) mod missing;
pub(super) mod page;
pub(super) mod page_size;
pub(super) mod partition;
pub(super) mod recheck;
mod request;
pub(super) mod unfiltered;
pub(super) mod unknown_values;

use std::sync::Arc;

use super::Error;
use super::events::Event;
use super::walk::context::Shared;
use super::walk::partition::{Finish, Partition};
use super::writer::message::RECHECK;

use crate::api::endpoint::Paging;
use crate::dataset::commit::WalkState;
use crate::dataset::layout::Layout;
use crate::definition::{Partitioning, Walk};

/// Walks until nothing more can be had in this run. `workers` partitions at most are walked at once.
pub(super) async fn run(
    walk: &Walk,
    state: &WalkState,
    dataset: &Layout,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Finish, Error> {
    if state.end.is_some() {
        shared.lists.leave(walk, true);
        return Ok(Finish::Done);
    }
    shared.listener.event(&Event::WalkStarted { walk: &walk.name, pages: state.pages, items: state.items });
    let name: Arc<str> = walk.name.as_str().into();
    // A run may have ended between the last partition's end and the walk's.
    let nothing_left = !state.ends.is_empty() && state.partitions.keys().all(|key| key.starts_with(RECHECK));
    let finish = match (&walk.partitioning, walk.endpoint.paging) {
        (Partitioning::One | Partitioning::Windows { .. }, _) if nothing_left => Finish::Done,
        (Partitioning::Each(each), _) => by_value::run(walk, each, state, dataset, workers, shared).await?,
        (Partitioning::Windows { count, from }, _) => by_window::run(walk, state, *count, *from, shared).await?,
        (Partitioning::One, Paging::Number { last }) => by_number::run(walk, state, last, workers, shared).await?,
        (Partitioning::One, _) => {
            let partition = Partition::new(walk, &name, "", state);
            shared.writer.begin(&name, &partition.partition, false);
            match by_cursor::run(walk, partition.clone(), shared, |_| {}).await? {
                Finish::ForgedRefused => {
                    by_cursor::run(walk, by_cursor::whole(partition, shared), shared, |_| {}).await?
                }
                finish => finish,
            }
        }
    };
    let finish = match finish {
        Finish::Done => recheck::run(walk, &name, state, workers, shared).await?,
        finish => finish,
    };
    shared.lists.leave(walk, matches!(finish, Finish::Done));
    let finish = match finish {
        Finish::Done => missing::settle(walk, &name, dataset, workers, shared).await?,
        finish => finish,
    };
    if matches!(finish, Finish::Done) {
        shared.writer.close_walk(&name);
    }
    Ok(finish)
}
