//! Models that a list showed without versions (its cache loses them at times) are looked up by id before the walk closes.

use std::cell::RefCell;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::Error;
use super::strand::{self, Shared};
use super::thread::{Left, Thread};
use crate::api::model_by_id::MODEL;
use crate::definition::{Strands, Walk};

/// Looks up every such model of the walk, `workers` at once; their rows carry the strand `again/<id>`.
pub(super) async fn run(walk: &Walk, name: &Arc<str>, workers: u32, shared: Shared<'_>) -> Result<Left, Error> {
    let ids = shared.ledger.hollow(name).await;
    if ids.is_empty() {
        return Ok(Left::Over);
    }
    let lookup =
        Walk { name: walk.name.clone(), endpoint: &MODEL, params: Vec::new(), limit: 0, strands: Strands::One };
    let waiting = RefCell::new(ids);
    let worker = || async {
        loop {
            let Some(id) = waiting.borrow_mut().pop() else { return Ok::<_, Error>(Left::Over) };
            let thread = Thread {
                walk: Arc::clone(name),
                strand: format!("again/{id}").into(),
                params: Vec::new().into(),
                key: Some(id.to_string().into()),
                pages: 0,
                cursor: None,
                forged: false,
            };
            match strand::run(&lookup, thread, shared, |_| {}).await? {
                Left::Over => {}
                left => return Ok(left),
            }
        }
    };
    Ok(Left::worst(try_join_all((0..workers).map(|_| worker())).await?))
}
