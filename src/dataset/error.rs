//! The errors of a dataset.

use std::io;
use std::path::{Path, PathBuf};

use super::damage::Damage;
use super::origin::Newer;
use crate::storage::{Holder, Storage};

/// An error of a dataset.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process writes to the dataset.
    #[error(
        "another crawl holds the dataset `{}`{}; wait for it to end, or give this one another `--dataset`",
        dataset.display(), holder.as_ref().map(|holder| format!(" ({holder})")).unwrap_or_default()
    )]
    Held {
        /// The dataset.
        dataset: PathBuf,
        /// The process, if it can be named.
        holder: Option<Holder>,
    },
    /// Another push or run works on a place that is a directory.
    #[error(
        "another push or run works on the place `{}`{}; wait for it to end, or name another place",
        place.display(), holder.as_ref().map(|holder| format!(" ({holder})")).unwrap_or_default()
    )]
    Occupied {
        /// The place.
        place: PathBuf,
        /// The process, if it can be named.
        holder: Option<Holder>,
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
        "`{}` {reason}; none of it was used, and nothing was removed for it\nin a dataset: run `civitrawl verify`, which names every damage; restore the file from a backup, or crawl into a new dataset\nin a place: move the file and `latest.json` elsewhere, and push the newest copy of the dataset there before anything crawls",
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
    /// A newer version of this program wrote to it.
    #[error("the dataset `{}` was {newer}; it was not touched", dataset.display())]
    Newer {
        /// The dataset.
        dataset: PathBuf,
        /// The version that wrote to it.
        newer: Newer,
    },
    /// The directory holds other things.
    #[error(
        "`{}` is no dataset: it is not empty and holds no record of a crawl; it was not touched. Name a new or an empty directory",
        dataset.display()
    )]
    Foreign {
        /// The directory.
        dataset: PathBuf,
    },
    /// The file system lacks something that datasets need.
    #[error("the file system of `{}` {lacking}: {source}; put the dataset on another one", dataset.display())]
    Lacking {
        /// The dataset.
        dataset: PathBuf,
        /// The end of a sentence about the missing ability and its purpose.
        lacking: &'static str,
        /// The cause.
        source: io::Error,
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
    /// One of two copies of a dataset does not continue the other.
    #[error("`{}` {reason}; it was not touched", there.display())]
    Apart {
        /// The copy that would have been continued.
        there: PathBuf,
        /// The difference with its remedy, as the rest of a sentence about that copy.
        reason: String,
    },
    /// A store does not answer, or answers that it cannot.
    #[error("`{}` {reason}; run it again: what was sent already is not sent again", place.display())]
    Away {
        /// The store, or one of its files.
        place: PathBuf,
        /// The fault, as the rest of a sentence about it.
        reason: String,
    },
    /// A store refuses what was asked.
    #[error("`{}` {reason}", place.display())]
    Refused {
        /// The store, or one of its files.
        place: PathBuf,
        /// The refusal with its remedy, as the rest of a sentence about it.
        reason: String,
    },
    /// Another push replaced the head of a place meanwhile.
    #[error("another push to `{}` went ahead of this one, which changed nothing that readers see; run it again", place.display())]
    Overtaken {
        /// The place.
        place: PathBuf,
    },
    /// Another run opened the place that is the truth of this dataset since this run did, or committed to it.
    #[error(
        "another run went on with the dataset in `{}`, so this one ends; what it had committed there is kept, and the rest is crawled again. \
         Wait for the other one to end before you run it again",
        place.display()
    )]
    Fenced {
        /// The place.
        place: PathBuf,
    },
    /// Nothing was pushed to a place.
    #[error("nothing was pushed to `{}`; name the place that `civitrawl push DATASET PLACE` or `store` in a crawl file named", place.display())]
    NotPushed {
        /// The place.
        place: PathBuf,
    },
    /// There is no dataset.
    #[error(
        "there is no dataset at `{}`; name the directory that `dataset` in a crawl file names, or fetch one that is kept elsewhere by \
         `civitrawl pull PLACE DIRECTORY`",
        dataset.display()
    )]
    Absent {
        /// The directory searched.
        dataset: PathBuf,
    },
}

impl Error {
    /// Returns the error for these damages. A newer version's record is none, and nothing else is certain beside it.
    pub(super) fn damaged(dataset: &Path, damages: Vec<Damage>) -> Self {
        let dataset = dataset.to_owned();
        match damages.iter().find_map(Damage::newer) {
            Some(newer) => Self::Newer { dataset, newer: newer.clone() },
            None => Self::Damaged { dataset, damages },
        }
    }

    /// Returns the error that another process holds this lock of a dataset.
    pub(super) fn held(dataset: &Path, storage: &dyn Storage, lock: &Path, mark: &[u8]) -> Self {
        Self::Held { dataset: dataset.to_owned(), holder: storage.holder(lock, mark) }
    }

    /// True if a file is missing that was to be read.
    pub(super) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// True if it is about a file in this directory.
    pub(super) fn is_of(&self, directory: &Path) -> bool {
        match self {
            Self::Disk { path, .. } | Self::Rotten { path, .. } => path.starts_with(directory),
            Self::Damaged { dataset, .. } => dataset == directory,
            _ => false,
        }
    }

    /// Returns the error that a file is not what is recorded of it.
    pub(crate) fn rotten(path: &Path, reason: impl Into<String>) -> Self {
        Self::Rotten { path: path.to_owned(), reason: reason.into() }
    }

    /// Returns the error that a file has another size than is recorded.
    pub(crate) fn other_size(path: &Path, found: u64, recorded: u64) -> Self {
        Self::rotten(path, format!("is not what was written: it has {found} bytes instead of {recorded}"))
    }

    /// Returns the error that a file has another hash than is recorded.
    pub(super) fn other_hash(path: &Path) -> Self {
        Self::rotten(path, "is not what was written: its hash is another")
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
