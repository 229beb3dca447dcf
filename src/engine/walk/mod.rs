//! Walks all walks of a run. A walk is one partition of pages, or many at once; each way of partitioning has its own file.

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

use futures_util::future::try_join_all;
use tokio::sync::watch;

use super::Error;
use super::events::Event;
use super::writer::message::RECHECK;
use crate::api::endpoint::Paging;
use crate::api::enums::ENUMS;
use crate::definition::{Partitioning, Walk};
use context::Context;
use partition::{Finish, Partition};

/// Walks all walks side by side, once the server knows the key. A walk that fans out over committed rows begins when those
/// before it are over.
pub(super) async fn walk_all(context: Context<'_>) -> Result<Vec<Finish>, Error> {
    let walks = &context.crawl.walks;
    if context.options.key.is_some()
        && let Some(reason) = key_check::refusal(context).await?
    {
        return Ok(vec![Finish::KeyRefused(reason)]);
    }
    let over: Vec<watch::Sender<Option<bool>>> = walks.iter().map(|_| watch::Sender::new(None)).collect();
    let one = |index: usize| {
        let (walk, over) = (&walks[index], &over);
        async move {
            let finish = match all_over(walk, &over[..index]).await {
                true => run(walk, context).await?,
                false => Finish::Unfinished(String::from("the walks before it are unfinished")),
            };
            over[index].send_replace(Some(matches!(finish, Finish::Done)));
            Ok(finish)
        }
    };
    try_join_all((0..walks.len()).map(one)).await
}

/// Waits for the walks before this one if it needs their rows; false when one of them is left unfinished.
async fn all_over(walk: &Walk, before: &[watch::Sender<Option<bool>>]) -> bool {
    for earlier in before.iter().filter(|_| walk.needs_rows()) {
        let mut over = earlier.subscribe();
        let over = over.wait_for(Option::is_some).await.map(|over| *over);
        if !matches!(over, Ok(Some(true))) {
            return false;
        }
    }
    true
}

/// Walks until nothing more can be had in this run.
async fn run(walk: &Walk, context: Context<'_>) -> Result<Finish, Error> {
    let nothing_left = {
        let mut progress = context.writer.progress();
        let state = progress.walk(&walk.name).state();
        if state.end.is_some() {
            context.lists.leave(walk, true);
            return Ok(Finish::Done);
        }
        context.run.listener.event(&Event::WalkStarted { walk: &walk.name, pages: state.pages, items: state.items });
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
                    by_cursor::refuse_forged(walk, "", context);
                    by_cursor::run(walk, Partition::resume(walk, "", context), context, || {}).await?
                }
                finish => finish,
            }
        }
    };
    finish = without_absent(walk, finish, context);
    if matches!(finish, Finish::Done) {
        finish = without_absent(walk, recheck::run(walk, context).await?, context);
    }
    context.lists.leave(walk, matches!(finish, Finish::Done));
    if matches!(finish, Finish::Done) {
        finish = missing::settle(walk, context).await?;
    }
    if matches!(finish, Finish::Done) {
        let end = context.writer.close(&walk.name);
        context.run.listener.event(&Event::WalkEnded { walk: &walk.name, end: &end });
    }
    Ok(finish)
}

/// Doubts a walk whose endpoint the server does not have: it is over for this pass. Without the words of the server nothing of
/// the catalog is missing, so a walk of those is not doubted; the report has a note.
fn without_absent(walk: &Walk, finish: Finish, context: Context<'_>) -> Finish {
    match finish {
        Finish::Absent(_) if walk.endpoint.name == ENUMS.name => Finish::Done,
        Finish::Absent(reason) => {
            context.writer.progress().change(&walk.name).doubt(reason);
            Finish::Done
        }
        finish => finish,
    }
}
