//! What the records of a dataset say, taken together: the parts there are, how every pass went, where the last one stands. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::commit::{Part, PrunedPart, Record, WalkState, fingerprint};

/// At least so many records lie between two full ones.
pub const FULL_EVERY: u64 = 100;
/// Parts and cursors a full record may restate for each record since the last full one: bounds what restating costs a commit.
const RESTATED_PER_RECORD: u64 = 32;

/// Fingerprints of the cursors met in a pass, by walk and partition.
pub type SeenCursors = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// All records of a dataset in one.
///
/// A full record carries the manifest of all records before it, so that a chain may begin there: see [`Record::before`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The last record; `None` in a dataset without commits. What it carried is here, and not repeated in it.
    #[serde(skip)]
    pub last: Option<Record>,
    /// The commit of the last full record; 0 before the first one.
    #[serde(skip)]
    pub full: u64,
    /// The parts there are, by the commit that added them.
    pub parts: BTreeMap<u64, Vec<Part>>,
    /// How every pass went, by its number.
    pub passes: BTreeMap<u64, PassSummary>,
    /// The definitions of all passes, each once, by their fingerprint.
    pub definitions: BTreeMap<String, Value>,
    /// The last commit a part of which was removed because a snapshot holds its rows; 0 when none was.
    #[serde(default)]
    pub absorbed: u64,
    /// The last commit that put parts in the place of others; 0 when none did.
    #[serde(default)]
    pub replaced: u64,
    /// Cursors met in the last pass by the partitions that are not over.
    pub seen_cursors: SeenCursors,
}

/// How a pass went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassSummary {
    /// The fingerprint of its definition: see [`Manifest::definition`].
    pub definition: String,
    /// When the record was made in which all its walks were over; `None` while one is not, and for ever when it was given up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<jiff::Timestamp>,
    /// Where its walks stood in its last record, by name; of partitions that are not over only what tells their pages, of unknown
    /// keys nothing.
    pub walks: BTreeMap<String, WalkState>,
}

impl PassSummary {
    /// Whether all its walks are over and no row is missing, as far as anybody can tell.
    pub fn is_complete(&self) -> bool {
        self.ended_at.is_some() && !self.walks.values().any(WalkState::is_doubtful)
    }
}

impl Manifest {
    /// Takes in the next record, and gives it back without what it carried.
    pub fn add(&mut self, mut record: Record) -> &Record {
        if let Some(before) = record.before.take() {
            *self = Self { full: record.commit, ..*before };
        }
        for pruned in &record.pruned {
            self.drop_part(pruned);
            match record.parts.is_empty() {
                true => self.absorbed = self.absorbed.max(pruned.name.commit),
                false => self.replaced = record.commit,
            }
        }
        if !record.parts.is_empty() {
            self.parts.entry(record.commit).or_default().extend(record.parts.iter().cloned());
        }
        self.add_pass(&record);
        self.add_seen_cursors(&record);
        self.last.insert(record)
    }

    fn drop_part(&mut self, pruned: &PrunedPart) {
        let commit = pruned.name.commit;
        let Some(parts) = self.parts.get_mut(&commit) else { return };
        parts.retain(|part| part.table != pruned.table || part.name != pruned.name);
        if parts.is_empty() {
            self.parts.remove(&commit);
        }
    }

    fn add_pass(&mut self, record: &Record) {
        let definition = fingerprint(&record.definition.to_string());
        self.definitions.entry(definition.clone()).or_insert_with(|| record.definition.clone());
        let mut walks = record.walks.clone();
        walks.values_mut().for_each(|walk| walk.unknown.clear());
        for partition in walks.values_mut().flat_map(|walk| walk.partitions.values_mut()) {
            (partition.new_cursors, partition.tail, partition.novelty) = Default::default();
        }
        let ended_before = self.passes.get(&record.pass).and_then(|pass| pass.ended_at);
        let ended_at = ended_before.or_else(|| record.is_pass_over().then_some(record.at));
        self.passes.insert(record.pass, PassSummary { definition, ended_at, walks });
    }

    fn add_seen_cursors(&mut self, record: &Record) {
        // Partitioning that are over meet no more cursors, nor do those of a pass that is left behind.
        if self.last_pass() != record.pass {
            self.seen_cursors.clear();
        }
        self.seen_cursors.retain(|walk, partitions| {
            let open = record.walks.get(walk).map(|walk| &walk.partitions);
            partitions.retain(|key, _| open.is_some_and(|open| open.contains_key(key)));
            !partitions.is_empty()
        });
        for (name, walk) in &record.walks {
            for (key, partition) in walk.partitions.iter().filter(|(_, partition)| !partition.new_cursors.is_empty()) {
                let met = self.seen_cursors.entry(name.clone()).or_default().entry(key.clone()).or_default();
                met.extend(partition.new_cursors.iter().cloned());
            }
        }
    }

    /// The number of the last commit; 0 before the first.
    pub fn last_commit(&self) -> u64 {
        self.last.as_ref().map_or(0, |record| record.commit)
    }

    /// The number of the last pass that made a commit; 0 before the first.
    pub fn last_pass(&self) -> u64 {
        self.passes.last_key_value().map_or(0, |(pass, _)| *pass)
    }

    /// What decided which rows a pass got.
    pub fn definition(&self, pass: u64) -> Option<&Value> {
        self.definitions.get(&self.passes.get(&pass)?.definition)
    }

    /// The parts there are, in the order of their commits.
    pub fn live_parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.values().flatten()
    }

    /// Whether this part is there.
    pub fn has(&self, part: &PrunedPart) -> bool {
        let same = |there: &Part| there.table == part.table && there.name == part.name;
        self.parts.get(&part.name.commit).is_some_and(|parts| parts.iter().any(same))
    }

    /// Whether the next record should be a full one: the records since the last one are many, and enough to share its cost.
    pub fn is_full_due(&self, full_every: u64) -> bool {
        let since = self.last_commit() + 1 - self.full;
        let cursors = self.seen_cursors.values().flat_map(BTreeMap::values).map(BTreeSet::len);
        let restated: usize = self.parts.values().map(Vec::len).chain(cursors).sum();
        since >= full_every.max(restated as u64 / RESTATED_PER_RECORD)
    }
}

#[cfg(test)]
mod tests;
