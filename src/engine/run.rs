//! A run under way: its name, its report, and everybody who listens to it.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

use super::Outcome;
use super::events::{Event, Listener};
use super::pass::Pass;
use super::report::metrics::Metrics;
use super::report::{Report, ReportBuilder};
use crate::api::pseudonym::Pseudonyms;
use crate::dataset::Error;
use crate::dataset::cancel::Cancel;
use crate::dataset::commit::Record;
use crate::dataset::layout::{Layout, RunId};
use crate::dataset::place::Truth;
use crate::dataset::store::{RunInfo, Store};
use crate::definition::{Crawl, identity};
use crate::fetch::Secret;
use crate::stop::Stop;
use crate::storage::{Disk, MinFree, a_sync_has_failed};

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
    /// Refuses a new pass of the same definition if the last one ended less than this long ago; ever, for [`Duration::MAX`].
    pub unless_done_within: Option<Duration>,
    /// Reports values listed in the crawl file for which the server shows nothing.
    pub tells_unknown: bool,
    /// Walks whose lists are believed, in this run, to be as short or as empty as the server shows them.
    pub believe: BTreeSet<String>,
    /// Hides people's names in everything that is stored, if set.
    pub hide: Option<Pseudonyms>,
    /// The file for the run's numbers in Prometheus's text format, if any.
    pub metrics: Option<PathBuf>,
    /// The room that the disk has to keep, if any.
    pub min_free: Option<MinFree>,
    /// The truth of the dataset, where that is elsewhere.
    pub truth: Option<Arc<Mutex<Truth>>>,
    /// Stops the run early.
    pub stop: Stop,
}

/// A run under way. A clone is the same run.
#[derive(Clone)]
pub(super) struct Run {
    /// Its name, for the records.
    pub(super) info: RunInfo,
    /// The number of its pass.
    pub(super) pass: u64,
    /// Its report, counted from events.
    pub(super) report: Arc<ReportBuilder>,
    /// Everybody who listens, the report included.
    pub(super) listener: Arc<dyn Listener>,
    /// Stops it early.
    pub(super) stop: Stop,
    metrics: Option<Arc<Metrics>>,
    min_free: Option<MinFree>,
    truth: Option<Arc<Mutex<Truth>>>,
    /// True once the run was stopped for want of room.
    is_disk_low: Arc<AtomicBool>,
}

impl Run {
    /// Names a run, starts its report, and notifies the listeners.
    ///
    /// # Errors
    /// The disk's error.
    pub(super) fn begin(
        crawl: &Crawl,
        pass: &Pass,
        options: &Options,
        store: &Store,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, Error> {
        let truth = options.truth.clone();
        let info = RunInfo {
            run: truth.as_deref().map_or_else(|| new_id(false), |truth| locked(truth).run().clone()),
            crawl: crawl.name.clone(),
            server: identity(crawl),
            definition: pass.definition.clone(),
        };
        let rate = crawl.pace.requests_per_second;
        let report = ReportBuilder::new(info.run.clone(), &crawl.name, pass, rate);
        let report = Arc::new(report);
        let metrics = options.metrics.clone().map(|path| Metrics::new(path, Arc::clone(&report), store));
        let metrics = metrics.transpose()?.map(Arc::new);
        let mut listeners = vec![Arc::clone(&report) as Arc<dyn Listener>, listener];
        listeners.extend(metrics.clone().map(|metrics| metrics as Arc<dyn Listener>));
        let listener: Arc<dyn Listener> = Arc::new(listeners);
        listener.event(&Event::Started { run: &info.run, pass: pass.number, resumed: pass.resumed });
        let (stop, min_free) = (options.stop.clone(), options.min_free.clone());
        let is_disk_low = Arc::default();
        let run = Self { info, pass: pass.number, report, listener, stop, metrics, min_free, truth, is_disk_low };
        run.look_at_disk();
        Ok(run)
    }

    /// Makes the last commit the truth's, where that is elsewhere.
    ///
    /// # Errors
    /// As [`Truth::commit`].
    pub(super) fn confirm(&self, store: &Store, record: &Record) -> Result<(), Error> {
        self.truth.as_deref().map_or(Ok(()), |truth| locked(truth).commit(store.layout(), &Disk, record))
    }

    /// Makes everything in the dataset the truth's, where that is elsewhere.
    ///
    /// # Errors
    /// As [`Truth::settle`].
    pub(super) fn settle(&self, store: &Store, cancel: Cancel<'_>) -> Result<(), Error> {
        self.truth.as_deref().map_or(Ok(()), |truth| locked(truth).settle(store.layout(), &Disk, cancel))
    }

    /// Stops the run if the disk has less room than it has to keep.
    pub(super) fn look_at_disk(&self) {
        let lack = self.min_free.as_ref().filter(|_| !self.stop.is_asked()).and_then(MinFree::lack);
        if let Some(lack) = lack {
            self.is_disk_low.store(true, Ordering::Relaxed);
            self.stop.ask(lack);
        }
    }

    /// Returns the outcome of the run, which may have been stopped for want of room.
    pub(super) fn judged(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Stopped(reason) if self.is_disk_low.load(Ordering::Relaxed) => Outcome::DiskLow(reason),
            outcome => outcome,
        }
    }

    /// Writes the report as it is now.
    ///
    /// # Errors
    /// The disk's error.
    pub(super) fn write_report(&self, store: &mut Store) -> Result<(), Error> {
        store.write_report(&self.info.run, &self.report.report())
    }

    /// Concludes the report with the outcome, writes it for the last time, and returns it.
    ///
    /// # Errors
    /// The disk's error.
    pub(super) fn finish(&self, store: &mut Store, outcome: &Outcome) -> Result<Report, Error> {
        self.report.conclude(outcome);
        self.write_report(store)?;
        if let Some(metrics) = &self.metrics {
            metrics.finish(store)?;
        }
        Ok(self.report.snapshot())
    }
}

impl Run {
    /// Records that the run failed. Where the disk takes no report, the lock shows that no process works on it any more; behind a
    /// sync that failed nothing is synced again, and so no report written.
    pub(super) fn fail(&self, dataset: &Layout, error: &super::Error) {
        self.report.fail(error.to_string());
        // Opening removes what the failed commit left on the disk.
        if !a_sync_has_failed()
            && let Ok(mut store) = Store::open(dataset.clone(), Arc::new(Disk))
        {
            let _ = self.write_report(&mut store);
        }
        if let Some(metrics) = &self.metrics {
            metrics.write();
        }
    }
}

fn locked(truth: &Mutex<Truth>) -> MutexGuard<'_, Truth> {
    truth.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the id of a run that begins now. One that works on a dataset `beside` runs of other machines gets more digits, since no
/// lock keeps those out.
pub fn new_id(beside: bool) -> RunId {
    // A new state has keys of its own, which are random.
    let digits = RandomState::new().hash_one(std::process::id());
    RunId::new(&jiff::Timestamp::now(), if beside { digits } else { digits & 0xffff })
}
