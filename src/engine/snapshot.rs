//! Takes the snapshot of a pass that is over.

use std::time::Instant;

use super::events::Event;
use super::run::Run;
use super::{Error, Outcome};
use crate::dataset::snapshot::{SnapshotOptions, Taken, take_unless};
use crate::dataset::store::Store;
use crate::definition::Crawl;

/// Takes the snapshot of a pass that is over, if the crawl file wants it, on a thread of its own: the deadline and signals
/// still count. Returns the store and the outcome: stopped, if a stop left the snapshot to the next run.
///
/// # Errors
/// The dataset's damage or the disk's error.
pub(super) async fn after_pass(
    mut store: Store,
    crawl: &Crawl,
    run: &Run,
    outcome: Outcome,
) -> Result<(Store, Outcome), Error> {
    if !crawl.snapshot.take || !outcome.is_over() {
        return Ok((store, outcome));
    }
    // Whatever becomes of the snapshot, the doubts are reported; until then the report says `running`.
    run.write_report(&mut store)?;
    let began = Instant::now();
    let (wished, history, request) = (crawl.snapshot, crawl.history.clone(), run.stop.clone());
    let tables: Vec<_> = crawl.walks.iter().flat_map(|walk| walk.endpoint.tables).copied().collect();
    let work = move || {
        let keep = &|newer, age| wished.keep.keeps(newer, age);
        let options = SnapshotOptions { tables: &tables, history: &history, keep, prune: wished.prune };
        let taken = take_unless(&mut store, &options, &|| request.is_asked());
        (store, taken)
    };
    let (store, taken) =
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    match taken? {
        Some(Taken::New(inventory)) => {
            run.listener.event(&Event::SnapshotTaken { inventory: &inventory, took: began.elapsed() });
        }
        None => {
            let reason = run.stop.reason().unwrap_or_default();
            return Ok((
                store,
                Outcome::Stopped(format!("{reason}; the pass is over, its snapshot is left to the next run")),
            ));
        }
        Some(Taken::Nothing(_) | Taken::Empty) => {}
    }
    Ok((store, outcome))
}
