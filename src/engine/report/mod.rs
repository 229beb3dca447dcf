//! The run's report: counted from events while it runs, written beside the dataset at every commit.

pub(super) mod claims;
pub mod completeness;
pub(super) mod metrics;
pub mod notes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::Outcome;
use super::events::{Event, Listener};
use crate::dataset::commit::WalkState;
use crate::dataset::layout::RunId;
use crate::dataset::snapshot::{File, Inventory};

/// What a run did, as `runs/<run>.json` tells it.
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
    /// Seconds between the two, by a clock that nobody sets.
    pub took_s: f64,
    /// The pass it worked on.
    pub pass: u64,
    /// Whether an earlier run began that pass.
    pub resumed: bool,
    /// `running`, and at the end `complete`, `complete_with_doubts` or `stopped`. A run that was killed or failed says `running`.
    pub state: &'static str,
    /// Why it stopped.
    pub reason: Option<String>,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that had to be sent again.
    pub retries: u64,
    /// Times that everybody waited because the server asked for it.
    pub pauses: u64,
    /// Bytes of bodies as received.
    pub bytes_received: u64,
    /// Bytes of the bodies of pages taken, after decompression.
    pub bytes_read: u64,
    /// Raw control bytes and broken escapes repaired.
    pub repairs: u64,
    /// Commits made.
    pub commits: u64,
    /// Rows made durable, by table.
    pub rows: BTreeMap<String, u64>,
    /// Requests per second.
    pub rate: Rate,
    /// The snapshot taken when the pass was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotReport>,
    /// What may be missing, a sentence each; filled in at the end.
    pub doubts: Vec<String>,
    /// Where the next run goes on, a sentence each; filled in at the end.
    pub waiting: Vec<String>,
    /// What was seen beside what there is, a sentence each; filled in at the end.
    pub seen: Vec<String>,
    /// Keys that no column knows, a sentence each; filled in at the end.
    pub unknown: Vec<String>,
    /// Where each walk of the pass stood at the last commit.
    pub walks: BTreeMap<String, WalkReport>,
}

/// Requests per second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rate {
    /// What the crawl file allows.
    pub request: f64,
    /// What was sent, on average.
    pub achieved: f64,
}

/// The report's word on a snapshot; `snapshot.json` in its directory says the rest.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotReport {
    /// Its number.
    pub number: u64,
    /// The files that were written for it.
    pub rewritten: Vec<String>,
    /// The files that were taken over from the snapshot before.
    pub taken_over: Vec<String>,
    /// The size of all files.
    pub bytes: u64,
    /// How long making it took.
    pub seconds: f64,
}

/// A walk's part of the report.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WalkReport {
    /// Where it stands, as the last commit recorded it (open partitions left out).
    #[serde(flatten)]
    pub state: WalkState,
    /// Why it did not go on in this run, when it is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<String>,
}

impl SnapshotReport {
    fn of(inventory: &Inventory, took: Duration) -> Self {
        let names = |rewritten: bool| {
            let files = inventory.files.iter().filter(move |file| file.rewritten == rewritten);
            files.map(File::name).collect()
        };
        Self {
            number: inventory.snapshot,
            rewritten: names(true),
            taken_over: names(false),
            bytes: inventory.files.iter().map(|file| file.bytes).sum(),
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
    /// The tally of a run that begins now.
    pub fn new(
        run: RunId,
        crawl: &str,
        pass: u64,
        resumed: bool,
        request: f64,
        walks: &BTreeMap<String, WalkState>,
    ) -> Self {
        let began_at = Timestamp::now();
        let walks = walks.iter().map(|(name, walk)| (name.clone(), WalkReport::of(walk)));
        let report = Report {
            run,
            crawl: crawl.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            began_at,
            written_at: began_at,
            took_s: 0.0,
            pass,
            resumed,
            state: "running",
            reason: None,
            requests: 0,
            statuses: BTreeMap::new(),
            retries: 0,
            pauses: 0,
            bytes_received: 0,
            bytes_read: 0,
            repairs: 0,
            commits: 0,
            rows: BTreeMap::new(),
            rate: Rate { request, achieved: 0.0 },
            snapshot: None,
            doubts: Vec::new(),
            waiting: Vec::new(),
            seen: Vec::new(),
            unknown: Vec::new(),
            walks: walks.collect(),
        };
        Self { report: Mutex::new(report), began: Instant::now() }
    }

    /// The report as it stands.
    pub fn snapshot(&self) -> Report {
        let mut report = self.lock();
        report.written_at = Timestamp::now();
        report.took_s = self.began.elapsed().as_secs_f64();
        report.rate.achieved = if report.took_s > 0.0 { report.requests as f64 / report.took_s } else { 0.0 };
        report.clone()
    }

    /// The report as it stands, as the text of its file.
    pub fn report(&self) -> String {
        // Every field has a JSON form.
        serde_json::to_string_pretty(&self.snapshot()).unwrap_or_default() + "\n"
    }

    /// Notes what the run came to, as far as that can be told by now.
    pub fn conclude(&self, outcome: &Outcome) {
        let mut report = self.lock();
        (report.state, report.reason) = (outcome.state(), outcome.reason());
    }

    /// Notes what may be missing, where the next run goes on, what was seen, and what no column knows.
    pub fn close(&self, doubts: Vec<String>, waiting: Vec<String>, seen: Vec<String>, unknown: Vec<String>) {
        let mut report = self.lock();
        (report.doubts, report.waiting) = (doubts, waiting);
        (report.seen, report.unknown) = (seen, unknown);
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
        match event {
            Event::Sent { .. } => report.requests += 1,
            Event::Answered { status, bytes, .. } => {
                *report.statuses.entry(*status).or_default() += 1;
                report.bytes_received += bytes;
            }
            Event::Retrying { .. } => report.retries += 1,
            Event::Throttled { .. } => report.pauses += 1,
            Event::Page { repairs, bytes, .. } => {
                report.repairs += u64::from(*repairs);
                report.bytes_read += bytes;
            }
            Event::WalkStopped { walk, reason } => {
                report.walks.entry((*walk).to_owned()).or_default().unfinished = Some((*reason).to_owned());
            }
            Event::Committed { record, .. } => {
                report.commits += 1;
                for part in &record.parts {
                    *report.rows.entry(part.table.clone()).or_default() += part.rows;
                }
                for (name, walk) in &record.walks {
                    let unfinished = report.walks.remove(name).and_then(|walk| walk.unfinished);
                    report.walks.insert(name.clone(), WalkReport { unfinished, ..WalkReport::of(walk) });
                }
            }
            Event::SnapshotTaken { inventory, took } => report.snapshot = Some(SnapshotReport::of(inventory, *took)),
            Event::Started { .. }
            | Event::WalkStarted { .. }
            | Event::Recovered { .. }
            | Event::GivenUp { .. }
            | Event::Smaller { .. }
            | Event::WalkEnded { .. } => {}
        }
    }
}
