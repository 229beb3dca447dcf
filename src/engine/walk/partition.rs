//! One sequence of pages to be walked, and how it leaves a run.

use std::sync::Arc;

use crate::dataset::commit::Walk as State;
use crate::definition::{Strands, Walk};

/// How a strand, or a walk, left a run.
#[derive(Debug)]
pub(crate) enum Left {
    /// It is over; the ledger has the reason.
    Over,
    /// The server refused the cursor this program made for the beginning of the window.
    ForgedRefused,
    /// It goes on in a later run, for this reason.
    Unfinished(String),
    /// The server wants another key.
    KeyRefused(String),
    /// The ledger cannot write any more; it has the reason.
    Halted,
}

/// One sequence of pages to be walked.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    pub(crate) walk: Arc<str>,
    pub(crate) strand: Arc<str>,
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

impl Thread {
    /// The strand of this key as the walk's state has it, with the walk's own parameters.
    pub(crate) fn new(walk: &Walk, name: &Arc<str>, key: &str, state: &State) -> Self {
        let strand = state.strands.get(key);
        Self {
            walk: Arc::clone(name),
            strand: key.into(),
            params: walk.params.as_slice().into(),
            key: None,
            pages: strand.map_or(0, |strand| strand.pages),
            cursor: strand.and_then(|strand| strand.cursor.clone()),
            larger: strand.is_some_and(|strand| strand.larger),
            forged: strand.is_some_and(|strand| strand.from.is_some()),
            again: false,
        }
    }
}

/// The key of the strand that a cursor walk begins with.
pub(crate) fn first_strand(strands: &Strands) -> &'static str {
    match strands {
        Strands::Windows { .. } => "1",
        Strands::One | Strands::Each(_) => "",
    }
}

impl Left {
    /// What several strands come to: the worst of how they left.
    pub(crate) fn worst(all: Vec<Self>) -> Self {
        let rank = |left: &Self| match left {
            Self::Over => 0,
            Self::ForgedRefused => 1,
            Self::Unfinished(_) => 2,
            Self::KeyRefused(_) => 3,
            Self::Halted => 4,
        };
        all.into_iter().max_by_key(rank).unwrap_or(Self::Over)
    }
}
