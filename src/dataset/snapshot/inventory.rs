//! `snapshot.json`: what a snapshot holds, up to which commit it reaches, and how it was made. Sealed by its checksum.

use serde::{Deserialize, Serialize};

use crate::dataset::checksummed_json::{seal, unseal};

/// The form of inventory this program writes, and the only one it reads.
const FORMAT: u32 = 1;

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    format: u32,
    /// The snapshot's number, counted from 1.
    pub snapshot: u64,
    /// When it was made.
    pub at: jiff::Timestamp,
    /// The version of civitrawl that made it.
    pub version: String,
    /// The crawl's name.
    pub crawl: String,
    /// The last commit whose rows are in it.
    pub commit: u64,
    /// The hash by which that commit's successor names it.
    pub commit_hash: String,
    /// That commit's pass.
    pub pass: u64,
    /// What had become of that pass.
    pub state: State,
    /// The snapshot it was made from; none when it was made from parts alone.
    pub from: Option<u64>,
    /// Its files.
    pub files: Vec<File>,
}

/// What had become of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its walks were not over.
    Unfinished,
    /// Everything was had.
    Complete,
    /// All walks were over, but rows may be missing; the run's report names them.
    CompleteWithDoubts,
}

/// A file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The table.
    pub table: String,
    /// Whether it holds the table's history.
    pub history: bool,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Its BLAKE3 hash in hexadecimal.
    pub hash: String,
    /// Whether it was written for this snapshot, or taken over from the one before.
    pub rewritten: bool,
}

impl File {
    /// The file's name without its ending.
    pub fn name(&self) -> String {
        format!("{}{}", self.table, if self.history { "_history" } else { "" })
    }
}

impl Inventory {
    /// The inventory of a snapshot whose files are still to be made.
    pub(super) fn new(snapshot: u64, last: &crate::dataset::commit::Record, commit_hash: String) -> Self {
        let state = match (last.is_pass_over(), last.walks.values().any(crate::dataset::commit::WalkState::is_doubtful))
        {
            (false, _) => State::Unfinished,
            (true, false) => State::Complete,
            (true, true) => State::CompleteWithDoubts,
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
        }
    }

    /// The file of a table, or of its history.
    pub fn file(&self, table: &str, history: bool) -> Option<&File> {
        self.files.iter().find(|file| file.table == table && file.history == history)
    }

    pub(super) fn encode(&self) -> Result<String, serde_json::Error> {
        seal(self)
    }

    /// Reads the inventory of this snapshot, or says what is wrong with it.
    pub(super) fn decode(snapshot: u64, content: &[u8]) -> Result<Self, String> {
        let inventory: Self = unseal(content)?;
        if inventory.format != FORMAT {
            return Err(format!("its format is {}, and this version reads {FORMAT}", inventory.format));
        }
        if inventory.snapshot != snapshot {
            return Err(format!("it is the inventory of snapshot {}", inventory.snapshot));
        }
        Ok(inventory)
    }
}
