//! Rechecks before a walk closes: the boundary page, where rows appeared meanwhile, and models without their versions.

use std::cell::RefCell;

use super::context::Context;
use super::partition::{Finish, Partition};
use super::{by_cursor, workers};
use crate::api::model_by_id::MODEL;
use crate::definition::{Later, Partitioning, Walk};
use crate::engine::Error;
use crate::engine::writer::message::{BOUNDARY, RECHECK};

/// Rereads the boundary page, then requests models by their ids, then looks up those that the list shows without any version
/// (its cache loses them at times). Their rows carry a partition that begins with [`RECHECK`].
pub(super) async fn run(walk: &Walk, context: Context<'_>) -> Result<Finish, Error> {
    let boundary = context.writer.progress().walk(&walk.name).state().boundary.clone();
    if let Some(boundary) = boundary {
        let begun = Partition::resume(walk, BOUNDARY, context);
        let cursor = begun.cursor.clone().or(boundary.cursor);
        let finish = by_cursor::run(walk, Partition { cursor, again: true, ..begun }, context, || {}).await?;
        if !matches!(finish, Finish::Done) {
            return Ok(finish);
        }
    }
    let models = Vec::from_iter(context.writer.progress().walk(&walk.name).state().missing_versions.clone());
    // As many as one page shows, which is less than a request may hold.
    let batches = models.chunks(walk.limit.max(1) as usize);
    let finish = all(walk, batches.map(|ids| by_ids(walk, ids, context)).collect(), context).await?;
    if !matches!(finish, Finish::Done) {
        return Ok(finish);
    }
    let models = context.writer.progress().walk(&walk.name).state().without_versions.clone();
    let lookup = Walk {
        name: walk.name.clone(),
        endpoint: &MODEL,
        params: Vec::new(),
        limit: 0,
        partitioning: Partitioning::One,
        later: Later::default(),
    };
    let by_id = models.into_iter().map(|id| {
        let key = Some(id.to_string().into());
        Partition { key, ..Partition::new(&lookup, &format!("{RECHECK}{id}")) }
    });
    all(&lookup, by_id.collect(), context).await
}

/// The walk's own request, for these models only: the list then shows all their versions.
fn by_ids(walk: &Walk, ids: &[i64], context: Context<'_>) -> Partition {
    let (first, last) = (ids.first().copied().unwrap_or_default(), ids.last().copied().unwrap_or_default());
    let text = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let params = walk.params.iter().cloned().chain([(String::from("ids"), text)]).collect();
    Partition { params, ..Partition::resume(walk, &format!("{RECHECK}ids/{first}..{last}"), context) }
}

/// Walks these partitions, several at once.
async fn all(walk: &Walk, partitions: Vec<Partition>, context: Context<'_>) -> Result<Finish, Error> {
    let waiting = RefCell::new(partitions);
    let work = async |partition| by_cursor::run(walk, partition, context, || {}).await;
    workers::run(context.crawl.pace.in_flight, async || waiting.borrow_mut().pop(), work).await
}
