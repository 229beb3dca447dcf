//! A run, on one screen: open the dataset, choose the pass, walk, commit, report.

use std::sync::Arc;

use futures_util::future::try_join_all;
use url::Url;

use super::ledger::Ledger;
use super::monitor::{Event, Monitor};
use super::report::{Report, Tally};
use super::stop::Stop;
use super::walk::{self, Left, Shared};
use super::{Error, Outcome, pass};
use crate::dataset::commit::{Walk, Why};
use crate::dataset::layout::{Layout, RunId};
use crate::dataset::storage::Disk;
use crate::dataset::store::{Store, Writer};
use crate::definition::Crawl;
use crate::fetch::{Fetcher, Secret, Settings};

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
    /// Stops the run early.
    pub stop: Stop,
}

/// Crawls until the pass is over or the run is stopped.
///
/// # Errors
/// When the run could not begin, or the dataset could not be written: see [`Error`].
pub async fn crawl(crawl: &Crawl, options: Options, monitor: Arc<dyn Monitor>) -> Result<(Report, Outcome), Error> {
    let fetcher = Fetcher::new(&settings(crawl, &options))?;
    let (store, standing) = Store::open(options.dataset, Arc::new(Disk))?;
    let pass = pass::choose(crawl, standing, options.restart)?;

    let writer = Writer { run: name_run(), crawl: crawl.name.clone(), definition: pass.definition.clone() };
    let run = writer.run.clone();
    let asked = crawl.pace.requests_per_second;
    let tally = Arc::new(Tally::new(run.clone(), &crawl.name, pass.number, pass.resumed, asked, &pass.walks));
    let monitor: Arc<dyn Monitor> = Arc::new(vec![Arc::clone(&tally) as Arc<dyn Monitor>, monitor]);
    monitor.event(&Event::Started { run: &run, pass: pass.number, resumed: pass.resumed });

    let states = pass.walks.clone();
    let ledger = Ledger::open(store, writer, pass, crawl, Arc::clone(&tally), Arc::clone(&monitor));
    let shared =
        Shared { base: &options.base, fetcher: &fetcher, ledger: &ledger, stop: &options.stop, monitor: &*monitor };
    let start = Walk::default();
    let state = |name: &str| states.get(name).unwrap_or(&start);
    let left = try_join_all(crawl.walks.iter().map(|walk| walk::run(walk, state(&walk.name), &shared))).await;

    let mut store = ledger.close()?;
    let outcome = judge(left?, &tally.snapshot());
    tally.close(outcome.state(), outcome.reason());
    store.write_report(&run, &tally.report())?;
    Ok((tally.snapshot(), outcome))
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

/// What a run came to, from how its walks left it and what the last commit recorded of them.
fn judge(left: Vec<Left>, report: &Report) -> Outcome {
    let mut unfinished = None;
    for left in left {
        match left {
            Left::KeyRefused(reason) => return Outcome::KeyRefused(reason),
            Left::Unfinished(reason) => drop(unfinished.get_or_insert(reason)),
            Left::Over | Left::Halted => {}
        }
    }
    if let Some(reason) = unfinished {
        return Outcome::Stopped(reason);
    }
    let doubtful = |walk: &Walk| {
        let complete = walk.end.as_ref().is_some_and(|end| end.why == Why::Complete);
        !complete || walk.rejects > 0 || !walk.given_up.is_empty()
    };
    if report.walks.values().any(|walk| doubtful(&walk.state)) { Outcome::Doubtful } else { Outcome::Complete }
}
