//! Models that a full walk did not meet, though earlier passes did, are looked up before it closes: a 404 confirms that they
//! are gone, anything else is a row like any other.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Error;
use super::strand::Shared;
use crate::dataset::layout::Layout;
use crate::dataset::storage::Disk;
use crate::dataset::unmet::unmet;
use crate::definition::Walk;

/// The models that walks of this run look up: what one of them does, no other need do.
pub(super) type Claimed = RefCell<BTreeSet<i64>>;

/// Every such model, when the crawl says so and the whole list was had. What an earlier run of the pass, or another walk,
/// met or looked up is not asked again.
pub(super) async fn missed(
    walk: &Walk,
    name: &Arc<str>,
    dataset: &Layout,
    shared: Shared<'_>,
) -> Result<Vec<i64>, Error> {
    let Some(earlier) = shared.earlier.walked.get(&walk.name).filter(|_| walk.later.confirm_gone) else {
        return Ok(Vec::new());
    };
    if !shared.ledger.had_everything(name).await || !shared.ledger.flush().await {
        return Ok(Vec::new());
    }
    let mut ids = unmet(dataset, &Disk, &walk.name, shared.earlier.pass, earlier)?;
    ids.retain(|id| shared.claimed.borrow_mut().insert(*id));
    Ok(ids)
}
