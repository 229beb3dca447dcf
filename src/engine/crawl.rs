//! A run on one screen: open the dataset, choose the pass, walk, write, judge, take the snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::watch;
use url::Url;

use super::events::Listener;
use super::pass::Pass;
use super::report::completeness::{doubts, waiting};
use super::report::creator_totals::missing_models;
use super::report::notes::{notes, unknown_keys};
use super::report::{Findings, Report};
use super::run::Run;
use super::walk::context::Context;
use super::walk::lists::Lists;
use super::walk::partition::Finish;
use super::walk::unfiltered::Unfiltered;
use super::walk::{self, key_check};
use super::writer::Writer;
use super::writer::page_writer::PageOptions;
use super::writer::unknown_values::unknown_values;
use super::{Error, Outcome, clocks, pass, snapshot};
use crate::api::endpoint::{LastPage, Paging};
use crate::api::pseudonym::Pseudonyms;
use crate::dataset;
use crate::dataset::commit::WalkState;
use crate::dataset::layout::Layout;
use crate::dataset::missing::items_behind;
use crate::dataset::snapshot::is_owed;
use crate::dataset::store::Store;
use crate::dataset::values::distinct_where;
use crate::definition::{self, Crawl};
use crate::fetch::{Fetcher, Secret, Settings};
use crate::stop::Stop;
use crate::storage::Disk;
use crate::table::{self, Table, creators};

/// Options of a run beside its crawl file.
#[derive(Debug)]
pub struct Options {
    /// The server: the crawl file's, or the embedded one.
    pub base: Url,
    /// The dataset's directory.
    pub dataset: Layout,
    /// The API key.
    pub key: Option<Secret>,
    /// Gives up an unfinished pass and starts the next.
    pub restart: bool,
    /// Reports values listed in the crawl file for which the server shows nothing.
    pub tells_unknown: bool,
    /// Walks whose lists are believed, in this run, to be as short or as empty as the server shows them.
    pub believe: BTreeSet<String>,
    /// Hides people's names in everything that is stored, if set.
    pub hide: Option<Pseudonyms>,
    /// The file for the run's numbers in Prometheus's text format, if any.
    pub metrics: Option<PathBuf>,
    /// Stops the run early.
    pub stop: Stop,
}

/// Crawls until the pass is over or the run is stopped.
///
/// # Errors
/// An [`Error`] if the run cannot begin or the dataset cannot be written.
pub async fn crawl(crawl: &Crawl, options: Options, listener: Arc<dyn Listener>) -> Result<(Report, Outcome), Error> {
    let fetcher = Fetcher::new(&settings(crawl, &options))?;
    let store = Store::open(options.dataset.clone(), Arc::new(Disk))?;
    let (pass, misdated) = choose_pass(crawl, &options, &store)?;
    let earlier = pass.earlier.clone();
    let run = Run::begin(crawl, &pass, options.stop.clone(), options.metrics.clone(), listener);
    let page_options = PageOptions { crawl, hide: options.hide.clone(), trusted: &options.believe };
    let writer = Writer::start(store, pass, page_options, &run);
    let context = Context {
        base: &options.base,
        crawl,
        dataset: &options.dataset,
        workers: crawl.pace.in_flight,
        fetcher: &fetcher,
        writer: &writer,
        stop: &run.stop,
        listener: &*run.listener,
        earlier: &earlier,
        lists: &Lists::of(crawl),
        unfiltered: &Unfiltered::default(),
        trusted: &options.believe,
        tells_unknown: options.tells_unknown,
    };
    let finishes = walk_all(crawl, options.key.is_some(), context).await;
    let mut store = writer.finish()?;
    let mut outcome = conclude(crawl, finishes?, misdated, &run, &store)?;
    if crawl.snapshot.take && outcome.is_over() {
        // Whatever becomes of the snapshot, the doubts are reported; until then the report says `running`.
        run.write_report(&mut store)?;
        (store, outcome) = snapshot::after_pass(store, crawl, &run, outcome).await?;
    }
    let report = run.finish(&mut store, &outcome)?;
    Ok((report, outcome))
}

/// Chooses the pass, and prepares what its walks build on. Also returns a sentence for each walk that begins too late.
fn choose_pass(crawl: &Crawl, options: &Options, store: &Store) -> Result<(Pass, Vec<String>), Error> {
    let owed = crawl.snapshot.take && is_owed(store)?;
    let mut pass = pass::choose(crawl, store.manifest(), options.restart, owed)?;
    let misdated = clocks::heal(&mut pass, jiff::Timestamp::now());
    count_overlaps(crawl, &options.dataset, &mut pass)?;
    Ok((pass, misdated))
}

/// Judges the run, and reports what may be missing, where the next run continues, and what else there is to know.
fn conclude(
    crawl: &Crawl,
    finishes: Vec<Finish>,
    misdated: Vec<String>,
    run: &Run,
    store: &Store,
) -> Result<Outcome, Error> {
    let walks: BTreeMap<_, _> =
        run.report.snapshot().walks.into_iter().map(|(name, walk)| (name, walk.state)).collect();
    let unknown = unknown_values(crawl, &walks);
    unknown.iter().for_each(|reason| tracing::warn!(reason, "the server shows nothing of listed values"));
    let outcome = judge(finishes, &walks, &unknown);
    let dataset = store.layout();
    let known = known(crawl, dataset, run.pass)?;
    let mut doubts = doubts(crawl, &walks, &known);
    doubts.extend(misdated);
    doubts.extend(unknown);
    if outcome.is_over() && known.contains_key(creators::TABLE.name) {
        doubts.extend(missing_models(dataset)?);
    }
    let waiting = store.manifest().last.as_ref().map(|last| waiting(&last.walks)).unwrap_or_default();
    let notes = notes(crawl, &walks, &known);
    run.report.close(Findings { doubts, waiting, notes, unknown_keys: unknown_keys(&walks) });
    Ok(outcome)
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

/// Walks all walks side by side, once the server knows the key. A walk that fans out over committed rows begins when those
/// before it are over.
async fn walk_all(crawl: &Crawl, has_key: bool, context: Context<'_>) -> Result<Vec<Finish>, Error> {
    if has_key && let Some(reason) = key_check::refusal(context).await? {
        return Ok(vec![Finish::KeyRefused(reason)]);
    }
    let over: Vec<watch::Sender<Option<bool>>> = crawl.walks.iter().map(|_| watch::Sender::new(None)).collect();
    let one = |index: usize| {
        let (walk, over) = (&crawl.walks[index], &over);
        async move {
            let finish = match all_over(walk, &over[..index]).await {
                true => walk::run(walk, context).await?,
                false => Finish::Unfinished(String::from("the walks before it are unfinished")),
            };
            over[index].send_replace(Some(matches!(finish, Finish::Done)));
            Ok(finish)
        }
    };
    try_join_all((0..crawl.walks.len()).map(one)).await
}

/// Waits for the walks before this one if it needs their rows; false when one of them is left unfinished.
async fn all_over(walk: &definition::Walk, before: &[watch::Sender<Option<bool>>]) -> bool {
    for earlier in before.iter().filter(|_| walk.needs_rows()) {
        let mut over = earlier.subscribe();
        let over = over.wait_for(Option::is_some).await.map(|over| *over);
        if !matches!(over, Ok(Some(true))) {
            return false;
        }
    }
    true
}

/// Counts the things of this pass for each endpoint that reports a total. Things of earlier passes may be gone, and would hide
/// that others are missing.
fn known(crawl: &Crawl, dataset: &Layout, pass: u64) -> Result<BTreeMap<&'static str, u64>, dataset::Error> {
    let tells = |walk: &&definition::Walk| matches!(walk.endpoint.paging, Paging::Number { last: LastPage::Reported });
    let tables = crawl.walks.iter().filter(tells).filter_map(|walk| table::named(walk.endpoint.name));
    let of_pass = [("pass", i64::try_from(pass).unwrap_or(i64::MAX))];
    let count = |table: &'static Table| {
        Ok((table.name, distinct_where(dataset, &Disk, table, table.key[0], &of_pass)?.len() as u64))
    };
    tables.map(count).collect()
}

/// Returns the outcome of a run, from how its walks left it, their last recorded states, and the listed values that the server
/// does not know.
fn judge(finish: Vec<Finish>, walks: &BTreeMap<String, WalkState>, unknown: &[String]) -> Outcome {
    let mut unfinished = None;
    for finish in finish {
        match finish {
            Finish::KeyRefused(reason) => return Outcome::KeyRefused(reason),
            Finish::Unfinished(reason) => drop(unfinished.get_or_insert(reason)),
            Finish::Done | Finish::ForgedRefused | Finish::Halted => {}
        }
    }
    if let Some(reason) = unfinished {
        return Outcome::Stopped(reason);
    }
    if !unknown.is_empty() || walks.values().any(WalkState::is_doubtful) {
        Outcome::Doubtful
    } else {
        Outcome::Complete
    }
}
