//! The snapshot that a crawl takes when a pass is over.

use std::time::Instant;

use super::Error;
use super::monitor::{Event, Monitor};
use crate::dataset::snapshot::{Taken, Wishes, take};
use crate::dataset::store::Store;
use crate::definition::Snapshot;
use crate::table::Table;

/// Takes a snapshot on a thread of its own, so that signals are still heard, and gives the store back.
///
/// # Errors
/// When the dataset is damaged or the disk refuses.
pub(super) async fn after_pass(
    mut store: Store,
    wished: Snapshot,
    history: Vec<&'static Table>,
    monitor: &dyn Monitor,
) -> Result<Store, Error> {
    let began = Instant::now();
    let work = move || {
        let taken = take(
            &mut store,
            &Wishes { history: &history, keep: &|newer, age| wished.keep.keeps(newer, age), prune: wished.prune },
        );
        (store, taken)
    };
    let (store, taken) =
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    if let Taken::New(inventory) = taken? {
        monitor.event(&Event::SnapshotTaken { inventory: &inventory, took: began.elapsed() });
    }
    Ok(store)
}
