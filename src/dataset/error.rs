//! The errors of a dataset.

use std::io;
use std::path::{Path, PathBuf};

use super::damage::Damage;

/// An error of a dataset.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process writes to the dataset.
    #[error("another crawl holds the dataset `{}`; wait for it to end, or give this one another `--dataset`", dataset.display())]
    Held {
        /// The dataset.
        dataset: PathBuf,
    },
    /// The files are not what a crawl left.
    #[error(
        "the dataset `{}` is damaged and was not touched:{}\nrun `civitrawl verify` on it; restore what is missing from a backup, or crawl into a new dataset",
        dataset.display(), list(damages)
    )]
    Damaged {
        /// The dataset.
        dataset: PathBuf,
        /// Every damage found.
        damages: Vec<Damage>,
    },
    /// A file is not, byte for byte, what is recorded of it.
    #[error(
        "`{}` {reason}; none of it was used, and nothing was removed for it\nrun `civitrawl verify` on the dataset, which names every damage; restore the file from a backup, or crawl into a new dataset",
        path.display()
    )]
    Rotten {
        /// The file.
        path: PathBuf,
        /// The fault, as the rest of a sentence about the file.
        reason: String,
    },
    /// A check of the whole dataset found faults.
    #[error(
        "the dataset `{}` is damaged:\n  {}\nrestore what is missing from a backup, or crawl into a new dataset",
        dataset.display(), faults.join("\n  ")
    )]
    Unsound {
        /// The dataset.
        dataset: PathBuf,
        /// Every fault, one sentence each.
        faults: Vec<String>,
    },
    /// The operating system reported an I/O error.
    #[error("cannot {action} `{}`: {source}; nothing committed was lost, and the next run continues from the last commit", path.display())]
    Disk {
        /// The action that failed.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A replay needs parts that were removed because a snapshot holds their rows.
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
    /// A snapshot or a check was cancelled; [`snapshot::take_unless`](super::snapshot::take_unless) returns `None` for it.
    #[error("the work was cancelled")]
    Cancelled,
    /// There is no dataset.
    #[error("there is no dataset at `{}`", dataset.display())]
    Absent {
        /// The directory searched.
        dataset: PathBuf,
    },
}

impl Error {
    /// True if a file is missing that was to be read.
    pub(super) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Returns the error that a file is not what is recorded of it.
    pub(super) fn rotten(path: &Path, reason: impl Into<String>) -> Self {
        Self::Rotten { path: path.to_owned(), reason: reason.into() }
    }

    /// Returns the error for rows that do not fit their table's declaration, which is a fault of this program.
    pub(crate) fn unfit(table: &crate::table::Table, why: &dyn std::fmt::Display) -> Self {
        let source = io::Error::other(format!("the rows do not fit the table's declaration: {why}"));
        Self::Disk { action: "gather rows of", path: PathBuf::from(table.name), source }
    }
}

fn list(damages: &[Damage]) -> String {
    damages.iter().map(|damage| format!("\n  {damage}")).collect()
}

/// Turns an I/O error into [`Error::Disk`] with the action and its path.
pub(in crate::dataset) trait During<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Disk { action, path: path.to_owned(), source })
    }
}
