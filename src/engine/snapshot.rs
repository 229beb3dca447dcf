//! Takes the snapshot of a pass that is over, and verifies the dataset every so many passes.

use std::time::Instant;

use super::events::Event;
use super::run::Run;
use super::{Error, Outcome};
use crate::dataset;
use crate::dataset::snapshot::{Cancel, SnapshotOptions, Taken, take_unless, threads};
use crate::dataset::store::Store;
use crate::dataset::verify::verify;
use crate::definition::Crawl;
use crate::storage::Disk;

/// Takes the snapshot of a pass that is over, if the crawl file wants it, and reads the whole dataset, if the pass is one after
/// which the crawl file wants that. Both are done on a thread of their own: the deadline and signals still count. Returns the
/// store and the outcome: stopped, if a stop left some of it to a later run.
///
/// # Errors
/// The dataset's damage or the disk's error.
pub(super) async fn after_pass(
    mut store: Store,
    crawl: &Crawl,
    run: &Run,
    outcome: Outcome,
) -> Result<(Store, Outcome), Error> {
    let wished = crawl.snapshot.clone();
    let is_verified = wished.verify_every.is_some_and(|passes| run.pass.is_multiple_of(passes.into()));
    if !outcome.is_over() || !(wished.take || is_verified) {
        return Ok((store, outcome));
    }
    // Whatever becomes of the snapshot, the doubts are reported; until then the report says `running`.
    run.write_report(&mut store)?;
    let (history, listener, working) = (crawl.history.clone(), run.listener.clone(), run.clone());
    let tables: Vec<_> = crawl.walks.iter().flat_map(|walk| walk.endpoint.tables).copied().collect();
    let work = move || -> Result<(Store, Option<&str>), dataset::Error> {
        let cancel: Cancel<'_> = &|| {
            working.look_at_disk();
            working.stop.is_asked()
        };
        if wished.take {
            let began = Instant::now();
            let keep = &|newer, age| wished.keep.keeps(newer, age);
            let options = SnapshotOptions {
                tables: &tables,
                history: &history,
                split: &wished.split,
                keep,
                prune: wished.prune,
                threads: threads(),
            };
            let before = store.manifest().history.bytes();
            let taken = take_unless(&mut store, &options, cancel)?;
            let freed = before - store.manifest().history.bytes();
            match taken {
                Some(Taken::New(inventory)) => {
                    listener.event(&Event::SnapshotTaken { inventory: &inventory, took: began.elapsed() });
                }
                Some(Taken::Nothing(_) | Taken::Empty) => {}
                None => return Ok((store, Some("its snapshot is left to the next run"))),
            }
            if freed > 0 {
                listener.event(&Event::Pruned { bytes: freed });
            }
            match working.settle(&store, cancel) {
                Err(dataset::Error::Cancelled) => {
                    return Ok((store, Some("its snapshot is left to the next run, which sends it")));
                }
                settled => settled?,
            }
        }
        let is_cut = is_verified && !assert_sound(&store, cancel)?;
        Ok((store, is_cut.then_some("the dataset was not verified")))
    };
    let (store, left) = tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    let Some(left) = left else { return Ok((store, outcome)) };
    let reason = run.stop.reason().unwrap_or_default();
    Ok((store, Outcome::Stopped(format!("{reason}; the pass is over, {left}"))))
}

/// Reads the whole dataset. Returns false if cancelled.
///
/// # Errors
/// Every damage found; the disk's error.
fn assert_sound(store: &Store, cancel: Cancel<'_>) -> Result<bool, dataset::Error> {
    match verify(store.layout(), &Disk, cancel, &mut |_, _| {}) {
        Ok(findings) if findings.faults.is_empty() => Ok(true),
        Ok(findings) => {
            Err(dataset::Error::Unsound { dataset: store.layout().root().to_owned(), faults: findings.faults })
        }
        Err(dataset::Error::Cancelled) => Ok(false),
        Err(error) => Err(error),
    }
}
