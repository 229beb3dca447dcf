//! `snapshot.json`: the content of a snapshot, the commit it reaches, and its origin. A checksum closes the file. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::dataset::checksummed_json::{self, Fault};
use crate::dataset::commit::{Record, WalkState};
use crate::dataset::layout::{FileHash, range_name};
use crate::table::Table;

/// The inventory format that this program writes and reads.
const FORMAT: u32 = 1;

/// The content of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    format: u32,
    /// The snapshot's number, counted from 1.
    pub snapshot: u64,
    /// The time of its making.
    pub at: jiff::Timestamp,
    /// The civitrawl version that made it.
    pub version: String,
    /// The crawl's name.
    pub crawl: String,
    /// The last commit whose rows are in it.
    pub commit: u64,
    /// The hash of that commit's record: see [`chain_hash`](crate::dataset::commit::chain_hash).
    pub commit_hash: String,
    /// That commit's pass.
    pub pass: u64,
    /// The state of that pass.
    pub state: State,
    /// The snapshot from which it was made; `None` if it was made from parts alone.
    pub from: Option<u64>,
    /// Its files.
    pub files: Vec<File>,
    /// The walks of every pass, in the order of the crawl file: with the parts all that its rows follow from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub walks: Vec<WalkOfPass>,
}

/// A walk of a pass, as far as it decides which rows are the latest and which things are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalkOfPass {
    /// The pass.
    pub pass: u64,
    /// The walk's name.
    pub walk: String,
    /// The walk's position in the crawl file, counted from 0: of the rows of a pass those of the first walk count most.
    pub rank: u64,
    /// The number of its question, the same for all walks that ask the same; `None` if its rows prove nothing about later ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<u64>,
    /// The end of the pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<jiff::Timestamp>,
    /// Set if the walk finds things gone that walks with its question saw in earlier passes: since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_gone_at: Option<jiff::Timestamp>,
    /// Things that it does not find gone, by the first column of their key.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub withheld: BTreeSet<String>,
}

/// The state of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A walk had not ended.
    Unfinished,
    /// Every walk is complete.
    Complete,
    /// All walks had ended, but rows may be missing; the run's report names them.
    Doubtful,
}

/// A file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The table.
    pub table: &'static Table,
    /// True for the table's history.
    pub history: bool,
    /// The range of ids whose rows it holds; `None` if it holds all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<u16>,
    /// The number of rows.
    pub rows: u64,
    /// The size in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of the file.
    pub hash: FileHash,
    /// True if the file was written for this snapshot, false if it is a link to the previous snapshot's.
    pub rewritten: bool,
    /// The number of the snapshot for which it was written; 0 if that was before there were ranges.
    #[serde(default)]
    pub written_for: u64,
}

/// A table of a snapshot, or its history, over all its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The table's name, followed by `_history` for a history.
    pub name: String,
    /// The number of rows.
    pub rows: u64,
    /// The size in bytes.
    pub bytes: u64,
    /// The number of files.
    pub files: usize,
    /// The number of files that were written for this snapshot.
    pub rewritten: usize,
}

impl File {
    /// Returns the table's name, followed by `_history` for a history.
    pub fn name(&self) -> String {
        format!("{}{}", self.table.name, if self.history { "_history" } else { "" })
    }

    /// Returns the file's name in the directory of the snapshot.
    pub fn file_name(&self) -> String {
        let range = self.range.map(|range| format!("/{}", range_name(range))).unwrap_or_default();
        format!("{}.parquet{range}", self.name())
    }

    /// True if both are names of one file on the disk, by what the inventories say.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.file_name() == other.file_name() && self.hash == other.hash && self.written_for == other.written_for
    }
}

impl Inventory {
    /// Returns the bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Returns the inventory of a snapshot whose files are still to be built.
    pub(super) fn new(snapshot: u64, last: &Record, commit_hash: String) -> Self {
        let state = match (last.is_pass_over(), last.walks.values().any(WalkState::is_doubtful)) {
            (false, _) => State::Unfinished,
            (true, false) => State::Complete,
            (true, true) => State::Doubtful,
        };
        Self {
            format: FORMAT,
            snapshot,
            at: jiff::Timestamp::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            crawl: last.crawl.clone(),
            commit: last.commit,
            commit_hash,
            pass: last.pass,
            state,
            from: None,
            files: Vec::new(),
            walks: Vec::new(),
        }
    }

    /// Returns the files of a table, or of its history.
    pub fn files_of(&self, table: &str, history: bool) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.table.name == table && file.history == history)
    }

    /// True if it has the table, or its history.
    pub fn has(&self, table: &str, history: bool) -> bool {
        self.files_of(table, history).next().is_some()
    }

    /// True if it has the table in ranges; `None` if it lacks the table, or nobody was asked how to keep it.
    pub(super) fn is_split(&self, table: &str) -> Option<bool> {
        self.files_of(table, false).next().filter(|file| file.written_for > 0).map(|file| file.range.is_some())
    }

    /// Returns its tables and their histories, in the order of their files.
    pub fn tables(&self) -> Vec<Contents> {
        let of_one_table = self.files.chunk_by(|file, next| file.name() == next.name());
        let contents = |files: &[File]| Contents {
            name: files[0].name(),
            rows: files.iter().map(|file| file.rows).sum(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            files: files.len(),
            rewritten: files.iter().filter(|file| file.rewritten).count(),
        };
        of_one_table.map(contents).collect()
    }

    pub(super) fn encode(&self) -> Result<String, serde_json::Error> {
        checksummed_json::encode(self)
    }

    /// Reads the inventory of this snapshot.
    pub(in crate::dataset) fn decode(snapshot: u64, content: &[u8]) -> Result<Self, Fault> {
        let inventory: Self = checksummed_json::decode(content, FORMAT)?;
        if inventory.format != FORMAT {
            let reason = format!("its format is {}, and this version reads {FORMAT}", inventory.format);
            return Err(Fault::Damaged(reason));
        }
        if inventory.snapshot != snapshot {
            return Err(Fault::Damaged(format!("it is the inventory of snapshot {}", inventory.snapshot)));
        }
        Ok(inventory)
    }
}
