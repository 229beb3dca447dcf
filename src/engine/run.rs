//! A run under way: its name, its report, and everybody who listens to it.

use std::path::PathBuf;
use std::sync::Arc;

use super::Outcome;
use super::events::{Event, Listener};
use super::pass::Pass;
use super::report::metrics::Metrics;
use super::report::{Report, ReportBuilder};
use crate::dataset::Error;
use crate::dataset::layout::RunId;
use crate::dataset::store::{RunInfo, Store};
use crate::definition::Crawl;
use crate::stop::Stop;

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
}

impl Run {
    /// Names a run, starts its report, and tells the listeners. `metrics` is the file of its numbers for Prometheus.
    pub(super) fn begin(
        crawl: &Crawl,
        pass: &Pass,
        stop: Stop,
        metrics: Option<PathBuf>,
        listener: Arc<dyn Listener>,
    ) -> Self {
        let info = RunInfo { run: new_id(), crawl: crawl.name.clone(), definition: pass.definition.clone() };
        let rate = crawl.pace.requests_per_second;
        let report = ReportBuilder::new(info.run.clone(), &crawl.name, pass, rate);
        let report = Arc::new(report);
        let metrics = metrics.map(|path| Arc::new(Metrics::new(path, Arc::clone(&report))));
        let mut listeners = vec![Arc::clone(&report) as Arc<dyn Listener>, listener];
        listeners.extend(metrics.clone().map(|metrics| metrics as Arc<dyn Listener>));
        let listener: Arc<dyn Listener> = Arc::new(listeners);
        listener.event(&Event::Started { run: &info.run, pass: pass.number, resumed: pass.resumed });
        Self { info, pass: pass.number, report, listener, stop, metrics }
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
            metrics.write();
        }
        Ok(self.report.snapshot())
    }
}

fn new_id() -> RunId {
    let now = jiff::Timestamp::now();
    let seed = format!("{}-{}", std::process::id(), now.as_nanosecond());
    let digits = blake3::hash(seed.as_bytes());
    RunId::new(&now, u16::from_le_bytes([digits.as_bytes()[0], digits.as_bytes()[1]]))
}
