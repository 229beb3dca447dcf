//! A run in numbers, as Prometheus text for node_exporter's textfile collector: written when the run begins, at every commit
//! and at its end.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Report, ReportBuilder};
use crate::engine::events::{Event, Listener};
use crate::storage::replace_text;

/// Writes the numbers of a run to a file.
pub(crate) struct Metrics {
    path: PathBuf,
    report_builder: Arc<ReportBuilder>,
}

impl Metrics {
    pub(crate) fn new(path: PathBuf, report_builder: Arc<ReportBuilder>) -> Self {
        Self { path, report_builder }
    }

    /// Replaces the file. One that cannot be written is told of, and stops nothing.
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

/// The numbers in Prometheus' text format.
fn text(report: &Report) -> String {
    let mut page = Page { text: String::new(), crawl: quoted(&report.crawl) };
    let running = u64::from(report.state == "running");
    page.family("running", "gauge", "Whether the run is under way.", [("", running as f64)]);
    page.family(
        "complete",
        "gauge",
        "Whether the pass is over with nothing missing.",
        [("", f64::from(u8::from(report.state == "complete")))],
    );
    page.family("pass", "gauge", "The pass worked on.", [("", report.pass as f64)]);
    page.family("began_timestamp_seconds", "gauge", "When the run began.", [("", report.began_at.as_second() as f64)]);
    page.family(
        "written_timestamp_seconds",
        "gauge",
        "When these numbers were written.",
        [("", report.written_at.as_second() as f64)],
    );
    page.family(
        "allowed_requests_per_second",
        "gauge",
        "Requests per second that the crawl file allows.",
        [("", report.rate.request)],
    );
    page.family(
        "requests_total",
        "counter",
        "Requests sent in this run, retries included.",
        [("", report.requests as f64)],
    );
    page.family("retries_total", "counter", "Requests that had to be sent again.", [("", report.retries as f64)]);
    page.family(
        "pauses_total",
        "counter",
        "Times that everybody waited because the server request for it.",
        [("", report.pauses as f64)],
    );
    page.family(
        "received_bytes_total",
        "counter",
        "Bytes of bodies as received.",
        [("", report.bytes_received as f64)],
    );
    page.family(
        "repairs_total",
        "counter",
        "Control bytes and broken escapes repaired.",
        [("", report.repairs as f64)],
    );
    page.family("commits_total", "counter", "Commits made.", [("", report.commits as f64)]);
    page.family("doubts", "gauge", "Things that may be missing, told at the end.", [("", report.doubts.len() as f64)]);
    let answers = report.statuses.iter().map(|(status, n)| (format!("status=\"{status}\""), *n as f64));
    page.family("answers_total", "counter", "Answers by HTTP status.", answers);
    let rows = report.rows.iter().map(|(table, n)| (format!("table=\"{}\"", quoted(table)), *n as f64));
    page.family("rows_total", "counter", "Rows made durable.", rows);
    let of_walks = |number: fn(&crate::dataset::commit::WalkState) -> u64| {
        report
            .walks
            .iter()
            .map(move |(walk, state)| (format!("walk=\"{}\"", quoted(walk)), number(&state.state) as f64))
    };
    page.family("walk_pages", "gauge", "Pages of the pass taken.", of_walks(|walk| walk.pages));
    page.family("walk_items", "gauge", "Items on them.", of_walks(|walk| walk.items));
    page.family("walk_rejects", "gauge", "Items that no table could take.", of_walks(|walk| walk.rejects));
    page.family("walk_over", "gauge", "Whether the walk is over.", of_walks(|walk| u64::from(walk.end.is_some())));
    page.text
}

/// The text in the making.
struct Page {
    text: String,
    crawl: String,
}

impl Page {
    fn family<L: AsRef<str>>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "# HELP civitrawl_{name} {help}\n# TYPE civitrawl_{name} {kind}\n");
        for (labels, value) in samples {
            let comma = if labels.as_ref().is_empty() { "" } else { "," };
            let _ =
                writeln!(self.text, "civitrawl_{name}{{crawl=\"{}\"{comma}{}}} {value}", self.crawl, labels.as_ref());
        }
    }
}

/// A label's value, escaped.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
