//! A probe: one fact about the server, and its judgement from answers. Pure.

use super::about::Needs;
use super::answers::Answers;
use super::finding::Judged;

/// A fact about the server that the crawler relies on.
#[derive(Debug)]
pub struct Probe {
    /// Its name: a letter for the group, and a number.
    pub id: &'static str,
    /// The fact, a clause: `Oldest loses no row between pages`.
    pub fact: &'static str,
    /// The files below `src/` that rely on it.
    pub relied_on: &'static [&'static str],
    /// The advice if it differs, a sentence.
    pub remedy: &'static str,
    /// The option without which it is not asked for.
    pub needs: Needs,
    /// Judges the answers that are known, or names the request that it needs.
    pub judge: fn(&Answers) -> Judged,
}
