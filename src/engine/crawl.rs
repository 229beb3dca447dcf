//! A run on one screen: open the dataset, choose the pass, walk, write, judge, take the snapshot.

use std::sync::Arc;

use jiff::Timestamp;

use super::events::Listener;
use super::pass::{Pass, Refusal};
use super::report::Report;
use super::report::verdict::conclude;
use super::run::{Options, Run};
use super::walk::context::Context;
use super::walk::lists::Lists;
use super::walk::unfiltered::Unfiltered;
use super::walk::walk_all;
use super::writer::Writer;
use super::{Error, Outcome, clocks, pass, snapshot};
use crate::api::endpoint::Paging;
use crate::dataset::layout::Layout;
use crate::dataset::manifest::Manifest;
use crate::dataset::missing::items_behind;
use crate::dataset::snapshot::{Inventory, is_owed, newest};
use crate::dataset::store::Store;
use crate::definition::Crawl;
use crate::fetch::{Fetcher, Settings};
use crate::storage::Disk;

/// Crawls until the pass is over or the run is stopped.
///
/// # Errors
/// An [`Error`] if the run cannot begin or the dataset cannot be written.
pub async fn crawl(crawl: &Crawl, options: Options, listener: Arc<dyn Listener>) -> Result<(Report, Outcome), Error> {
    let fetcher = Fetcher::new(&settings(crawl, &options))?;
    let store = Store::open(options.dataset.clone(), Arc::new(Disk))?;
    if crawl.snapshot.take {
        store.check_symlinks()?;
    }
    let (pass, misdated) = choose_pass(crawl, &options, &store)?;
    let (lists, earlier, unfiltered) = (&Lists::of(crawl), &pass.earlier.clone(), &Unfiltered::default());
    let run = &Run::begin(crawl, &pass, &options, &store, listener)?;
    let work = async {
        let writer = Writer::start(store, pass, crawl, &options, run);
        let (options, fetcher) = (&options, &fetcher);
        let context = Context { crawl, options, fetcher, writer: &writer, run, earlier, lists, unfiltered };
        let finishes = walk_all(context).await;
        let store = writer.finish()?;
        let outcome = conclude(crawl, finishes?, misdated, run, &store)?;
        let (mut store, outcome) = snapshot::after_pass(store, crawl, run, outcome).await?;
        let outcome = run.judged(outcome);
        Ok((run.finish(&mut store, &outcome)?, outcome))
    };
    work.await.inspect_err(|error| run.fail(&options.dataset, error))
}

/// Returns the pass of a run on a dataset with these records and this newest snapshot.
///
/// # Errors
/// As [`pass::choose`]; [`Refusal::Done`] if the run has nothing to do.
pub fn next_pass(
    crawl: &Crawl,
    options: &Options,
    manifest: &Manifest,
    newest: Option<&Inventory>,
    now: Timestamp,
) -> Result<Pass, Refusal> {
    let owed = crawl.snapshot.take && is_owed(manifest, newest);
    let pass = pass::choose(crawl, manifest, options.restart, owed, now)?;
    if let Some(within) = options.unless_done_within {
        pass::refuse_repetition(&pass, manifest, within, now)?;
    }
    Ok(pass)
}

/// Chooses the pass, and prepares what its walks build on. Also returns a sentence for each walk that begins too late.
fn choose_pass(crawl: &Crawl, options: &Options, store: &Store) -> Result<(Pass, Vec<String>), Error> {
    let now = Timestamp::now();
    let mut pass = next_pass(crawl, options, store.manifest(), newest(store)?.as_ref(), now)?;
    let misdated = clocks::heal(&mut pass, crawl, now);
    count_overlaps(crawl, &options.dataset, &mut pass)?;
    Ok((pass, misdated))
}

/// Counts the items that each incremental walk must see again: those that the pass it builds on saw from its start on.
fn count_overlaps(crawl: &Crawl, dataset: &Layout, pass: &mut Pass) -> Result<(), Error> {
    for walk in &crawl.walks {
        let Paging::Cursor { windows: Some(windows), .. } = walk.endpoint.paging else { continue };
        let since = pass.walks.get(&walk.name).and_then(|state| state.since);
        let list = pass.earlier.lists.get_mut(&walk.name).and_then(|list| Some((list.ended?, list)));
        if let (Some(since), Some((ended, list))) = (since, list) {
            let counts = |cursor: &str| (windows.at)(cursor).is_some_and(|at| at >= since);
            list.items = items_behind(dataset, &Disk, &walk.name, ended, &counts)?;
        }
    }
    Ok(())
}

fn settings(crawl: &Crawl, options: &Options) -> Settings {
    Settings {
        key: options.key.clone(),
        requests_per_second: crawl.pace.requests_per_second,
        burst: crawl.pace.burst,
        in_flight: crawl.pace.in_flight,
        connect_timeout: crawl.timeouts.connect,
        idle_timeout: crawl.timeouts.idle,
        total_timeout: crawl.timeouts.total,
        attempts_max: crawl.retry.attempts,
        elapsed_max: crawl.retry.elapsed,
        ..Settings::new(options.base.clone())
    }
}
