//! Models that a full walk did not meet, though earlier passes did, are looked up before it closes: a 404 confirms that they
//! are gone, anything else is a row like any other.

use std::sync::Arc;

use super::Error;
use super::again::look_up;
use super::strand::Shared;
use super::thread::Left;
use crate::dataset::layout::Layout;
use crate::dataset::storage::Disk;
use crate::dataset::unmet::{GONE, unmet};
use crate::definition::Walk;

/// Looks up every such model, `workers` at once, when the crawl says so and the whole list was had. What an earlier run of
/// the pass looked up stands in the tables, and is not asked again.
pub(super) async fn run(
    walk: &Walk,
    name: &Arc<str>,
    dataset: &Layout,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Left, Error> {
    let Some(earlier) = shared.earlier.walked.get(&walk.name).filter(|_| walk.later.confirm_gone) else {
        return Ok(Left::Over);
    };
    if !shared.ledger.had_everything(name).await || !shared.ledger.flush().await {
        return Ok(Left::Over);
    }
    let ids = unmet(dataset, &Disk, &walk.name, shared.earlier.pass, earlier)?;
    look_up(walk, name, GONE, ids, workers, shared).await
}
