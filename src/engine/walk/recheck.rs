//! What a walk looks at once more before it closes: the edge where rows appeared meanwhile, and models that came without versions
//! they tell of.

use std::cell::RefCell;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::by_cursor;
use super::context::Shared;
use super::partition::{Finish, Partition};
use crate::api::model_by_id::MODEL;
use crate::dataset::commit::WalkState;
use crate::definition::{Later, Partitioning, Walk};
use crate::engine::Error;
use crate::engine::writer::message::{BOUNDARY, RECHECK};

/// Reads the page at the edge, then asks for models by their ids, `workers` at once, then looks up those the list shows
/// without any version (its cache loses them at times). Their rows carry a partition that begins with [`RECHECK`].
pub(crate) async fn run(
    walk: &Walk,
    name: &Arc<str>,
    state: &WalkState,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Finish, Error> {
    if let Some(edge) = shared.writer.recheck(name).await.boundary {
        let begun = Partition::new(walk, name, BOUNDARY, state);
        let cursor = begun.cursor.clone().or(edge.cursor);
        let finish = by_cursor::run(walk, Partition { cursor, again: true, ..begun }, shared, |_| {}).await?;
        if !matches!(finish, Finish::Done) {
            return Ok(finish);
        }
    }
    // As many as one page shows, which is less than a question may hold.
    let short = shared.writer.recheck(name).await.missing_versions;
    let by_ids = short.chunks(walk.limit.max(1) as usize).map(|ids| by_ids(walk, name, ids, state)).collect();
    let finish = all(walk, by_ids, workers, shared).await?;
    if !matches!(finish, Finish::Done) {
        return Ok(finish);
    }
    look_up(walk, name, shared.writer.recheck(name).await.without_versions, workers, shared).await
}

/// The walk's own question, for these models only: the list then shows all their versions.
fn by_ids(walk: &Walk, name: &Arc<str>, ids: &[i64], state: &WalkState) -> Partition {
    let (first, last) = (ids.first().copied().unwrap_or_default(), ids.last().copied().unwrap_or_default());
    let text = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let params = walk.params.iter().cloned().chain([(String::from("ids"), text)]).collect();
    Partition { params, ..Partition::new(walk, name, &format!("{RECHECK}ids/{first}..{last}"), state) }
}

/// Looks up models, `workers` at once.
async fn look_up(
    walk: &Walk,
    name: &Arc<str>,
    models: Vec<i64>,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Finish, Error> {
    let lookup = Walk {
        name: walk.name.clone(),
        endpoint: &MODEL,
        params: Vec::new(),
        limit: 0,
        partitioning: Partitioning::One,
        later: Later::default(),
    };
    let by_id = models.into_iter().map(|id| {
        let begun = Partition::new(&lookup, name, &format!("{RECHECK}{id}"), &WalkState::default());
        Partition { key: Some(id.to_string().into()), ..begun }
    });
    all(&lookup, by_id.collect(), workers, shared).await
}

/// Walks these partitions, `workers` at once.
async fn all(walk: &Walk, threads: Vec<Partition>, workers: u32, shared: Shared<'_>) -> Result<Finish, Error> {
    let waiting = RefCell::new(threads);
    let worker = || async {
        loop {
            let Some(partition) = waiting.borrow_mut().pop() else { return Ok::<_, Error>(Finish::Done) };
            match by_cursor::run(walk, partition, shared, |_| {}).await? {
                Finish::Done => {}
                finish => return Ok(finish),
            }
        }
    };
    Ok(Finish::worst(try_join_all((0..workers).map(|_| worker())).await?))
}
