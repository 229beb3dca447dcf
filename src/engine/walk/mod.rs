//! A walk: one partition of pages, or many at once. Each way of partitioning has its own file.

pub(super) mod absence;
pub(super) mod by_cursor;
pub(super) mod by_number;
pub(super) mod by_value;
pub(super) mod by_window;
pub(super) mod context;
pub(super) mod failed_page;
pub(super) mod ignored_filter;
pub(super) mod key_check;
pub(super) mod lists;
pub(super) mod missing;
pub(super) mod page;
pub(super) mod page_size;
pub(super) mod partition;
pub(super) mod recheck;
mod request;
pub(super) mod unfiltered;
pub(super) mod workers;

use super::Error;
use super::events::Event;
use super::writer::message::RECHECK;
use crate::api::endpoint::Paging;
use crate::definition::{Partitioning, Walk};
use context::Context;
use partition::{Finish, Partition};

/// Walks until nothing more can be had in this run.
pub(super) async fn run(walk: &Walk, context: Context<'_>) -> Result<Finish, Error> {
    let nothing_left = {
        let mut progress = context.writer.progress();
        let state = progress.walk(&walk.name).state();
        if state.end.is_some() {
            context.lists.leave(walk, true);
            return Ok(Finish::Done);
        }
        context.listener.event(&Event::WalkStarted { walk: &walk.name, pages: state.pages, items: state.items });
        // An earlier run may have ended between the last partition's end and the walk's.
        !state.ends.is_empty() && state.partitions.keys().all(|key| key.starts_with(RECHECK))
    };
    let mut finish = match (&walk.partitioning, walk.endpoint.paging) {
        (Partitioning::One | Partitioning::Windows { .. }, _) if nothing_left => Finish::Done,
        (Partitioning::Each(each), _) => by_value::run(walk, each, context).await?,
        (Partitioning::Windows { count, from }, _) => by_window::run(walk, *count, *from, context).await?,
        (Partitioning::One, Paging::Number { last }) => by_number::run(walk, last, context).await?,
        (Partitioning::One, _) => {
            let partition = Partition::begin(walk, "", context);
            match by_cursor::run(walk, partition, context, || {}).await? {
                Finish::ForgedRefused => {
                    by_cursor::run(walk, by_cursor::make_full(walk, "", context), context, || {}).await?
                }
                finish => finish,
            }
        }
    };
    if matches!(finish, Finish::Done) {
        finish = recheck::run(walk, context).await?;
    }
    context.lists.leave(walk, matches!(finish, Finish::Done));
    if matches!(finish, Finish::Done) {
        finish = missing::settle(walk, context).await?;
    }
    if matches!(finish, Finish::Done) {
        let end = context.writer.close(&walk.name);
        context.listener.event(&Event::WalkEnded { walk: &walk.name, end: &end });
    }
    Ok(finish)
}
