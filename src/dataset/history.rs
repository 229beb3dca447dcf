//! The history of a dataset: the parts there are and the state of every pass. A full record restates it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::layout::{FileHash, PartName, RunId};
use super::walk_state::WalkState;
use crate::table::Table;

/// Fingerprints of the cursors seen in a pass, by walk and partition.
pub type SeenCursors = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A part that a commit removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrunedPart {
    /// The table.
    pub table: String,
    /// The file name.
    pub name: PartName,
}

impl From<&Part> for PrunedPart {
    fn from(part: &Part) -> Self {
        Self { table: part.table.name.to_owned(), name: part.name.clone() }
    }
}

/// A part that a commit added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The table; in a file its name, which must be one that this version knows.
    pub table: &'static Table,
    /// The file name.
    pub name: PartName,
    /// The number of rows.
    pub rows: u64,
    /// The size in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of the file.
    pub hash: FileHash,
}

/// Everything that the records up to some commit say, apart from the last record itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The parts there are, by the commit that added them.
    #[serde(deserialize_with = "parts")]
    pub parts: BTreeMap<u64, Vec<Part>>,
    /// The state of every pass, by number.
    pub passes: BTreeMap<u64, PassSummary>,
    /// The definitions of all passes by fingerprint, each once.
    pub definitions: BTreeMap<String, Value>,
    /// The last commit that lost a part because a snapshot holds its rows; 0 if none did.
    #[serde(default)]
    pub absorbed: u64,
    /// The last commit whose parts replaced others; 0 if none did.
    #[serde(default)]
    pub replaced: u64,
    /// The cursors that the open partitions of the last pass have seen.
    pub seen_cursors: SeenCursors,
}

/// The state of a pass at its last record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassSummary {
    /// The fingerprint of its definition: see [`History::definitions`].
    pub definition: String,
    /// The end of the pass; `None` while it runs, or if it was given up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<jiff::Timestamp>,
    /// The walk states of its last record, by name, without unknown keys and without the recheck data of open partitions.
    pub walks: BTreeMap<String, WalkState>,
}

impl PassSummary {
    /// True if all its walks ended and no row is known to be missing.
    pub fn is_complete(&self) -> bool {
        self.ended_at.is_some() && !self.walks.values().any(WalkState::is_doubtful)
    }
}

impl History {
    /// Adds the parts of a commit and drops those it pruned.
    pub(super) fn add_parts(&mut self, commit: u64, added: &[Part], pruned: &[PrunedPart]) {
        for pruned in pruned {
            self.drop_part(pruned);
            match added.is_empty() {
                true => self.absorbed = self.absorbed.max(pruned.name.commit),
                false => self.replaced = commit,
            }
        }
        if !added.is_empty() {
            self.parts.entry(commit).or_default().extend(added.iter().cloned());
        }
    }

    fn drop_part(&mut self, pruned: &PrunedPart) {
        let commit = pruned.name.commit;
        let Some(parts) = self.parts.get_mut(&commit) else { return };
        parts.retain(|part| part.table.name != pruned.table || part.name != pruned.name);
        if parts.is_empty() {
            self.parts.remove(&commit);
        }
    }

    /// Replaces the summary of a pass by the walk states of its next record; `ended_at` is `None` while a walk is open.
    pub(super) fn add_pass(
        &mut self,
        pass: u64,
        definition: &Value,
        walks: &BTreeMap<String, WalkState>,
        ended_at: Option<jiff::Timestamp>,
    ) {
        let hash = fingerprint(&definition.to_string());
        self.definitions.entry(hash.clone()).or_insert_with(|| definition.clone());
        let mut walks = walks.clone();
        walks.values_mut().for_each(|walk| walk.unknown.clear());
        for partition in walks.values_mut().flat_map(|walk| walk.partitions.values_mut()) {
            (partition.new_cursors, partition.tail, partition.novelty) = Default::default();
        }
        let ended_before = self.passes.get(&pass).and_then(|pass| pass.ended_at);
        self.passes.insert(pass, PassSummary { definition: hash, ended_at: ended_before.or(ended_at), walks });
    }

    /// Adds the cursors that the partitions of a pass saw first with this record.
    pub(super) fn add_seen_cursors(&mut self, pass: u64, walks: &BTreeMap<String, WalkState>) {
        // A closed partition sees no more cursors, nor does an older pass.
        if self.last_pass() != pass {
            self.seen_cursors.clear();
        }
        self.seen_cursors.retain(|walk, partitions| {
            let open = walks.get(walk).map(|walk| &walk.partitions);
            partitions.retain(|key, _| open.is_some_and(|open| open.contains_key(key)));
            !partitions.is_empty()
        });
        for (name, walk) in walks {
            for (key, partition) in walk.partitions.iter().filter(|(_, partition)| !partition.new_cursors.is_empty()) {
                let seen = self.seen_cursors.entry(name.clone()).or_default().entry(key.clone()).or_default();
                seen.extend(partition.new_cursors.iter().cloned());
            }
        }
    }

    /// Returns the end of the last pass that is complete; `None` if none is.
    pub fn last_complete(&self) -> Option<jiff::Timestamp> {
        self.passes.values().rev().find(|pass| pass.is_complete())?.ended_at
    }

    /// Returns the bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.parts.values().flatten().map(|part| part.bytes).sum()
    }

    /// Returns the number of the last pass that made a commit; 0 before the first.
    pub(super) fn last_pass(&self) -> u64 {
        self.passes.last_key_value().map_or(0, |(pass, _)| *pass)
    }
}

/// Reads the parts. There may be hundreds of thousands, so those of one run share its id, and no list has room for more.
fn parts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u64, Vec<Part>>, D::Error> {
    struct Parts;
    impl<'de> Visitor<'de> for Parts {
        type Value = BTreeMap<u64, Vec<Part>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("parts by commit")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let (mut all, mut run): (Self::Value, Option<RunId>) = (BTreeMap::new(), None);
            while let Some((commit, mut parts)) = map.next_entry::<u64, Vec<Part>>()? {
                parts.iter_mut().for_each(|part| part.name.run.share(&mut run));
                parts.shrink_to_fit();
                all.insert(commit, parts);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_map(Parts)
}

/// Returns the fingerprint of a cursor or a definition: the first 16 hexadecimal digits of its BLAKE3 hash.
pub fn fingerprint(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}
