//! The state of a dataset, by its lock, its records, the report of its last run and its newest snapshot.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::dataset::Error;
use crate::dataset::commit::{Record, WalkState};
use crate::dataset::layout::{Layout, RunId};
use crate::dataset::manifest::Manifest;
use crate::dataset::read::read_manifest;
use crate::dataset::snapshot::{Inventory, State};
use crate::dataset::snapshot_reader::SnapshotReader;
use crate::dataset::store::holder;
use crate::engine::report::completeness::missing_from;
use crate::storage::{Disk, Holder, Storage as _, free_bytes};

/// The state of a dataset.
pub(super) struct Standing {
    pub(super) manifest: Manifest,
    pub(super) last: Record,
    /// The last run, which may have made no commit.
    pub(super) run: RunId,
    /// Its report; null if there is none, or it cannot be read.
    pub(super) report: Value,
    pub(super) lock: Lock,
    /// The newest snapshot; `None` if there is none.
    pub(super) snapshot: Result<Option<Inventory>, Error>,
    /// The bytes that the disk has left, if that can be known.
    pub(super) free_bytes: Option<u64>,
}

/// The state of the dataset's lock.
pub(super) enum Lock {
    /// No process writes to the dataset.
    Free,
    /// A process does, and may be known.
    Held(Option<Holder>),
    /// It cannot be known, for this reason.
    Unknown(String),
}

/// The state of the last pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PassState {
    /// Over, and nothing is missing.
    Complete,
    /// Over, but rows are missing, or may be.
    Doubtful,
    /// A walk or the snapshot is left to the next run.
    Unfinished,
}

impl PassState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Doubtful => "doubtful",
            Self::Unfinished => "unfinished",
        }
    }
}

impl Standing {
    /// Reads the state of a dataset, also while a crawl writes to it.
    ///
    /// # Errors
    /// [`Error::Absent`]; [`Error::Damaged`]; [`Error::Disk`].
    pub(super) fn of(layout: &Layout) -> Result<Self, Error> {
        let seen = Self::read(layout)?;
        // A run may have begun since the lock was looked at.
        if seen.run_state() == Some("killed") { Self::read(layout) } else { Ok(seen) }
    }

    fn read(layout: &Layout) -> Result<Self, Error> {
        // First of all: what a run wrote before it let go of the lock is read below.
        let lock = match holder(layout) {
            Ok(None) => Lock::Free,
            Ok(Some(holder)) => Lock::Held(holder),
            Err(error) => Lock::Unknown(error.to_string()),
        };
        let mut manifest = read_manifest(layout, &Disk)?;
        let last = manifest.last.take().ok_or_else(|| Error::Absent { dataset: layout.root().to_owned() })?;
        let (run, report) = last_run(layout, &last);
        let snapshot = SnapshotReader::newest(layout, &Disk).map(|taken| taken.map(|taken| taken.inventory));
        Ok(Self { manifest, last, run, report, lock, snapshot, free_bytes: free_bytes(layout.root()).ok() })
    }

    /// Returns the state of the last run: `running`, `complete`, `doubtful`, `stopped`, `failed`, or `killed` if it ended otherwise; `None`
    /// if it has no report.
    pub(super) fn run_state(&self) -> Option<&str> {
        match self.report["state"].as_str() {
            // A run writes its first report behind its first commit.
            None => matches!(self.lock, Lock::Held(_)).then_some("running"),
            Some("running") if self.is_left() => Some("killed"),
            state => state,
        }
    }

    /// True if no process writes to the dataset, or only one that began after the last commit's run.
    fn is_left(&self) -> bool {
        let began: Option<Timestamp> = self.report["began_at"].as_str().and_then(|at| at.parse().ok());
        match &self.lock {
            Lock::Free => true,
            Lock::Held(Some(holder)) => began.is_some_and(|began| holder.since > began),
            Lock::Held(None) | Lock::Unknown(_) => false,
        }
    }

    /// Returns the state of the last pass.
    pub(super) fn pass_state(&self) -> PassState {
        let is_doubtful = || self.last.walks.values().any(WalkState::is_doubtful);
        let is_taken = |taken: &Inventory| taken.pass == self.last.pass && taken.state != State::Unfinished;
        match self.run_state() {
            _ if !self.last.is_pass_over() => PassState::Unfinished,
            Some("complete") => PassState::Complete,
            Some("doubtful") => PassState::Doubtful,
            Some(_) if !matches!(&self.snapshot, Ok(Some(taken)) if is_taken(taken)) => PassState::Unfinished,
            _ if is_doubtful() => PassState::Doubtful,
            _ => PassState::Complete,
        }
    }

    /// Returns the doubts of the last run if it has ended, else those of the record.
    pub(super) fn doubts(&self) -> Vec<String> {
        let doubts = sentences(&self.report, "doubts");
        if doubts.is_empty() { missing_from(&self.last.walks) } else { doubts }
    }

    /// Returns the number of commits with rows that a snapshot lacks.
    pub(super) fn newer_commits(&self, taken: &Inventory) -> u64 {
        self.manifest.history.parts.range(taken.commit + 1..).count() as u64
    }

    /// Returns the bytes of all parts and of the newest snapshot.
    pub(super) fn dataset_bytes(&self) -> u64 {
        let snapshot = self.snapshot.as_ref().ok().and_then(Option::as_ref).map_or(0, Inventory::bytes);
        self.manifest.history.bytes() + snapshot
    }
}

/// The parts of a table together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) rows: u64,
    pub(super) parts: u64,
    pub(super) bytes: u64,
}

/// Returns the sums over the parts of each table that has any.
pub(super) fn sums(manifest: &Manifest) -> BTreeMap<&str, Sum> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for part in manifest.live_parts() {
        let sum = sums.entry(part.table.name).or_default();
        *sum = Sum { rows: sum.rows + part.rows, parts: sum.parts + 1, bytes: sum.bytes + part.bytes };
    }
    sums
}

/// Returns the last run and its report: that of the last commit, or one that began later and made none.
fn last_run(layout: &Layout, last: &Record) -> (RunId, Value) {
    let report = |run: &RunId| -> Value {
        let report = Disk.read(&layout.report(run)).unwrap_or_default();
        serde_json::from_slice(&report).unwrap_or_default()
    };
    let reports = Disk.list(&layout.runs()).unwrap_or_default();
    let runs = reports.iter().filter_map(|file| RunId::try_from(file.name.strip_suffix(".json")?.to_owned()).ok());
    let recent = runs.filter(|run| last.run.second().is_some_and(|second| run.second() >= Some(second)));
    let recent = recent.map(|run| (report(&run), run));
    // Of another pass are runs from when the clock was wrong.
    let made_none = |report: &Value| report["commits"] == 0 && report["pass"].as_u64() >= Some(last.pass);
    let began = |report: &Value| -> Option<Timestamp> { report["began_at"].as_str()?.parse().ok() };
    let newest = recent.filter(|(report, run)| *run == last.run || made_none(report));
    let newest = newest.max_by_key(|(report, _)| began(report)).map(|(report, run)| (run, report));
    newest.unwrap_or_else(|| (last.run.clone(), report(&last.run)))
}

/// Returns a list of sentences of a report.
pub(super) fn sentences(report: &Value, key: &str) -> Vec<String> {
    report[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
