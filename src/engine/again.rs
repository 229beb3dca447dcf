//! Models that a list showed without versions (its cache loses them at times) are looked up by id before the walk closes.

use std::cell::RefCell;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::Error;
use super::strand::{self, Shared};
use super::thread::{Left, Thread};
use crate::api::model_by_id::MODEL;
use crate::dataset::commit::Walk as State;
use crate::definition::{Later, Strands, Walk};

/// Looks up every such model of the walk, `workers` at once; their rows carry the strand `again/<id>`.
pub(super) async fn run(walk: &Walk, name: &Arc<str>, workers: u32, shared: Shared<'_>) -> Result<Left, Error> {
    look_up(walk, name, "again/", shared.ledger.hollow(name).await, workers, shared).await
}

/// Looks up models by their ids, `workers` at once; their rows carry a strand that is this prefix and the id.
pub(super) async fn look_up(
    walk: &Walk,
    name: &Arc<str>,
    prefix: &str,
    ids: Vec<i64>,
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
    let waiting = RefCell::new(ids);
    let worker = || async {
        loop {
            let Some(id) = waiting.borrow_mut().pop() else { return Ok::<_, Error>(Left::Over) };
            let begun = Thread::new(&lookup, name, &format!("{prefix}{id}"), &State::default());
            let thread = Thread { key: Some(id.to_string().into()), ..begun };
            match strand::run(&lookup, thread, shared, |_| {}).await? {
                Left::Over => {}
                left => return Ok(left),
            }
        }
    };
    Ok(Left::worst(try_join_all((0..workers).map(|_| worker())).await?))
}
