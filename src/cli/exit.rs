//! Exit codes: part of the interface, so that a scheduler can tell what to do next.

use std::process::ExitCode;

use crate::dataset;
use crate::engine::{self, Outcome};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything was done.
    Complete = 0,
    /// The arguments or the crawl file are wrong.
    Usage = 2,
    /// Stopped early; the next run goes on.
    Stopped = 3,
    /// Over, but rows are missing; the report names them.
    Doubtful = 4,
    /// The dataset is damaged.
    Damaged = 65,
    /// The disk refused, or stdout did.
    Disk = 74,
    /// Another crawl holds the dataset.
    Held = 75,
    /// The server refused the API key.
    Key = 77,
}

impl Exit {
    /// All of them, in order.
    pub(super) const ALL: [Self; 8] =
        [Self::Complete, Self::Usage, Self::Stopped, Self::Doubtful, Self::Damaged, Self::Disk, Self::Held, Self::Key];

    /// What it means, and what to do.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Usage => "the arguments or the crawl file are wrong",
            Self::Stopped => "stopped early (deadline, signal, page budget, server away): run it again to go on",
            Self::Doubtful => "over, but rows are missing, or things asked for by name are not there; each is named",
            Self::Damaged => "the dataset is damaged and was not touched; `verify` names the damage",
            Self::Disk => "the disk or stdout refused (full, read-only, failing); nothing committed was lost",
            Self::Held => "another crawl holds the dataset",
            Self::Key => "the server refused the API key",
        }
    }

    /// The part of the help that tells of all.
    pub(super) fn help() -> String {
        let lines = Self::ALL.iter().map(|exit| format!("  {:>2}  {}", *exit as u8, exit.meaning()));
        format!("Exit codes:\n{}", lines.collect::<Vec<_>>().join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&Outcome> for Exit {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Complete => Self::Complete,
            Outcome::Doubtful => Self::Doubtful,
            Outcome::Stopped(_) => Self::Stopped,
            Outcome::KeyRefused(_) => Self::Key,
        }
    }
}

impl From<&dataset::Error> for Exit {
    fn from(error: &dataset::Error) -> Self {
        match error {
            dataset::Error::Held { .. } => Self::Held,
            dataset::Error::Damaged { .. } => Self::Damaged,
            dataset::Error::Disk { .. } | dataset::Error::Cancelled => Self::Disk,
            dataset::Error::Absent { .. } | dataset::Error::Pruned { .. } => Self::Usage,
        }
    }
}

impl From<&engine::Error> for Exit {
    fn from(error: &engine::Error) -> Self {
        match error {
            engine::Error::Dataset(error) => error.into(),
            engine::Error::Refused(_) | engine::Error::Client(_) => Self::Usage,
        }
    }
}
