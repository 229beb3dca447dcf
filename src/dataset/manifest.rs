//! All records of a dataset in one: its history and its last record. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::commit::Record;
use super::history::{History, Part, PrunedPart};
pub use super::history::{PassSummary, SeenCursors};

/// At least so many records lie between two full ones.
pub const FULL_EVERY: u64 = 100;
/// Parts and cursors a full record may restate for each record since the last full one: bounds what restating costs a commit.
const RESTATED_PER_RECORD: u64 = 32;

/// All records of a dataset in one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// The last record, without [`Record::before`]; `None` in a dataset without commits.
    pub last: Option<Record>,
    /// The commit of the last full record; 0 before the first.
    pub full: u64,
    /// Everything that the records say together.
    pub history: History,
}

impl Manifest {
    /// Adds the next record. Returns it without [`Record::before`].
    pub fn add(&mut self, mut record: Record) -> &Record {
        if let Some(before) = record.before.take() {
            (self.full, self.history) = (record.commit, *before);
        }
        let ended_at = record.is_pass_over().then_some(record.at);
        self.history.add_parts(record.commit, &record.parts, &record.pruned);
        self.history.add_pass(record.pass, &record.definition, &record.walks, ended_at);
        self.history.add_seen_cursors(record.pass, &record.walks);
        self.last.insert(record)
    }

    /// Returns the number of the last commit; 0 before the first.
    pub fn last_commit(&self) -> u64 {
        self.last.as_ref().map_or(0, |record| record.commit)
    }

    /// Returns the number of the last pass that made a commit; 0 before the first.
    pub fn last_pass(&self) -> u64 {
        self.history.last_pass()
    }

    /// Returns the definition of a pass, which decided its rows.
    pub fn definition(&self, pass: u64) -> Option<&Value> {
        self.history.definitions.get(&self.history.passes.get(&pass)?.definition)
    }

    /// Returns the parts there are, in the order of their commits.
    pub fn live_parts(&self) -> impl Iterator<Item = &Part> {
        self.history.parts.values().flatten()
    }

    /// True if this part is there.
    pub fn has(&self, part: &PrunedPart) -> bool {
        let same = |there: &Part| there.table.name == part.table && there.name == part.name;
        self.history.parts.get(&part.name.commit).is_some_and(|parts| parts.iter().any(same))
    }

    /// True if the next record should be a full one: enough records follow the last full one to share its cost.
    pub fn is_full_due(&self, full_every: u64) -> bool {
        let since = self.last_commit() + 1 - self.full;
        let cursors = self.history.seen_cursors.values().flat_map(BTreeMap::values).map(BTreeSet::len);
        let restated: usize = self.history.parts.values().map(Vec::len).chain(cursors).sum();
        since >= full_every.max(restated as u64 / RESTATED_PER_RECORD)
    }
}

#[cfg(test)]
mod tests;
