//! Metrics of a run as Prometheus text for node_exporter's textfile collector. The file is written when the run begins, at
//! every commit and at the end.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{Report, ReportBuilder, WalkReport};
use crate::dataset::Error;
use crate::dataset::layout::Layout;
use crate::dataset::snapshot::{Inventory, newest};
use crate::dataset::store::Store;
use crate::engine::events::{Event, Listener};
use crate::storage::{free_bytes, replace_text};

/// Writes the metrics of a run to a file.
pub(crate) struct Metrics {
    path: PathBuf,
    report_builder: Arc<ReportBuilder>,
    dataset: Layout,
    facts: Mutex<DatasetFacts>,
}

/// The facts of a dataset that its records and its newest snapshot know.
#[derive(Debug, Clone, Copy)]
struct DatasetFacts {
    /// The end of the last complete pass; `None` if there is none.
    last_complete: Option<Timestamp>,
    /// The time of the newest snapshot; `None` if there is none.
    last_snapshot: Option<Timestamp>,
    /// The bytes of all parts, and of the newest snapshot.
    parts: u64,
    snapshot: u64,
}

impl DatasetFacts {
    fn of(store: &Store) -> Result<Self, Error> {
        let (history, snapshot) = (&store.manifest().history, newest(store)?);
        Ok(Self {
            last_complete: history.last_complete(),
            last_snapshot: snapshot.as_ref().map(|snapshot| snapshot.at),
            parts: history.bytes(),
            snapshot: snapshot.as_ref().map_or(0, Inventory::bytes),
        })
    }
}

impl Metrics {
    /// # Errors
    /// The disk's error.
    pub(crate) fn new(path: PathBuf, report_builder: Arc<ReportBuilder>, store: &Store) -> Result<Self, Error> {
        let facts = Mutex::new(DatasetFacts::of(store)?);
        Ok(Self { path, report_builder, dataset: store.layout().clone(), facts })
    }

    fn facts(&self) -> MutexGuard<'_, DatasetFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the file. When that fails, a warning is logged and the run continues.
    pub(crate) fn write(&self) {
        let facts = *self.facts();
        let text = text(&self.report_builder.snapshot(), &facts, free_bytes(self.dataset.root()).ok());
        if let Err(error) = replace_text(&self.path, &text) {
            tracing::warn!(path = %self.path.display(), %error, "the metrics cannot be written");
        }
    }

    /// Replaces the file at the end of the run, when pruning is over as well.
    ///
    /// # Errors
    /// The disk's error.
    pub(crate) fn finish(&self, store: &Store) -> Result<(), Error> {
        let facts = DatasetFacts::of(store)?;
        *self.facts() = facts;
        self.write();
        Ok(())
    }
}

impl Listener for Metrics {
    fn event(&self, event: &Event<'_>) {
        if let Event::Committed { record, .. } = event {
            self.facts().parts += record.parts.iter().map(|part| part.bytes).sum::<u64>();
        }
        if matches!(event, Event::Started { .. } | Event::Committed { .. }) {
            self.write();
        }
    }
}

/// A metric of the whole run: name, kind, help, value.
type Metric = (&'static str, &'static str, &'static str, fn(&Report) -> f64);

const METRICS: &[Metric] = &[
    ("running", "gauge", "1 while the run lasts.", |r| flag(r.state == "running")),
    ("failed", "gauge", "1 when the disk failed, or was full.", |r| flag(r.state == "failed")),
    ("complete", "gauge", "1 when the pass is over with nothing missing.", |r| flag(r.state == "complete")),
    ("pass", "gauge", "The pass worked on.", |r| r.pass as f64),
    ("began_timestamp_seconds", "gauge", "Time at which the run began.", |r| r.began_at.as_second() as f64),
    ("written_timestamp_seconds", "gauge", "Time at which these numbers were written.", |r| {
        r.written_at.as_second() as f64
    }),
    ("allowed_requests_per_second", "gauge", "Requests per second that the crawl file allows.", |r| r.rate.asked),
    ("requests_total", "counter", "Requests sent in this run, retries included.", |r| r.traffic.requests as f64),
    ("retries_total", "counter", "Requests that had to be sent again.", |r| r.traffic.retries as f64),
    ("pauses_total", "counter", "Pauses because the server asked to slow down.", |r| r.traffic.pauses as f64),
    ("received_bytes_total", "counter", "Bytes of bodies as received.", |r| r.traffic.bytes_received as f64),
    ("repairs_total", "counter", "Control bytes and broken escapes repaired.", |r| r.traffic.repairs as f64),
    ("commits_total", "counter", "Commits made.", |r| r.commits as f64),
    ("doubts", "gauge", "Doubts about completeness, known at the end.", |r| r.findings.doubts.len() as f64),
];

/// A metric of each walk: name, help, value.
type WalkMetric = (&'static str, &'static str, fn(&WalkReport) -> u64);

const WALK_METRICS: &[WalkMetric] = &[
    ("walk_pages", "Pages of the pass taken.", |walk| walk.state.pages),
    ("walk_items", "Items on them.", |walk| walk.state.items),
    ("walk_rejects", "Items that no table could take.", |walk| walk.state.rejects),
    ("walk_over", "1 when the walk is over.", |walk| u64::from(walk.state.end.is_some())),
];

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

/// A metric of the dataset: name, help, value.
type DatasetMetric = (&'static str, &'static str, fn(&DatasetFacts) -> f64);

const DATASET_METRICS: &[DatasetMetric] = &[
    (
        "last_complete_timestamp_seconds",
        "End of the last pass that was over with nothing missing; 0 before the first.",
        |facts| seconds(facts.last_complete),
    ),
    ("last_snapshot_timestamp_seconds", "Time of the newest snapshot; 0 before the first.", |facts| {
        seconds(facts.last_snapshot)
    }),
    ("dataset_bytes", "Bytes of all parts and of the newest snapshot.", |facts| (facts.parts + facts.snapshot) as f64),
];

fn seconds(at: Option<Timestamp>) -> f64 {
    at.map_or(0.0, |at| at.as_second() as f64)
}

/// Returns the metrics in Prometheus' text format. The free bytes of the dataset's disk are left out if they are not known.
fn text(report: &Report, facts: &DatasetFacts, free: Option<u64>) -> String {
    let mut page = Page { text: String::new(), crawl: quoted(&report.crawl) };
    for (name, kind, help, value) in METRICS {
        page.family(name, kind, help, [(String::new(), value(report))]);
    }
    for (name, help, value) in DATASET_METRICS {
        page.family(name, "gauge", help, [(String::new(), value(facts))]);
    }
    let free = free.map(|free| (String::new(), free as f64));
    page.family("free_bytes", "gauge", "Bytes that the dataset's disk has left.", free);
    let answers = report.traffic.statuses.iter().map(|(status, n)| (format!("status=\"{status}\""), *n as f64));
    page.family("answers_total", "counter", "Answers by HTTP status.", answers);
    let rows = report.rows.iter().map(|(table, n)| (format!("table=\"{}\"", quoted(table)), *n as f64));
    page.family("rows_total", "counter", "Rows made durable.", rows);
    for (name, help, value) in WALK_METRICS {
        let walks = report.walks.iter().map(|(name, walk)| (format!("walk=\"{}\"", quoted(name)), value(walk) as f64));
        page.family(name, "gauge", help, walks);
    }
    page.text
}

/// The text under construction.
struct Page {
    text: String,
    crawl: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: impl IntoIterator<Item = (String, f64)>) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "# HELP civitrawl_{name} {help}\n# TYPE civitrawl_{name} {kind}\n");
        for (labels, value) in samples {
            let comma = if labels.is_empty() { "" } else { "," };
            let _ = writeln!(self.text, "civitrawl_{name}{{crawl=\"{}\"{comma}{labels}}} {value}", self.crawl);
        }
    }
}

/// Returns a label's value, escaped.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
