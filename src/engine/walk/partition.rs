//! One sequence of pages to be walked, and how it leaves a run.

use std::sync::Arc;

use crate::dataset::commit::WalkState;
use crate::definition::{Partitioning, Walk};

/// How a partition, or a walk, left a run.
#[derive(Debug)]
pub(crate) enum Finish {
    /// It is over; the writer has the reason.
    Done,
    /// The server refused the cursor this program made for the beginning of the window.
    ForgedRefused,
    /// It goes on in a later run, for this reason.
    Unfinished(String),
    /// The server wants another key.
    KeyRefused(String),
    /// The writer cannot write any more; it has the reason.
    Halted,
}

/// One sequence of pages to be walked.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    pub(crate) walk: Arc<str>,
    pub(crate) partition: Arc<str>,
    pub(crate) params: Arc<[(String, String)]>,
    /// The id or hash looked up.
    pub(crate) key: Option<Arc<str>>,
    /// Pages it has.
    pub(crate) pages: u64,
    /// The cursor to send next.
    pub(crate) cursor: Option<String>,
    /// Whether to ask there for as many items as the server gives.
    pub(crate) larger: bool,
    /// Whether that cursor was made here.
    pub(crate) forged: bool,
    /// Whether its first page was read before: what a cache kept of it will not do.
    pub(crate) again: bool,
}

impl Partition {
    /// The partition of this key as the walk's state has it, with the walk's own parameters.
    pub(crate) fn new(walk: &Walk, name: &Arc<str>, key: &str, state: &WalkState) -> Self {
        let partition = state.partitions.get(key);
        Self {
            walk: Arc::clone(name),
            partition: key.into(),
            params: walk.params.as_slice().into(),
            key: None,
            pages: partition.map_or(0, |partition| partition.pages),
            cursor: partition.and_then(|partition| partition.cursor.clone()),
            larger: partition.is_some_and(|partition| partition.larger),
            forged: partition.is_some_and(|partition| partition.from.is_some()),
            again: false,
        }
    }
}

/// The key of the partition that a cursor walk begins with.
pub(crate) fn first_partition(partitions: &Partitioning) -> &'static str {
    match partitions {
        Partitioning::Windows { .. } => "1",
        Partitioning::One | Partitioning::Each(_) => "",
    }
}

impl Finish {
    /// What several partitions come to: the worst of how they left.
    pub(crate) fn worst(all: Vec<Self>) -> Self {
        let rank = |finish: &Self| match finish {
            Self::Done => 0,
            Self::ForgedRefused => 1,
            Self::Unfinished(_) => 2,
            Self::KeyRefused(_) => 3,
            Self::Halted => 4,
        };
        all.into_iter().max_by_key(rank).unwrap_or(Self::Done)
    }
}
