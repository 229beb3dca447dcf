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
mod run;
mod snapshot;
mod walk;
mod writer;

/// Why a run could not begin, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dataset is held, damaged, or on a disk that refuses.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// The dataset is not this crawl's to write.
    #[error(transparent)]
    Refused(#[from] pass::Refusal),
    /// The client could not be made.
    #[error(transparent)]
    Client(#[from] fetch::Error),
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every walk is over and everything was had.
    Complete,
    /// Every walk is over, but rows are missing; the report names them.
    Doubtful,
    /// The run stopped early, for this reason; the next one goes on.
    Stopped(String),
    /// The server wants another key; the next run goes on.
    KeyRefused(String),
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
            Self::Stopped(_) | Self::KeyRefused(_) => "stopped",
        }
    }

    /// Why it is not more.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Complete | Self::Doubtful => None,
            Self::Stopped(reason) | Self::KeyRefused(reason) => Some(reason.clone()),
        }
    }
}
