//! A run, on one screen: open the dataset, choose the pass, walk, commit, report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::watch;
use url::Url;

use super::events::{Event, Listener};
use super::pass::Pass;
use super::report::claims::claims;
use super::report::completeness::{doubts, waiting};
use super::report::metrics::Metrics;
use super::report::notes::{seen, unknown_keys};
use super::report::{Report, ReportBuilder};
use super::walk::context::Shared;
use super::walk::ignored_filter::Unfiltered;
use super::walk::missing::Lists;
use super::walk::partition::Finish;
use super::walk::{self, key_check, unknown_values};
use super::writer::Writer;
use super::writer::page_writer::PageOptions;
use super::{Error, Outcome, clocks, pass, snapshot};
use crate::api::endpoint::{LastPage, Paging};
use crate::api::pseudonym::Pseudonyms;
use crate::dataset;
use crate::dataset::commit::WalkState;
use crate::dataset::layout::{Layout, RunId};
use crate::dataset::missing::items_behind;
use crate::dataset::snapshot::is_owed;
use crate::dataset::store::{RunInfo, Store};
use crate::dataset::values::distinct_where;
use crate::definition::{self, Crawl};
use crate::fetch::{Fetcher, Secret, Settings};
use crate::stop::Stop;
use crate::storage::Disk;
use crate::table::{self, Table, creators};

/// What a run is told beside the crawl file.
#[derive(Debug)]
pub struct Options {
    /// Who is asked: the crawl file's server, or where the embedded one listens.
    pub base: Url,
    /// The dataset's directory.
    pub dataset: Layout,
    /// The API key.
    pub key: Option<Secret>,
    /// Gives up an unfinished pass and begins the next.
    pub restart: bool,
    /// Tells of values listed in the crawl file that the server shows nothing of.
    pub tells_unknown: bool,
    /// Walks whose lists are, in this run, as short or as empty as the server shows them.
    pub believe: BTreeSet<String>,
    /// Hides people's names in everything that is stored.
    pub hide: Option<Pseudonyms>,
    /// Where the run's numbers are written for Prometheus, if anywhere.
    pub metrics: Option<PathBuf>,
    /// Stops the run early.
    pub stop: Stop,
}

/// Crawls until the pass is over or the run is stopped.
///
/// # Errors
/// When the run could not begin, or the dataset could not be written: see [`Error`].
pub async fn crawl(crawl: &Crawl, options: Options, listener: Arc<dyn Listener>) -> Result<(Report, Outcome), Error> {
    let fetcher = Fetcher::new(&settings(crawl, &options))?;
    let dataset = options.dataset.clone();
    let store = Store::open(options.dataset, Arc::new(Disk))?;
    let owed = crawl.snapshot.take && is_owed(&store)?;
    let mut pass = pass::choose(crawl, store.manifest(), options.restart, owed)?;
    let misdated = clocks::heal(&mut pass, jiff::Timestamp::now());
    count_overlaps(crawl, &dataset, &mut pass)?;

    let info = RunInfo { run: name_run(), crawl: crawl.name.clone(), definition: pass.definition.clone() };
    let run = info.run.clone();
    let request = crawl.pace.requests_per_second;
    let report_builder =
        Arc::new(ReportBuilder::new(run.clone(), &crawl.name, pass.number, pass.resumed, request, &pass.walks));
    let metrics = options.metrics.map(|path| Arc::new(Metrics::new(path, Arc::clone(&report_builder))));
    let mut listeners = vec![Arc::clone(&report_builder) as Arc<dyn Listener>, listener];
    listeners.extend(metrics.clone().map(|metrics| metrics as Arc<dyn Listener>));
    let listener: Arc<dyn Listener> = Arc::new(listeners);
    listener.event(&Event::Started { run: &run, pass: pass.number, resumed: pass.resumed });

    let (number, states, earlier) = (pass.number, pass.walks.clone(), pass.earlier.clone());
    let page_options = PageOptions { crawl, hide: options.hide, trusted: &options.believe };
    let writer = Writer::open(
        store,
        info,
        pass,
        page_options,
        Arc::clone(&report_builder),
        Arc::clone(&listener),
        options.stop.clone(),
    );
    let shared = Shared {
        base: &options.base,
        tells_unknown: options.tells_unknown,
        fetcher: &fetcher,
        writer: &writer,
        stop: &options.stop,
        listener: &*listener,
        earlier: &earlier,
        lists: &Lists::of(crawl),
        crawl,
        trusted: &options.believe,
        unfiltered: &Unfiltered::default(),
    };
    let refusal = if options.key.is_some() { key_check::refusal(shared).await } else { Ok(None) };
    let finish = match refusal {
        Ok(Some(reason)) => Ok(vec![Finish::KeyRefused(reason)]),
        Ok(None) => walk_all(crawl, &states, &dataset, shared).await,
        Err(error) => Err(error),
    };

    let mut store = writer.close()?;
    let walks: BTreeMap<_, _> =
        report_builder.snapshot().walks.into_iter().map(|(name, walk)| (name, walk.state)).collect();
    let unknown = unknown_values::told(crawl, &walks);
    unknown.iter().for_each(|reason| tracing::warn!(reason, "the server shows nothing of listed values"));
    let mut outcome = judge(finish?, &walks, &unknown);
    let known = known(crawl, &dataset, number)?;
    let mut doubts = doubts(crawl, &walks, &known);
    doubts.extend(misdated);
    doubts.extend(unknown);
    if matches!(outcome, Outcome::Complete | Outcome::Doubtful) && known.contains_key(creators::TABLE.name) {
        doubts.extend(claims(&dataset)?);
    }
    let waiting = store.manifest().last.as_ref().map(|last| waiting(&last.walks)).unwrap_or_default();
    report_builder.close(doubts, waiting, seen(crawl, &walks, &known), unknown_keys(&walks));
    if crawl.snapshot.take && matches!(outcome, Outcome::Complete | Outcome::Doubtful) {
        // Whatever becomes of the snapshot, the doubts are told; the run goes on.
        store.write_report(&run, &report_builder.report())?;
        (store, outcome) = snapshot::after_pass(store, crawl, &options.stop, &*listener, outcome).await?;
    }
    report_builder.conclude(&outcome);
    store.write_report(&run, &report_builder.report())?;
    if let Some(metrics) = metrics {
        metrics.write();
    }
    Ok((report_builder.snapshot(), outcome))
}

/// Counts what incremental walks may expect to meet again: what the passes they build on met from the same instant on.
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

fn name_run() -> RunId {
    let now = jiff::Timestamp::now();
    let seed = format!("{}-{}", std::process::id(), now.as_nanosecond());
    let digits = blake3::hash(seed.as_bytes());
    RunId::new(&now, u16::from_le_bytes([digits.as_bytes()[0], digits.as_bytes()[1]]))
}

/// Walks all walks side by side; one that fans out over committed rows begins when those before it are over.
async fn walk_all(
    crawl: &Crawl,
    states: &BTreeMap<String, WalkState>,
    dataset: &Layout,
    shared: Shared<'_>,
) -> Result<Vec<Finish>, Error> {
    let fresh = WalkState::default();
    let over: Vec<watch::Sender<Option<bool>>> = crawl.walks.iter().map(|_| watch::Sender::new(None)).collect();
    let one = |index: usize| {
        let (walk, over) = (&crawl.walks[index], &over);
        let state = states.get(&walk.name).unwrap_or(&fresh);
        async move {
            let finish = match all_over(walk, &over[..index]).await {
                true => walk::run(walk, state, dataset, crawl.pace.in_flight, shared).await?,
                false => Finish::Unfinished(String::from("the walks before it are unfinished")),
            };
            over[index].send_replace(Some(matches!(finish, Finish::Done)));
            Ok(finish)
        }
    };
    try_join_all((0..crawl.walks.len()).map(one)).await
}

/// Waits, where the walk needs their rows, for the walks before it; false when one of them is left unfinished.
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

/// How many things this pass met of each endpoint that tells how many there are. What only earlier ones met may be gone, and
/// would stand for something that is missing.
fn known(crawl: &Crawl, dataset: &Layout, pass: u64) -> Result<BTreeMap<&'static str, u64>, dataset::Error> {
    let tells = |walk: &&definition::Walk| matches!(walk.endpoint.paging, Paging::Number { last: LastPage::Reported });
    let tables = crawl.walks.iter().filter(tells).filter_map(|walk| table::named(walk.endpoint.name));
    let of_pass = [("pass", i64::try_from(pass).unwrap_or(i64::MAX))];
    let count = |table: &'static Table| {
        Ok((table.name, distinct_where(dataset, &Disk, table, table.key[0], &of_pass)?.len() as u64))
    };
    tables.map(count).collect()
}

/// What a run came to, from how its walks left it, what the last commit recorded of them, and the listed values that the server
/// shows nothing of.
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
