//! Metrics of a run as Prometheus text for node_exporter's textfile collector. The file is written when the run begins, at
//! every commit and at the end.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Report, ReportBuilder, WalkReport};
use crate::engine::events::{Event, Listener};
use crate::storage::replace_text;

/// Writes the metrics of a run to a file.
pub(crate) struct Metrics {
    path: PathBuf,
    report_builder: Arc<ReportBuilder>,
}

impl Metrics {
    pub(crate) fn new(path: PathBuf, report_builder: Arc<ReportBuilder>) -> Self {
        Self { path, report_builder }
    }

    /// Replaces the file. When that fails, a warning is logged and the run continues.
    pub(crate) fn write(&self) {
        if let Err(error) = replace_text(&self.path, &text(&self.report_builder.snapshot())) {
            tracing::warn!(path = %self.path.display(), %error, "the metrics cannot be written");
        }
    }
}

impl Listener for Metrics {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Started { .. } | Event::Committed { .. }) {
            self.write();
        }
    }
}

/// A metric of the whole run: name, kind, help, value.
type Metric = (&'static str, &'static str, &'static str, fn(&Report) -> f64);

const METRICS: &[Metric] = &[
    ("running", "gauge", "1 while the run lasts.", |r| flag(r.state == "running")),
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

/// Returns the metrics in Prometheus' text format.
fn text(report: &Report) -> String {
    let mut page = Page { text: String::new(), crawl: quoted(&report.crawl) };
    for (name, kind, help, value) in METRICS {
        page.family(name, kind, help, [(String::new(), value(report))]);
    }
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
