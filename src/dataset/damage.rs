//! The faults a dataset may have that no crash of this program can cause. Pure.

use super::history::Part;
use super::origin::Newer;

/// A fault of the records or of the parts on disk. Each message names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A record is not, byte for byte, what was written.
    #[error("the record of commit {commit} is damaged: {reason}")]
    Record {
        /// The record's number, by its file name.
        commit: u64,
        /// The fault.
        reason: String,
    },
    /// No fault: a newer version wrote a record, and this one cannot read it. [`Error::damaged`](super::Error) makes it an error
    /// of its own.
    #[error("a record was {0}")]
    Newer(Newer),
    /// Numbers are missing from the chain.
    #[error("the records of commits {first} to {last} are missing, although a later one exists")]
    Gap {
        /// The first missing number.
        first: u64,
        /// The last missing number.
        last: u64,
    },
    /// A record names a part that does not exist.
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
    /// A part that is still to be published differs from the committed one.
    #[error("part `{table}/{name}` is not what was committed: its hash is another")]
    PartHash {
        /// Its table.
        table: String,
        /// Its name.
        name: String,
    },
    /// Rows whose parts were removed are in no sound snapshot.
    #[error(
        "no snapshot is sound that holds the rows of commits up to {commit}, whose parts were removed; snapshots of \
         other times, where there are any, cannot be carried on"
    )]
    LostSnapshot {
        /// The last commit whose parts were removed.
        commit: u64,
    },
    /// A file of a snapshot is missing or not what was written.
    #[error("`{file}` of snapshot {snapshot} {fault}")]
    Snapshot {
        /// The snapshot.
        snapshot: u64,
        /// The file.
        file: String,
        /// The fault, as the rest of a sentence about the file.
        fault: String,
    },
    /// Two rows of a snapshot have the same key.
    #[error("table `{table}` holds the key {key} twice where it may be there once")]
    DoubledKey {
        /// The table.
        table: &'static str,
        /// The key's columns and their values.
        key: String,
    },
    /// `latest` is a file or a directory instead of a symbolic link.
    #[error(
        "`latest` is no link, as where a dataset was copied by what follows links; remove it: the next run makes it anew"
    )]
    NoLink,
    /// A part exists that no record names.
    #[error("part `{table}/{name}` belongs to no commit; its record may have been deleted")]
    StrayPart {
        /// Its table.
        table: String,
        /// Its name.
        name: String,
    },
}

impl Damage {
    /// Returns the damage that this part of the commit is missing.
    pub fn missing(part: &Part, commit: u64) -> Self {
        Self::MissingPart { table: part.table.name.to_owned(), name: part.name.to_string(), commit }
    }

    /// Returns the refusal if a newer version wrote the record.
    pub(super) fn newer(&self) -> Option<&Newer> {
        if let Self::Newer(newer) = self { Some(newer) } else { None }
    }

    /// True if the damage is that this part is missing.
    pub fn is_missing(&self, part: &Part) -> bool {
        matches!(self, Self::MissingPart { table, name, .. } if *table == part.table.name && *name == part.name.to_string())
    }
}
