//! What a walk looks at once more before it closes: the edge where rows appeared meanwhile, and models that came without versions
//! they tell of.

use std::cell::RefCell;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::by_cursor::{self, Shared};
use super::partition::{Left, Thread};
use crate::api::model_by_id::MODEL;
use crate::dataset::commit::Walk as State;
use crate::definition::{Later, Strands, Walk};
use crate::engine::Error;
use crate::engine::writer::message::{AGAIN, EDGE};

/// Reads the page at the edge, then asks for models by their ids, `workers` at once, then looks up those the list shows
/// without any version (its cache loses them at times). Their rows carry a strand that begins with [`AGAIN`].
pub(crate) async fn run(
    walk: &Walk,
    name: &Arc<str>,
    state: &State,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Left, Error> {
    if let Some(edge) = shared.ledger.rest(name).await.edge {
        let begun = Thread::new(walk, name, EDGE, state);
        let cursor = begun.cursor.clone().or(edge.cursor);
        let left = by_cursor::run(walk, Thread { cursor, again: true, ..begun }, shared, |_| {}).await?;
        if !matches!(left, Left::Over) {
            return Ok(left);
        }
    }
    // As many as one page shows, which is less than a question may hold.
    let short = shared.ledger.rest(name).await.short;
    let by_ids = short.chunks(walk.limit.max(1) as usize).map(|ids| by_ids(walk, name, ids, state)).collect();
    let left = all(walk, by_ids, workers, shared).await?;
    if !matches!(left, Left::Over) {
        return Ok(left);
    }
    look_up(walk, name, shared.ledger.rest(name).await.hollow, workers, shared).await
}

/// The walk's own question, for these models only: the list then shows all their versions.
fn by_ids(walk: &Walk, name: &Arc<str>, ids: &[i64], state: &State) -> Thread {
    let (first, last) = (ids.first().copied().unwrap_or_default(), ids.last().copied().unwrap_or_default());
    let text = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let params = walk.params.iter().cloned().chain([(String::from("ids"), text)]).collect();
    Thread { params, ..Thread::new(walk, name, &format!("{AGAIN}ids/{first}..{last}"), state) }
}

/// Looks up models, `workers` at once.
async fn look_up(
    walk: &Walk,
    name: &Arc<str>,
    models: Vec<i64>,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Left, Error> {
    let lookup = Walk {
        name: walk.name.clone(),
        endpoint: &MODEL,
        params: Vec::new(),
        limit: 0,
        strands: Strands::One,
        later: Later::default(),
    };
    let by_id = models.into_iter().map(|id| {
        let begun = Thread::new(&lookup, name, &format!("{AGAIN}{id}"), &State::default());
        Thread { key: Some(id.to_string().into()), ..begun }
    });
    all(&lookup, by_id.collect(), workers, shared).await
}

/// Walks these strands, `workers` at once.
async fn all(walk: &Walk, threads: Vec<Thread>, workers: u32, shared: Shared<'_>) -> Result<Left, Error> {
    let waiting = RefCell::new(threads);
    let worker = || async {
        loop {
            let Some(thread) = waiting.borrow_mut().pop() else { return Ok::<_, Error>(Left::Over) };
            match by_cursor::run(walk, thread, shared, |_| {}).await? {
                Left::Over => {}
                left => return Ok(left),
            }
        }
    };
    Ok(Left::worst(try_join_all((0..workers).map(|_| worker())).await?))
}
