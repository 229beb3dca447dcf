//! One sequence of pages, and how it leaves a run.

use std::sync::Arc;

use super::context::Context;
use crate::dataset::commit::PartitionState;
use crate::definition::Walk;

/// The way in which a partition, or a walk, leaves a run.
#[derive(Debug)]
pub(crate) enum Finish {
    /// It is over; the writer has the reason.
    Done,
    /// The server refused the cursor that this program made for the beginning of the window.
    ForgedRefused,
    /// The server has no such endpoint, as this sentence says: nothing of the walk can be had in this pass.
    Absent(String),
    /// A later run continues it, for this reason.
    Unfinished(String),
    /// The server wants another key.
    KeyRefused(String),
    /// Nothing more can be written; the writer has the reason.
    Halted,
}

impl Finish {
    /// Returns the worst of several; [`Finish::Done`] of none.
    pub(super) fn worst(all: Vec<Self>) -> Self {
        let rank = |finish: &Self| match finish {
            Self::Done => 0,
            Self::ForgedRefused => 1,
            Self::Absent(_) => 2,
            Self::Unfinished(_) => 3,
            Self::KeyRefused(_) => 4,
            Self::Halted => 5,
        };
        all.into_iter().max_by_key(rank).unwrap_or(Self::Done)
    }
}

/// One sequence of pages being walked.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    pub(crate) walk: Arc<str>,
    pub(crate) partition: Arc<str>,
    pub(crate) params: Arc<[(String, String)]>,
    /// The id or hash looked up.
    pub(crate) key: Option<Arc<str>>,
    /// Pages taken.
    pub(crate) pages: u64,
    /// The cursor to send next.
    pub(crate) cursor: Option<String>,
    /// True when the next page is requested with the largest limit.
    pub(crate) larger: bool,
    /// True when this program made the cursor at which it begins.
    pub(crate) forged: bool,
    /// True when its first page was read before, so that a cached copy of it is not enough.
    pub(crate) again: bool,
}

impl Partition {
    /// A partition that has no pages, with the walk's own parameters.
    pub(crate) fn new(walk: &Walk, key: &str) -> Self {
        Self::at(walk, key, PartitionState::default())
    }

    /// A partition where the walk's progress has it.
    pub(crate) fn resume(walk: &Walk, key: &str, context: Context<'_>) -> Self {
        let state = context.writer.progress().walk(&walk.name).partition_state(key);
        Self::at(walk, key, state)
    }

    /// Begins a partition, or resumes it.
    pub(crate) fn begin(walk: &Walk, key: &str, context: Context<'_>) -> Self {
        {
            let mut progress = context.writer.progress();
            let progress = progress.walk(&walk.name);
            progress.begin(key, false);
            if let Some(windows) = walk.forges_first() {
                progress.enter(key, windows);
            }
        }
        Self::resume(walk, key, context)
    }

    /// Returns true while all its items are still behind the cursor that this program made, so that a refusal means that one.
    pub(super) fn is_at_forged(&self, context: Context<'_>) -> bool {
        self.forged && context.writer.progress().walk(&self.walk).partition_state(&self.partition).items == 0
    }

    fn at(walk: &Walk, key: &str, state: PartitionState) -> Self {
        Self {
            walk: walk.name.as_str().into(),
            partition: key.into(),
            params: walk.params.as_slice().into(),
            key: None,
            pages: state.pages,
            cursor: state.cursor,
            larger: state.larger,
            forged: state.from.is_some(),
            again: false,
        }
    }
}
