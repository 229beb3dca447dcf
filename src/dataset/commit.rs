//! The commit record — checkpoint and manifest in one — and what a dataset's files say about how to go on. Pure.
//!
//! A record is one JSON object whose last member is the BLAKE3 hash of everything before it. It names its predecessor by the
//! hash of that whole file, so the records form a chain that cannot lose a link unnoticed. A chain begins with commit 1, or
//! at a full record, which carries what all records before it say: those are redundant, and removed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checksummed_json::{seal, unseal};
use super::layout::{PartName, RunId};
use super::manifest::Manifest;
pub use super::walk_state::{
    BoundaryPage, End, GivenUp, Longest, PartitionState, TROUBLES_MAX, Trouble, UnknownKey, WalkState, Why,
};
use crate::storage::Entry;

/// The form of record this program writes, and the only one it reads.
pub const FORMAT: u32 = 1;

/// One commit: the parts it added and where every walk stood with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// Its number, counted from 1 without gaps.
    pub commit: u64,
    /// Hash of the predecessor's whole file; empty for the first.
    pub previous: String,
    /// When it was made (RFC 3339).
    pub at: jiff::Timestamp,
    /// The version of civitrawl that made it.
    pub version: String,
    /// The run that made it.
    pub run: RunId,
    /// The crawl's name.
    pub crawl: String,
    /// What decides which rows a pass gets; see `definition::fingerprint`.
    pub definition: Value,
    /// The pass it belongs to, counted from 1.
    pub pass: u64,
    /// Where every walk of the pass stands, by name.
    pub walks: BTreeMap<String, WalkState>,
    /// The parts it added.
    pub parts: Vec<Part>,
    /// The parts it removed: a snapshot holds their rows, or parts that this commit added.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub pruned: Vec<PrunedPart>,
    /// Of a full record: what all records before it say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Box<Manifest>>,
}

/// A part that a commit removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrunedPart {
    /// Its table.
    pub table: String,
    /// Its file name.
    pub name: PartName,
}

impl From<&Part> for PrunedPart {
    fn from(part: &Part) -> Self {
        Self { table: part.table.clone(), name: part.name.clone() }
    }
}

/// A part that a commit added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its table.
    pub table: String,
    /// Its file name.
    pub name: PartName,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Its BLAKE3 hash in hexadecimal.
    pub hash: String,
}

/// What is wrong with a record or with the parts on disk. Each message names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A record's text is not what was written.
    #[error("the record of commit {commit} is damaged: {reason}")]
    Record {
        /// The record's number, by its file name.
        commit: u64,
        /// What is wrong.
        reason: String,
    },
    /// Numbers are missing from the chain.
    #[error("the records of commits {first} to {last} are missing, although a later one exists")]
    Gap {
        /// The first missing number.
        first: u64,
        /// The last missing number.
        last: u64,
    },
    /// A part that a record names is not there.
    #[error("part `{table}/{name}` of commit {commit} is missing")]
    MissingPart {
        /// Its table.
        table: String,
        /// Its name.
        name: String,
        /// The commit that added it.
        commit: u64,
    },
    /// A part has another size than was committed.
    #[error("part `{table}/{name}` has {found} bytes; {expected} were committed")]
    PartSize {
        /// Its table.
        table: String,
        /// Its name.
        name: String,
        /// Bytes on disk.
        found: u64,
        /// Bytes committed.
        expected: u64,
    },
    /// A part that waits to be published is not what was committed.
    #[error("part `{table}/{name}` is not what was committed: its hash is another")]
    PartHash {
        /// Its table.
        table: String,
        /// Its name.
        name: String,
    },
    /// Rows that only snapshots held are lost.
    #[error(
        "no snapshot is sound that holds the rows of commits up to {commit}, whose parts were removed; snapshots of \
         other times, where there are any, cannot be carried on"
    )]
    LostSnapshot {
        /// The last commit whose parts were removed.
        commit: u64,
    },
    /// Rows of a snapshot would have one key.
    #[error("table `{table}` holds the key {key} twice where it may be there once")]
    DoubledKey {
        /// The table.
        table: &'static str,
        /// Its key's columns and their values.
        key: String,
    },
    /// `latest` is a file or a directory.
    #[error(
        "`latest` is no link, as where a dataset was copied by what follows links; remove it: the next run makes it anew"
    )]
    NoLink,
    /// A part that no record names.
    #[error("part `{table}/{name}` belongs to no commit; its record may have been deleted")]
    StrayPart {
        /// Its table.
        table: String,
        /// Its name.
        name: String,
    },
}

impl Damage {
    /// A part that is not there.
    pub fn missing(part: &Part, commit: u64) -> Self {
        Self::MissingPart { table: part.table.clone(), name: part.name.to_string(), commit }
    }

    /// Whether it is that this part is not there.
    pub fn is_missing(&self, part: &Part) -> bool {
        matches!(self, Self::MissingPart { table, name, .. } if *table == part.table && *name == part.name.to_string())
    }
}

impl Record {
    /// Whether every walk of the pass is over.
    pub fn is_pass_over(&self) -> bool {
        self.walks.values().all(|walk| walk.end.is_some())
    }

    /// The file's content.
    ///
    /// # Errors
    /// Never in practice: every field has a JSON form.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        seal(self)
    }

    /// Reads a file's content.
    ///
    /// # Errors
    /// When it is not, byte for byte, what [`Record::encode`] wrote for this commit.
    pub fn decode(commit: u64, content: &[u8]) -> Result<Self, Damage> {
        let damage = |reason: &str| Damage::Record { commit, reason: reason.to_owned() };
        let record: Self = unseal(content).map_err(|reason| damage(&reason))?;
        if record.format != FORMAT {
            return Err(damage(&format!("its format is {}, and this version reads {FORMAT}", record.format)));
        }
        if record.commit != commit {
            return Err(damage(&format!("it is the record of commit {}", record.commit)));
        }
        Ok(record)
    }
}

/// The hash by which a record's successor names it.
pub fn chain_hash(content: &[u8]) -> String {
    blake3::hash(content).to_string()
}

/// Whether a chain may begin with this record, so that those before it need not be there.
pub fn is_full(commit: u64, content: &[u8]) -> bool {
    /// A record of which nothing is asked but whether it is full: full ones are large.
    #[derive(Deserialize)]
    struct Probe {
        commit: u64,
        before: Option<serde::de::IgnoredAny>,
    }
    unseal::<Probe>(content).is_ok_and(|probe| probe.commit == commit && probe.before.is_some())
}

/// What the sound records among these files say (numbers ascending, content as read), and everything wrong with the others.
pub fn check_chain(files: &[(u64, Vec<u8>)]) -> (Manifest, Vec<Damage>) {
    let (mut manifest, mut damages) = (Manifest::default(), Vec::new());
    let mut previous = Some(String::new());
    let mut expected = 1;
    for (at, (commit, content)) in files.iter().enumerate() {
        let record = Record::decode(*commit, content);
        // The first one there is may have been full, should it be damaged.
        let begins = at == 0 && record.as_ref().map_or(true, |record| record.before.is_some());
        if expected < *commit {
            if !begins {
                damages.push(Damage::Gap { first: expected, last: commit - 1 });
            }
            previous = None;
        }
        match record {
            Ok(record) => {
                if previous.as_ref().is_some_and(|hash| *hash != record.previous) {
                    let reason = format!("it does not follow the record of commit {} that is here", commit - 1);
                    damages.push(Damage::Record { commit: *commit, reason });
                }
                manifest.add(record);
            }
            Err(damage) => damages.push(damage),
        }
        previous = Some(chain_hash(content));
        expected = commit + 1;
    }
    (manifest, damages)
}

/// What must be done on disk before a dataset may be written to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Parts of the last commit that still have to be published.
    pub publish: Vec<Part>,
    /// Staged files that no commit will publish: table and file name.
    pub sweep: Vec<(String, String)>,
}

/// Compares the records with the files of every table's parts directory.
///
/// # Errors
/// Everything found that no crash of this program can have caused.
pub fn plan_recovery(manifest: &Manifest, files: &BTreeMap<&str, Vec<Entry>>) -> Result<Recovery, Vec<Damage>> {
    let mut recovery = Recovery::default();
    let mut damages = Vec::new();
    let mut unnamed = index(files);
    for (commit, part) in
        manifest.parts.iter().flat_map(|(commit, parts)| parts.iter().map(move |part| (*commit, part)))
    {
        let mut take = |name: String| unnamed.remove(&(part.table.as_str(), name));
        let published = take(part.name.to_string());
        // Only the last commit's publish can have been interrupted; older staged files are leftovers to sweep.
        let staged = if commit == manifest.last_commit() { take(part.name.staged()) } else { None };
        let (table, name) = (part.table.clone(), part.name.to_string());
        match published.or(staged) {
            None => damages.push(Damage::missing(part, commit)),
            Some(found) if found != part.bytes => {
                damages.push(Damage::PartSize { table, name, found, expected: part.bytes });
            }
            Some(_) if staged.is_some() => recovery.publish.push(part.clone()),
            Some(_) => {}
        }
    }
    // Only the last commit's removals can have been interrupted; they are made again anyway.
    let pruned =
        manifest.last.iter().flat_map(|last| &last.pruned).map(|part| (part.table.as_str(), part.name.to_string()));
    let pruned: BTreeSet<_> = pruned.collect();
    for (file, _) in unnamed {
        let (table, name) = (file.0.to_owned(), file.1.clone());
        if PartName::of_staged(&name).is_some() {
            recovery.sweep.push((table, name));
        } else if name.ends_with(".parquet") && !pruned.contains(&file) {
            damages.push(Damage::StrayPart { table, name });
        }
    }
    if damages.is_empty() { Ok(recovery) } else { Err(damages) }
}

/// Sizes by table and file name.
fn index<'a>(files: &BTreeMap<&'a str, Vec<Entry>>) -> BTreeMap<(&'a str, String), u64> {
    let entry = |table, entry: &Entry| ((table, entry.name.clone()), entry.bytes);
    files.iter().flat_map(|(table, entries)| entries.iter().map(move |e| entry(*table, e))).collect()
}

/// The fingerprint under which a cursor or a definition is remembered.
pub fn fingerprint(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests;
