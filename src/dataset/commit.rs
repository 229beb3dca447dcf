//! The commit record: checkpoint and manifest in one. Pure.
//!
//! A record is one JSON object whose last member is the BLAKE3 hash of everything before it. It names its predecessor by the
//! hash of that whole file, so the records form a chain that cannot lose a link unnoticed. A chain begins with commit 1, or
//! at a full record. A full record restates all records before it, so those are removed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checksummed_json::{self, Fault};
use super::damage::Damage;
use super::history::History;
pub use super::history::{Part, PrunedPart, fingerprint};
use super::layout::RunId;
pub use super::walk_state::{
    BoundaryPage, End, GivenUp, Longest, PartitionState, TROUBLES_MAX, Trouble, UnknownKey, WalkState, Why,
};

/// The record format that this program writes and reads.
///
/// It rises when something gets a new meaning, so that an older program would misread it. A new field, table or column does not
/// raise it: older records and parts read as without it, and an older program sees by [`Record::version`] that something unknown
/// is of a newer one. The same holds for the inventories of snapshots. Until 0.1.0 is published, a change may make older datasets
/// unreadable; from then on every version reads all of `tests/corpus`.
pub const FORMAT: u32 = 1;

/// One commit: the parts it added and the state of every walk after exactly these rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// The commit number, counted from 1 without gaps.
    pub commit: u64,
    /// Hash of the predecessor's whole file; empty in the first record.
    pub previous: String,
    /// The time of the commit (RFC 3339).
    pub at: jiff::Timestamp,
    /// The civitrawl version that made the commit.
    pub version: String,
    /// The run that made the commit.
    pub run: RunId,
    /// The crawl's name.
    pub crawl: String,
    /// The server that the rows are from: see [`identity`](crate::definition::identity).
    pub server: String,
    /// The parts of the crawl file that decide which rows a pass returns; see `definition::fingerprint`.
    pub definition: Value,
    /// The pass, counted from 1.
    pub pass: u64,
    /// The state of every walk of the pass, by name.
    pub walks: BTreeMap<String, WalkState>,
    /// The parts that the commit added.
    pub parts: Vec<Part>,
    /// The parts that the commit removed, because a snapshot or the parts added here hold their rows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub pruned: Vec<PrunedPart>,
    /// Set in a full record: the history up to the previous commit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Box<History>>,
}

impl Record {
    /// True if every walk of the pass has ended.
    pub fn is_pass_over(&self) -> bool {
        self.walks.values().all(|walk| walk.end.is_some())
    }

    /// Returns the content of the record's file.
    ///
    /// # Errors
    /// Never in practice: every field has a JSON form.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        checksummed_json::encode(self)
    }

    /// Reads the content of a record's file.
    ///
    /// # Errors
    /// [`Damage::Record`] if it is not, byte for byte, what [`Record::encode`] wrote for this commit; [`Damage::Newer`] if a newer
    /// version wrote something that this one does not know.
    pub fn decode(commit: u64, content: &[u8]) -> Result<Self, Damage> {
        let damage = |reason| Damage::Record { commit, reason };
        let record: Self = checksummed_json::decode(content, FORMAT).map_err(|fault| match fault {
            Fault::Damaged(reason) => damage(reason),
            Fault::Newer(newer) => Damage::Newer(newer),
        })?;
        if record.format != FORMAT {
            return Err(damage(format!("its format is {}, and this version reads {FORMAT}", record.format)));
        }
        if record.commit != commit {
            return Err(damage(format!("it is the record of commit {}", record.commit)));
        }
        Ok(record)
    }
}

/// Returns the hash by which the next record names this one: BLAKE3 of the whole file, in hexadecimal.
pub fn chain_hash(content: &[u8]) -> String {
    blake3::hash(content).to_string()
}
