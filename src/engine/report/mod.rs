//! The run's report. Counts events while the run lasts; its file is written at every commit.

pub mod completeness;
pub(super) mod creator_totals;
pub(super) mod metrics;
pub mod notes;
pub(super) mod verdict;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::Outcome;
use super::events::{Event, Listener};
use super::pass::Pass;
use crate::dataset::commit::WalkState;
use crate::dataset::layout::RunId;
use crate::dataset::snapshot::Inventory;
use crate::fetch;

/// A run in numbers and sentences; the content of `runs/<run>.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The run.
    pub run: RunId,
    /// The crawl.
    pub crawl: String,
    /// The version of civitrawl.
    pub version: &'static str,
    /// When it began.
    pub began_at: Timestamp,
    /// When this report was written.
    pub written_at: Timestamp,
    /// Seconds between the two, by a monotonic clock.
    pub took_s: f64,
    /// The pass it worked on.
    pub pass: u64,
    /// True when an earlier run began that pass.
    pub resumed: bool,
    /// `running`, and at the end `complete`, `doubtful`, `stopped` or `failed`. It stays `running` when the run was killed, or
    /// failed where no report can be written.
    pub state: &'static str,
    /// Why it stopped or failed.
    pub reason: Option<String>,
    /// Requests and answers.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Commits made.
    pub commits: u64,
    /// Rows made durable, by table.
    pub rows: BTreeMap<String, u64>,
    /// Requests per second.
    pub rate: Rate,
    /// The snapshot taken when the pass was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotReport>,
    /// Bytes of the parts that were removed behind it.
    pub pruned_bytes: u64,
    /// Doubts, notes and the pages at which the next run continues; empty until the run ends.
    #[serde(flatten)]
    pub findings: Findings,
    /// Each walk of the pass as the last commit recorded it.
    pub walks: BTreeMap<String, WalkReport>,
}

/// Requests and answers of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Traffic {
    /// Requests sent, retries included.
    pub requests: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that had to be sent again.
    pub retries: u64,
    /// Pauses of all requests because the server asked to slow down.
    pub pauses: u64,
    /// Bytes of bodies as received.
    pub bytes_received: u64,
    /// Bytes of the bodies of pages taken, after decompression.
    pub bytes_read: u64,
    /// Raw control bytes and broken escapes repaired.
    pub repairs: u64,
}

/// Sentences about a pass, a list for each kind.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Findings {
    /// Rows that are missing, or may be.
    pub doubts: Vec<String>,
    /// Pages at which the next run continues.
    pub waiting: Vec<String>,
    /// Facts that are no doubts: shares of levels, totals the server reports, rows that came late.
    pub notes: Vec<String>,
    /// Words that the server lists for the first time, or no longer: model types, base models, file types.
    pub words: Vec<String>,
    /// Keys that no column takes.
    pub unknown_keys: Vec<String>,
}

/// Requests per second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rate {
    /// The crawl file's limit.
    pub asked: f64,
    /// The average of the run.
    pub achieved: f64,
}

/// The snapshot that a run took; `snapshot.json` in its directory has the details.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotReport {
    /// Its number.
    pub number: u64,
    /// The files that were written for it.
    pub rewritten: Vec<String>,
    /// The files that are the same as in the snapshot before.
    pub taken_over: Vec<String>,
    /// The size of all files.
    pub bytes: u64,
    /// Seconds it took to make.
    pub seconds: f64,
}

/// A walk's part of the report.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WalkReport {
    /// Its state in the last commit, without open partitions and ids to look up.
    #[serde(flatten)]
    pub state: WalkState,
    /// Why it stopped in this run; `None` when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<String>,
}

impl SnapshotReport {
    fn of(inventory: &Inventory, took: Duration) -> Self {
        let names = |rewritten: bool| {
            let tables = inventory.tables().into_iter().filter(|table| (table.rewritten > 0) == rewritten);
            tables.map(|table| table.name).collect()
        };
        Self {
            number: inventory.snapshot,
            rewritten: names(true),
            taken_over: names(false),
            bytes: inventory.bytes(),
            seconds: took.as_secs_f64(),
        }
    }
}

/// Counts events into a [`Report`].
#[derive(Debug)]
pub struct ReportBuilder {
    report: Mutex<Report>,
    began: Instant,
}

impl ReportBuilder {
    /// Returns the builder of a run that begins now; `asked` is the crawl file's limit in requests per second.
    pub fn new(run: RunId, crawl: &str, pass: &Pass, asked: f64) -> Self {
        let began_at = Timestamp::now();
        let walks = pass.walks.iter().map(|(name, walk)| (name.clone(), WalkReport::of(walk)));
        let report = Report {
            run,
            crawl: crawl.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            began_at,
            written_at: began_at,
            took_s: 0.0,
            pass: pass.number,
            resumed: pass.resumed,
            state: "running",
            reason: None,
            traffic: Traffic::default(),
            commits: 0,
            rows: BTreeMap::new(),
            rate: Rate { asked, achieved: 0.0 },
            snapshot: None,
            pruned_bytes: 0,
            findings: Findings::default(),
            walks: walks.collect(),
        };
        Self { report: Mutex::new(report), began: Instant::now() }
    }

    /// Returns the report as of now.
    pub fn snapshot(&self) -> Report {
        let mut report = self.lock();
        report.written_at = Timestamp::now();
        report.took_s = self.began.elapsed().as_secs_f64();
        let requests = report.traffic.requests as f64;
        report.rate.achieved = if report.took_s > 0.0 { requests / report.took_s } else { 0.0 };
        report.clone()
    }

    /// Returns the report as of now, as the text of its file.
    pub fn report(&self) -> String {
        // Every field has a JSON form.
        serde_json::to_string_pretty(&self.snapshot()).unwrap_or_default() + "\n"
    }

    /// Records the outcome of the run.
    pub fn conclude(&self, outcome: &Outcome) {
        let mut report = self.lock();
        (report.state, report.reason) = (outcome.state(), outcome.reason());
    }

    /// Records that the run failed.
    pub fn fail(&self, reason: String) {
        let mut report = self.lock();
        (report.state, report.reason) = ("failed", Some(reason));
    }

    /// Records the sentences about the pass.
    pub fn close(&self, findings: Findings) {
        self.lock().findings = findings;
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WalkReport {
    fn of(walk: &WalkState) -> Self {
        let (partitions, done_beyond) = (BTreeMap::new(), Vec::new());
        let (without_versions, missing_versions) = (BTreeSet::new(), BTreeSet::new());
        let state =
            WalkState { partitions, done_beyond, without_versions, missing_versions, boundary: None, ..walk.clone() };
        Self { state, unfinished: None }
    }
}

impl Listener for ReportBuilder {
    fn event(&self, event: &Event<'_>) {
        let mut report = self.lock();
        let traffic = &mut report.traffic;
        match event {
            Event::Fetch { event, .. } => match event {
                fetch::Event::Sent { .. } => traffic.requests += 1,
                fetch::Event::Answered { status, bytes, .. } => {
                    *traffic.statuses.entry(*status).or_default() += 1;
                    traffic.bytes_received += bytes;
                }
                fetch::Event::Retrying { .. } => traffic.retries += 1,
                fetch::Event::Throttled { .. } => traffic.pauses += 1,
                fetch::Event::Recovered { .. } => {}
            },
            Event::Page { repairs, bytes, .. } => {
                traffic.repairs += u64::from(*repairs);
                traffic.bytes_read += bytes;
            }
            Event::WalkStopped { walk, reason } => {
                report.walks.entry((*walk).to_owned()).or_default().unfinished = Some((*reason).to_owned());
            }
            Event::Committed { record, .. } => {
                report.commits += 1;
                for part in &record.parts {
                    *report.rows.entry(part.table.name.to_owned()).or_default() += part.rows;
                }
                for (name, walk) in &record.walks {
                    let unfinished = report.walks.remove(name).and_then(|walk| walk.unfinished);
                    report.walks.insert(name.clone(), WalkReport { unfinished, ..WalkReport::of(walk) });
                }
            }
            Event::SnapshotTaken { inventory, took } => report.snapshot = Some(SnapshotReport::of(inventory, *took)),
            Event::Pruned { bytes } => report.pruned_bytes = *bytes,
            Event::Started { .. }
            | Event::WalkStarted { .. }
            | Event::ValuesLeft { .. }
            | Event::GivenUp { .. }
            | Event::Smaller { .. }
            | Event::WalkEnded { .. } => {}
        }
    }
}
