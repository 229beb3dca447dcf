//! The engine: a run from first page to last commit. It never prints; it reports to a [`events::Listener`].

use crate::dataset;
use crate::fetch;

mod clocks;
pub mod crawl;
pub mod events;
mod location;
pub mod pass;
pub mod replay;
pub mod report;
pub mod run;
mod snapshot;
mod walk;
mod writer;

/// An error that ends a run, or prevents it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dataset is in use or damaged, or the disk refuses.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// The dataset belongs to another crawl, or to another definition of this one.
    #[error(transparent)]
    Refused(#[from] pass::Refusal),
    /// The HTTP client could not be created.
    #[error(transparent)]
    Client(#[from] fetch::Error),
}

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every walk is over, and nothing is missing.
    Complete,
    /// Every walk is over, but rows are missing; the report names them.
    Doubtful,
    /// The run stopped early, for this reason; the next run continues.
    Stopped(String),
    /// The server wants another key; the next run continues.
    KeyRefused(String),
    /// The disk has less room than it has to keep; the next run continues.
    DiskLow(String),
}

impl Outcome {
    /// Returns true when every walk is over.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Complete | Self::Doubtful)
    }

    /// Returns its code in the report.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Doubtful => "doubtful",
            Self::Stopped(_) | Self::KeyRefused(_) | Self::DiskLow(_) => "stopped",
        }
    }

    /// Returns why the run stopped early; `None` if it did not.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Complete | Self::Doubtful => None,
            Self::Stopped(reason) | Self::KeyRefused(reason) | Self::DiskLow(reason) => Some(reason.clone()),
        }
    }
}
