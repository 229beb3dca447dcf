//! The dataset on disk: parts, commit records, run reports, and the protocol that keeps them true at any instant.
//!
//! ```text
//! OPEN     lock; read the records from the last full one on: no gap, each whole and naming its predecessor's hash, else refuse
//!          and touch nothing; finish the last commit's publish and removals; sweep staged leftovers and redundant records.
//! COMMIT   per table: staged part written, synced, its footer re-read, hashed; directories synced; the record drafted,
//!          synced, linked to its number (the commit point), its directory synced.
//! PUBLISH  per part: linked from its staged to its final name; directories synced; the staged name removed. Parts that the
//!          commit removed are unlinked, their directories synced. Behind a full record, the records before it are removed.
//! FAIL     before the commit point: staged files are removed, the checkpoint is untouched.
//! ```

use std::io;
use std::path::{Path, PathBuf};

pub mod changed;
mod checksummed_json;
pub mod commit;
pub mod layout;
pub mod manifest;
pub mod missing;
pub mod novelty;
mod parquet_file;
pub mod part;
pub mod read;
pub mod scan;
pub mod snapshot;
pub mod store;
pub mod stored_pages;
pub mod values;
pub mod verify;
pub mod view;
pub mod walk_state;

/// What can go wrong with a dataset.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process writes to it.
    #[error("another crawl holds the dataset `{}`; wait for it to end, or give this one another `--dataset`", dataset.display())]
    Held {
        /// The dataset.
        dataset: PathBuf,
    },
    /// It is not what a crawl left.
    #[error(
        "the dataset `{}` is damaged and was not touched:{}\nrun `civitrawl verify` on it; restore what is missing from a backup, or crawl into a new dataset",
        dataset.display(), list(damages)
    )]
    Damaged {
        /// The dataset.
        dataset: PathBuf,
        /// Everything found.
        damages: Vec<commit::Damage>,
    },
    /// The disk refused.
    #[error("cannot {action} `{}`: {source}; nothing committed was lost, and the next run goes on from the last commit", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Parts were removed that only a snapshot holds now, and all of them were needed.
    #[error(
        "the dataset `{}` was pruned through commit {through}: the rows of those commits are in its snapshot only, and a replay needs their parts; it was not touched",
        dataset.display()
    )]
    Pruned {
        /// The dataset.
        dataset: PathBuf,
        /// The last commit that lost parts.
        through: u64,
    },
    /// There is none.
    #[error("there is no dataset at `{}`", dataset.display())]
    Absent {
        /// Where it was looked for.
        dataset: PathBuf,
    },
}

impl Error {
    /// Rows that do not fit their table's declaration: a fault of this program, told like any other error.
    pub(crate) fn unfit(table: &crate::table::Table, why: &dyn std::fmt::Display) -> Self {
        let source = io::Error::other(format!("the rows do not fit the table's declaration: {why}"));
        Self::Disk { action: "gather rows of", path: PathBuf::from(table.name), source }
    }
}

fn list(damages: &[commit::Damage]) -> String {
    damages.iter().map(|damage| format!("\n  {damage}")).collect()
}

/// Turns an I/O error into [`Error::Disk`], naming what was tried on what.
trait During<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Disk { action, path: path.to_owned(), source })
    }
}
